//! The store: three nodes' changes, what a crash leaves, what an erasure leaves, and what lies in the file.
#![allow(clippy::unwrap_used)]

mod changes;

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tumar::log::ledger::Position;
use tumar::party::Party;
use tumar::seal::StoreKey;
use tumar::share::PointShare;
use tumar::store::{
    Change, ChangeId, ChangeKind, Decision, Effect, Enrolment, Pending, Record, Reference, Store, StoreError,
};
use tumar::template::Shape;
use zeroize::Zeroizing;

const NOW: u64 = 1_790_000_000;
const DAY: u64 = 24 * 3600;

async fn open(directory: &Path) -> Store {
    try_open(directory, "kz-test", Party::A, [7; 32]).await.unwrap()
}

async fn try_open(directory: &Path, deployment: &str, party: Party, key: [u8; 32]) -> Result<Store, StoreError> {
    let key = StoreKey::from_bytes(&Zeroizing::new(key));
    Store::open(&directory.join("store.db"), deployment.parse().unwrap(), party, key).await
}

/// A face and two fingers, each in words of its own.
fn references(holder: Party) -> Vec<Reference> {
    let reference = |model: &str, shape: Shape, text: &[u8; 16]| {
        let words = text.repeat(shape.components().div_ceil(8));
        let share = PointShare::from_unsealed_bytes(holder, shape, &words[..2 * shape.components()]).unwrap();
        Reference { model: model.parse().unwrap(), share }
    };
    let (face, fingers) = (Shape::vector(512).unwrap(), [7, 40].map(|rows| Shape::set(rows).unwrap()));
    vec![
        reference("rows", fingers[0], b"share-in-clear1 "),
        reference("fr512", face, b"share-in-clear! "),
        reference("rows", fingers[1], b"share-in-clear2 "),
    ]
}

/// A subject's shares, in words that are easy to find should they lie about.
fn enrolment(subject: &str, position: Position) -> Enrolment {
    Enrolment {
        gallery: "banks/b17/customers".parse().unwrap(),
        subject: subject.parse().unwrap(),
        position,
        expires: NOW + DAY,
        references: references(Party::A),
        subject_key: Box::new(Zeroizing::new(*b"subject-key-in-clear subject-key")),
    }
}

fn enroll(subject: &str, position: u64) -> Change {
    Change::Enroll(Box::new(enrolment(subject, Position(position))))
}

fn named(make: fn(tumar::name::GalleryName, tumar::name::Subject) -> Change, subject: &str) -> Change {
    make("banks/b17/customers".parse().unwrap(), subject.parse().unwrap())
}

async fn done(store: &Store, id: u8, change: &Change) -> Effect {
    store.prepare(ChangeId([id; 32]), change, NOW).await.unwrap();
    store.commit(ChangeId([id; 32]), NOW).await.unwrap()
}

async fn loaded(store: &Store, now: u64) -> Vec<Record> {
    let mut records = Vec::new();
    assert_eq!(store.load(now, |record| records.push(record)).await.unwrap(), records.len() as u64);
    records
}

/// All bytes of all files of the store.
fn bytes_of(directory: &Path) -> Vec<u8> {
    std::fs::read_dir(directory).unwrap().flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn what_is_committed_is_loaded_in_the_order_of_positions() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    for (id, subject, position) in [(1, "c-1", 5), (2, "c-2", 3), (3, "c-3", 4)] {
        let Effect::Enrolled(record) = done(&store, id, &enroll(subject, position)).await else { panic!() };
        assert_eq!((record.subject.as_str(), record.position), (subject, Position(position)));
    }
    store.close().await.unwrap();
    let records = loaded(&open(directory.path()).await, NOW).await;
    assert_eq!(records.iter().map(|r| r.subject.as_str()).collect::<Vec<_>>(), ["c-2", "c-3", "c-1"]);
    let text = |references: &[Reference]| {
        let one = |one: &Reference| (one.model.to_string(), one.share.shape(), one.share.words().to_vec());
        references.iter().map(one).collect::<Vec<_>>()
    };
    let written = text(&references(Party::A));
    assert!(records.iter().all(|r| text(&r.references) == written && r.expires == NOW + DAY));
}

