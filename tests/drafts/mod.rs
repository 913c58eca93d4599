//! Drafts of tokens, proofs and requests, and the table of what spoils them: every refusal, in the order of the checks.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by several test crates; each uses a part")]

use std::sync::LazyLock;

use serde_json::{Value, json};
use tumar::name::{Modality, ModelId, RequestId};
use tumar::request::{About, Ask, Method, Sample};
use tumar::token::jws::{sha256, to_base64};
use tumar::token::purpose::{Enroll, Erase, For, Grant, Lock, Search, Unlock, Verify};
use tumar::token::{
    Algorithm, Denied, MAX_BYTES, Officers, Policy, SigningKey, Thresholds, Token, TokenError, TrustError,
    TrustedIssuer, Verifier, policy,
};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const BASE: &str = "https://tumar.example:8443";
pub(crate) const ISSUER: &str = "https://issuer.example";

pub(crate) fn draw(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap().0
}

pub(crate) static ED_ISSUER: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::EdDsa));
pub(crate) static ES_ISSUER: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::Es256));
pub(crate) static ED_CLIENT: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::EdDsa));
pub(crate) static ES_CLIENT: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::Es256));
pub(crate) static STRANGER: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::EdDsa));

/// The issuer's two keys as a JWK set; each is named by its algorithm.
pub(crate) fn jwks() -> String {
    let keys = [&*ED_ISSUER, &*ES_ISSUER].map(|key| {
        let mut jwk = key.public().to_jwk();
        jwk["kid"] = json!(key.public().algorithm().as_str());
        jwk
    });
    json!({ "keys": keys }).to_string()
}

pub(crate) static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| verifier(&jwks()).unwrap());

/// The default, with purposes beside it whose tables have what its own do not.
pub(crate) const MORE_PURPOSES: &str = r#"
[purposes.one_bank]
actions = ["erase"]
modalities = []
evidence = []
relying_parties = ["banks/b99"]

[purposes.vault]
actions = ["enroll", "verify", "lock"]
modalities = ["face", "finger"]
evidence = ["pin"]
attempts = 1
lock_seconds = 60
retention_days = 2
[[purposes.vault.rules]]
decision = "both"
fmr = "1e-3"
evidence = []

[purposes.face_door]
actions = ["verify"]
modalities = ["face"]
evidence = []
attempts = 3
lock_seconds = 60
[[purposes.face_door.rules]]
decision = "face"
fmr = "1e-3"
evidence = []

[purposes.finger_door]
actions = ["verify"]
modalities = ["finger"]
evidence = []
attempts = 3
lock_seconds = 60
[[purposes.finger_door.rules]]
decision = "finger"
fmr = "1e-3"
evidence = []
"#;

pub(crate) fn policy_text() -> String {
    format!("{}{MORE_PURPOSES}", policy::DEFAULT)
}

pub(crate) static POLICY: LazyLock<Policy> =
    LazyLock::new(|| Policy::parse(&policy_text(), &Models(&[FACE, FINGER])).unwrap());

pub(crate) fn verifier(jwks: &str) -> Result<Verifier, TrustError> {
    let issuers = [TrustedIssuer { issuer: ISSUER, jwks }];
    Verifier::new(
        &"kz-test".parse().unwrap(),
        &issuers,
        vec!["https://a.example".into(), BASE.into()],
        Officers::default(),
    )
}

/// The models that a node would serve.
pub(crate) struct Models(pub(crate) &'static [(&'static str, Modality)]);

pub(crate) const FACE: (&str, Modality) = ("fr512", Modality::Face);
pub(crate) const FINGER: (&str, Modality) = ("fp512", Modality::Finger);

impl Thresholds for Models {
    fn modality(&self, model: &ModelId) -> Option<Modality> {
        self.0.iter().find(|(id, _)| *id == model.as_str()).map(|(_, modality)| *modality)
    }

    fn serves(&self, modality: Modality) -> bool {
        self.0.iter().any(|(_, served)| *served == modality)
    }

    fn fuses(&self, one: &ModelId, other: &ModelId) -> bool {
        self.fuses_any() && [one.as_str(), other.as_str()].contains(&FACE.0)
    }

    fn fuses_any(&self) -> bool {
        self.serves(Modality::Face) && self.serves(Modality::Finger)
    }

    fn searches(&self, models: &[&ModelId]) -> bool {
        match models {
            [one] => self.modality(one).is_some(),
            [one, other] => self.fuses(one, other),
            _ => false,
        }
    }
}

pub(crate) fn sample((model, modality): (&str, Modality)) -> Sample {
    Sample { modality, model: model.parse().unwrap(), envelopes: [[1; 32], [2; 32], [3; 32]] }
}

