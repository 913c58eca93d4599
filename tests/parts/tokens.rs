//! Tokens, proofs and policy: what is let through, and every reason for which something is not.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::support::token_fixtures::table::{Change, REFUSALS};
use crate::support::token_fixtures::{
    BASE, Draft, ED_ISSUER, ES_CLIENT, ES_ISSUER, FACE, FINGER, ISSUER, ISSUER_OF_B19, Models, NOW, OF_ISSUER, POLICY,
    Refused, SERVED, STRANGER, VERIFIER, ask, details, draw, relying_parties, sample, verifier,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tonic::Code;
use tumar::name::{GalleryName, Modality};
use tumar::reason::Reason;
use tumar::request::{Method, Minute, RequestInfo};
use tumar::template::model::Fmr;
use tumar::token::jws::{self, Jws, from_base64_32, sha256, to_base64};
use tumar::token::purpose::{DecisionRule, Enroll, Grant, Search, Verify};
use tumar::token::{
    Algorithm, Attempts, Decision, Denial, Details, Issuer, KeysFault, Narrowing, Officers, Policy, ProofKey,
    PublicKey, SigningKey, Token, TokenError, TokenRequest, TrustError, TrustedIssuer, Unused, Verifier, json, policy,
};

#[test]
fn every_refusal_has_its_own_reason() {
    assert_eq!(Draft::good().outcome(), "OK");
    for (place, (reason, change)) in REFUSALS.iter().enumerate() {
        let mut draft = Draft::good();
        change(&mut draft);
        assert_eq!(draft.outcome(), *reason, "row {place}");
    }
}

#[test]
fn an_issuer_is_believed_of_its_own_relying_party_and_whatever_else_is_wrong_of_no_other() {
    assert_eq!(Draft::of_b19().outcome(), "OK");
    assert_eq!(Draft::of_b19().granted::<Verify>().unwrap().record().relying_party.as_str(), "banks/b19");
    let mut tried = 0;
    let place = |code: &str| Reason::ALL.iter().position(|reason| reason.code() == code).unwrap();
    for (row, (reason, change)) in REFUSALS.iter().enumerate() {
        let mut draft = Draft::good();
        draft.by_issuer_of_b19();
        change(&mut draft);
        // Rows that make it the other bank's own request, or another issuer's, are what they were.
        let named = draft.claims.pointer("/authorization_details/0/relying_party");
        if *reason == "ISSUER_RELYING_PARTY"
            || draft.claims["iss"] != ISSUER_OF_B19
            || named == Some(&json!("banks/b19"))
        {
            continue;
        }
        let first = place(reason).min(place("ISSUER_RELYING_PARTY"));
        assert_eq!(draft.outcome(), Reason::ALL[first].code(), "row {row}");
        tried += 1;
    }
    assert!(tried > 130, "{tried} of {} rows", REFUSALS.len());
}

#[test]
fn the_table_of_refusals_covers_every_reason_in_the_order_of_the_checks() {
    let mut codes: Vec<&str> = REFUSALS.iter().map(|(reason, _)| *reason).collect();
    codes.dedup();
    let reasons = || TokenError::REASONS.iter().chain(Denial::REASONS);
    let all: Vec<&str> = reasons().map(|reason| reason.code()).collect();
    assert_eq!(codes, all);
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len(), "a code stands twice");
    // The table that clients read is in that order too.
    let place = |reason: &Reason| Reason::ALL.iter().position(|other| other == reason).unwrap();
    assert!(reasons().is_sorted_by_key(place));
    assert!(TokenError::REASONS.iter().all(|reason| reason.status() == Code::Unauthenticated));
}

#[test]
fn of_two_faults_the_one_that_is_checked_first_is_told() {
    let mut firsts = REFUSALS.to_vec();
    firsts.dedup_by_key(|(reason, _)| *reason);
    for (place, (reason, earlier)) in firsts.iter().enumerate() {
        for (other, later) in &firsts[place + 1..] {
            let mut draft = Draft::good();
            later(&mut draft);
            earlier(&mut draft);
            assert_eq!(draft.outcome(), *reason, "with {other}");
        }
    }
}

