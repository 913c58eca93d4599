//! What one node says of its own log over gRPC: to anyone, to an auditor, and to the person an entry is about.

#![allow(clippy::unwrap_used)]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::support::cluster::{Files, GALLERY, Trio, face_of, now, reason, target, template};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::net::TcpStream;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};
use tumar::client::{ClientError, Exhibit, NodeClient, Prepared, SubjectKey};
use tumar::log::entry::{Entry, Event, blinded_handle};
use tumar::log::merkle::{leaf_hash, verify_consistency, verify_inclusion};
use tumar::log::note::Checkpoint;
use tumar::log::receipt::Outcome;
use tumar::log::shard::{EntryId, Shard};
use tumar::name::RequestId;
use tumar::party::Party;
use tumar::request::{Method, Minute};
use tumar::template::Template;
use tumar::tls::Dialler;
use tumar::token::details::{Action, Details, DetailsType};
use tumar::token::{Part, TokenRequest};
use tumar::wire::receipt_from;
use tumar::wire::v1;
use tumar::wire::v1::access_log_service_client::AccessLogServiceClient;

fn face(seed: u16) -> Template {
    template(&(0..512).map(|place| f32::from((place * 37 + seed * 101) % 64) - 31.5).collect::<Vec<_>>())
}

/// A token for the regulator, by its own issuer.
fn auditor(files: &Files, change: impl FnOnce(&mut TokenRequest)) -> String {
    auditor_by("regulator", files, change)
}

/// Where the auditor sits, as its tokens name it.
const DESK: &str = "auditors/regulator/desk-1";

/// The same by whichever issuer.
fn auditor_by(issuer: &str, files: &Files, change: impl FnOnce(&mut TokenRequest)) -> String {
    let config = files.client_config();
    let mut request = TokenRequest {
        deployment: config.deployment.clone(),
        client: DESK.to_owned(),
        jkt: config.proof_key.thumbprint(),
        certificate: None,
        details: Details {
            kind: DetailsType,
            purpose: "audit".parse().unwrap(),
            actions: vec![Action(Method::ReadLog), Action(Method::OpenEvidence)],
            relying_party: "auditors/regulator".parse().unwrap(),
            galleries: vec![GALLERY.parse().unwrap()],
            modalities: Vec::new(),
            max_uses: 100,
            legal_basis: None,
        },
        amr: Vec::new(),
        lifetime: 120,
    };
    change(&mut request);
    files.issuer_of(issuer).issue(&request, now()).unwrap()
}

async fn log_of(files: &Files, party: Party) -> AccessLogServiceClient<Channel> {
    let config = files.client_config();
    let door = config.doors[party.index()].as_ref().unwrap();
    let dialler = Dialler::new(None, &door.certificate, &config.server_name).unwrap();
    AccessLogServiceClient::new(dialler.dial(&door.address).await.unwrap())
}

async fn node(files: &Files, party: Party) -> NodeClient {
    NodeClient::connect(Arc::new(files.client_config()), party, now).await.unwrap()
}

/// The same for the auditor.
async fn desk(files: &Files, party: Party) -> NodeClient {
    let mut config = files.client_config();
    config.client = DESK.parse().unwrap();
    NodeClient::connect(Arc::new(config), party, now).await.unwrap()
}

async fn enrol(trio: &Trio, subject: &str, face: &Template) -> SubjectKey {
    let token = trio.files.token("enrolment", Method::Enroll);
    trio.client.enroll(&token, &target(subject, "enrolment"), &[face_of(face)]).await.unwrap().subject_key
}

async fn verify(trio: &Trio, subject: &str, purpose: &str, face: &Template) -> tumar::client::Verified {
    let token = trio.files.token(purpose, Method::Verify);
    trio.client.verify(&token, &target(subject, purpose), &[face_of(face)], 1000).await.unwrap()
}

/// A request with a bearer's token.
fn borne<T>(asked: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(asked);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    request
}

