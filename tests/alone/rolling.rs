//! Three nodes as processes, restarted one after the other while a bank makes forty requests a second: none of them is lost.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::cluster::{Files, Trio, face_of, now, target, template};
use crate::turn::turn;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tumar::client::{Client, ClientConfig, ClientError};
use tumar::party::Party;
use tumar::peer::RECONNECT;
use tumar::request::Method;
use tumar::template::Template;

/// Requests a second.
const RATE: u32 = 40;

/// Requests under way at most, unless the whole is tried: a machine that does much else at the time must keep up.
const UNDER_WAY: usize = 16;

/// For how long a bank waits for an answer, in all.
const PATIENCE: Duration = Duration::from_mins(1);

/// Of requests, one in so many erases.
const ERASES: usize = 16;

fn face(number: u16) -> Template {
    let component = |place: u16| f32::from(place.wrapping_mul(37).wrapping_add(number.wrapping_mul(101)) % 64) - 31.5;
    template(&(0..512).map(component).collect::<Vec<_>>())
}

/// Somebody about whom no request is under way.
#[derive(Clone, Debug)]
struct Person {
    handle: String,
    /// Every other comparison is with another's face.
    is_next_genuine: bool,
}

/// What became of the requests.
#[derive(Debug, Default)]
struct Books {
    free: Vec<Person>,
    right: usize,
    wrong: usize,
    lost: BTreeMap<String, usize>,
}

/// A bank whose requests never wait for each other.
struct Bank {
    files: Files,
    /// Waits for what passes by itself.
    client: Client,
    faces: [Template; 2],
    books: Mutex<Books>,
    /// The latest request that was answered, by number.
    answered: watch::Sender<usize>,
    /// How many were made.
    made: watch::Sender<usize>,
}

impl Bank {
    async fn request(&self, number: usize) {
        self.made.send_replace(number);
        let person = self.books.lock().unwrap().free.pop();
        let ended = match person {
            None => self.enrol(number).await,
            Some(person) if number.is_multiple_of(ERASES) => self.erase(person).await,
            Some(person) => self.verify(person).await,
        };
        let mut books = self.books.lock().unwrap();
        match ended {
            Ok(true) => books.right += 1,
            Ok(false) => books.wrong += 1,
            Err(error) => *books.lost.entry(format!("{} {error}", error.reason())).or_default() += 1,
        }
        drop(books);
        self.answered.send_if_modified(|last| std::mem::replace(last, number.max(*last)) < number);
    }

    async fn enrol(&self, number: usize) -> Result<bool, ClientError> {
        let person = Person { handle: format!("c-{number}"), is_next_genuine: true };
        let token = self.files.token("enrolment", Method::Enroll);
        let asked = target(&person.handle, "enrolment");
        self.client.enroll(&token, &asked, &[face_of(&self.faces[0])]).await?;
        let mut books = self.books.lock().unwrap();
        books.free.push(person);
        Ok(true)
    }

    async fn verify(&self, person: Person) -> Result<bool, ClientError> {
        let is_genuine = person.is_next_genuine;
        let probe = &self.faces[usize::from(!is_genuine)];
        let token = self.files.token("cash_withdrawal", Method::Verify);
        let asked = target(&person.handle, "cash_withdrawal");
        let verified = self.client.verify(&token, &asked, &[face_of(probe)], 1).await?;
        self.books.lock().unwrap().free.push(Person { is_next_genuine: !is_genuine, ..person });
        Ok(verified.matched == is_genuine)
    }

    async fn erase(&self, person: Person) -> Result<bool, ClientError> {
        let token = self.files.token("erasure", Method::Erase);
        let certificate = self.client.erase(&token, &target(&person.handle, "erasure")).await?;
        Ok(certificate.verify(&self.client.config().nodes, self.client.deployment()).is_ok())
    }

    /// Returns when a request was answered that was made from now on.
    async fn serves_again(&self) {
        let made = *self.made.borrow();
        let mut answered = self.answered.subscribe();
        timeout(Duration::from_mins(2), answered.wait_for(|last| *last > made)).await.expect("it is answered").unwrap();
    }