#[test]
fn limits_are_inclusive_where_they_say_so() {
    let at_the_limit: [Change; 26] = [
        |d| d.claims["aud"] = json!(["urn:tumar:kz-test"]),
        |d| d.header["typ"] = json!("application/at+jwt"),
        |d| d.header["typ"] = json!("AT+JWT"),
        |d| d.header["alg"] = json!("Ed25519"),
        // As Keycloak and others write them.
        |d| drop(d.claims.as_object_mut().unwrap().remove("nbf")),
        |d| d.claims["nbf"] = json!(0),
        |d| d.claims["jti"] = json!("trrtcc:0d9e0a2f-8a38-4f0d-8f54-7c1b1e1b6c11"),
        |d| d.claims["jti"] = json!("t".repeat(16)),
        |d| {
            d.claims["iat"] = json!(u32::try_from(NOW).map(f64::from).unwrap() + 0.75);
            d.claims["exp"] = json!(u32::try_from(NOW).map(f64::from).unwrap() + 300.5);
        },
        |d| d.proof["jti"] = json!("p".repeat(16)),
        |d| d.proof_header["kid"] = json!("a name of the key"),
        |d| d.proof_header["typ"] = json!("application/dpop+jwt"),
        |d| {
            d.claims["iat"] = json!(NOW + 30);
            d.claims["nbf"] = json!(NOW + 30);
            d.claims["exp"] = json!(NOW + 330);
        },
        |d| {
            d.claims["iat"] = json!(NOW - 329);
            d.claims["nbf"] = json!(NOW - 329);
            d.claims["exp"] = json!(NOW - 29);
        },
        |d| d.proof["iat"] = json!(NOW - 60),
        |d| d.proof["iat"] = json!(NOW + 30),
        |d| d.proof["htu"] = json!(format!("https://a.example{}", Method::Verify.path())),
        |d| d.details()["max_uses"] = json!(1000),
        |d| d.ask.amount_kzt = 500_000,
        |d| d.ask.captured = Minute::of(NOW - 600),
        |d| d.certificate = Some([9; 32]),
        Draft::search,
        |d| {
            d.search();
            d.sheets[0].claims["iat"] = json!(NOW - 900);
            d.sheets[1].claims["iat"] = json!(NOW + 30);
        },
        |d| {
            d.search();
            d.sheets.reverse();
        },
        |d| {
            d.search();
            d.purpose("account_opening_dedup");
            d.claims["amr"] = json!(["registry_check"]);
            d.case().most = 8;
        },
        |d| {
            d.claims["cnf"]["x5t#S256"] = json!(to_base64(&[9; 32]));
            d.certificate = Some([9; 32]);
        },
    ];
    for (place, change) in at_the_limit.iter().enumerate() {
        let mut draft = Draft::good();
        change(&mut draft);
        assert_eq!(draft.outcome(), "OK", "change {place}");
    }
}

#[test]
fn a_refusal_names_the_claim_that_is_at_fault() {
    let claims: [(&str, &str, Change); 24] = [
        ("TOKEN_TYPE", "typ", |d| d.header["typ"] = json!("JWT")),
        ("TOKEN_ALG", "alg", |d| d.header["alg"] = json!("RS256")),
        ("TOKEN_HEADER", "x5t", |d| d.header["x5t"] = json!("AAAA")),
        ("TOKEN_HEADER", "a member of the header", |d| d.header["more"] = json!("AAAA")),
        ("TOKEN_KID_UNKNOWN", "kid", |d| d.header["kid"] = json!("other")),
        ("TOKEN_CLAIMS", "iss", |d| d.claims["iss"] = json!(7)),
        ("TOKEN_CLAIMS", "aud", |d| d.claims["aud"] = json!([7])),
        ("TOKEN_CLAIMS", "client_id", |d| drop(d.claims.as_object_mut().unwrap().remove("client_id"))),
        ("TOKEN_CLAIMS", "sub", |d| d.claims["sub"] = json!("a b")),
        ("TOKEN_CLAIMS", "iat", |d| d.claims["iat"] = json!("1")),
        ("TOKEN_CLAIMS", "nbf", |d| d.claims["nbf"] = json!("1")),
        ("TOKEN_CLAIMS", "exp", |d| d.claims["exp"] = json!(NOW.to_string())),
        ("TOKEN_CLAIMS", "jti", |d| d.claims["jti"] = json!(7)),
        ("TOKEN_CLAIMS", "cnf", |d| d.claims["cnf"]["kid"] = json!("x")),
        ("TOKEN_CLAIMS", "cnf", |d| d.claims["cnf"] = json!([d.claims["cnf"]["jkt"]])),
        ("TOKEN_CLAIMS", "amr", |d| d.claims["amr"] = json!("pin")),
        ("TOKEN_JTI", "jti", |d| d.claims["jti"] = json!("short")),
        ("TOKEN_DETAILS", "authorization_details", |d| d.claims["authorization_details"] = json!("[]")),
        ("TOKEN_AUDIENCE", "aud", |d| d.claims["aud"] = json!(["urn:tumar:kz-test", "account"])),
        ("TOKEN_NOT_YET_VALID", "nbf", |d| d.claims["nbf"] = json!(NOW + 31)),
        ("TOKEN_TOO_LONG_LIVED", "exp", |d| d.claims["exp"] = json!(NOW + 301)),
        ("PROOF_HEADER", "x5c", |d| d.proof_header["x5c"] = json!([])),
        ("PROOF_CLAIMS", "ath", |d| d.proof["ath"] = json!(7)),
        ("PROOF_HTU", "htu", |d| d.proof["htu"] = json!("https://evil.example")),
    ];
    for (reason, claim, change) in claims {
        let mut draft = Draft::good();
        change(&mut draft);
        let Err(Refused::Token(fault)) = draft.granted::<Verify>() else { panic!("{reason} of {claim}") };
        assert_eq!((fault.reason().code(), fault.claim), (reason, Some(claim)));
    }
}

