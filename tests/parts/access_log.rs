//! The access log: who is admitted, what is written of it, and what a crash cannot do.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::memory::{Break, Memory};
use crate::support::grants::{Bank, CAP, DELAY, LIMITS, NOW, envelope_key};
use tumar::log::access::{AccessLog, Completion, LogError, Permit};
use tumar::log::entry::{Entry, Event, blinded_handle};
use tumar::log::ledger::{Answer, Ledger as _, Position};
use tumar::log::merkle::{self, leaf_hash, verify_consistency, verify_inclusion};
use tumar::log::note::{Checkpoint, NoteSigner, SigningKey, VerifierKey};
use tumar::log::outcome::NotAdmitted;
use tumar::log::shard::{EntryId, Shard};
use tumar::log::tiles::Reader;
use tumar::name::RequestId;
use tumar::party::Party;
use tumar::reason::Reason;
use tumar::request::{Method, Minute, RequestInfo, RequestTarget};
use tumar::seal::StoreKey;
use tumar::share::PointShare;
use tumar::store::{Change, ChangeId, Enrolment, KeptKey, Reference, Store};
use tumar::template::Shape;
use tumar::token::policy::Limits;
use tumar::token::purpose::{Enroll, Erase, ListUses, Lock, Unlock, Verify};
use zeroize::Zeroizing;

/// Names each change otherwise.
static CHANGES: AtomicU64 = AtomicU64::new(0);

const DAY: u64 = 24 * 3600;
const SUBJECT_KEY: [u8; 32] = [0x42; 32];

fn signer() -> NoteSigner {
    NoteSigner::new("kz-test.tumar.test/a".parse().unwrap(), SigningKey::from_seed(&[9; 32]))
}

/// The key of the half-year that all this happens in.
fn key() -> VerifierKey {
    signer().verifier().of_half(Shard::of(NOW))
}

fn at(index: u64) -> EntryId {
    EntryId { half: Shard::of(NOW), index }
}

/// Where that half-year's log is published.
fn folder(log: &Path) -> PathBuf {
    log.join(Shard::of(NOW).to_string())
}

/// A node's log and store in a directory, which can be stopped and started again.
struct Node {
    log: AccessLog,
    store: Store,
}

impl Node {
    async fn start(directory: &Path) -> Self {
        Self::limited(directory, LIMITS).await
    }

    async fn limited(directory: &Path, limits: Limits) -> Self {
        let key = StoreKey::from_bytes(&Zeroizing::new([7; 32]));
        let file = directory.join("store.db");
        let store = Store::open(&file, "kz-test".parse().unwrap(), Party::A, key).await.unwrap();
        let log = AccessLog::open(store.clone(), limits, signer(), &directory.join("log"), NOW).await.unwrap();
        Self { log, store }
    }

    async fn stop(self) {
        self.log.shutdown().await;
        self.store.close().await.unwrap();
    }

    async fn change(&self, change: &Change, now: u64) {
        let id = ChangeId(leaf_hash(&CHANGES.fetch_add(1, Ordering::Relaxed).to_be_bytes()));
        self.store.prepare(id, change, now).await.unwrap();
        self.store.commit(id, now).await.unwrap();
    }

    async fn enroll(&self, subject: &str, position: u64) {
        self.change(&enrolment(subject, position), NOW).await;
    }

    /// The log's entries, from the last `count`.
    async fn entries(&self) -> Vec<Entry> {
        let bytes = self.store.clone().entries(at(0)).await.unwrap();
        bytes.iter().map(|bytes| Entry::parse(bytes).unwrap()).collect()
    }

    /// What the last entry says happened.
    async fn last(&self) -> Event {
        self.entries().await.pop().unwrap().event
    }

    async fn verify(&self, bank: &Bank, subject: &str, now: u64) -> Result<Permit<Verify>, NotAdmitted> {
        self.log.admit(bank.fresh::<Verify>(subject, now), now).await
    }

    /// One whole comparison with this outcome.
    async fn compare(&self, bank: &Bank, closing: Completion, now: u64) {
        let permit = self.verify(bank, "c-1", now).await.unwrap();
        self.log.close(permit.ticket(), closing, None, now).await.unwrap();
    }
}

fn enrolment(subject: &str, position: u64) -> Change {
    Change::Enroll(Box::new(Enrolment {
        gallery: "banks/b17/customers".parse().unwrap(),
        subject: subject.parse().unwrap(),
        position: Position(position),
        expires: NOW + DAY,
        references: vec![Reference {
            model: "fr512".parse().unwrap(),
            share: PointShare::from_unsealed_bytes(Party::A, Shape::vector(512).unwrap(), &[5; 1024]).unwrap(),
        }],
        subject_key: Box::new(Zeroizing::new(SUBJECT_KEY)),
    }))
}

fn denied(code: &str) -> Event {
    Event::Denied(Reason::of(code).unwrap().into())
}