#[tokio::test]
async fn a_position_is_never_given_twice() {
    let directory = tempfile::tempdir().unwrap();
    let gallery = "banks/b17/customers".parse().unwrap();
    let store = open(directory.path()).await;
    let mut given = vec![store.next_position(&gallery).await.unwrap(), store.next_position(&gallery).await.unwrap()];
    done(&store, 1, &enroll("c-1", 0)).await;
    store.prepare(ChangeId([2; 32]), &enroll("c-2", 1), NOW).await.unwrap();
    store.abort(ChangeId([2; 32])).await.unwrap();
    done(&store, 3, &named(Change::Erase, "c-1")).await;
    store.close().await.unwrap();
    let store = open(directory.path()).await;
    given.push(store.next_position(&gallery).await.unwrap());
    assert_eq!(given, [Position(0), Position(1), Position(2)]);
    assert_eq!(store.next_position(&"banks/b18/customers".parse().unwrap()).await.unwrap(), Position(0));
}

#[tokio::test]
async fn an_enrolment_cut_off_by_a_crash_is_resolved_either_way() {
    for commit in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let (change, store) = (ChangeId([1; 32]), open(directory.path()).await);
        store.prepare(change, &enroll("c-1", 0), NOW).await.unwrap();
        store.close().await.unwrap();

        let store = open(directory.path()).await;
        assert_eq!(store.pending().await.unwrap(), [Pending { change, kind: ChangeKind::Enroll }]);
        assert_eq!(store.decided(change).await.unwrap(), Decision::Undecided);
        assert!(loaded(&store, NOW).await.is_empty(), "a pending record is no reference");
        let again = store.prepare(ChangeId([2; 32]), &enroll("c-1", 1), NOW).await;
        assert!(matches!(again, Err(StoreError::SubjectExists)), "{again:?}");
        let again = store.prepare(change, &enroll("c-1", 0), NOW).await;
        assert!(matches!(again, Err(StoreError::AlreadyPrepared)), "a name is used once: {again:?}");
        if commit {
            assert!(matches!(store.commit(change, NOW).await.unwrap(), Effect::Enrolled(_)));
        } else {
            store.abort(change).await.unwrap();
        }
        store.close().await.unwrap();

        let store = open(directory.path()).await;
        assert!(store.pending().await.unwrap().is_empty());
        assert_eq!(loaded(&store, NOW).await.len(), usize::from(commit));
        if commit {
            assert_eq!(store.decided(change).await.unwrap(), Decision::Committed);
            assert!(matches!(store.commit(change, NOW).await.unwrap(), Effect::Nothing));
            assert!(matches!(store.abort(change).await, Err(StoreError::AlreadyCommitted)));
            let again = store.prepare(change, &enroll("c-1", 0), NOW).await;
            assert!(matches!(again, Err(StoreError::AlreadyCommitted)), "{again:?}");
        } else {
            assert_eq!(store.decided(change).await.unwrap(), Decision::Aborted);
            store.abort(change).await.unwrap();
            assert!(matches!(store.commit(change, NOW).await, Err(StoreError::ChangeUnknown)));
            done(&store, 1, &enroll("c-1", 0)).await;
        }
    }
}

