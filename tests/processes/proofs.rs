//! A token and a proof for one node's log: nothing opens at another by them.

use tonic::Request;
use tonic::transport::Channel;
use tumar::client::ClientError;
use tumar::log::note::Checkpoint;
use tumar::log::shard::Shard;
use tumar::name::RequestId;
use tumar::party::Party;
use tumar::request::{Method, RequestInfo};
use tumar::wire::v1::access_log_service_client::AccessLogServiceClient;
use tumar::wire::v1::subject_service_client::SubjectServiceClient;
use tumar::wire::{ask_of_evidence, ask_of_uses, v1};

use crate::nodes::{Nodes, face};
use crate::support::cluster::{GALLERY, face_of, now, reason, target};

/// An auditor's or a person's request to one node.
struct Lone {
    access: String,
    proof: String,
    asked: Asked,
}

enum Asked {
    Evidence(v1::OpenEvidenceRequest),
    Uses(v1::ListUsesRequest),
}

impl Asked {
    /// What it is to one node.
    fn of(&self, home: Party) -> RequestInfo {
        match self {
            Self::Evidence(asked) => ask_of_evidence(asked, home).unwrap().0,
            Self::Uses(asked) => ask_of_uses(asked, home).unwrap(),
        }
    }

    /// The same under another id.
    fn anew(&self) -> Self {
        let id = RequestId::from_random([99; 16]).to_string();
        match self {
            Self::Evidence(asked) => Self::Evidence(v1::OpenEvidenceRequest { request_id: id, ..asked.clone() }),
            Self::Uses(asked) => Self::Uses(v1::ListUsesRequest { request_id: id, ..asked.clone() }),
        }
    }
}

impl Lone {
    /// With a proof for one node.
    fn proven(nodes: &Nodes, home: Party, access: String, asked: Asked) -> Self {
        let config = nodes.files.client_config();
        let base = &config.doors[home.index()].as_ref().unwrap().base;
        let proof = config.proof_key.prove(&access, &asked.of(home), base, None, now()).unwrap();
        Self { access, proof, asked }
    }

    /// By the same token.
    fn asked_anew(&self, nodes: &Nodes, home: Party) -> Self {
        Self::proven(nodes, home, self.access.clone(), self.asked.anew())
    }

    /// Whether a node answers it.
    async fn sent_to(&self, channel: &Channel) -> Result<(), ClientError> {
        match &self.asked {
            Asked::Evidence(asked) => {
                AccessLogServiceClient::new(channel.clone()).open_evidence(self.dressed(asked)).await.map(drop)?;
            }
            Asked::Uses(asked) => {
                SubjectServiceClient::new(channel.clone()).list_uses(self.dressed(asked)).await.map(drop)?;
            }
        }
        Ok(())
    }

    fn dressed<T: Clone>(&self, message: &T) -> Request<T> {
        let mut request = Request::new(message.clone());
        request.metadata_mut().insert("authorization", format!("DPoP {}", self.access).parse().unwrap());
        request.metadata_mut().insert("dpop", self.proof.parse().unwrap());
        request
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_for_one_nodes_log_opens_nothing_at_another_whatever_addresses_it_takes() {
    // Each node takes the addresses of all three.
    let nodes = Nodes::start(|files| {
        let bases = files.client_config().doors.map(|door| format!("{:?}", door.unwrap().base)).join(", ");
        for party in Party::ALL {
            let path = files.node(party).join("node.toml");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, text.replace("bases = [", &format!("bases = [{bases}, "))).unwrap();
        }
    })
    .await;
    let config = nodes.files.client_config();
    let half = Shard::of(now()).to_string();
    let channels = [nodes.channel(Party::A).await, nodes.channel(Party::B).await, nodes.channel(Party::C).await];
    // What is opened below must be published first.
    for (channel, pin) in channels.iter().zip(&config.nodes) {
        let mut log = AccessLogServiceClient::new(channel.clone());
        loop {
            let shown = log.get_checkpoint(v1::GetCheckpointRequest::default()).await.unwrap().into_inner();
            if Checkpoint::open_half(&shown.checkpoint, &pin.log).unwrap().1.size > 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let token = nodes.token("subject_access", Method::Verify);
    let own = target("c-1", "subject_access");
    let matched = nodes.client.verify(&token, &own, &[face_of(&face(1))], 0).await.unwrap();
    assert!(matched.matched);
    for home in Party::ALL {
        for evidence in [true, false] {
            let request_id = RequestId::from_random(std::array::from_fn(|place| {
                u8::try_from(place * 7 + home.index() * 31 + usize::from(evidence)).unwrap()
            }));
            let lone = if evidence {
                exhibit(&nodes, home, request_id, &half)
            } else {
                uses(&nodes, home, request_id, matched.request_id)
            };
            // At the others first, and at home last: it was good all the while.
            for party in [home.next(), home.prev(), home, home.next(), home.prev()] {
                let answer = lone.sent_to(&channels[party.index()]).await;
                if party == home {
                    answer.unwrap();
                } else {
                    assert_eq!(reason(answer), "PROOF_RQH", "{home} at {party}");
                }
            }
            assert_eq!(reason(lone.sent_to(&channels[home.index()]).await), "PROOF_REPLAYED");
            // Nor is the token good for another one there.
            let anew = lone.asked_anew(&nodes, home);
            assert_eq!(reason(anew.sent_to(&channels[home.index()]).await), "TOKEN_SPENT");
        }
    }
    nodes.stop();
}

/// The regulator's request for the token behind the first entry of a node's log.
fn exhibit(nodes: &Nodes, home: Party, request_id: RequestId, half: &str) -> Lone {
    let mut wanted = nodes.files.token_request("b17", "audit", &[Method::OpenEvidence], 1);
    "auditors/regulator/desk-1".clone_into(&mut wanted.client);
    wanted.details.relying_party = "auditors/regulator".parse().unwrap();
    let access = nodes.files.issuer_of("regulator").issue(&wanted, now()).unwrap();
    let asked = v1::OpenEvidenceRequest {
        request_id: request_id.to_string(),
        gallery: GALLERY.to_owned(),
        purpose: "audit".to_owned(),
        half: half.to_owned(),
        index: 0,
        part: v1::EvidencePart::Token.into(),
        client: wanted.client.clone(),
    };
    Lone::proven(nodes, home, access, Asked::Evidence(asked))
}

/// A person's request for the own entries in a node's log.
fn uses(nodes: &Nodes, home: Party, request_id: RequestId, matched: RequestId) -> Lone {
    let access = nodes.token("subject_access", Method::ListUses);
    let asked = v1::ListUsesRequest {
        request_id: request_id.to_string(),
        gallery: GALLERY.to_owned(),
        subject: "c-1".to_owned(),
        purpose: "subject_access".to_owned(),
        verified_request_id: matched.to_string(),
        client: nodes.files.client_config().client.to_string(),
    };
    Lone::proven(nodes, home, access, Asked::Uses(asked))
}
