//! SIGHUP: issuers' keys, officers and certificates are read again; whatever is wrong with them, nothing stops.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use crate::support::cluster::{Files, face_of, now, target, template};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;
use tumar::client::{Client, ClientConfig, ClientError};
use tumar::party::Party;
use tumar::request::Method;
use tumar::template::Template;
use tumar::tls::Pinned;
use tumar::token::{Algorithm, Issuer, SigningKey};

/// Said at `info`, once a reload.
const READ_AGAIN: &str = "reloaded: issuers' keys, officers and certificates are in force";

fn face() -> Template {
    template(&(0..512).map(|place: u16| f32::from(place * 37 % 64) - 31.5).collect::<Vec<_>>())
}

struct World {
    files: Files,
    nodes: [Child; 3],
}

impl World {
    async fn start() -> (Self, Client) {
        let files = Files::new();
        let nodes = Party::ALL.map(|party| files.spawn_saying(party, "info"));
        let mut world = Self { files, nodes };
        let client = world.client().await;
        (world, client)
    }

    async fn client(&mut self) -> Client {
        let linked = async {
            loop {
                if let Ok(client) = self.files.client().await {
                    return client;
                }
            }
        };
        timeout(Duration::from_mins(1), linked).await.expect("the nodes find each other")
    }

    /// Tells a node to read again, and returns when it has said what came of it, for the so-manieth time.
    async fn reload(&mut self, party: Party, words: &str) -> String {
        let count = |said: &str| said.matches(words).count();
        let before = count(&self.files.said(party));
        kill_process(Pid::from_child(&self.nodes[party.index()]), Signal::HUP).unwrap();
        let said = async {
            loop {
                let said = self.files.said(party);
                if count(&said) > before {
                    return said;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let said = timeout(Duration::from_mins(1), said).await;
        said.unwrap_or_else(|_| panic!("node {party} does not say \"{words}\": {}", self.files.said(party)))
    }

    fn is_running(&mut self) -> bool {
        self.nodes.iter_mut().all(|node| node.try_wait().unwrap().is_none())
    }

    fn stop(&mut self) {
        for node in &mut self.nodes {
            kill_process(Pid::from_child(node), Signal::TERM).unwrap();
            assert!(node.wait().unwrap().success());
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // One that has ended is what is wanted.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

async fn verify(client: &Client, token: &str) -> Result<bool, ClientError> {
    let asked = target("c-1", "cash_withdrawal");
    client.verify(token, &asked, &[face_of(&face())], 1).await.map(|verified| verified.matched)
}

/// A new certificate and key for these names.
fn certify(folder: &Path, name: &str, names: &[&str]) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(folder.join(format!("{name}.crt")), made.cert.pem()).unwrap();
    fs::write(folder.join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn issuers_keys_and_officers_are_read_again_and_a_bad_file_changes_nothing() {
    let (mut world, client) = World::start().await;
    let enrol = world.files.token("enrolment", Method::Enroll);
    client.enroll(&enrol, &target("c-1", "enrolment"), &[face_of(&face())]).await.unwrap();
    let old = world.files.issuer_of("b17");
    let asked = world.files.token_request("b17", "cash_withdrawal", &[Method::Verify], 1);
    let name = format!("https://issuer.b17.{}.tumar.internal", asked.deployment);
    let new = Issuer::new(name, SigningKey::generate(Algorithm::EdDsa).unwrap().0);
    let token = |issuer: &Issuer| issuer.issue(&asked, now()).unwrap();
    let jwks = world.files.path("issuer/jwks.json");
    let good = fs::read_to_string(&jwks).unwrap();

    // The issuer has another key: until the nodes are told, it is nobody's.
    fs::write(&jwks, new.jwks()).unwrap();
    assert!(verify(&client, &token(&old)).await.unwrap());
    let unknown = verify(&client, &token(&new)).await.unwrap_err().reason().to_owned();
    for party in Party::ALL {
        world.reload(party, READ_AGAIN).await;
    }
    assert!(verify(&client, &token(&new)).await.unwrap());
    assert_eq!(verify(&client, &token(&old)).await.unwrap_err().reason(), unknown);

    // Each of these is refused whole, and named; what stood goes on.
    let officers = world.files.path("officers/officers.toml");
    let files = [
        jwks.clone(),
        officers.clone(),
        world.files.node(Party::A).join("keys/tls.crt"),
        world.files.node(Party::A).join("node.toml"),
    ];
    for file in files {
        let before = fs::read(&file).unwrap();
        fs::write(&file, "no such thing {").unwrap();
        let said = world.reload(Party::A, "reload failed").await;
        let line = said.lines().rfind(|line| line.contains("reload failed")).unwrap();
        assert!(line.contains("ERROR") && line.contains(file.file_name().unwrap().to_str().unwrap()), "{line}");
        assert!(verify(&client, &token(&new)).await.unwrap() && world.is_running(), "{}", file.display());
        fs::write(&file, before).unwrap();
    }
    // The others would refuse what an authority has.
    let keys = world.files.node(Party::A).join("keys");
    let [certificate, key] = ["peer.crt", "peer.key"].map(|name| keys.join(name));
    let before = [&certificate, &key].map(|file| fs::read(file).unwrap());
    let mut params = rcgen::CertificateParams::new(vec!["node-a.tumar.internal".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let made = rcgen::KeyPair::generate().unwrap();
    fs::write(&certificate, params.self_signed(&made).unwrap().pem()).unwrap();
    fs::write(&key, made.serialize_pem()).unwrap();
    let said = world.reload(Party::A, "reload failed").await;
    let line = said.lines().rfind(|line| line.contains("reload failed")).unwrap();
    assert!(line.contains("peer.crt") && line.contains("CA:TRUE"), "{line}");
    assert!(verify(&client, &token(&new)).await.unwrap() && world.is_running());
    fs::write(&certificate, &before[0]).unwrap();
    fs::write(&key, &before[1]).unwrap();
    world.reload(Party::A, READ_AGAIN).await;

    // What is not taken at once is told.
    let config = world.files.node(Party::B).join("node.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("link_hours = 5\n{text}")).unwrap();
    fs::write(&jwks, &good).unwrap();
    let said = world.reload(Party::B, "takes effect at the next start").await;
    assert!(said.contains("link_hours in "), "{said}");
    assert!(world.is_running());
    world.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_replaced_while_everything_runs() {
    let (mut world, client) = World::start().await;
    let enrol = world.files.token("enrolment", Method::Enroll);
    client.enroll(&enrol, &target("c-1", "enrolment"), &[face_of(&face())]).await.unwrap();

    // The leader's for clients: who is connected stays so; who comes sees the new one.
    certify(&world.files.node(Party::A).join("keys"), "tls", &["localhost", "127.0.0.1"]);
    world.reload(Party::A, READ_AGAIN).await;
    let token = world.files.token("cash_withdrawal", Method::Verify);
    assert!(verify(&client, &token).await.unwrap());
    let pem = fs::read(world.files.node(Party::A).join("keys/tls.crt")).unwrap();
    let config = ClientConfig { certificate: Pinned::from_pem(&pem).unwrap(), ..world.files.client_config() };
    let client = Client::connect(config, now).await.unwrap();

    // A node's for its peers: all three are told, and the next connect goes by the new one.
    let letter = Party::B.letter();
    certify(&world.files.node(Party::B).join("keys"), "peer", &[&format!("node-{letter}.tumar.internal")]);
    for party in Party::ALL {
        world.reload(party, READ_AGAIN).await;
    }
    let helper = &mut world.nodes[Party::C.index()];
    kill_process(Pid::from_child(helper), Signal::TERM).unwrap();
    assert!(helper.wait().unwrap().success());
    *helper = world.files.spawn_saying(Party::C, "info");
    let served = async {
        loop {
            let token = world.files.token("cash_withdrawal", Method::Verify);
            if let Ok(matched) = verify(&client, &token).await {
                return matched;
            }
        }
    };
    assert!(timeout(Duration::from_mins(1), served).await.expect("C dials by what B shows now"));
    world.stop();
}