#[tokio::test]
async fn a_change_that_cannot_be_made_is_not_prepared() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    done(&store, 1, &enroll("c-1", 0)).await;
    let mut foreign = references(Party::A);
    foreign.extend(references(Party::B).pop());
    let change = |enrolment| Change::Enroll(Box::new(enrolment));
    let refused = [
        ("SubjectExists", enroll("c-1", 1)),
        ("PositionTaken", enroll("c-2", 0)),
        ("NoExpiry", change(Enrolment { expires: 0, ..enrolment("c-2", Position(1)) })),
        ("NoExpiry", change(Enrolment { expires: NOW, ..enrolment("c-2", Position(1)) })),
        ("NoExpiry", change(Enrolment { expires: u64::MAX, ..enrolment("c-2", Position(1)) })),
        ("NoReference", change(Enrolment { references: Vec::new(), ..enrolment("c-2", Position(1)) })),
        ("ForeignShare", change(Enrolment { references: foreign, ..enrolment("c-2", Position(1)) })),
        ("SubjectUnknown", named(Change::Lock, "c-2")),
        ("SubjectUnknown", named(Change::Unlock, "c-2")),
    ];
    for (expected, change) in refused {
        let error = store.prepare(ChangeId([2; 32]), &change, NOW).await.unwrap_err();
        assert_eq!(format!("{error:?}"), expected);
    }
    assert!(store.pending().await.unwrap().is_empty());
    assert_eq!(loaded(&store, NOW).await.len(), 1);
}

#[tokio::test]
async fn erasure_leaves_nothing_of_a_subject_in_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    // Enough neighbours that the tables and their indexes have inner pages.
    for id in 0..60 {
        done(&store, id, &enroll(&format!("neighbour-{id}"), u64::from(id))).await;
    }
    done(&store, 100, &enroll("the-one-to-go", 100)).await;
    store.close().await.unwrap();

    let file = directory.path().join("store.db");
    let mut plain = SqliteConnectOptions::new().filename(&file).read_only(true).connect().await.unwrap();
    let (key, share, subject_key): (Vec<u8>, Vec<u8>, Vec<u8>) =
        sqlx::query_as("SELECT wrapped_key, share, subject_key FROM records JOIN shares USING (record) WHERE subject = 'the-one-to-go'")
            .fetch_one(&mut plain)
            .await
            .unwrap();
    plain.close().await.unwrap();
    let before = bytes_of(directory.path());
    // A long box is cut by pages: its beginning and its end are what must be found, and then not.
    let parts: [&[u8]; 5] = [&key, &share[..32], &share[share.len() - 32..], &subject_key, b"the-one-to-go"];
    assert!(parts.iter().all(|part| holds(&before, part)), "the test looks for what is really there");

    let store = open(directory.path()).await;
    let effect = done(&store, 101, &named(Change::Erase, "the-one-to-go")).await;
    assert!(matches!(effect, Effect::Erased { position: Position(100), .. }), "{effect:?}");
    for when in ["while the store is open", "after it is closed"] {
        let after = bytes_of(directory.path());
        for (place, part) in parts.iter().enumerate() {
            assert!(!holds(&after, part), "part {place} is still there {when}");
        }
        store.close().await.unwrap();
    }
    assert_eq!(loaded(&open(directory.path()).await, NOW).await.len(), 60);
}

#[tokio::test]
async fn an_erasure_cut_off_after_the_key_is_finished_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    done(&store, 1, &enroll("c-1", 0)).await;
    store.close().await.unwrap();
    let file = directory.path().join("store.db");
    let mut crash = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    sqlx::query("UPDATE records SET wrapped_key = NULL").execute(&mut crash).await.unwrap();
    crash.close().await.unwrap();
    let store = open(directory.path()).await;
    assert!(loaded(&store, NOW).await.is_empty());
    store.close().await.unwrap();
    let mut look = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM shares").fetch_one(&mut look).await.unwrap();
    assert_eq!(left, 0, "a record takes its shares with it");
    look.close().await.unwrap();
    let store = open(directory.path()).await;
    done(&store, 2, &enroll("c-1", 0)).await;
}

