//! A bank's token service: what it gives, to whom, and what it refuses with which error of RFC 6749, RFC 9396 and RFC 9449.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tumar::issuer::rules::{Rules, RulesError};
use tumar::issuer::{Code, Refused, TokenService};
use tumar::name::{Deployment, RelyingParty};
use tumar::token::jws::{Jws, from_base64, to_base64};
use tumar::token::{Algorithm, Issuer, Officers, SigningKey, TrustedIssuer, Verifier};

const NOW: u64 = 1_795_401_529;
const BASE: &str = "https://tokens.b17.example";
const CLIENT: &str = "banks/b17/atm-backend";
const BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

struct Bank {
    service: TokenService,
    key: SigningKey,
    proof: SigningKey,
    time: Arc<AtomicU64>,
    audit: Arc<Mutex<Vec<Value>>>,
}

fn rules(jwk: &Value) -> String {
    let (x, kind) = (jwk["x"].as_str().unwrap(), jwk["kty"].as_str().unwrap());
    let y = jwk["y"].as_str().map(|y| format!(", y = \"{y}\"")).unwrap_or_default();
    let crv = jwk["crv"].as_str().unwrap();
    format!(
        "issuer = \"https://issuer.b17\"\ndeployment = \"kz-test\"\nbase = \"{BASE}\"\nlisten = \"127.0.0.1:1\"\n\
         certificate = \"c\"\ncertificate_key = \"k\"\nsigning_key = \"s\"\n\
         [[client]]\nid = \"{CLIENT}\"\nrelying_party = \"banks/b17\"\njwk = {{ kty = \"{kind}\", crv = \"{crv}\", x = \"{x}\"{y} }}\n\
         [[client.allow]]\npurpose = \"cash_withdrawal\"\nactions = [\"verify\"]\ngalleries = [\"banks/b17/customers\"]\n\
         modalities = [\"face\", \"finger\"]\namr = [\"mobile_auth\"]\nmax_uses = 2\nlifetime = 60\n"
    )
}

fn bank(algorithm: Algorithm) -> Bank {
    let ((key, _), (proof, _)) = (SigningKey::generate(algorithm).unwrap(), SigningKey::generate(algorithm).unwrap());
    let rules = Rules::parse(&rules(&key.public().to_jwk()), "".as_ref()).unwrap();
    let (signing, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let (time, audit) = (Arc::new(AtomicU64::new(NOW)), Arc::new(Mutex::new(Vec::new())));
    let (clock, lines) = (Arc::clone(&time), Arc::clone(&audit));
    let service = TokenService::new(
        rules,
        Issuer::new("https://issuer.b17", signing),
        Arc::new(move || clock.load(Ordering::Relaxed)),
        Box::new(move |line| {
            lines.lock().unwrap().push(serde_json::from_str(line).unwrap());
            Ok(())
        }),
    );
    Bank { service, key, proof, time, audit }
}

fn assertion() -> Value {
    json!({ "iss": CLIENT, "sub": CLIENT, "aud": format!("{BASE}/token"), "iat": NOW, "exp": NOW + 60, "jti": "assertion-0000-0001" })
}

fn proof() -> Value {
    json!({ "htm": "POST", "htu": format!("{BASE}/token"), "iat": NOW, "jti": "proof-0000-0000-01" })
}

fn details() -> Value {
    json!([{
        "type": "urn:tumar:match:1", "purpose": "cash_withdrawal", "actions": ["verify"], "relying_party": "banks/b17",
        "galleries": ["banks/b17/customers"], "modalities": ["face"], "max_uses": 1
    }])
}

/// What is sent, for a test to change.
struct Asked {
    assertion: Value,
    proof: Option<Value>,
    details: String,
    form: Vec<(&'static str, String)>,
}

impl Asked {
    fn good() -> Self {
        let form = vec![("grant_type", "client_credentials".to_owned()), ("client_assertion_type", BEARER.to_owned())];
        Self { assertion: assertion(), proof: Some(proof()), details: details().to_string(), form }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut asked = Self::good();
        change(&mut asked);
        asked
    }

    fn send(&self, bank: &Bank) -> Result<Value, Refused> {
        let algorithm = bank.key.public().algorithm().as_str();
        let assertion = bank.key.sign(&json!({ "alg": algorithm, "typ": "JWT" }), &self.assertion).unwrap();
        let header = json!({ "typ": "dpop+jwt", "alg": algorithm, "jwk": bank.proof.public().to_jwk() });
        let proof = self.proof.as_ref().map(|proof| bank.proof.sign(&header, proof).unwrap());
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&self.form);
        form.append_pair("client_assertion", &assertion).append_pair("authorization_details", &self.details);
        bank.service.answer(form.finish().as_bytes(), proof.as_deref())
    }
}

#[test]
fn a_token_is_what_was_asked_for_and_a_node_believes_it() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let bank = bank(algorithm);
        let given = Asked::with(|asked| asked.assertion["amr"] = json!(["mobile_auth"])).send(&bank).unwrap();
        assert_eq!((&given["token_type"], &given["expires_in"]), (&"DPoP".into(), &60.into()));
        assert_eq!(given["authorization_details"], details());
        let token = given["access_token"].as_str().unwrap();
        let claims = Jws::parse(token).unwrap().claims().unwrap();
        assert_eq!(claims["cnf"]["jkt"], to_base64(&bank.proof.public().thumbprint()));
        assert_eq!((&claims["client_id"], &claims["amr"]), (&CLIENT.into(), &json!(["mobile_auth"])));
        assert_eq!((&claims["iat"], &claims["exp"]), (&NOW.into(), &(NOW + 60).into()));
        // By the keys that it publishes.
        let (deployment, own): (Deployment, [RelyingParty; 1]) =
            ("kz-test".parse().unwrap(), ["banks/b17".parse().unwrap()]);
        let jwks = bank.service.jwks();
        let issuer = TrustedIssuer { issuer: "https://issuer.b17", relying_parties: &own, galleries: &[], jwks: &jwks };
        assert!(Verifier::new(&deployment, &[issuer], vec!["https://a.example".into()], Officers::default()).is_ok());
        let line = bank.audit.lock().unwrap()[0].clone();
        assert_eq!(
            (&line["outcome"], &line["client_id"], &line["jti"]),
            (&"issued".into(), &CLIENT.into(), &claims["jti"])
        );
        assert_eq!(line["authorization_details"], details());
        assert!(!line.to_string().contains(token.rsplit('.').next().unwrap()), "the audit line holds no token");
    }
}