#[tokio::test]
async fn a_request_is_told_by_its_id_and_its_transcript() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    let call = bank.call(&bank.ask(Method::Verify, "c-1"), NOW);
    let permit = node.log.admit(bank.grant::<Verify>(&call, NOW), NOW).await.unwrap();
    assert_eq!((permit.position(), permit.place()), (Some(Position(0)), at(0)));
    assert_eq!(node.last().await, Event::Admitted);

    // The very same call leaves no entry; the same request by another token and proof leaves one, once.
    let again = bank.call(&call.ask, NOW);
    for (call, count) in [(&call, 1), (&again, 2), (&again, 2)] {
        let refused = node.log.admit(bank.grant::<Verify>(call, NOW), NOW).await.unwrap_err();
        assert_eq!((refused, node.entries().await.len()), (NotAdmitted::RequestInFlight, count));
    }
    assert_eq!(node.last().await, denied("REQUEST_IN_FLIGHT"));
    let other = bank.call(&RequestInfo { amount_kzt: 1, ..call.ask.clone() }, NOW);
    for _ in 0..3 {
        let refused = node.log.admit(bank.grant::<Verify>(&other, NOW), NOW).await.unwrap_err();
        assert_eq!((refused, node.entries().await.len()), (NotAdmitted::RequestIdReused, 3));
    }
    assert_eq!(node.last().await, denied("REQUEST_ID_REUSED"));

    let answer = || Answer(Box::from(*b"no match"));
    node.log.close(permit.ticket(), Completion::NotMatched, Some(answer()), NOW).await.unwrap();
    let entries = node.entries().await.len();
    for call in [&call, &again, &call, &again, &call] {
        let refused = node.log.admit(bank.grant::<Verify>(call, NOW), NOW).await.unwrap_err();
        assert_eq!(refused, NotAdmitted::Answered(answer()));
    }
    // An answer given again is no new use, and leaves a trace with an end, over a restart as well.
    node.stop().await;
    let node = Node::start(directory.path()).await;
    let refused = node.log.admit(bank.grant::<Verify>(&again, NOW), NOW).await.unwrap_err();
    assert_eq!(refused, NotAdmitted::Answered(answer()));
    let events = node.entries().await.split_off(entries).into_iter().map(|entry| entry.event).collect::<Vec<_>>();
    assert_eq!(events, [1, 2, 3].map(Event::Again));
}

#[tokio::test]
async fn a_request_id_is_the_relying_partys_and_an_answer_its_clients() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    let ask = bank.ask(Method::Verify, "c-1");
    let permit = node.log.admit(bank.grant::<Verify>(&bank.call(&ask, NOW), NOW), NOW).await.unwrap();
    node.log.close(permit.ticket(), Completion::Matched, Some(Answer(Box::from(*b"match"))), NOW).await.unwrap();
    let by_another = RequestInfo { client: "branch-backend".parse().unwrap(), ..ask.clone() };
    let refused = node.log.admit(bank.grant::<Verify>(&bank.call(&by_another, NOW), NOW), NOW).await.unwrap_err();
    assert_eq!(refused, NotAdmitted::RequestIdReused);

    // Nor may it build on a match that it did not see.
    let about = RequestTarget::Matched("c-1".parse().unwrap(), ask.request_id, Party::A);
    let own = RequestInfo { about, ..bank.ask(Method::ListUses, "c-1") };
    let others = RequestInfo { client: by_another.client, request_id: RequestId::from_random([8; 16]), ..own.clone() };
    let asks = async |ask: &RequestInfo| {
        node.log.admit(bank.grant::<ListUses>(&bank.call(ask, NOW), NOW), NOW).await.map(|permit| permit.subject())
    };
    assert_eq!(asks(&others).await, Err(NotAdmitted::MatchMissing));
    assert!(asks(&own).await.is_ok());
}

