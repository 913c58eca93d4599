//! Connections that ask nothing.

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tumar::node::{LEAST_DESCRIPTORS, raise_descriptors};
use tumar::party::Party;

use super::Nodes;

/// More than the node's descriptors are.
const IDLE: usize = 600;

#[tokio::test(flavor = "multi_thread")]
async fn more_idle_connections_than_a_node_has_descriptors_stop_neither_it_nor_its_log() {
    raise_descriptors();
    let descriptors = u32::try_from(LEAST_DESCRIPTORS + 64).unwrap();
    let nodes = Nodes::start(descriptors).await;
    let before = nodes.client().await;
    nodes.verify(&before).await;
    let leader = nodes.config(Party::A);
    let audit = leader.audit.as_ref().unwrap();
    let mut held = Vec::new();
    for _ in 0..IDLE {
        for address in [&leader.public, &leader.peer, &audit.address] {
            held.push(TcpStream::connect(address).await.unwrap());
        }
    }
    let mut secured = Vec::new();
    for _ in 0..100 {
        secured.push(nodes.secured(Party::A, &leader.public, "h2").await);
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", nodes.children[0].id())).unwrap().count();
    assert!(open < LEAST_DESCRIPTORS + 64 - 64, "{open} descriptors are in use");
    // Who was there before, who comes now, and who reads.
    nodes.verify(&before).await;
    let after = nodes.client().await;
    nodes.verify(&after).await;
    let entries = 2 * 4;
    let half = std::fs::read_dir(nodes.files.node(Party::A).join("data/log")).unwrap().next().unwrap().unwrap().path();
    while std::fs::read_to_string(half.join("checkpoint")).unwrap().lines().nth(1).unwrap() != entries.to_string() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // Whoever has TLS and says nothing is told to go.
    let mut silent = secured.pop().unwrap();
    let ends = tokio::time::timeout(std::time::Duration::from_secs(30), silent.read_to_end(&mut Vec::new())).await;
    assert!(ends.is_ok(), "a connection without a call goes on for half a minute");
    drop((held, secured));
}