pub(crate) fn ask() -> Ask {
    Ask {
        method: Method::Verify,
        request_id: RequestId::from_random([7; 16]),
        gallery: "banks/b17/customers".parse().unwrap(),
        about: About::Subject("c-0042".parse().unwrap()),
        purpose: "cash_withdrawal".parse().unwrap(),
        amount_kzt: 40_000,
        samples: vec![sample(FACE)],
    }
}

pub(crate) fn details() -> Value {
    json!({
        "type": "urn:tumar:match:1", "purpose": "cash_withdrawal", "actions": ["verify"], "relying_party": "banks/b17",
        "galleries": ["banks/b17/customers"], "modalities": ["face", "finger"], "max_uses": 3, "legal_basis": "kz-aml",
    })
}

/// All that goes into one attempt; good as it is, for a test to spoil.
pub(crate) struct Draft {
    pub(crate) issuer: &'static SigningKey,
    pub(crate) client: &'static SigningKey,
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) proof_header: Value,
    /// `htu`, `ath` and `rqh` are filled in where absent, so that they fit whatever else was changed.
    pub(crate) proof: Value,
    pub(crate) ask: Ask,
    pub(crate) call: Method,
    pub(crate) certificate: Option<[u8; 32]>,
    pub(crate) access_text: Vec<fn(String) -> String>,
    pub(crate) proof_text: Vec<fn(String) -> String>,
    /// Set when a proof is to be moved to another request.
    pub(crate) asked: Option<Ask>,
}

impl Draft {
    pub(crate) fn good() -> Self {
        let jkt = to_base64(&ED_CLIENT.public().thumbprint());
        Self {
            issuer: &ED_ISSUER,
            client: &ED_CLIENT,
            header: json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": "EdDSA" }),
            claims: json!({
                "iss": ISSUER, "aud": "urn:tumar:kz-test", "client_id": "b17-atm", "sub": "b17-atm", "iat": NOW, "nbf": NOW,
                "exp": NOW + 300, "jti": "t".repeat(22), "cnf": { "jkt": jkt }, "authorization_details": [details()],
            }),
            proof_header: json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": ED_CLIENT.public().to_jwk() }),
            proof: json!({ "htm": "POST", "iat": NOW, "jti": "p".repeat(22) }),
            ask: ask(),
            call: Method::Verify,
            certificate: None,
            access_text: Vec::new(),
            proof_text: Vec::new(),
            asked: None,
        }
    }

    pub(crate) fn details(&mut self) -> &mut Value {
        &mut self.claims["authorization_details"][0]
    }

    /// The purpose of token and request at once.
    pub(crate) fn purpose(&mut self, purpose: &str) {
        self.details()["purpose"] = json!(purpose);
        self.ask.purpose = purpose.parse().unwrap();
    }

    /// The call of token and request at once.
    pub(crate) fn method(&mut self, method: Method) {
        self.details()["actions"] = json!([method.action()]);
        self.ask.method = method;
        self.call = method;
    }

    pub(crate) fn narrow(&mut self, member: &str, value: Value) {
        self.proof["authorization_details"] = json!([{ "type": "urn:tumar:match:1" }]);
        self.proof["authorization_details"][0][member] = value;
    }

    pub(crate) fn token(&self) -> Token {
        let signed = self.issuer.sign(&self.header, &self.claims).unwrap();
        let access = self.access_text.iter().fold(signed, |text, change| change(text));
        let mut claims = self.proof.clone();
        for (name, fitting) in [
            ("htu", format!("{BASE}{}", self.ask.method.path())),
            ("ath", to_base64(&sha256(access.as_bytes()))),
            ("rqh", to_base64(&self.ask.transcript())),
        ] {
            if claims.get(name).is_none() {
                claims[name] = json!(fitting);
            }
        }
        let signed = self.client.sign(&self.proof_header, &claims).unwrap();
        let proof = self.proof_text.iter().fold(signed, |text, change| change(text));
        Token::new(access, proof, self.certificate)
    }

    pub(crate) fn granted<P: For>(&self) -> Result<Grant<P>, Refused> {
        let ask = self.asked.as_ref().unwrap_or(&self.ask);
        let verified = self.token().verify(&VERIFIER, ask, NOW).map_err(Refused::Token)?;
        verified.grant(&POLICY, &Models(&[FACE, FINGER])).map_err(Refused::Denied)
    }

