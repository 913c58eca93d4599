//! Who has no token, at three real processes: what it can send, hold and keep open, and that others are served meanwhile.
#![allow(clippy::unwrap_used, reason = "tests")]

mod caller;

mod bodies;
mod idle;
mod readers;
mod resets;

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::cluster::{Files, face_of, target, template};
use tumar::client::Client;
use tumar::node::Config;
use tumar::party::Party;
use tumar::request::Method;
use tumar::template::Template;

/// Three nodes as processes of their own.
struct Nodes {
    files: Files,
    children: Vec<Child>,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn face() -> Template {
    template(&(0..512_u16).map(|at| f32::from(at * 37 % 101) - 50.0).collect::<Vec<_>>())
}

impl Nodes {
    /// Nodes of so many descriptors each, which say what nodes say if nobody asks for more.
    async fn start(descriptors: u32) -> Self {
        let files = Files::new();
        let children = Party::ALL.map(|party| {
            let words = OpenOptions::new().create(true).append(true).open(files.node(party).join("words")).unwrap();
            Command::new("sh")
                .args(["-c", "ulimit -n $0 && exec \"$@\"", &descriptors.to_string(), env!("CARGO_BIN_EXE_tumar")])
                .args(["node", "--config"])
                .arg(files.node(party).join("node.toml"))
                .env_remove("RUST_LOG")
                .stdout(Stdio::null())
                .stderr(words)
                .spawn()
                .unwrap()
        });
        let nodes = Self { files, children: children.into() };
        nodes.enrol("ada").await;
        nodes
    }

    /// A client, as soon as the nodes are linked.
    async fn client(&self) -> Client {
        let began = tokio::time::Instant::now();
        loop {
            match self.files.client().await {
                Ok(client) => return client,
                Err(error) if began.elapsed() > Duration::from_mins(1) => panic!("no node in a minute: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn enrol(&self, subject: &str) {
        let token = self.files.token("enrolment", Method::Enroll);
        let client = self.client().await;
        client.enroll(&token, &target(subject, "enrolment"), &[face_of(&face())]).await.unwrap();
    }

    /// A comparison that must be made.
    async fn verify(&self, client: &Client) {
        let token = self.files.token("cash_withdrawal", Method::Verify);
        let asked = target("ada", "cash_withdrawal");
        assert!(client.verify(&token, &asked, &[face_of(&face())], 1000).await.unwrap().matched);
    }

    fn config(&self, party: Party) -> Config {
        Config::read(&self.files.node(party).join("node.toml")).unwrap()
    }

    /// A number of `/proc/PID/status` of the leader's process.
    fn status(&self, name: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.children[0].id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
    }

    /// KiB of memory that the leader holds.
    fn memory(&self) -> usize {
        self.status("VmRSS")
    }

    /// The certificate of a node's ports for everybody.
    fn certificate(&self, party: Party) -> PathBuf {
        self.files.node(party).join("keys/tls.crt")
    }
}
