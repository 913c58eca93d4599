//! Too many requests: helpers that stand still, short lines, and what the next client hears; then all go on. And one bank that asks
//! too much, in whatever way, beside another that does not.

#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::cluster;
use crate::turn::turn;

use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use crate::support::cluster::{Files, GALLERY_OF_B19, face_of, minute, target, template};
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::Code;
use tumar::client::{Client, ClientError, Prepared, Refusal, Target, Verified};
use tumar::node::Node;
use tumar::party::Party;
use tumar::request::Method;
use tumar::template::Template;
use tumar::timings::Phase;

/// Requests of a bank that wait for a batch, of which there is one at a time, of one request.
const WAITING: usize = 4;

/// Beside those that wait: one in its batch.
const INSIDE: usize = WAITING + 1;

/// Requests that a bank may make at once where a test makes it ask too often.
const BURST: usize = 40;

/// The leader in this process, its helpers as processes that can be made to stand still.
struct Nodes {
    files: Files,
    leader: Node,
    helpers: Vec<Child>,
    client: Arc<Client>,
    other: Arc<Client>,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for helper in &mut self.helpers {
            drop(helper.kill());
            drop(helper.wait());
        }
    }
}

fn face(person: usize) -> Template {
    let word = |at: usize| f32::from(u16::try_from((at * 7919 + person * 104_729) % 1009).unwrap()) - 504.0;
    template(&(0..512).map(word).collect::<Vec<_>>())
}

fn name(person: usize) -> String {
    format!("c-{person}")
}

/// The same in the other bank's gallery.
fn target_of_b19(subject: &str, purpose: &str) -> Target {
    Target { gallery: GALLERY_OF_B19.parse().unwrap(), ..target(subject, purpose) }
}

impl Nodes {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(prepare: impl FnOnce(&Files)) -> Self {
        let files = Files::new();
        for party in Party::ALL {
            let path = files.node(party).join("node.toml");
            let limits = format!("\n[limits]\nin_flight = 1\nbatch = 1\nwaiting = {WAITING}\npatience_ms = 60000\n");
            let text = std::fs::read_to_string(&path).unwrap() + &limits;
            std::fs::write(path, text).unwrap();
        }
        prepare(&files);
        let helpers = [Party::B, Party::C].map(|party| files.spawn(party)).into();
        let leader = files.start(Party::A).await;
        leader.ready().await;
        let client = Arc::new(files.client().await.unwrap());
        let other = Arc::new(files.client_of("b19").await.unwrap());
        Self { files, leader, helpers, client, other }
    }

    fn signal(&self, signal: Signal) {
        for helper in &self.helpers {
            kill_process(Pid::from_child(helper), signal).unwrap();
        }
    }

    async fn enrol(&self, person: usize) {
        let token = self.files.token("enrolment", Method::Enroll);
        let (target, face) = (target(&name(person), "enrolment"), face(person));
        self.client.enroll(&token, &target, &[face_of(&face)]).await.unwrap();
    }

    /// A person at a machine.
    fn ask(&self, person: usize) -> JoinHandle<Result<Verified, ClientError>> {
        let token = self.files.token("cash_withdrawal", Method::Verify);
        let client = Arc::clone(&self.client);
        tokio::spawn(async move {
            let target = target(&name(person), "cash_withdrawal");
            client.verify(&token, &target, &[face_of(&face(person))], 40_000).await
        })
    }

    /// The other bank's only customer.
    async fn enrol_other(&self) {
        let token = self.files.token_of("b19", "enrolment", Method::Enroll);
        let target = target_of_b19("c-0", "enrolment");
        self.other.enroll(&token, &target, &[face_of(&face(0))]).await.unwrap();
    }

    fn ask_other(&self) -> JoinHandle<Result<Verified, ClientError>> {
        let token = self.files.token_of("b19", "cash_withdrawal", Method::Verify);
        let client = Arc::clone(&self.other);
        tokio::spawn(async move {
            let target = target_of_b19("c-0", "cash_withdrawal");
            client.verify(&token, &target, &[face_of(&face(0))], 40_000).await
        })
    }

    fn queued(&self) -> u64 {
        self.leader.counters().queued_requests()
    }

