//! The three processes, and who calls them.

use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tumar::client::{Answer, Client, ClientConfig, ClientError, Prepared};
use tumar::log::entry::{Entry, Event};
use tumar::party::Party;
use tumar::request::{Method, Minute};
use tumar::template::Template;
use tumar::tls::Dialler;

use crate::clock::Clock;
use crate::support::cluster::{Files, entries, face_of, now, target, template};

/// No two clocks of an installation are the same: by so many seconds those of A, B and C are ahead, which they may be.
pub(crate) const ALMOST_RIGHT: [i64; 3] = [4, -17, 21];

/// Between two looks at what another process does.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// How long anything may take that is to happen.
const MOST: Duration = Duration::from_mins(1);

pub(crate) fn face(seed: u16) -> Template {
    template(&(0..512).map(|place| f32::from((place * 37 + seed * 101) % 64) - 31.5).collect::<Vec<_>>())
}

/// A policy, or another file that all nodes read, with something in another place's stead.
pub(crate) fn replace(files: &Files, name: &str, old: &str, new: &str) {
    let path = files.path(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = text.replace(old, new);
    assert_ne!(changed, text, "{name} has no {old}");
    std::fs::write(path, changed).unwrap();
}

/// Three processes, and a client of bank b17.
pub(crate) struct Nodes {
    pub(crate) files: Files,
    pub(crate) clocks: [Clock; 3],
    processes: Vec<Child>,
    pub(crate) client: Arc<Client>,
    /// The client's.
    time: fn() -> u64,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for process in &mut self.processes {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

impl Nodes {
    /// With the person `c-1` enrolled by the first face; nobody waits long for another node.
    pub(crate) async fn start(prepare: impl FnOnce(&Files)) -> Self {
        Self::start_by(prepare, now).await
    }

    /// The same with a client whose clock is this.
    pub(crate) async fn start_by(prepare: impl FnOnce(&Files), time: fn() -> u64) -> Self {
        let files = Files::new();
        for party in Party::ALL {
            let path = files.node(party).join("node.toml");
            let limits = "\n[limits]\nin_flight = 4\nbatch = 64\npatience_ms = 2000\n";
            std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + limits).unwrap();
        }
        prepare(&files);
        let clocks = Party::ALL.map(|party| Clock::new(files.node(party).join("clock"), ALMOST_RIGHT[party.index()]));
        let processes = Party::ALL.map(|party| spawn(&files, party, &clocks[party.index()])).into();
        let client = Arc::new(connected(&files, time).await);
        let nodes = Self { files, clocks, processes, client, time };
        nodes.enrol("c-1", 1).await;
        nodes
    }

    pub(crate) async fn enrol(&self, subject: &str, seed: u16) {
        let token = self.token("enrolment", Method::Enroll);
        self.client.enroll(&token, &target(subject, "enrolment"), &[face_of(&face(seed))]).await.unwrap();
    }

    /// A token of bank b17 for one use, given out now.
    pub(crate) fn token(&self, purpose: &str, method: Method) -> String {
        self.files.token_for(purpose, &[method], 1, (self.time)())
    }

    /// A comparison of `c-1` with a face, to be sent.
    pub(crate) fn withdrawal(&self, seed: u16) -> Prepared {
        self.withdrawal_by(self.client.config(), seed)
    }

    pub(crate) fn withdrawal_by(&self, config: &ClientConfig, seed: u16) -> Prepared {
        let committee = self.client.committee();
        let (target, minute) = (target("c-1", "cash_withdrawal"), Minute::of((self.time)()));
        Prepared::verify(config, &committee, &target, &[face_of(&face(seed))], 1, minute).unwrap()
    }

    /// The same by a token of its own, under way.
    pub(crate) fn verify(&self, seed: u16) -> tokio::task::JoinHandle<Result<Answer, ClientError>> {
        let (client, prepared) = (Arc::clone(&self.client), self.withdrawal(seed));
        let token = self.token("cash_withdrawal", Method::Verify);
        tokio::spawn(async move { client.send(&token, &prepared).await })
    }

    /// The very same bytes, so many times at once.
    pub(crate) async fn repeat(&self, token: &str, proof: &str, prepared: &Prepared, times: usize) -> Vec<String> {
        let sent: Vec<_> = (0..times)
            .map(|_| {
                let (client, prepared) = (Arc::clone(&self.client), prepared.clone());
                let (token, proof) = (token.to_owned(), proof.to_owned());
                tokio::spawn(async move { client.call(&token, &proof, &prepared).await })
            })
            .collect();
        let mut heard = Vec::with_capacity(times);
        for sent in sent {
            heard.push(sent.await.unwrap().map_or_else(|error| error.reason().to_owned(), |_| "OK".to_owned()));
        }
        heard
    }

    pub(crate) fn signal(&self, party: Party, signal: Signal) {
        kill_process(Pid::from_child(&self.processes[party.index()]), signal).unwrap();
    }

    /// Moves the clocks of all three.
    pub(crate) fn leap(&self, ahead: i64) {
        for (clock, almost) in self.clocks.iter().zip(ALMOST_RIGHT) {
            clock.set(ahead + almost);
        }
    }

    /// Lets one end.
    pub(crate) fn end(&mut self, party: Party) {
        self.signal(party, Signal::TERM);
        assert!(self.processes[party.index()].wait().unwrap().success(), "node {party} ends well");
    }

    /// Starts one that has ended. It need not be ready.
    pub(crate) fn begin(&mut self, party: Party) {
        self.processes[party.index()] = spawn(&self.files, party, &self.clocks[party.index()]);
    }

    /// Lets the node end and starts it again, until all three are linked.
    pub(crate) async fn restart(&mut self, party: Party) {
        self.end(party);
        self.begin(party);
        self.reconnect().await;
    }

    /// Connects anew, as soon as all three are ready.
    pub(crate) async fn reconnect(&mut self) {
        self.client = Arc::new(connected(&self.files, self.time).await);
        for party in Party::ALL {
            self.becomes(party, ServingStatus::Serving).await;
        }
    }

    /// A channel to one node.
    pub(crate) async fn channel(&self, party: Party) -> Channel {
        let config = self.files.client_config();
        let door = config.doors[party.index()].as_ref().unwrap();
        Dialler::new(None, &door.certificate, &config.server_name).unwrap().dial(&door.address).await.unwrap()
    }

    /// Waits until a node says this of itself.
    pub(crate) async fn becomes(&self, party: Party, wanted: ServingStatus) {
        let said = async {
            while self.health(party).await != wanted {
                sleep(LOOK).await;
            }
        };
        timeout(MOST, said).await.unwrap_or_else(|_| panic!("node {party} does not say {wanted:?}"));
    }

    /// What a node says of itself, by the protocol of load balancers; it listens a moment after it was started.
    pub(crate) async fn health(&self, party: Party) -> ServingStatus {
        let config = self.files.client_config();
        let door = config.doors[party.index()].as_ref().unwrap();
        let dialler = Dialler::new(None, &door.certificate, &config.server_name).unwrap();
        let Ok(channel) = dialler.dial(&door.address).await else { return ServingStatus::Unknown };
        let asked = HealthCheckRequest { service: "tumar.v1.MatchingService".to_owned() };
        HealthClient::new(channel).check(asked).await.map_or(ServingStatus::Unknown, |said| said.into_inner().status())
    }

    /// Waits until a node has said this so many times.
    pub(crate) async fn says(&self, party: Party, words: &str, times: usize) {
        let said = async {
            while self.files.said(party).matches(words).count() < times {
                sleep(LOOK).await;
            }
        };
        let said = timeout(MOST, said).await;
        assert!(said.is_ok(), "node {party} does not say {words:?}, but:\n{}", self.files.said(party));
    }

    /// Ends all nodes well; what each wrote.
    pub(crate) fn stop(mut self) -> [Vec<Entry>; 3] {
        for party in Party::ALL {
            self.signal(party, Signal::TERM);
        }
        for process in &mut self.processes {
            assert!(process.wait().unwrap().success());
        }
        Party::ALL.map(|party| {
            let entries = entries(&self.files.node(party));
            entries.iter().map(|entry| Entry::parse(entry).unwrap()).collect()
        })
    }
}

fn spawn(files: &Files, party: Party, clock: &Clock) -> Child {
    let mut command = files.command(party);
    clock.give(command.env("RUST_LOG", "info"));
    command.spawn().unwrap()
}

/// A client, as soon as all three are linked.
async fn connected(files: &Files, time: fn() -> u64) -> Client {
    let linked = async {
        loop {
            match Client::connect(files.client_config(), time).await {
                Ok(client) => return client,
                Err(_) => sleep(LOOK).await,
            }
        }
    };
    timeout(MOST, linked).await.expect("the nodes do not find each other")
}

/// What a log says of a request.
pub(crate) fn events(log: &[Entry], prepared: &Prepared) -> Vec<Event> {
    let rq = prepared.ask().request_digest();
    log.iter().filter(|entry| entry.request_digest == rq).map(|entry| entry.event.clone()).collect()
}
