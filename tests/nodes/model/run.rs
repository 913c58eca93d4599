//! Takes steps one by one to three real nodes, and holds every answer against the model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tumar::client::{Prepared, Receipts};
use tumar::party::Party;

use super::accounts::Accounts;
use super::clocks;
use super::desks::{BANKS, Came, Desk, Keys, Wanted, gallery, is_lost, place_of, purpose, word};
use super::nodes::Nodes;
use super::people::{FACES, NAMES, Who};
use super::rules::{ATTEMPTS, ATTEMPTS_CAP, DELAY_SECONDS, MAX_DELAY_SECONDS, Moment, Op, Person};
use super::steps::{Step, Wish};
use crate::support::cluster::Files;

/// A request that was sent, to be sent again.
pub(crate) struct Sent {
    /// Number of the step.
    pub(crate) step: usize,
    pub(crate) desk: usize,
    pub(crate) who: Who,
    pub(crate) op: Op,
    pub(crate) prepared: Prepared,
    pub(crate) token: String,
    pub(crate) proof: String,
    pub(crate) at: u64,
    pub(crate) answer: Option<Receipts>,
    /// No answer came, and nobody knows what was done.
    pub(crate) lost: bool,
    /// What another workload was answered that took the request's id.
    pub(crate) taken: Option<Receipts>,
    /// The leader was killed before it can be known to have kept the answer, or another workload has taken the request's id.
    pub(crate) unsure: bool,
}

/// What was asked for and what came of it, counted.
#[derive(Default)]
pub(crate) struct Tally(pub(crate) BTreeMap<String, u32>);

impl Tally {
    pub(crate) fn count(&mut self, what: String) {
        *self.0.entry(what).or_default() += 1;
    }
}

/// A run: three nodes, the model beside them, and all that was sent.
pub(crate) struct Run {
    pub(crate) runtime: Runtime,
    pub(crate) nodes: Nodes,
    keys: Keys,
    pub(crate) desks: Vec<Arc<Desk>>,
    pub(crate) people: Vec<Person>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) accounts: Accounts,
    pub(crate) killed: [bool; 3],
    /// Number of the step under way.
    pub(crate) step: usize,
    pub(crate) heard: Tally,
}

/// How a request must end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Must {
    /// All is well: with an answer, or with the one right refusal.
    Right,
    /// Something is broken: any refusal will do, and it changed nothing.
    BeSafe,
}

impl Run {
    pub(crate) fn new() -> Result<Self, String> {
        clocks::reset();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let files = Files::new();
        shorten(&files);
        let keys = Keys::new(&files);
        let mut run = Self {
            runtime,
            nodes: Nodes::new(files),
            keys,
            desks: Vec::new(),
            people: (0..BANKS.len() * NAMES.len()).map(|_| Person::new()).collect(),
            sent: Vec::new(),
            accounts: Accounts::default(),
            killed: [false; 3],
            step: 0,
            heard: Tally::default(),
        };
        run.nodes.start_all()?;
        run.connect()?;
        Ok(run)
    }

    /// Takes one step; `number` is its place in the run that was drawn.
    pub(crate) fn take(&mut self, number: usize, step: &Step) -> Result<(), String> {
        self.step = number;
        match step {
            Step::Ask { desk, who, wish } => self.ask(self.desk_of(*who, *desk), *who, *wish, Must::Right),
            Step::Together { who, wishes } => self.together(*who, wishes),
            Step::Search { bank, face, most } => self.search(*bank, *face, *most),
            Step::Again { back, how } => self.again(*back, *how),
            Step::Foreign { who, wish, own_name } => self.foreign(*who, *wish, *own_name),
            Step::Pass { seconds } => self.pass(*seconds),
            Step::Restart { party, end } => self.restart(*party, *end),
            Step::Crash { party, after_micros, who, wish } => {
                self.crash(*party, Duration::from_micros(*after_micros), *who, *wish)
            }
            Step::Wrong { party, by, at_start, asked } => self.wrong_clock(*party, *by, *at_start, asked),
        }
    }

    /// Stops the nodes, and looks into what they leave.
    pub(crate) fn end(mut self) -> Result<Tally, String> {
        self.rest()?;
        for party in Party::ALL {
            self.accounts.check(party, &self.nodes.files.node(party), self.killed[party.index()])?;
        }
        Ok(self.heard)
    }

    pub(crate) fn connect(&mut self) -> Result<(), String> {
        let desks = self.runtime.block_on(self.keys.desks(&self.nodes.files));
        self.desks = desks.map_err(|error| format!("a client does not come in: {error}"))?;
        Ok(())
    }