#[test]
fn a_grant_says_what_is_spent_what_is_logged_and_what_must_be_reached() {
    let draft = Draft::good();
    let grant = draft.granted::<Verify>().unwrap();
    let (spends, record, terms) = grant.into_parts();
    assert_eq!((spends.max_uses, spends.token_until, spends.proof_until), (3, NOW + 330, NOW + 60));
    assert_eq!(spends.client, "https://issuer.example b17-atm");
    assert_eq!((spends.request_id, spends.request_digest), (ask().request_id, ask().request_digest()));
    assert_eq!(record.relying_party.as_str(), "banks/b17");
    assert_eq!((record.method, record.modalities.as_slice()), (Method::Verify, &[Modality::Face][..]));
    assert_eq!(record.policy, *POLICY.digest());
    assert_eq!(terms.decides, Some(DecisionRule { by: Decision::Any, fmr: Fmr::E4 }));
    let attempts = Attempts { free: 3, delay_seconds: 30, max_delay_seconds: 3600, cap: 50 };
    assert_eq!((terms.attempts, terms.retention_seconds), (Some(attempts), 0));

    let mut more = Draft::good();
    more.ask.amount_kzt = 600_000;
    more.claims["amr"] = json!(["pin", "mobile_auth"]);
    more.narrow("max_uses", json!(2));
    let grant = more.granted::<Verify>().unwrap();
    assert_eq!((grant.terms().decides.unwrap().fmr, grant.spends().max_uses), (Fmr::E5, 2));
    assert_eq!(grant.spends().token, spends.token, "the same jti of the same issuer");
    assert_ne!(grant.record().evidence.digest(), record.evidence.digest());
}

#[test]
fn a_grant_to_search_counts_the_officers_and_commits_to_their_approvals() {
    let mut draft = Draft::good();
    draft.search();
    for (samples, by) in [
        (vec![sample(FACE)], Decision::Face),
        (vec![sample(FINGER)], Decision::Finger),
        (vec![sample(FINGER), sample(FACE)], Decision::Fused),
    ] {
        draft.ask.samples = samples;
        let (_, record, terms) = draft.granted::<Search>().unwrap().into_parts();
        assert_eq!((record.approvals, record.subject, record.method), (2, None, Method::Search));
        assert_eq!(terms.decides, Some(DecisionRule { by, fmr: Fmr::E5 }));
        assert_eq!((terms.attempts, terms.retention_seconds), (None, 0));
    }

    // Signed once: what P-256 signs is another text each time.
    draft.approve();
    let token = draft.token();
    let approvals = draft.case().approvals.clone();
    let shown = [token.access(), token.proof(), &approvals[0], &approvals[1]];
    let digests = shown.map(|text| sha256(text.as_bytes()));
    let fields = std::iter::once(&b"tumar evidence v1"[..]).chain(digests.iter().map(|digest| &digest[..]));
    let framed: Vec<u8> = fields.flat_map(|field| [&(field.len() as u64).to_be_bytes(), field].concat()).collect();
    let grant: Grant<Search> =
        token.clone().verify(&VERIFIER, &draft.ask, NOW).unwrap().grant(&POLICY, &SERVED).unwrap();
    assert_eq!(grant.record().evidence.digest(), sha256(&framed));

    // Refused, it is no search that anybody approved.
    draft.sheets.truncate(1);
    let Refused::Denied(denied) = draft.granted::<Search>().unwrap_err() else { panic!("not genuine") };
    assert_eq!((denied.record.approvals, denied.record.subject), (0, None));
}

#[test]
fn a_rule_may_ask_for_both_and_enrolment_compares_nothing() {
    let mut draft = Draft::good();
    draft.purpose("vault");
    draft.ask.samples = vec![sample(FINGER), sample(FACE)];
    draft.claims["amr"] = json!(["pin"]);
    let grant = draft.granted::<Verify>().unwrap();
    assert_eq!(grant.terms().decides.unwrap().by, Decision::Both);
    assert_eq!(grant.record().modalities, [Modality::Finger, Modality::Face]);

    draft.method(Method::Enroll);
    let grant = draft.granted::<Enroll>().unwrap();
    assert_eq!((grant.terms().decides, grant.terms().retention_seconds), (None, 2 * 86_400));
}