#[tokio::test]
async fn an_answer_that_was_forgotten_is_not_made_again() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    let ask = bank.ask(Method::Lock, "c-1");
    let permit = node.log.admit(bank.grant::<Lock>(&bank.call(&ask, NOW), NOW), NOW).await.unwrap();
    node.log.close(permit.ticket(), Completion::Completed, Some(Answer(Box::from(*b"locked"))), NOW).await.unwrap();
    let kept = NOW + LIMITS.request_retention_seconds;
    for (now, forgotten) in [(kept, false), (kept + 1, true), (NOW + 7 * DAY, true)] {
        node.store.sweep(now).await.unwrap();
        let refused = node.log.admit(bank.grant::<Lock>(&bank.call(&ask, now), now), now).await.unwrap_err();
        let is_expired = refused == NotAdmitted::AnswerExpired;
        assert!(is_expired == forgotten && (is_expired || matches!(refused, NotAdmitted::Answered(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn an_envelope_is_taken_once_as_long_as_its_key_is_there() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let mut node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    let key = envelope_key();
    let id = *key.public().id();
    node.store.keep_envelope_key(&KeptKey { key, made: NOW, until: NOW + 2 * DAY }).await.unwrap();
    let first = bank.ask(Method::Verify, "c-1");
    let admit = async |node: &Node, ask: &RequestInfo, now: u64| {
        let ask = RequestInfo { captured: Minute::of(now), ..ask.clone() };
        node.log.admit(bank.grant::<Verify>(&bank.call(&ask, now), now), now).await
    };
    let failed = Completion::Failed(Reason::PeerLost);
    let permit = admit(&node, &first, NOW).await.unwrap();
    node.log.close(permit.ticket(), failed.clone(), None, NOW).await.unwrap();
    // It came to nothing, so the very same request may come again; no other one brings what it brought.
    let permit = admit(&node, &first, NOW).await.unwrap();
    node.log.close(permit.ticket(), failed, None, NOW).await.unwrap();
    let fresh = || bank.ask(Method::Verify, "c-1").request_id;
    let more = RequestInfo { amount_kzt: 1, request_id: fresh(), ..first.clone() };
    let others = RequestInfo { client: "branch-backend".parse().unwrap(), request_id: fresh(), ..first.clone() };
    let enrolled = RequestInfo { method: Method::Enroll, request_id: fresh(), ..first.clone() };
    let enrolled = RequestInfo {
        purpose: "enrolment".parse().unwrap(),
        about: RequestTarget::Subject("c-2".parse().unwrap()),
        ..enrolled
    };
    let mut joined = RequestInfo { request_id: fresh(), ..first.clone() };
    joined.samples[0].envelopes[1] = [9; 32];
    for now in [NOW, NOW + DAY, NOW + 30 * DAY] {
        for (about, ask) in [("amount", &more), ("client", &others), ("other two new", &joined)] {
            assert_eq!(admit(&node, ask, now).await.unwrap_err(), NotAdmitted::EnvelopeSpent, "{about}");
            assert_eq!(node.last().await, denied("ENVELOPE_SPENT"));
        }
        let ask = RequestInfo { captured: Minute::of(now), ..enrolled.clone() };
        let refused = node.log.admit(bank.grant::<Enroll>(&bank.call(&ask, now), now), now).await;
        assert_eq!(refused.unwrap_err(), NotAdmitted::EnvelopeSpent);
        // After all that is forgotten by its time, and after a restart.
        node.store.sweep(now + 20 * DAY).await.unwrap();
        node.stop().await;
        node = Node::start(directory.path()).await;
    }
    // With its key it is forgotten: nothing opens it any more.
    node.store.destroy_envelope_key(&id).await.unwrap();
    node.store.sweep(NOW).await.unwrap();
    node.enroll("c-1", 1).await;
    assert!(admit(&node, &more, NOW).await.is_ok());
}

#[tokio::test]
async fn a_proof_works_once_and_a_token_as_often_as_it_says() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    let token = bank.token(Method::Verify, 2, NOW);
    let call = || bank.prove(&token, &bank.ask(Method::Verify, "c-1"), NOW);
    let first = call();
    let permit = node.log.admit(bank.grant::<Verify>(&first, NOW), NOW).await.unwrap();
    // Closed without an answer, the request may be made again, but not by the same proof.
    let failed = Completion::Failed(Reason::PeerLost);
    node.log.close(permit.ticket(), failed.clone(), None, NOW).await.unwrap();
    assert_eq!(node.last().await, Event::Failed(Reason::PeerLost.into()));
    let entries = node.entries().await.len();
    let refused = node.log.admit(bank.grant::<Verify>(&first, NOW), NOW).await.unwrap_err();
    assert_eq!(refused, NotAdmitted::ProofReplayed);
    assert_eq!(node.entries().await.len(), entries, "the same bytes have their entry");

    let again = bank.prove(&token, &first.ask, NOW);
    let permit = node.log.admit(bank.grant::<Verify>(&again, NOW), NOW).await.expect("a replay used nothing up");
    node.log.close(permit.ticket(), failed, None, NOW).await.unwrap();
    let spent = call();
    let refused = node.log.admit(bank.grant::<Verify>(&spent, NOW), NOW).await.unwrap_err();
    assert_eq!(refused, NotAdmitted::TokenSpent);
    assert_eq!(node.last().await, denied("TOKEN_SPENT"));
    let entries = node.entries().await.len();
    for _ in 0..5 {
        let refused = node.log.admit(bank.grant::<Verify>(&spent, NOW), NOW).await.unwrap_err();
        assert_eq!(refused, NotAdmitted::ProofReplayed);
    }
    assert_eq!(node.entries().await.len(), entries);
}

#[tokio::test]
async fn of_very_many_refusals_of_one_token_in_a_minute_ten_are_written_and_the_rest_is_told_as_a_number() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let mut node = Node::start(directory.path()).await;
    let unlogged = |entries: &[Entry]| -> Vec<u32> {
        let count = |entry: &Entry| if let Event::Unlogged(count) = entry.event { Some(count) } else { None };
        entries.iter().filter_map(count).collect()
    };
    let minute = NOW / 60 * 60;
    let tokens = [0, 60, 120].map(|later| bank.token(Method::Verify, 1000, minute + later));
    let one_of_many = |now: u64| {
        let token = &tokens[usize::try_from((now - minute) / 60).unwrap()];
        bank.prove(token, &bank.ask(Method::Verify, "c-1"), now)
    };
    for number in 0..25 {
        // At the door, and by the ledger.
        let call = one_of_many(minute);
        if number % 2 == 0 {
            let refused = node.log.admit(bank.grant::<Verify>(&call, minute), minute).await.unwrap_err();
            assert_eq!(refused, NotAdmitted::SubjectUnknown);
        } else {
            let (spends, record, _) = bank.grant::<Verify>(&call, minute).into_parts();
            let denied = node.log.deny(record, spends, Reason::TokenSpent, minute).await;
            assert_eq!(denied.is_ok(), number < 10, "{denied:?}");
        }
    }
    assert_eq!(node.entries().await.len(), 10);
    // Another token's are its own.
    let other = bank.call(&bank.ask(Method::Verify, "c-1"), minute);
    node.log.admit(bank.grant::<Verify>(&other, minute), minute).await.unwrap_err();
    assert_eq!((node.entries().await.len(), unlogged(&node.entries().await)), (11, vec![]));

    // The next minute tells, at the next request or at the next sweep; a node that is stopped tells at once.
    let next = one_of_many(minute + 60);
    node.log.admit(bank.grant::<Verify>(&next, minute + 60), minute + 60).await.unwrap_err();
    let entries = node.entries().await;
    assert_eq!((entries.len(), unlogged(&entries)), (13, vec![15]));
    let told = &entries[11];
    assert!(
        entries[..11].iter().all(|entry| entry.request_digest != told.request_digest),
        "of the first that has no entry"
    );
    for _ in 0..10 {
        let call = one_of_many(minute + 60);
        node.log.admit(bank.grant::<Verify>(&call, minute + 60), minute + 60).await.unwrap_err();
    }
    node.log.sweep(minute + 120).await.unwrap();
    for number in 0..12 {
        let call = one_of_many(minute + 120);
        node.log.admit(bank.grant::<Verify>(&call, minute + 120), minute + 120).await.unwrap_err();
        if number == 0 {
            assert_eq!(unlogged(&node.entries().await), [15, 1]);
        }
    }
    node.stop().await;
    node = Node::start(directory.path()).await;
    assert_eq!(unlogged(&node.entries().await), [15, 1, 2]);
}

#[tokio::test]
async fn a_client_whose_envelopes_do_not_open_waits_and_the_person_does_not() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    for reason in ["ENVELOPE_INVALID", "TEMPLATE_INCONSISTENT", "ENVELOPE_INVALID"] {
        node.compare(&bank, Completion::Failed(Reason::of(reason).unwrap()), NOW).await;
    }
    let refused = Err(NotAdmitted::EnvelopesRefused { retry_after_ms: 20_000 });
    assert_eq!(node.verify(&bank, "c-1", NOW).await.map(drop), refused);
    assert_eq!(node.last().await, denied("ENVELOPES_REFUSED"));
    // What brings no envelope is let in, and one more after a third of a minute.
    let _ = node.log.admit(bank.fresh::<Lock>("c-1", NOW), NOW).await.unwrap();
    assert_eq!(
        node.verify(&bank, "c-1", NOW + 19).await.map(drop),
        Err(NotAdmitted::EnvelopesRefused { retry_after_ms: 1000 })
    );
    let permit = node.verify(&bank, "c-1", NOW + 20).await.unwrap();
    node.log.close(permit.ticket(), Completion::Matched, None, NOW + 20).await.unwrap();
}

#[tokio::test]
async fn a_relying_party_that_asks_too_often_waits() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { requests_per_second: 2, burst: 3, ..LIMITS };
    let node = Node::limited(directory.path(), limits).await;
    let [own, other] = ["banks/b17", "banks/b19"].map(|name| name.parse().unwrap());
    let limited = Err(NotAdmitted::RateLimited { retry_after_ms: 1000 });
    assert_eq!([(); 4].map(|()| node.log.pace(&own, NOW)), [Ok(()), Ok(()), Ok(()), limited]);
    assert_eq!(node.log.pace(&other, NOW), Ok(()));
    let limited = Err(NotAdmitted::RateLimited { retry_after_ms: 1000 });
    assert_eq!([(); 3].map(|()| node.log.pace(&own, NOW + 1)), [Ok(()), Ok(()), limited]);
}

