//! A capture is for one use, on one day, and by the client that its token names.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::cluster::{Files, Trio, face_of, minute, now, reason, target, template};
use tokio::time::timeout;
use tumar::client::{Client, ClientConfig, Prepared};
use tumar::log::receipt::Outcome;
use tumar::name::RequestId;
use tumar::node::{Config, Node};
use tumar::party::Party;
use tumar::request::{Method, Minute};
use tumar::template::Template;
use tumar::token::TokenRequest;
use tumar::wire::peer::v1::relayed::Request;
use tumar::wire::v1::VerifySubjectRequest;

const DAY: u64 = 86_400;

fn face(seed: u16) -> Template {
    template(&(0..512).map(|place: u16| f32::from(place * (37 + seed) % 64) - 31.5).collect::<Vec<_>>())
}

/// The configuration of another workload of the same bank, with the same key.
fn branch(files: &Files) -> ClientConfig {
    let mut config = files.client_config();
    config.client = "banks/b17/branch-backend".parse().unwrap();
    config
}

fn token_for(files: &Files, client: &str, purpose: &str, method: Method) -> String {
    let asked = TokenRequest { client: client.to_owned(), ..files.token_request("b17", purpose, &[method], 1) };
    files.issuer_of("b17").issue(&asked, now()).unwrap()
}

fn verification(client: &Client, probe: &Template) -> Prepared {
    let (config, committee) = (client.config(), client.committee());
    Prepared::verify(config, &committee, &target("c-1", "cash_withdrawal"), &[face_of(probe)], 40_000, minute())
        .unwrap()
}

/// The message of a verification, changed. Its proof is made anew, as who kept the capture and has a token can.
fn changed(prepared: &Prepared, change: impl FnOnce(&mut VerifySubjectRequest)) -> Prepared {
    let Request::Verify(mut message) = prepared.request().clone() else { unreachable!() };
    change(&mut message);
    Prepared::new(Request::Verify(message)).unwrap()
}

fn fresh_id(place: u8) -> String {
    RequestId::from_random([place; 16]).to_string()
}

/// The nodes' clock.
static CLOCK: AtomicU64 = AtomicU64::new(0);

fn clock() -> u64 {
    CLOCK.load(Ordering::Relaxed)
}

async fn start_all(files: &Files) -> Vec<Node> {
    let mut nodes = Vec::new();
    for party in Party::ALL {
        let config = Config::read(&files.node(party).join("node.toml")).unwrap();
        nodes.push(tumar::node::start(config, Arc::new(clock)).await.unwrap());
    }
    for node in &nodes {
        node.ready().await;
    }
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn on_another_day_a_kept_capture_is_too_old_or_spent_or_its_key_is_gone() {
    let files = Files::new();
    CLOCK.store(now(), Ordering::Relaxed);
    let mut nodes = start_all(&files).await;
    let mut client = Client::connect(files.client_config(), clock).await.unwrap();
    let token = |purpose: &str, method| files.token_for(purpose, &[method], 1, clock());
    client
        .enroll(&token("enrolment", Method::Enroll), &target("c-1", "enrolment"), &[face_of(&face(1))])
        .await
        .unwrap();
    let kept = {
        let (committee, target) = (client.committee(), target("c-1", "cash_withdrawal"));
        Prepared::verify(client.config(), &committee, &target, &[face_of(&face(1))], 1, Minute::of(clock())).unwrap()
    };
    let answer = client.send(&token("cash_withdrawal", Method::Verify), &kept).await.unwrap();
    assert_eq!(answer.outcome, Outcome::Match);
    let begin = clock();
    // On the second day the first one's key is still taken.
    for (seconds, said) in [(900, "ENVELOPE_SPENT"), (DAY + 900, "ENVELOPE_SPENT"), (3 * DAY, "ENVELOPE_KEY_UNKNOWN")] {
        for node in nodes {
            node.stop().await.unwrap();
        }
        CLOCK.store(begin + seconds, Ordering::Relaxed);
        nodes = start_all(&files).await;
        client = Client::connect(files.client_config(), clock).await.unwrap();
        // What is due is done as soon as all three are linked.
        let rotated = async {
            while nodes.iter().any(|node| seconds > DAY && node.told_keys()[0].until < clock() + DAY) {
                client.refresh().await.unwrap();
            }
        };
        timeout(Duration::from_secs(30), rotated).await.expect("each node draws a key on each day");
        let refused = client.send(&token("cash_withdrawal", Method::Verify), &kept).await;
        match refused {
            // It was answered, and gets that answer for a day, however old its capture is by now.
            Ok(again) if seconds < DAY => {
                assert_eq!((again.outcome, &again.receipts), (answer.outcome, &answer.receipts));
            }
            // Then it is told that there was one.
            refused => assert_eq!(reason(refused), "ANSWER_EXPIRED", "after {seconds} s"),
        }
        let anew = changed(&kept, |message| {
            (message.request_id, message.capture_minute) = (fresh_id(1), Minute::of(clock()).number());
        });
        let refused = client.send(&token("cash_withdrawal", Method::Verify), &anew).await;
        assert_eq!(reason(refused), said, "with another minute after {seconds} s");
    }
    for node in nodes {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_names_another_client_than_its_token_is_refused() {
    let trio = Trio::start().await;
    let files = &trio.files;
    let client = Client::connect(branch(files), now).await.unwrap();
    let prepared = verification(&client, &face(1));
    let token = token_for(files, "banks/b17/atm-backend", "cash_withdrawal", Method::Verify);
    assert_eq!(reason(client.send(&token, &prepared).await), "TOKEN_CLIENT");
    let token = token_for(files, "banks/b17/branch-backend", "cash_withdrawal", Method::Verify);
    assert_eq!(reason(client.send(&token, &prepared).await), "SUBJECT_UNKNOWN");
    trio.stop().await;
}