#[test]
fn a_denied_request_carries_its_log_entry_and_what_it_spends() {
    let mut draft = Draft::good();
    draft.ask.amount_kzt = 5_000_001;
    let Refused::Denied(denied) = draft.granted::<Verify>().unwrap_err() else { panic!("not genuine") };
    assert_eq!(denied.record.subject.as_ref(), draft.ask.subject());
    assert_eq!(denied.record.policy, *POLICY.digest());
    assert_eq!(denied.spends.request_digest, draft.ask.request_digest());
}

#[test]
fn what_issuer_and_client_make_is_taken_with_either_algorithm() {
    for issuing in [Algorithm::EdDsa, Algorithm::Es256] {
        for proving in [Algorithm::EdDsa, Algorithm::Es256] {
            let issuer = Issuer::new(ISSUER, draw(issuing));
            let (client, pkcs8) = ProofKey::generate(proving).unwrap();
            let again = ProofKey::from_pkcs8(&pkcs8).unwrap();
            assert_eq!(client.thumbprint(), again.thumbprint());
            let request = TokenRequest {
                deployment: "kz-test".parse().unwrap(),
                client: "b17-atm".to_owned(),
                jkt: client.thumbprint(),
                certificate: Some([9; 32]),
                details: serde_json::from_value::<Details>(details()).unwrap(),
                amr: vec!["mobile_auth".to_owned()],
                lifetime: 300,
            };
            let ask = RequestInfo { amount_kzt: 600_000, ..ask() };
            let access = issuer.issue(&request, NOW).unwrap();
            let proof = again.prove(&access, &ask, BASE, Some(&Narrowing::to(&ask)), NOW).unwrap();
            let trust = verifier(&issuer.jwks()).unwrap();
            let verified = Token::new(access, proof, Some([9; 32])).verify(&trust, &ask, NOW).unwrap();
            assert_eq!(verified.relying_party().as_str(), "banks/b17");
            let grant: Grant<Verify> = verified.grant(&POLICY, &Models(&[FACE, FINGER])).unwrap();
            assert_eq!(grant.record().method, Method::Verify);
        }
    }
}

