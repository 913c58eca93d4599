//! The product against the conformance vectors that every client is held against: `vectors/make.py` made them, without it.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use prost::Message as _;
use serde_json::Value;
use tumar::client::{
    CertificateError, ClientConfig, Committee, CommitteeFault, ErasureCertificate, Prepared, ReceiptFault, Receipts,
    SubjectKey,
};
use tumar::log::entry::blinded_handle;
use tumar::log::receipt::{Found, Outcome, ReceiptError};
use tumar::name::Modality;
use tumar::party::Party;
use tumar::request::{Method, Minute};
use tumar::seal::{Binding, Envelope, EnvelopeKeys, PrivateKey};
use tumar::share::{Masks, split};
use tumar::template::face::{TemplateError, quantise};
use tumar::template::finger::record::{Record, Wanted};
use tumar::template::finger::{encode_fixed, encode_rows};
use tumar::template::model::Models;
use tumar::token::{Details, Officers, Token, TrustedIssuer, Verifier};
use tumar::wire::peer::v1::relayed::Request;
use tumar::wire::v1;
use zeroize::Zeroizing;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn file(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

fn cases(file: &Value) -> &Vec<Value> {
    let cases = file["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    cases
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = text(value);
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn config() -> ClientConfig {
    ClientConfig::read(&folder().join("client").join("client.toml")).unwrap()
}

/// A request as a client sends it.
fn request(call: &str, message: &[u8]) -> Prepared {
    let request = match call {
        "EnrollSubject" => Request::Enroll(v1::EnrollSubjectRequest::decode(message).unwrap()),
        "VerifySubject" => Request::Verify(v1::VerifySubjectRequest::decode(message).unwrap()),
        "EraseSubject" => Request::Erase(v1::EraseSubjectRequest::decode(message).unwrap()),
        "LockSubject" => Request::Lock(v1::LockSubjectRequest::decode(message).unwrap()),
        "UnlockSubject" => Request::Unlock(v1::UnlockSubjectRequest::decode(message).unwrap()),
        "SearchGallery" => Request::Search(v1::SearchGalleryRequest::decode(message).unwrap()),
        other => panic!("{other} is not known"),
    };
    Prepared::new(request).unwrap()
}

#[test]
fn templates_are_quantised_packed_and_split_as_the_vectors_say() {
    let (file, models) = (file("templates.json"), Models::built_in());
    let embedding = |case: &Value| -> Vec<f32> {
        bytes(&case["embedding"]).as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
    };
    let model = |case: &Value| models.find(&text(&case["model"]).parse().unwrap()).unwrap();
    for case in cases(&file) {
        let template = quantise(&embedding(case), model(case)).unwrap();
        assert_eq!(template.pack().to_vec(), bytes(&case["packed"]), "{}", case["name"]);
        let masks = Masks::from_random(Zeroizing::new(bytes(&case["masks"])));
        let parts = split(template.shape(), &template.pack(), masks).unwrap();
        for (party, part) in Party::ALL.into_iter().zip(parts) {
            assert_eq!(part.for_envelope(), bytes(&case["plaintexts"][party.as_str()]), "{}", case["name"]);
        }
    }
    for case in file["refused"].as_array().unwrap() {
        let fault = match quantise(&embedding(case), model(case)).unwrap_err() {
            TemplateError::NotFinite => "not_finite",
            TemplateError::Zero => "zero",
            TemplateError::Sparse => "sparse",
            TemplateError::Dimension { .. } => "dimension",
            TemplateError::Modality => "modality",
        };
        assert_eq!(fault, text(&case["fault"]));
    }
}

#[test]
fn envelopes_open_at_their_node_for_their_request() {
    let file = file("envelopes.json");
    let (deployment, relying_party) =
        (text(&file["deployment"]).parse().unwrap(), text(&file["relying_party"]).parse().unwrap());
    let client = text(&file["client"]).parse().unwrap();
    let calls = [Method::Enroll, Method::Verify, Method::Search];
    for case in cases(&file) {
        let subject = Some(text(&case["subject"])).filter(|name| !name.is_empty()).map(|name| name.parse().unwrap());
        let key = case["person_key"].as_str().map(|key| key.parse::<SubjectKey>().unwrap());
        for party in Party::ALL {
            let (key_file, sealed) = (&file["keys"][party.as_str()], &case["sealed"][party.as_str()]);
            let own = PrivateKey::from_seed(&Zeroizing::new(bytes(&key_file["seed"]).try_into().unwrap()));
            assert_eq!(own.public().as_bytes().as_slice(), bytes(&key_file["public"]));
            assert_eq!(own.public().id().to_string(), text(&key_file["id"]));
            let binding = Binding {
                party,
                deployment: &deployment,
                relying_party: &relying_party,
                client: &client,
                method: calls.into_iter().find(|call| call.path() == text(&case["path"])).unwrap(),
                purpose: &text(&case["purpose"]).parse().unwrap(),
                request_id: &text(&case["request_id"]).parse().unwrap(),
                gallery: &text(&case["gallery"]).parse().unwrap(),
                subject: subject.as_ref(),
                modality: if case["modality"] == "face" { Modality::Face } else { Modality::Finger },
                model: &text(&case["model"]).parse().unwrap(),
                amount_kzt: case["amount_kzt"].as_u64().unwrap(),
                captured: Minute::from_number(case["capture_minute"].as_u64().unwrap().try_into().unwrap()),
            };
            assert_eq!(binding.info(own.public().id()), bytes(&sealed["info"]));
            let plaintext = bytes(&sealed["plaintext"]);
            let envelope = Envelope::parse(&bytes(&sealed["envelope"]), plaintext.len()).unwrap();
            let opened = EnvelopeKeys::new(own, None).open(&envelope, &binding).unwrap();
            assert_eq!(opened.to_vec(), plaintext, "{}", case["name"]);
            if let Some(key) = &key {
                assert!(opened.ends_with(key.for_node(party).as_slice()));
            }
        }
    }
}

#[test]
fn requests_have_these_transcripts() {
    for case in cases(&file("transcripts.json")) {
        let prepared = request(text(&case["call"]), &bytes(&case["message"]));
        assert_eq!(prepared.ask().request_digest().to_vec(), bytes(&case["hash"]), "{}", case["call"]);
        assert_eq!(tumar::wire::sha256(&bytes(&case["bytes"])).to_vec(), bytes(&case["hash"]));
    }
}

#[test]
fn a_persons_key_gives_these_keys_and_handles() {
    let file = file("person.json");
    let key: SubjectKey = text(&file["file"]).trim_end().parse().unwrap();
    for party in Party::ALL {
        let own = key.for_node(party);
        assert_eq!(own.to_vec(), bytes(&file["nodes"][party.as_str()]));
        for (count, handle) in file["handles"][party.as_str()].as_object().unwrap() {
            assert_eq!(blinded_handle(&own, count.parse().unwrap()).to_vec(), bytes(handle));
        }
    }
}

#[test]
fn records_become_these_rows_and_vectors_or_are_refused_for_these_reasons() {
    for case in cases(&file("fingers.json")) {
        let record = Record::read(&bytes(&case["record"]));
        let view = record.as_ref().map_err(|fault| fault.reason()).and_then(|record| {
            record.view(Wanted::default()).map_err(tumar::template::finger::record::RecordError::reason)
        });
        let encoded = view.and_then(|view| {
            let minutiae = view.minutiae();
            let rows = encode_rows(&minutiae).map_err(tumar::template::finger::FingerError::reason)?;
            let vector = encode_fixed(&minutiae).map_err(tumar::template::finger::FingerError::reason)?;
            Ok((rows, vector))
        });
        match encoded {
            Ok((rows, vector)) => {
                assert_eq!(rows.shape().rows(), usize::try_from(case["rows"].as_u64().unwrap()).unwrap());
                assert_eq!(rows.pack().to_vec(), bytes(&case["set"]), "{}", case["name"]);
                assert_eq!(vector.pack().to_vec(), bytes(&case["vector"]), "{}", case["name"]);
            }
            Err(reason) => assert_eq!(reason, text(&case["reason"]), "{}", case["name"]),
        }
    }
}

#[test]
fn committees_are_trusted_or_refused_as_the_vectors_say() {
    let (file, config) = (file("committee.json"), config());
    for case in cases(&file) {
        let answer = v1::GetCommitteeResponse::decode(bytes(&case["answer"]).as_slice()).unwrap();
        match Committee::check(&answer, &config) {
            Ok(committee) => {
                assert!(case["fault"].is_null(), "{}", case["name"]);
                for party in Party::ALL {
                    assert_eq!(committee.key(party).id().to_string(), text(&file["keys"][party.as_str()]));
                }
                assert_eq!(Some(committee.until()), file["until"].as_u64());
                assert_eq!(committee.context().to_vec(), bytes(&file["context"]));
            }
            Err(fault) => {
                let (word, party) = match fault {
                    CommitteeFault::Deployment => ("deployment", None),
                    CommitteeFault::Nodes => ("nodes", None),
                    CommitteeFault::Signature(party) => ("signature", Some(party)),
                    CommitteeFault::LogKey(party) => ("log_key", Some(party)),
                    CommitteeFault::Suite(party) => ("suite", Some(party)),
                    CommitteeFault::Context(party) => ("context", Some(party)),
                    CommitteeFault::EnvelopeKey(party) => ("envelope_key", Some(party)),
                    CommitteeFault::Model => ("model", None),
                };
                let named = party.map(Party::as_str);
                assert_eq!((Some(word), named), (case["fault"].as_str(), case["party"].as_str()), "{}", case["name"]);
            }
        }
    }
}

fn word_of(fault: ReceiptFault) -> (&'static str, Option<&'static str>) {
    let (word, party) = match fault {
        ReceiptFault::Count | ReceiptFault::Untrusted(_, ReceiptError::Party) => return ("count", None),
        ReceiptFault::Decision => return ("decision", None),
        ReceiptFault::Form(party) => ("form", party),
        ReceiptFault::OtherRequest(party) => ("other_request", party),
        ReceiptFault::Outcome(party) => ("outcome", party),
        ReceiptFault::Found(party) => ("found", party),
        ReceiptFault::Untrusted(party, ReceiptError::Signature) => ("signature", party),
        ReceiptFault::Untrusted(party, ReceiptError::Checkpoint(_)) => ("checkpoint", party),
        ReceiptFault::Untrusted(party, ReceiptError::Inclusion(_)) => ("inclusion", party),
    };
    (word, Some(party.as_str()))
}

#[test]
fn receipts_are_trusted_or_refused_as_the_vectors_say() {
    let (file, config) = (file("receipts.json"), config());
    let prepared = request(text(&file["call"]), &bytes(&file["message"]));
    assert_eq!(prepared.ask().request_digest().to_vec(), bytes(&file["transcript"]));
    for case in cases(&file) {
        let sent: Vec<v1::Receipt> = case["receipts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|receipt| v1::Receipt::decode(bytes(receipt).as_slice()).unwrap())
            .collect();
        match Receipts::check(&sent, prepared.ask(), &config) {
            Ok(receipts) => {
                assert!(case["fault"].is_null(), "{}", case["name"]);
                assert!(matches!(receipts.outcome(), Outcome::Match | Outcome::NoMatch));
            }
            Err(fault) => {
                let (word, party) = word_of(fault);
                assert_eq!((Some(word), party), (case["fault"].as_str(), case["party"].as_str()), "{}", case["name"]);
            }
        }
    }
    let found = &file["found"];
    let candidates = found["candidates"].as_array().unwrap().iter().map(|name| text(name).parse().unwrap()).collect();
    let digest = Found { candidates, truncated: found["truncated"].as_bool().unwrap() }.digest();
    assert_eq!(digest.to_vec(), bytes(&found["digest"]));
}

#[test]
fn certificates_are_trusted_or_refused_as_the_vectors_say() {
    let config = config();
    for case in cases(&file("certificates.json")) {
        let read = ErasureCertificate::from_json(text(&case["text"]));
        let verified = read.and_then(|certificate| certificate.verify(&config.nodes, &config.deployment));
        let fault = verified.err().map(|error| match error {
            CertificateError::Form => "form",
            CertificateError::Deployment => "deployment",
            CertificateError::Receipt(_) => "receipt",
        });
        assert_eq!(fault, case["fault"].as_str(), "{}", case["name"]);
    }
}

fn verifier(trusted: &Value, officers: Officers) -> Verifier {
    let names: Vec<_> =
        trusted["relying_parties"].as_array().unwrap().iter().map(|name| text(name).parse().unwrap()).collect();
    let bases = trusted["bases"].as_array().unwrap().iter().map(|base| text(base).to_owned()).collect();
    let jwks = trusted["jwks"].to_string();
    let issuer =
        TrustedIssuer { issuer: text(&trusted["issuer"]), relying_parties: &names, galleries: &[], jwks: &jwks };
    Verifier::new(&config().deployment, &[issuer], bases, officers).unwrap()
}

#[test]
fn tokens_and_proofs_are_genuine_or_refused_for_these_reasons() {
    let (request_file, file) = (file("receipts.json"), file("tokens.json"));
    let verifier = verifier(&file["trusted"], Officers::default());
    let prepared = request(text(&request_file["call"]), &bytes(&request_file["message"]));
    for case in cases(&file) {
        let token = Token::new(text(&case["token"]), text(&case["proof"]), None);
        let fault = token.verify(&verifier, prepared.ask(), file["now"].as_u64().unwrap()).err();
        assert_eq!(fault.map(|fault| fault.reason().code()), case["reason"].as_str(), "{}", case["name"]);
    }
}

#[test]
fn approvals_are_taken_or_refused_for_these_reasons() {
    let (tokens, file) = (file("tokens.json"), file("approvals.json"));
    let entry = |officer: &Value| {
        let jwk: Vec<String> =
            officer["jwk"].as_object().unwrap().iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let (name, role, party) = (&officer["name"], &officer["role"], &officer["relying_party"]);
        let jwk = jwk.join(", ");
        format!("[[officer]]\nname = {name}\nrole = {role}\nrelying_party = {party}\njwk = {{ {jwk} }}\n")
    };
    let officers: String = file["officers"].as_array().unwrap().iter().map(entry).collect();
    let verifier = verifier(&tokens["trusted"], Officers::parse(&officers).unwrap());
    let details: Details = serde_json::from_value(file["details"].clone()).unwrap();
    let (case_digest, now) = (bytes(&file["case"]).try_into().unwrap(), file["now"].as_u64().unwrap());
    let texts =
        |list: &Value| -> Vec<String> { list.as_array().unwrap().iter().map(|one| text(one).to_owned()).collect() };
    let roles = texts(&file["roles"]);
    for case in cases(&file) {
        let approvals = texts(&case["approvals"]);
        let checked = verifier.officers().check(&approvals, &details, &case_digest, &roles, verifier.audience(), now);
        assert_eq!(checked.err().map(|denial| denial.reason().code()), case["reason"].as_str(), "{}", case["name"]);
    }
}
