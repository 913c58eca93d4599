//! One bank against another: what the issuer of b19 signs is nothing to a customer of b17, at each of three processes.

use tokio::time::sleep;
use tonic::Request;
use tonic::transport::Channel;
use tumar::client::{Client, ClientError, Exhibit, NodeClient, Prepared, Search, SubjectKey, Target};
use tumar::log::entry::Event;
use tumar::log::receipt::Outcome;
use tumar::log::shard::{EntryId, Shard};
use tumar::name::RequestId;
use tumar::party::Party;
use tumar::request::{Case, Method, Minute};
use tumar::token::approval::case_digest;
use tumar::token::{Action, Issuer, Officer, Part, SigningKey};
use tumar::wire::v1;
use tumar::wire::v1::access_log_service_client::AccessLogServiceClient;

use crate::nodes::{LOOK, Nodes, face};
use crate::support::cluster::{GALLERY, GALLERY_OF_B19, face_of, now, reason, target};

/// In whose name, and by whose key, a token is made.
#[derive(Clone, Copy)]
struct Made {
    by: &'static str,
    in_the_name_of: &'static str,
}

const BY_B19_FOR_B17: Made = Made { by: "b19", in_the_name_of: "banks/b17" };
const BY_B19_FOR_ITSELF: Made = Made { by: "b19", in_the_name_of: "banks/b19" };
const BY_B19_FOR_THE_REGULATOR: Made = Made { by: "b19", in_the_name_of: "auditors/regulator" };

/// A token over the first bank's gallery, for b19's client and its key.
fn token(nodes: &Nodes, made: Made, purpose: &str, method: Method) -> String {
    let mut request = nodes.files.token_request("b19", purpose, &[method], 1);
    request.details.relying_party = made.in_the_name_of.parse().unwrap();
    request.details.galleries = vec![GALLERY.parse().unwrap()];
    nodes.files.issuer_of(made.by).issue(&request, now()).unwrap()
}

/// Every call about the customers of b17 that samples and names are enough for.
fn calls(nodes: &Nodes, client: &Client) -> Vec<Prepared> {
    let (config, committee, minute) = (client.config(), client.committee(), Minute::of(now()));
    let (whom, probe) = (|purpose: &str| target("c-1", purpose), face(1));
    let new = Target { subject: "c-2".parse().unwrap(), ..whom("enrolment") };
    let key = SubjectKey::generate().unwrap();
    vec![
        Prepared::erase(config, &whom("erasure")).unwrap(),
        Prepared::lock(config, &whom("subject_lock")).unwrap(),
        Prepared::unlock(config, &whom("subject_unlock")).unwrap(),
        Prepared::enroll(config, &committee, &new, &[face_of(&probe)], minute, &key).unwrap(),
        Prepared::verify(config, &committee, &whom("cash_withdrawal"), &[face_of(&probe)], 1, minute).unwrap(),
        Prepared::search(config, &committee, &search(nodes), &[face_of(&probe)], minute).unwrap(),
    ]
}

/// A search of the first bank's gallery that the other bank's own officers approved.
fn search(nodes: &Nodes) -> Search {
    let digest = case_digest(b"whom does b17 have?");
    let mut details = nodes.files.token_request("b19", "case_search", &[Method::Search], 1).details;
    details.galleries = vec![GALLERY.parse().unwrap()];
    let approve = |(name, role): (&str, &str)| {
        let pkcs8 = std::fs::read(nodes.files.path(&format!("b19/officers/{name}.pk8"))).unwrap();
        let officer = Officer::new(name, role, SigningKey::from_pkcs8(&pkcs8).unwrap()).unwrap();
        officer.approve(&nodes.files.client_config().deployment, &details, &digest, now()).unwrap()
    };
    let approvals = [("dana", "fraud-analyst"), ("erlan", "privacy-officer")].map(approve).to_vec();
    let (gallery, purpose) = (GALLERY.parse().unwrap(), "case_search".parse().unwrap());
    Search { gallery, purpose, case: Case { digest, most: 16, approvals } }
}

/// A client of b19 at one node.
async fn desk(nodes: &Nodes, party: Party) -> NodeClient {
    NodeClient::connect(nodes.files.client_config_of("b19").into(), party, now).await.unwrap()
}

