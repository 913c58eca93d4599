//! Published files that rot: what the store proves is written anew, at the start and when they are looked at; what it can not is told.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::memory::Memory;
use crate::support::grants::{Bank, LIMITS, NOW};
use tumar::log::access::{AccessLog, LogError};
use tumar::log::note::{NoteSigner, SigningKey, VerifierKey};
use tumar::log::shard::Shard;
use tumar::log::tiles::{Reader, TilesError};
use tumar::token::purpose::Enroll;

const DAY: u64 = 24 * 3600;

fn signer() -> NoteSigner {
    NoteSigner::new("kz-test.tumar.test/a".parse().unwrap(), SigningKey::from_seed(&[9; 32]))
}

fn key() -> VerifierKey {
    signer().verifier().of_half(Shard::of(NOW))
}

async fn open(ledger: &Memory, directory: &Path, now: u64) -> Result<AccessLog, LogError> {
    AccessLog::open(ledger.mended(), LIMITS, signer(), directory, now).await
}

/// A log of 300 entries, published in two steps.
async fn published(directory: &Path, ledger: &Memory, bank: &Bank) -> AccessLog {
    let log = open(ledger, directory, NOW).await.unwrap();
    for number in 0..300 {
        drop(log.admit(bank.fresh::<Enroll>(&format!("c-{number}"), NOW), NOW).await.unwrap());
        if number == 270 {
            log.settle().await.unwrap();
        }
    }
    log.settle().await.unwrap();
    log
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path);
        }
    }
    all
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn audit(folder: &Path) -> Result<(), TilesError> {
    let reader = Reader::new(folder);
    reader.audit(&reader.checkpoint(&key())?).map(drop)
}

#[tokio::test]
async fn a_flipped_byte_in_any_published_file_is_found_and_mended_from_the_store() {
    let (directory, bank, ledger) = (tempfile::tempdir().unwrap(), Bank::new(), Memory::new());
    let log = published(directory.path(), &ledger, &bank).await;
    let folder = directory.path().join(Shard::of(NOW).to_string());
    let all = files(&folder);
    let kinds = ["checkpoint", "tile/0/000", "tile/0/001.p", "tile/1/000.p", "tile/entries/000", "tile/entries/001.p"];
    for kind in kinds {
        assert!(all.iter().any(|file| file.starts_with(folder.join(kind))), "there is no {kind} to break: {all:?}");
    }
    let clean = log.scrub().await.unwrap();
    assert_eq!((clean.mended, clean.broken), (Vec::new(), Vec::new()));
    for file in &all {
        let before = fs::read(file).unwrap();
        for gone in [false, true] {
            if gone {
                fs::remove_file(file).unwrap();
            } else {
                flip(file);
            }
            let found = log.scrub().await.unwrap();
            // What stands beside a wider tile, for who has an older checkpoint, is not made again.
            let is_older = gone && !found.mended.contains(file);
            if !is_older {
                assert_eq!((&found.mended, &found.broken), (&vec![file.clone()], &Vec::new()), "{}", file.display());
                assert_eq!(fs::read(file).unwrap(), before, "{}", file.display());
            }
            audit(&folder).unwrap();
            if is_older {
                fs::write(file, &before).unwrap();
            }
        }
    }
    log.shutdown().await;
}

#[tokio::test]
async fn a_damaged_checkpoint_is_written_anew_at_the_start_if_the_store_has_all_that_is_published() {
    let (directory, bank, ledger) = (tempfile::tempdir().unwrap(), Bank::new(), Memory::new());
    published(directory.path(), &ledger, &bank).await.shutdown().await;
    let folder = directory.path().join(Shard::of(NOW).to_string());
    let note = folder.join("checkpoint");
    let sound = fs::read(&note).unwrap();
    for place in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[place] ^= 0x80;
        fs::write(&note, damaged).unwrap();
        if place % 40 == 0 {
            let log = open(&ledger, directory.path(), NOW).await.unwrap();
            log.settle().await.unwrap();
            log.shutdown().await;
            audit(&folder).unwrap();
        }
    }
    // A store that has less than was published is not helped by a damaged checkpoint.
    fs::write(&note, "damaged").unwrap();
    let older = ledger.with_entries(|entries| entries.truncate(280));
    let refused = AccessLog::open(older, LIMITS, signer(), directory.path(), NOW).await.err();
    assert!(matches!(refused, Some(LogError::Published(TilesError::Checkpoint(_)))), "{refused:?}");
}

#[tokio::test]
async fn what_is_no_longer_kept_can_not_be_mended_and_is_told() {
    let (directory, bank, ledger) = (tempfile::tempdir().unwrap(), Bank::new(), Memory::new());
    published(directory.path(), &ledger, &bank).await.shutdown().await;
    let half = Shard::of(NOW);
    let later = half.next().begins() + u64::from(LIMITS.log_retention_days) * DAY + DAY;
    let log = open(&ledger, directory.path(), later).await.unwrap();
    assert_eq!(log.sweep(later).await.unwrap(), 300);
    log.shutdown().await;
    // Its hashes alone are left, in the files alone.
    let log = open(&ledger, directory.path(), later).await.unwrap();
    let tile = directory.path().join(half.to_string()).join("tile/0/000");
    let clean = log.scrub().await.unwrap();
    assert_eq!((clean.mended, clean.broken), (Vec::new(), Vec::new()));
    flip(&tile);
    let found = log.scrub().await.unwrap();
    assert_eq!(found.mended, Vec::<PathBuf>::new());
    assert_eq!(found.broken, [tile.parent().unwrap().to_owned()]);
    log.shutdown().await;
}
