//! The conformance vectors that every client is held against.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tumar_client::name::{Modality, Subject};
use tumar_client::party::Party;
use tumar_client::prepare::Prepared;
use tumar_client::request::{Method, Minute};
use tumar_client::seal::{Binding, Envelope, EnvelopeKeys, PrivateKey};
use tumar_client::wire::message_to_bytes;
use tumar_terminal::layout::*;
use zeroize::Zeroizing;

use crate::calls::{Terminal, Wanted};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors")
}

pub(crate) fn pins() -> Vec<u8> {
    std::fs::read(folder().join("client/client.toml")).unwrap()
}

pub(crate) fn terminal() -> Terminal {
    Terminal::open(&pins()).unwrap()
}

pub(crate) fn file(name: &str) -> Value {
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

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    let digits = text(value);
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn embedding(case: &Value) -> Vec<f32> {
    bytes(&case["embedding"]).as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

/// The answer to `GetCommittee` that is good.
pub(crate) fn good_committee() -> Vec<u8> {
    bytes(&file("committee.json")["cases"][0]["answer"])
}

#[test]
fn templates_are_quantised_packed_and_split_as_the_vectors_say() {
    let (file, terminal) = (file("templates.json"), terminal());
    let committee = terminal.committee(&good_committee()).unwrap();
    for case in cases(&file) {
        let (name, model, embedding) = (&case["name"], text(&case["model"]), embedding(case));
        // By the models of the library, and by those of the committee.
        for from in [0, committee] {
            let template = terminal.face(from, model, &embedding).unwrap();
            assert_eq!(terminal.pack(template).unwrap(), bytes(&case["packed"]), "{name}");
            assert_eq!(terminal.shape(template).unwrap(), [1, u32::try_from(embedding.len()).unwrap()]);
            let shares = terminal.split(template, Some(&bytes(&case["masks"]))).unwrap();
            let fresh = terminal.split(template, None).unwrap();
            for party in ['A', 'B', 'C'] {
                let expected = bytes(&case["plaintexts"][party.to_string()]);
                assert_eq!(terminal.plaintext(shares, party).unwrap(), expected, "{name}");
                assert_ne!(terminal.plaintext(fresh, party).unwrap(), expected, "{name}");
            }
            assert_eq!(
                whole(&['A', 'B', 'C'].map(|party| terminal.plaintext(fresh, party).unwrap())),
                bytes(&case["packed"])
            );
        }
    }
    for case in file["refused"].as_array().unwrap() {
        let told = terminal.face(0, text(&case["model"]), &embedding(case)).unwrap_err();
        assert_eq!((told.status, told.reason.as_str()), (Status::Face, text(&case["fault"])));
    }
}

/// What the own summands of the three add up to.
fn whole(plaintexts: &[Vec<u8>; 3]) -> Vec<u8> {
    let half = plaintexts[0].len() / 2;
    (0..half).map(|place| plaintexts.iter().fold(0, |sum, plaintext| sum ^ plaintext[place])).collect()
}

#[test]
fn records_become_these_rows_and_vectors_or_are_refused_for_these_reasons() {
    let terminal = terminal();
    for case in cases(&file("fingers.json")) {
        let record = bytes(&case["record"]);
        let made = |model| terminal.finger(0, model, &record, [TUMAR_ANY; 2]);
        if let Some(reason) = case["reason"].as_str() {
            let status = if reason.starts_with("RECORD") { Status::Record } else { Status::Finger };
            for model in ["leader-rows-3", "leader-fixed-1"] {
                let told = made(model).unwrap_err();
                assert_eq!((told.status, told.reason.as_str()), (status, reason), "{}", case["name"]);
            }
            continue;
        }
        let (rows, vector) = (made("leader-rows-3").unwrap(), made("leader-fixed-1").unwrap());
        assert_eq!(terminal.shape(rows).unwrap(), [u32::try_from(case["rows"].as_u64().unwrap()).unwrap(), 140]);
        assert_eq!(terminal.shape(vector).unwrap(), [1, 1024]);
        assert_eq!(terminal.pack(rows).unwrap(), bytes(&case["set"]), "{}", case["name"]);
        assert_eq!(terminal.pack(vector).unwrap(), bytes(&case["vector"]), "{}", case["name"]);
    }
}

#[test]
fn a_persons_key_gives_these_keys() {
    let (file, terminal) = (file("person.json"), terminal());
    let written = text(&file["file"]).trim_end();
    let key = terminal.person_key(Some(written)).unwrap();
    assert_eq!(terminal.person_key_text(key).unwrap(), written);
    for party in ['A', 'B', 'C'] {
        assert_eq!(terminal.person_key_of_node(key, party).unwrap(), bytes(&file["nodes"][party.to_string()]));
    }
    let drawn = [0; 2].map(|_: i32| terminal.person_key_text(terminal.person_key(None).unwrap()).unwrap());
    assert_eq!(drawn.each_ref().map(String::len), [TUMAR_PERSON_KEY_TEXT; 2]);
    assert_ne!(drawn[0], drawn[1]);
}

#[test]
fn committees_are_trusted_or_refused_as_the_vectors_say() {
    let (file, terminal) = (file("committee.json"), terminal());
    for case in cases(&file) {
        let Some(fault) = case["fault"].as_str() else {
            let committee = terminal.committee(&bytes(&case["answer"])).unwrap();
            for party in ['A', 'B', 'C'] {
                assert_eq!(terminal.key_id(committee, party).unwrap(), bytes(&file["keys"][party.to_string()]));
            }
            assert_eq!(Some(terminal.until(committee).unwrap()), file["until"].as_u64());
            continue;
        };
        let told = terminal.committee(&bytes(&case["answer"])).unwrap_err();
        let party = case["party"].as_str().and_then(|party| party.chars().next());
        let expected = (Status::CommitteeNotTrusted, fault, party);
        assert_eq!((told.status, told.reason.as_str(), told.party), expected, "{}", case["name"]);
    }
}

/// A template of a model, and packed what is in it.
fn sample(terminal: &Terminal, model: &str) -> (u64, Vec<u8>) {
    let made = if model.starts_with("leader") {
        terminal.finger(0, model, &bytes(&file("fingers.json")["cases"][0]["record"]), [TUMAR_ANY; 2])
    } else {
        terminal.face(0, model, &embedding(&file("templates.json")["cases"][0]))
    };
    let template = made.unwrap();
    (template, terminal.pack(template).unwrap())
}

fn wanted(case: &Value, method: u32, person_key: u64) -> Wanted {
    let of = |name: &str| CString::new(text(&case[name])).unwrap();
    let is_search = method == TUMAR_METHOD_SEARCH;
    Wanted {
        method,
        request_id: Some(of("request_id")),
        gallery: of("gallery"),
        subject: Some(of("subject")).filter(|_| !is_search),
        purpose: of("purpose"),
        amount_kzt: case["amount_kzt"].as_u64().unwrap(),
        // Any second of the minute.
        captured_at: case["capture_minute"].as_u64().unwrap() * 60 + 37,
        person_key,
        case_digest: is_search.then_some([9; 32]),
        max_candidates: u32::from(is_search),
    }
}

#[test]
fn envelopes_are_bound_as_the_vectors_say_and_hold_the_shares() {
    let (file, terminal) = (file("envelopes.json"), terminal());
    let committee = terminal.committee(&good_committee()).unwrap();
    let calls = [
        (Method::Enroll, TUMAR_METHOD_ENROLL),
        (Method::Verify, TUMAR_METHOD_VERIFY),
        (Method::Search, TUMAR_METHOD_SEARCH),
    ];
    for case in cases(&file) {
        let (method, number) = calls.into_iter().find(|(call, _)| call.path() == text(&case["path"])).unwrap();
        let (template, packed) = sample(&terminal, text(&case["model"]));
        // The second sample of an enrolment has no key: it comes second here too.
        let first = case["person_key"].as_str();
        let person_key = match number {
            TUMAR_METHOD_ENROLL => terminal.person_key(first).unwrap(),
            _ => 0,
        };
        let place = usize::from(method == Method::Enroll && first.is_none());
        let request = terminal.seal(committee, &wanted(case, number, person_key), &vec![template; place + 1]).unwrap();
        let modality = if case["modality"] == "face" { Modality::Face } else { Modality::Finger };
        let subject: Option<Subject> = text(&case["subject"]).parse().ok();
        let opened = Party::ALL.map(|party| {
            let letter = party.as_str().chars().next().unwrap();
            let seed = bytes(&file["keys"][party.as_str()]["seed"]);
            let own = PrivateKey::from_seed(&Zeroizing::new(seed.try_into().unwrap()));
            let binding = Binding {
                party,
                deployment: &text(&file["deployment"]).parse().unwrap(),
                relying_party: &text(&file["relying_party"]).parse().unwrap(),
                client: &text(&file["client"]).parse().unwrap(),
                method,
                purpose: &text(&case["purpose"]).parse().unwrap(),
                request_id: &text(&case["request_id"]).parse().unwrap(),
                gallery: &text(&case["gallery"]).parse().unwrap(),
                subject: subject.as_ref(),
                modality,
                model: &text(&case["model"]).parse().unwrap(),
                amount_kzt: case["amount_kzt"].as_u64().unwrap(),
                captured: Minute::from_number(case["capture_minute"].as_u64().unwrap().try_into().unwrap()),
            };
            assert_eq!(binding.info(own.public().id()), bytes(&case["sealed"][party.as_str()]["info"]));
            let sealed = terminal.envelope(request, place, letter).unwrap();
            let node_key = first.map(|_| terminal.person_key_of_node(person_key, letter).unwrap()).unwrap_or_default();
            assert_eq!(sealed.len(), 2 * packed.len() + node_key.len() + TUMAR_ENVELOPE_OVERHEAD);
            let envelope = Envelope::parse(&sealed, 2 * packed.len() + node_key.len()).unwrap();
            let opened = EnvelopeKeys::new(own, None).open(&envelope, &binding).unwrap();
            let (shares, key) = opened.split_at(2 * packed.len());
            assert_eq!(key, node_key, "{}", case["name"]);
            shares.to_vec()
        });
        assert_eq!(whole(&opened), packed, "{}", case["name"]);
        let (own, next) = (
            |plaintext: &[u8]| plaintext[..packed.len()].to_vec(),
            |plaintext: &[u8]| plaintext[packed.len()..].to_vec(),
        );
        for (party, after) in [(0, 1), (1, 2), (2, 0)] {
            assert_eq!(next(&opened[party]), own(&opened[after]));
        }
        assert_eq!(terminal.envelope(request, place + 1, 'A').unwrap_err().reason, "sample");
    }
}

#[test]
fn a_request_is_given_in_all_forms_and_has_the_digest_that_nodes_compute() {
    let (file, terminal) = (file("envelopes.json"), terminal());
    let committee = terminal.committee(&good_committee()).unwrap();
    let case = cases(&file).iter().find(|case| case["name"] == "a verification").unwrap();
    let (template, _) = sample(&terminal, text(&case["model"]));
    let request = terminal.seal(committee, &wanted(case, TUMAR_METHOD_VERIFY, 0), &[template]).unwrap();
    let saved = Prepared::from_bytes(&terminal.request(request, TUMAR_REQUEST_SAVED).unwrap()).unwrap();
    assert_eq!(message_to_bytes(saved.request()), terminal.request(request, TUMAR_REQUEST_MESSAGE).unwrap());
    assert_eq!(saved.ask().request_digest().to_vec(), terminal.request(request, TUMAR_REQUEST_DIGEST).unwrap());
    assert_eq!(terminal.request(request, TUMAR_REQUEST_ID).unwrap(), text(&case["request_id"]).as_bytes());
    assert_eq!(saved.ask().captured.number(), 30_000_000);
    assert_eq!(saved.ask().amount_kzt, case["amount_kzt"].as_u64().unwrap());
    // Without an id of the backend's, each has its own.
    let mut own = wanted(case, TUMAR_METHOD_VERIFY, 0);
    own.request_id = None;
    let ids = [0; 2].map(|_: i32| {
        let request = terminal.seal(committee, &own, &[template]).unwrap();
        terminal.request(request, TUMAR_REQUEST_ID).unwrap()
    });
    assert_ne!(ids[0], ids[1]);
    for what in [0, 5, u32::MAX] {
        assert_eq!(terminal.request(request, what).unwrap_err().status, Status::Argument);
    }
}