#[tokio::test]
async fn only_who_is_there_can_be_compared_and_only_who_is_not_enrolled() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.store.prepare(ChangeId([1; 32]), &enrolment("c-1", 0), NOW).await.unwrap();
    for expires in [NOW, NOW + DAY] {
        // Pending, then live.
        let exists = node.log.admit(bank.fresh::<Enroll>("c-1", NOW), NOW).await.unwrap_err();
        assert_eq!(exists, NotAdmitted::SubjectExists, "{expires}");
        assert_eq!(node.last().await, denied("SUBJECT_EXISTS"));
        if expires == NOW {
            assert_eq!(node.verify(&bank, "c-1", NOW).await.unwrap_err(), NotAdmitted::SubjectUnknown);
            node.store.commit(ChangeId([1; 32]), NOW).await.unwrap();
        }
    }
    let unknown = NotAdmitted::SubjectUnknown;
    for (subject, now) in [("c-9", NOW), ("c-1", NOW + DAY)] {
        assert_eq!(node.log.admit(bank.fresh::<Verify>(subject, now), now).await.unwrap_err(), unknown);
        assert_eq!(node.log.admit(bank.fresh::<Lock>(subject, now), now).await.unwrap_err(), unknown);
        assert_eq!(node.log.admit(bank.fresh::<Unlock>(subject, now), now).await.unwrap_err(), unknown);
        assert_eq!(node.last().await, denied("SUBJECT_UNKNOWN"));
        // Another node may hold what is not here: an erasure is about nobody then, at this one.
        let permit = node.log.admit(bank.fresh::<Erase>(subject, now), now).await.unwrap();
        assert_eq!((permit.position(), permit.subject()), (None, None));
    }
    let permit = node.log.admit(bank.fresh::<Enroll>("c-1", NOW + DAY), NOW + DAY).await.unwrap();
    assert_eq!(permit.position(), None);
    let permit = node.log.admit(bank.fresh::<Erase>("c-1", NOW), NOW).await.unwrap();
    node.change(&Change::Erase("banks/b17/customers".parse().unwrap(), "c-1".parse().unwrap()), NOW).await;
    node.log.close(permit.ticket(), Completion::Completed, None, NOW).await.unwrap();
    assert_eq!(node.verify(&bank, "c-1", NOW).await.unwrap_err(), unknown);
}