#[test]
fn a_verifier_that_could_trust_anyone_or_no_one_is_not_made() {
    let good = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": to_base64(&[1; 32]) }] });
    assert!(verifier(&good.to_string()).is_ok());
    let key = &good["keys"][0];
    let other = json!({ "kty": "EC", "crv": "P-256", "kid": "2", "x": to_base64(&[2; 32]), "y": to_base64(&[3; 32]) });
    let with = |from: &Value, member: &str, value: Value| {
        let mut changed = from.clone();
        changed[member] = value;
        changed
    };
    let rsa = json!({ "kty": "RSA", "kid": "r", "alg": "RS256", "use": "sig", "n": "AQAB", "e": "AQAB" });
    let set = |keys: &[&Value]| json!({ "keys": keys }).to_string();
    let unused = |kid: &str, why| Unused { kid: kid.to_owned(), why };
    let at = |kid: &str, fault| KeysFault::Key { kid: kid.to_owned(), fault };
    let (kind, purpose) = ("it is not an Ed25519 or P-256 key", "it is not for signatures");
    for (jwks, fault) in [
        ("{}".to_owned(), KeysFault::Form),
        (json!([key]).to_string(), KeysFault::Form),
        (key.to_string(), KeysFault::Form),
        (r#"{"keys":[]}"#.to_owned(), KeysFault::Empty),
        (r#"{"keys":[],"keys":[]}"#.to_owned(), KeysFault::Form),
        (set(&[key, key]), KeysFault::Twice("1".to_owned())),
        (set(&[&with(key, "d", json!(to_base64(&[1; 32])))]), at("1", jws::JwsError::Private)),
        (set(&[key, &with(&rsa, "d", json!("AQAB"))]), at("r", jws::JwsError::Private)),
        (set(&[key, &with(&other, "x", json!(to_base64(&[2; 31])))]), at("2", jws::JwsError::Key)),
        (set(&[&rsa]), KeysFault::NoneOfUse(vec![unused("r", kind)])),
    ] {
        let expected = TrustError::Keys { issuer: ISSUER.to_owned(), fault };
        assert_eq!(verifier(&jwks).err(), Some(expected), "{jwks}");
    }
    // What is for others does not matter, and is told.
    let mut nameless = other.clone();
    nameless.as_object_mut().unwrap().remove("kid");
    for (jwk, told) in [
        (&rsa, unused("r", kind)),
        (&json!({ "kty": "EC", "crv": "P-384", "kid": "p", "x": "AA", "y": "AA" }), unused("p", kind)),
        (&json!({ "kty": "OKP", "crv": "X25519", "kid": "x", "x": "AA" }), unused("x", kind)),
        (&json!({ "kty": "AKP", "kid": "pq", "pub": "AA" }), unused("pq", kind)),
        (&json!({}), unused("without kid", kind)),
        (&with(&other, "use", json!("enc")), unused("2", purpose)),
        (&with(&other, "key_ops", json!(["sign"])), unused("2", purpose)),
        (&with(&other, "alg", json!("ECDH-ES")), unused("2", "its alg is neither EdDSA nor ES256")),
        (&nameless, unused("without kid", "a token could not name it")),
        // Under the name of one that is used.
        (&with(&with(&other, "kid", json!("1")), "use", json!("enc")), unused("1", purpose)),
    ] {
        let trusts = verifier(&set(&[jwk, key])).unwrap();
        assert_eq!(trusts.unused(), [(ISSUER.to_owned(), told)], "{jwk}");
    }
    for jwk in [
        with(key, "alg", json!("Ed25519")),
        with(key, "alg", json!("EdDSA")),
        with(&with(&other, "use", json!("sig")), "key_ops", json!(["verify"])),
    ] {
        assert_eq!(verifier(&format!("\u{feff}{}", set(&[&jwk]))).unwrap().unused(), []);
    }
    let deployment = "kz-test".parse().unwrap();
    let jwks = good.to_string();
    let own = relying_parties(&OF_ISSUER);
    let made = |issuer, bases: &[&str]| {
        let bases = bases.iter().map(|base| (*base).to_owned()).collect();
        let issuers = [TrustedIssuer { issuer, relying_parties: &own, galleries: &[], jwks: &jwks }];
        Verifier::new(&deployment, &issuers, bases, Officers::default()).err()
    };
    assert_eq!(made("", &[BASE]), Some(TrustError::IssuerName));
    assert_eq!(made(ISSUER, &[]), Some(TrustError::NoBase));
    for bad in ["http://a.example", "https://", "https://a.example/", "https://a.example?x", "https://u@a.example", ""]
    {
        assert_eq!(made(ISSUER, &[BASE, bad]), Some(TrustError::Base), "{bad}");
    }
    let with = |issuers: &[TrustedIssuer<'_>]| {
        Verifier::new(&deployment, issuers, vec![BASE.into()], Officers::default()).err()
    };
    assert_eq!(with(&[]), Some(TrustError::NoIssuer));
    for wrong in [&[][..], &["banks/b17", "banks/b19", "banks/b17"]] {
        let wrong = relying_parties(wrong);
        let issuer = TrustedIssuer { issuer: ISSUER, relying_parties: &wrong, galleries: &[], jwks: &jwks };
        assert_eq!(with(&[issuer]), Some(TrustError::RelyingParties), "{wrong:?}");
    }
    let other =
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "2", "x": to_base64(&[2; 32]) }] }).to_string();
    let twice =
        [&jwks, &other].map(|jwks| TrustedIssuer { issuer: ISSUER, relying_parties: &own, galleries: &[], jwks });
    assert_eq!(with(&twice), Some(TrustError::IssuerTwice));
    for wrong in [&["banks/b19/customers"][..], &["banks/b17/customers", "banks/b17/customers"]] {
        let galleries: Vec<GalleryName> = wrong.iter().map(|name| name.parse().unwrap()).collect();
        let gallery = galleries[0].clone();
        let expected = TrustError::Gallery { issuer: ISSUER.to_owned(), gallery };
        let issuer = TrustedIssuer { issuer: ISSUER, relying_parties: &own, galleries: &galleries, jwks: &jwks };
        assert_eq!(with(&[issuer]), Some(expected), "{wrong:?}");
    }
}

#[test]
fn no_debug_output_shows_a_token_or_a_private_key() {
    let token = Draft::good().token();
    let shown = format!("{token:?}");
    assert!(!shown.contains(&token.access()[..20]) && !shown.contains(&token.proof()[..20]), "{shown}");
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let (key, pkcs8) = SigningKey::generate(algorithm).unwrap();
        // Of the document's bytes, those that are shown are those of the public key.
        let shown = format!("{key:?}");
        for secret in pkcs8.windows(32) {
            let public = shown.contains(&format!("{secret:?}"));
            let in_jwk = key.public().to_jwk().to_string().contains(&to_base64(secret));
            assert_eq!(public, in_jwk, "{algorithm:?}");
        }
    }
}

