//! A log as files: written in steps, read back, broken in every way there is.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io;
use std::path::Path;

use tempfile::TempDir;
use tumar::log::merkle::{MerkleError, Tree, leaf_hash, verify_consistency};
use tumar::log::note::{Checkpoint, NoteError, NoteSigner, SigningKey};
use tumar::log::tiles::{Reader, TilesError, Writer};

const NAME: &str = "log.example/a";

/// A log in memory: what a node has, and what it writes its files from.
struct Log {
    signer: NoteSigner,
    entries: Vec<Vec<u8>>,
    tree: Tree,
}

impl Log {
    fn new(size: u64) -> Self {
        let signer = NoteSigner::new(NAME.parse().unwrap(), SigningKey::from_seed(&[1; 32]));
        let mut log = Self { signer, entries: Vec::new(), tree: Tree::new() };
        log.grow(size);
        log
    }

    fn grow(&mut self, size: u64) {
        for index in self.tree.size()..size {
            self.push(format!("entry {index}").into_bytes());
        }
    }

    fn push(&mut self, entry: Vec<u8>) {
        self.tree.push(leaf_hash(&entry));
        self.entries.push(entry);
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint { origin: NAME.parse().unwrap(), size, root: self.tree.root(size).unwrap() }
    }

    /// Writes all there is; returns the index of the first entry that was asked for.
    fn write(&self, writer: &mut Writer) -> Result<Option<u64>, TilesError> {
        let note = self.checkpoint(self.tree.size()).sign(&self.signer).unwrap();
        let mut first = None;
        writer.write(
            &self.tree,
            |range| {
                first.get_or_insert(range.start);
                Ok(self.entries[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].to_vec())
            },
            &note,
        )?;
        Ok(first)
    }

    fn audit(&self, at: &Path) -> Result<Tree, TilesError> {
        let reader = Reader::new(at);
        reader.audit(&reader.checkpoint(self.signer.verifier())?)
    }
}

/// A directory with a log of this size in it.
fn written(size: u64) -> (TempDir, Log) {
    let (directory, log) = (TempDir::new().unwrap(), Log::new(size));
    log.write(&mut Writer::open(directory.path()).unwrap()).unwrap();
    assert_eq!(log.audit(directory.path()).unwrap().size(), size);
    (directory, log)
}

