//! Nodes whose clocks are wrong, at their start or as a leap: nothing is served, nothing is destroyed, and all is as it was when they
//! are right again.

#![allow(clippy::unwrap_used)]

use crate::support::cluster;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::support::cluster::{Files, face_of, now, target, template};
use tokio::time::timeout;
use tumar::client::{Client, ClientError, Prepared};
use tumar::log::entry::{Entry, Event};
use tumar::log::receipt::Outcome;
use tumar::log::shard::Shard;
use tumar::node::{Config, Node};
use tumar::party::Party;
use tumar::reason::Reason;
use tumar::request::{Method, Minute};
use tumar::template::Template;

const DAY: i64 = 86_400;

/// 40 days, 1200 days, and 20 years back.
const WRONG: [i64; 3] = [40 * DAY, 1200 * DAY, -20 * 365 * DAY];

/// By how much each node's clock is off.
type Offsets = [Arc<AtomicI64>; 3];

struct Nodes {
    files: Files,
    offsets: Offsets,
    running: Vec<Node>,
}

impl Nodes {
    /// Not linked yet.
    async fn start(files: Files, seconds: [i64; 3]) -> Self {
        Self::start_as(files, seconds, false).await
    }

    async fn start_as(files: Files, seconds: [i64; 3], accept_clock: bool) -> Self {
        let offsets = seconds.map(|seconds| Arc::new(AtomicI64::new(seconds)));
        let mut nodes = Vec::new();
        for (party, offset) in Party::ALL.into_iter().zip(&offsets) {
            let mut config = Config::read(&files.node(party).join("node.toml")).unwrap();
            config.accept_clock = accept_clock;
            let offset = Arc::clone(offset);
            let clock = move || now().saturating_add_signed(offset.load(Ordering::Relaxed));
            nodes.push(tumar::node::start(config, Arc::new(clock)).await.unwrap());
        }
        Self { files, offsets, running: nodes }
    }

    fn set(&self, party: Party, seconds: i64) {
        self.offsets[party.index()].store(seconds, Ordering::Relaxed);
    }

    async fn ready(&self) {
        for node in &self.running {
            timeout(Duration::from_secs(30), node.ready()).await.expect("all clocks are right, and the links come up");
        }
    }

    /// Not one of them becomes ready, although the links have the time to come up.
    async fn stay_down(&self) {
        let any = async {
            tokio::select! {
                () = self.running[0].ready() => {}
                () = self.running[1].ready() => {}
                () = self.running[2].ready() => {}
            }
        };
        timeout(Duration::from_secs(3), any).await.expect_err("a node with a clock in doubt, or beside one, is ready");
    }

    fn swept(&self) -> Vec<u64> {
        self.running.iter().map(|node| node.counters().swept_records()).collect()
    }

    async fn client(&self) -> Client {
        self.files.client().await.unwrap()
    }

    async fn stop(self) -> Files {
        for node in self.running {
            node.stop().await.unwrap();
        }
        self.files
    }

    /// The half-years that a node has begun, by its folders.
    fn halves(&self, party: Party) -> Vec<String> {
        let folder = std::fs::read_dir(self.files.node(party).join("data/log")).unwrap();
        let mut halves: Vec<_> = folder.map(|half| half.unwrap().file_name().into_string().unwrap()).collect();
        halves.sort();
        halves
    }
}

fn face() -> Template {
    template(&(0..512).map(|place: u16| f32::from(place * 37 % 64) - 31.5).collect::<Vec<_>>())
}

async fn enrol(files: &Files, client: &Client, subject: &str) {
    let token = files.token("enrolment", Method::Enroll);
    client.enroll(&token, &target(subject, "enrolment"), &[face_of(&face())]).await.unwrap();
}

async fn verify(files: &Files, client: &Client, subject: &str) -> Result<bool, ClientError> {
    let token = files.token("cash_withdrawal", Method::Verify);
    let asked = target(subject, "cash_withdrawal");
    client.verify(&token, &asked, &[face_of(&face())], 1).await.map(|verified| verified.matched)
}