#[tokio::test]
async fn expired_records_are_not_loaded_and_a_sweep_erases_them() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    done(&store, 1, &enroll("c-1", 0)).await;
    let longer = Enrolment { expires: NOW + 2 * DAY, ..enrolment("c-2", Position(1)) };
    done(&store, 2, &Change::Enroll(Box::new(longer))).await;
    assert_eq!(loaded(&store, NOW + DAY - 1).await.len(), 2);
    assert_eq!(loaded(&store, NOW + DAY).await.len(), 1);
    assert!(store.sweep(NOW + DAY - 1).await.unwrap().records.is_empty());
    let swept = store.sweep(NOW + DAY).await.unwrap().records;
    assert_eq!(swept.iter().map(|gone| gone.subject.as_str()).collect::<Vec<_>>(), ["c-1"]);
    store.close().await.unwrap();
    let bytes = bytes_of(directory.path());
    assert!(!holds(&bytes, b"c-1") && holds(&bytes, b"c-2"));
}

#[tokio::test]
async fn an_expired_record_makes_room_before_any_sweep() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    done(&store, 1, &enroll("c-1", 0)).await;
    let later = Enrolment { expires: NOW + 3 * DAY, ..enrolment("c-1", Position(1)) };
    store.prepare(ChangeId([2; 32]), &Change::Enroll(Box::new(later)), NOW + DAY).await.unwrap();
    assert!(matches!(store.commit(ChangeId([2; 32]), NOW + DAY).await.unwrap(), Effect::Enrolled(_)));
    assert_eq!(loaded(&store, NOW + DAY).await[0].position, Position(1));
}

#[tokio::test]
async fn what_is_moved_in_at_once_is_loaded_as_if_it_had_been_enrolled() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    done(&store, 1, &enroll("c-0", 0)).await;
    // More than one transaction.
    let some = (1..600).map(|number| enrolment(&format!("c-{number}"), Position(number)));
    store.import(some, NOW).await.unwrap();
    let records = loaded(&store, NOW).await;
    assert_eq!(records.len(), 600);
    for (number, record) in records.iter().enumerate() {
        assert_eq!((record.subject.to_string(), record.position), (format!("c-{number}"), Position(number as u64)));
        assert!(record.references.iter().zip(references(Party::A)).all(|(a, b)| a.share.words() == b.share.words()));
    }
    assert_eq!(store.next_position(&"banks/b17/customers".parse().unwrap()).await.unwrap(), Position(600));
    done(&store, 2, &named(Change::Erase, "c-77")).await;
    assert_eq!(loaded(&store, NOW).await.len(), 599);
    for (wrong, error) in [
        (enrolment("c-5", Position(700)), "database"),
        (Enrolment { expires: NOW, ..enrolment("new", Position(700)) }, "expiry"),
        (Enrolment { references: references(Party::B), ..enrolment("new", Position(700)) }, "another party"),
    ] {
        let refused = store.import(std::iter::once(wrong), NOW).await.unwrap_err();
        assert!(refused.to_string().contains(error) || matches!(refused, StoreError::Sqlite(_)), "{refused}");
    }
    assert_eq!(loaded(&store, NOW).await.len(), 599);
}