fn flip(path: &Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_log_written_in_steps_is_whole_after_each_and_old_checkpoints_stay_provable() {
    let directory = TempDir::new().unwrap();
    let mut log = Log::new(0);
    let mut writer = Writer::open(directory.path()).unwrap();
    let mut shown = Vec::new();
    for (size, first) in [
        (0, None),
        (1, Some(0)),
        (5, Some(0)),
        (255, Some(0)),
        (255, None),
        (256, Some(0)),
        (257, Some(256)),
        (600, Some(256)),
        (768, Some(512)),
        (1024, Some(768)),
        (65_700, Some(1024)),
        (65_701, Some(65_536)),
    ] {
        log.grow(size);
        assert_eq!(log.write(&mut writer).unwrap(), first, "size {size}");
        assert_eq!(writer.size(), size);
        let tree = log.audit(directory.path()).unwrap();
        shown.push(log.checkpoint(size));
        for old in &shown {
            let proof = tree.consistency(old.size, size).unwrap();
            let root = tree.root(size).unwrap();
            assert_eq!(verify_consistency(old.size, size, &proof, &old.root, &root), Ok(()));
        }
        // Every checkpoint ever shown can still be audited: its partial tiles are there, or the full ones.
        for old in shown.iter().filter(|old| old.size <= 600) {
            Reader::new(directory.path()).audit(old).unwrap();
        }
    }
    let reader = Reader::new(directory.path());
    for index in [0, 255, 256, 65_535, 65_700] {
        assert_eq!(reader.entry(index, 65_701).unwrap(), format!("entry {index}").into_bytes());
    }
    assert!(matches!(reader.entry(65_701, 65_701), Err(TilesError::Beyond)));
}

#[test]
fn the_files_are_those_of_tlog_tiles() {
    let (directory, mut log) = written(5);
    let at = |path: &str| directory.path().join(path);
    assert_eq!(fs::read(at("tile/0/000.p/5")).unwrap(), log.tree.complete(0).as_flattened());
    assert!(fs::read(at("tile/entries/000.p/5")).unwrap().starts_with(b"\0\x07entry 0\0\x07entry 1"));
    log.grow(600);
    let mut writer = Writer::open(directory.path()).unwrap();
    assert_eq!(writer.first_needed(), 0);
    log.write(&mut writer).unwrap();
    assert_eq!(writer.first_needed(), 512);
    assert_eq!(fs::read(at("tile/0/001")).unwrap(), log.tree.complete(0)[256..512].as_flattened());
    assert_eq!(fs::read(at("tile/1/000.p/2")).unwrap(), log.tree.complete(8).as_flattened());
    assert_eq!(fs::read(at("tile/0/002.p/88")).unwrap().len(), 88 * 32);
    assert!(!at("tile/0/000.p").exists() && !at("tile/entries/000.p").exists(), "partial beside full");
    assert!(!at("tile/0/000.new").exists() && !at("checkpoint.new").exists(), "left over");
}

#[test]
fn what_has_not_changed_is_not_written_again() {
    let (directory, mut log) = written(300);
    let full = directory.path().join("tile/0/000");
    fs::remove_file(&full).unwrap();
    log.grow(301);
    log.write(&mut Writer::open(directory.path()).unwrap()).unwrap();
    assert!(!full.exists());
}

#[test]
fn a_log_that_is_no_continuation_is_not_written() {
    let (directory, log) = written(300);
    let before = fs::read(directory.path().join("checkpoint")).unwrap();
    let mut writer = Writer::open(directory.path()).unwrap();
    assert!(matches!(Log::new(299).write(&mut writer), Err(TilesError::Shrunk)), "smaller");
    let mut fork = Log::new(299);
    fork.push(b"another".to_vec());
    fork.grow(310);
    assert!(matches!(fork.write(&mut writer), Err(TilesError::Fork)), "one entry changed");
    let mut dropped = Log::new(100);
    (101..310).for_each(|index| dropped.push(format!("entry {index}").into_bytes()));
    assert!(matches!(dropped.write(&mut writer), Err(TilesError::Fork)), "one entry dropped");
    let other = NoteSigner::new("log.example/b".parse().unwrap(), SigningKey::from_seed(&[1; 32]));
    let foreign = Checkpoint { origin: "log.example/b".parse().unwrap(), ..log.checkpoint(300) }.sign(&other).unwrap();
    let none = |_| Err(io::ErrorKind::NotFound.into());
    assert!(matches!(writer.write(&log.tree, none, &foreign), Err(TilesError::Fork)), "another log");
    let lie = Checkpoint { root: [0; 32], ..log.checkpoint(300) }.sign(&log.signer).unwrap();
    assert!(matches!(writer.write(&log.tree, none, &lie), Err(TilesError::Fork)), "a root that is not the tree's");
    let beyond = Checkpoint { size: 301, ..log.checkpoint(300) }.sign(&log.signer).unwrap();
    assert!(matches!(writer.write(&log.tree, none, &beyond), Err(TilesError::Beyond)), "more than the tree has");
    assert_eq!(fs::read(directory.path().join("checkpoint")).unwrap(), before);
    log.audit(directory.path()).unwrap();
}

#[test]
fn entries_that_are_not_the_trees_are_not_written() {
    let directory = TempDir::new().unwrap();
    let mut writer = Writer::open(directory.path()).unwrap();
    let mut log = Log::new(10);
    log.entries[7] = b"changed in the store".to_vec();
    assert!(matches!(log.write(&mut writer), Err(TilesError::Entry(7))));
    let note = log.checkpoint(10).sign(&log.signer).unwrap();
    let short = |_| Ok(vec![b"entry 0".to_vec()]);
    assert!(matches!(writer.write(&log.tree, short, &note), Err(TilesError::Bundle(0))));
    let failing = |_| Err(io::ErrorKind::TimedOut.into());
    assert!(matches!(writer.write(&log.tree, failing, &note), Err(TilesError::Io(_))));
    assert!(!directory.path().join("checkpoint").exists());
    let mut oversized = Log::new(0);
    oversized.push(vec![0; 65_536]);
    assert!(matches!(oversized.write(&mut writer), Err(TilesError::Entry(0))), "no room for its length");
}

#[test]
fn a_write_that_breaks_anywhere_leaves_the_earlier_log_whole_and_can_be_done_again() {
    let places = [
        "tile/entries/001.p/45.new",
        "tile/entries/000.new",
        "tile/0/001.p/45.new",
        "tile/1/000.p/1.new",
        "checkpoint.new",
    ];
    for (broken, restarted) in places.into_iter().flat_map(|place| [(place, false), (place, true)]) {
        let (directory, mut log) = written(200);
        log.grow(301);
        let mut writer = Writer::open(directory.path()).unwrap();
        let obstacle = directory.path().join(broken);
        fs::create_dir_all(&obstacle).unwrap();
        assert!(matches!(log.write(&mut writer), Err(TilesError::Io(_))), "{broken}");
        assert_eq!(writer.size(), 200);
        assert_eq!(log.audit(directory.path()).unwrap().size(), 200, "{broken}");
        fs::remove_dir(&obstacle).unwrap();
        // By the same writer, or by one that starts after a crash; with more in the log than the broken write had.
        log.grow(302);
        if restarted {
            writer = Writer::open(directory.path()).unwrap();
        }
        log.write(&mut writer).unwrap();
        assert_eq!(log.audit(directory.path()).unwrap().size(), 302, "{broken}");
    }
}

#[test]
fn a_write_that_was_made_but_not_noticed_can_be_made_again() {
    let (directory, mut log) = written(200);
    let mut unaware = Writer::open(directory.path()).unwrap();
    log.grow(300);
    log.write(&mut Writer::open(directory.path()).unwrap()).unwrap();
    log.write(&mut unaware).unwrap();
    assert_eq!(log.audit(directory.path()).unwrap().size(), 300);
    let mut restarted = Writer::open(directory.path()).unwrap();
    assert_eq!(restarted.size(), 300);
    assert_eq!(log.write(&mut restarted).unwrap(), None);
}

#[test]
fn every_kind_of_damage_is_found_and_named() {
    type Case = (&'static str, fn(&Path), fn(&TilesError) -> bool);
    let cases: [Case; 11] = [
        ("a changed entry", |at| flip(&at.join("tile/entries/000"), 9 + 2), |e| matches!(e, TilesError::Entry(1))),
        ("a changed length", |at| flip(&at.join("tile/entries/000"), 1), |e| matches!(e, TilesError::Bundle(0))),
        (
            "a dropped entry",
            |at| {
                let path = at.join("tile/entries/001.p/44");
                let bytes = fs::read(&path).unwrap();
                fs::write(&path, &bytes[11..]).unwrap();
            },
            |e| matches!(e, TilesError::Bundle(1)),
        ),
        (
            "an added entry",
            |at| {
                let path = at.join("tile/entries/001.p/44");
                let mut bytes = fs::read(&path).unwrap();
                bytes.extend(b"\0\x01x");
                fs::write(&path, bytes).unwrap();
            },
            |e| matches!(e, TilesError::Bundle(1)),
        ),
        ("a changed leaf hash", |at| flip(&at.join("tile/0/000"), 8191), |e| matches!(e, TilesError::Root)),
        (
            "a changed tile higher up",
            |at| flip(&at.join("tile/1/000.p/1"), 0),
            |e| matches!(e, TilesError::Tile { level: 1, index: 0 }),
        ),
        (
            "a short tile",
            |at| fs::write(at.join("tile/0/000"), [0; 8191]).unwrap(),
            |e| matches!(e, TilesError::Tile { level: 0, index: 0 }),
        ),
        (
            "a missing tile",
            |at| fs::remove_file(at.join("tile/0/001.p/44")).unwrap(),
            |e| matches!(e, TilesError::Io(error) if error.kind() == io::ErrorKind::NotFound),
        ),
        ("a changed checkpoint", |at| flip(&at.join("checkpoint"), 16), |e| matches!(e, TilesError::Checkpoint(_))),
        (
            "a checkpoint by another key",
            |at| {
                let thief = NoteSigner::new(NAME.parse().unwrap(), SigningKey::from_seed(&[2; 32]));
                fs::write(at.join("checkpoint"), Log::new(300).checkpoint(300).sign(&thief).unwrap()).unwrap();
            },
            |e| matches!(e, TilesError::Checkpoint(NoteError::Unsigned)),
        ),
        (
            "a checkpoint of another log by the same key",
            |at| {
                let text = Log::new(300).checkpoint(300).text().replace(NAME, "log.example/b");
                fs::write(at.join("checkpoint"), Log::new(0).signer.sign(&text).unwrap()).unwrap();
            },
            |e| matches!(e, TilesError::Checkpoint(NoteError::Origin)),
        ),
    ];
    for (case, damage, found) in cases {
        let (directory, log) = written(300);
        damage(directory.path());
        let error = log.audit(directory.path()).unwrap_err();
        assert!(found(&error), "{case}: {error:?}");
    }
}

#[test]
fn a_log_that_was_rewritten_under_its_own_key_does_not_follow_from_the_checkpoint_seen_before() {
    let seen = Log::new(300).checkpoint(300);
    let (directory, mut fork) = (TempDir::new().unwrap(), Log::new(41));
    fork.push(b"not what stood here".to_vec());
    fork.grow(400);
    fork.write(&mut Writer::open(directory.path()).unwrap()).unwrap();
    // By itself it is a good log: only who remembers can tell.
    let tree = fork.audit(directory.path()).unwrap();
    let proof = tree.consistency(300, 400).unwrap();
    let root = tree.root(400).unwrap();
    assert_eq!(verify_consistency(300, 400, &proof, &seen.root, &root), Err(MerkleError::Root));
    assert_eq!(verify_consistency(300, 299, &[], &seen.root, &root), Err(MerkleError::Shrunk));
}

#[test]
fn a_directory_whose_checkpoint_cannot_be_read_is_left_alone() {
    let (directory, _log) = written(10);
    fs::write(directory.path().join("checkpoint"), "").unwrap();
    assert!(matches!(Writer::open(directory.path()), Err(TilesError::Checkpoint(NoteError::Malformed))));
}