/// By how much all clocks are off, the client's as well.
static OFF: AtomicI64 = AtomicI64::new(0);

fn clock() -> u64 {
    now().saturating_add_signed(OFF.load(Ordering::Relaxed))
}

/// The same where all clocks are off.
async fn verify_at(nodes: &Nodes, subject: &str, off: i64) -> Result<bool, ClientError> {
    OFF.store(off, Ordering::Relaxed);
    let client = Client::connect(nodes.files.client_config(), clock).await?;
    let token = nodes.files.token_for("cash_withdrawal", &[Method::Verify], 1, clock());
    let (probe, asked) = (face(), target(subject, "cash_withdrawal"));
    let (config, captured) = (client.config(), Minute::of(clock()));
    let prepared = Prepared::verify(config, &client.committee(), &asked, &[face_of(&probe)], 1, captured).unwrap();
    client.send(&token, &prepared).await.map(|answer| answer.outcome == Outcome::Match)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_at_the_start_of_a_node_destroys_nothing() {
    let nodes = Nodes::start(Files::new(), [0; 3]).await;
    nodes.ready().await;
    enrol(&nodes.files, &nodes.client().await, "ada").await;
    let mut files = nodes.stop().await;
    for (party, wrong) in Party::ALL.into_iter().zip(WRONG) {
        let mut seconds = [0; 3];
        seconds[party.index()] = wrong;
        let nodes = Nodes::start(files, seconds).await;
        nodes.stay_down().await;
        let refused = nodes.files.client().await.unwrap_err();
        assert_eq!(refused.reason(), "COMMITTEE_INCOMPLETE", "{party} {wrong}");
        // Without a restart.
        nodes.set(party, 0);
        nodes.ready().await;
        let client = nodes.client().await;
        assert!(verify(&nodes.files, &client, "ada").await.unwrap(), "{party} {wrong}");
        enrol(&nodes.files, &client, &format!("new-{party}")).await;
        assert_eq!(nodes.swept(), [0; 3]);
        assert_eq!(nodes.halves(party), [Shard::of(now()).to_string()], "no half-year of another time");
        files = nodes.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_leaps_while_a_node_runs_stops_it_until_it_is_back() {
    let nodes = Nodes::start(Files::new(), [0; 3]).await;
    nodes.ready().await;
    let client = nodes.client().await;
    enrol(&nodes.files, &client, "ada").await;
    for party in Party::ALL {
        for wrong in WRONG {
            nodes.set(party, wrong);
            let refused = verify(&nodes.files, &client, "ada").await.unwrap_err();
            // By that node, or by one beside it that has heard its clock.
            assert_eq!(refused.reason(), "CLOCK_IN_DOUBT", "{party} {wrong}");
            // Its word reaches the others within a second or two.
            let told = async { while nodes.files.client().await.is_ok() {} };
            timeout(Duration::from_secs(20), told).await.expect("a node that is not ready is not led to");
            nodes.set(party, 0);
            nodes.ready().await;
            assert!(verify(&nodes.files, &client, "ada").await.unwrap(), "{party} {wrong}");
        }
        assert_eq!(nodes.halves(party), [Shard::of(now()).to_string()]);
    }
    assert_eq!(nodes.swept(), [0; 3]);
    nodes.stop().await;
}

/// Four seconds are enough for a sweep, if there were one.
#[tokio::test(flavor = "multi_thread")]
async fn all_three_clocks_leaping_together_destroy_nothing_either() {
    let nodes = Nodes::start(Files::new(), [0; 3]).await;
    nodes.ready().await;
    enrol(&nodes.files, &nodes.client().await, "ada").await;
    for party in Party::ALL {
        nodes.set(party, 1200 * DAY);
    }
    let told = async { while nodes.files.client().await.is_ok() {} };
    timeout(Duration::from_secs(20), told).await.expect("one server of time for all is no proof");
    nodes.stay_down().await;
    for party in Party::ALL {
        nodes.set(party, 0);
    }
    nodes.ready().await;
    assert!(verify(&nodes.files, &nodes.client().await, "ada").await.unwrap());
    assert_eq!(nodes.swept(), [0; 3]);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_very_first_clock_of_a_node_may_be_wrong() {
    let nodes = Nodes::start(Files::new(), [0, 1200 * DAY, -20 * 365 * DAY]).await;
    nodes.stay_down().await;
    nodes.set(Party::B, 0);
    nodes.set(Party::C, 0);
    nodes.ready().await;
    enrol(&nodes.files, &nodes.client().await, "ada").await;
    let nodes = Nodes::start(nodes.stop().await, [0; 3]).await;
    nodes.ready().await;
    assert!(verify(&nodes.files, &nodes.client().await, "ada").await.unwrap());
    let files = nodes.stop().await;
    // A client may have sealed to a key of the wrong time; it was told so, and sealed anew.
    let resealed = Event::Denied(Reason::EnvelopeKeyUnknown.into());
    for party in Party::ALL {
        let entries = cluster::entries(&files.node(party));
        let events = entries.iter().map(|entry| Entry::parse(entry).unwrap().event).filter(|event| *event != resealed);
        let both = [Event::Admitted, Event::Completed, Event::Admitted, Event::Completed];
        assert_eq!(events.collect::<Vec<_>>(), both, "{party}: an enrolment and a comparison");
        assert!(
            files.node(party).join(format!("data/log/{}", Shard::of(now()))).exists(),
            "in the half-year that it is"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_by_all_three_is_destroyed_and_counted_and_time_does_not_run_back() {
    let mut nodes = Nodes::start(Files::new(), [0; 3]).await;
    nodes.ready().await;
    let client = nodes.client().await;
    for subject in ["ada", "bob"] {
        enrol(&nodes.files, &client, subject).await;
    }
    // All three clocks are wrong by as much, and agree. For a day nobody is destroyed by such a time, so that it can be put right: the
    // operators stop the nodes, correct the clocks, and say that this is the time.
    for wrong in [1200 * DAY, 1201 * DAY - 3600] {
        nodes = Nodes::start(nodes.stop().await, [wrong; 3]).await;
        nodes.ready().await;
        assert_eq!(verify_at(&nodes, "ada", wrong).await.unwrap_err().reason(), "SUBJECT_UNKNOWN");
    }
    assert_eq!(nodes.swept(), [0; 3]);
    nodes = Nodes::start_as(nodes.stop().await, [0; 3], true).await;
    nodes.ready().await;
    assert!(verify(&nodes.files, &nodes.client().await, "ada").await.unwrap());

    // Time passes while the nodes are down, and that day too.
    for passed in [1200 * DAY, 1201 * DAY - 3600] {
        nodes = Nodes::start(nodes.stop().await, [passed; 3]).await;
        nodes.ready().await;
        assert_eq!(verify_at(&nodes, "ada", passed).await.unwrap_err().reason(), "SUBJECT_UNKNOWN");
    }
    assert_eq!(nodes.swept(), [0; 3]);
    nodes = Nodes::start(nodes.stop().await, [1201 * DAY + 60; 3]).await;
    nodes.ready().await;
    let swept = async {
        while nodes.swept() != [2; 3] {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), swept).await.expect("all three sweep as soon as they are ready");

    // That time was wrong, after all: nothing goes on by an earlier clock unless the operators say so.
    let nodes = Nodes::start(nodes.stop().await, [0; 3]).await;
    nodes.stay_down().await;
    let nodes = Nodes::start_as(nodes.stop().await, [0; 3], true).await;
    nodes.ready().await;
    let gone = verify(&nodes.files, &nodes.client().await, "ada").await.unwrap_err();
    assert_eq!(gone.reason(), "SUBJECT_UNKNOWN");
    nodes.stop().await;
}