/// `key = value` lines, in blocks between blank lines; other lines are for people.
fn vectors(text: &str) -> Vec<BTreeMap<&str, &str>> {
    fn read(block: &str) -> BTreeMap<&str, &str> {
        block.lines().filter_map(|line| line.split_once(" = ")).collect()
    }
    text.split("\n\n").map(read).filter(|block| !block.is_empty()).collect()
}

#[test]
fn the_examples_of_the_rfcs_verify_and_have_their_thumbprints() {
    let vectors = vectors(include_str!("../vectors/rfc.txt"));
    assert_eq!(vectors.len(), 4);
    for vector in vectors {
        let key = PublicKey::from_jwk(&serde_json::from_str(vector["jwk"]).unwrap()).unwrap();
        let jws = Jws::parse(vector["jws"]).unwrap();
        assert_eq!(jws.verify(&key), Ok(()));
        assert_eq!(jws.verify(STRANGER.public()), Err(jws::JwsError::Signature));
        assert_eq!(jws.header_text("alg").and_then(Algorithm::named), Some(key.algorithm()));
        if let Some(thumbprint) = vector.get("thumbprint") {
            assert_eq!(key.thumbprint(), from_base64_32(thumbprint).unwrap());
        }
        if let Some(jwk) = jws.header().get("jwk") {
            assert_eq!(PublicKey::from_jwk(jwk), Ok(key));
        }
        if let Some(access) = vector.get("access") {
            assert_eq!(jws.claims().unwrap()["ath"], to_base64(&sha256(access.as_bytes())));
        }
    }
}

/// The example of RFC 7638 3.1 is an RSA key, which no proof may have; the hash is the same.
#[test]
fn the_thumbprint_of_rfc_7638_comes_out() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
             tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbO\
             pbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let members = BTreeMap::from([("kty", "RSA"), ("n", n), ("e", "AQAB")]);
    assert_eq!(to_base64(&jws::thumbprint(&members)), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn tokens_that_another_program_made_are_judged_as_it_says() {
    let vectors = vectors(include_str!("../vectors/tokens.txt"));
    assert!(vectors.len() >= 15);
    for vector in vectors {
        let trust = verifier(vector["jwks"]).unwrap();
        let ask = ask();
        let verified = Token::new(vector["access"], vector["proof"], None).verify(&trust, &ask, NOW);
        let reason = verified.as_ref().err().map(|error| error.reason().code());
        assert_eq!(reason, vector.get("FAILS").copied(), "{vector:?}");
        if let Ok(verified) = verified {
            let _: Grant<Verify> = verified.grant(&POLICY, &Models(&[FACE])).unwrap();
        }
    }
}

fn parse(text: &str) -> Result<Policy, String> {
    Policy::parse(text, &Models(&[FACE, FINGER])).map_err(|error| error.to_string())
}

#[test]
fn the_policy_that_comes_along_is_one_and_serves_every_purpose() {
    let policy = parse(policy::DEFAULT).unwrap();
    let names: Vec<&str> = policy.purposes().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "account_opening_dedup",
            "audit",
            "card_activation",
            "case_search",
            "cash_withdrawal",
            "enrolment",
            "erasure",
            "subject_access",
            "subject_lock",
            "subject_unlock",
        ]
    );
    assert_eq!(policy.limits().log_retention_days, 180);
    assert_eq!(policy.digest(), &sha256(policy::DEFAULT.as_bytes()));
    assert_ne!(policy.digest(), parse(&format!("{}\n", policy::DEFAULT)).unwrap().digest());
}

