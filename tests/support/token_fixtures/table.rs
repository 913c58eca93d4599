//! The table of what spoils a draft.

use serde_json::json;
use tumar::name::Modality;
use tumar::request::{Method, Minute, RequestInfo};
use tumar::token::MAX_BYTES;
use tumar::token::approval::case_digest;
use tumar::token::jws::to_base64;

use super::officers::{AIDA, BOLAT, CASE, CLARA, DINA, EMIR, Sheet};
use super::{
    BASE, Draft, ED_CLIENT, ED_ISSUER, ES_CLIENT, FACE, FINGER, NOW, ROWS, STRANGER, VECTOR, ask, details, sample,
};

pub(crate) type Change = fn(&mut Draft);

/// Refusals, in the order of the checks; the first of each reason is the one that the test of the order uses.
pub(crate) const REFUSALS: &[(&str, Change)] = &[
    ("TOKEN_TOO_LARGE", |d| d.claims["pad"] = json!("x".repeat(MAX_BYTES))),
    ("PROOF_TOO_LARGE", |d| d.proof["pad"] = json!("x".repeat(MAX_BYTES))),
    ("TOKEN_MALFORMED", |d| d.access_text.push(|text| text + "=")),
    ("TOKEN_MALFORMED", |d| d.access_text.push(|_| String::new())),
    ("TOKEN_MALFORMED", |d| d.access_text.push(|text| text + ".")),
    ("TOKEN_MALFORMED", |d| d.access_text.push(|text| format!(" {text}"))),
    ("TOKEN_MALFORMED", |d| d.access_text.push(|text| text.rsplit_once('.').unwrap().0.to_owned())),
    ("TOKEN_MALFORMED", |d| d.access_text.push(|_| ED_ISSUER.sign_bytes(b"{\"alg\":1,\"alg\":1}", b"{}").unwrap())),
    ("TOKEN_MALFORMED", |d| d.access_text.push(|_| ED_ISSUER.sign_bytes(b"{}", b"[]").unwrap())),
    ("TOKEN_MALFORMED", |d| {
        d.access_text.push(|_| ED_ISSUER.sign_bytes(b"{}", b"{\"a\":[{\"b\":1,\"b\":1}]}").unwrap());
    }),
    ("PROOF_MALFORMED", |d| d.proof_text.push(|text| text + "=")),
    ("PROOF_MALFORMED", |d| {
        d.proof_text.push(|_| ED_CLIENT.sign_bytes(b"{\"jwk\":{\"x\":1,\"x\":1}}", b"{}").unwrap());
    }),
    ("TOKEN_TYPE", |d| d.header["typ"] = json!("JWT")),
    ("TOKEN_TYPE", |d| d.header["typ"] = json!("dpop+jwt")),
    ("TOKEN_TYPE", |d| drop(d.header.as_object_mut().unwrap().remove("typ"))),
    ("TOKEN_ALG", |d| d.header["alg"] = json!("none")),
    ("TOKEN_ALG", |d| {
        d.header["alg"] = json!("none");
        d.access_text.push(|text| text.rsplit_once('.').unwrap().0.to_owned() + ".");
    }),
    ("TOKEN_ALG", |d| d.header["alg"] = json!("HS256")),
    ("TOKEN_ALG", |d| d.header["alg"] = json!("RS256")),
    ("TOKEN_ALG", |d| d.header["alg"] = json!("eddsa")),
    ("TOKEN_ALG", |d| d.header["alg"] = json!(["EdDSA"])),
    ("TOKEN_HEADER", |d| d.header["crit"] = json!(["exp"])),
    ("TOKEN_HEADER", |d| d.header["jku"] = json!("https://evil.example/jwks")),
    ("TOKEN_HEADER", |d| d.header["x5u"] = json!("https://evil.example/cert")),
    ("TOKEN_HEADER", |d| d.header["x5c"] = json!([])),
    ("TOKEN_HEADER", |d| d.header["jwk"] = STRANGER.public().to_jwk()),
    ("TOKEN_HEADER", |d| d.header["b64"] = json!(false)),
    ("TOKEN_KID_UNKNOWN", |d| d.header["kid"] = json!("other")),
    ("TOKEN_KID_UNKNOWN", |d| d.header["kid"] = json!(null)),
    ("TOKEN_KID_UNKNOWN", |d| drop(d.header.as_object_mut().unwrap().remove("kid"))),
    ("TOKEN_ALG_OF_KEY", |d| d.header["alg"] = json!("ES256")),
    ("TOKEN_ALG_OF_KEY", |d| d.header["kid"] = json!("ES256")),
    ("TOKEN_SIGNATURE", |d| d.issuer = &STRANGER),
    ("TOKEN_SIGNATURE", |d| {
        d.issuer = &ED_ISSUER;
        d.header["kid"] = json!("ES256");
        d.header["alg"] = json!("ES256");
    }),
    ("TOKEN_CLAIMS", |d| d.claims["iat"] = json!("1")),
    ("TOKEN_CLAIMS", |d| d.claims["exp"] = json!(1.5)),
    ("TOKEN_CLAIMS", |d| d.claims["exp"] = json!(-1)),
    ("TOKEN_CLAIMS", |d| d.claims["exp"] = json!(NOW)),
    ("TOKEN_CLAIMS", |d| d.claims["client_id"] = json!("")),
    ("TOKEN_CLAIMS", |d| d.claims["client_id"] = json!("a b")),
    ("TOKEN_CLAIMS", |d| d.claims["sub"] = json!("x".repeat(129))),
    ("TOKEN_CLAIMS", |d| d.claims["cnf"] = json!({})),
    // The members in order, without their names.
    ("TOKEN_CLAIMS", |d| d.claims["cnf"] = json!([d.claims["cnf"]["jkt"], null])),
    ("TOKEN_CLAIMS", |d| d.claims["cnf"] = json!([d.claims["cnf"]["jkt"]])),
    ("TOKEN_CLAIMS", |d| d.claims["cnf"] = d.claims["cnf"]["jkt"].clone()),
    ("TOKEN_CLAIMS", |d| d.claims["cnf"] = json!([d.claims["cnf"]])),
    ("TOKEN_CLAIMS", |d| d.claims["cnf"]["jkt"] = json!("AAAA")),
    ("TOKEN_CLAIMS", |d| d.claims["cnf"]["kid"] = json!("another way to bind")),
    ("TOKEN_CLAIMS", |d| d.claims["cnf"]["x5t#S256"] = json!("AAAA")),
    ("TOKEN_CLAIMS", |d| d.claims["amr"] = json!("pin")),
    ("TOKEN_CLAIMS", |d| d.claims["nbf"] = json!(null)),
    ("TOKEN_CLAIMS", |d| d.claims["iat"] = json!(-0.5)),
    ("TOKEN_CLAIMS", |d| d.claims["exp"] = json!(1e300)),
    ("TOKEN_JTI", |d| d.claims["jti"] = json!("t".repeat(15))),
    ("TOKEN_JTI", |d| d.claims["jti"] = json!("t".repeat(129))),
    ("TOKEN_JTI", |d| d.claims["jti"] = json!("t".repeat(21) + " ")),
    ("TOKEN_JTI", |d| d.claims["jti"] = json!("t".repeat(21) + "\u{431}")),
    ("TOKEN_DETAILS", |d| d.details()["max_uses"] = json!(0)),
    ("TOKEN_DETAILS", |d| d.details()["max_uses"] = json!(1001)),
    ("TOKEN_DETAILS", |d| d.details()["locations"] = json!([])),
    ("TOKEN_DETAILS", |d| d.details()["type"] = json!("urn:tumar:match:2")),
    ("TOKEN_DETAILS", |d| d.details()["actions"] = json!([])),
    ("TOKEN_DETAILS", |d| d.details()["actions"] = json!(["verify", "watch"])),
    ("TOKEN_DETAILS", |d| d.details()["galleries"] = json!([])),
    ("TOKEN_DETAILS", |d| d.details()["galleries"] = json!(["banks/b17/*"])),
    ("TOKEN_DETAILS", |d| d.details()["modalities"] = json!(["iris"])),
    ("TOKEN_DETAILS", |d| drop(d.details().as_object_mut().unwrap().remove("modalities"))),
    ("TOKEN_DETAILS", |d| d.claims["authorization_details"] = json!([])),
    ("TOKEN_DETAILS", |d| d.claims["authorization_details"] = json!([details(), details()])),
    ("TOKEN_DETAILS", |d| d.claims["authorization_details"] = details()),
    ("TOKEN_DETAILS", |d| drop(d.claims.as_object_mut().unwrap().remove("authorization_details"))),
    ("TOKEN_ISSUER", |d| d.claims["iss"] = json!("https://issuer.example/")),
    // Another bank's issuer speaks for this one, whatever the call.
    ("ISSUER_RELYING_PARTY", Draft::by_issuer_of_b19),
    ("ISSUER_RELYING_PARTY", |d| {
        d.by_issuer_of_b19();
        d.purpose("erasure");
        d.method(Method::Erase);
        d.ask.samples = Vec::new();
    }),
    ("ISSUER_RELYING_PARTY", |d| {
        d.by_issuer_of_b19();
        d.purpose("subject_lock");
        d.method(Method::Lock);
        d.ask.samples = Vec::new();
    }),
    ("ISSUER_RELYING_PARTY", |d| {
        d.by_issuer_of_b19();
        d.purpose("subject_unlock");
        d.method(Method::Unlock);
        d.claims["amr"] = json!(["registry_check"]);
        d.ask.samples = Vec::new();
    }),
    ("ISSUER_RELYING_PARTY", |d| {
        d.by_issuer_of_b19();
        d.purpose("enrolment");
        d.method(Method::Enroll);
        d.claims["amr"] = json!(["registry_check"]);
    }),
    ("ISSUER_RELYING_PARTY", |d| {
        d.by_issuer_of_b19();
        d.search();
    }),
    // This bank's issuer speaks for the other one, for one that nobody speaks for, and for the regulator.
    ("ISSUER_RELYING_PARTY", |d| d.details()["relying_party"] = json!("banks/b19")),
    ("ISSUER_RELYING_PARTY", |d| d.details()["relying_party"] = json!("banks/b1x")),
    ("ISSUER_RELYING_PARTY", |d| d.details()["relying_party"] = json!("auditors/regulator")),
    ("TOKEN_AUDIENCE", |d| d.claims["aud"] = json!("urn:tumar:kz-other")),
    ("TOKEN_AUDIENCE", |d| d.claims["aud"] = json!(["urn:tumar:kz-test", "urn:tumar:kz-other"])),
    ("TOKEN_AUDIENCE", |d| d.claims["aud"] = json!([])),
    ("TOKEN_NOT_YET_VALID", |d| d.claims["nbf"] = json!(NOW + 31)),
    ("TOKEN_NOT_YET_VALID", |d| {
        d.claims["iat"] = json!(NOW + 31);
        d.claims["exp"] = json!(NOW + 300);
    }),
    ("TOKEN_EXPIRED", |d| {
        d.claims["iat"] = json!(NOW - 330);
        d.claims["exp"] = json!(NOW - 30);
    }),
    ("TOKEN_TOO_LONG_LIVED", |d| d.claims["exp"] = json!(NOW + 301)),
    ("TOKEN_TOO_LONG_LIVED", |d| d.claims["exp"] = json!(u64::MAX)),
    ("TOKEN_TOO_LONG_LIVED", |d| {
        d.search();
        d.claims["exp"] = json!(NOW + 121);
    }),
    ("TOKEN_TOO_LONG_LIVED", |d| {
        d.search();
        d.details()["actions"] = json!(["verify", "search"]);
        d.claims["exp"] = json!(NOW + 300);
    }),
    ("PROOF_TYPE", |d| d.proof_header["typ"] = json!("at+jwt")),
    ("PROOF_ALG", |d| d.proof_header["alg"] = json!("none")),
    ("PROOF_ALG", |d| d.proof_header["alg"] = json!("HS256")),
    ("PROOF_HEADER", |d| d.proof_header["crit"] = json!([])),
    ("PROOF_HEADER", |d| d.proof_header["x5c"] = json!([])),
    ("PROOF_KEY", |d| d.proof_header["jwk"] = json!({ "kty": "oct", "k": "AAAA" })),
    ("PROOF_KEY", |d| d.proof_header["jwk"]["d"] = json!("AAAA")),
    ("PROOF_KEY", |d| d.proof_header["jwk"]["crv"] = json!("X25519")),
    ("PROOF_KEY", |d| d.proof_header["jwk"]["x"] = json!("AAAA")),
    ("PROOF_KEY", |d| d.proof_header["jwk"]["alg"] = json!("ES256")),
    ("PROOF_KEY", |d| drop(d.proof_header.as_object_mut().unwrap().remove("jwk"))),
    ("PROOF_ALG_OF_KEY", |d| d.proof_header["alg"] = json!("ES256")),
    ("PROOF_ALG_OF_KEY", |d| d.proof_header["jwk"] = ES_CLIENT.public().to_jwk()),
    ("PROOF_SIGNATURE", |d| d.client = &STRANGER),
    // A point that is on no curve verifies nothing.
    ("PROOF_SIGNATURE", |d| d.proof_header["jwk"]["x"] = json!(to_base64(&[0xff; 32]))),
    ("PROOF_CLAIMS", |d| d.proof["iat"] = json!("1")),
    ("PROOF_CLAIMS", |d| d.proof["rqh"] = json!(null)),
    ("PROOF_HTM", |d| d.proof["htm"] = json!("GET")),
    ("PROOF_HTM", |d| d.proof["htm"] = json!("post")),
    ("PROOF_HTU", |d| d.proof["htu"] = json!(format!("https://evil.example{}", Method::Verify.path()))),
    ("PROOF_HTU", |d| d.proof["htu"] = json!(format!("{BASE}{}", Method::Enroll.path()))),
    ("PROOF_HTU", |d| d.proof["htu"] = json!(format!("{BASE}{}?", Method::Verify.path()))),
    ("PROOF_NOT_YET_VALID", |d| d.proof["iat"] = json!(NOW + 31)),
    ("PROOF_NOT_YET_VALID", |d| d.proof["iat"] = json!(u64::MAX)),
    ("PROOF_EXPIRED", |d| d.proof["iat"] = json!(NOW - 61)),
    ("PROOF_JTI", |d| d.proof["jti"] = json!("p".repeat(15))),
    ("PROOF_DETAILS", |d| d.narrow("locations", json!([]))),
    ("PROOF_DETAILS", |d| d.narrow("type", json!("urn:tumar:match:2"))),
    ("PROOF_DETAILS", |d| d.narrow("max_uses", json!(0))),
    ("PROOF_DETAILS", |d| d.proof["authorization_details"] = json!([])),
    ("PROOF_ATH", |d| d.proof["ath"] = json!(to_base64(&[0; 32]))),
    ("PROOF_RQH", |d| d.proof["rqh"] = json!(to_base64(&[0; 32]))),
    ("PROOF_RQH", |d| {
        d.asked = Some(RequestInfo { amount_kzt: 50_000, ..ask() });
    }),
    // The transcript has the case, how many may be named, and the approvals.
    ("PROOF_RQH", |d| {
        d.search();
        d.case().digest = case_digest(b"case 18");
        d.asked = Some(d.ask.clone());
        d.case().digest = case_digest(CASE);
    }),
    ("PROOF_RQH", |d| {
        d.search();
        d.asked = Some(d.ask.clone());
        d.case().most = 1;
    }),
    ("PROOF_RQH", |d| {
        d.search();
        d.case().approvals = vec!["another".to_owned()];
        d.asked = Some(d.ask.clone());
    }),
    ("PROOF_KEY_OTHER", |d| d.claims["cnf"]["jkt"] = json!(to_base64(&STRANGER.public().thumbprint()))),
    ("PROOF_KEY_OTHER", |d| {
        d.client = &STRANGER;
        d.proof_header["jwk"] = STRANGER.public().to_jwk();
    }),
    ("TOKEN_CERTIFICATE", |d| d.claims["cnf"]["x5t#S256"] = json!(to_base64(&[9; 32]))),
    ("TOKEN_CERTIFICATE", |d| {
        d.claims["cnf"]["x5t#S256"] = json!(to_base64(&[9; 32]));
        d.certificate = Some([8; 32]);
    }),
    ("TOKEN_CLIENT", |d| d.ask.client = "b17-branch".parse().unwrap()),
    ("TOKEN_CLIENT", |d| d.claims["client_id"] = json!("b17-branch")),
    ("ACTION_OTHER", |d| d.call = if d.ask.method == Method::Lock { Method::Unlock } else { Method::Lock }),
    ("PURPOSE_NOT_GRANTED", |d| d.details()["purpose"] = json!("enrolment")),
    ("PURPOSE_UNKNOWN", |d| d.purpose("surveillance")),
    ("ACTION_NOT_GRANTED", |d| d.details()["actions"] = json!(["unlock"])),
    ("ACTION_NOT_ALLOWED", |d| {
        d.purpose("cash_withdrawal");
        d.method(Method::Erase);
        d.ask.samples = Vec::new();
    }),
    ("GALLERY_NOT_GRANTED", |d| d.details()["galleries"] = json!(["banks/b17/staff"])),
    ("GALLERY_NOT_GRANTED", |d| {
        d.search();
        d.ask.gallery = "banks/b17/staff".parse().unwrap();
    }),
    ("MODALITY_NOT_GRANTED", |d| {
        d.ask.samples = vec![sample(FINGER)];
        d.details()["modalities"] = json!(["face"]);
    }),
    ("MODALITY_NOT_GRANTED", |d| d.details()["modalities"] = json!(["finger"])),
    ("MODALITY_NOT_ALLOWED", |d| {
        d.purpose("face_door");
        d.method(Method::Verify);
        d.ask.samples = vec![sample(FINGER)];
    }),
    ("MODALITY_NOT_ALLOWED", |d| d.purpose("finger_door")),
    ("RELYING_PARTY_GALLERY", |d| d.details()["relying_party"] = json!("banks/b1")),
    // The other bank in its own name, with this one's gallery.
    ("RELYING_PARTY_GALLERY", |d| {
        d.by_issuer_of_b19();
        d.details()["relying_party"] = json!("banks/b19");
    }),
    ("GALLERY_NOT_LISTED", |d| {
        d.purpose("branch");
        d.method(Method::Enroll);
        d.details()["galleries"] = json!(["banks/b17/cards"]);
        d.ask.gallery = "banks/b17/cards".parse().unwrap();
    }),
    ("RELYING_PARTY_NOT_ALLOWED", |d| {
        d.purpose("one_bank");
        d.method(Method::Erase);
        d.ask.samples = Vec::new();
    }),
    ("NARROWING_WIDER", |d| d.narrow("galleries", json!(["banks/b17/customers", "banks/b17/staff"]))),
    ("NARROWING_WIDER", |d| d.narrow("purpose", json!("enrolment"))),
    ("NARROWING_WIDER", |d| d.narrow("actions", json!(["verify", "erase"]))),
    ("NARROWING_WIDER", |d| d.narrow("relying_party", json!("banks/b18"))),
    ("NARROWING_WIDER", |d| d.narrow("max_uses", json!(4))),
    ("NARROWING_WIDER", |d| d.narrow("legal_basis", json!("other"))),
    ("NARROWING_EXCLUDES", |d| d.narrow("galleries", json!([]))),
    ("NARROWING_EXCLUDES", |d| d.narrow("actions", json!([]))),
    ("NARROWING_EXCLUDES", |d| d.narrow("modalities", json!(["finger"]))),
    ("APPROVALS_MISSING", |d| {
        d.search();
        d.sheets.truncate(1);
    }),
    ("APPROVALS_MISSING", |d| {
        d.search();
        d.sheets.clear();
    }),
    ("APPROVALS_MISSING", |d| {
        d.search();
        d.sheets.push(Sheet::fitting("clara", "fraud-analyst", &CLARA));
    }),
    ("APPROVAL_MALFORMED", |d| {
        d.search();
        d.sheets[0].header["typ"] = json!("at+jwt");
    }),
    ("APPROVAL_MALFORMED", |d| {
        d.search();
        d.sheets[1].claims["exp"] = json!(NOW + 900);
    }),
    ("APPROVAL_MALFORMED", |d| {
        d.search();
        d.sheets[1].claims["pad"] = json!("x".repeat(MAX_BYTES));
    }),
    ("APPROVAL_SAME_OFFICER", |d| {
        d.search();
        d.sheets[1].claims["sub"] = d.sheets[0].claims["sub"].clone();
    }),
    ("APPROVAL_SAME_OFFICER", |d| {
        d.search();
        d.sheets[1] = Sheet::fitting("aida", "privacy-officer", &BOLAT);
    }),
    ("APPROVAL_SAME_OFFICER", |d| {
        d.search();
        d.sheets[1] = Sheet::fitting("aida", "fraud-analyst", &AIDA);
    }),
    ("APPROVAL_SAME_ROLE", |d| {
        d.search();
        d.sheets[1].claims["role"] = d.sheets[0].claims["role"].clone();
    }),
    ("APPROVAL_SAME_ROLE", |d| {
        d.search();
        d.sheets[1] = Sheet::fitting("clara", "fraud-analyst", &CLARA);
    }),
    ("APPROVAL_SAME_KEY", |d| {
        d.search();
        d.sheets[1].header["kid"] = d.sheets[0].header["kid"].clone();
    }),
    ("APPROVAL_SAME_KEY", |d| {
        d.search();
        d.sheets[1] = Sheet::fitting("bolat", "privacy-officer", &AIDA);
    }),
    ("APPROVAL_OFFICER_UNKNOWN", |d| {
        d.search();
        d.sheets[0] = Sheet::fitting("zhan", "fraud-analyst", &STRANGER);
    }),
    ("APPROVAL_OFFICER_UNKNOWN", |d| {
        d.search();
        // An officer of another bank.
        d.sheets[1] = Sheet::fitting("emir", "privacy-officer", &EMIR);
    }),
    ("APPROVAL_OFFICER_UNKNOWN", |d| {
        // The other bank's search, approved by this one's officers.
        *d = Draft { sheets: d.sheets.clone(), ..Draft::of_b19() };
        d.search();
    }),
    ("APPROVAL_SIGNATURE", |d| {
        d.search();
        d.sheets[1].key = &STRANGER;
    }),
    ("APPROVAL_ROLE", |d| {
        d.search();
        d.sheets[1] = Sheet::fitting("dina", "auditor", &DINA);
    }),
    ("APPROVAL_ROLE", |d| {
        d.search();
        d.sheets[1] = Sheet::fitting("dina", "privacy-officer", &DINA);
    }),
    ("APPROVAL_OTHER_DETAILS", |d| {
        d.search();
        d.approves(0, "galleries", json!(["banks/b17/staff"]));
    }),
    ("APPROVAL_OTHER_DETAILS", |d| {
        d.search();
        d.approves(1, "max_uses", json!(2));
    }),
    ("APPROVAL_OTHER_DETAILS", |d| {
        d.search();
        d.approves(1, "purpose", json!("account_opening_dedup"));
    }),
    ("APPROVAL_OTHER_DETAILS", |d| {
        d.search();
        d.sheets[0].claims["aud"] = json!("urn:tumar:kz-other");
    }),
    ("APPROVAL_OTHER_CASE", |d| {
        d.search();
        d.case().digest = case_digest(b"case 18");
        d.sheets[0].claims["case"] = json!(to_base64(&case_digest(CASE)));
    }),
    ("APPROVAL_OTHER_CASE", |d| {
        d.search();
        d.sheets[1].claims["case"] = json!(to_base64(&case_digest(b"case 18")));
    }),
    ("APPROVAL_EXPIRED", |d| {
        d.search();
        d.sheets[1].claims["iat"] = json!(NOW - 901);
    }),
    ("APPROVAL_EXPIRED", |d| {
        d.search();
        d.sheets[0].claims["iat"] = json!(NOW + 31);
    }),
    ("SAMPLES_UNEXPECTED", |d| {
        d.purpose("vault");
        d.method(Method::Lock);
        d.ask.samples = vec![sample(FACE)];
    }),
    ("SAMPLES_MISSING", |d| d.ask.samples = Vec::new()),
    ("CAPTURE_FROM_FUTURE", |d| d.ask.captured = Minute::of(NOW + 60)),
    ("CAPTURE_FROM_FUTURE", |d| d.ask.captured = Minute::of(u64::MAX)),
    ("CAPTURE_TOO_OLD", |d| d.ask.captured = Minute::of(NOW - 660)),
    ("CAPTURE_TOO_OLD", |d| d.ask.captured = Minute::default()),
    ("CAPTURE_TOO_OLD", |d| {
        d.search();
        d.ask.captured = Minute::of(NOW - 660);
    }),
    ("CAPTURE_TOO_OLD", |d| {
        d.purpose("enrolment");
        d.method(Method::Enroll);
        d.claims["amr"] = json!(["registry_check"]);
        d.ask.captured = Minute::of(NOW - 660);
    }),
    ("MODEL_UNKNOWN", |d| d.ask.samples = vec![sample(("nobody", Modality::Face))]),
    ("MODEL_UNKNOWN", |d| d.ask.samples = vec![sample(("fp512", Modality::Face))]),
    ("MODEL_NOT_SEARCHED", |d| {
        d.search();
        d.ask.samples = vec![sample(ROWS)];
    }),
    ("MODEL_NOT_SEARCHED", |d| {
        d.search();
        d.ask.samples = vec![sample(FACE), sample(ROWS)];
    }),
    ("MODEL_NOT_SEARCHED", |d| {
        d.search();
        d.ask.samples = vec![sample(FACE), sample(FACE)];
    }),
    ("CANDIDATES_OVER_LIMIT", |d| {
        d.search();
        d.case().most = 17;
    }),
    ("CANDIDATES_OVER_LIMIT", |d| {
        d.search();
        d.purpose("account_opening_dedup");
        d.case().most = 9;
    }),
    ("MODEL_NOT_COMPARED", |d| {
        d.purpose("cash_withdrawal");
        d.ask.samples = vec![sample(VECTOR)];
    }),
    ("MODEL_NOT_COMPARED", |d| {
        d.purpose("cash_withdrawal");
        d.ask.samples = vec![sample(FACE), sample(VECTOR)];
    }),
    ("AMOUNT_OVER_LIMIT", |d| {
        d.purpose("cash_withdrawal");
        d.ask.amount_kzt = 5_000_001;
    }),
    ("DECISION_SAMPLES", |d| d.purpose("vault")),
    ("DECISION_SAMPLES", |d| d.ask.samples = vec![sample(FACE), sample(FACE)]),
    ("DECISION_SAMPLES", |d| d.ask.amount_kzt = 1_000_001),
    ("EVIDENCE_MISSING", |d| d.ask.amount_kzt = 500_001),
    ("EVIDENCE_MISSING", |d| {
        d.ask.amount_kzt = 500_001;
        d.claims["amr"] = json!(["pin", "registry_check"]);
    }),
    ("EVIDENCE_MISSING", |d| {
        d.purpose("enrolment");
        d.method(Method::Enroll);
    }),
    ("EVIDENCE_MISSING", |d| {
        d.search();
        d.purpose("account_opening_dedup");
        d.case().most = 8;
    }),
];