async fn list(
    log: &mut AccessLogServiceClient<Channel>,
    token: Option<&str>,
    asked: v1::ListEntriesRequest,
) -> Result<Vec<(u64, Entry)>, ClientError> {
    let mut listed = log.list_entries(borne(asked, token)).await?.into_inner();
    let mut entries = Vec::new();
    while let Some(v1::ListEntriesResponse { index, entry }) = listed.message().await? {
        entries.push((index, Entry::parse(&entry).unwrap()));
    }
    Ok(entries)
}

/// Waits until the checkpoint that others can read covers so many entries.
async fn checkpoint_of(
    log: &mut AccessLogServiceClient<Channel>,
    files: &Files,
    party: Party,
    size: u64,
) -> Checkpoint {
    let key = &files.client_config().nodes[party.index()].log;
    loop {
        let answer = log.get_checkpoint(v1::GetCheckpointRequest::default()).await.unwrap().into_inner();
        let (half, checkpoint) = Checkpoint::open_half(&answer.checkpoint, key).unwrap();
        assert_eq!((answer.half.as_str(), answer.halves), (half.to_string().as_str(), vec![half.to_string()]));
        if checkpoint.size >= size {
            return checkpoint;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_gets_checkpoints_and_proofs_and_holders_of_an_auditors_token_entries() {
    let trio = Trio::start().await;
    enrol(&trio, "asel", &face(1)).await;
    for _ in 0..3 {
        assert!(verify(&trio, "asel", "cash_withdrawal", &face(1)).await.matched);
    }
    let half = Shard::of(now());
    for party in Party::ALL {
        let mut log = log_of(&trio.files, party).await;
        // Four requests of two entries; the last closing may still be on its way.
        let early = checkpoint_of(&mut log, &trio.files, party, 7).await;
        let token = auditor(&trio.files, |_| {});
        let all = list(&mut log, Some(&token), v1::ListEntriesRequest::default()).await.unwrap();
        assert!(all.len() >= 7 && all.iter().map(|(index, _)| *index).eq(0..all.len() as u64));
        let some = v1::ListEntriesRequest { half: half.to_string(), from: 2, to: 5, ..Default::default() };
        assert_eq!(list(&mut log, Some(&token), some).await.unwrap(), all[2..5]);
        let of = v1::ListEntriesRequest { purpose: "enrolment".to_owned(), ..Default::default() };
        assert_eq!(list(&mut log, Some(&token), of).await.unwrap(), all[..2]);
        let rq = v1::ListEntriesRequest { request_digest: all[2].1.request_digest.to_vec(), ..Default::default() };
        let of_request = list(&mut log, Some(&token), rq).await.unwrap();
        assert!(
            of_request.len() >= 2
                && of_request.iter().all(|(_, entry)| entry.request_digest == all[2].1.request_digest)
        );
        let nobody = v1::ListEntriesRequest { relying_party: "banks/b99".to_owned(), ..Default::default() };
        assert_eq!(list(&mut log, Some(&token), nobody).await.unwrap(), []);

        for (index, entry) in &all {
            let asked = v1::GetInclusionProofRequest { half: half.to_string(), index: *index };
            let shown = log.get_inclusion_proof(asked).await.unwrap().into_inner();
            let proof: Vec<[u8; 32]> = shown.proof.iter().map(|hash| hash.as_slice().try_into().unwrap()).collect();
            let key = &trio.files.client_config().nodes[party.index()].log;
            let (_, under) = Checkpoint::open_half(&shown.checkpoint, key).unwrap();
            let leaf = leaf_hash(&entry.to_bytes());
            verify_inclusion(&leaf, *index, under.size, &proof, &under.root).unwrap();
        }
        let asked = v1::GetReceiptRequest { half: half.to_string(), index: 1 };
        let nobody = log.get_receipt(asked.clone()).await.map(drop).map_err(ClientError::from);
        assert_eq!(reason(nobody), "TOKEN_ABSENT");
        let receipt = log.get_receipt(borne(asked, Some(&token))).await.unwrap().into_inner().receipt;
        let receipt = receipt_from(&receipt.unwrap()).unwrap();
        let config = trio.files.client_config();
        receipt.verify(&config.nodes[party.index()], &config.deployment).unwrap();
        assert_eq!((receipt.body.outcome, receipt.body.request_digest), (Outcome::Logged, all[1].1.request_digest));

        assert!(verify(&trio, "asel", "cash_withdrawal", &face(1)).await.matched);
        let late = checkpoint_of(&mut log, &trio.files, party, early.size + 1).await;
        let asked =
            v1::GetConsistencyProofRequest { half: half.to_string(), old_size: early.size, new_size: late.size };
        let proof = log.get_consistency_proof(asked).await.unwrap().into_inner().proof;
        let proof: Vec<[u8; 32]> = proof.iter().map(|hash| hash.as_slice().try_into().unwrap()).collect();
        verify_consistency(early.size, late.size, &proof, &early.root, &late.root).unwrap();
    }
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_for_nobody_without_an_auditors_token() {
    let trio = Trio::start().await;
    let files = &trio.files;
    let bank = files.token("cash_withdrawal", Method::Verify);
    let in_own_name = |bank: &str| {
        let name = format!("banks/{bank}").parse().unwrap();
        auditor_by(bank, files, |token| token.details.relying_party = name)
    };
    let others: [(&str, Option<String>); 11] = [
        // A bank's own issuer in the regulator's name, and the regulator's in the bank's.
        ("ISSUER_RELYING_PARTY", Some(auditor_by("b17", files, |_| {}))),
        ("ISSUER_RELYING_PARTY", Some(auditor_by("b19", files, |_| {}))),
        ("ISSUER_RELYING_PARTY", Some(auditor(files, |t| t.details.relying_party = "banks/b17".parse().unwrap()))),
        ("TOKEN_ABSENT", None),
        ("TOKEN_MALFORMED", Some("x".to_owned())),
        ("ACTION_NOT_GRANTED", Some(bank)),
        ("RELYING_PARTY_NOT_ALLOWED", Some(in_own_name("b17"))),
        ("ACTION_NOT_ALLOWED", Some(auditor(files, |t| t.details.purpose = "erasure".parse().unwrap()))),
        ("ACTION_NOT_GRANTED", Some(auditor(files, |t| _ = t.details.actions.remove(0)))),
        ("TOKEN_AUDIENCE", Some(auditor(files, |t| t.deployment = "elsewhere".parse().unwrap()))),
        ("TOKEN_TOO_LONG_LIVED", Some(auditor(files, |t| t.lifetime = 3600))),
    ];
    for party in Party::ALL {
        let mut log = log_of(files, party).await;
        for (code, token) in &others {
            let listed = list(&mut log, token.as_deref(), v1::ListEntriesRequest::default()).await;
            assert_eq!(reason(listed), *code, "{party}");
            let receipt = log.get_receipt(borne(v1::GetReceiptRequest::default(), token.as_deref())).await;
            assert_eq!(reason(receipt.map(drop).map_err(ClientError::from)), *code, "{party}");
        }
    }
    let mut log = log_of(files, Party::B).await;
    // To read and nothing else may take an hour.
    let hour = auditor(files, |token| {
        token.details.actions.truncate(1);
        token.lifetime = 3600;
    });
    list(&mut log, Some(&hour), v1::ListEntriesRequest::default()).await.unwrap();
    for (half, index) in [("2026h3", 0), ("1999h1", 0), ("", 99)] {
        let asked = v1::GetInclusionProofRequest { half: half.to_owned(), index };
        let shown = log.get_inclusion_proof(asked).await.map(drop).map_err(ClientError::from);
        assert_eq!(reason(shown), "NO_SUCH_ENTRY");
    }
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_opens_the_evidence_part_by_part_and_each_opening_is_logged() {
    let trio = Trio::start().await;
    let files = &trio.files;
    enrol(&trio, "asel", &face(1)).await;
    let token = files.token("case_search", Method::Search);
    let search = files.search(4);
    trio.client.search(&token, &search, &[face_of(&face(1))], &mut |_| {}).await.unwrap();
    let half = Shard::of(now());
    for party in Party::ALL {
        let (mut log, node) = (log_of(files, party).await, desk(files, party).await);
        checkpoint_of(&mut log, files, party, 4).await;
        let access = auditor(files, |_| {});
        let all = list(&mut log, Some(&access), v1::ListEntriesRequest::default()).await.unwrap();
        let (index, entry) = all.iter().find(|(_, entry)| entry.action == Method::Search).unwrap();
        let (purpose, gallery) = ("audit".parse().unwrap(), GALLERY.parse().unwrap());
        let exhibit = |part| Exhibit { gallery, purpose, place: EntryId { half, index: *index }, part };
        let exhibit = exhibit(Part::Token);
        let approvals = &search.case.approvals;
        let parts = [(Part::Token, Some(&token)), (Part::Proof, None), (Part::Approval(0), approvals.first())];
        for (part, text) in parts.into_iter().chain([(Part::Approval(1), approvals.get(1))]) {
            let opened = node.open_evidence(&access, &Exhibit { part, ..exhibit.clone() }).await.unwrap();
            assert!(opened.is_behind(entry, part), "{part:?}");
            assert!(text.is_none_or(|text| *text == opened.text), "{part:?}");
            assert!(!opened.is_behind(&all[0].1, part));
        }
        let in_own_name = |bank: &str| {
            let name = format!("banks/{bank}").parse().unwrap();
            auditor_by(bank, files, |token| token.details.relying_party = name)
        };
        let elsewhere = "banks/b18/customers".parse().unwrap();
        let foreign = auditor(files, |token| token.details.galleries = vec![elsewhere]);
        let refusals = [
            ("GALLERY_NOT_GRANTED", foreign, exhibit.clone()),
            ("RELYING_PARTY_NOT_ALLOWED", in_own_name("b17"), exhibit.clone()),
            // Another bank, in the regulator's name and in its own.
            ("ISSUER_RELYING_PARTY", auditor_by("b19", files, |_| {}), exhibit.clone()),
            ("RELYING_PARTY_NOT_ALLOWED", in_own_name("b19"), exhibit.clone()),
            ("ACTION_NOT_GRANTED", auditor(files, |t| t.details.actions.truncate(1)), exhibit.clone()),
            ("NO_SUCH_ENTRY", access.clone(), Exhibit { place: EntryId { half, index: 9999 }, ..exhibit.clone() }),
            (
                "NO_SUCH_EVIDENCE",
                access.clone(),
                Exhibit { place: EntryId { half, index: 0 }, part: Part::Approval(0), ..exhibit },
            ),
        ];
        for (code, token, exhibit) in refusals {
            assert_eq!(reason(node.open_evidence(&token, &exhibit).await), code);
        }
        let logged = v1::ListEntriesRequest { purpose: "audit".to_owned(), ..Default::default() };
        checkpoint_of(&mut log, files, party, all.len() as u64 + 4 * 2 + 4 + 2 * 2).await;
        let logged = list(&mut log, Some(&access), logged).await.unwrap();
        assert!(logged.iter().all(|(_, entry)| entry.action == Method::OpenEvidence));
        let count = |wanted: fn(&Event) -> bool| logged.iter().filter(|(_, entry)| wanted(&entry.event)).count();
        assert_eq!(count(|event| *event == Event::Admitted), 6);
        assert_eq!(count(|event| *event == Event::Completed), 4);
        assert_eq!(count(|event| matches!(event, Event::Failed(_))), 2);
        assert_eq!(count(|event| matches!(event, Event::Denied(_))), 4);
    }
    trio.stop().await;
}

/// Connects with the smallest windows that HTTP/2 has without being told: whoever reads slowly is felt at once.
#[derive(Clone)]
struct Narrow {
    tls: tokio_rustls::TlsConnector,
    address: String,
}

impl tower_service::Service<tonic::transport::Uri> for Narrow {
    type Response = TokioIo<tokio_rustls::client::TlsStream<TcpStream>>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: tonic::transport::Uri) -> Self::Future {
        let Self { tls, address } = self.clone();
        Box::pin(async move {
            let name = "localhost".try_into().unwrap();
            Ok(TokioIo::new(tls.connect(name, TcpStream::connect(address).await?).await?))
        })
    }
}

/// A channel to a node over which no more than 64 KiB are under way.
async fn narrow(files: &Files, party: Party) -> Channel {
    let pem = std::fs::read(files.node(party).join("keys/tls.crt")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let address = files.client_config().doors[party.index()].as_ref().unwrap().address.clone();
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let endpoint = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
    let connector = Narrow { tls: tokio_rustls::TlsConnector::from(Arc::new(config)), address };
    endpoint.connect_with_connector(connector).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_who_read_slowly_leave_no_room_for_a_ninth_nor_for_a_list_of_own_uses() {
    /// More than a reader is read ahead for, and than are under way to eight of them.
    const ENTRIES: usize = 1000;
    let trio = Trio::start().await;
    let files = &trio.files;
    let desk = Arc::new(desk(files, Party::B).await);
    // A refusal is an entry; ten of one token are, and as many as these of one relying party.
    let exhibit = Exhibit {
        gallery: GALLERY.parse().unwrap(),
        purpose: "audit".parse().unwrap(),
        place: EntryId { half: Shard::of(now()), index: 0 },
        part: Part::Token,
    };
    let refused = (0..ENTRIES / 10).map(|_| {
        let token = auditor(files, |token| token.details.actions.truncate(1));
        let (desk, exhibit) = (Arc::clone(&desk), exhibit.clone());
        tokio::spawn(async move {
            for _ in 0..10 {
                assert_eq!(reason(desk.open_evidence(&token, &exhibit).await), "ACTION_NOT_GRANTED");
            }
        })
    });
    for refused in refused.collect::<Vec<_>>() {
        refused.await.unwrap();
    }
    let mut log = log_of(files, Party::B).await;
    checkpoint_of(&mut log, files, Party::B, ENTRIES as u64).await;
    let token = auditor(files, |_| {});
    let channel = narrow(files, Party::B).await;
    let mut readers = Vec::new();
    for _ in 0..8 {
        let asked = borne(v1::ListEntriesRequest::default(), Some(&token));
        readers.push(AccessLogServiceClient::new(channel.clone()).list_entries(asked).await.unwrap().into_inner());
    }
    let ninth = list(&mut log, Some(&token), v1::ListEntriesRequest::default()).await;
    assert_eq!(reason(ninth), "OVERLOADED");
    let token = files.token("subject_access", Method::ListUses);
    let nobody = RequestId::from_random([9; 16]);
    let person = node(files, Party::B).await;
    assert_eq!(reason(person.list_uses(&token, &target("asel", "subject_access"), nobody).await), "OVERLOADED");
    // When one of them has gone, there is room again.
    drop(readers.pop());
    loop {
        match reason(person.list_uses(&token, &target("asel", "subject_access"), nobody).await).as_str() {
            "OVERLOADED" => tokio::task::yield_now().await,
            other => break assert_eq!(other, "SUBJECT_UNKNOWN"),
        }
    }
    drop(readers);
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_has_just_matched_sees_every_own_entry_and_no_other() {
    let trio = Trio::start().await;
    let key = enrol(&trio, "asel", &face(1)).await;
    enrol(&trio, "bolat", &face(9)).await;
    for (subject, of) in [("asel", 1), ("bolat", 9), ("asel", 1), ("asel", 9)] {
        verify(&trio, subject, "cash_withdrawal", &face(of)).await;
    }
    // Found by a search, too.
    let token = trio.files.token("case_search", Method::Search);
    let searched = trio.client.search(&token, &trio.files.search(4), &[face_of(&face(1))], &mut |_| {}).await.unwrap();
    assert_eq!(searched.found.candidates.len(), 1);
    let (asked, other) = (target("asel", "subject_access"), target("bolat", "subject_access"));
    let no_match = verify(&trio, "asel", "subject_access", &face(9)).await;
    let elsewhere = verify(&trio, "asel", "cash_withdrawal", &face(1)).await;
    let matched = verify(&trio, "asel", "subject_access", &face(1)).await;
    assert_eq!((no_match.matched, elsewhere.matched, matched.matched), (false, true, true));
    for party in Party::ALL {
        let node = node(&trio.files, party).await;
        let token = || trio.files.token("subject_access", Method::ListUses);
        for (target, request) in
            [(&asked, no_match.request_id), (&asked, elsewhere.request_id), (&other, matched.request_id)]
        {
            assert_eq!(reason(node.list_uses(&token(), target, request).await), "MATCH_MISSING");
        }
        let own = node.list_uses(&token(), &asked, matched.request_id).await.unwrap();
        let mut log = log_of(&trio.files, party).await;
        let access = auditor(&trio.files, |_| {});
        let all = list(&mut log, Some(&access), v1::ListEntriesRequest::default()).await.unwrap();
        let key = key.for_node(party);
        let handles: Vec<_> = (0..100).map(|counter| blinded_handle(&key, counter)).collect();
        let until = own.last().unwrap().place.index;
        let expected: Vec<_> =
            all.iter().filter(|(index, entry)| *index <= until && handles.contains(&entry.handle)).collect();
        assert!(
            own.iter()
                .map(|own| (own.place.index, &own.entry))
                .eq(expected.iter().map(|(index, entry)| (*index, entry)))
        );
        let purposes: Vec<_> = own.iter().map(|own| own.entry.purpose.as_str()).collect();
        for (purpose, least) in [("enrolment", 1), ("cash_withdrawal", 8), ("case_search", 1), ("subject_access", 5)] {
            let count = purposes.iter().filter(|other| **other == purpose).count();
            assert!(count >= least, "{purpose}: {count} of {purposes:?}");
        }
    }
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_cosign_each_other_and_serve_what_the_auditors_library_finds_in_order() {
    let trio = Trio::start().await;
    enrol(&trio, "asel", &face(1)).await;
    // Answered, and asked again: the leader alone writes that down.
    let (config, committee) = (trio.client.config(), trio.client.committee());
    let whom = target("asel", "cash_withdrawal");
    let asked = Prepared::verify(config, &committee, &whom, &[face_of(&face(1))], 1, Minute::of(now())).unwrap();
    let access = trio.files.token("cash_withdrawal", Method::Verify);
    for _ in 0..3 {
        assert_eq!(trio.client.send(&access, &asked).await.unwrap().outcome, Outcome::Match);
    }
    verify(&trio, "asel", "cash_withdrawal", &face(1)).await;
    let pins = tumar::audit::Pins::read(&trio.files.path("auditor/auditor.toml")).unwrap();
    for party in Party::ALL {
        let mut log = log_of(&trio.files, party).await;
        checkpoint_of(&mut log, &trio.files, party, 4).await;
        // By both others, as soon as they have been asked.
        loop {
            let shown = log.get_checkpoint(v1::GetCheckpointRequest::default()).await.unwrap().into_inner();
            if pins.cosigned(party, &shown.checkpoint) == 2 {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let token = auditor(&trio.files, |token| token.details.actions.truncate(1));
    let mirror = trio.files.path("mirror");
    let audited = tokio::task::spawn_blocking(move || {
        let mirror = tumar::audit::Mirror::new(&mirror);
        let fetcher = tumar::audit::fetch::Fetcher {
            pins: &pins,
            mirror: &mirror,
            token: Some(&token),
            looks: 40,
            pause: std::time::Duration::from_millis(100),
        };
        for party in Party::ALL {
            assert_eq!(fetcher.node(party, now(), &mut |_, _| {}).unwrap(), [], "{party}");
        }
        tumar::audit::Audit::of(&mirror, &pins, &[], &mut |_, _, _, _| {}).unwrap()
    });
    let audited = audited.await.unwrap();
    assert!(audited.entries >= 12, "{} entries", audited.entries);
    let wrong: Vec<_> = audited.all().filter(|finding| finding.severity > tumar::audit::Severity::Warning).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    trio.stop().await;
}
