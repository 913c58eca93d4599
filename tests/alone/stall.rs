//! One node dies while another is slow to write: nobody waits for what can not come any more.
//!
//! The slow disk is the store's one connection, held. The dead node is a runtime that is shut down, with its sockets. Nodes have a
//! minute of patience here: what ends before has ended by what happened, and not by the clock.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::cluster::{Files, face_of, target, template};
use crate::turn::turn;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tumar::client::{Client, ClientError};
use tumar::node::Node;
use tumar::party::Party;
use tumar::request::Method;
use tumar::store::Store;
use tumar::template::Template;

/// How long a node waits for each word of another.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long anything may take that waits for nobody, on a machine that does much else.
const SOON: Duration = Duration::from_secs(10);

/// What a stall may be where the machine does nothing else; printed beside what it was.
const BOUND: Duration = Duration::from_millis(500);

fn face(person: u16) -> Template {
    template(&(0..512).map(|place| f32::from((place * 37 + person * 101) % 64) - 31.5).collect::<Vec<_>>())
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap()
}

/// A node and all that runs for it.
struct Live {
    node: Node,
    runtime: Runtime,
}

impl Live {
    /// Entries of its log, published or not.
    fn entries(&self) -> u64 {
        self.node.log().head().0.index
    }
}

/// A disk that takes nothing until it is released.
struct Slow(mpsc::Sender<()>);

impl Slow {
    fn hold(runtime: &Runtime, store: Store) -> Self {
        let (release, released) = mpsc::channel::<()>();
        let (holds, held) = oneshot::channel();
        let mut holds = Some(holds);
        drop(runtime.spawn(async move {
            let loaded = store.load(0, move |_| {
                if let Some(holds) = holds.take() {
                    holds.send(()).unwrap();
                    // Until the other end is dropped, if not before.
                    let _ = released.recv();
                }
            });
            loaded.await
        }));
        runtime.block_on(held).unwrap();
        Self(release)
    }

    fn release(self) {
        self.0.send(()).unwrap();
    }
}

/// Waits until something is so, and tells how long that took.
fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < SOON, "{what}: not after {:?}, with a patience of {PATIENCE:?}", begin.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    }
    begin.elapsed()
}

struct Trial {
    nodes: [Option<Live>; 3],
    main: Runtime,
    client: std::sync::Arc<Client>,
    files: Files,
}

impl Trial {
    /// Three nodes with the person `c-0`.
    fn start() -> Self {
        let files = Files::new();
        for party in Party::ALL {
            let path = files.node(party).join("node.toml");
            let limits = format!("\n[limits]\npatience_ms = {}\n", PATIENCE.as_millis());
            std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + &limits).unwrap();
        }
        let nodes = Party::ALL.map(|party| {
            let runtime = runtime();
            let node = runtime.block_on(files.start(party));
            Some(Live { node, runtime })
        });
        for live in nodes.iter().flatten() {
            live.runtime.block_on(live.node.ready());
        }
        let main = runtime();
        let client = std::sync::Arc::new(main.block_on(files.client()).unwrap());
        let token = files.token("enrolment", Method::Enroll);
        main.block_on(async {
            client.enroll(&token, &target("c-0", "enrolment"), &[face_of(&face(0))]).await.map(drop).unwrap();
        });
        for live in nodes.iter().flatten() {
            until("the enrolment is closed", || live.entries() == 2);
        }
        Self { nodes, main, client, files }
    }

    fn live(&self, party: Party) -> &Live {
        self.nodes[party.index()].as_ref().unwrap()
    }

    fn ask(&self, method: Method) -> JoinHandle<Result<(), ClientError>> {
        let client = std::sync::Arc::clone(&self.client);
        let purpose = if method == Method::Enroll { "enrolment" } else { "cash_withdrawal" };
        let token = self.files.token(purpose, method);
        self.main.spawn(async move {
            if method == Method::Enroll {
                client.enroll(&token, &target("c-1", purpose), &[face_of(&face(1))]).await.map(drop)
            } else {
                client.verify(&token, &target("c-0", purpose), &[face_of(&face(0))], 1).await.map(drop)
            }
        })
    }

    fn kill(&mut self, party: Party) {
        let Live { node, runtime } = self.nodes[party.index()].take().unwrap();
        // Everything of it ends where it stands, sockets too.
        runtime.shutdown_background();
        drop(node);
    }
}

/// How long those who live waited for those who died, and for the slow one once it was slow no more.
fn stall(method: Method, dies: Party, slow: Party) -> Duration {
    let mut trial = Trial::start();
    let before = Party::ALL.map(|party| trial.live(party).entries());
    let batches = trial.live(Party::A).node.counters().batches();
    let disk = {
        let Live { node, runtime } = trial.live(slow);
        Slow::hold(runtime, node.store().clone())
    };
    let call = trial.ask(method);
    until("a batch", || trial.live(Party::A).node.counters().batches() > batches);
    // The leader admits before anybody else is asked.
    let others = Party::ALL.into_iter().filter(|party| *party != slow && slow != Party::A);
    let admitted: Vec<Party> = others.collect();
    for &party in &admitted {
        until("an admission", || trial.live(party).entries() > before[party.index()]);
    }
    trial.kill(dies);
    let mut longest = Duration::ZERO;
    for &party in admitted.iter().filter(|party| **party != dies) {
        let closed = until("who admitted ends", || trial.live(party).entries() == before[party.index()] + 2);
        longest = longest.max(closed);
    }
    if slow != Party::A {
        longest = longest.max(until("the client hears", || call.is_finished()));
    }
    disk.release();
    let begin = Instant::now();
    // What was admitted there is closed there, whatever became of the others.
    until("the slow one ends", || trial.live(slow).entries() == before[slow.index()] + 2);
    until("the client hears", || call.is_finished());
    longest = longest.max(begin.elapsed());
    let heard = trial.main.block_on(call).unwrap();
    let error = heard.expect_err("a node is missing");
    assert!(dies == Party::A || ["PEER_LOST", "CHANGE_REFUSED"].contains(&error.reason()), "{error}");
    longest
}

#[test]
fn nobody_waits_for_a_dead_node_or_for_what_a_dead_node_was_to_say_to_another() {
    let _turn = turn();
    let mut longest = Duration::ZERO;
    for method in [Method::Verify, Method::Enroll] {
        for dies in Party::ALL {
            for slow in [dies.next(), dies.prev()] {
                let waited = stall(method, dies, slow);
                println!("{method:?}: {dies} dies while {slow} is slow to admit: {waited:?}, of {BOUND:?}");
                longest = longest.max(waited);
            }
        }
    }
    println!("the longest: {longest:?}");
    assert!(longest < SOON, "with a patience of {PATIENCE:?}");
}