    /// One of the bank's workloads.
    pub(crate) fn desk_of(&self, who: Who, wanted: usize) -> usize {
        let own = |desk: &usize| self.desks[*desk].bank == who.bank;
        let own: Vec<usize> = (0..self.desks.len()).filter(own).collect();
        own[wanted % own.len()]
    }

    pub(crate) fn op(&self, who: Who, wish: Wish) -> Op {
        let face = self.people[who.index()].face();
        match wish {
            Wish::Enrol { face, stay } => Op::Enrol { face, stay },
            Wish::VerifyRight => Op::Verify { face },
            Wish::VerifyWrong { further } => Op::Verify { face: (face + further) % FACES },
            Wish::Erase => Op::Erase,
            Wish::Lock => Op::Lock,
            Wish::Unlock => Op::Unlock,
        }
    }

    /// A request with its token and proof, as one of the bank's own workloads makes it.
    pub(crate) fn make(&self, desk: usize, who: Who, op: Op) -> (Prepared, String, String) {
        let asking = &self.desks[desk];
        let prepared = asking.prepare(who, op, self.sent.len());
        let token = asking.token_for(op);
        let proof = asking.prove(&token, &prepared);
        (prepared, token, proof)
    }

    /// Writes down that a request was sent and what came of it.
    pub(crate) fn remember(
        &mut self,
        (desk, who, op): (usize, Who, Op),
        (prepared, token, proof): (Prepared, String, String),
        came: &Came,
        at: u64,
    ) {
        let said = word(came);
        self.heard.count(format!("{} -> {said:?}", purpose(op).1.action()));
        let lost = is_lost(&said);
        let account = self.accounts.of(prepared.ask().request_digest());
        account.proofs += 1;
        account.answers += u32::from(came.is_ok());
        account.lost |= lost;
        let answer = came.as_ref().ok().map(|answer| answer.receipts.clone());
        let step = self.step;
        let (taken, unsure) = (None, false);
        self.sent.push(Sent { step, desk, who, op, prepared, token, proof, at, answer, lost, taken, unsure });
    }

    pub(crate) fn ask(&mut self, desk: usize, who: Who, wish: Wish, must: Must) -> Result<(), String> {
        let op = self.op(who, wish);
        let made = self.make(desk, who, op);
        let (asking, begin) = (Arc::clone(&self.desks[desk]), clocks::now());
        let came = self.runtime.block_on(asking.send(&made.1, &made.2, &made.0));
        self.remember((desk, who, op), made, &came, begin);
        self.judge(who, op, &came, since(begin), must)
    }

    /// Holds what came of a new request against the model.
    pub(crate) fn judge(&mut self, who: Who, op: Op, came: &Came, now: Moment, must: Must) -> Result<(), String> {
        let (person, said) = (&mut self.people[who.index()], word(came));
        let possible = person.possible(op, now);
        if person.hear(op, &said, now) {
            return Ok(());
        }
        if must == Must::BeSafe && came.is_err() {
            if is_lost(&said) {
                person.lose(op, now);
            }
            return Ok(());
        }
        let why = came.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let told = format!("{who:?} {op:?}: {said:?} ({why})");
        Err(format!("what was heard can not be: {told}; possible is {possible:?}; known was {person:?}"))
    }

    fn together(&mut self, who: Who, wishes: &[(usize, Wish)]) -> Result<(), String> {
        let begin = clocks::now();
        let mut asked = Vec::new();
        let mut calls = JoinSet::new();
        for (place, (desk, wish)) in wishes.iter().enumerate() {
            let (desk, op) = (self.desk_of(who, *desk), self.op(who, *wish));
            let made = self.make(desk, who, op);
            let (asking, (prepared, token, proof)) = (Arc::clone(&self.desks[desk]), made.clone());
            asked.push((desk, op, made));
            calls.spawn_on(async move { (place, asking.send(&token, &proof, &prepared).await) }, self.runtime.handle());
        }
        let mut came = self.runtime.block_on(calls.join_all());
        came.sort_by_key(|(place, _)| *place);
        let now = since(begin);
        let mut heard = Vec::new();
        for ((desk, op, made), (_, came)) in asked.into_iter().zip(came) {
            heard.push((op, word(&came)));
            self.remember((desk, who, op), made, &came, begin);
        }
        let before = self.people[who.index()].clone();
        if self.people[who.index()].hear_together(&heard, now) {
            Ok(())
        } else {
            Err(format!("no order explains what was heard: {who:?}: {heard:?}; known was {before:?}"))
        }
    }

