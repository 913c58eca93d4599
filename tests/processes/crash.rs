//! Nodes that are killed: three processes, SIGKILL at random points of enrolments, comparisons and erasures, restart.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Child;
use std::time::Duration;

use crate::support::cluster::{Files, entries, face_of, target, template};
use tokio::time::{Instant, timeout};
use tumar::client::{Client, ClientError};
use tumar::log::entry::{Entry, Event};
use tumar::log::merkle::{Tree, leaf_hash, verify_consistency};
use tumar::log::note::Checkpoint;
use tumar::party::Party;
use tumar::request::Method;
use tumar::template::Template;

/// Every checkpoint that a client was ever shown.
#[derive(Default)]
struct Shown(Vec<(Party, Checkpoint)>);

struct Nodes {
    files: Files,
    processes: [Child; 3],
    shown: Shown,
    /// Requests that a client has an answer to.
    answered: Vec<[u8; 32]>,
}

impl Nodes {
    fn start() -> Self {
        let files = Files::new();
        let processes = Party::ALL.map(|party| files.spawn(party));
        Self { files, processes, shown: Shown::default(), answered: Vec::new() }
    }

    fn kill(&mut self, party: Party) {
        // SIGKILL: no handler runs, nothing is flushed.
        self.processes[party.index()].kill().unwrap();
        self.processes[party.index()].wait().unwrap();
    }

    fn restart(&mut self, party: Party) {
        self.processes[party.index()] = self.files.spawn(party);
    }