/// Whether a node lists entries for who shows this token.
async fn lists(channel: &Channel, token: &str) -> Result<(), ClientError> {
    let mut request = Request::new(v1::ListEntriesRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let mut listed = AccessLogServiceClient::new(channel.clone()).list_entries(request).await?.into_inner();
    while listed.message().await?.is_some() {}
    Ok(())
}

/// The token of the first request of a node's log, which enrolled the customer of b17.
fn first() -> Exhibit {
    let place = EntryId { half: Shard::of(now()), index: 0 };
    Exhibit { gallery: GALLERY.parse().unwrap(), purpose: "audit".parse().unwrap(), place, part: Part::Token }
}

/// Reading, and opening what lies behind an entry, as a regulator may.
async fn reads_and_opens_nothing(nodes: &Nodes, matched: RequestId) {
    for party in Party::ALL {
        let (channel, desk) = (nodes.channel(party).await, desk(nodes, party).await);
        for (made, reason_of_role, reason_of_uses) in [
            (BY_B19_FOR_THE_REGULATOR, "ISSUER_RELYING_PARTY", "ISSUER_RELYING_PARTY"),
            (BY_B19_FOR_B17, "ISSUER_RELYING_PARTY", "ISSUER_RELYING_PARTY"),
            (BY_B19_FOR_ITSELF, "RELYING_PARTY_NOT_ALLOWED", "RELYING_PARTY_GALLERY"),
        ] {
            let whose = made.in_the_name_of;
            let read = token(nodes, made, "audit", Method::ReadLog);
            assert_eq!(reason(lists(&channel, &read).await), reason_of_role, "{whose} at {party}");
            let open = token(nodes, made, "audit", Method::OpenEvidence);
            assert_eq!(reason(desk.open_evidence(&open, &first()).await), reason_of_role, "{whose} at {party}");
            let uses = token(nodes, made, "subject_access", Method::ListUses);
            let listed = desk.list_uses(&uses, &target("c-1", "subject_access"), matched).await;
            assert_eq!(reason(listed), reason_of_uses, "{whose} at {party}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_banks_issuer_signs_erases_reads_and_opens_nothing() {
    let nodes = Nodes::start(|_| {}).await;
    let own = target("c-1", "subject_access");
    let (access, probe) = (nodes.token("subject_access", Method::Verify), face(1));
    let matched = nodes.client.verify(&access, &own, &[face_of(&probe)], 0).await.unwrap();
    assert!(matched.matched);
    let b19 = nodes.files.client_of("b19").await.unwrap();
    let mut sent = Vec::new();
    for (made, expected) in [(BY_B19_FOR_B17, "ISSUER_RELYING_PARTY"), (BY_B19_FOR_ITSELF, "RELYING_PARTY_GALLERY")] {
        for call in calls(&nodes, &b19) {
            let (purpose, method) = (call.ask().purpose.to_string(), call.ask().method);
            let access = token(&nodes, made, &purpose, method);
            assert_eq!(reason(b19.send(&access, &call).await), expected, "{purpose}");
            sent.push((call, made.in_the_name_of));
        }
    }
    reads_and_opens_nothing(&nodes, matched.request_id).await;
    // In the other issuer's name: the key is not that one's.
    let feigned = Issuer::new(nodes.files.issuer_of("b17").name(), key_of_b19(&nodes));
    let request = nodes.files.token_request("b19", "erasure", &[Method::Erase], 1);
    let erase = Prepared::erase(b19.config(), &target("c-1", "erasure")).unwrap();
    assert_eq!(reason(b19.send(&feigned.issue(&request, now()).unwrap(), &erase).await), "TOKEN_ISSUER");

    // All of it is there, and good for those whose it is.
    assert_eq!(nodes.verify(1).await.unwrap().unwrap().outcome, Outcome::Match);
    is_open_to_those_whose_it_is(&nodes, &b19).await;
    let logs = nodes.stop();
    for (party, log) in Party::ALL.into_iter().zip(&logs) {
        for (call, name) in &sent {
            let rq = call.ask().request_digest();
            let told: Vec<_> = log.iter().filter(|entry| entry.request_digest == rq).collect();
            // What an issuer is not believed of leaves no entry; a denial of what is its own is one of its bank's, at the leader.
            let at_most = usize::from(party == Party::A && *name == "banks/b19");
            assert!(told.len() <= at_most, "{name} at {party}: {told:?}");
            assert!(told.iter().all(|entry| matches!(entry.event, Event::Denied(_))), "{told:?}");
        }
    }
}

fn key_of_b19(nodes: &Nodes) -> SigningKey {
    SigningKey::from_pkcs8(&std::fs::read(nodes.files.path("b19/issuer/issuer.pk8")).unwrap()).unwrap()
}

/// The same calls by tokens of the right issuers.
async fn is_open_to_those_whose_it_is(nodes: &Nodes, b19: &Client) {
    let there = Target { gallery: GALLERY_OF_B19.parse().unwrap(), ..target("c-1", "enrolment") };
    let access = nodes.files.token_of("b19", "enrolment", Method::Enroll);
    b19.enroll(&access, &there, &[face_of(&face(3))]).await.unwrap();
    let mut config = nodes.files.client_config();
    config.client = "auditors/regulator/desk-1".parse().unwrap();
    let config = std::sync::Arc::new(config);
    for party in Party::ALL {
        let by_the_regulator = |method: Method| {
            let mut request = nodes.files.token_request("b17", "audit", &[method], 1);
            request.details.relying_party = "auditors/regulator".parse().unwrap();
            "auditors/regulator/desk-1".clone_into(&mut request.client);
            assert_eq!(request.details.actions, [Action(method)]);
            nodes.files.issuer_of("regulator").issue(&request, now()).unwrap()
        };
        lists(&nodes.channel(party).await, &by_the_regulator(Method::ReadLog)).await.unwrap();
        let desk = NodeClient::connect(config.clone(), party, now).await.unwrap();
        // As soon as the first entry is published.
        loop {
            match desk.open_evidence(&by_the_regulator(Method::OpenEvidence), &first()).await {
                Ok(opened) => break assert!(!opened.text.is_empty()),
                Err(error) => assert_eq!(error.reason(), "NO_SUCH_ENTRY", "{party}"),
            }
            sleep(LOOK).await;
        }
    }
    let erase = Prepared::erase(nodes.client.config(), &target("c-1", "erasure")).unwrap();
    let erased = nodes.client.send(&nodes.token("erasure", Method::Erase), &erase).await.unwrap();
    assert_eq!(erased.outcome, Outcome::Erased);
}
