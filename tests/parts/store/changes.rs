//! Changes: their names, and one of a record at a time.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tumar::log::ledger::Position;
use tumar::store::{Change, ChangeId, Effect, Enrolment, Found, Store, StoreError};

use super::{DAY, NOW, done, enroll, enrolment, named, open};

#[tokio::test]
async fn a_change_is_named_by_its_request_and_its_batch() {
    let of = |request: u8, batch: u8| ChangeId::of(&[request; 32], &[batch; 16]);
    assert_eq!(of(1, 1), of(1, 1));
    assert!(of(1, 1) != of(1, 2) && of(1, 1) != of(2, 1));
    // One request in two batches is two changes: the second one erases who stands by then.
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    done(&store, 1, &enroll("c-1", 0)).await;
    let erase = named(Change::Erase, "c-1");
    for (batch, position) in [(1, 0), (2, 1)] {
        store.prepare(of(9, batch), &erase, NOW).await.unwrap();
        let effect = store.commit(of(9, batch), NOW).await.unwrap();
        assert!(matches!(effect, Effect::Erased { position: Position(at), .. } if at == position), "{effect:?}");
        let again = store.prepare(of(9, batch), &erase, NOW).await;
        assert!(matches!(again, Err(StoreError::AlreadyCommitted)), "{again:?}");
        done(&store, batch + 1, &enroll("c-1", u64::from(batch))).await;
    }
}

#[tokio::test]
async fn while_a_change_of_a_record_is_pending_there_is_no_other_and_no_sweep_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    done(&store, 1, &enroll("c-1", 0)).await;
    let changes = [Change::Erase, Change::Lock, Change::Unlock].map(|make| named(make, "c-1"));
    for (place, change) in (10..).zip(&changes) {
        let pending = ChangeId([place; 32]);
        store.prepare(pending, change, NOW).await.unwrap();
        for other in &changes {
            let refused = store.prepare(ChangeId([99; 32]), other, NOW).await;
            assert!(matches!(refused, Err(StoreError::UnderChange)), "{refused:?}");
        }
        // Not even once it has expired, by a sweep or to make room: what is decided about it is still to be done.
        let late = NOW + 2 * DAY;
        assert!(store.sweep(late).await.unwrap().records.is_empty());
        let room = Enrolment { expires: late + DAY, ..enrolment("c-1", Position(1)) };
        let refused = store.prepare(ChangeId([99; 32]), &Change::Enroll(Box::new(room)), late).await;
        assert!(matches!(refused, Err(StoreError::SubjectExists)), "{refused:?}");
        store.abort(pending).await.unwrap();
    }
    assert!(matches!(done(&store, 2, &changes[1]).await, Effect::Locked));
    assert!(matches!(done(&store, 3, &changes[0]).await, Effect::Erased { .. }));
}

/// The row is gone although the change was pending, as if somebody had cut it out of the file: nothing is claimed.
#[tokio::test]
async fn a_commit_about_a_record_that_is_gone_says_that_it_did_nothing() {
    for make in [Change::Erase, Change::Lock, Change::Unlock] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).await;
        done(&store, 1, &enroll("c-1", 0)).await;
        store.prepare(ChangeId([2; 32]), &named(make, "c-1"), NOW).await.unwrap();
        store.close().await.unwrap();
        let file = directory.path().join("store.db");
        let mut hand = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
        sqlx::query("DELETE FROM records").execute(&mut hand).await.unwrap();
        hand.close().await.unwrap();
        let store = open(directory.path()).await;
        assert!(matches!(store.commit(ChangeId([2; 32]), NOW).await.unwrap(), Effect::Nothing));
        assert!(store.pending().await.unwrap().is_empty(), "a helper that asked is not asked again");
    }
}

#[tokio::test]
async fn a_store_counts_what_it_made_and_what_stands_prepared_whatever_is_swept_or_started_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let stand = |store: &Store| (store.stand().made, store.stand().prepared);
    assert_eq!(stand(&store), (0, 0));
    done(&store, 1, &enroll("c-1", 0)).await;
    assert_eq!(stand(&store), (1, 0));
    for id in [2, 3] {
        store.prepare(ChangeId([id; 32]), &enroll(&format!("c-{id}"), id.into()), NOW).await.unwrap();
    }
    assert_eq!(stand(&store), (1, 2));
    store.close().await.unwrap();
    let store = open(directory.path()).await;
    assert_eq!(stand(&store), (1, 2), "a crash changes nothing");
    store.commit(ChangeId([2; 32]), NOW).await.unwrap();
    store.commit(ChangeId([2; 32]), NOW).await.unwrap();
    store.abort(ChangeId([3; 32])).await.unwrap();
    assert_eq!(stand(&store), (2, 0));
    assert_eq!(store.sweep(NOW + 2 * DAY).await.unwrap().records.len(), 2);
    assert_eq!(stand(&store), (2, 0), "what expires is no change");
    assert_eq!([1, 2, 3, 9].map(|made| store.stand().lacks(made)), [0, 0, 1, 7]);

    // An operator who has lost the store says so: what comes then is above all that came before.
    store.danger_catch_up(9, 1_000_000).await.unwrap();
    store.close().await.unwrap();
    let store = open(directory.path()).await;
    assert_eq!((stand(&store), store.stand().lacks(9)), ((9, 0), 0));
    let gallery = "banks/b17/customers".parse().unwrap();
    let given = [store.next_position(&gallery).await.unwrap(), store.next_position(&gallery).await.unwrap()];
    assert_eq!(given, [Position(1_000_000), Position(1_000_001)]);
}

#[tokio::test]
async fn to_erase_somebody_who_is_not_here_is_a_change_of_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let erase = named(Change::Erase, "c-1");
    let (one, other) = (ChangeId([1; 32]), ChangeId([2; 32]));
    for change in [one, other] {
        assert_eq!(store.prepare(change, &erase, NOW).await.unwrap(), Found::Nobody);
    }
    assert!(matches!(store.commit(one, NOW).await.unwrap(), Effect::Nobody));
    assert!(matches!(store.commit(one, NOW).await.unwrap(), Effect::Nothing), "once");
    store.abort(other).await.unwrap();
    assert_eq!(store.stand().made, 1, "it counts as the same change does elsewhere");
    done(&store, 3, &enroll("c-1", 0)).await;
    assert_eq!(store.prepare(ChangeId([4; 32]), &erase, NOW).await.unwrap(), Found::Record);
}
