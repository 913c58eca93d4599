//! What a client must not believe, each with the fault that it names.

use zeroize::Zeroizing;

use super::*;
use crate::log::merkle::{Tree, leaf_hash};
use crate::log::note::{Checkpoint, NoteSigner, SigningKey, log_name};
use crate::log::receipt::{ReceiptBody, ReceiptError};
use crate::name::ModelId;
use crate::party::Party;
use crate::request::Method;
use crate::seal::SUITE;
use crate::seal::{Binding, Envelope, PrivateKey};
use crate::share::InputShares;
use crate::template::face::quantise;
use crate::template::model::Models;
use crate::template::{Shape, Template};
use crate::tls::Pinned;
use crate::token::Algorithm;
use crate::wire::{RequestError, envelopes_of, receipt_to, samples_of, sign_node};

/// A committee without its service: what signs, and what is pinned of it.
/// When captures are made here.
const CAPTURED: Minute = Minute::from_number(30_000_000);

struct World {
    config: ClientConfig,
    envelope_keys: [PrivateKey; 3],
}

fn seed(party: Party, use_: u8) -> [u8; 32] {
    let mut seed = [use_; 32];
    seed[0] = party.as_str().as_bytes()[0];
    seed
}

fn identity(party: Party) -> SigningKey {
    SigningKey::from_seed(&seed(party, 1))
}

fn log_of(party: Party) -> NoteSigner {
    NoteSigner::new(log_name(&"dev".parse().unwrap(), party), SigningKey::from_seed(&seed(party, 2)))
}

fn world() -> World {
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let nodes = Party::ALL.map(|party| NodePin {
        party,
        identity: identity(party).public(),
        log: log_of(party).verifier().clone(),
    });
    let config = ClientConfig {
        deployment: "dev".parse().unwrap(),
        relying_party: "banks/b17".parse().unwrap(),
        client: "banks/b17/atm-backend".parse().unwrap(),
        address: "127.0.0.1:1".to_owned(),
        server_name: "localhost".to_owned(),
        base: "https://localhost:1".to_owned(),
        certificate: Pinned::from_pem(certificate.cert.pem().as_bytes()).unwrap(),
        proof_key: ProofKey::generate(Algorithm::EdDsa).unwrap().0,
        proof_key_file: "proof.pk8".into(),
        nodes,
        doors: [None, None, None],
        retry: std::time::Duration::ZERO,
    };
    World { config, envelope_keys: Party::ALL.map(|party| PrivateKey::from_seed(&Zeroizing::new(seed(party, 3)))) }
}

impl World {
    fn committee_answer(&self) -> v1::GetCommitteeResponse {
        let nodes = Party::ALL.map(|party| {
            let key = self.envelope_keys[party.index()].public();
            let mut node = v1::Node {
                party: v1::Party::from(party).into(),
                identity_key: identity(party).public().to_vec(),
                log_key: log_of(party).verifier().to_string(),
                envelope_keys: vec![v1::EnvelopeKey {
                    id: key.id().as_bytes().to_vec(),
                    public_key: key.as_bytes().to_vec(),
                    until: 2_000_000_000 + party.index() as u64,
                }],
                suite: SUITE.to_owned(),
                context_digest: vec![9; 32],
                signature: Vec::new(),
            };
            self.sign(party, &mut node);
            node
        });
        let model = v1::Model {
            id: "sface128".to_owned(),
            modality: v1::Modality::Face.into(),
            dimension: 128,
            encoding: v1::Encoding::Vector.into(),
        };
        let fingers = v1::Model {
            id: "rows".to_owned(),
            modality: v1::Modality::Finger.into(),
            encoding: v1::Encoding::Rows.into(),
            dimension: 140,
        };
        v1::GetCommitteeResponse {
            deployment: "dev".to_owned(),
            nodes: nodes.to_vec(),
            models: vec![model, fingers],
            limits: Some(v1::Limits::default()),
        }
    }

    fn sign(&self, party: Party, node: &mut v1::Node) {
        sign_node(node, &self.config.deployment, &SigningKey::from_seed(&seed(party, 1)));
    }

    fn committee(&self) -> Committee {
        Committee::check(&self.committee_answer(), &self.config).unwrap()
    }

