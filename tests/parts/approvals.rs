//! Approvals of searches: which two are taken, every reason for which they are not, and who may give one at all.

#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use crate::support::token_fixtures::officers::{AIDA, BOLAT, CASE, CLARA, DINA, EMIR, Sheet, entry, officers_text};
use crate::support::token_fixtures::{BASE, ISSUER, NOW, OF_ISSUER, STRANGER, details, draw, jwks, relying_parties};
use proptest::prelude::*;
use serde_json::{Value, json};
use tonic::Code;
use tumar::reason::Reason;
use tumar::token::approval::{APPROVALS, MAX_APPROVAL_AGE, OfficerFault, case_digest};
use tumar::token::jws::{self, to_base64};
use tumar::token::policy::SearchFault;
use tumar::token::{
    Algorithm, Denial, Details, MAX_BYTES, Officer, Officers, OfficersError, SigningKey, TrustedIssuer, Verifier,
};

/// The officers of the drafts.
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let own = relying_parties(&OF_ISSUER);
    let issuers = [TrustedIssuer { issuer: ISSUER, relying_parties: &own, galleries: &[], jwks: &jwks() }];
    let officers = Officers::parse(&officers_text()).unwrap();
    assert_eq!(officers.len(), 6);
    Verifier::new(&"kz-test".parse().unwrap(), &issuers, vec![BASE.into()], officers).unwrap()
});

/// All that a search shows; good as it is, for a test to spoil.
struct Draft {
    sheets: Vec<Sheet>,
    details: Value,
    case: &'static [u8],
    roles: Vec<String>,
}

impl Draft {
    fn good() -> Self {
        Self {
            sheets: vec![Sheet::of("aida", "fraud-analyst", &AIDA), Sheet::of("bolat", "privacy-officer", &BOLAT)],
            details: details(),
            case: CASE,
            roles: ["fraud-analyst", "privacy-officer", "head-of-branch"].map(str::to_owned).to_vec(),
        }
    }

    fn approvals(&self) -> Vec<String> {
        self.sheets.iter().map(Sheet::signed).collect()
    }

    fn outcome_of(&self, approvals: &[String]) -> &'static str {
        let details: Details = serde_json::from_value(self.details.clone()).unwrap();
        let (officers, audience) = (VERIFIER.officers(), VERIFIER.audience());
        match officers.check(approvals, &details, &case_digest(self.case), &self.roles, audience, NOW) {
            Ok(count) => {
                assert_eq!(count, APPROVALS);
                "OK"
            }
            Err(denial) => denial.reason().code(),
        }
    }

    /// The code of the refusal, or `OK`.
    fn outcome(&self) -> &'static str {
        self.outcome_of(&self.approvals())
    }
}

fn remove(object: &mut Value, member: &str) {
    drop(object.as_object_mut().unwrap().remove(member));
}

/// Claims with a member that stands twice, under a header that is good.
fn doubled(text: &str, member: &str) -> String {
    let jws = jws::Jws::parse(text).unwrap();
    let payload = String::from_utf8(jws.payload().to_vec()).unwrap();
    let payload = payload.replacen('{', &format!("{{{member},"), 1);
    AIDA.sign_bytes(Value::Object(jws.header().clone()).to_string().as_bytes(), payload.as_bytes()).unwrap()
}

type Change = fn(&mut Draft);