    /// A client once all three are linked.
    async fn client(&self) -> Client {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            match self.files.client().await {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < deadline, "the nodes do not come back: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn saw(&mut self, receipts: &tumar::client::Receipts) {
        for (receipt, pin) in receipts.iter().zip(&self.files.client_config().nodes) {
            let checkpoint = receipt.verify(pin, &"dev".parse().unwrap()).unwrap();
            self.shown.0.push((pin.party, checkpoint));
            if pin.party == Party::A {
                self.answered.push(receipt.body.request_digest);
            }
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for process in &mut self.processes {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// The steps of one person's life. What a call comes to is told by the reason code, or the bit.
async fn step(nodes: &mut Nodes, client: &Client, method: Method, subject: &str, face: &Template) -> String {
    let outcome = match method {
        Method::Enroll => {
            let token = nodes.files.token("enrolment", method);
            let asked = client.enroll(&token, &target(subject, "enrolment"), &[face_of(face)]).await;
            asked.map(|enrolled| ("ENROLLED", Some(enrolled.receipts)))
        }
        Method::Verify => {
            let token = nodes.files.token("cash_withdrawal", method);
            let asked = client.verify(&token, &target(subject, "cash_withdrawal"), &[face_of(face)], 1).await;
            asked.map(|verified| (if verified.matched { "MATCH" } else { "NO_MATCH" }, Some(verified.receipts)))
        }
        Method::Erase => {
            let token = nodes.files.token("erasure", method);
            client.erase(&token, &target(subject, "erasure")).await.map(|_| ("ERASED", None))
        }
        Method::Lock | Method::Unlock | Method::Search | Method::OpenEvidence | Method::ListUses | Method::ReadLog => {
            unreachable!("not part of these runs")
        }
    };
    match outcome {
        Ok((word, receipts)) => {
            if let Some(receipts) = receipts {
                nodes.saw(&receipts);
            }
            word.to_owned()
        }
        Err(ClientError::Receipt(fault)) => panic!("an answer that does not verify: {fault}"),
        Err(error) => error.reason().to_owned(),
    }
}

/// A small generator: the kill's victim and moment, printed with the run where something is wrong.
fn dice(run: u64, sides: u64) -> u64 {
    let mut z = run.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 32)) % sides
}

fn face(person: u64) -> Template {
    let word = |place: u64| f32::from(u16::try_from(dice(person * 4096 + place, 65_536)).unwrap()) - 32_767.5;
    template(&(0..512).map(word).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_kills_leave_no_subject_half_there_no_answer_unlogged_and_no_log_inconsistent() {
    killed_nodes_leave_all_whole(8).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: half a minute"]
async fn killed_nodes_leave_no_subject_half_there_no_answer_unlogged_and_no_log_inconsistent() {
    killed_nodes_leave_all_whole(50).await;
}

/// Runs of enrol, verify, erase, each with one kill somewhere in it.
async fn killed_nodes_leave_all_whole(runs: u64) {
    let mut nodes = Nodes::start();
    let mut client = nodes.client().await;
    for run in 0..runs {
        let subject = format!("person-{run}");
        let own = face(run);
        let victim = Party::ALL[usize::try_from(dice(run, 3)).unwrap()];
        let moment = Duration::from_micros(dice(run + 1000, 60_000));
        // The kill falls somewhere into these three calls; those after it fail, or find the node back.
        let before = {
            let killing = tokio::time::sleep(moment);
            let mut told = Vec::new();
            let living = async {
                for method in [Method::Enroll, Method::Verify, Method::Erase] {
                    told.push(step(&mut nodes, &client, method, &subject, &own).await);
                }
            };
            tokio::select! {
                () = living => {}
                () = killing => {}
            }
            told
        };
        nodes.kill(victim);
        nodes.restart(victim);
        drop(client);
        client = nodes.client().await;
        agree(&mut nodes, &client, run, &subject, &own, &before).await;
    }
    drop(client);
    let Nodes { ref files, .. } = nodes;
    let folders = Party::ALL.map(|party| files.node(party));
    let shown = std::mem::take(&mut nodes.shown);
    let answered = std::mem::take(&mut nodes.answered);
    for process in &mut nodes.processes {
        terminate(process).await;
    }
    for (party, folder) in Party::ALL.into_iter().zip(folders) {
        audit(party, &entries(&folder), &shown, &answered, runs);
    }
}

/// After the restart the subject is there at all three or at none: one call tells, and the next one must agree with it.
async fn agree(nodes: &mut Nodes, client: &Client, run: u64, subject: &str, own: &Template, before: &[String]) {
    let erased = before.iter().any(|word| word == "ERASED");
    let enrolled = before.iter().any(|word| word == "ENROLLED");
    let now = settled(nodes, client, Method::Verify, subject, own).await;
    match now.as_str() {
        "MATCH" => assert!(!erased, "run {run}: back after {before:?}"),
        "SUBJECT_UNKNOWN" => {
            let erasing = before.len() >= 2;
            assert!(!enrolled || erasing, "run {run}: lost after {before:?}");
            let again = settled(nodes, client, Method::Enroll, subject, own).await;
            assert_eq!(again, "ENROLLED", "run {run}: half there after {before:?}");
            assert_eq!(settled(nodes, client, Method::Verify, subject, own).await, "MATCH", "run {run}");
        }
        other => panic!("run {run}: {other} after {before:?}"),
    }
    assert_eq!(settled(nodes, client, Method::Erase, subject, own).await, "ERASED", "run {run}");
    assert_eq!(settled(nodes, client, Method::Verify, subject, own).await, "SUBJECT_UNKNOWN", "run {run}");
}

/// A call, repeated while a link is still on its way up.
async fn settled(nodes: &mut Nodes, client: &Client, method: Method, subject: &str, own: &Template) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let word = step(nodes, client, method, subject, own).await;
        if word != "PEER_LOST" || Instant::now() > deadline {
            return word;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every checkpoint ever shown is of a prefix of this log, and every answered request stands in it.
fn audit(party: Party, log: &[Vec<u8>], shown: &Shown, answered: &[[u8; 32]], runs: u64) {
    let mut tree = Tree::new();
    let mut uses: BTreeMap<[u8; 32], u32> = BTreeMap::new();
    for bytes in log {
        tree.push(leaf_hash(bytes));
        let entry = Entry::parse(bytes).unwrap();
        if matches!(entry.event, Event::Admitted) {
            *uses.entry(entry.request_digest).or_default() += 1;
        }
    }
    let size = tree.size();
    let root = tree.root(size).unwrap();
    let mut checked = 0;
    for (_, checkpoint) in shown.0.iter().filter(|(of, _)| *of == party) {
        let proof = tree.consistency(checkpoint.size, size).expect("no shown checkpoint is larger than the log");
        verify_consistency(checkpoint.size, size, &proof, &checkpoint.root, &root).unwrap();
        checked += 1;
    }
    assert!(checked > runs, "{checked} checkpoints were shown by {party}");
    for rq in answered {
        assert!(uses.contains_key(rq), "{party} has no entry of an answered request");
    }
}

/// SIGTERM, so that what waits is published.
async fn terminate(process: &mut Child) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = async {
        while process.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), ended).await.expect("a node drains within 20 seconds");
}