#[tokio::test]
async fn after_three_non_matches_each_next_attempt_waits_twice_as_long_until_the_last_one_locks() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    // A match in between starts the count anew.
    for closing in [Completion::NotMatched, Completion::NotMatched, Completion::Matched] {
        node.compare(&bank, closing, NOW).await;
    }
    for _ in 0..3 {
        node.compare(&bank, Completion::NotMatched, NOW).await;
    }
    let delayed = |seconds: u64| Err(NotAdmitted::AttemptsDelayed { retry_after_ms: seconds * 1000 });
    assert_eq!(node.verify(&bank, "c-1", NOW).await.map(drop), delayed(DELAY));
    assert_eq!(node.last().await, denied("ATTEMPTS_DELAYED"));
    assert_eq!(node.verify(&bank, "c-1", NOW + DELAY - 1).await.map(drop), delayed(1));
    node.stop().await;
    let node = Node::start(directory.path()).await;
    assert_eq!(node.verify(&bank, "c-1", NOW + DELAY - 1).await.map(drop), delayed(1));
    let mut now = NOW + DELAY;
    node.compare(&bank, Completion::NotMatched, now).await;
    assert_eq!(node.verify(&bank, "c-1", now).await.map(drop), delayed(2 * DELAY));
    // A match after the wait ends it all.
    now += 2 * DELAY;
    node.compare(&bank, Completion::Matched, now).await;
    for misses in 1..=CAP {
        node.compare(&bank, Completion::NotMatched, now).await;
        now += if misses < 3 { 0 } else { DELAY << (misses - 3) };
    }
    for later in [now, now + DAY / 2] {
        assert_eq!(node.verify(&bank, "c-1", later).await.unwrap_err(), NotAdmitted::SubjectLocked);
    }
    assert_eq!(node.last().await, denied("SUBJECT_LOCKED"));
    node.change(&Change::Unlock("banks/b17/customers".parse().unwrap(), "c-1".parse().unwrap()), now).await;
    node.compare(&bank, Completion::Matched, now).await;
}

#[tokio::test]
async fn what_is_under_way_makes_others_wait_and_what_came_to_nothing_does_not_count() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    let lost = || Completion::Failed(Reason::PeerLost);
    for _ in 0..10 {
        node.compare(&bank, lost(), NOW).await;
    }
    let mut permits = Vec::new();
    for _ in 0..3 {
        permits.push(node.verify(&bank, "c-1", NOW).await.unwrap());
    }
    // It costs nothing: the same token is good when there is room again.
    let token = bank.token(Method::Verify, 1, NOW);
    let ask = bank.ask(Method::Verify, "c-1");
    for _ in 0..5 {
        let early = bank.prove(&token, &ask, NOW);
        let refused = node.log.admit(bank.grant::<Verify>(&early, NOW), NOW).await.unwrap_err();
        assert_eq!(refused, NotAdmitted::AttemptsInFlight { retry_after_ms: 1000 });
        assert_eq!(node.last().await, denied("ATTEMPTS_IN_FLIGHT"));
    }
    // Closing one twice makes no room twice.
    for permit in &permits[..2] {
        node.log.close(permit.ticket(), Completion::NotMatched, None, NOW).await.unwrap();
        let twice = node.log.close(permit.ticket(), lost(), None, NOW).await;
        assert!(matches!(twice, Err(LogError::NotOpen)), "{twice:?}");
    }
    // Two have failed, and the third may: so there is no room yet.
    assert!(matches!(node.verify(&bank, "c-1", NOW).await, Err(NotAdmitted::AttemptsInFlight { .. })));
    node.log.close(permits[2].ticket(), lost(), None, NOW).await.unwrap();
    let late = bank.prove(&token, &ask, NOW);
    let permit = node.log.admit(bank.grant::<Verify>(&late, NOW), NOW).await.unwrap();
    // A run that broke after bits of the probe were opened counts like a non-match.
    node.log.close(permit.ticket(), Completion::Broken(Reason::PeerLost), None, NOW).await.unwrap();
    assert_eq!(node.last().await, Event::Failed(Reason::PeerLost.into()));
    assert!(matches!(node.verify(&bank, "c-1", NOW).await, Err(NotAdmitted::AttemptsDelayed { .. })));
}

#[tokio::test]
async fn a_restart_forgets_what_was_under_way_and_nothing_else() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    node.compare(&bank, Completion::NotMatched, NOW).await;
    let _open = [node.verify(&bank, "c-1", NOW).await.unwrap(), node.verify(&bank, "c-1", NOW).await.unwrap()];
    assert!(matches!(node.verify(&bank, "c-1", NOW).await, Err(NotAdmitted::AttemptsInFlight { .. })));
    node.stop().await;
    let node = Node::start(directory.path()).await;
    for _ in 0..2 {
        node.compare(&bank, Completion::NotMatched, NOW).await;
    }
    assert!(matches!(node.verify(&bank, "c-1", NOW).await, Err(NotAdmitted::AttemptsDelayed { .. })));
}

#[tokio::test]
async fn a_lock_by_hand_holds_until_it_is_ended_by_hand() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    let (gallery, subject) = (|| "banks/b17/customers".parse().unwrap(), || "c-1".parse().unwrap());
    node.change(&Change::Lock(gallery(), subject()), NOW).await;
    for now in [NOW, NOW + DAY - 1] {
        assert_eq!(node.verify(&bank, "c-1", now).await.unwrap_err(), NotAdmitted::SubjectLocked);
    }
    // Who is locked can still be unlocked, and erased.
    let _ = node.log.admit(bank.fresh::<Unlock>("c-1", NOW), NOW).await.unwrap();
    let _ = node.log.admit(bank.fresh::<Erase>("c-1", NOW), NOW).await.unwrap();
    node.change(&Change::Unlock(gallery(), subject()), NOW).await;
    for _ in 0..3 {
        node.compare(&bank, Completion::NotMatched, NOW).await;
    }
    node.change(&Change::Unlock(gallery(), subject()), NOW).await;
    node.compare(&bank, Completion::Matched, NOW).await;
}