/// Refusals, in the order of the checks; the first of each reason is the one that the test of the order uses.
const REFUSALS: &[(&str, Change)] = &[
    ("APPROVALS_MISSING", |d| drop(d.sheets.pop())),
    ("APPROVALS_MISSING", |d| d.sheets.clear()),
    ("APPROVALS_MISSING", |d| d.sheets.push(Sheet::of("clara", "fraud-analyst", &CLARA))),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].header["typ"] = json!("JWT")),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].header["typ"] = json!("at+jwt")),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].header["typ"] = json!("application/tumar-approval+jwt")),
    ("APPROVAL_MALFORMED", |d| {
        remove(&mut d.sheets[0].header, "typ");
        d.sheets[0].header["cty"] = json!("tumar-approval+jwt");
    }),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].header["alg"] = json!("none")),
    ("APPROVAL_MALFORMED", |d| {
        d.sheets[0].header["alg"] = json!("none");
        d.sheets[0].text.push(|text| text.rsplit_once('.').unwrap().0.to_owned() + ".");
    }),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].header["alg"] = json!("HS256")),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].header["alg"] = json!("eddsa")),
    ("APPROVAL_MALFORMED", |d| remove(&mut d.sheets[0].header, "kid")),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].header["kid"] = json!(null)),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].header["crit"] = json!([])),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].header["jwk"] = STRANGER.public().to_jwk()),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["exp"] = json!(NOW + 300)),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["iss"] = json!(ISSUER)),
    ("APPROVAL_MALFORMED", |d| remove(&mut d.sheets[0].claims, "aud")),
    ("APPROVAL_MALFORMED", |d| remove(&mut d.sheets[0].claims, "case")),
    ("APPROVAL_MALFORMED", |d| remove(&mut d.sheets[0].claims, "jti")),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["aud"] = json!(["urn:tumar:kz-test"])),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["iat"] = json!(1.5)),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["iat"] = json!(-1)),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["jti"] = json!("a".repeat(15))),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["case"] = json!("AAAA")),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["case"] = json!("0".repeat(64))),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["sub"] = json!("Aida")),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["role"] = json!("")),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].details()["locations"] = json!([])),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].details()["type"] = json!("urn:tumar:match:2")),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["authorization_details"] = json!([])),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["authorization_details"] = json!([details(), details()])),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].claims["authorization_details"] = details()),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].text.push(|text| doubled(&text, "\"sub\":\"aida\""))),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].text.push(|text| doubled(&text, "\"\\u0063ase\":1"))),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].text.push(|_| AIDA.sign_bytes(b"{\"alg\":1,\"alg\":1}", b"{}").unwrap())),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].text.push(|text| text + "=")),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].text.push(|text| format!(" {text}"))),
    ("APPROVAL_MALFORMED", |d| d.sheets[0].text.push(|_| String::new())),
    // Long, and in every other way an approval.
    ("APPROVAL_MALFORMED", |d| d.sheets[0].details()["galleries"] = json!(vec!["banks/b17/customers"; MAX_BYTES / 20])),
    ("APPROVAL_SAME_OFFICER", |d| d.sheets[1].claims["sub"] = d.sheets[0].claims["sub"].clone()),
    ("APPROVAL_SAME_OFFICER", |d| d.sheets[1] = Sheet::of("aida", "fraud-analyst", &AIDA)),
    ("APPROVAL_SAME_OFFICER", |d| d.sheets[1] = Sheet::of("aida", "privacy-officer", &AIDA)),
    ("APPROVAL_SAME_ROLE", |d| d.sheets[1].claims["role"] = d.sheets[0].claims["role"].clone()),
    ("APPROVAL_SAME_ROLE", |d| d.sheets[1] = Sheet::of("clara", "fraud-analyst", &CLARA)),
    ("APPROVAL_SAME_KEY", |d| d.sheets[1].header["kid"] = d.sheets[0].header["kid"].clone()),
    ("APPROVAL_SAME_KEY", |d| d.sheets[1] = Sheet::of("bolat", "privacy-officer", &AIDA)),
    ("APPROVAL_OFFICER_UNKNOWN", |d| d.sheets[0].header["kid"] = json!(to_base64(&STRANGER.public().thumbprint()))),
    ("APPROVAL_OFFICER_UNKNOWN", |d| d.sheets[0] = Sheet::of("zhan", "fraud-analyst", &STRANGER)),
    ("APPROVAL_OFFICER_UNKNOWN", |d| d.sheets[0] = Sheet::of("aida", "fraud-analyst", &STRANGER)),
    ("APPROVAL_OFFICER_UNKNOWN", |d| d.sheets[0] = Sheet::of("clara", "fraud-analyst", &AIDA)),
    ("APPROVAL_OFFICER_UNKNOWN", |d| d.sheets[1] = Sheet::of("emir", "privacy-officer", &EMIR)),
    ("APPROVAL_OFFICER_UNKNOWN", |d| d.details["relying_party"] = json!("banks/b19")),
    ("APPROVAL_SIGNATURE", |d| d.sheets[1].key = &STRANGER),
    ("APPROVAL_SIGNATURE", |d| d.sheets[0].key = &BOLAT),
    ("APPROVAL_SIGNATURE", |d| d.sheets[0].header["alg"] = json!("ES256")),
    ("APPROVAL_SIGNATURE", |d| d.sheets[1].header["alg"] = json!("EdDSA")),
    ("APPROVAL_SIGNATURE", |d| d.sheets[0].text.push(|text| text.rsplit_once('.').unwrap().0.to_owned() + ".")),
    ("APPROVAL_ROLE", |d| d.roles = vec!["head-of-branch".to_owned(), "auditor".to_owned()]),
    ("APPROVAL_ROLE", |d| d.roles.retain(|role| role != "privacy-officer")),
    ("APPROVAL_ROLE", |d| d.roles.clear()),
    ("APPROVAL_ROLE", |d| d.sheets[0].claims["role"] = json!("head-of-branch")),
    ("APPROVAL_ROLE", |d| d.sheets[1] = Sheet::of("dina", "auditor", &DINA)),
    ("APPROVAL_ROLE", |d| d.sheets[1] = Sheet::of("dina", "privacy-officer", &DINA)),
    ("APPROVAL_OTHER_DETAILS", |d| d.sheets[0].details()["galleries"] = json!(["banks/b17/staff"])),
    ("APPROVAL_OTHER_DETAILS", |d| d.details["galleries"] = json!(["banks/b17/customers", "banks/b17/staff"])),
    ("APPROVAL_OTHER_DETAILS", |d| d.sheets[0].details()["purpose"] = json!("enrolment")),
    ("APPROVAL_OTHER_DETAILS", |d| d.sheets[0].details()["actions"] = json!(["erase"])),
    ("APPROVAL_OTHER_DETAILS", |d| d.sheets[0].details()["relying_party"] = json!("banks/b18")),
    ("APPROVAL_OTHER_DETAILS", |d| d.sheets[0].details()["modalities"] = json!(["face"])),
    ("APPROVAL_OTHER_DETAILS", |d| d.sheets[0].details()["modalities"] = json!(["finger", "face"])),
    ("APPROVAL_OTHER_DETAILS", |d| d.sheets[0].details()["max_uses"] = json!(2)),
    ("APPROVAL_OTHER_DETAILS", |d| d.sheets[0].details()["legal_basis"] = json!("other")),
    ("APPROVAL_OTHER_DETAILS", |d| remove(d.sheets[0].details(), "legal_basis")),
    ("APPROVAL_OTHER_DETAILS", |d| d.sheets[0].claims["aud"] = json!("urn:tumar:kz-other")),
    ("APPROVAL_OTHER_DETAILS", |d| d.sheets[0].claims["aud"] = json!("kz-test")),
    ("APPROVAL_OTHER_CASE", |d| d.case = b"case 18"),
    ("APPROVAL_OTHER_CASE", |d| d.sheets[0].claims["case"] = json!(to_base64(&case_digest(b"case 18")))),
    ("APPROVAL_EXPIRED", |d| d.sheets[0].claims["iat"] = json!(NOW - 901)),
    ("APPROVAL_EXPIRED", |d| d.sheets[0].claims["iat"] = json!(0)),
    ("APPROVAL_EXPIRED", |d| d.sheets[0].claims["iat"] = json!(NOW + 31)),
    ("APPROVAL_EXPIRED", |d| d.sheets[0].claims["iat"] = json!(u64::MAX)),
];

