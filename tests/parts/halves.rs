//! The log of half a year: a new one begins on 1 January and 1 July, and what is too old is destroyed without a gap in the proofs.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use crate::memory::Memory;
use crate::support::grants::{Bank, LIMITS};
use tumar::log::access::{AccessLog, Completion, LogError};
use tumar::log::entry::{Entry, Event};
use tumar::log::ledger::Ledger as _;
use tumar::log::merkle::{verify_consistency, verify_inclusion};
use tumar::log::note::{Checkpoint, NoteSigner, SigningKey, VerifierKey};
use tumar::log::shard::{EntryId, Shard};
use tumar::log::tiles::{self, Reader};
use tumar::token::purpose::Enroll;

const DAY: u64 = 24 * 3600;

fn signer() -> NoteSigner {
    NoteSigner::new("kz-test.tumar.test/a".parse().unwrap(), SigningKey::from_seed(&[9; 32]))
}

fn key(half: Shard) -> VerifierKey {
    signer().verifier().of_half(half)
}

fn second() -> Shard {
    "2026h2".parse().unwrap()
}

/// The last second of a half-year.
fn eve(half: Shard) -> u64 {
    half.next().begins() - 1
}

async fn open(ledger: &Memory, directory: &Path, now: u64) -> AccessLog {
    AccessLog::open(ledger.mended(), LIMITS, signer(), directory, now).await.unwrap()
}

async fn admit(log: &AccessLog, bank: &Bank, count: usize, now: u64) -> Vec<EntryId> {
    let mut places = Vec::new();
    for number in 0..count {
        let permit = log.admit(bank.fresh::<Enroll>(&format!("c-{now}-{number}"), now), now).await.unwrap();
        places.push(permit.place());
    }
    places
}

/// The published log of a half, checked; its size.
fn audited(directory: &Path, half: Shard) -> u64 {
    let reader = Reader::new(&directory.join(half.to_string()));
    let checkpoint = reader.checkpoint(&key(half)).unwrap();
    reader.audit(&checkpoint).unwrap();
    checkpoint.size
}

#[tokio::test]
async fn a_new_log_begins_with_a_new_half_year_and_the_old_one_stays_provable() {
    let (directory, bank, ledger) = (tempfile::tempdir().unwrap(), Bank::new(), Memory::new());
    let (half, next) = (second(), second().next());
    let log = open(&ledger, directory.path(), eve(half)).await;
    let old = log.admit(bank.fresh::<Enroll>("c-old", eve(half)), eve(half)).await.unwrap();
    assert_eq!(old.place(), EntryId { half, index: 0 });
    let new = admit(&log, &bank, 3, next.begins()).await;
    assert_eq!(new[0], EntryId { half: next, index: 0 });
    // What was begun in the old year ends in the new one.
    let closed = log.close(old.ticket(), Completion::Completed, None, next.begins()).await.unwrap();
    assert_eq!(closed, EntryId { half: next, index: 3 });
    // A clock that is set back opens no old log again.
    assert_eq!(admit(&log, &bank, 1, eve(half)).await, [EntryId { half: next, index: 4 }]);
    for place in [old.place(), closed] {
        let inclusion = log.inclusion(place).unwrap();
        let (half, checkpoint) = Checkpoint::open_half(&inclusion.checkpoint, signer().verifier()).unwrap();
        assert_eq!(half, place.half);
        verify_inclusion(&inclusion.leaf, place.index, checkpoint.size, &inclusion.proof, &checkpoint.root).unwrap();
    }
    assert_eq!((log.head().0, log.halves()), (EntryId { half: next, index: 5 }, vec![half, next]));
    log.shutdown().await;
    assert_eq!((audited(directory.path(), half), audited(directory.path(), next)), (1, 5));
    assert_eq!(tiles::halves(directory.path()).unwrap(), [half, next]);
    let log = open(&ledger, directory.path(), next.begins()).await;
    assert_eq!(log.inclusion(old.place()).unwrap().size, 1);
    log.shutdown().await;
}

#[tokio::test]
async fn the_last_checkpoint_of_a_half_year_is_told_apart_for_those_who_cosign_it() {
    let (directory, bank, ledger) = (tempfile::tempdir().unwrap(), Bank::new(), Memory::new());
    let (half, next) = (second(), second().next());
    let log = open(&ledger, directory.path(), eve(half)).await;
    admit(&log, &bank, 2, eve(half)).await;
    log.settle().await.unwrap();
    assert_eq!(*log.ended().borrow(), None);
    admit(&log, &bank, 1, eve(half)).await;
    admit(&log, &bank, 1, next.begins()).await;
    log.settle().await.unwrap();
    let last = |note: &Option<String>| Checkpoint::open_half(note.as_ref().unwrap(), signer().verifier()).unwrap();
    let (of, checkpoint) = last(&log.ended().borrow());
    assert_eq!((of, checkpoint.size), (half, 3));
    // The files stand there a moment before it is told.
    log.published().wait_for(|note| last(note).0 == next).await.unwrap();
    let cosigned = format!("{}\u{2014} witness.test AAAAAAAAAAAAAAAA\n", log.ended().borrow().as_ref().unwrap());
    assert!(log.put_cosigned(&cosigned).unwrap());
    log.shutdown().await;
    // After a restart it is told again, as the log alone signed it; what stands there keeps its cosignature until then.
    let log = open(&ledger, directory.path(), next.begins()).await;
    assert_eq!(last(&log.ended().borrow()), (half, checkpoint));
    assert_eq!(log.checkpoint(half), Some(cosigned));
    log.shutdown().await;
}

