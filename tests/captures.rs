//! A capture is for one use: three processes refuse one that somebody kept, each of them for itself, whatever has been forgotten since.

#![allow(clippy::unwrap_used)]

mod trio;

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;
use trio::{Files, Trio, face_of, minute, now, reason, target, template};
use tumar::client::{Client, ClientConfig, ClientError, Prepared, SubjectKey};
use tumar::log::receipt::Outcome;
use tumar::name::RequestId;
use tumar::node::{Config, Node};
use tumar::party::Party;
use tumar::request::{Method, Minute};
use tumar::seal::StoreKey;
use tumar::store::Store;
use tumar::template::Template;
use tumar::token::TokenRequest;
use tumar::wire::peer::v1::relayed::Request;
use tumar::wire::v1::{EnrollSubjectRequest, Sample, VerifySubjectRequest};
use zeroize::Zeroizing;

const DAY: u64 = 86_400;

fn face(seed: u16) -> Template {
    template(&(0..512).map(|place: u16| f32::from(place * (37 + seed) % 64) - 31.5).collect::<Vec<_>>())
}

/// Three processes.
struct Processes {
    files: Files,
    nodes: Vec<Child>,
}

impl Processes {
    async fn start(files: Files) -> Self {
        // Their stores may have been swept at a later time than the clock's.
        let nodes = Party::ALL.map(|party| files.spawn_with(party, &["--accept-clock"])).into();
        let processes = Self { files, nodes };
        processes.client().await;
        processes
    }

    /// A client, as soon as all three are linked.
    async fn client(&self) -> Client {
        let linked = async {
            loop {
                if let Ok(client) = self.files.client().await {
                    return client;
                }
            }
        };
        timeout(Duration::from_mins(1), linked).await.expect("three processes come up")
    }

    /// Lets all three end.
    fn stop(mut self) -> Files {
        for node in &mut self.nodes {
            kill_process(Pid::from_child(node), Signal::TERM).unwrap();
            assert!(node.wait().unwrap().success());
        }
        self.files
    }
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

async fn send(files: &Files, client: &Client, prepared: &Prepared) -> Result<Outcome, ClientError> {
    let ask = prepared.ask();
    let token = token_for(files, ask.client.as_str(), ask.purpose.as_str(), ask.method);
    client.send(&token, prepared).await.map(|answer| answer.outcome)
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

type Change = fn(&mut VerifySubjectRequest);

/// What somebody who keeps a capture would like it to be for.
const OTHER_USES: [(&str, Change); 5] = [
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

/// All of it is refused, by each node. The leader of itself, the others where it is shown something new.
async fn is_refused(processes: &Processes, kept: &Prepared, round: u8) {
    let (files, client) = (&processes.files, processes.client().await);
    for (place, (about, change)) in (16 * round..).zip(OTHER_USES) {
        let other = changed(kept, |message| {
            message.request_id = fresh_id(place);
            change(message);
        });
        assert_eq!(
            refusal(send(files, &client, &other).await),
            ("ENVELOPE_SPENT".to_owned(), Some(Party::A)),
            "{about}"
        );
    }
    for party in Party::ALL {
        let mixed = mixed(&sample_of(kept), &verification(&client, &face(1)), party);
        assert_eq!(
            refusal(send(files, &client, &mixed).await),
            ("ENVELOPE_SPENT".to_owned(), Some(party)),
            "of {party}"
        );
    }
    // Under its own id, whoever asks.
    let others = changed(kept, |message| "banks/b17/branch-backend".clone_into(&mut message.client));
    let more = changed(kept, |message| message.amount_kzt += 1);
    for other in [others, more] {
        let said = refusal(send(files, &client, &other).await).0;
        assert!(["REQUEST_ID_REUSED", "ENVELOPE_SPENT"].contains(&said.as_str()), "{said}");
    }
}

/// What the store of a stopped node forgets by the time that so many seconds have passed: the sweep that the node itself would make.
async fn sweep(files: &Files, party: Party, seconds: u64) {
    let key = std::fs::read(files.node(party).join("keys/store.key")).unwrap();
    let key = StoreKey::from_bytes(&Zeroizing::new(key.try_into().unwrap()));
    let file = files.node(party).join("data/store.sqlite");
    let store = Store::open(&file, "dev".parse().unwrap(), party, key).await.unwrap();
    store.sweep(now() + seconds).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_capture_is_refused_by_each_of_three_processes_whatever_they_have_forgotten() {
    let mut processes = Processes::start(Files::new()).await;
    let client = processes.client().await;
    let enrolled = Prepared::enroll(
        client.config(),
        &client.committee(),
        &target("c-1", "enrolment"),
        &[face_of(&face(1)), face_of(&face(1))],
        minute(),
        &SubjectKey::generate().unwrap(),
    )
    .unwrap();
    assert_eq!(send(&processes.files, &client, &enrolled).await.unwrap(), Outcome::Enrolled);
    let kept = verification(&client, &face(1));
    assert_eq!(send(&processes.files, &client, &kept).await.unwrap(), Outcome::Match);
    assert_eq!(send(&processes.files, &client, &kept).await.unwrap(), Outcome::Match, "the same answer");
    is_refused(&processes, &kept, 1).await;

    // The second sample of the enrolment has a probe's length: it is spent, and never was sealed for a comparison.
    let Request::Enroll(EnrollSubjectRequest { samples, .. }) = enrolled.request() else { unreachable!() };
    let probe =
        changed(&kept, |message| (message.request_id, message.samples) = (fresh_id(9), vec![samples[1].clone()]));
    assert_eq!(refusal(send(&processes.files, &client, &probe).await).0, "ENVELOPE_SPENT");
    // Nor does one that never came to the nodes open for another call, client, amount or minute.
    for (about, change) in OTHER_USES {
        // Of a person who is enrolled, so that it comes as far as the envelopes.
        if about == "another subject" {
            continue;
        }
        let unsent = changed(&verification(&client, &face(1)), change);
        assert_eq!(refusal(send(&processes.files, &client, &unsent).await).0, "ENVELOPE_INVALID", "{about}");
    }

    for (round, seconds) in [(2, 0), (3, 2 * DAY), (4, 40 * DAY)] {
        let files = processes.stop();
        for party in Party::ALL {
            sweep(&files, party, seconds).await;
        }
        processes = Processes::start(files).await;
        is_refused(&processes, &kept, round).await;
    }
    // A fresh capture is as good as ever.
    let client = processes.client().await;
    assert_eq!(send(&processes.files, &client, &verification(&client, &face(1))).await.unwrap(), Outcome::Match);
    processes.stop();
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
        assert_eq!(reason(refused), "CAPTURE_TOO_OLD", "after {seconds} s");
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
