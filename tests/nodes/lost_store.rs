//! A store that is lost, or an older copy: nothing is served with it, and who is erased is erased wherever there is anything of them.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::support::cluster::{Files, Trio, face_of, now, target, template};
use tokio::time::timeout;
use tumar::client::{ClientError, ErasureCertificate, Refusal};
use tumar::node::{Config, Node};
use tumar::party::Party;
use tumar::request::Method;
use tumar::template::Template;

fn face() -> Template {
    template(&(0..512).map(|place: u16| f32::from(place * 37 % 64) - 31.5).collect::<Vec<_>>())
}

async fn enrol(trio: &Trio, subject: &str) -> Result<(), ClientError> {
    let token = trio.files.token("enrolment", Method::Enroll);
    trio.client.enroll(&token, &target(subject, "enrolment"), &[face_of(&face())]).await.map(drop)
}

async fn matches(trio: &Trio, subject: &str) -> Result<bool, ClientError> {
    let token = trio.files.token("cash_withdrawal", Method::Verify);
    let asked = target(subject, "cash_withdrawal");
    trio.client.verify(&token, &asked, &[face_of(&face())], 1).await.map(|verified| verified.matched)
}

async fn erase(trio: &Trio, subject: &str) -> Result<ErasureCertificate, ClientError> {
    let token = trio.files.token("erasure", Method::Erase);
    trio.client.erase(&token, &target(subject, "erasure")).await
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Refusal {
    answer.unwrap_err().refusal().unwrap().clone()
}

/// The reason, and the node that it is of.
fn said<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (String, Option<Party>) {
    let refusal = refusal(answer);
    (refusal.reason, refusal.node)
}

/// A node that does not compare its log with others': what its store lacks is looked at here, and the log is looked at before.
fn alone(files: &Files) {
    for party in Party::ALL {
        let path = files.node(party).join("node.toml");
        let mut config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        config.remove("audit");
        fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
    }
}

async fn all(files: Files, accepting: Option<Party>) -> Trio {
    let mut nodes: Vec<Node> = Vec::new();
    for party in Party::ALL {
        let mut config = Config::read(&files.node(party).join("node.toml")).unwrap();
        config.accept_store = accepting == Some(party);
        nodes.push(tumar::node::start(config, Arc::new(now)).await.unwrap());
    }
    for node in &nodes {
        timeout(Duration::from_mins(1), node.ready()).await.expect("all three are linked");
    }
    let client = files.client().await.unwrap();
    Trio { files, nodes, client }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_store_serves_nobody_and_erasing_reaches_what_the_others_hold() {
    for lost in [Party::C, Party::A] {
        let files = Files::new();
        alone(&files);
        let trio = all(files, None).await;
        for subject in ["ada", "bob", "eve"] {
            enrol(&trio, subject).await.unwrap();
        }
        assert!(trio.files.serves(Party::A).await);
        let files = trio.stop().await;
        fs::remove_dir_all(files.node(lost).join("data")).unwrap();

        let trio = all(files, None).await;
        let out_of_step = || ("NODES_OUT_OF_STEP".to_owned(), Some(lost));
        assert_eq!(said(matches(&trio, "ada").await), out_of_step());
        assert_eq!(said(enrol(&trio, "new").await), out_of_step());
        for party in Party::ALL {
            assert!(!trio.files.serves(party).await, "{party}");
        }
        let certificate = erase(&trio, "ada").await.unwrap();
        assert_eq!(certificate.had_none(), [lost]);
        let (nodes, deployment) = (&trio.client.config().nodes, trio.client.deployment());
        let read = ErasureCertificate::from_json(&certificate.to_json()).unwrap();
        read.verify(nodes, deployment).unwrap();
        // Nobody can make a node say what it did not sign.
        let lie = certificate.to_json().replace("had_none", "erased");
        assert!(ErasureCertificate::from_json(&lie).unwrap().verify(nodes, deployment).is_err());
        assert_eq!(said(erase(&trio, "ada").await).0, "SUBJECT_UNKNOWN", "there is nobody of that name any more");

        // The operator says that it is lost for good.
        let trio = all(trio.stop().await, Some(lost)).await;
        let served = async { while said(matches(&trio, "eve").await) != ("SUBJECT_UNKNOWN".to_owned(), Some(lost)) {} };
        timeout(Duration::from_secs(30), served).await.expect("the store is taken as it is");
        if lost != Party::A {
            assert_eq!(said(enrol(&trio, "bob").await).0, "SUBJECT_EXISTS");
        }
        let trio = all(trio.stop().await, None).await;
        assert_eq!(erase(&trio, "bob").await.unwrap().had_none(), [lost]);
        for subject in ["ada", "bob"] {
            enrol(&trio, subject).await.unwrap();
            assert!(matches(&trio, subject).await.unwrap(), "{subject}");
        }
        let whole = erase(&trio, "bob").await.unwrap();
        assert_eq!(whole.had_none(), []);
        trio.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_a_store_serves_nobody_until_the_latest_is_back() {
    let files = Files::new();
    alone(&files);
    let trio = all(files, None).await;
    enrol(&trio, "ada").await.unwrap();
    let files = trio.stop().await;
    let data = files.node(Party::B).join("data");
    let [older, latest] = ["older", "latest"].map(|name| files.path(name));
    copy(&data, &older);
    let trio = all(files, None).await;
    enrol(&trio, "bob").await.unwrap();
    let files = trio.stop().await;
    fs::rename(&data, &latest).unwrap();
    copy(&older, &data);

    let trio = all(files, None).await;
    for subject in ["ada", "bob"] {
        assert_eq!(said(matches(&trio, subject).await), ("NODES_OUT_OF_STEP".to_owned(), Some(Party::B)));
    }
    let files = trio.stop().await;
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&latest, &data).unwrap();
    let trio = all(files, None).await;
    for subject in ["ada", "bob"] {
        assert!(matches(&trio, subject).await.unwrap(), "{subject}");
    }
    assert!(trio.files.serves(Party::B).await);
    trio.stop().await;
}