#[tokio::test]
async fn what_was_spent_stays_spent_over_a_restart_until_its_time_has_passed() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    let answered = bank.call(&bank.ask(Method::Verify, "c-1"), NOW);
    let permit = node.log.admit(bank.grant::<Verify>(&answered, NOW), NOW).await.unwrap();
    node.log.close(permit.ticket(), Completion::Matched, Some(Answer(Box::from(*b"match"))), NOW).await.unwrap();
    let cut_off = bank.call(&bank.ask(Method::Verify, "c-1"), NOW);
    let _ = node.log.admit(bank.grant::<Verify>(&cut_off, NOW), NOW).await.unwrap();
    node.stop().await;

    let node = Node::start(directory.path()).await;
    for sweep in [NOW, NOW + 60] {
        node.store.sweep(sweep).await.unwrap();
        let refused = node.log.admit(bank.grant::<Verify>(&answered, NOW), NOW).await.unwrap_err();
        assert_eq!(refused, NotAdmitted::Answered(Answer(Box::from(*b"match"))));
        let refused = node.log.admit(bank.grant::<Verify>(&cut_off, NOW), NOW).await.unwrap_err();
        assert_eq!(refused, NotAdmitted::ProofReplayed);
    }
    // Long after, the ids of tokens and proofs are forgotten, which are refused for their time; those of requests a week later.
    node.store.sweep(NOW + DAY / 2).await.unwrap();
    let refused = node.log.admit(bank.grant::<Verify>(&answered, NOW), NOW).await.unwrap_err();
    assert_eq!(refused, NotAdmitted::AnswerExpired);
    let _ = node.log.admit(bank.grant::<Verify>(&cut_off, NOW), NOW).await.expect("its proof is forgotten");
    node.store.sweep(NOW + 8 * DAY).await.unwrap();
    node.enroll("c-1", 1).await;
    let _ = node.log.admit(bank.grant::<Verify>(&answered, NOW), NOW).await.expect("all ids are forgotten");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_admitted_under_indexes_of_their_own() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), std::sync::Arc::new(Bank::new()));
    let node = Node::start(directory.path()).await;
    let tasks: Vec<_> = (0..300)
        .map(|number| {
            let (log, bank) = (node.log.clone(), std::sync::Arc::clone(&bank));
            tokio::spawn(async move {
                let permit = log.admit(bank.fresh::<Enroll>(&format!("c-{number}"), NOW), NOW).await.unwrap();
                (permit.place(), permit.spends().request_digest, log.inclusion(permit.place()).unwrap())
            })
        })
        .collect();
    let mut seen = std::collections::BTreeMap::new();
    for task in tasks {
        let (index, transcript, inclusion) = task.await.unwrap();
        let checkpoint = Checkpoint::open(&inclusion.checkpoint, &key()).unwrap();
        assert_eq!(checkpoint.size, inclusion.size);
        verify_inclusion(&inclusion.leaf, index.index, inclusion.size, &inclusion.proof, &checkpoint.root).unwrap();
        assert_eq!(seen.insert(index, transcript), None, "{index:?} was given twice");
    }
    assert!(seen.keys().copied().eq((0..300).map(at)));
    let entries = node.entries().await;
    assert!(
        entries.iter().map(|entry| entry.request_digest).eq(seen.into_values()),
        "each permit is for its own entry"
    );
    assert!(matches!(node.log.inclusion(at(300)), Err(LogError::Beyond)));
}

#[tokio::test]
async fn the_person_finds_the_own_entries_and_after_erasure_nobody_does() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    let unknown = node.verify(&bank, "c-1", NOW).await.unwrap_err();
    assert_eq!(unknown, NotAdmitted::SubjectUnknown);
    node.enroll("c-1", 0).await;
    node.compare(&bank, Completion::Matched, NOW).await;
    let permit = node.log.admit(bank.fresh::<Erase>("c-1", NOW), NOW).await.unwrap();
    node.change(&Change::Erase("banks/b17/customers".parse().unwrap(), "c-1".parse().unwrap()), NOW).await;
    node.log.close(permit.ticket(), Completion::Completed, None, NOW).await.unwrap();
    let own: Vec<_> = (0..9).map(|counter| blinded_handle(&SUBJECT_KEY, counter)).collect();
    let entries = node.entries().await;
    let found: Vec<_> = entries.iter().map(|entry| own.iter().position(|handle| *handle == entry.handle)).collect();
    assert_eq!(found, [None, Some(0), Some(1), Some(2), None]);
}

#[tokio::test]
async fn a_genuine_token_refused_at_the_door_is_logged() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    let (spends, record, _) = bank.fresh::<Verify>("c-1", NOW).into_parts();
    let reason = Reason::PurposeNotGranted;
    let index = node.log.deny(record.clone(), spends.clone(), reason, NOW).await.unwrap();
    let entry = node.entries().await.swap_remove(usize::try_from(index.index).unwrap());
    assert_eq!((entry.event, entry.request_digest), (denied("PURPOSE_NOT_GRANTED"), spends.request_digest));
    // The same call again fills no log.
    let size = node.log.head().0.index;
    assert!(matches!(node.log.deny(record, spends, reason, NOW).await, Err(LogError::Replayed)));
    assert_eq!(node.log.head().0, at(size));
}

