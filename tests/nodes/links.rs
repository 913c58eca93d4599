//! Clients are let in while all three links are up, and at once then.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use crate::support::cluster::{Files, Trio, face_of, target, template};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;
use tumar::client::{Client, ClientError};
use tumar::node::Config;
use tumar::party::Party;
use tumar::request::Method;
use tumar::template::Template;

fn face() -> Template {
    template(&(0..512).map(|place: u16| f32::from(place * 37 % 64) - 31.5).collect::<Vec<_>>())
}

/// The one way from B to C: while it is shut, nothing comes through, and what was under way is cut.
async fn gate(files: &Files) -> watch::Sender<bool> {
    let config = files.node(Party::B).join("node.toml");
    let address =
        Config::read(&config).unwrap().peers.iter().find(|peer| peer.party == Party::C).unwrap().address.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace(&address, &listener.local_addr().unwrap().to_string())).unwrap();
    let (is_open, opened) = watch::channel(true);
    tokio::spawn(async move {
        while let Ok((mut one, _)) = listener.accept().await {
            let (address, mut opened) = (address.clone(), opened.clone());
            tokio::spawn(async move {
                if *opened.borrow_and_update() {
                    let mut other = TcpStream::connect(address).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut one, &mut other) => {}
                        _ = opened.changed() => {}
                    }
                }
            });
        }
    });
    is_open
}

async fn verify(files: &Files, client: &Client) -> Result<bool, ClientError> {
    let token = files.token("cash_withdrawal", Method::Verify);
    let asked = target("c-1", "cash_withdrawal");
    client.verify(&token, &asked, &[face_of(&face())], 1).await.map(|verified| verified.matched)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_committee_is_whole_only_while_the_helpers_are_linked_to_each_other() {
    let files = Files::new();
    let is_open = gate(&files).await;
    let trio = Trio::of(files).await;
    let token = trio.files.token("enrolment", Method::Enroll);
    trio.client.enroll(&token, &target("c-1", "enrolment"), &[face_of(&face())]).await.unwrap();
    for _ in 0..3 {
        is_open.send_replace(false);
        // A's own links stay as they are: it knows by the word of the others.
        let parted = async { while trio.files.client().await.is_ok() {} };
        timeout(Duration::from_secs(20), parted).await.expect("A is told that the others are parted");
        let refused = trio.files.client().await.unwrap_err();
        let refusal = refused.refusal().unwrap();
        assert_eq!((refusal.reason.as_str(), refusal.link.as_deref()), ("COMMITTEE_INCOMPLETE", Some("B-C")));
        assert_eq!(refusal.check.as_deref(), Some("reached"));
        let refused = verify(&trio.files, &trio.client).await.unwrap_err();
        let refusal = refused.refusal().unwrap();
        assert_eq!(refusal.reason, "PEER_LOST");
        assert!(matches!(refusal.node, Some(Party::B | Party::C)), "the leader need not wait: {refusal:?}");

        is_open.send_replace(true);
        for node in &trio.nodes {
            node.ready().await;
        }
        let client = trio.files.client().await.unwrap();
        assert!(verify(&trio.files, &client).await.unwrap(), "at once, at every node");
    }
    trio.stop().await;
}

#[test]
fn a_node_that_is_torn_down_lets_go_of_its_store() {
    let files = Files::new();
    for _ in 0..2 {
        let runtime = Runtime::new().unwrap();
        // The second one finds the store free, or does not start.
        let node = runtime.block_on(files.start(Party::B));
        runtime.shutdown_timeout(Duration::from_secs(20));
        drop(node);
    }
}
