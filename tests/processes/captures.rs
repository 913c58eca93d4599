//! A capture is for one use: three processes refuse one that somebody kept, each of them for itself, after each of them was started
//! again, and after all that they remember for a time was forgotten.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::sleep;
use tumar::client::{Client, ClientError, Prepared, SubjectKey};
use tumar::log::receipt::Outcome;
use tumar::name::RequestId;
use tumar::party::Party;
use tumar::request::Minute;
use tumar::token::TokenRequest;
use tumar::wire::peer::v1::relayed::Request;
use tumar::wire::v1::{EnrollSubjectRequest, Sample, VerifySubjectRequest};

use crate::nodes::{LOOK, Nodes, face};
use crate::support::cluster::{face_of, now, target};

const DAY: u64 = 86_400;

/// By how much all clocks are ahead.
static AHEAD: AtomicU64 = AtomicU64::new(0);

fn time() -> u64 {
    now() + AHEAD.load(Ordering::Relaxed)
}

/// By a token that fits the request.
async fn send(nodes: &Nodes, prepared: &Prepared) -> Result<Outcome, ClientError> {
    let ask = prepared.ask();
    let asked = TokenRequest {
        client: ask.client.to_string(),
        ..nodes.files.token_request("b17", ask.purpose.as_str(), &[ask.method], 1)
    };
    let token = nodes.files.issuer_of("b17").issue(&asked, time()).unwrap();
    nodes.client.send(&token, prepared).await.map(|answer| answer.outcome)
}

/// The message of a verification, changed. Its proof is made anew, as who kept the capture and has a token can.
fn changed(prepared: &Prepared, change: impl FnOnce(&mut VerifySubjectRequest)) -> Prepared {
    let Request::Verify(mut message) = prepared.request().clone() else { unreachable!() };
    change(&mut message);
    Prepared::new(Request::Verify(message)).unwrap()
}