#[tokio::test]
async fn a_half_year_without_requests_has_a_log_too() {
    let (directory, bank, ledger) = (tempfile::tempdir().unwrap(), Bank::new(), Memory::new());
    let log = open(&ledger, directory.path(), eve(second())).await;
    admit(&log, &bank, 2, eve(second())).await;
    let next = second().next();
    log.sweep(next.begins()).await.unwrap();
    log.shutdown().await;
    assert_eq!((audited(directory.path(), second()), audited(directory.path(), next)), (2, 0));
}

#[tokio::test]
async fn what_a_crash_left_unpublished_of_an_old_half_is_published_at_the_next_start() {
    let (directory, bank, ledger) = (tempfile::tempdir().unwrap(), Bank::new(), Memory::new());
    let log = open(&ledger, directory.path(), eve(second())).await;
    admit(&log, &bank, 300, eve(second())).await;
    log.shutdown().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let log = open(&ledger, elsewhere.path(), second().next().begins()).await;
    assert_eq!(audited(elsewhere.path(), second()), 300);
    log.shutdown().await;
}

#[tokio::test]
async fn entries_are_destroyed_when_they_are_too_old_and_proofs_go_on() {
    let (directory, bank, ledger) = (tempfile::tempdir().unwrap(), Bank::new(), Memory::new());
    let (begin, half) = (second().begins(), second());
    let late = begin + 100 * DAY;
    let log = open(&ledger, directory.path(), begin).await;
    admit(&log, &bank, 600, begin).await;
    let before = Checkpoint::open(&log.head().1, &key(half)).unwrap();
    admit(&log, &bank, 100, late).await;
    log.shutdown().await;

    // The log lives on after each sweep; a start reads what is left.
    let kept = |days: u64| begin + (u64::from(LIMITS.log_retention_days) + days) * DAY + 60;
    for (now, first) in [(kept(0) - 120, 0), (kept(0), 512), (kept(99), 512)] {
        let log = open(&ledger, directory.path(), now).await;
        log.sweep(now).await.unwrap();
        log.shutdown().await;
        let halves = ledger.mended().halves().await.unwrap();
        assert_eq!(halves[0], (half, first), "only whole bundles go");
        let bundle = |number: u64| directory.path().join(format!("{half}/tile/entries/{number:03}")).exists();
        assert_eq!((bundle(0), bundle(1)), (first == 0, first == 0));
        let page = ledger.mended().entries(EntryId { half, index: first }).await.unwrap();
        assert_eq!(page.len() as u64, 700 - first);
        assert!(matches!(Entry::parse(&page[0]).unwrap().event, Event::Admitted));
    }
    let log = open(&ledger, directory.path(), kept(99)).await;
    let proof = log.consistency(half, 600, 700).unwrap();
    let inclusion = log.inclusion(EntryId { half, index: 3 }).unwrap();
    let now = Checkpoint::open(&inclusion.checkpoint, &key(half)).unwrap();
    verify_consistency(600, 700, &proof, &before.root, &now.root).unwrap();
    verify_inclusion(&inclusion.leaf, 3, 700, &inclusion.proof, &now.root).unwrap();

    // When the last of an ended half is too old, the rest goes as well.
    log.sweep(kept(101)).await.unwrap();
    log.shutdown().await;
    assert_eq!(ledger.mended().halves().await.unwrap()[0], (half, 700));
    assert!(!directory.path().join(format!("{half}/tile/entries/002.p")).exists());
    // Its hashes are files from then on, which the operator may put away.
    let current = Shard::of(kept(101));
    let log = open(&ledger, directory.path(), kept(101)).await;
    assert_eq!(log.halves(), [half, current]);
    assert_eq!((log.files(half).unwrap().1, audited(directory.path(), current)), (700, 0));
    assert!(matches!(log.inclusion(EntryId { half, index: 699 }), Err(LogError::Beyond)));
    log.shutdown().await;
    std::fs::remove_dir_all(directory.path().join(half.to_string())).unwrap();
    let log = open(&ledger, directory.path(), kept(102)).await;
    log.sweep(kept(102)).await.unwrap();
    assert_eq!(
        (log.halves(), admit(&log, &bank, 1, kept(102)).await),
        (vec![current], vec![EntryId { half: current, index: 0 }])
    );
    log.shutdown().await;
    assert!(!directory.path().join(half.to_string()).exists());
}

#[tokio::test]
async fn files_that_a_crash_left_behind_are_removed_by_the_next_sweep() {
    let (directory, bank, ledger) = (tempfile::tempdir().unwrap(), Bank::new(), Memory::new());
    let (begin, half) = (second().begins(), second());
    let log = open(&ledger, directory.path(), begin).await;
    admit(&log, &bank, 300, begin).await;
    log.shutdown().await;
    // As if the process had ended between the ledger and the files.
    ledger.mended().prune(EntryId { half, index: 256 }).await.unwrap();
    let bundle = directory.path().join(format!("{half}/tile/entries/000"));
    assert!(bundle.exists());
    let log = open(&ledger, directory.path(), begin).await;
    log.sweep(begin).await.unwrap();
    log.shutdown().await;
    assert!(!bundle.exists());
}
