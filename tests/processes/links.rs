//! Two nodes that do not work together: both say why, with peer, address and check, once a minute; clients hear which link it is; and a
//! node that stands still costs who calls the time of one call.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tonic_health::pb::health_check_response::ServingStatus;
use tumar::client::{Client, ClientError, Refusal};
use tumar::log::receipt::Outcome;
use tumar::party::Party;

use crate::nodes::{LOOK, Nodes, replace};
use crate::support::cluster::{now, reason};

/// What a client hears that asks for the committee.
async fn heard(nodes: &Nodes) -> Refusal {
    loop {
        match Client::connect(nodes.files.client_config(), now).await {
            Err(ClientError::Refused(refusal)) if refusal.link.is_some() => return *refusal,
            Ok(_) | Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Lines of what a node said since, that name a check and a peer.
fn lines(nodes: &Nodes, party: Party, since: usize, check: &str, peer: Party) -> Vec<String> {
    let said = nodes.files.said(party);
    let names = |line: &&str| line.contains(&format!("check={check}")) && line.contains(&format!("peer={peer}"));
    said.lines().skip(since).filter(names).map(str::to_owned).collect()
}

/// B is started with something that C does not take, or does not take C for it; and is put right again.
struct Wrong {
    check: &'static str,
    /// What B says of it.
    words: &'static str,
    file: &'static str,
    old: String,
    new: String,
}

fn wrongs(nodes: &Nodes) -> Vec<Wrong> {
    let own = |name: &str| std::fs::read_to_string(nodes.files.path(name)).unwrap();
    // Of C: the second of its peers.
    let identity = own("b/node.toml").lines().filter(|line| line.starts_with("identity = ")).nth(1).unwrap().to_owned();
    let other = |line: &str| format!("{}{}\"", &line[..12], line[12..76].chars().rev().collect::<String>());
    vec![
        Wrong {
            check: "policy",
            words: "the peer runs under another policy",
            file: "b/node.toml",
            old: "policy = \"../policy.toml\"".to_owned(),
            new: "policy = \"policy.toml\"".to_owned(),
        },
        Wrong {
            check: "models",
            words: "the peer has other models",
            file: "b/node.toml",
            old: "models = \"../models.toml\"".to_owned(),
            new: "models = \"models.toml\"".to_owned(),
        },
        Wrong {
            check: "identity",
            words: "signature is not by the identity key",
            file: "b/node.toml",
            old: identity.clone(),
            new: other(&identity),
        },
        Wrong {
            check: "certificate",
            words: "received fatal alert",
            file: "c/node.toml",
            old: "../b/keys/peer.crt".to_owned(),
            // Written in another way than the pin of A, which stays.
            new: "./../a/keys/peer.crt".to_owned(),
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_do_not_link_both_say_which_check_failed_and_so_does_the_leader() {
    let mut nodes = Nodes::start(|_| {}).await;
    let text = |name: &str| std::fs::read_to_string(nodes.files.path(name)).unwrap();
    std::fs::write(nodes.files.path("b/policy.toml"), text("policy.toml") + "\n# B's own\n").unwrap();
    std::fs::write(nodes.files.path("b/models.toml"), text("models.toml") + "\n# B's own\n").unwrap();
    for Wrong { check, words, file, old, new } in wrongs(&nodes) {
        println!("{check}");
        let party = if file.starts_with('c') { Party::C } else { Party::B };
        let since = Party::ALL.map(|party| nodes.files.said(party).lines().count());
        nodes.end(party);
        replace(&nodes.files, file, &old, &new);
        nodes.begin(party);
        // At the end where it is wrong, and at the other: who shows a certificate of nobody has not come so far as to have a name there.
        let ends = [(Party::B, Party::C), (Party::C, Party::B)];
        for (own, other) in ends {
            let check = if check == "certificate" && own == Party::C { "reached" } else { check };
            let told = async {
                while lines(&nodes, own, since[own.index()], check, other).is_empty() {
                    tokio::time::sleep(LOOK).await;
                }
            };
            let told = tokio::time::timeout(Duration::from_mins(1), told).await;
            assert!(told.is_ok(), "{own} does not say {check} of {other}:\n{}", nodes.files.said(own));
            let line = &lines(&nodes, own, since[own.index()], check, other)[0];
            assert!(line.contains(" INFO ") && line.contains("address=") && line.contains("127.0.0.1:"), "{line}");
        }
        nodes.says(Party::B, words, 1).await;
        let refusal = heard(&nodes).await;
        assert_eq!((refusal.reason.as_str(), refusal.node), ("COMMITTEE_INCOMPLETE", Some(Party::A)), "{check}");
        let link = refusal.link.unwrap();
        assert!(link.split(',').any(|link| link == "B-C") || link.split(',').any(|link| link == "A-B"), "{link}");
        // However often it was tried meanwhile.
        for (own, other) in ends {
            assert!(
                lines(&nodes, own, since[own.index()], check, other).len() <= 2,
                "{own}: {}",
                nodes.files.said(own)
            );
        }
        nodes.end(party);
        replace(&nodes.files, file, &new, &old);
        nodes.begin(party);
        nodes.reconnect().await;
    }
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_an_authoritys_is_called_so() {
    let mut nodes = Nodes::start(|_| {}).await;
    let mut params = rcgen::CertificateParams::new(vec!["node-b.tumar.internal".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(nodes.files.path("b/keys/peer.crt"), certificate.pem()).unwrap();
    std::fs::write(nodes.files.path("b/keys/peer.key"), key.serialize_pem()).unwrap();
    // The others would refuse it: the node says so itself, and does not start.
    nodes.end(Party::B);
    nodes.begin(Party::B);
    nodes.says(Party::B, "peer.crt: the certificate is an authority's (CA:TRUE)", 1).await;
    assert!(heard(&nodes).await.link.unwrap().split(',').any(|link| link == "A-B"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stands_still_is_waited_for_once_and_served_with_again_when_it_goes_on() {
    let mut nodes = Nodes::start(|_| {}).await;
    for frozen in [Party::B, Party::C] {
        nodes.signal(frozen, Signal::STOP);
        // The first calls run into their patience, all at one time.
        let begin = Instant::now();
        for call in (0..3).map(|_| nodes.verify(1)).collect::<Vec<_>>() {
            let refused = reason(call.await.unwrap());
            assert!(["PEER_LOST", "ATTEMPTS_IN_FLIGHT"].contains(&refused.as_str()), "{refused}");
        }
        assert!(begin.elapsed() >= Duration::from_secs(1), "{frozen} was waited for");
        let other = if frozen == Party::B { Party::C } else { Party::B };
        nodes.becomes(Party::A, ServingStatus::NotServing).await;
        nodes.becomes(other, ServingStatus::NotServing).await;
        // Those that come then do not wait: a hundred take less time than one has patience.
        let begin = Instant::now();
        for _ in 0..100 {
            let refused = nodes.verify(1).await.unwrap().unwrap_err();
            let refusal = refused.refusal().unwrap();
            assert_eq!(refusal.reason, "PEER_LOST");
        }
        println!("a hundred calls beside a frozen {frozen}: {:?}", begin.elapsed());
        assert!(begin.elapsed() < Duration::from_secs(20), "each of a hundred waits: {:?}", begin.elapsed());
        let refusal = heard(&nodes).await;
        let of = |party: Party| format!("{}-{party}", Party::A);
        assert!(refusal.link.as_ref().unwrap().split(',').any(|link| link == of(frozen)), "{refusal:?}");
        assert!(matches!(refusal.check.as_deref(), Some("heard" | "reached")), "{refusal:?}");
        nodes.signal(frozen, Signal::CONT);
        nodes.reconnect().await;
        // What it was in the midst of ends.
        let matched = async {
            loop {
                match nodes.verify(1).await.unwrap() {
                    Ok(answer) => break answer.outcome,
                    Err(error) => assert!(["PEER_LOST", "ATTEMPTS_IN_FLIGHT"].contains(&error.reason()), "{error}"),
                }
            }
        };
        assert_eq!(tokio::time::timeout(Duration::from_mins(1), matched).await.unwrap(), Outcome::Match);
    }
    nodes.stop();
}
