//! How often a person may be tried: neither many genuine calls, nor a node that stands still, nor junk locks anybody; real non-matches
//! make the next one wait, and lock in the end.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::timeout;
use tumar::client::{ClientConfig, Prepared};
use tumar::log::entry::Event;
use tumar::log::receipt::Outcome;
use tumar::party::Party;
use tumar::request::Method;
use tumar::wire::peer::v1::relayed;

use crate::nodes::{Nodes, events, replace};
use crate::support::cluster::{now, reason, target};

#[tokio::test(flavor = "multi_thread")]
async fn six_genuine_comparisons_at_once_match_or_wait_and_lock_nobody() {
    let nodes = Nodes::start(|_| {}).await;
    for round in 0..5 {
        let mut matched = 0;
        for call in (0..6).map(|_| nodes.verify(1)).collect::<Vec<_>>() {
            match call.await.unwrap() {
                Ok(answer) => {
                    assert_eq!(answer.outcome, Outcome::Match);
                    matched += 1;
                }
                Err(error) => {
                    let refusal = error.refusal().unwrap();
                    assert_eq!(refusal.reason, "ATTEMPTS_IN_FLIGHT", "round {round}");
                    assert!(refusal.retry_after.is_some());
                }
            }
        }
        assert!(matched > 0, "round {round}");
    }
    assert_eq!(nodes.verify(1).await.unwrap().unwrap().outcome, Outcome::Match);
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stands_still_and_a_backend_that_tries_again_lock_nobody() {
    let nodes = Nodes::start(|_| {}).await;
    nodes.signal(Party::C, Signal::STOP);
    let again = nodes.withdrawal(1);
    let token = nodes.token("cash_withdrawal", Method::Verify);
    let proof = nodes.client.prove(&token, again.ask(), None).unwrap();
    let mut heard: BTreeSet<String> = nodes.repeat(&token, &proof, &again, 200).await.into_iter().collect();
    let retried: BTreeSet<&str> = heard.iter().map(String::as_str).collect();
    assert!(retried.is_subset(&BTreeSet::from(["PEER_LOST", "REQUEST_IN_FLIGHT", "PROOF_REPLAYED"])), "{retried:?}");
    heard.clear();
    for _ in 0..4 {
        for call in (0..6).map(|_| nodes.verify(1)).collect::<Vec<_>>() {
            heard.insert(reason(call.await.unwrap()));
        }
    }
    heard.retain(|reason| reason != "PEER_LOST" && reason != "ATTEMPTS_IN_FLIGHT");
    assert_eq!(heard, BTreeSet::new());
    nodes.signal(Party::C, Signal::CONT);
    let matched = timeout(Duration::from_mins(1), async {
        loop {
            match nodes.verify(1).await.unwrap() {
                Ok(answer) => break answer.outcome,
                Err(error) => {
                    let passes = ["PEER_LOST", "ATTEMPTS_IN_FLIGHT", "COMMITTEE_INCOMPLETE", "UNREACHABLE"];
                    assert!(passes.contains(&error.reason()), "{error}");
                }
            }
        }
    });
    assert_eq!(matched.await.unwrap(), Outcome::Match);
    let [a, ..] = nodes.stop();
    let told = events(&a, &again);
    assert!(matches!(told[..], [Event::Admitted, Event::Failed(_)]), "the same bytes 200 times: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_that_do_not_open_stop_the_client_and_nobody_else() {
    let few = ("envelope_faults_per_minute = 60", "envelope_faults_per_minute = 4");
    let nodes = Nodes::start(|files| replace(files, "policy.toml", few.0, few.1)).await;
    let junk = || {
        let mut request = nodes.withdrawal(1).into_request();
        let relayed::Request::Verify(message) = &mut request else { unreachable!() };
        *message.samples[0].envelope_b.last_mut().unwrap() ^= 1;
        Prepared::new(request).unwrap()
    };
    let mut heard = Vec::new();
    // One comes back in fifteen seconds, so that it ends however slow this machine is.
    while heard.last().is_none_or(|last| last == "ENVELOPE_INVALID") {
        let token = nodes.token("cash_withdrawal", Method::Verify);
        heard.push(reason(nodes.client.send(&token, &junk()).await));
        assert!(heard.len() < 100, "{heard:?}");
    }
    assert_eq!(heard.pop().unwrap(), "ENVELOPES_REFUSED");
    assert!(heard.len() >= 4);
    // Another workload of the same bank, for the same person.
    let mut request = nodes.files.token_request("b17", "cash_withdrawal", &[Method::Verify], 1);
    "banks/b17/branch-backend".clone_into(&mut request.client);
    let other = nodes.files.issuer_of("b17").issue(&request, now()).unwrap();
    let config = ClientConfig { client: request.client.parse().unwrap(), ..nodes.files.client_config() };
    let withdrawal = nodes.withdrawal_by(&config, 1);
    assert_eq!(nodes.client.send(&other, &withdrawal).await.unwrap().outcome, Outcome::Match);
    nodes.stop();
}

/// By how much all clocks of the test below are ahead.
static AHEAD: AtomicU64 = AtomicU64::new(0);

fn time() -> u64 {
    now() + AHEAD.load(Ordering::Relaxed)
}

/// A stranger who tries for the first time, the second, and so on. What the nodes say of the delay, in seconds.
async fn strangers_try(nodes: &Nodes, times: u32) -> u64 {
    for _ in 0..times {
        assert_eq!(nodes.verify(2).await.unwrap().unwrap().outcome, Outcome::NoMatch);
    }
    // The person, at once.
    let refused = nodes.verify(1).await.unwrap().unwrap_err();
    let refusal = refused.refusal().unwrap();
    assert_eq!(refusal.reason, "ATTEMPTS_DELAYED");
    refusal.retry_after.unwrap().as_secs()
}

#[tokio::test(flavor = "multi_thread")]
async fn real_non_matches_make_the_next_one_wait_for_longer_and_longer_and_lock_in_the_end() {
    let nodes = Nodes::start_by(
        |files| {
            // Delays that clocks may leap over and still go together, and an end that comes soon.
            replace(files, "policy.toml", "delay_seconds = 30", "delay_seconds = 10");
            replace(files, "policy.toml", "attempts_cap = 50", "attempts_cap = 5");
        },
        time,
    )
    .await;
    let pass = |seconds: u64| {
        let ahead = AHEAD.fetch_add(seconds, Ordering::Relaxed) + seconds;
        // All the same, so that none is left behind by too much.
        for clock in &nodes.clocks {
            clock.set(ahead.try_into().unwrap());
        }
    };
    pass(0);
    let delay = strangers_try(&nodes, 3).await;
    assert!((1..=10).contains(&delay), "{delay} s after the third");
    pass(11);
    let delay = strangers_try(&nodes, 1).await;
    assert!((11..=20).contains(&delay), "{delay} s after the fourth");
    pass(21);
    // The last that is allowed.
    assert_eq!(nodes.verify(2).await.unwrap().unwrap().outcome, Outcome::NoMatch);
    assert_eq!(reason(nodes.verify(1).await.unwrap()), "SUBJECT_LOCKED");
    let unlock = Prepared::unlock(nodes.client.config(), &target("c-1", "subject_unlock")).unwrap();
    let unlocked = nodes.client.send(&nodes.token("subject_unlock", Method::Unlock), &unlock).await.unwrap();
    assert_eq!(unlocked.outcome, Outcome::Unlocked);
    assert_eq!(nodes.verify(1).await.unwrap().unwrap().outcome, Outcome::Match);
    // A match begins anew.
    for _ in 0..2 {
        assert_eq!(nodes.verify(2).await.unwrap().unwrap().outcome, Outcome::NoMatch);
        assert_eq!(nodes.verify(1).await.unwrap().unwrap().outcome, Outcome::Match);
    }
    nodes.stop();
}