type Change = fn(&mut Asked);

#[test]
fn everything_else_is_refused_with_its_own_error() {
    let cases: [(&str, Code, &str, Change); 22] = [
        ("grant", Code::UnsupportedGrantType, "grant_type", |a| a.form[0].1 = "password".into()),
        ("no grant", Code::InvalidRequest, "grant_type is missing", |a| drop(a.form.remove(0))),
        ("grant twice", Code::InvalidRequest, "stands twice", |a| {
            a.form.push(("grant_type", "client_credentials".into()));
        }),
        ("type", Code::InvalidClient, "client_assertion_type", |a| a.form[1].1 = "x".into()),
        ("another client", Code::InvalidClient, "client_id", |a| a.form.push(("client_id", "banks/b17/other".into()))),
        ("unknown", Code::InvalidClient, "names no [[client]]", |a| {
            a.assertion["iss"] = "banks/b19/atm-backend".into();
        }),
        ("subject", Code::InvalidClient, "sub must be", |a| a.assertion["sub"] = "banks/b19/atm-backend".into()),
        ("audience", Code::InvalidClient, "aud must be", |a| {
            a.assertion["aud"] = "https://tokens.b19.example/token".into();
        }),
        ("audiences", Code::InvalidClient, "aud must be", |a| {
            a.assertion["aud"] = json!([format!("{BASE}/token"), "x"]);
        }),
        ("expired", Code::InvalidClient, "has expired", |a| a.assertion["exp"] = json!(NOW - 31)),
        ("too long", Code::InvalidClient, "at most 300 seconds", |a| a.assertion["exp"] = json!(NOW + 331)),
        ("future", Code::InvalidClient, "not valid yet", |a| a.assertion["nbf"] = json!(NOW + 31)),
        ("old", Code::InvalidClient, "before the start", |a| a.assertion["iat"] = json!(NOW - 1)),
        ("jti", Code::InvalidClient, "jti must be", |a| a.assertion["jti"] = "short".into()),
        ("no proof", Code::InvalidDpopProof, "header is missing", |a| a.proof = None),
        ("htu", Code::InvalidDpopProof, "htu must be", |a| a.proof.as_mut().unwrap()["htu"] = BASE.into()),
        ("stale proof", Code::InvalidDpopProof, "iat must be", |a| a.proof.as_mut().unwrap()["iat"] = json!(NOW - 61)),
        ("purpose", Code::InvalidAuthorizationDetails, "purpose erasure", |a| {
            a.details = a.details.replace("cash_withdrawal", "erasure");
        }),
        ("gallery", Code::InvalidAuthorizationDetails, "galleries", |a| {
            a.details = a.details.replace("/customers", "/staff");
        }),
        ("uses", Code::InvalidAuthorizationDetails, "max_uses", |a| {
            a.details = a.details.replace("\"max_uses\":1", "\"max_uses\":3");
        }),
        ("bank", Code::InvalidAuthorizationDetails, "relying_party", |a| {
            a.details = a.details.replace("banks/b17", "banks/b19");
        }),
        ("factor", Code::InvalidAuthorizationDetails, "amr", |a| a.assertion["amr"] = json!(["registry_check"])),
    ];
    for (name, code, says, change) in cases {
        let bank = bank(Algorithm::EdDsa);
        let refused = Asked::with(change).send(&bank).unwrap_err();
        assert_eq!(refused.code, code, "{name}: {refused}");
        assert!(refused.why.contains(says), "{name}: {refused}");
        assert!(bank.audit.lock().unwrap().iter().all(|line| line["outcome"] == "refused"), "{name}");
    }
    // A key that stands twice would be read in two ways.
    let bank = bank(Algorithm::EdDsa);
    let twice = Asked::with(|asked| {
        asked.details = asked.details.replacen("\"max_uses\":1", "\"max_uses\":1,\"max_uses\":2", 1);
    });
    assert_eq!(twice.send(&bank).unwrap_err().code, Code::InvalidAuthorizationDetails);
    // Signed by somebody else.
    let other = Bank { key: SigningKey::generate(Algorithm::EdDsa).unwrap().0, ..bank };
    let forged = Asked::with(|asked| asked.assertion["jti"] = "assertion-0000-0002".into()).send(&other).unwrap_err();
    assert_eq!((forged.code, forged.why.contains("does not verify")), (Code::InvalidClient, true));
}

