//! Three processes, one of which has a disk that fills up, or a folder that can not be written: nobody is served wrongly, callers hear
//! which node and why, the two nodes concerned say that they do not serve, and all goes on without a restart.

#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use crate::support::cluster::{Files, entries, face_of, target, template};
use tokio::time::{Instant, sleep, timeout};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tumar::client::{Client, ClientError};
use tumar::node::Config;
use tumar::party::Party;
use tumar::request::Method;
use tumar::template::Template;
use tumar::tls::{Dialler, Pinned};

/// A small disk of its own, let go when dropped.
struct Disk(PathBuf);

impl Disk {
    /// None where this user may not mount.
    fn at(folder: &Path) -> Option<Self> {
        let how = ["-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs"];
        let mounted = Command::new("mount").args(how).arg(folder).status().is_ok_and(|status| status.success());
        mounted.then(|| Self(folder.to_owned()))
    }

    /// Takes all room there is.
    fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = File::create(&ballast).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
        ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

struct Nodes {
    files: Files,
    processes: [Child; 3],
}

impl Nodes {
    fn start(files: Files) -> Self {
        let processes = Party::ALL.map(|party| files.spawn(party));
        Self { files, processes }
    }

    async fn client(&self) -> Client {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            match self.files.client().await {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < deadline, "the nodes do not serve: {error}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What one call comes to: a match, or why not.
    async fn verify(&self, client: &Client) -> Result<bool, ClientError> {
        let token = self.files.token("cash_withdrawal", Method::Verify);
        let asked = target("c-1", "cash_withdrawal");
        client.verify(&token, &asked, &[face_of(&face())], 1).await.map(|verified| verified.matched)
    }

    async fn is_serving(&self, party: Party) -> bool {
        let folder = self.files.node(party);
        let config = Config::read(&folder.join("node.toml")).unwrap();
        let certificate = Pinned::from_pem(&fs::read(folder.join("keys/tls.crt")).unwrap()).unwrap();
        let channel = Dialler::new(None, &certificate, "localhost").unwrap().dial(&config.public).await.unwrap();
        let asked = HealthCheckRequest { service: "tumar.v1.MatchingService".to_owned() };
        let answer = HealthClient::new(channel).check(asked).await.unwrap().into_inner();
        answer.status() == ServingStatus::Serving
    }

    async fn health(&self, party: Party, serving: bool) {
        let told = async {
            while self.is_serving(party).await != serving {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_mins(1), told).await.unwrap_or_else(|_| panic!("{party}: not {serving} in a minute"));
    }

    /// Calls until the answer is one node's trouble.
    async fn hears(&self, client: &Client, party: Party, reason: &str) {
        let heard = async {
            loop {
                match self.verify(client).await {
                    Ok(matched) => assert!(matched, "a wrong answer"),
                    Err(error) if error.reason() == reason => {
                        assert_eq!(error.refusal().unwrap().node, Some(party), "{error}");
                        return;
                    }
                    Err(error) => println!("{party}: {error}"),
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_mins(1), heard).await.unwrap_or_else(|_| panic!("nobody hears {reason} of {party}"));
    }

    async fn is_well(&self, client: &Client) {
        for party in Party::ALL {
            self.health(party, true).await;
        }
        let well = async {
            while self.verify(client).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_mins(1), well).await.expect("calls are answered again");
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

fn face() -> Template {
    template(&(0..512).map(|place: u16| f32::from(place * 37 % 64) - 31.5).collect::<Vec<_>>())
}

async fn enrol(nodes: &Nodes) -> Client {
    let client = nodes.client().await;
    let token = nodes.files.token("enrolment", Method::Enroll);
    client.enroll(&token, &target("c-1", "enrolment"), &[face_of(&face())]).await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_disk_is_full_says_so_and_goes_on_when_there_is_room() {
    for party in [Party::A, Party::C] {
        let files = Files::new();
        let Some(disk) = Disk::at(&files.node(party).join("data")) else {
            eprintln!("NOT RUN: this user may not mount a small disk, so nothing here shows what a full one does");
            return;
        };
        let mut nodes = Nodes::start(files);
        let client = enrol(&nodes).await;
        for _ in 0..2 {
            let ballast = disk.fill();
            nodes.hears(&client, party, "LOG_DISK_FULL").await;
            nodes.health(party, false).await;
            nodes.health(Party::LEADER, false).await;
            assert_eq!(nodes.files.client().await.unwrap_err().reason(), "LOG_DISK_FULL");
            let said = nodes.files.said(party);
            assert!(said.contains("the disk is full") && said.contains("full"), "{said}");
            fs::remove_file(ballast).unwrap();
            nodes.is_well(&client).await;
            assert!(nodes.processes.iter_mut().all(|process| process.try_wait().unwrap().is_none()), "none ended");
        }
        drop(client);
        for process in &mut nodes.processes {
            assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
            assert_eq!(process.wait().unwrap().code(), Some(0));
        }
        // Each request that anybody answered stands in all three logs.
        let counts = Party::ALL.map(|party| entries(&nodes.files.node(party)).len());
        assert!(counts.iter().all(|&count| count >= 4), "{counts:?}");
        drop(nodes);
        drop(disk);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_can_not_write_its_published_files_says_so_and_goes_on_when_it_can() {
    let party = Party::B;
    let nodes = Nodes::start(Files::new());
    let client = enrol(&nodes).await;
    let log = nodes.files.node(party).join("data/log");
    let aside = nodes.files.node(party).join("aside");
    // A file in the folder's place: nobody can write there, whoever they are.
    fs::rename(&log, &aside).unwrap();
    fs::write(&log, "in the way").unwrap();
    nodes.hears(&client, party, "LOG_UNWRITABLE").await;
    nodes.health(party, false).await;
    nodes.health(Party::LEADER, false).await;
    let said = nodes.files.said(party);
    assert!(said.contains(&log.display().to_string()), "the path is told: {said}");
    fs::remove_file(&log).unwrap();
    fs::rename(&aside, &log).unwrap();
    nodes.is_well(&client).await;
}
