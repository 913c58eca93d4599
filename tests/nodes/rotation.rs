//! Envelope keys die by themselves, links are shaken anew, and nothing is lost on the way.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::cluster::{Files, Trio, face_of, minute, now, reason, target, template};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;
use tumar::client::{Client, Prepared};
use tumar::node::{Config, Node};
use tumar::party::Party;
use tumar::request::Method;
use tumar::seal::KeyId;
use tumar::template::Template;

const DAY: u64 = 86_400;

fn face() -> Template {
    template(&(0..512).map(|place: u16| f32::from(place * 37 % 64) - 31.5).collect::<Vec<_>>())
}

/// Envelope keys and links that live for so many hours, at each node.
fn short_lived(files: &Files, hours: f64) {
    for party in Party::ALL {
        let path = files.node(party).join("node.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("envelope_key_hours = {hours}\nlink_hours = {hours}\n{text}")).unwrap();
    }
}

fn key_ids(client: &Client) -> [KeyId; 3] {
    Party::ALL.map(|party| *client.committee().key(party).id())
}

async fn enrol(files: &Files, client: &Client) {
    let token = files.token("enrolment", Method::Enroll);
    client.enroll(&token, &target("c-1", "enrolment"), &[face_of(&face())]).await.unwrap();
}

/// Requests, several at a time, until it was long enough and there were enough; none of them may fail. How many, and the keys seen.
async fn ask_for(files: &Files, client: &Client, time: Duration) -> (usize, BTreeSet<[KeyId; 3]>) {
    let (begin, mut count, mut seen) = (Instant::now(), 0, BTreeSet::new());
    while begin.elapsed() < time || count < 20 {
        let ask = || async {
            let token = files.token("cash_withdrawal", Method::Verify);
            client.verify(&token, &target("c-1", "cash_withdrawal"), &[face_of(&face())], 1).await.unwrap().matched
        };
        let (one, other, third) = tokio::join!(ask(), ask(), ask());
        assert!(one && other && third);
        count += 3;
        seen.insert(key_ids(client));
    }
    (count, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_while_keys_rotate_and_links_are_shaken_anew_in_one_process() {
    let files = Files::new();
    short_lived(&files, 0.001);
    let trio = Trio::of(files).await;
    enrol(&trio.files, &trio.client).await;
    let (count, seen) = ask_for(&trio.files, &trio.client, Duration::from_secs(12)).await;
    assert!(count >= 20 && seen.len() > 2, "{count} requests, {} sets of keys", seen.len());
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_while_keys_rotate_and_links_are_shaken_anew_in_three() {
    let files = Files::new();
    short_lived(&files, 0.001);
    let mut nodes: Vec<Child> = Party::ALL.map(|party| files.spawn(party)).into();
    let linked = async {
        loop {
            if let Ok(client) = files.client().await {
                return client;
            }
        }
    };
    let client = timeout(Duration::from_mins(1), linked).await.unwrap();
    enrol(&files, &client).await;
    let (count, seen) = ask_for(&files, &client, Duration::from_secs(12)).await;
    assert!(count >= 20 && seen.len() > 2, "{count} requests, {} sets of keys", seen.len());
    for node in &mut nodes {
        kill_process(Pid::from_child(node), Signal::TERM).unwrap();
        assert!(node.wait().unwrap().success());
    }
}

static CLOCK: AtomicU64 = AtomicU64::new(0);

fn clock() -> u64 {
    CLOCK.load(Ordering::Relaxed)
}

async fn start(files: &Files, party: Party) -> Node {
    let config = Config::read(&files.node(party).join("node.toml")).unwrap();
    tumar::node::start(config, Arc::new(clock)).await.unwrap()
}

async fn start_all(files: &Files) -> Vec<Node> {
    let mut nodes = Vec::new();
    for party in Party::ALL {
        nodes.push(start(files, party).await);
    }
    for node in &nodes {
        node.ready().await;
    }
    nodes
}

/// Everything that a node keeps in files.
fn files_of(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder.join("data")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            all.extend(fs::read(path).unwrap());
        }
    }
    all
}

fn holds(bytes: &[u8], piece: &[u8]) -> bool {
    bytes.windows(piece.len()).any(|window| window == piece)
}

/// The sealed seed of a key, as it stands in the store's files: behind the key's id, two times and the header of the row.
fn sealed_seed(bytes: &[u8], id: KeyId) -> Vec<u8> {
    let at = bytes.windows(8).position(|window| window == id.as_bytes()).expect("the key is in the store");
    bytes[at + 24..at + 56].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_time_has_passed_is_in_no_file_and_opens_nothing() {
    let files = Files::new();
    CLOCK.store(now(), Ordering::Relaxed);
    let mut nodes = start_all(&files).await;
    let client = Client::connect(files.client_config(), clock).await.unwrap();
    let first = key_ids(&client);
    let sealed = {
        let target = target("c-1", "cash_withdrawal");
        Prepared::verify(client.config(), &client.committee(), &target, &[face_of(&face())], 1, minute()).unwrap()
    };
    let seeds = Party::ALL.map(|party| sealed_seed(&files_of(&files.node(party)), first[party.index()]));
    let begin = clock();
    // On the second day it is taken, and told; on the third it is gone. By a clock that goes on while nodes are down as well.
    for (days, is_there) in [(1, true), (2, false)] {
        for node in nodes {
            node.stop().await.unwrap();
        }
        CLOCK.store(begin + days * DAY + 100, Ordering::Relaxed);
        nodes = start_all(&files).await;
        let client = Client::connect(files.client_config(), clock).await.unwrap();
        // What is due is done as soon as all three are linked.
        let told = |node: &Node| node.told_keys().iter().any(|told| first.contains(told.key.id()));
        let is_rotated = |node: &Node| !first.contains(node.told_keys()[0].key.id()) && told(node) == is_there;
        let rotated = async {
            while !nodes.iter().all(is_rotated) {
                client.refresh().await.unwrap();
            }
        };
        timeout(Duration::from_secs(30), rotated).await.expect("each node draws a key on each day");
        for party in Party::ALL {
            let as_due = async {
                while holds(&files_of(&files.node(party)), &seeds[party.index()]) != is_there {
                    client.refresh().await.unwrap();
                }
            };
            timeout(Duration::from_secs(30), as_due).await.unwrap_or_else(|_| panic!("{party} after {days} days"));
        }
        let token = files.token_for("cash_withdrawal", &[Method::Verify], 1, clock());
        let refused = reason(client.send(&token, &sealed).await);
        // The policy's age is looked at before the key is.
        assert_eq!(refused, "CAPTURE_TOO_OLD");
        let anew = {
            let tumar::wire::peer::v1::relayed::Request::Verify(mut message) = sealed.request().clone() else {
                unreachable!()
            };
            message.capture_minute = u32::try_from(clock() / 60).unwrap();
            Prepared::new(tumar::wire::peer::v1::relayed::Request::Verify(message)).unwrap()
        };
        let refused = reason(client.send(&token, &anew).await);
        assert_eq!(refused, if is_there { "SUBJECT_UNKNOWN" } else { "ENVELOPE_KEY_UNKNOWN" });
    }
    for node in nodes {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_ends_by_a_clock_that_is_in_doubt_and_none_lives_for_longer_by_one_that_was_ahead() {
    static CLOCK: AtomicU64 = AtomicU64::new(0);
    fn clock() -> u64 {
        CLOCK.load(Ordering::Relaxed)
    }
    async fn all(files: &Files, accept_clock: bool) -> Vec<Node> {
        let mut nodes = Vec::new();
        for party in Party::ALL {
            let mut config = Config::read(&files.node(party).join("node.toml")).unwrap();
            config.accept_clock = accept_clock;
            nodes.push(tumar::node::start(config, Arc::new(clock)).await.unwrap());
        }
        nodes
    }
    let files = Files::new();
    let begin = now();
    let mut last: Option<KeyId> = None;
    for (seconds, is_accepted, is_same) in
        [(0, false, false), (DAY / 2, false, true), (400 * DAY, false, false), (DAY, false, true), (DAY, true, false)]
    {
        CLOCK.store(begin + seconds, Ordering::Relaxed);
        let nodes = all(&files, is_accepted).await;
        let current = || *nodes[1].told_keys()[0].key.id();
        let is_in_doubt = seconds == DAY && !is_accepted;
        if is_in_doubt {
            // Long enough for links to come up, and for clocks to be told.
            assert!(timeout(Duration::from_secs(5), nodes[1].ready()).await.is_err());
        } else {
            nodes[1].ready().await;
            let changed = async {
                while last == Some(current()) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            if !is_same {
                timeout(Duration::from_secs(30), changed).await.expect("a new key");
                let told = nodes[1].told_keys();
                assert!(told.iter().all(|told| told.until <= begin + seconds + 2 * DAY), "none lives for longer");
            }
        }
        assert_eq!(last == Some(current()), is_same, "after {seconds} seconds");
        last = Some(current());
        for node in nodes {
            node.stop().await.unwrap();
        }
    }
}
