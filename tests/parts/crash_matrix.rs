//! The log's storage broken before and after each kind of write: no permit without a durable entry, and after a restart a log that is
//! consistent with every checkpoint that was ever signed.

#![allow(clippy::unwrap_used)]

use crate::support::grants;

use std::fs;
use std::path::{Path, PathBuf};

use crate::memory::{Break, Memory};
use crate::support::grants::{Bank, LIMITS};
use tumar::log::access::{AccessLog, LogError};
use tumar::log::entry::{Entry, Event};
use tumar::log::ledger::Ledger as _;
use tumar::log::merkle::verify_consistency;
use tumar::log::note::{Checkpoint, NoteSigner, SigningKey};
use tumar::log::shard::{EntryId, Shard};
use tumar::log::tiles::{self, Reader};
use tumar::token::purpose::Enroll;

const DAY: u64 = 24 * 3600;

fn signer() -> NoteSigner {
    NoteSigner::new("kz-test.tumar.test/a".parse().unwrap(), SigningKey::from_seed(&[9; 32]))
}

/// Every checkpoint that anyone was shown, by a node or by its files.
#[derive(Default)]
struct Shown(Vec<(Shard, Checkpoint)>);

impl Shown {
    fn by(&mut self, note: &str) {
        self.0.push(Checkpoint::open_half(note, signer().verifier()).unwrap());
    }

    fn published(&mut self, directory: &Path) {
        for half in tiles::halves(directory).unwrap() {
            if let Ok(note) = fs::read_to_string(directory.join(half.to_string()).join("checkpoint")) {
                self.by(&note);
            }
        }
    }

    /// Whether the log as it is now continues all of them.
    fn are_continued_by(&self, log: &AccessLog) {
        for (half, before) in &self.0 {
            let size = log.files(*half).unwrap().1.max(if log.head().0.half == *half { log.head().0.index } else { 0 });
            assert!(size >= before.size, "{half}: {} entries were shown, and there are {size}", before.size);
            if before.size == 0 {
                continue;
            }
            let inclusion = log.inclusion(EntryId { half: *half, index: size - 1 }).unwrap();
            let (_, now) = Checkpoint::open_half(&inclusion.checkpoint, signer().verifier()).unwrap();
            let proof = log.consistency(*half, before.size, now.size).unwrap();
            verify_consistency(before.size, now.size, &proof, &before.root, &now.root).unwrap();
        }
    }
}

async fn open(ledger: &Memory, directory: &Path, now: u64) -> Result<AccessLog, LogError> {
    AccessLog::open(ledger.clone(), LIMITS, signer(), directory, now).await
}

/// Asks for admissions until one is refused or there are enough; each permit's entry must be durable by then.
async fn admit(log: &AccessLog, ledger: &Memory, bank: &Bank, count: usize, now: u64, shown: &mut Shown) -> usize {
    for number in 0..count {
        let Ok(permit) = log.admit(bank.fresh::<Enroll>(&format!("c-{number}"), now), now).await else { return number };
        let page = ledger.mended().entries(permit.place()).await.unwrap();
        let entry = Entry::parse(page.first().expect("no permit without a durable entry")).unwrap();
        assert_eq!((entry.request_digest, entry.event), (permit.spends().request_digest, Event::Admitted));
        if number % 97 == 0 {
            shown.by(&log.head().1);
        }
    }
    count
}