    /// What three honest nodes answer to `ask`.
    fn receipts(&self, ask: &RequestInfo, outcome: Outcome) -> [v1::Receipt; 3] {
        Party::ALL.map(|party| {
            let mut tree = Tree::new();
            for entry in [b"before".as_slice(), b"ours", b"after"] {
                tree.push(leaf_hash(entry));
            }
            let signer = log_of(party).of_half("2026h2".parse().unwrap());
            let checkpoint =
                Checkpoint { origin: signer.verifier().name().clone(), size: 3, root: tree.root(3).unwrap() };
            let body = ReceiptBody {
                party,
                outcome,
                found: None,
                request_digest: ask.request_digest(),
                index: 1,
                leaf: leaf_hash(b"ours"),
                inclusion: tree.inclusion(1, 3).unwrap(),
                checkpoint: checkpoint.sign(&signer).unwrap(),
            };
            let receipt = body.sign(&identity(party), &self.config.deployment);
            receipt_to(&receipt)
        })
    }
}

fn target(purpose: &str) -> Target {
    Target {
        gallery: "banks/b17/customers".parse().unwrap(),
        subject: "c-0042".parse().unwrap(),
        purpose: purpose.parse().unwrap(),
    }
}

fn sface() -> ModelId {
    "sface128".parse().unwrap()
}

const fn capture<'a>(model: &'a ModelId, template: &'a Template) -> Capture<'a> {
    Capture { model, template }
}

fn template(turn: f32) -> Template {
    let embedding: Vec<f32> = (0..128_u8).map(|place| (f32::from(place) * turn).sin()).collect();
    quantise(&embedding, Models::built_in().find(&sface()).unwrap()).unwrap()
}

/// A change of one node's keys, signed again after it.
type Change<'a> = &'a dyn Fn(&mut v1::Node);