#[test]
fn every_wrong_approval_has_its_reason_in_whichever_order_the_two_come() {
    for reversed in [false, true] {
        let mut good = Draft::good();
        if reversed {
            good.sheets.reverse();
        }
        assert_eq!(good.outcome(), "OK");
        for (place, (reason, change)) in REFUSALS.iter().enumerate() {
            let mut draft = Draft::good();
            change(&mut draft);
            if reversed {
                draft.sheets.reverse();
            }
            assert_eq!(draft.outcome(), *reason, "row {place}");
        }
    }
}

#[test]
fn the_table_covers_every_reason_in_the_order_of_the_checks() {
    let mut codes: Vec<&str> = REFUSALS.iter().map(|(reason, _)| *reason).collect();
    codes.dedup();
    let all: Vec<_> = Denial::REASONS.iter().filter(|reason| reason.code().starts_with("APPROVAL")).collect();
    assert_eq!(codes, all.iter().map(|reason| reason.code()).collect::<Vec<_>>());
    assert!(all.iter().all(|reason| reason.status() == Code::PermissionDenied));
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
fn an_approval_stands_for_fifteen_minutes_to_the_second() {
    assert_eq!(MAX_APPROVAL_AGE, 900);
    for (issued, outcome) in
        [(NOW - 901, "APPROVAL_EXPIRED"), (NOW - 900, "OK"), (NOW + 30, "OK"), (NOW + 31, "APPROVAL_EXPIRED")]
    {
        for place in [0, 1] {
            let mut draft = Draft::good();
            draft.sheets[place].claims["iat"] = json!(issued);
            assert_eq!(draft.outcome(), outcome, "{issued}, approval {place}");
        }
    }
}

#[test]
fn what_officers_make_is_taken_with_either_algorithm_and_from_the_entries_that_they_make() {
    let (deployment, bank) = ("kz-test".parse().unwrap(), "banks/b17".parse().unwrap());
    let details: Details = serde_json::from_value(details()).unwrap();
    let case = case_digest(CASE);
    let roles = ["fraud-analyst".to_owned(), "privacy-officer".to_owned()];
    for one in [Algorithm::EdDsa, Algorithm::Es256] {
        for other in [Algorithm::EdDsa, Algorithm::Es256] {
            let pair = [
                Officer::new("aida", "fraud-analyst", draw(one)).unwrap(),
                Officer::new("bolat.s", "privacy-officer", draw(other)).unwrap(),
            ];
            let officers = Officers::parse(&pair.each_ref().map(|officer| officer.entry(&bank)).join("\n")).unwrap();
            let approvals = pair.each_ref().map(|o| o.approve(&deployment, &details, &case, NOW).unwrap());
            let check =
                |approvals: &[String]| officers.check(approvals, &details, &case, &roles, VERIFIER.audience(), NOW);
            assert_eq!(check(&approvals), Ok(2));
            // Another approval by the same officer is another approval, and not another officer.
            let again = pair[0].approve(&deployment, &details, &case, NOW).unwrap();
            assert_ne!(again, approvals[0]);
            assert_eq!(check(&[approvals[0].clone(), again]).unwrap_err().reason(), Reason::ApprovalSameOfficer);
        }
    }
    assert_eq!(Officer::new("Aida", "fraud-analyst", draw(Algorithm::EdDsa)).err(), Some(OfficerFault::Name));
    assert_eq!(Officer::new("aida", "fraud analyst", draw(Algorithm::EdDsa)).err(), Some(OfficerFault::Role));
}

/// The digest of FIPS 180-2, B.1: a case file may be made by any program.
#[test]
fn a_case_digest_is_sha_256() {
    assert_eq!(to_base64(&case_digest(b"abc")), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
}

#[test]
fn any_place_of_an_approval_changed_spoils_it() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let good = Draft::good();
    let approvals = good.approvals();
    for which in [0, 1] {
        for place in 0..approvals[which].len() {
            let mut bytes = approvals[which].clone().into_bytes();
            let at = ALPHABET.iter().position(|letter| *letter == bytes[place]);
            bytes[place] = at.map_or(b'A', |at| ALPHABET[at ^ 1]);
            let mut changed = approvals.clone();
            changed[which] = String::from_utf8(bytes).unwrap();
            assert_ne!(good.outcome_of(&changed), "OK", "approval {which}, byte {place}");
        }
    }
}

static APPROVED: LazyLock<Vec<String>> = LazyLock::new(|| Draft::good().approvals());

proptest! {
    #[test]
    fn an_approval_with_any_byte_changed_is_refused(
        which in 0_usize..2, place in any::<prop::sample::Index>(), byte in 0_u8..128,
    ) {
        let mut changed = APPROVED.clone();
        let mut bytes = changed[which].clone().into_bytes();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        changed[which] = String::from_utf8(bytes).unwrap();
        prop_assert_ne!(Draft::good().outcome_of(&changed), "OK");
    }

    #[test]
    fn texts_that_are_no_approvals_are_refused(one in ".{0,80}", other in "([A-Za-z0-9_-]{0,60}\\.){2}[A-Za-z0-9_-]{0,60}") {
        prop_assert_eq!(Draft::good().outcome_of(&[one, other]), "APPROVAL_MALFORMED");
    }
}

#[test]
fn without_officers_nothing_is_approved() {
    let none = Officers::parse("").unwrap();
    assert!(none.is_empty() && Officers::default().is_empty() && !VERIFIER.officers().is_empty());
    let draft = Draft::good();
    let details: Details = serde_json::from_value(draft.details.clone()).unwrap();
    let denied = none.check(&draft.approvals(), &details, &case_digest(CASE), &draft.roles, VERIFIER.audience(), NOW);
    assert_eq!(denied.unwrap_err().reason(), Reason::ApprovalOfficerUnknown);
}

#[test]
fn a_list_of_officers_with_a_fault_is_refused_with_its_place() {
    let public = |key: &SigningKey| key.public().to_jwk();
    let aida = entry("aida", "fraud-analyst", "banks/b17", &public(&AIDA));
    let mut private = public(&AIDA);
    private["d"] = json!(to_base64(&[1; 32]));
    let symmetric = json!({ "kty": "oct", "k": "AAAA" });
    for (second, fault) in [
        (entry("Bolat", "privacy-officer", "banks/b17", &public(&BOLAT)), OfficerFault::Name),
        (entry("", "privacy-officer", "banks/b17", &public(&BOLAT)), OfficerFault::Name),
        (entry(&"b".repeat(65), "privacy-officer", "banks/b17", &public(&BOLAT)), OfficerFault::Name),
        (entry("bolat", "privacy officer", "banks/b17", &public(&BOLAT)), OfficerFault::Role),
        (entry("bolat", "privacy.officer", "banks/b17", &public(&BOLAT)), OfficerFault::Role),
        (entry("bolat", &"p".repeat(49), "banks/b17", &public(&BOLAT)), OfficerFault::Role),
        (entry("bolat", "privacy-officer", "banks/b17", &private), OfficerFault::Key(jws::JwsError::Private)),
        (entry("bolat", "privacy-officer", "banks/b17", &symmetric), OfficerFault::Key(jws::JwsError::Private)),
        (
            entry("bolat", "privacy-officer", "banks/b17", &json!({ "kty": "OKP" })),
            OfficerFault::Key(jws::JwsError::Key),
        ),
        (entry("aida", "privacy-officer", "banks/b17", &public(&BOLAT)), OfficerFault::NameTwice),
        (entry("bolat", "privacy-officer", "banks/b17", &public(&AIDA)), OfficerFault::KeyTwice),
    ] {
        let refused = Officers::parse(&format!("{aida}{second}")).unwrap_err();
        assert_eq!(refused, OfficersError::Officer { place: 2, fault }, "{second}");
    }
    for (text, says) in [
        (format!("{aida}until = 1\n"), "unknown field `until`"),
        (format!("anyone = true\n{aida}"), "unknown field `anyone`"),
        (aida.replace("role = \"fraud-analyst\"\n", ""), "missing field `role`"),
        (aida.replace("banks/b17", "b17"), "relying party"),
        (aida.replace("[[officer]]", "[officer]"), "expected a sequence"),
        ("officer".to_owned(), "expected"),
    ] {
        let refused = Officers::parse(&text).unwrap_err();
        assert!(matches!(refused, OfficersError::Form(_)) && refused.to_string().contains(says), "{says}: {refused}");
    }
    // A second key or another bank's officer of that name is nobody's double.
    Officers::parse(&format!("{aida}{}", entry("aida", "fraud-analyst", "banks/b18", &public(&AIDA)))).unwrap();
}

#[test]
fn what_guards_a_search_has_its_ranges() {
    fn check(text: &str) -> Result<(), SearchFault> {
        toml::from_str::<tumar::token::Searches>(text).unwrap().check()
    }
    let with = |candidates: u32, roles: &[&str]| {
        check(&format!("fmr = \"1e-5\"\nmax_candidates = {candidates}\nroles = {roles:?}\n"))
    };
    let numbered: Vec<String> = (0..9).map(|number| format!("role-{number}")).collect();
    let numbered: Vec<&str> = numbered.iter().map(String::as_str).collect();
    for candidates in [1, 32] {
        assert_eq!(with(candidates, &numbered[..2]), Ok(()));
        assert_eq!(with(candidates, &numbered[..8]), Ok(()));
    }
    assert_eq!(with(0, &numbered[..2]), Err(SearchFault::Candidates));
    assert_eq!(with(33, &numbered[..2]), Err(SearchFault::Candidates));
    for roles in [&numbered[..0], &numbered[..1], &numbered, &["a", "b", "a"], &["a", "B"], &["a", ""]] {
        assert_eq!(with(8, roles), Err(SearchFault::Roles), "{roles:?}");
    }
    assert!(toml::from_str::<tumar::token::Searches>("fmr = \"1e-5\"\nmax_candidates = 8\n").is_err());
}