#[tokio::test]
async fn what_was_written_is_published_and_any_reader_can_check_it() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let reader = Reader::new(&folder(&directory.path().join("log")));
    let mut shown: Vec<Checkpoint> = Vec::new();
    for round in 0..3 {
        let node = Node::start(directory.path()).await;
        for number in 0..150 {
            let subject = format!("c-{round}-{number}");
            let _ = node.log.admit(bank.fresh::<Enroll>(&subject, NOW), NOW).await.unwrap();
        }
        let (EntryId { index: size, .. }, head) = node.log.head();
        let entries = node.store.clone().entries(at(0)).await.unwrap();
        node.stop().await;
        let published = reader.checkpoint(&key()).unwrap();
        assert_eq!((published.size, 150 * (round + 1)), (size, size));
        assert_eq!(published, Checkpoint::open(&head, &key()).unwrap());
        assert_eq!(reader.entry(size - 1, size).unwrap(), entries[usize::try_from(size).unwrap() - 1]);
        shown.push(published);
    }
    let tree = reader.audit(shown.last().unwrap()).unwrap();
    assert!(shown.iter().all(|before| tree.root(before.size) == Ok(before.root)));
}

#[tokio::test]
async fn own_entries_are_shown_only_right_after_a_match_of_that_very_person() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    node.enroll("c-2", 1).await;
    let compared = async |subject: &str, closing: Completion, now: u64| {
        let permit = node.verify(&bank, subject, now).await.unwrap();
        node.log.close(permit.ticket(), closing, None, now).await.unwrap();
        permit.spends().request_id
    };
    let asks = async |subject: &str, after: RequestId, now: u64| {
        let about = RequestTarget::Matched(subject.parse().unwrap(), after, Party::A);
        let ask = RequestInfo { about, ..bank.ask(Method::ListUses, subject) };
        node.log.admit(bank.grant::<ListUses>(&bank.call(&ask, now), now), now).await.map(|permit| permit.subject())
    };
    let missed = compared("c-1", Completion::NotMatched, NOW).await;
    let failed = compared("c-1", Completion::Failed(Reason::PeerLost), NOW).await;
    let open = node.verify(&bank, "c-1", NOW).await.unwrap();
    let other = compared("c-2", Completion::Matched, NOW).await;
    let nobody = RequestId::from_random([9; 16]);
    for after in [missed, failed, open.spends().request_id, other, nobody] {
        assert_eq!(asks("c-1", after, NOW).await, Err(NotAdmitted::MatchMissing));
        assert_eq!(node.last().await, denied("MATCH_MISSING"));
    }
    let matched = compared("c-1", Completion::Matched, NOW).await;
    for (now, fresh) in [(NOW, true), (NOW + 300, true), (NOW + 301, false)] {
        assert_eq!(asks("c-1", matched, now).await.is_ok(), fresh, "{} seconds later", now - NOW);
    }
    assert_eq!(asks("c-2", matched, NOW).await, Err(NotAdmitted::MatchMissing));
    // Erased and enrolled anew, the person is another to the log.
    node.change(&Change::Erase("banks/b17/customers".parse().unwrap(), "c-1".parse().unwrap()), NOW).await;
    node.enroll("c-1", 2).await;
    assert_eq!(asks("c-1", matched, NOW).await, Err(NotAdmitted::MatchMissing));
}

/// Stops where the log does not say what is durable, for each commit and both truths.
#[tokio::test]
async fn no_break_of_the_ledger_gives_a_permit_without_an_entry_or_takes_back_a_checkpoint() {
    let bank = Bank::new();
    for at in 0..4 {
        for persisted in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let ledger = Memory::breaking(Break { at, persisted });
            let log = AccessLog::open(ledger.clone(), LIMITS, signer(), directory.path(), NOW).await.unwrap();
            let (mut permits, mut calls, mut shown) = (Vec::new(), Vec::new(), Vec::new());
            for number in 0..6 {
                let call = bank.call(&bank.ask(Method::Enroll, &format!("c-{number}")), NOW);
                let admitted = log.admit(bank.grant::<Enroll>(&call, NOW), NOW).await;
                assert_eq!(admitted.is_ok(), number < at, "request {number}, break at {at}, {persisted}");
                match admitted {
                    Ok(permit) => permits.push(permit),
                    Err(error) => assert_eq!(error, NotAdmitted::Halted),
                }
                calls.push(call);
                shown.push(Checkpoint::open(&log.head().1, &key()).unwrap());
            }
            let (spends, record, _) = bank.fresh::<Enroll>("c-9", NOW).into_parts();
            let halted = log.deny(record, spends, Reason::TokenSpent, NOW).await;
            assert!(matches!(halted, Err(LogError::Halted)), "{halted:?}");
            log.shutdown().await;

            let mended = ledger.mended();
            let entries = mended.clone().entries(EntryId { half: Shard::of(NOW), index: 0 }).await.unwrap();
            assert_eq!(entries.len(), at + usize::from(persisted));
            for permit in &permits {
                let entry = Entry::parse(&entries[usize::try_from(permit.place().index).unwrap()]).unwrap();
                assert_eq!((entry.request_digest, entry.event), (permit.spends().request_digest, Event::Admitted));
            }
            let log = AccessLog::open(mended, LIMITS, signer(), directory.path(), NOW).await.unwrap();
            let replayed = async |call| log.admit(bank.grant::<Enroll>(call, NOW), NOW).await.err();
            for (number, call) in calls.iter().enumerate() {
                let spent = number < at + usize::from(persisted);
                assert_eq!(replayed(call).await, spent.then_some(NotAdmitted::ProofReplayed), "request {number}");
            }
            assert_continues(&shown, &entries, &log);
        }
    }
}