#[test]
fn a_committee_is_believed_only_as_a_whole() {
    let world = world();
    let fault = |change: &dyn Fn(&mut v1::GetCommitteeResponse)| {
        let mut answer = world.committee_answer();
        change(&mut answer);
        Committee::check(&answer, &world.config).unwrap_err()
    };
    let resigned = |answer: &mut v1::GetCommitteeResponse, party: Party, change: &dyn Fn(&mut v1::Node)| {
        let node = &mut answer.nodes[party.index()];
        change(node);
        world.sign(party, node);
    };
    assert_eq!(fault(&|a| a.deployment = "prod".to_owned()), CommitteeFault::Deployment);
    assert_eq!(fault(&|a| a.nodes.truncate(2)), CommitteeFault::Nodes);
    assert_eq!(fault(&|a| a.nodes.swap(0, 1)), CommitteeFault::Signature(Party::A));
    assert_eq!(fault(&|a| a.nodes[2].envelope_keys.clear()), CommitteeFault::Signature(Party::C));
    assert_eq!(fault(&|a| a.nodes[1].signature[5] ^= 1), CommitteeFault::Signature(Party::B));
    let other_log = log_of(Party::A).verifier().to_string();
    let cases: [(Change<'_>, CommitteeFault); 5] = [
        (&|n| n.log_key.clone_from(&other_log), CommitteeFault::LogKey(Party::B)),
        (&|n| n.suite.push('x'), CommitteeFault::Suite(Party::B)),
        (&|n| n.context_digest[0] ^= 1, CommitteeFault::Context(Party::B)),
        (&|n| n.envelope_keys.clear(), CommitteeFault::EnvelopeKey(Party::B)),
        (&|n| n.envelope_keys[0].id[0] ^= 1, CommitteeFault::EnvelopeKey(Party::B)),
    ];
    for (change, expected) in cases {
        assert_eq!(fault(&|a| resigned(a, Party::B, change)), expected);
    }
    assert_eq!(fault(&|a| a.models[0].id.clear()), CommitteeFault::Model);
    assert_eq!(fault(&|a| a.models[0].modality = 0), CommitteeFault::Model);
    assert_eq!(fault(&|a| a.models[1].encoding = 0), CommitteeFault::Model);
    let shapes =
        world.committee().models().iter().map(|model| (model.shape(128), model.shape(560))).collect::<Vec<_>>();
    assert_eq!(shapes, [(Shape::vector(128), None), (None, Shape::set(4))]);
}

#[test]
fn receipts_are_believed_only_if_all_three_show_this_request_and_one_outcome() {
    let world = world();
    let ask = Prepared::verify(
        &world.config,
        &world.committee(),
        &target("cash_withdrawal"),
        &[capture(&sface(), &template(0.7))],
        0,
        CAPTURED,
    )
    .unwrap()
    .ask()
    .clone();
    let check = |receipts: &[v1::Receipt]| Receipts::check(receipts, &ask, &world.config);
    let honest = world.receipts(&ask, Outcome::Match);
    assert_eq!(check(&honest).unwrap().outcome(), Outcome::Match);

    let fault = |change: &dyn Fn(&mut Vec<v1::Receipt>)| {
        let mut receipts = honest.to_vec();
        change(&mut receipts);
        check(&receipts).unwrap_err()
    };
    let lie = world.receipts(&ask, Outcome::NoMatch);
    let enrolled = world.receipts(&ask, Outcome::Enrolled);
    let mut other_ask = ask.clone();
    other_ask.amount_kzt += 1;
    let other = world.receipts(&other_ask, Outcome::Match);
    assert_eq!(fault(&|r| r.truncate(2)), ReceiptFault::Count);
    assert_eq!(fault(&|r| r.swap(1, 2)), ReceiptFault::Count);
    assert_eq!(fault(&|r| r[0].leaf_hash.truncate(31)), ReceiptFault::Form(Party::A));
    assert_eq!(fault(&|r| r[1].outcome = 0), ReceiptFault::Form(Party::B));
    assert_eq!(fault(&|r| r[2].outcome = 2), ReceiptFault::Untrusted(Party::C, ReceiptError::Signature));
    assert_eq!(fault(&|r| r[0].log_index = 2), ReceiptFault::Untrusted(Party::A, ReceiptError::Signature));
    assert!(matches!(
        fault(&|r| r[1].inclusion_proof[0][0] ^= 1),
        ReceiptFault::Untrusted(Party::B, ReceiptError::Inclusion(_))
    ));
    assert_eq!(fault(&|r| r[1] = other[1].clone()), ReceiptFault::OtherRequest(Party::B));
    assert_eq!(fault(&|r| r[2] = lie[2].clone()), ReceiptFault::Outcome(Party::C));
    assert_eq!(fault(&|r| *r = enrolled.to_vec()), ReceiptFault::Outcome(Party::A));
}

#[test]
fn a_certificate_of_erasure_is_checked_offline_and_any_change_of_it_is_found() {
    let world = world();
    let target = target("erasure");
    let erase = Prepared::erase(&world.config, &target).unwrap();
    let receipts = world.receipts(erase.ask(), Outcome::Erased);
    let receipts = Receipts::check(&receipts, erase.ask(), &world.config).unwrap();
    let text = ErasureCertificate::new(&world.config.deployment, erase.ask(), &target.subject, &receipts).to_json();
    let verify = |text: &str| {
        ErasureCertificate::from_json(text)
            .and_then(|certificate| certificate.verify(&world.config.nodes, &world.config.deployment))
    };
    assert_eq!(verify(&text), Ok(()));
    let changed = |from: &str, to: &str| {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        verify(&other).unwrap_err()
    };
    assert_eq!(changed("\"dev\"", "\"prod\""), CertificateError::Deployment);
    assert_eq!(changed("certificate 3", "certificate 2"), CertificateError::Form);
    assert_eq!(changed("\"kind\"", "\"sort\""), CertificateError::Form);
    for (from, to) in [
        ("c-0042", "c-0043"),
        ("atm-backend", "branch-backend"),
        ("b17/customers", "b17/staff"),
        ("\"log_index\": 1", "\"log_index\": 2"),
        ("\"outcome\": \"erased\"", "\"outcome\": \"had_none\""),
    ] {
        let signature = ReceiptFault::Untrusted(Party::A, ReceiptError::Signature);
        assert_eq!(changed(from, to), CertificateError::Receipt(signature), "{from}");
    }
}

#[test]
fn each_envelope_opens_at_its_node_alone_and_the_three_shares_are_the_template() {
    let world = world();
    let (target, key) = (target("enrolment"), SubjectKey::generate().unwrap());
    let (templates, model) = ([template(1.3), template(0.6)], sface());
    let captures = templates.each_ref().map(|template| capture(&model, template));
    let prepared = Prepared::enroll(&world.config, &world.committee(), &target, &captures, CAPTURED, &key).unwrap();
    for (place, (sample, template)) in samples_of(prepared.request()).iter().zip(&templates).enumerate() {
        let mut whole = vec![0_u8; 64];
        for party in Party::ALL {
            let key = if place == 0 { key.for_node(party).to_vec() } else { Vec::new() };
            let envelope = Envelope::parse(envelopes_of(sample)[party.index()], 128 + key.len()).unwrap();
            let binding = Binding {
                party,
                deployment: &world.config.deployment,
                relying_party: &world.config.relying_party,
                client: &world.config.client,
                method: Method::Enroll,
                purpose: &target.purpose,
                request_id: &prepared.ask().request_id,
                gallery: &target.gallery,
                subject: Some(&target.subject),
                modality: crate::name::Modality::Face,
                model: &model,
                amount_kzt: 0,
                captured: CAPTURED,
            };
            let keys = |of: Party| {
                let seed = world.envelope_keys[of.index()].to_seed();
                crate::seal::EnvelopeKeys::new(PrivateKey::from_seed(&seed), None)
            };
            assert!(keys(party.next()).open(&envelope, &binding).is_err());
            let plaintext = keys(party).open(&envelope, &binding).unwrap();
            assert_eq!(plaintext[128..], key, "the node's key is in the first sample only");
            let share = Zeroizing::new(plaintext[..128].to_vec());
            let summands = InputShares::from_envelope(template.shape(), share).unwrap();
            for (sum, own) in whole.iter_mut().zip(summands.own()) {
                *sum ^= own;
            }
        }
        assert_eq!(whole, **template.pack());
    }
}

#[test]
fn what_does_not_make_a_request_is_found_before_anything_is_sealed() {
    let world = world();
    let target = target("cash_withdrawal");
    let committee = world.committee();
    let error = |id: &str, template: &Template| {
        let model = id.parse().unwrap();
        let probes = [capture(&model, template)];
        Prepared::verify(&world.config, &committee, &target, &probes, 0, CAPTURED).unwrap_err()
    };
    let long: Vec<f32> = (0..512_u16).map(|place| f32::from(place).sin()).collect();
    let long = quantise(&long, Models::built_in().find(&"fr512".parse().unwrap()).unwrap()).unwrap();
    assert_eq!(error("fr512", &template(0.3)), InputError::Model);
    assert_eq!(error("sface128", &long), InputError::Template(Shape::vector(512).unwrap()));
    // As many components as a set of four rows, and one vector all the same.
    assert_eq!(error("rows", &long), InputError::Template(Shape::vector(512).unwrap()));

    let (sface, rows, probe, key) = (sface(), "rows".parse().unwrap(), template(0.3), SubjectKey::generate().unwrap());
    for bytes in [0, 64, 192, 255, 257, 41 * 64] {
        let packed = vec![0x11; bytes];
        let made = Prepared::danger_verify_packed(&world.config, &committee, &target, &[(&rows, &packed)], 0, CAPTURED);
        assert_eq!(made.unwrap_err(), InputError::Packed(bytes));
    }
    let wrong = InputError::Request(RequestError::Samples);
    for (probes, references) in [(0, 0), (3, 33)] {
        let captures = |count| vec![capture(&sface, &probe); count];
        let verify = Prepared::verify(&world.config, &committee, &target, &captures(probes), 0, CAPTURED);
        let enroll = Prepared::enroll(&world.config, &committee, &target, &captures(references), CAPTURED, &key);
        assert_eq!((verify.unwrap_err(), enroll.unwrap_err()), (wrong, wrong));
    }
}

#[test]
fn a_status_is_a_refusal_only_with_a_reason_of_this_service() {
    use tonic::{Code, Status};
    use tonic_types::{ErrorDetails, StatusExt as _};
    let with = |domain: &str| {
        let mut details = ErrorDetails::with_error_info("TOKEN_EXPIRED", domain, [("node".to_owned(), "B".to_owned())]);
        details.set_retry_info(Some(Duration::from_millis(250)));
        ClientError::from(Status::with_error_details(Code::Unauthenticated, "The access token has expired.", details))
    };
    let ours = with("tumar.v1");
    let refusal = ours.refusal().unwrap();
    assert_eq!(
        (refusal.reason.as_str(), refusal.node, refusal.code),
        ("TOKEN_EXPIRED", Some(Party::B), Code::Unauthenticated)
    );
    assert_eq!(refusal.retry_after, Some(Duration::from_millis(250)));
    assert_eq!(ours.to_string(), "TOKEN_EXPIRED (node B): The access token has expired.");
    assert!(matches!(with("elsewhere.example"), ClientError::Unanswered(_)));
    assert!(matches!(ClientError::from(Status::unavailable("gone")), ClientError::Unanswered(_)));
}
