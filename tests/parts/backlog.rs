//! A log that can not be published for long admits nothing, and goes on by itself when it can be published again.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::memory::Memory;
use crate::support::grants::{Bank, LIMITS, NOW};
use tumar::log::access::{AccessLog, LogError};
use tumar::log::note::{NoteSigner, SigningKey};
use tumar::log::outcome::NotAdmitted;
use tumar::log::shard::Shard;
use tumar::reason::Reason;
use tumar::token::purpose::Enroll;

/// Entries that may wait to be published.
const BACKLOG: u32 = 65_536;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_backlog_refuses_what_is_new_until_it_is_published() {
    let (bank, folder) = (Bank::new(), tempfile::tempdir().unwrap());
    let signer = NoteSigner::new("log.test".parse().unwrap(), SigningKey::from_seed(&[7; 32]));
    let log = AccessLog::open(Memory::new(), LIMITS, signer, folder.path(), NOW).await.unwrap();
    let admits = async |subject: &str| log.admit(bank.fresh::<Enroll>(subject, NOW), NOW).await;
    let first = admits("c-1").await.unwrap();
    log.settle().await.unwrap();
    // Where the tiles would go stands something else.
    let tiles = folder.path().join(Shard::of(NOW).to_string()).join("tile");
    let away = folder.path().join("away");
    std::fs::rename(&tiles, &away).unwrap();
    std::fs::write(&tiles, "in the way").unwrap();

    let (spends, record, _) = bank.fresh::<Enroll>("c-2", NOW).into_parts();
    let refused = |number: u32| {
        let (log, mut record, mut spends, mut id) = (&log, record.clone(), spends.clone(), [0; 32]);
        id[..4].copy_from_slice(&number.to_be_bytes());
        // Each is of a token and a proof of its own, and no relying party has too many, so that each has an entry.
        (spends.token, spends.proof) = (id, id);
        record.relying_party = format!("banks/b{}", number / 256).parse().unwrap();
        async move { log.deny(record, spends, Reason::TokenSpent, NOW).await }
    };
    let mut written = 0;
    while written < BACKLOG {
        let many = (written..written + 256).map(&refused);
        for denied in futures_of(many).await {
            assert!(denied.is_ok(), "after {written}: {denied:?}");
        }
        written += 256;
    }
    assert!(!log.is_behind(), "as many as may wait");
    refused(written).await.unwrap();
    assert!(log.is_behind());
    assert_eq!(admits("c-3").await.err(), Some(NotAdmitted::Behind));
    assert!(matches!(refused(written + 1).await, Err(LogError::Behind)));
    // What is under way ends, whatever waits.
    let ended = log.close(first.ticket(), tumar::log::access::Completion::Completed, None, NOW).await;
    assert_eq!(ended.unwrap().index, u64::from(BACKLOG) + 2);

    std::fs::remove_file(&tiles).unwrap();
    std::fs::rename(&away, &tiles).unwrap();
    let mut behind = log.behind();
    behind.wait_for(|behind| !behind).await.unwrap();
    let _permit = admits("c-3").await.unwrap();
    log.settle().await.unwrap();
    log.shutdown().await;
}

/// All of these, side by side.
async fn futures_of<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (place, one) in all.iter_mut().enumerate() {
            if done[place].is_none()
                && let std::task::Poll::Ready(value) = one.as_mut().poll(cx)
            {
                done[place] = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
