//! What three receipts say is so: whoever was erased stands at no node, whoever was enrolled stands, a lock is set or ended.

#![allow(clippy::unwrap_used)]

use crate::support::cluster::{Files, Trio, face_of, minute, target, template};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::task::JoinSet;
use tumar::client::{Client, ClientError, Prepared, SubjectKey};
use tumar::log::receipt::Outcome;
use tumar::party::Party;
use tumar::request::Method;
use tumar::template::Template;

fn face() -> Template {
    template(&(0..512).map(|place: u16| f32::from(place * 37 % 64) - 31.5).collect::<Vec<_>>())
}

fn enrolment(client: &Client, subject: &str) -> Prepared {
    let (to, key) = (target(subject, "enrolment"), SubjectKey::generate().unwrap());
    Prepared::enroll(client.config(), &client.committee(), &to, &[face_of(&face())], minute(), &key).unwrap()
}

fn erasure(client: &Client, subject: &str) -> Prepared {
    Prepared::erase(client.config(), &target(subject, "erasure")).unwrap()
}

/// What a request comes to, by a token of its own: the outcome that all three signed, or the reason of the refusal.
async fn send(files: &Files, client: &Client, prepared: &Prepared) -> Result<Outcome, String> {
    let ask = prepared.ask();
    let token = files.token(ask.purpose.as_str(), ask.method);
    match client.send(&token, prepared).await {
        Ok(answer) => Ok(answer.outcome),
        Err(ClientError::Receipt(fault)) => panic!("an answer that does not verify: {fault}"),
        Err(error) => Err(error.reason().to_owned()),
    }
}

async fn matches(files: &Files, client: &Client, subject: &str) -> Result<bool, String> {
    let token = files.token("cash_withdrawal", Method::Verify);
    let asked = client.verify(&token, &target(subject, "cash_withdrawal"), &[face_of(&face())], 1).await;
    asked.map(|verified| verified.matched).map_err(|error| error.reason().to_owned())
}

/// The nodes forget which requests they were asked, as they do after some time. What they remember of changes stays.
async fn forget_requests(trio: Trio) -> Trio {
    let files = trio.stop().await;
    for party in Party::ALL {
        let store = files.node(party).join("data/store.sqlite");
        let mut store = SqliteConnectOptions::new().filename(store).connect().await.unwrap();
        sqlx::query("DELETE FROM requests").execute(&mut store).await.unwrap();
        store.close().await.unwrap();
    }
    Trio::of(files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_request_to_erase_that_comes_again_erases_who_stands_now() {
    let trio = Trio::start().await;
    let (files, client) = (&trio.files, &trio.client);
    let old = erasure(client, "ada");
    assert_eq!(send(files, client, &enrolment(client, "ada")).await, Ok(Outcome::Enrolled));
    assert_eq!(send(files, client, &old).await, Ok(Outcome::Erased));
    assert_eq!(send(files, client, &enrolment(client, "ada")).await, Ok(Outcome::Enrolled));
    assert_eq!(matches(files, client, "ada").await, Ok(true));

    let trio = forget_requests(trio).await;
    let (files, client) = (&trio.files, &trio.client);
    assert_eq!(matches(files, client, "ada").await, Ok(true));
    assert_eq!(send(files, client, &old).await, Ok(Outcome::Erased));
    assert_eq!(matches(files, client, "ada").await, Err("SUBJECT_UNKNOWN".to_owned()), "all three signed for it");

    let trio = forget_requests(trio).await;
    assert_eq!(send(&trio.files, &trio.client, &old).await, Err("SUBJECT_UNKNOWN".to_owned()), "there is nobody");
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_request_to_enrol_that_comes_again_enrols_or_is_refused_and_never_signed_for_nothing() {
    let trio = Trio::start().await;
    let (files, client) = (&trio.files, &trio.client);
    let old = enrolment(client, "ada");
    assert_eq!(send(files, client, &old).await, Ok(Outcome::Enrolled));
    assert_eq!(send(files, client, &erasure(client, "ada")).await, Ok(Outcome::Erased));

    let trio = forget_requests(trio).await;
    let (files, client) = (&trio.files, &trio.client);
    let signed = send(files, client, &old).await == Ok(Outcome::Enrolled);
    let stands = matches(files, client, "ada").await;
    assert_eq!(stands, if signed { Ok(true) } else { Err("SUBJECT_UNKNOWN".to_owned()) });
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_request_to_lock_or_unlock_that_comes_again_does_so() {
    let trio = Trio::start().await;
    let (files, client) = (&trio.files, &trio.client);
    let lock = Prepared::lock(client.config(), &target("ada", "subject_lock")).unwrap();
    let unlock = Prepared::unlock(client.config(), &target("ada", "subject_unlock")).unwrap();
    assert_eq!(send(files, client, &enrolment(client, "ada")).await, Ok(Outcome::Enrolled));
    assert_eq!(send(files, client, &lock).await, Ok(Outcome::Locked));
    assert_eq!(send(files, client, &unlock).await, Ok(Outcome::Unlocked));

    let trio = forget_requests(trio).await;
    let (files, client) = (&trio.files, &trio.client);
    assert_eq!(matches(files, client, "ada").await, Ok(true));
    assert_eq!(send(files, client, &lock).await, Ok(Outcome::Locked));
    assert_eq!(matches(files, client, "ada").await, Err("SUBJECT_LOCKED".to_owned()));
    assert_eq!(send(files, client, &unlock).await, Ok(Outcome::Unlocked));
    assert_eq!(matches(files, client, "ada").await, Ok(true));
    trio.stop().await;
}

/// Many changes of one person at a time, from all sides: each is answered, and what was signed last is what stands.
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_person_at_the_same_time_take_their_turns_at_all_three_nodes() {
    let trio = std::sync::Arc::new(Trio::start().await);
    for round in 0..12 {
        let mut running = JoinSet::new();
        for number in 0..6 {
            let trio = std::sync::Arc::clone(&trio);
            running.spawn(async move {
                let (files, client) = (&trio.files, &trio.client);
                let prepared = match (round + number) % 4 {
                    0 | 2 => enrolment(client, "ada"),
                    1 => erasure(client, "ada"),
                    _ => Prepared::lock(client.config(), &target("ada", "subject_lock")).unwrap(),
                };
                let answer = send(files, client, &prepared).await;
                let expected = ["SUBJECT_UNKNOWN", "SUBJECT_EXISTS"];
                assert!(
                    answer.as_ref().map_or_else(|reason| expected.contains(&reason.as_str()), |_| true),
                    "{answer:?}"
                );
            });
        }
        running.join_all().await;
        // All three nodes agree on who stands, and whether locked: else this is out of step, or half refused.
        let (files, client) = (&trio.files, &trio.client);
        let unlock = Prepared::unlock(client.config(), &target("ada", "subject_unlock")).unwrap();
        match send(files, client, &unlock).await {
            Ok(_) => assert_eq!(matches(files, client, "ada").await, Ok(true), "round {round}"),
            Err(reason) => assert_eq!(reason, "SUBJECT_UNKNOWN", "round {round}"),
        }
        match send(files, client, &erasure(client, "ada")).await {
            Ok(outcome) => assert_eq!(outcome, Outcome::Erased),
            Err(reason) => assert_eq!(reason, "SUBJECT_UNKNOWN"),
        }
        assert_eq!(matches(files, client, "ada").await, Err("SUBJECT_UNKNOWN".to_owned()), "round {round}");
    }
    std::sync::Arc::into_inner(trio).unwrap().stop().await;
}
