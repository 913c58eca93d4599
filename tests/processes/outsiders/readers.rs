//! Readers of a node's port for auditors who take their time.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tumar::log::cosign::CosignerKey;
use tumar::node::raise_descriptors;
use tumar::party::Party;
use tumar::web::HttpClient;

use super::Nodes;

/// More than there is room for at the port.
const SLOW: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_at_all_three_ports_keep_no_checkpoint_from_its_cosignatures_and_no_auditor_out() {
    raise_descriptors();
    let nodes = Nodes::start(1024).await;
    let client = nodes.client().await;
    let mut held = Vec::new();
    for party in Party::ALL {
        let address = nodes.config(party).audit.unwrap().address;
        for reader in 0..SLOW {
            // A node hangs up on whoever is one too many: in the middle of a handshake as well.
            let Some(mut stream) = nodes.try_secured(party, &address, "http/1.1").await else { continue };
            let request = match reader % 3 {
                // An answer that nobody takes; a head that does not end; a body that does not come.
                0 => "GET /page/charts.js HTTP/1.1\r\nhost: x\r\n\r\n".repeat(8),
                1 => "GET / HTTP/1.1\r\nhost".to_owned(),
                _ => "POST /add-checkpoint HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\nold".to_owned(),
            };
            drop(stream.write_all(request.as_bytes()).await);
            held.push(stream);
        }
    }
    assert!(held.len() > SLOW, "{} readers at three ports", held.len());
    nodes.verify(&client).await;
    // Two entries of the enrolment, and two of the comparison.
    for party in Party::ALL {
        let keys: Vec<CosignerKey> = nodes
            .config(party)
            .peers
            .iter()
            .map(|peer| peer.audit.as_ref().unwrap().cosigner.parse().unwrap())
            .collect();
        let folder = std::fs::read_dir(nodes.files.node(party).join("data/log")).unwrap().next().unwrap().unwrap();
        let checkpoint = folder.path().join("checkpoint");
        let cosigned = async {
            loop {
                let note = std::fs::read_to_string(&checkpoint).unwrap();
                let whole = note.lines().nth(1) == Some("4");
                if whole && keys.iter().all(|key| key.verify(&note).is_ok()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(30), cosigned).await.is_ok(), "node {party}'s checkpoint");
    }
    let audit = nodes.config(Party::B).audit.unwrap();
    let port = audit.address.rsplit_once(':').unwrap().1.to_owned();
    let pem = std::fs::read(nodes.certificate(Party::B)).unwrap();
    let read = tokio::task::spawn_blocking(move || {
        let site = HttpClient::new(&format!("https://localhost:{port}"), Some(&pem), Duration::from_secs(20)).unwrap();
        site.get("/logs.json?own", None).unwrap().status
    });
    assert_eq!(read.await.unwrap(), 200);
    // Whoever sent half a head is hung up on by now, or was sent away for another.
    let silent = held.get_mut(1).unwrap();
    let mut rest = Vec::new();
    drop(tokio::time::timeout(Duration::from_secs(30), silent.read_to_end(&mut rest)).await.expect("an end"));
}