    /// Requests at the rate, until told to stop; then waits for the last answer.
    async fn keep_asking(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let first = *self.made.borrow() + 1;
        let mut ticks = interval(Duration::from_secs(1) / RATE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut requests = JoinSet::new();
        for number in first.. {
            ticks.tick().await;
            if *stop.borrow() {
                break;
            }
            while let Some(ended) = requests.try_join_next() {
                ended.unwrap();
            }
            if requests.len() >= UNDER_WAY && !is_whole() {
                continue;
            }
            let bank = Arc::clone(&self);
            requests.spawn(async move { bank.request(number).await });
        }
        while let Some(ended) = requests.join_next().await {
            ended.unwrap();
        }
    }
}

/// Asks who the nodes are, again and again, and counts how often nobody said so.
async fn probe(client: Arc<Client>, stop: watch::Receiver<bool>, refused: Arc<Mutex<BTreeMap<String, usize>>>) {
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !*stop.borrow() {
        ticks.tick().await;
        if let Err(error) = client.refresh().await {
            *refused.lock().unwrap().entry(error.reason().to_owned()).or_default() += 1;
        }
    }
}

/// Killed, if a test ends before they do.
struct Nodes([Child; 3]);

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &mut self.0 {
            // One that has ended is what is wanted.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

/// Ends a node, starts it again, and returns when requests are answered again: how often those who do not wait were refused meanwhile.
async fn restart(
    bank: &Bank,
    nodes: &mut Nodes,
    (party, signal): (Party, Signal),
    refused: &Mutex<BTreeMap<String, usize>>,
) -> usize {
    refused.lock().unwrap().clear();
    let begin = Instant::now();
    let node = &mut nodes.0[party.index()];
    kill_process(Pid::from_child(node), signal).unwrap();
    let ended = tokio::task::block_in_place(|| node.wait().unwrap());
    let drained = begin.elapsed();
    assert!(signal == Signal::KILL || ended.success(), "{party}: {}", bank.files.said(party));
    *node = bank.files.spawn(party);
    bank.serves_again().await;
    let by_reason = std::mem::take(&mut *refused.lock().unwrap());
    println!("{party} {signal:?}: down after {drained:?}, answers after {:?}, refused {by_reason:?}", begin.elapsed());
    by_reason.values().sum()
}

async fn linked(files: &Files) -> Client {
    let linked = async {
        loop {
            if let Ok(client) = files.client().await {
                return client;
            }
        }
    };
    timeout(Duration::from_mins(1), linked).await.expect("the nodes find each other")
}

/// For how long nodes are restarted, at least, where that is said.
fn span() -> Option<Duration> {
    let seconds = std::env::var("TUMAR_ROLLING_SECONDS").ok().and_then(|text| text.parse().ok());
    seconds.map(Duration::from_secs)
}

fn is_whole() -> bool {
    span().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rolling_restart_loses_no_request_and_is_no_slower_than_kills() {
    let _turn = turn();
    let files = Files::new();
    let mut nodes = Nodes(Party::ALL.map(|party| files.spawn(party)));
    let prober = Arc::new(linked(&files).await);
    let config = ClientConfig { retry: PATIENCE, ..files.client_config() };
    let client = Client::connect(config, now).await.unwrap();
    let bank = Arc::new(Bank {
        files,
        client,
        faces: [face(1), face(2)],
        books: Mutex::default(),
        answered: watch::Sender::new(0),
        made: watch::Sender::new(0),
    });
    let begin = Instant::now();
    let (books, mut drained, mut rounds) = (Mutex::default(), 0, 0);
    while rounds == 0 || begin.elapsed() < span().unwrap_or_default() {
        drained += restart_all(&bank, &mut nodes, (&prober, Signal::TERM), &books).await;
        rounds += 1;
    }
    let Books { right, wrong, lost, .. } = books.into_inner().unwrap();
    assert!(lost.is_empty() && wrong == 0, "{wrong} wrong, lost {lost:?}");
    assert!(right >= UNDER_WAY * rounds, "{right} requests in {rounds} rounds");
    // Whoever was enrolled and not erased stands at all three.
    let stand = std::mem::take(&mut bank.books.lock().unwrap().free);
    assert!(!stand.is_empty());
    for person in stand {
        assert!(bank.verify(Person { is_next_genuine: true, ..person }).await.unwrap());
    }

    // A token is for one use: what a node took in and did not end, when it was killed, is lost with it. No answer is wrong.
    let books = Mutex::default();
    let killed = restart_all(&bank, &mut nodes, (&prober, Signal::KILL), &books).await;
    let Books { wrong, lost, .. } = books.into_inner().unwrap();
    assert_eq!(wrong, 0, "lost {lost:?}");
    assert!(drained <= rounds * 2 * (killed + 10), "{drained} refused in {rounds} rounds, {killed} in one of kills");

    for node in &mut nodes.0 {
        kill_process(Pid::from_child(node), Signal::TERM).unwrap();
        assert!(node.wait().unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_the_health_of_a_node_hears_of_its_end_and_does_not_hold_it_up() {
    let _turn = turn();
    let mut trio = Trio::start().await;
    for party in [Party::C, Party::B, Party::A] {
        let asked = |service: &str| HealthCheckRequest { service: service.to_owned() };
        let mut health = trio.files.health(party).await;
        let mut watched = health.watch(asked("tumar.v1.MatchingService")).await.unwrap().into_inner();
        while watched.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
        assert_eq!(health.check(asked("")).await.unwrap().into_inner().status(), ServingStatus::Serving);
        let node = trio.nodes.remove(party.index());
        // As long as the node gives its callers, it would take if one of them held it up.
        timeout(Duration::from_secs(8), node.stop()).await.expect("nobody holds it up").unwrap();
        assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
        assert!(watched.message().await.unwrap().is_none(), "and that is all");
        if party != Party::LEADER {
            // Clients who ask the leader hear of it well before they would wait for a link that is only shaken anew.
            let mut leader = trio.files.health(Party::LEADER).await.watch(asked("")).await.unwrap().into_inner();
            let tells =
                async { while leader.message().await.unwrap().unwrap().status() != ServingStatus::NotServing {} };
            timeout(RECONNECT / 2, tells).await.expect("the leader says at once that it can not serve");
        }
        trio.nodes.insert(party.index(), trio.files.start(party).await);
        for node in &trio.nodes {
            node.ready().await;
        }
    }
    trio.stop().await;
}

/// Restarts the nodes one after the other while requests are made; how often those who do not wait were refused.
async fn restart_all(
    bank: &Arc<Bank>,
    nodes: &mut Nodes,
    (prober, signal): (&Arc<Client>, Signal),
    books: &Mutex<Books>,
) -> usize {
    let stop = watch::Sender::new(false);
    let asking = tokio::spawn(Arc::clone(bank).keep_asking(stop.subscribe()));
    let counted = Arc::new(Mutex::new(BTreeMap::new()));
    let probing = tokio::spawn(probe(Arc::clone(prober), stop.subscribe(), Arc::clone(&counted)));
    bank.serves_again().await;
    let mut refused = 0;
    for party in [Party::B, Party::C, Party::A] {
        refused += restart(bank, nodes, (party, signal), &counted).await;
    }
    stop.send_replace(true);
    asking.await.unwrap();
    probing.await.unwrap();
    let Books { right, wrong, lost, free } = &mut *bank.books.lock().unwrap();
    println!("{signal:?}: {right} right, {wrong} wrong, lost {lost:?}; {} stand", free.len());
    let mut books = books.lock().unwrap();
    (books.right, books.wrong) = (books.right + std::mem::take(right), books.wrong + std::mem::take(wrong));
    for (reason, count) in std::mem::take(lost) {
        *books.lost.entry(reason).or_default() += count;
    }
    refused
}