    /// Returns when so many requests have taken a place, or when the call has ended before.
    async fn queued_or_ended<T>(&self, count: u64, call: &JoinHandle<T>) {
        while self.queued() < count && !call.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Sends until one is refused; those that wait inside.
    async fn fill(&self) -> Vec<JoinHandle<Result<Verified, ClientError>>> {
        let mut inside = Vec::new();
        loop {
            let before = self.queued();
            let call = self.ask(inside.len());
            self.queued_or_ended(before + 1, &call).await;
            if self.queued() > before {
                inside.push(call);
                assert!(inside.len() <= INSIDE, "the queue has no end");
                continue;
            }
            assert_overloaded(&refusal(call.await.unwrap()));
            // One may have been on its way from the queue to its batch.
            if inside.len() == INSIDE {
                return inside;
            }
        }
    }

    /// Another bank asks while this one does what it does, and the helpers stand still: it has a place, and is answered when as many
    /// batches were formed as there are banks, beside the one under way and the next.
    async fn other_is_answered(&self) {
        let before = self.queued();
        let call = self.ask_other();
        self.queued_or_ended(before + 1, &call).await;
        assert_eq!((self.queued(), call.is_finished()), (before + 1, false), "another bank has a place of its own");
        let batches = self.leader.counters().batches();
        self.signal(Signal::CONT);
        assert!(call.await.unwrap().unwrap().matched);
        let waited = self.leader.counters().batches() - batches;
        assert!(waited <= 3, "{waited} batches");
    }
}

fn refusal<T>(answer: Result<T, ClientError>) -> Refusal {
    let Err(error) = answer else { panic!("answered") };
    error.refusal().expect("the service's own word").clone()
}

fn assert_overloaded(Refusal { code, reason, node, retry_after, .. }: &Refusal) {
    assert_eq!((*code, reason.as_str(), *node), (Code::ResourceExhausted, "OVERLOADED", Some(Party::A)));
    assert_eq!(*retry_after, Some(Duration::from_secs(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_when_a_banks_line_is_full_is_told_at_once_and_those_in_it_are_answered() {
    let _turn = turn();
    let nodes = Nodes::start().await;
    for person in 0..INSIDE {
        nodes.enrol(person).await;
    }
    nodes.signal(Signal::STOP);
    let mut inside = nodes.fill().await;
    let (checked, forged, refused, runs) = counters(&nodes.leader);

    let mut longest = Duration::ZERO;
    for round in 0..20_u64 {
        let begin = Instant::now();
        let answer = nodes.ask(0).await.unwrap();
        longest = longest.max(begin.elapsed());
        assert_overloaded(&refusal(answer));
        // A token that is none is nobody's: it takes no place, and fills nobody's line.
        let (token, face) = (nodes.files.token("cash_withdrawal", Method::Verify), face(0));
        let (config, committee) = (nodes.client.config(), nodes.client.committee());
        let about = target(&name(0), "cash_withdrawal");
        let prepared = Prepared::verify(config, &committee, &about, &[face_of(&face)], 1, minute()).unwrap();
        let proof = nodes.client.prove(&token, prepared.ask(), None).unwrap();
        let none = refusal(nodes.client.call("no-token", &proof, &prepared).await);
        assert_eq!((none.code, none.reason.as_str()), (Code::Unauthenticated, "TOKEN_MALFORMED"));
        let rounds = round + 1;
        assert_eq!(counters(&nodes.leader), (checked + rounds, forged + rounds, refused + rounds, runs));
    }
    println!("the longest of 20 refusals, with token, shares and proof: {longest:?}");

    // A client that goes away takes its request with it, but for that which is under way.
    inside.pop().unwrap().abort();
    nodes.signal(Signal::CONT);
    for (person, call) in inside.into_iter().enumerate() {
        let verified = call.await.unwrap().unwrap();
        assert!(verified.matched, "person {person}");
    }
    let verified = nodes.ask(INSIDE - 1).await.unwrap().unwrap();
    let phases: Vec<Phase> = verified.timings.iter().map(|(phase, _)| phase).collect();
    assert!(verified.matched && !phases.contains(&Phase::Change), "{phases:?}");
    for phase in [Phase::Token, Phase::Queue, Phase::Log, Phase::Envelope, Phase::Intake, Phase::Compare] {
        assert!(phases.contains(&phase), "{phase:?} of {phases:?}");
    }
    let (.., runs_now) = counters(&nodes.leader);
    // That which was under way has begun before or after it was counted; who went away had no run.
    let answered = u64::try_from(INSIDE).unwrap();
    assert!((answered - 1..=answered).contains(&(runs_now - runs)), "{runs} and {runs_now}");
}

/// What was checked, forged, refused for want of room, and run.
fn counters(leader: &Node) -> (u64, u64, u64, u64) {
    let counters = leader.counters();
    let (checked, forged) = (counters.checked_requests(), counters.forged_requests());
    (checked, forged, counters.overloaded_requests(), counters.protocol_runs())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_fills_its_line_keeps_no_other_bank_waiting() {
    let _turn = turn();
    let nodes = Nodes::start().await;
    for person in 0..INSIDE {
        nodes.enrol(person).await;
    }
    nodes.enrol_other().await;
    nodes.signal(Signal::STOP);
    let inside = nodes.fill().await;
    nodes.other_is_answered().await;
    for call in inside {
        assert!(call.await.unwrap().unwrap().matched);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_shows_spent_and_forged_tokens_takes_no_place_at_all() {
    let _turn = turn();
    let nodes = Nodes::start().await;
    nodes.enrol(0).await;
    nodes.enrol_other().await;
    let (target, face) = (target(&name(0), "cash_withdrawal"), face(0));
    let spent = nodes.files.token("cash_withdrawal", Method::Verify);
    let answered = nodes.client.verify(&spent, &target, &[face_of(&face)], 40_000).await.unwrap();
    assert!(answered.matched);
    let stranger = nodes.files.issuer_of("b19");
    let request = nodes.files.token_request("b17", "cash_withdrawal", &[Method::Verify], 1);
    nodes.signal(Signal::STOP);
    let before = (nodes.queued(), nodes.leader.counters().batches());
    for number in 0..4 * WAITING {
        let again = nodes.client.verify(&spent, &target, &[face_of(&face)], 40_000).await;
        assert_eq!(refusal(again).reason, "TOKEN_SPENT", "{number}");
        let forged = stranger.issue(&request, cluster::now()).unwrap();
        let forged = nodes.client.verify(&forged, &target, &[face_of(&face)], 40_000).await;
        assert_eq!(refusal(forged).reason, "ISSUER_RELYING_PARTY", "{number}");
    }
    assert_eq!((nodes.queued(), nodes.leader.counters().batches()), before, "nobody's place was taken");
    nodes.other_is_answered().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_the_same_again_is_answered_again_though_token_and_proof_are_spent() {
    let _turn = turn();
    let nodes = Nodes::start().await;
    nodes.enrol(0).await;
    let token = nodes.files.token("cash_withdrawal", Method::Verify);
    let face = face(0);
    let (config, committee) = (nodes.client.config(), nodes.client.committee());
    let about = target(&name(0), "cash_withdrawal");
    let prepared = Prepared::verify(config, &committee, &about, &[face_of(&face)], 1, minute()).unwrap();
    let proof = nodes.client.prove(&token, prepared.ask(), None).unwrap();
    let first = nodes.client.call(&token, &proof, &prepared).await.unwrap();
    for _ in 0..3 {
        let again = nodes.client.call(&token, &proof, &prepared).await.unwrap();
        assert_eq!(again.receipts, first.receipts);
    }
    // A spent token for anything else is nothing, whatever its proof.
    let other = Prepared::verify(config, &committee, &about, &[face_of(&face)], 1, minute()).unwrap();
    let queued = nodes.queued();
    let fresh = nodes.client.prove(&token, other.ask(), None).unwrap();
    assert_eq!(refusal(nodes.client.call(&token, &fresh, &other).await).reason, "TOKEN_SPENT");
    assert_eq!(refusal(nodes.client.call(&token, &fresh, &other).await).reason, "PROOF_REPLAYED");
    assert_eq!(nodes.queued(), queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_asks_beyond_its_rate_hears_so_and_no_other_bank_does() {
    let _turn = turn();
    let nodes = Nodes::with(|files| {
        let policy = files.path("policy.toml");
        let text = std::fs::read_to_string(&policy).unwrap();
        let text = text.replace("requests_per_second = 1000000", "requests_per_second = 1");
        let text = text.replace("burst = 1000000", &format!("burst = {BURST}"));
        assert!(text.contains(&format!("burst = {BURST}")), "the policy's limits changed their form");
        std::fs::write(policy, text).unwrap();
    })
    .await;
    nodes.enrol(0).await;
    nodes.enrol_other().await;
    nodes.signal(Signal::STOP);
    let begin = cluster::now();
    let calls: Vec<_> = (0..3 * BURST).map(|_| nodes.ask(0)).collect();
    let (mut limited, mut overloaded, mut inside) = (0, 0, Vec::new());
    // Those that have a place wait for the helpers; the others hear at once.
    while calls.iter().filter(|call| !call.is_finished()).count() > INSIDE {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = usize::try_from(cluster::now() - begin).unwrap();
    for call in calls {
        if !call.is_finished() {
            inside.push(call);
            continue;
        }
        let Refusal { reason, retry_after, .. } = refusal(call.await.unwrap());
        assert!(retry_after.is_some(), "{reason}");
        match reason.as_str() {
            "RATE_LIMITED" => limited += 1,
            "OVERLOADED" => overloaded += 1,
            other => panic!("{other}"),
        }
    }
    assert!(limited >= 2 * BURST - took, "{limited} were limited, {overloaded} had no place, in {took} s");
    nodes.other_is_answered().await;
    for _ in 0..10 {
        assert!(nodes.ask_other().await.unwrap().unwrap().matched);
    }
    for call in inside {
        let answer = call.await.unwrap();
        let taken = answer.is_ok_and(|verified| verified.matched);
        assert!(taken, "what has a place is answered");
    }
}