    /// The code of the refusal, or `OK`.
    pub(crate) fn outcome(&self) -> &'static str {
        let refused = match self.call {
            Method::Enroll => self.granted::<Enroll>().err(),
            Method::Verify => self.granted::<Verify>().err(),
            Method::Erase => self.granted::<Erase>().err(),
            Method::Lock => self.granted::<Lock>().err(),
            Method::Unlock => self.granted::<Unlock>().err(),
            Method::Search => self.granted::<Search>().err(),
        };
        match refused {
            None => "OK",
            Some(Refused::Token(error)) => error.reason(),
            Some(Refused::Denied(denied)) => denied.reason(),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Refused {
    Token(TokenError),
    Denied(Denied),
}

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
    ("TOKEN_CLAIMS", |d| d.claims["cnf"]["jkt"] = json!("AAAA")),
    ("TOKEN_CLAIMS", |d| d.claims["cnf"]["kid"] = json!("another way to bind")),
    ("TOKEN_CLAIMS", |d| d.claims["cnf"]["x5t#S256"] = json!("AAAA")),
    ("TOKEN_CLAIMS", |d| d.claims["amr"] = json!("pin")),
    ("TOKEN_CLAIMS", |d| drop(d.claims.as_object_mut().unwrap().remove("nbf"))),
    ("TOKEN_JTI", |d| d.claims["jti"] = json!("t".repeat(21))),
    ("TOKEN_JTI", |d| d.claims["jti"] = json!("t".repeat(129))),
    ("TOKEN_JTI", |d| d.claims["jti"] = json!("t".repeat(21) + "=")),
    ("TOKEN_DETAILS", |d| d.details()["max_uses"] = json!(0)),
    ("TOKEN_DETAILS", |d| d.details()["max_uses"] = json!(1001)),
    ("TOKEN_DETAILS", |d| d.details()["locations"] = json!([])),
    ("TOKEN_DETAILS", |d| d.details()["type"] = json!("urn:tumar:match:2")),
    ("TOKEN_DETAILS", |d| d.details()["actions"] = json!([])),
    ("TOKEN_DETAILS", |d| d.details()["actions"] = json!(["verify", "search"])),
    ("TOKEN_DETAILS", |d| d.details()["galleries"] = json!([])),
    ("TOKEN_DETAILS", |d| d.details()["galleries"] = json!(["banks/b17/*"])),
    ("TOKEN_DETAILS", |d| d.details()["modalities"] = json!(["iris"])),
    ("TOKEN_DETAILS", |d| drop(d.details().as_object_mut().unwrap().remove("modalities"))),
    ("TOKEN_DETAILS", |d| d.claims["authorization_details"] = json!([])),
    ("TOKEN_DETAILS", |d| d.claims["authorization_details"] = json!([details(), details()])),
    ("TOKEN_DETAILS", |d| d.claims["authorization_details"] = details()),
    ("TOKEN_DETAILS", |d| drop(d.claims.as_object_mut().unwrap().remove("authorization_details"))),
    ("TOKEN_ISSUER", |d| d.claims["iss"] = json!("https://issuer.example/")),
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
    ("PROOF_TYPE", |d| d.proof_header["typ"] = json!("at+jwt")),
    ("PROOF_ALG", |d| d.proof_header["alg"] = json!("none")),
    ("PROOF_ALG", |d| d.proof_header["alg"] = json!("HS256")),
    ("PROOF_HEADER", |d| d.proof_header["crit"] = json!([])),
    ("PROOF_HEADER", |d| d.proof_header["kid"] = json!("EdDSA")),
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
    ("PROOF_JTI", |d| d.proof["jti"] = json!("p".repeat(21))),
    ("PROOF_DETAILS", |d| d.narrow("locations", json!([]))),
    ("PROOF_DETAILS", |d| d.narrow("type", json!("urn:tumar:match:2"))),
    ("PROOF_DETAILS", |d| d.narrow("max_uses", json!(0))),
    ("PROOF_DETAILS", |d| d.proof["authorization_details"] = json!([])),
    ("PROOF_ATH", |d| d.proof["ath"] = json!(to_base64(&[0; 32]))),
    ("PROOF_RQH", |d| d.proof["rqh"] = json!(to_base64(&[0; 32]))),
    ("PROOF_RQH", |d| {
        d.asked = Some(Ask { amount_kzt: 50_000, ..ask() });
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
    ("SAMPLES_UNEXPECTED", |d| {
        d.purpose("vault");
        d.method(Method::Lock);
        d.ask.samples = vec![sample(FACE)];
    }),
    ("SAMPLES_MISSING", |d| d.ask.samples = Vec::new()),
    ("MODEL_UNKNOWN", |d| d.ask.samples = vec![sample(("nobody", Modality::Face))]),
    ("MODEL_UNKNOWN", |d| d.ask.samples = vec![sample(("fp512", Modality::Face))]),
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
];