#[tokio::test]
async fn a_search_may_name_the_live_and_unlocked_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let gallery = "banks/b17/customers".parse().unwrap();
    for number in 0..4 {
        done(&store, number, &enroll(&format!("c-{number}"), u64::from(number))).await;
    }
    // Half enrolled: this node has voted, and not heard the decision.
    store.prepare(ChangeId([9; 32]), &enroll("c-4", 4), NOW).await.unwrap();
    done(&store, 10, &named(Change::Erase, "c-1")).await;
    done(&store, 11, &named(Change::Lock, "c-2")).await;
    let all: Vec<Position> = (0..9).rev().map(Position).collect();
    let named_at = async |moment| {
        let candidates = store.candidates(&gallery, &all, moment).await.unwrap();
        candidates
            .into_iter()
            .map(|candidate| (candidate.position.0, candidate.subject.to_string()))
            .collect::<Vec<_>>()
    };
    let expected = |numbers: &[u64]| numbers.iter().map(|&n| (n, format!("c-{n}"))).collect::<Vec<_>>();
    assert_eq!(named_at(NOW).await, expected(&[3, 0]), "in the order that was asked for");
    assert_eq!(named_at(NOW + DAY - 1).await, expected(&[3, 0]));
    assert_eq!(named_at(NOW + DAY).await, expected(&[]));
    done(&store, 12, &named(Change::Unlock, "c-2")).await;
    store.commit(ChangeId([9; 32]), NOW).await.unwrap();
    assert_eq!(named_at(NOW).await, expected(&[4, 3, 2, 0]));
    assert!(store.candidates(&"banks/b18/customers".parse().unwrap(), &all, NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_record_without_expiry_cannot_be_written_by_anyone() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).await.close().await.unwrap();
    let mut anyone = SqliteConnectOptions::new().filename(directory.path().join("store.db")).connect().await.unwrap();
    for (expires, fits) in [("NULL", false), ("0", false), ("-1", false), ("'never'", false), ("1", true)] {
        let insert = format!(
            "INSERT INTO records (gallery, subject, position, contents, live, expires, subject_key)
             VALUES ('g', 's', 0, 'm', 1, {expires}, x'00')"
        );
        let written = sqlx::query(sqlx::AssertSqlSafe(insert)).execute(&mut anyone).await;
        assert_eq!(written.is_ok(), fits, "expires {expires}: {written:?}");
    }
}

#[tokio::test]
async fn the_store_of_another_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    done(&store, 1, &enroll("c-1", 0)).await;
    store.close().await.unwrap();
    for (deployment, party) in [("kz-test", Party::B), ("kz-other", Party::A)] {
        let other = try_open(directory.path(), deployment, party, [7; 32]).await;
        assert!(matches!(other, Err(StoreError::ForeignStore)), "{other:?}");
    }
    let wrong_key = try_open(directory.path(), "kz-test", Party::A, [8; 32]).await.unwrap();
    assert!(matches!(wrong_key.load(NOW, |_| panic!("nothing may open")).await, Err(StoreError::Sealed(_))));
    wrong_key.close().await.unwrap();
    assert!(matches!(wrong_key.pending().await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("store.db");
    let mut other = SqliteConnectOptions::new().filename(&file).create_if_missing(true).connect().await.unwrap();
    sqlx::query("CREATE TABLE cakes (name TEXT)").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let refused = try_open(directory.path(), "kz-test", Party::A, [7; 32]).await;
    assert!(matches!(refused, Err(StoreError::Schema)), "{refused:?}");
}

#[tokio::test]
async fn a_record_moved_or_prolonged_by_hand_does_not_open() {
    for tamper in [
        "UPDATE records SET expires = expires + 1",
        "UPDATE records SET subject = 'c-9'",
        "UPDATE records SET position = 9",
        "UPDATE records SET contents = 'rows 7x140;fr512 1x512;rows 39x140'",
        // As long as it was, in another order.
        "UPDATE records SET contents = 'rows 40x140;fr512 1x512;rows 7x140'",
        "UPDATE records SET contents = 'rows 7x140;fr500 1x512;rows 40x140'",
        "UPDATE records SET gallery = 'banks/b18/customers'",
        "UPDATE shares SET share = CAST(substr(share, 2) AS BLOB)",
        "UPDATE records SET wrapped_key = zeroblob(length(wrapped_key))",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).await;
        done(&store, 1, &enroll("c-1", 0)).await;
        store.close().await.unwrap();
        let file = directory.path().join("store.db");
        let mut hand = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
        sqlx::query(tamper).execute(&mut hand).await.unwrap();
        hand.close().await.unwrap();
        let loaded = open(directory.path()).await.load(NOW, |_| panic!("{tamper}")).await;
        assert!(matches!(loaded, Err(StoreError::Sealed(_))), "{tamper}: {loaded:?}");
    }
}