/// Something in the way of one kind of write: a directory where a file must be, or a file where a directory must.
enum Obstacle {
    Folder(&'static str),
    File(&'static str),
}

impl Obstacle {
    fn place(&self, folder: &Path) -> PathBuf {
        match self {
            Self::Folder(name) | Self::File(name) => folder.join(name),
        }
    }

    fn put(&self, folder: &Path) {
        let place = self.place(folder);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        match self {
            Self::Folder(_) => fs::create_dir_all(place).unwrap(),
            Self::File(_) => fs::write(place, "in the way").unwrap(),
        }
    }

    fn remove(&self, folder: &Path) {
        match self {
            Self::Folder(_) => fs::remove_dir(self.place(folder)).unwrap(),
            Self::File(_) => fs::remove_file(self.place(folder)).unwrap(),
        }
    }
}

#[tokio::test]
async fn each_commit_of_the_ledger_broken_before_and_after() {
    let (bank, now) = (Bank::new(), grants::NOW);
    for at in [0, 1, 2, 3, 5, 8] {
        for persisted in [false, true] {
            let (directory, mut shown) = (tempfile::tempdir().unwrap(), Shown::default());
            let ledger = Memory::breaking(Break { at, persisted });
            let log = open(&ledger, directory.path(), now).await.unwrap();
            assert_eq!(admit(&log, &ledger, &bank, 12, now, &mut shown).await, at);
            shown.by(&log.head().1);
            log.shutdown().await;
            shown.published(directory.path());
            let mended = ledger.mended();
            let log = open(&mended, directory.path(), now).await.unwrap();
            assert_eq!(log.head().0.index, (at + usize::from(persisted)) as u64);
            shown.are_continued_by(&log);
            assert_eq!(admit(&log, &mended, &bank, 3, now, &mut shown).await, 3);
            log.shutdown().await;
        }
    }
}

/// The files of a log: before the break some hundred entries are published, then something is in the way of one kind of write.
#[tokio::test(start_paused = true)]
async fn each_kind_of_file_broken_before_and_after_it_is_written() {
    let second = std::time::Duration::from_secs(1);
    let obstacles = [
        Obstacle::Folder("tile/entries/000.new"),
        Obstacle::Folder("tile/entries/001.p/44.new"),
        Obstacle::Folder("tile/0/000.new"),
        Obstacle::Folder("tile/0/001.p/44.new"),
        Obstacle::File("tile/1"),
        Obstacle::Folder("checkpoint.new"),
    ];
    let (bank, now) = (Bank::new(), grants::NOW);
    for obstacle in &obstacles {
        let (directory, mut shown, ledger) = (tempfile::tempdir().unwrap(), Shown::default(), Memory::new());
        let folder = directory.path().join(Shard::of(now).to_string());
        let log = open(&ledger, directory.path(), now).await.unwrap();
        assert_eq!(admit(&log, &ledger, &bank, 100, now, &mut shown).await, 100);
        tokio::time::sleep(second).await;
        shown.published(directory.path());
        obstacle.put(&folder);
        // Permits do not wait for files, and every one has its entry.
        assert_eq!(admit(&log, &ledger, &bank, 200, now, &mut shown).await, 200);
        tokio::time::sleep(second).await;
        shown.published(directory.path());
        shown.by(&log.head().1);
        // The process ends here: whatever is half written stays as it is.
        log.shutdown().await;
        shown.published(directory.path());
        obstacle.remove(&folder);
        let mended = ledger.mended();
        let log = open(&mended, directory.path(), now).await.unwrap();
        assert_eq!(log.head().0.index, 300);
        shown.are_continued_by(&log);
        tokio::time::sleep(second).await;
        let reader = Reader::new(&folder);
        let published = reader.checkpoint(&signer().verifier().of_half(Shard::of(now))).unwrap();
        assert_eq!(published.size, 300);
        let tree = reader.audit(&published).unwrap();
        for (_, before) in &shown.0 {
            assert_eq!(tree.root(before.size), Ok(before.root));
        }
        log.shutdown().await;
    }
}

#[tokio::test]
async fn a_cosigned_checkpoint_that_cannot_be_put_in_place_leaves_the_one_that_stands_there() {
    let (bank, now, mut shown) = (Bank::new(), grants::NOW, Shown::default());
    let (directory, ledger) = (tempfile::tempdir().unwrap(), Memory::new());
    let folder = directory.path().join(Shard::of(now).to_string());
    let log = open(&ledger, directory.path(), now).await.unwrap();
    admit(&log, &ledger, &bank, 5, now, &mut shown).await;
    log.settle().await.unwrap();
    let note = fs::read_to_string(folder.join("checkpoint")).unwrap();
    let cosigned = format!("{note}\u{2014} witness.test AAAAAAAAAAAAAAAA\n");
    let obstacle = Obstacle::Folder("checkpoint.new");
    obstacle.put(&folder);
    assert!(matches!(log.put_cosigned(&cosigned), Err(LogError::Published(_))));
    assert_eq!(fs::read_to_string(folder.join("checkpoint")).unwrap(), note);
    obstacle.remove(&folder);
    assert!(log.put_cosigned(&cosigned).unwrap());
    assert_eq!(fs::read_to_string(folder.join("checkpoint")).unwrap(), cosigned);
    // Of another checkpoint than the one that stands there, nothing is put.
    admit(&log, &ledger, &bank, 1, now, &mut shown).await;
    log.settle().await.unwrap();
    let newer = fs::read_to_string(folder.join("checkpoint")).unwrap();
    assert!(!log.put_cosigned(&cosigned).unwrap());
    assert_eq!(fs::read_to_string(folder.join("checkpoint")).unwrap(), newer);
    log.shutdown().await;
    let log = open(&ledger.mended(), directory.path(), now).await.unwrap();
    shown.are_continued_by(&log);
    log.shutdown().await;
}

#[tokio::test]
async fn a_turn_of_the_half_and_a_sweep_cut_off_anywhere_can_be_taken_up_again() {
    let (bank, half) = (Bank::new(), Shard::of(grants::NOW));
    let (before, after) = (half.next().begins() - 1, half.next().begins());
    for broken_at in 0..4 {
        for persisted in [false, true] {
            let (directory, mut shown) = (tempfile::tempdir().unwrap(), Shown::default());
            let ledger = Memory::breaking(Break { at: broken_at, persisted });
            let log = open(&ledger, directory.path(), before).await.unwrap();
            let mut admitted = admit(&log, &ledger, &bank, 2, before, &mut shown).await;
            shown.by(&log.head().1);
            if admitted == 2 {
                admitted += admit(&log, &ledger, &bank, 4, after, &mut shown).await;
            }
            assert_eq!(admitted, broken_at);
            log.shutdown().await;
            shown.published(directory.path());
            let mended = ledger.mended();
            let log = open(&mended, directory.path(), after).await.unwrap();
            shown.are_continued_by(&log);
            assert_eq!(admit(&log, &mended, &bank, 1, after, &mut shown).await, 1);
            log.shutdown().await;
        }
    }
}

#[tokio::test]
async fn files_that_a_sweep_cannot_remove_are_removed_by_the_next() {
    let (bank, mut shown) = (Bank::new(), Shown::default());
    let half: Shard = "2026h2".parse().unwrap();
    let begin = half.begins();
    let (directory, ledger) = (tempfile::tempdir().unwrap(), Memory::new());
    let log = open(&ledger, directory.path(), begin).await.unwrap();
    admit(&log, &ledger, &bank, 300, begin, &mut shown).await;
    log.settle().await.unwrap();
    // A folder that is not empty cannot be removed as a file.
    let bundle = directory.path().join(format!("{half}/tile/entries/000"));
    let content = fs::read(&bundle).unwrap();
    fs::remove_file(&bundle).unwrap();
    fs::create_dir_all(bundle.join("in the way")).unwrap();
    let late = begin + (u64::from(LIMITS.log_retention_days) + 1) * DAY;
    assert!(matches!(log.sweep(late).await, Err(LogError::Published(_))));
    // The log goes on: what could not be removed costs nobody a permit.
    assert_eq!(admit(&log, &ledger, &bank, 1, late, &mut shown).await, 1);
    fs::remove_dir_all(&bundle).unwrap();
    fs::write(&bundle, content).unwrap();
    log.sweep(late).await.unwrap();
    assert!(!bundle.exists());
    log.shutdown().await;
    let log = open(&ledger.mended(), directory.path(), late).await.unwrap();
    shown.are_continued_by(&log);
    log.shutdown().await;
}