/// Drawn here, so that no two are the same.
fn fresh_id() -> String {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [7; 16];
    bytes[8..].copy_from_slice(&DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    RequestId::from_random(bytes).to_string()
}

type Change = fn(&mut VerifySubjectRequest);

/// What somebody who keeps a capture would like it to be for.
const OTHER_USES: [(&str, Change); 6] = [
    ("the same once more", |_| {}),
    ("another client", |message| "banks/b17/branch-backend".clone_into(&mut message.client)),
    ("another amount", |message| message.amount_kzt = 400_000),
    ("another subject", |message| "c-2".clone_into(&mut message.subject)),
    ("another minute", |message| message.capture_minute -= 1),
    ("another purpose", |message| "subject_access".clone_into(&mut message.purpose)),
];

/// One of the kept sample's envelopes, and two of a new one.
fn mixed(kept: &Sample, fresh: &Prepared, party: Party) -> Prepared {
    changed(fresh, |message| {
        let sample = &mut message.samples[0];
        match party {
            Party::A => sample.envelope_a.clone_from(&kept.envelope_a),
            Party::B => sample.envelope_b.clone_from(&kept.envelope_b),
            Party::C => sample.envelope_c.clone_from(&kept.envelope_c),
        }
    })
}

fn sample_of(prepared: &Prepared) -> Sample {
    let Request::Verify(message) = prepared.request() else { unreachable!() };
    message.samples[0].clone()
}

/// What the refusal says, and which node.
fn refusal(answer: Result<Outcome, ClientError>) -> (String, Option<Party>) {
    let error = answer.unwrap_err();
    (error.reason().to_owned(), error.refusal().and_then(|refusal| refusal.node))
}

/// All of it is refused, by each node: the leader of itself, the others where it is shown something new.
async fn is_refused(nodes: &Nodes, kept: &Prepared, when: &str, reasons: &[&str]) {
    for (about, change) in OTHER_USES {
        let other = changed(kept, |message| {
            (message.request_id, message.capture_minute) = (fresh_id(), Minute::of(time()).number());
            change(message);
        });
        let (reason, node) = refusal(send(nodes, &other).await);
        // Which node has no such key any more, the leader knows of the others as well.
        let by = node == Some(Party::A) || reason == "ENVELOPE_KEY_UNKNOWN";
        assert!(reasons.contains(&reason.as_str()) && by, "{when}, {about}: {reason} of {node:?}");
    }
    for party in Party::ALL {
        let mixed = mixed(&sample_of(kept), &nodes.withdrawal(1), party);
        let (reason, node) = refusal(send(nodes, &mixed).await);
        assert!(reasons.contains(&reason.as_str()) && node == Some(party), "{when}, of {party}: {reason} of {node:?}");
    }
    // Under its own id, whoever asks.
    let others = changed(kept, |message| "banks/b17/branch-backend".clone_into(&mut message.client));
    let more = changed(kept, |message| message.amount_kzt += 1);
    for other in [others, more] {
        let said = refusal(send(nodes, &other).await).0;
        assert!(["REQUEST_ID_REUSED", "CAPTURE_TOO_OLD"].contains(&said.as_str()) || reasons.contains(&said.as_str()));
    }
}

/// Nor does a capture that never came to the nodes open for anything but what it was sealed for.
async fn opens_for_nothing_else(nodes: &Nodes) {
    for (about, change) in OTHER_USES {
        // Of a person who is enrolled, so that it comes as far as the envelopes.
        if about == "the same once more" || about == "another subject" {
            continue;
        }
        let unsent = changed(&nodes.withdrawal(1), change);
        assert_eq!(refusal(send(nodes, &unsent).await).0, "ENVELOPE_INVALID", "{about}");
    }
}

/// Lets time pass while nobody runs: all that is kept for a time ends. Until each node has another envelope key.
async fn pass(nodes: &mut Nodes, days: u64) {
    let ids = |client: &Client| Party::ALL.map(|party| *client.committee().key(party).id());
    let before = ids(&nodes.client);
    for party in Party::ALL {
        nodes.end(party);
    }
    AHEAD.store(days * DAY, Ordering::Relaxed);
    nodes.leap(i64::try_from(days * DAY).unwrap());
    for party in Party::ALL {
        nodes.begin(party);
    }
    nodes.reconnect().await;
    while ids(&nodes.client).iter().zip(&before).any(|(new, old)| new == old) {
        sleep(LOOK).await;
        nodes.client.refresh().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_capture_is_refused_by_each_of_three_processes_whatever_they_have_forgotten() {
    let mut nodes = Nodes::start_by(|_| {}, time).await;
    let one = face(1);
    let enrolled = Prepared::enroll(
        nodes.client.config(),
        &nodes.client.committee(),
        &target("c-3", "enrolment"),
        &[face_of(&one), face_of(&one)],
        Minute::of(time()),
        &SubjectKey::generate().unwrap(),
    )
    .unwrap();
    assert_eq!(send(&nodes, &enrolled).await.unwrap(), Outcome::Enrolled);
    let kept = nodes.withdrawal(1);
    assert_eq!(send(&nodes, &kept).await.unwrap(), Outcome::Match);
    assert_eq!(send(&nodes, &kept).await.unwrap(), Outcome::Match, "the same answer");
    is_refused(&nodes, &kept, "at once", &["ENVELOPE_SPENT"]).await;
    // The second sample of the enrolment has a probe's length: it is spent, and never was sealed for a comparison.
    let Request::Enroll(EnrollSubjectRequest { samples, .. }) = enrolled.request() else { unreachable!() };
    let probe = changed(&kept, |message| {
        (message.request_id, message.samples) = (fresh_id(), vec![samples[1].clone()]);
    });
    assert_eq!(refusal(send(&nodes, &probe).await).0, "ENVELOPE_SPENT");
    opens_for_nothing_else(&nodes).await;
    for party in Party::ALL {
        nodes.restart(party).await;
        is_refused(&nodes, &kept, &format!("{party} started again"), &["ENVELOPE_SPENT"]).await;
    }
    // Answers and ids; evidence; then the log, and the person. Nothing is destroyed on the first day after a leap, and all of it on the
    // next.
    for days in [3, 40, 41, 1200, 1201] {
        pass(&mut nodes, days).await;
        if days == 1200 {
            nodes.enrol("c-1", 1).await;
        }
        match send(&nodes, &kept).await {
            // Its answer is destroyed by the first sweep, and nothing is compared for it.
            Ok(answer) => assert!(answer == Outcome::Match && days < 1200, "after {days} days"),
            Err(error) => {
                let (reason, node) = (error.reason(), error.refusal().and_then(|refusal| refusal.node));
                let of_old = ["ANSWER_EXPIRED", "CAPTURE_TOO_OLD"].contains(&reason);
                assert!(of_old && node == Some(Party::A) && days > 3, "after {days} days: {reason} of {node:?}");
            }
        }
        is_refused(&nodes, &kept, &format!("after {days} days"), &["ENVELOPE_SPENT", "ENVELOPE_KEY_UNKNOWN"]).await;
        // A fresh capture is as good as ever.
        assert_eq!(send(&nodes, &nodes.withdrawal(1)).await.unwrap(), Outcome::Match, "after {days} days");
    }
    for party in Party::ALL {
        nodes.end(party);
    }
}