/// Every checkpoint that was shown is one of the log as it is now.
fn assert_continues(shown: &[Checkpoint], entries: &[Vec<u8>], log: &AccessLog) {
    let now = Checkpoint::open(&log.head().1, &key()).unwrap();
    let mut tree = merkle::Tree::new();
    for entry in entries {
        tree.push(leaf_hash(entry));
    }
    for before in shown {
        let whole = tree.root(before.size).unwrap();
        assert_eq!(before.root, whole);
        let proof = tree.consistency(before.size, tree.size()).unwrap();
        let root = tree.root(tree.size()).unwrap();
        verify_consistency(before.size, tree.size(), &proof, &before.root, &root).unwrap();
        assert!(now.size >= before.size);
    }
}

#[tokio::test]
async fn a_ledger_that_does_not_continue_what_was_published_is_refused() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let ledger = Memory::new();
    let log = AccessLog::open(ledger.clone(), LIMITS, signer(), directory.path(), NOW).await.unwrap();
    for number in 0..3 {
        let _ = log.admit(bank.fresh::<Enroll>(&format!("c-{number}"), NOW), NOW).await.unwrap();
    }
    log.shutdown().await;
    let open = async |ledger, signer| AccessLog::open(ledger, LIMITS, signer, directory.path(), NOW).await.err();
    let lost = open(ledger.with_entries(|entries| _ = entries.pop()), signer()).await;
    assert!(matches!(lost, Some(LogError::Lost { published: 3, durable: 2 })), "{lost:?}");
    let forked = open(ledger.with_entries(|entries| entries.swap(0, 1)), signer()).await;
    assert!(matches!(forked, Some(LogError::Forked { published: 3 })), "{forked:?}");
    let other_key = NoteSigner::new("kz-test.tumar.test/a".parse().unwrap(), SigningKey::from_seed(&[1; 32]));
    let foreign = open(ledger.clone(), other_key).await;
    assert!(matches!(foreign, Some(LogError::Published(_))), "{foreign:?}");
    assert!(open(ledger, signer()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_checkpoint_follows_within_a_second() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let log = AccessLog::open(Memory::new(), LIMITS, signer(), directory.path(), NOW).await.unwrap();
    let reader = Reader::new(&folder(directory.path()));
    for size in 1..4 {
        let _ = log.admit(bank.fresh::<Enroll>(&format!("c-{size}"), NOW), NOW).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(reader.checkpoint(&key()).unwrap().size, size);
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_delays_the_checkpoint_and_breaks_nothing() {
    for obstacle in ["tile", "checkpoint.new"] {
        let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
        let log = AccessLog::open(Memory::new(), LIMITS, signer(), directory.path(), NOW).await.unwrap();
        let (reader, second) = (Reader::new(&folder(directory.path())), std::time::Duration::from_secs(1));
        tokio::time::sleep(second).await;
        let obstacle = folder(directory.path()).join(obstacle);
        // A directory where a file must be, or the other way round.
        if obstacle.ends_with("tile") {
            std::fs::write(&obstacle, "").unwrap();
        } else {
            std::fs::create_dir(&obstacle).unwrap();
        }
        let permit = log.admit(bank.fresh::<Enroll>("c-1", NOW), NOW).await.unwrap();
        tokio::time::sleep(second).await;
        assert_eq!(reader.checkpoint(&key()).unwrap().size, 0, "{obstacle:?}");
        assert_eq!(log.inclusion(permit.place()).unwrap().size, 1);
        if obstacle.ends_with("tile") {
            std::fs::remove_file(&obstacle).unwrap();
        } else {
            std::fs::remove_dir(&obstacle).unwrap();
        }
        tokio::time::sleep(second).await;
        let published = reader.checkpoint(&key()).unwrap();
        assert_eq!(published.size, 1, "{obstacle:?}");
        reader.audit(&published).unwrap();
    }
}

#[tokio::test]
async fn who_goes_away_while_being_admitted_leaves_nothing_open() {
    let (directory, bank) = (tempfile::tempdir().unwrap(), Bank::new());
    let node = Node::start(directory.path()).await;
    node.enroll("c-1", 0).await;
    let calls: Vec<_> = (0..4).map(|_| bank.call(&bank.ask(Method::Verify, "c-1"), NOW)).collect();
    for call in &calls {
        let mut admission = Box::pin(node.log.admit(bank.grant::<Verify>(call, NOW), NOW));
        // One poll hands the grant over; then the caller is gone.
        assert!(polled_once(&mut admission).await.is_none());
        drop(admission);
        // The next commit closes it, and makes room for another.
        for _ in 0..2 {
            let (spends, record, _) = bank.fresh::<Verify>("c-1", NOW).into_parts();
            node.log.deny(record, spends, Reason::TokenSpent, NOW).await.unwrap();
        }
    }
    let cancelled = Event::Failed(Reason::Cancelled.into());
    assert_eq!(node.entries().await.iter().filter(|entry| entry.event == cancelled).count(), calls.len());
    node.compare(&bank, Completion::Matched, NOW).await;
}

/// What a future says at its first poll.
async fn polled_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
        std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}
