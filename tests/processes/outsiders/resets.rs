//! Streams that are begun and reset at once, and other noise: little of it is written to the node's log.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tumar::party::Party;

use super::Nodes;
use super::caller::head;

/// How long the flood lasts, at least.
const FLOOD: Duration = Duration::from_secs(12);

/// What the leader may write meanwhile, in bytes.
const SAID: usize = 8 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_resets_and_of_noise_leave_little_in_the_log_and_others_are_served() {
    let nodes = Nodes::start(1024).await;
    let client = nodes.client().await;
    let before = nodes.files.said(Party::A).len();
    let (began, mut resets, mut connections) = (Instant::now(), 0_u32, 0_u32);
    let (leader, mut verified) = (nodes.config(Party::A), 0);
    while began.elapsed() < FLOOD {
        let mut send = nodes.h2().await;
        connections += 1;
        for _ in 0..400 {
            let Ok(ready) = send.ready().await else { break };
            send = ready;
            let Ok((_, mut body)) = send.send_request(head("tumar.v1.MatchingService/VerifySubject", &[]), false)
            else {
                break;
            };
            body.send_reset(h2::Reason::CANCEL);
            resets += 1;
        }
        for address in [&leader.public, &leader.peer, &leader.audit.as_ref().unwrap().address] {
            if let Ok(mut noise) = TcpStream::connect(address).await {
                drop(noise.write_all(&[0x16; 300]).await);
            }
        }
        if connections.is_multiple_of(10) {
            nodes.verify(&client).await;
            verified += 1;
        }
    }
    nodes.verify(&client).await;
    let said = nodes.files.said(Party::A);
    println!(
        "{resets} resets on {connections} connections, {verified} comparisons meanwhile; said:\n{}",
        &said[before..]
    );
    assert!(resets > 1000, "{resets}");
    assert!(said.len() - before < SAID, "{} bytes", said.len() - before);
}