#[test]
fn an_assertion_and_a_proof_are_good_once_and_never_after_a_restart() {
    let bank = bank(Algorithm::EdDsa);
    Asked::good().send(&bank).unwrap();
    let again = Asked::good().send(&bank).unwrap_err();
    assert_eq!((again.code, again.why.contains("jti of the assertion")), (Code::InvalidClient, true));
    let proof_again = Asked::with(|asked| asked.assertion["jti"] = "assertion-0000-0002".into());
    let again = proof_again.send(&bank).unwrap_err();
    assert_eq!((again.code, again.why.contains("jti of the proof")), (Code::InvalidDpopProof, true));
    // Still remembered in the last second in which its assertion could be used.
    bank.time.store(NOW + 60 + 29, Ordering::Relaxed);
    assert!(Asked::good().send(&bank).unwrap_err().why.contains("jti of the assertion"));
    assert_eq!(bank.audit.lock().unwrap().iter().filter(|line| line["outcome"] == "issued").count(), 1);
}

#[test]
fn no_token_is_given_without_its_audit_line() {
    let mut bank = bank(Algorithm::EdDsa);
    let (key, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let rules = Rules::parse(&rules(&bank.key.public().to_jwk()), "".as_ref()).unwrap();
    let full = || Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
    bank.service = TokenService::new(rules, Issuer::new("x", key), Arc::new(|| NOW), Box::new(move |_| full()));
    let refused = Asked::good().send(&bank).unwrap_err();
    assert_eq!((refused.code, refused.why.contains("audit line")), (Code::TemporarilyUnavailable, true));
}

#[test]
fn rules_that_allow_too_much_or_nothing_are_refused_with_the_member_at_fault() {
    let (key, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let good = rules(&key.public().to_jwk());
    let with = |from: &str, to: &str| {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good);
        Rules::parse(&text, "".as_ref()).unwrap_err()
    };
    for (from, to, says) in [
        ("lifetime = 60", "lifetime = 301", "lifetime: nodes take tokens of 1 to 300 seconds"),
        ("max_uses = 2", "max_uses = 0", "max_uses: it must be 1 to 1000"),
        ("banks/b17/customers", "banks/b19/customers", "galleries: each must be one of the client's relying party"),
        ("actions = [\"verify\"]", "actions = []", "actions: there must be at least one"),
        ("[[client.allow]]", "proof_keys = [\"x\"]\n[[client.allow]]", "proof_keys: each must be a thumbprint"),
        ("base = \"https", "base = \"http", "line 3, base: \"http://tokens.b17.example\" must be https://HOST[:PORT]"),
        ("[[client]]", "colour = 1\n[[client]]", "unknown field `colour`"),
    ] {
        assert!(with(from, to).to_string().contains(says), "{}", with(from, to));
    }
    let twice = format!("{good}{}", &good[good.find("[[client]]").unwrap()..]);
    assert!(matches!(Rules::parse(&twice, "".as_ref()), Err(RulesError::Clients(_))));
    assert_eq!(from_base64("AA").unwrap(), [0]);
}
