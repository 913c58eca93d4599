//! Bodies that nobody asked for: they are not read, and what is read is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt as _;
use tumar::request::Method;
use tumar::service::{MAX_REQUEST, MAX_SMALL};

use super::Nodes;
use super::caller::{head, pour, prefix, said};

const VERIFY: &str = "tumar.v1.MatchingService/VerifySubject";
const ENROLL: &str = "tumar.v1.MatchingService/EnrollSubject";
const COMMITTEE: &str = "tumar.v1.MatchingService/GetCommittee";

/// What each stream tries to send.
const BODY: usize = 1 << 20;

const CONNECTIONS: usize = 8;

const STREAMS: usize = 256;

/// A call, the metadata of its head, and the reason by which it is refused.
type Kind<'a> = (&'static str, Vec<(&'static str, &'a str)>, &'static str);

fn reason(status: &tonic::Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gibibytes_without_a_genuine_token_leave_no_trace_in_memory_and_others_are_served() {
    let nodes = Arc::new(Nodes::start(1024).await);
    let client = nodes.client().await;
    nodes.verify(&client).await;
    let (before, over) = (nodes.memory(), Arc::new(AtomicBool::new(false)));
    let highest = tokio::spawn({
        let (nodes, over) = (Arc::clone(&nodes), Arc::clone(&over));
        async move {
            let mut highest = 0;
            while !over.load(Ordering::Relaxed) {
                highest = highest.max(nodes.memory());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            highest
        }
    });
    // Genuine but for its signature.
    let forged = {
        let token = nodes.files.token("enrolment", Method::Enroll);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (first, rest) = signature.split_at(1);
        format!("{signed}.{}{rest}", if first == "A" { "B" } else { "A" })
    };
    let bearer = format!("DPoP {forged}");
    let kinds: [Kind<'_>; 4] = [
        (VERIFY, vec![], "TOKEN_ABSENT"),
        (ENROLL, vec![("authorization", "DPoP x")], "PROOF_ABSENT"),
        (VERIFY, vec![("authorization", "DPoP x"), ("dpop", "x")], "TOKEN_MALFORMED"),
        // Whatever has the form of a proof will do.
        (ENROLL, vec![("authorization", &bearer), ("dpop", &forged)], "TOKEN_SIGNATURE"),
    ];
    let accepted = Arc::new(AtomicUsize::new(0));
    let mut floods = Vec::new();
    for connection in 0..CONNECTIONS {
        let send = nodes.h2().await;
        for stream in 0..STREAMS {
            let (call, metadata, expected) = &kinds[(connection + stream) % kinds.len()];
            let (send, head, expected) = (send.clone(), head(call, metadata), (*expected).to_owned());
            let accepted = Arc::clone(&accepted);
            floods.push(tokio::spawn(async move {
                let (length, status) = pour(send, head, BODY).await;
                accepted.fetch_add(length, Ordering::Relaxed);
                assert_eq!((status.code(), reason(&status)), (Code::Unauthenticated, expected));
            }));
        }
    }
    for _ in 0..10 {
        nodes.verify(&client).await;
    }
    for flood in floods {
        flood.await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let highest = highest.await.unwrap();
    let (accepted, wanted) = (accepted.load(Ordering::Relaxed), CONNECTIONS * STREAMS * BODY);
    println!("{accepted} of {wanted} bytes were accepted; memory {before} KiB before, {highest} KiB at most");
    assert!(highest < before + 48 * 1024, "{highest} KiB, and {before} KiB before");
}

/// More than there are places, and none of them ends by itself within ten seconds.
#[tokio::test(flavor = "multi_thread")]
async fn small_calls_whose_body_never_comes_keep_nobody_out() {
    let nodes = Nodes::start(1024).await;
    drop(nodes.client().await);
    let mut open = Vec::new();
    for _ in 0..5 {
        let send = nodes.h2().await;
        for _ in 0..240 {
            let mut send = send.clone().ready().await.unwrap();
            open.push(send.send_request(head(COMMITTEE, &[]), false).unwrap());
        }
    }
    for _ in 0..10 {
        nodes.files.client().await.expect("who sends a whole call is answered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_come_or_are_too_large_end_and_one_bank_can_not_announce_without_end() {
    let nodes = Arc::new(Nodes::start(1024).await);
    let client = nodes.client().await;
    let (began, before) = (Instant::now(), nodes.memory());
    // Announced by a genuine token, and never sent: so many at a time have room.
    let token = nodes.files.token("enrolment", Method::Enroll);
    let bearer = format!("DPoP {token}");
    let send = nodes.h2().await;
    let mut announced = Vec::new();
    for _ in 0..40 {
        let mut send = send.clone().ready().await.unwrap();
        let head = head(ENROLL, &[("authorization", &bearer), ("dpop", &token)]);
        let (response, mut body) = send.send_request(head, false).unwrap();
        body.send_data(prefix(u32::try_from(MAX_REQUEST).unwrap()), false).unwrap();
        announced.push(tokio::spawn(async move {
            let status = said(&response.await.unwrap());
            drop(body);
            (reason(&status), status.code(), began.elapsed())
        }));
    }
    // Small calls whose body never comes, or is none.
    let silent = send.clone().ready().await.unwrap();
    let silent = tokio::spawn(async move {
        let head = head("tumar.v1.AccessLogService/GetCheckpoint", &[]);
        let (response, _body) = silent.clone().send_request(head, false).unwrap();
        reason(&said(&response.await.unwrap()))
    });
    for (call, length) in [
        (COMMITTEE, MAX_SMALL + 1),
        ("tumar.v1.AccessLogService/ListEntries", BODY),
        ("tumar.v1.SubjectService/ListUses", BODY),
        ("grpc.health.v1.Health/Check", BODY),
        ("no.such.Service/Call", BODY),
    ] {
        let mut send = send.clone().ready().await.unwrap();
        let (response, mut body) = send.send_request(head(call, &[]), false).unwrap();
        body.send_data(prefix(u32::try_from(length).unwrap()), false).unwrap();
        let status = said(&response.await.unwrap());
        assert_eq!((status.code(), reason(&status)), (Code::OutOfRange, "REQUEST_TOO_LARGE".to_owned()), "{call}");
    }
    nodes.verify(&client).await;
    let (mut slow, mut full) = (0, 0);
    for announced in announced {
        let (reason, code, took) = announced.await.unwrap();
        match reason.as_str() {
            "REQUEST_SLOW" => {
                assert!(code == Code::DeadlineExceeded && took >= Duration::from_secs(9), "{took:?}");
                slow += 1;
            }
            "OVERLOADED" => full += 1,
            other => panic!("{other}"),
        }
    }
    // Sixteen MiB of announcements for one relying party.
    assert_eq!((slow, full), (25, 15));
    assert_eq!(silent.await.unwrap(), "REQUEST_SLOW");
    assert!(nodes.memory() < before + 32 * 1024);
    nodes.verify(&client).await;
}