    fn search(&mut self, bank: usize, face: usize, most: u32) -> Result<(), String> {
        let asking = Arc::clone(&self.desks[self.desk_of(Who { bank, name: 0 }, 0)]);
        let begin = clocks::now();
        let (token, prepared) = asking.search(face, most);
        let proof = asking.prove(&token, &prepared);
        let came = self.runtime.block_on(asking.send(&token, &proof, &prepared));
        let now = since(begin);
        let account = self.accounts.of(prepared.ask().request_digest());
        account.proofs += 1;
        let found = came.map_err(|error| format!("a search was refused: {error}"))?.found.unwrap_or_default();
        account.answers += 1;
        account.named += u32::try_from(found.candidates.len()).unwrap();
        self.heard.count(format!("search -> {} named", found.candidates.len()));
        let named: Vec<Option<usize>> = found.candidates.iter().map(|subject| place_of(subject.as_str())).collect();
        let can_be = |name: usize| self.people[Who { bank, name }.index()].is_found(face, now);
        let surely = (0..NAMES.len()).filter(|&name| can_be(name).0).count();
        let possibly = (0..NAMES.len()).filter(|&name| can_be(name).1).count();
        let most = usize::try_from(most).unwrap();
        let each_may_be = named.iter().all(|name| name.is_some_and(|name| can_be(name).1));
        let once = named.iter().enumerate().all(|(place, name)| !named[..place].contains(name));
        let enough = (surely.min(most)..=possibly.min(most)).contains(&named.len());
        if each_may_be && once && enough && (found.truncated || possibly <= most || surely < possibly) {
            Ok(())
        } else {
            let known = &self.people[bank * NAMES.len()..][..NAMES.len()];
            Err(format!("a search named others: face {face}, {most} at most: {found:?}; known was {known:?}"))
        }
    }

    /// A request about the other bank's person is refused, whatever it is called.
    fn foreign(&mut self, who: Who, wish: Wish, own_name: bool) -> Result<(), String> {
        let desk = self.desk_of(Who { bank: 1 - who.bank, ..who }, 0);
        let (asking, op) = (Arc::clone(&self.desks[desk]), self.op(who, wish));
        let prepared = asking.prepare(who, op, self.sent.len());
        let ((purpose, method), gallery) = (purpose(op), gallery(who.bank));
        let relying_party = if own_name { BANKS[1 - who.bank] } else { BANKS[who.bank] };
        let token = asking.token(&Wanted { relying_party, gallery: &gallery, purpose, method });
        let proof = asking.prove(&token, &prepared);
        let came = self.runtime.block_on(asking.send(&token, &proof, &prepared));
        self.accounts.of(prepared.ask().request_digest()).proofs += 1;
        let said = word(&came);
        self.heard.count(format!("foreign -> {said:?}"));
        match came {
            Err(_) if !is_lost(&said) => Ok(()),
            _ => Err(format!("the other bank was let in: as {relying_party}: {who:?} {op:?}: {said:?}")),
        }
    }
}

pub(crate) fn since(begin: u64) -> Moment {
    // The nodes read their clocks between two seconds of ours.
    (begin, clocks::now() + 1)
}

/// A policy in which more happens in a short time: a purpose for a day, short delays, few attempts in all.
fn shorten(files: &Files) {
    const VISITS: &str = "\n[purposes.day_visit]\nactions = [\"enroll\"]\nmodalities = [\"face\", \"finger\"]\n\
                          evidence = [\"registry_check\"]\nretention_days = 1\n";
    for name in ["policy.toml", "auditor/policies/policy.toml"] {
        let mut text = std::fs::read_to_string(files.path(name)).unwrap();
        for (key, value) in [
            // Steps take years at times; the log is read at the end.
            ("log_retention_days", "100000".to_owned()),
            ("envelope_faults_per_minute", "1000000".to_owned()),
            ("attempts", ATTEMPTS.to_string()),
            ("delay_seconds", DELAY_SECONDS.to_string()),
            ("max_delay_seconds", MAX_DELAY_SECONDS.to_string()),
            ("attempts_cap", ATTEMPTS_CAP.to_string()),
        ] {
            let set = |line: &str| match line.split_once(" = ") {
                Some((name, _)) if name == key => format!("{key} = {value}\n"),
                _ => format!("{line}\n"),
            };
            let changed: String = text.lines().map(set).collect();
            assert!(changed.contains(&format!("\n{key} = {value}\n")), "the policy has no {key} any more");
            text = changed;
        }
        std::fs::write(files.path(name), text + VISITS).unwrap();
    }
}