#[tokio::test]
async fn what_lies_in_the_file_is_noise_whatever_the_share() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    for id in 0..64 {
        let share = PointShare::from_unsealed_bytes(Party::A, Shape::vector(512).unwrap(), &[0; 1024]).unwrap();
        let references = vec![Reference { model: "fr512".parse().unwrap(), share }];
        let zeros = Enrolment { references, ..enrolment(&format!("c-{id}"), Position(u64::from(id))) };
        done(&store, id, &Change::Enroll(Box::new(zeros))).await;
    }
    store.close().await.unwrap();
    let bytes = bytes_of(directory.path());
    assert!(!holds(&bytes, b"subject-key-in-clear"));
    let file = directory.path().join("store.db");
    let mut plain = SqliteConnectOptions::new().filename(&file).read_only(true).connect().await.unwrap();
    let boxes: Vec<Vec<u8>> = sqlx::query_scalar("SELECT share FROM shares").fetch_all(&mut plain).await.unwrap();
    let mut counts = [0_u32; 256];
    boxes.iter().flatten().for_each(|byte| counts[usize::from(*byte)] += 1);
    let expected = f64::from(counts.iter().sum::<u32>()) / 256.0;
    let chi: f64 = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
    // 255 degrees of freedom: beyond 400 comes once in 10^8 runs.
    assert!(chi < 400.0, "chi-squared {chi} over {} boxes", boxes.len());
    assert_eq!(boxes.iter().collect::<std::collections::HashSet<_>>().len(), 64, "equal shares have unequal boxes");
}

#[tokio::test]
async fn nothing_that_prints_tells_a_share_or_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let change = enroll("c-1", 0);
    let printed = format!("{change:?} {store:?} {:?}", done(&store, 1, &change).await);
    assert!(printed.contains("fr512: PointShare(A, 1x512)"), "{printed}");
    for secret in
        ["share-in-clear", "subject-key", &format!("{}, {}", u16::from_le_bytes(*b"sh"), u16::from_le_bytes(*b"ar"))]
    {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn two_processes_cannot_share_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let _first = open(directory.path()).await;
    let second = try_open(directory.path(), "kz-test", Party::A, [7; 32]).await;
    assert!(matches!(second, Err(StoreError::InUse)), "{second:?}");
}

/// A copy of the files as they lie there, as after a power cut.
fn cut_off(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(directory).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

#[tokio::test]
async fn after_a_power_cut_each_step_is_there_once_it_has_returned() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let gallery = "banks/b17/customers".parse().unwrap();
    let seen = async |pending: usize, live: usize, next: u64| {
        let copy = cut_off(directory.path());
        let after = open(copy.path()).await;
        assert_eq!(after.pending().await.unwrap().len(), pending);
        assert_eq!(loaded(&after, NOW).await.len(), live);
        assert_eq!(after.next_position(&gallery).await.unwrap(), Position(next));
    };
    let (first, second) = (ChangeId([1; 32]), ChangeId([2; 32]));
    seen(0, 0, 0).await;
    assert_eq!(store.next_position(&gallery).await.unwrap(), Position(0));
    seen(0, 0, 1).await;
    store.prepare(first, &enroll("c-1", 0), NOW).await.unwrap();
    seen(1, 0, 1).await;
    store.commit(first, NOW).await.unwrap();
    seen(0, 1, 1).await;
    store.prepare(second, &named(Change::Erase, "c-1"), NOW).await.unwrap();
    seen(1, 1, 1).await;
    store.commit(second, NOW).await.unwrap();
    seen(0, 0, 1).await;
}

#[tokio::test]
async fn an_aborted_enrolment_leaves_nothing_of_its_subject_in_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    store.prepare(ChangeId([1; 32]), &enroll("the-one-not-to-come", 0), NOW).await.unwrap();
    assert!(holds(&bytes_of(directory.path()), b"the-one-not-to-come"));
    store.abort(ChangeId([1; 32])).await.unwrap();
    assert!(!holds(&bytes_of(directory.path()), b"the-one-not-to-come"));
}
