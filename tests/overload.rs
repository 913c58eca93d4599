//! Too many requests: helpers that stand still, a short queue, and what the next client hears; then all go on.

#![allow(clippy::unwrap_used, reason = "tests")]

mod trio;

use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::Code;
use trio::{Files, face_of, minute, target, template};
use tumar::client::{Client, ClientError, Prepared, Refusal, Verified};
use tumar::node::Node;
use tumar::party::Party;
use tumar::request::Method;
use tumar::template::Template;
use tumar::timings::Phase;

/// Requests that wait for a batch, of which there is one at a time, of one request.
const WAITING: usize = 4;

/// Beside those in the queue: one in its batch, and one that is next.
const INSIDE: usize = WAITING + 2;

/// The leader in this process, its helpers as processes that can be made to stand still.
struct Nodes {
    files: Files,
    leader: Node,
    helpers: Vec<Child>,
    client: Arc<Client>,
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

impl Nodes {
    async fn start() -> Self {
        let files = Files::new();
        for party in Party::ALL {
            let path = files.node(party).join("node.toml");
            let limits = format!("\n[limits]\nin_flight = 1\nbatch = 1\nwaiting = {WAITING}\npatience_ms = 60000\n");
            let text = std::fs::read_to_string(&path).unwrap() + &limits;
            std::fs::write(path, text).unwrap();
        }
        let helpers = [Party::B, Party::C].map(|party| files.spawn(party)).into();
        let leader = files.start(Party::A).await;
        leader.ready().await;
        let client = Arc::new(files.client().await.unwrap());
        Self { files, leader, helpers, client }
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

    fn checked(&self) -> u64 {
        self.leader.counters().checked_requests()
    }

    /// Returns when so many requests were checked, or when the call has ended before.
    async fn checked_or_ended<T>(&self, count: u64, call: &JoinHandle<T>) {
        while self.checked() < count && !call.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Sends until one is refused; those that wait inside.
    async fn fill(&self) -> Vec<JoinHandle<Result<Verified, ClientError>>> {
        let mut inside = Vec::new();
        loop {
            let before = self.checked();
            let call = self.ask(inside.len());
            self.checked_or_ended(before + 1, &call).await;
            if self.checked() > before {
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
async fn who_comes_when_the_queue_is_full_is_told_at_once_and_nothing_is_checked_and_the_others_are_answered() {
    let nodes = Nodes::start().await;
    for person in 0..INSIDE {
        nodes.enrol(person).await;
    }
    nodes.signal(Signal::STOP);
    let mut inside = nodes.fill().await;
    let (checked, forged, refused, runs) = counters(&nodes.leader);

    let mut longest = Duration::ZERO;
    for round in 0..20 {
        let begin = Instant::now();
        let answer = nodes.ask(0).await.unwrap();
        longest = longest.max(begin.elapsed());
        assert_overloaded(&refusal(answer));
        // A token that is none is found out before there is a question of room.
        let (token, face) = (nodes.files.token("cash_withdrawal", Method::Verify), face(0));
        let (config, committee) = (nodes.client.config(), nodes.client.committee());
        let about = target(&name(0), "cash_withdrawal");
        let prepared = Prepared::verify(config, &committee, &about, &[face_of(&face)], 1, minute()).unwrap();
        let proof = nodes.client.prove(&token, prepared.ask(), None).unwrap();
        let none = refusal(nodes.client.call("no-token", &proof, &prepared).await);
        assert_eq!((none.code, none.reason.as_str()), (Code::Unauthenticated, "TOKEN_MALFORMED"));
        assert_eq!(counters(&nodes.leader), (checked, forged + round + 1, refused + round + 1, runs));
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
