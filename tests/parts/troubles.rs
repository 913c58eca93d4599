//! A store or folder that can not be written: nothing is admitted, everyone is told why, and all goes on by itself when it can be.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::memory::Memory;
use crate::support::grants::{Bank, LIMITS, NOW};
use tokio::time::timeout;
use tumar::log::access::{AccessLog, Completion, LogError};
use tumar::log::entry::{Entry, Event};
use tumar::log::ledger::Ledger as _;
use tumar::log::note::{NoteSigner, SigningKey};
use tumar::log::outcome::NotAdmitted;
use tumar::log::shard::{EntryId, Shard};
use tumar::log::tiles::Reader;
use tumar::log::trouble::{Trouble, Troubles};
use tumar::reason::Reason;
use tumar::request::Method;
use tumar::token::purpose::Enroll;

fn signer() -> NoteSigner {
    NoteSigner::new("kz-test.tumar.test/a".parse().unwrap(), SigningKey::from_seed(&[9; 32]))
}

async fn until(log: &AccessLog, wanted: Troubles) {
    let mut troubles = log.troubles();
    let met = timeout(Duration::from_mins(1), troubles.wait_for(|now| *now == wanted)).await;
    assert!(met.is_ok(), "it is not {wanted:?} within a minute");
}

#[tokio::test(start_paused = true)]
async fn a_full_ledger_takes_nothing_in_spends_nothing_and_goes_on_when_there_is_room() {
    let (directory, bank, ledger) = (tempfile::tempdir().unwrap(), Bank::new(), Memory::new());
    let log = AccessLog::open(ledger.clone(), LIMITS, signer(), directory.path(), NOW).await.unwrap();
    let open = log.admit(bank.fresh::<Enroll>("c-1", NOW), NOW).await.unwrap();
    ledger.full.store(true, Ordering::SeqCst);
    let call = bank.call(&bank.ask(Method::Enroll, "c-2"), NOW);
    for _ in 0..3 {
        let refused = log.admit(bank.grant::<Enroll>(&call, NOW), NOW).await.unwrap_err();
        assert_eq!(refused, NotAdmitted::Unwritable(Trouble::Full));
    }
    until(&log, Troubles { ledger: Some(Trouble::Full), files: None }).await;
    let spends = bank.grant::<Enroll>(&call, NOW).spends().clone();
    assert_eq!(log.known_spent(&spends), None, "at the door nothing of it is taken for spent");
    let (spends, record, _) = bank.fresh::<Enroll>("c-9", NOW).into_parts();
    for _ in 0..2 {
        let denied = log.deny(record.clone(), spends.clone(), Reason::TokenSpent, NOW).await;
        assert!(matches!(denied, Err(LogError::Unwritable(Trouble::Full))), "{denied:?}");
    }
    let closed = log.close(open.ticket(), Completion::Completed, None, NOW).await;
    assert!(matches!(closed, Err(LogError::Unwritable(Trouble::Full))), "nobody waits for a disk: {closed:?}");
    assert!(matches!(log.sweep(NOW).await, Err(LogError::Unwritable(Trouble::Full))));
    assert_eq!(log.head().0.index, 1);

    ledger.full.store(false, Ordering::SeqCst);
    until(&log, Troubles::default()).await;
    let permit = log.admit(bank.grant::<Enroll>(&call, NOW), NOW).await.expect("nothing of it was spent");
    log.shutdown().await;
    let entries = ledger.mended().entries(EntryId { half: Shard::of(NOW), index: 0 }).await.unwrap();
    let events: Vec<_> =
        entries.iter().map(|entry| Entry::parse(entry).unwrap()).map(|it| (it.request_digest, it.event)).collect();
    let (first, second) = (open.spends().request_digest, permit.spends().request_digest);
    // What was under way is closed as it ended.
    let mut told = events.clone();
    told.sort_by_key(|(rq, event)| (*rq != first, *event != Event::Admitted));
    assert_eq!(told, [(first, Event::Admitted), (first, Event::Completed), (second, Event::Admitted)]);
    let reader = Reader::new(&directory.path().join(Shard::of(NOW).to_string()));
    let checkpoint = reader.checkpoint(&signer().verifier().of_half(Shard::of(NOW))).unwrap();
    reader.audit(&checkpoint).unwrap();
    assert_eq!(checkpoint.size, 3);
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_stays_full_does_not_keep_the_log_from_ending() {
    let (directory, bank, ledger) = (tempfile::tempdir().unwrap(), Bank::new(), Memory::new());
    let log = AccessLog::open(ledger.clone(), LIMITS, signer(), directory.path(), NOW).await.unwrap();
    ledger.full.store(true, Ordering::SeqCst);
    let refused = log.admit(bank.fresh::<Enroll>("c-1", NOW), NOW).await.unwrap_err();
    assert_eq!(refused, NotAdmitted::Unwritable(Trouble::Full));
    timeout(Duration::from_mins(1), log.shutdown()).await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_can_not_be_written_is_told_with_its_reason_and_taken_up_again() {
    let (directory, bank, ledger) = (tempfile::tempdir().unwrap(), Bank::new(), Memory::new());
    let log = AccessLog::open(ledger, LIMITS, signer(), directory.path(), NOW).await.unwrap();
    log.settle().await.unwrap();
    let tiles = directory.path().join(Shard::of(NOW).to_string()).join("tile");
    fs::write(&tiles, "in the way").unwrap();
    drop(log.admit(bank.fresh::<Enroll>("c-1", NOW), NOW).await.unwrap());
    until(&log, Troubles { ledger: None, files: Some(Trouble::Unwritable) }).await;
    fs::remove_file(&tiles).unwrap();
    until(&log, Troubles::default()).await;
    timeout(Duration::from_mins(1), log.settle()).await.unwrap().unwrap();
    log.shutdown().await;
}
