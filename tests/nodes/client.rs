//! The client against nodes that run: what it does again by itself, and what a repeated request gets.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use crate::support::ports::free_ports;
use tempfile::TempDir;
use tumar::client::{Capture, Client, ClientConfig, ClientError, Prepared, Target};
use tumar::log::receipt::Outcome;
use tumar::name::ModelId;
use tumar::node::{Config, Node};
use tumar::party::Party;
use tumar::request::Minute;
use tumar::seal::StoreKey;
use tumar::store::Store;
use tumar::template::Template;
use tumar::template::face::quantise;
use tumar::template::model::Models;
use zeroize::Zeroizing;

#[expect(clippy::disallowed_methods, reason = "tokens here are made by a process that reads the same clock")]
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn tumar(line: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tumar")).args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

struct World {
    folder: TempDir,
    nodes: Vec<Node>,
}

impl World {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        tumar(&format!("init {} --base-port {}", folder.path().display(), free_ports()));
        let mut world = Self { folder, nodes: Vec::new() };
        for party in Party::ALL {
            let node = world.node(party).await;
            world.nodes.push(node);
        }
        world.ready().await;
        world
    }

    fn home(&self, party: Party) -> std::path::PathBuf {
        self.folder.path().join(party.letter())
    }

    async fn node(&self, party: Party) -> Node {
        let config = Config::read(&self.home(party).join("node.toml")).unwrap();
        Box::pin(tumar::node::start(config, Arc::new(now))).await.unwrap()
    }

    async fn ready(&self) {
        for node in &self.nodes {
            node.ready().await;
        }
    }

    async fn client(&self) -> Client {
        let config = ClientConfig::read(&self.folder.path().join("client").join("client.toml")).unwrap();
        Client::connect(config, now).await.unwrap()
    }

    fn token(&self, of: &str) -> String {
        tumar(&format!("token --dir {} {of}", self.folder.path().display()))
    }

    async fn enrol(&self, client: &Client) {
        let token = self.token("--purpose enrolment --action enroll --amr registry_check");
        client.enroll(&token, &target("enrolment"), &[face_of(&face(1.1))]).await.unwrap();
    }
}

fn target(purpose: &str) -> Target {
    Target {
        gallery: "banks/b17/customers".parse().unwrap(),
        subject: "p1".parse().unwrap(),
        purpose: purpose.parse().unwrap(),
    }
}

fn model() -> ModelId {
    "sface128".parse().unwrap()
}

fn face_of(template: &Template) -> Capture<'_> {
    static SFACE: LazyLock<ModelId> = LazyLock::new(model);
    Capture { model: &SFACE, template }
}

fn face(turn: f32) -> Template {
    let embedding: Vec<f32> = (0..128_u8).map(|place| (f32::from(place) * turn).sin()).collect();
    quantise(&embedding, Models::built_in().find(&model()).unwrap()).unwrap()
}

/// Destroys the envelope keys of a node that is stopped: it draws another one when it starts.
async fn destroy_keys(home: &Path, party: Party) {
    let key = fs::read(home.join("keys/store.key")).unwrap();
    let key = StoreKey::from_bytes(&Zeroizing::new(key.try_into().unwrap()));
    let store = Store::open(&home.join("data/store.sqlite"), "dev".parse().unwrap(), party, key).await.unwrap();
    for kept in store.envelope_keys().await.unwrap() {
        store.destroy_envelope_key(kept.key.public().id()).await.unwrap();
    }
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_keys_are_retired_asks_for_the_new_ones_and_spends_its_token_once() {
    let mut world = World::start().await;
    let client = world.client().await;
    world.enrol(&client).await;
    let before = *client.committee().key(Party::B).id();

    world.nodes.remove(1).stop().await.unwrap();
    destroy_keys(&world.home(Party::B), Party::B).await;
    let node = world.node(Party::B).await;
    world.nodes.insert(1, node);
    world.ready().await;

    // One use: what is sealed to the old key is refused by the leader, which knows B's new one, before anything is spent.
    let token = world.token("--purpose cash_withdrawal --action verify --max-uses 1");
    let verified = client.verify(&token, &target("cash_withdrawal"), &[face_of(&face(1.1))], 0).await.unwrap();
    assert!(verified.matched);
    assert_ne!(*client.committee().key(Party::B).id(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_has_the_same_answer_and_is_no_second_use() {
    let world = World::start().await;
    let client = world.client().await;
    world.enrol(&client).await;
    let token = world.token("--purpose cash_withdrawal --action verify");
    let prepare = |turn| {
        let (config, committee) = (client.config(), client.committee());
        Prepared::verify(config, &committee, &target("cash_withdrawal"), &[face_of(&face(turn))], 0, Minute::of(now()))
            .unwrap()
    };
    let request = prepare(2.3);
    let first = client.send(&token, &request).await.unwrap();
    assert_eq!(first.outcome, Outcome::NoMatch);
    let again = client.send(&token, &request).await.unwrap();
    assert_eq!(again.receipts, first.receipts);
    let reason = |error: ClientError| error.reason().to_owned();
    assert_eq!(client.send(&token, &prepare(1.1)).await.map_err(reason).unwrap_err(), "TOKEN_SPENT");
}