#[test]
fn a_policy_with_a_fault_is_refused_with_its_place() {
    let cases = [
        ("actions = [\"erase\"]", "actions = []", "purpose erasure: it allows no action"),
        ("relying_parties = [\"auditors/regulator\"]", "", "purpose audit: relying_parties must be named"),
        ("evidence_days = 30", "evidence_days = 0", "every value under [limits]"),
        ("actions = [\"erase\"]", "actions = [\"watch\"]", "unknown action"),
        ("actions = [\"erase\"]", "actions = [\"erase\", \"search\"]", "purpose erasure: modalities"),
        (
            "actions = [\"erase\"]\nmodalities = []",
            "actions = [\"erase\", \"search\"]\nmodalities = [\"face\"]",
            "purpose erasure: a table search must be present with the action search",
        ),
        (
            "[purposes.case_search.search]",
            "[purposes.subject_lock.search]",
            "case_search: a table search must be present with",
        ),
        ("[purposes.case_search.search]", "[purposes.case_search.searches]", "unknown field `searches`"),
        ("max_candidates = 16", "", "missing field `max_candidates`"),
        ("max_candidates = 16", "max_candidates = 0", "case_search: search: max_candidates must be 1 to 32"),
        ("max_candidates = 16", "max_candidates = 33", "case_search: search: max_candidates must be 1 to 32"),
        ("max_candidates = 16", "max_candidates = 16\nmin_candidates = 1", "unknown field `min_candidates`"),
        (
            "max_candidates = 16\nroles = [\"fraud-analyst\", \"privacy-officer\"]",
            "max_candidates = 16",
            "missing field `roles`",
        ),
        ("fmr = \"1e-5\"\nmax_candidates = 16", "max_candidates = 16", "missing field `fmr`"),
        ("fmr = \"1e-5\"\nmax_candidates = 16", "fmr = \"1e-6\"\nmax_candidates = 16", "unknown variant"),
        ("actions = [\"erase\"]", "actions = [\"erase\"]\nmodality = []", "unknown field"),
        ("actions = [\"erase\"]\nmodalities = []", "actions = [\"erase\"]", "missing field `modalities`"),
        (
            "actions = [\"erase\"]\nmodalities = []",
            "actions = [\"erase\"]\nmodalities = [\"face\"]",
            "purpose erasure: modalities",
        ),
        (
            "actions = [\"enroll\"]\nmodalities = [\"face\", \"finger\"]",
            "actions = [\"enroll\"]\nmodalities = []",
            "purpose enrolment: modalities",
        ),
        ("evidence = [\"registry_check\"]", "", "missing field `evidence`"),
        ("retention_days = 1095", "", "purpose enrolment: retention_days"),
        ("retention_days = 1095", "retention_days = 0", "purpose enrolment: retention_days"),
        ("retention_days = 1095", "retention_days = 1095\nattempts = 3", "purpose enrolment: attempts"),
        ("attempts = 3", "attempts = 0", "purpose cash_withdrawal: attempts"),
        ("attempts = 3", "attempts = 11", "purpose cash_withdrawal: attempts"),
        ("delay_seconds = 30\n", "", "purpose cash_withdrawal: delay_seconds"),
        ("delay_seconds = 30\n", "delay_seconds = 0\n", "purpose cash_withdrawal: delay_seconds"),
        ("max_delay_seconds = 3600", "max_delay_seconds = 29", "purpose cash_withdrawal: max_delay_seconds"),
        ("attempts_cap = 50", "attempts_cap = 2", "purpose cash_withdrawal: attempts_cap"),
        ("attempts_cap = 50", "attempts_cap = 101", "purpose cash_withdrawal: attempts_cap"),
        ("attempts_cap = 50", "attempts_cap = 50\nlock_seconds = 60", "unknown field `lock_seconds`"),
        ("attempts_cap = 50", "attempts_cap = 50\nretention_days = 1", "purpose cash_withdrawal: retention_days"),
        (
            "actions = [\"unlock\"]\nmodalities = []\nevidence = [\"registry_check\"]",
            "actions = [\"unlock\"]\nmodalities = []\nevidence = []",
            "purpose subject_unlock: evidence must name another factor",
        ),
        ("envelope_faults_per_minute = 60", "envelope_faults_per_minute = 0", "every value under [limits]"),
        ("[[purposes.card_activation.rules]]", "[[purposes.cash_withdrawal.rules]]", "purpose card_activation: rules"),
        ("up_to_kzt = 500000\n", "", "cash_withdrawal, rule 2: up_to_kzt must rise"),
        ("up_to_kzt = 500000\n", "up_to_kzt = 5000000\n", "cash_withdrawal, rule 2: up_to_kzt must rise"),
        ("fmr = \"1e-5\"", "fmr = \"1e-3\"", "cash_withdrawal, rule 2: its fmr is looser"),
        ("fmr = \"1e-4\"", "fmr = \"1e-6\"", "unknown variant"),
        ("fmr = \"1e-4\"\nevidence = []", "fmr = \"1e-4\"", "missing field `evidence`"),
        (
            "actions = [\"verify\"]\nmodalities = [\"face\", \"finger\"]",
            "actions = [\"verify\"]\nmodalities = [\"face\"]",
            "rule 1: its decision needs a modality that is not in the purpose",
        ),
        ("requests_per_second = 200", "requests_per_second = 0", "[limits]"),
        ("[purposes.erasure]", "[purposes.Erasure]", "purpose must be"),
        ("[purposes.erasure]", "[purposes.subject_lock]", "duplicate key"),
        ("[limits]", "[limit]", "unknown field"),
    ];
    for roles in ["[]", "[\"auditor\"]", "[\"auditor\", \"auditor\"]", "[\"auditor\", \"\"]", "[\"auditor\", \"Head\"]"]
    {
        let text = policy::DEFAULT.replacen("[\"fraud-analyst\", \"privacy-officer\"]", roles, 1);
        let error = parse(&text).unwrap_err();
        assert!(error.contains("purpose account_opening_dedup: search: roles must be 2 to 8"), "{roles}: {error}");
    }
    for (from, to, expected) in cases {
        assert!(policy::DEFAULT.contains(from), "{from}");
        let error = parse(&policy::DEFAULT.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn a_rule_that_no_model_can_decide_is_refused_when_the_policy_is_loaded() {
    for decision in ["finger", "any", "both", "fused"] {
        let text = policy::DEFAULT.replacen("decision = \"any\"", &format!("decision = \"{decision}\""), 1);
        let error = Policy::parse(&text, &Models(&[FACE])).unwrap_err().to_string();
        // The first purpose by name wants face and finger in one score.
        assert!(error.contains("card_activation, rule 1: no model served here"), "{decision}: {error}");
        let text = text.replace("decision = \"fused\"\nfmr = \"1e-5\"", "decision = \"face\"\nfmr = \"1e-5\"");
        let error = Policy::parse(&text, &Models(&[FACE])).unwrap_err().to_string();
        assert!(error.contains("cash_withdrawal, rule 1: no model served here"), "{decision}: {error}");
        assert!(Policy::parse(&text, &Models(&[FACE, FINGER])).is_ok(), "{decision}");
    }
}

/// A good token and proof on Ed25519 and on P-256.
static GOOD: LazyLock<[Token; 2]> = LazyLock::new(|| {
    let mut es = Draft::good();
    (es.issuer, es.client) = (&ES_ISSUER, &ES_CLIENT);
    es.header = json!({ "typ": "at+jwt", "alg": "ES256", "kid": "ES256" });
    es.proof_header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": ES_CLIENT.public().to_jwk() });
    es.claims["cnf"]["jkt"] = json!(to_base64(&ES_CLIENT.public().thumbprint()));
    assert_eq!(es.outcome(), "OK");
    [Draft::good().token(), es.token()]
});

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn a_changed_byte_never_verifies(which in 0..2_usize, in_proof: bool, at: prop::sample::Index, flip in 1..128_u8) {
        let good = &GOOD[which];
        let mut parts = [good.access().to_owned(), good.proof().to_owned()].map(String::into_bytes);
        let part = &mut parts[usize::from(in_proof)];
        let at = at.index(part.len());
        part[at] ^= flip;
        let [access, proof] = parts.map(|part| String::from_utf8(part).unwrap());
        prop_assert!(Token::new(access, proof, None).verify(&VERIFIER, &ask(), NOW).is_err());
    }

    #[test]
    fn parts_of_tokens_put_together_never_verify(cut: prop::sample::Index, insert in "[A-Za-z0-9_.=-]{0,8}", drop in 0..8_usize) {
        let good = &GOOD[0];
        let at = cut.index(good.access().len());
        let rest = &good.access()[(at + drop).min(good.access().len())..];
        let access = format!("{}{insert}{rest}", &good.access()[..at]);
        prop_assume!(access != good.access());
        prop_assert!(Token::new(access, good.proof(), None).verify(&VERIFIER, &ask(), NOW).is_err());
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,200}") {
        let _ = json::object(&bytes);
        let _ = Jws::parse(&text);
        let _ = parse(&text);
        prop_assert!(verifier(&text).is_err());
        prop_assert!(SigningKey::from_pkcs8(&bytes).is_err());
        prop_assert!(Token::new(text.as_str(), text.as_str(), None).verify(&VERIFIER, &ask(), NOW).is_err());
        // Past the signature as well: an issuer that we trust signs nonsense.
        let header = json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": "EdDSA" }).to_string();
        let access = ED_ISSUER.sign_bytes(header.as_bytes(), &bytes).unwrap();
        prop_assert!(Token::new(access, GOOD[0].proof(), None).verify(&VERIFIER, &ask(), NOW).is_err());
    }

    #[test]
    fn claims_of_any_type_are_refused_and_never_panic(name in 0..12_usize, value in prop_oneof![
        Just(json!(null)), Just(json!([])), Just(json!({})), Just(json!([[]])), Just(json!(true)), any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)), "\\PC{0,30}".prop_map(|text| json!(text)),
    ]) {
        let names = ["iss", "aud", "client_id", "sub", "iat", "nbf", "exp", "jti", "cnf", "authorization_details", "amr", "extra"];
        let mut draft = Draft::good();
        draft.claims[names[name]] = value.clone();
        let outcome = draft.outcome();
        // An unknown claim is skipped, another name of the subject is one, and evidence may be empty.
        let harmless = matches!(names[name], "extra" | "sub" | "amr" | "iat" | "nbf" | "jti");
        prop_assert!(outcome.starts_with("TOKEN_") || harmless && outcome == "OK", "{} = {value}: {outcome}", names[name]);
    }
}
