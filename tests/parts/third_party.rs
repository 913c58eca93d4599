//! Logs for tools that are not ours: a sound one, and one for each lie that such tools must find.
//!
//! Each is a folder in the layout of C2SP tlog-tiles (`checkpoint`, `tile/..`), with one file more: `earlier`, a checkpoint that the
//! verifier saw before. Beside the folders stands `keys`: the log's key and its cosigner's, one a line. The log's key names its origin.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use tumar::log::cosign::{Cosigner, add, witness_name};
use tumar::log::merkle::{Tree, leaf_hash};
use tumar::log::note::{Checkpoint, KeyName, NoteSigner, SigningKey, log_name};
use tumar::log::tiles::Writer;
use tumar::party::Party;

/// Entries of the sound log.
pub(crate) const SIZE: u64 = 5_300;

/// Entries that there were when the verifier last looked: neither a whole number of tiles nor near the end.
pub(crate) const EARLIER: u64 = 2_777;

/// Seconds at which checkpoints are cosigned.
pub(crate) const TIME: u64 = 1_790_000_000;

/// The folder that must be accepted.
pub(crate) const SOUND: &str = "sound";

/// The folders that must be refused.
pub(crate) const LIES: [&str; 11] = [
    "changed-entry",
    "changed-entry-and-tile",
    "changed-tile",
    "changed-upper-tile",
    "dropped-entry",
    "dropped-and-signed-anew",
    "fork",
    "smaller-size",
    "wrong-origin",
    "wrong-key",
    "wrong-cosignature",
];

/// An operator, with all that one can sign with.
struct Operator {
    log: NoteSigner,
    cosigner: Cosigner,
}

fn origin() -> KeyName {
    log_name(&"kz-demo".parse().unwrap(), Party::A).of_half("2026h2".parse().unwrap())
}

impl Operator {
    fn new(seed: u8) -> Self {
        let witness = witness_name(&"kz-demo".parse().unwrap(), Party::B);
        Self {
            log: NoteSigner::new(origin(), SigningKey::from_seed(&[seed; 32])),
            cosigner: Cosigner::new(witness, SigningKey::from_seed(&[100; 32])),
        }
    }

    /// A cosigned checkpoint of the first entries.
    fn note(&self, entries: &[Vec<u8>], origin: KeyName) -> String {
        let tree = tree(entries);
        let checkpoint = Checkpoint { origin, size: tree.size(), root: tree.root(tree.size()).unwrap() };
        let note = self.log.sign(&checkpoint.text()).unwrap();
        add(&note, &self.cosigner.sign(&checkpoint, TIME)).unwrap()
    }

    /// Writes a log as a node would: some entries first, then the others.
    fn write(&self, folder: &Path, entries: &[Vec<u8>]) {
        let (tree, at) = (tree(entries), |index: u64| usize::try_from(index).unwrap());
        let mut writer = Writer::open(folder).unwrap();
        for size in [entries.len() / 3, entries.len()] {
            let note = self.note(&entries[..size], origin());
            writer.write(&tree, |range| Ok(entries[at(range.start)..at(range.end)].to_vec()), &note).unwrap();
        }
    }
}

fn tree(entries: &[Vec<u8>]) -> Tree {
    let mut tree = Tree::new();
    for entry in entries {
        tree.push(leaf_hash(entry));
    }
    tree
}

/// Entries as long as real ones are, no two alike.
fn entries(count: u64) -> Vec<Vec<u8>> {
    let entry = |index: u64| {
        let salt =
            format!("{:016x}", index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).repeat(usize::try_from(index % 40).unwrap());
        format!(r#"{{"index":{index},"salt":"{salt}"}}"#).into_bytes()
    };
    (0..count).map(entry).collect()
}

/// Writes all folders and `keys`.
pub(crate) fn write(out: &Path) {
    let (operator, all) = (Operator::new(1), entries(SIZE));
    let earlier = operator.note(&all[..usize::try_from(EARLIER).unwrap()], origin());
    fs::write(out.join("keys"), format!("{}\n{}\n", operator.log.verifier(), operator.cosigner.verifier())).unwrap();
    for name in LIES.into_iter().chain([SOUND]) {
        let folder = out.join(name);
        match name {
            "dropped-and-signed-anew" => {
                let mut fewer = all.clone();
                fewer.remove(1_234);
                operator.write(&folder, &fewer);
            }
            "fork" => {
                let mut other = entries(SIZE + 300);
                other[2_000] = b"another".to_vec();
                operator.write(&folder, &other);
            }
            "smaller-size" => operator.write(&folder, &all[..2_000]),
            "wrong-key" => Operator::new(2).write(&folder, &all),
            _ => operator.write(&folder, &all),
        }
        fs::write(folder.join("earlier"), &earlier).unwrap();
        tamper(name, &folder, &operator, &all);
    }
}

/// What is done to files of a log that was written honestly.
fn tamper(name: &str, folder: &Path, operator: &Operator, all: &[Vec<u8>]) {
    let flip = |path: &str, byte: usize| {
        let mut content = fs::read(folder.join(path)).unwrap();
        content[byte] ^= 1;
        fs::write(folder.join(path), content).unwrap();
    };
    match name {
        "changed-entry" => flip("tile/entries/007", 9),
        "changed-entry-and-tile" => {
            flip("tile/entries/007", 9);
            let bundle = fs::read(folder.join("tile/entries/007")).unwrap();
            let first = 2 + usize::from(u16::from_be_bytes([bundle[0], bundle[1]]));
            let mut tile = fs::read(folder.join("tile/0/007")).unwrap();
            tile[..32].copy_from_slice(&leaf_hash(&bundle[2..first]));
            fs::write(folder.join("tile/0/007"), tile).unwrap();
        }
        "changed-tile" => flip("tile/0/007", 32 * 200),
        "changed-upper-tile" => flip("tile/1/000.p/20", 32 * 5),
        "dropped-entry" => {
            let bundle = folder.join("tile/entries/007");
            let content = fs::read(&bundle).unwrap();
            let first = 2 + usize::from(u16::from_be_bytes([content[0], content[1]]));
            fs::write(bundle, &content[first..]).unwrap();
        }
        "wrong-origin" => {
            let other = log_name(&"kz-demo".parse().unwrap(), Party::C).of_half("2026h2".parse().unwrap());
            fs::write(folder.join("checkpoint"), operator.note(all, other)).unwrap();
        }
        "wrong-cosignature" => {
            // The log's own signature, and a cosignature that was made of an earlier checkpoint.
            let (note, earlier) = (operator.note(all, origin()), operator.note(&all[..9], origin()));
            let kept: String = note.split_inclusive('\n').take(5).collect();
            let other = earlier.split_inclusive('\n').next_back().unwrap();
            fs::write(folder.join("checkpoint"), kept + other).unwrap();
        }
        _ => {}
    }
}
