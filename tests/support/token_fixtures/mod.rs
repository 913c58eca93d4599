//! Drafts of tokens, proofs and requests, and the table of what spoils them: every refusal, in the order of the checks.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by several test crates; each uses a part")]

pub(crate) mod officers;
pub(crate) mod table;

use std::sync::LazyLock;

use serde_json::{Value, json};
use tumar::name::{Modality, ModelId, RelyingParty, RequestId};
use tumar::request::{Case, Method, Minute, RequestInfo, RequestTarget, Sample};
use tumar::token::approval::case_digest;
use tumar::token::jws::{sha256, to_base64};
use tumar::token::purpose::{Enroll, Erase, For, Grant, ListUses, Lock, OpenEvidence, Search, Unlock, Verify};
use tumar::token::{
    Algorithm, Denied, Officers, Policy, SigningKey, Thresholds, Token, TokenFault, TrustError, TrustedIssuer,
    Verifier, policy,
};

use officers::{CASE, Sheet, officers_text};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const CLIENT: &str = "b17-atm";
pub(crate) const BASE: &str = "https://tumar.example:8443";
/// The issuer of b17, and of two more.
pub(crate) const ISSUER: &str = "https://issuer.example";
/// That of another bank, b19.
pub(crate) const ISSUER_OF_B19: &str = "https://issuer.b19.example";

pub(crate) fn draw(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap().0
}

pub(crate) static ED_ISSUER: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::EdDsa));
pub(crate) static ES_ISSUER: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::Es256));
pub(crate) static B19_ISSUER: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::EdDsa));
pub(crate) static ED_CLIENT: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::EdDsa));
pub(crate) static ES_CLIENT: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::Es256));
pub(crate) static STRANGER: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::EdDsa));

/// For whom [`ISSUER`] speaks.
pub(crate) const OF_ISSUER: [&str; 3] = ["banks/b17", "banks/b1", "banks/b99"];

pub(crate) fn relying_parties(names: &[&str]) -> Vec<RelyingParty> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn jwks_of(keys: &[(&str, &SigningKey)]) -> String {
    let keys = keys.iter().map(|(kid, key)| {
        let mut jwk = key.public().to_jwk();
        jwk["kid"] = json!(kid);
        jwk
    });
    json!({ "keys": keys.collect::<Vec<_>>() }).to_string()
}

/// The issuer's two keys as a JWK set; each is named by its algorithm.
pub(crate) fn jwks() -> String {
    jwks_of(&[("EdDSA", &ED_ISSUER), ("ES256", &ES_ISSUER)])
}

/// The one key of the other bank's issuer.
pub(crate) fn jwks_of_b19() -> String {
    jwks_of(&[("b19", &B19_ISSUER)])
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
delay_seconds = 30
max_delay_seconds = 60
attempts_cap = 50
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
delay_seconds = 30
max_delay_seconds = 60
attempts_cap = 50
[[purposes.face_door.rules]]
decision = "face"
fmr = "1e-3"
evidence = []

[purposes.branch]
actions = ["enroll"]
modalities = ["face", "finger"]
evidence = []
retention_days = 30
[purposes.finger_door]
actions = ["verify"]
modalities = ["finger"]
evidence = []
attempts = 3
delay_seconds = 30
max_delay_seconds = 60
attempts_cap = 50
[[purposes.finger_door.rules]]
decision = "finger"
fmr = "1e-3"
evidence = []
"#;

pub(crate) fn policy_text() -> String {
    format!("{}{MORE_PURPOSES}", policy::DEFAULT)
}

pub(crate) static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::parse(&policy_text(), &SERVED).unwrap());

pub(crate) fn verifier(jwks: &str) -> Result<Verifier, TrustError> {
    let (own, other, jwks_of_other) = (relying_parties(&OF_ISSUER), relying_parties(&["banks/b19"]), jwks_of_b19());
    let listed = ["banks/b17/customers".parse().unwrap()];
    let issuers = [
        TrustedIssuer { issuer: ISSUER, relying_parties: &own, galleries: &listed, jwks },
        TrustedIssuer { issuer: ISSUER_OF_B19, relying_parties: &other, galleries: &[], jwks: &jwks_of_other },
    ];
    Verifier::new(
        &"kz-test".parse().unwrap(),
        &issuers,
        vec!["https://a.example".into(), BASE.into()],
        Officers::parse(&officers_text()).unwrap(),
    )
}

/// The models that a node would serve.
pub(crate) struct Models(pub(crate) &'static [(&'static str, Modality)]);

pub(crate) const FACE: (&str, Modality) = ("fr512", Modality::Face);
pub(crate) const FINGER: (&str, Modality) = ("fp512", Modality::Finger);
/// Compared one to one, and not searched for.
pub(crate) const ROWS: (&str, Modality) = ("leader-rows-3", Modality::Finger);

/// Searched for, and not compared one to one.
pub(crate) const VECTOR: (&str, Modality) = ("leader-fixed-1", Modality::Finger);

/// All of them.
pub(crate) const SERVED: Models = Models(&[FACE, FINGER, ROWS, VECTOR]);

impl Thresholds for Models {
    fn modality(&self, model: &ModelId) -> Option<Modality> {
        self.0.iter().find(|(id, _)| *id == model.as_str()).map(|(_, modality)| *modality)
    }

    fn verifies(&self, modality: Modality) -> bool {
        self.0.iter().any(|(_, served)| *served == modality)
    }

    fn fuses(&self, one: &ModelId, other: &ModelId) -> bool {
        self.fuses_any() && self.modality(one) != self.modality(other)
    }

    fn fuses_any(&self) -> bool {
        self.verifies(Modality::Face) && self.verifies(Modality::Finger)
    }

    fn searches(&self, models: &[&ModelId]) -> bool {
        let joined = match models {
            [_] => true,
            [one, other] => self.fuses(one, other),
            _ => false,
        };
        joined && models.iter().all(|model| model.as_str() != ROWS.0 && self.modality(model).is_some())
    }

    fn compares(&self, model: &ModelId) -> bool {
        model.as_str() != VECTOR.0 && self.modality(model).is_some()
    }
}

pub(crate) fn sample((model, modality): (&str, Modality)) -> Sample {
    Sample { modality, model: model.parse().unwrap(), envelopes: [[1; 32], [2; 32], [3; 32]] }
}

pub(crate) fn ask() -> RequestInfo {
    RequestInfo {
        method: Method::Verify,
        client: CLIENT.parse().unwrap(),
        request_id: RequestId::from_random([7; 16]),
        gallery: "banks/b17/customers".parse().unwrap(),
        about: RequestTarget::Subject("c-0042".parse().unwrap()),
        purpose: "cash_withdrawal".parse().unwrap(),
        amount_kzt: 40_000,
        captured: Minute::of(NOW),
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
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) issuer: &'static SigningKey,
    pub(crate) client: &'static SigningKey,
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) proof_header: Value,
    /// `htu`, `ath` and `rqh` are filled in where absent, so that they fit whatever else was changed.
    pub(crate) proof: Value,
    pub(crate) ask: RequestInfo,
    pub(crate) call: Method,
    pub(crate) certificate: Option<[u8; 32]>,
    pub(crate) access_text: Vec<fn(String) -> String>,
    pub(crate) proof_text: Vec<fn(String) -> String>,
    /// Set when a proof is to be moved to another request.
    pub(crate) asked: Option<RequestInfo>,
    /// A search's approvals, before they are signed; see [`approve`](Self::approve).
    pub(crate) sheets: Vec<Sheet>,
}

impl Draft {
    pub(crate) fn good() -> Self {
        let jkt = to_base64(&ED_CLIENT.public().thumbprint());
        Self {
            issuer: &ED_ISSUER,
            client: &ED_CLIENT,
            header: json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": "EdDSA" }),
            claims: json!({
                "iss": ISSUER, "aud": "urn:tumar:kz-test", "client_id": CLIENT, "sub": CLIENT, "iat": NOW, "nbf": NOW,
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
            sheets: Vec::new(),
        }
    }

    pub(crate) fn details(&mut self) -> &mut Value {
        &mut self.claims["authorization_details"][0]
    }

    /// The token is given out by the other bank's issuer, in whosever name it is.
    pub(crate) fn by_issuer_of_b19(&mut self) {
        self.issuer = &B19_ISSUER;
        self.header["kid"] = json!("b19");
        self.claims["iss"] = json!(ISSUER_OF_B19);
    }

    /// The same request by the other bank, for itself.
    pub(crate) fn of_b19() -> Self {
        let mut draft = Self::good();
        draft.by_issuer_of_b19();
        draft.claims["client_id"] = json!("b19-atm");
        draft.claims["sub"] = json!("b19-atm");
        draft.details()["relying_party"] = json!("banks/b19");
        draft.details()["galleries"] = json!(["banks/b19/customers"]);
        draft.ask.gallery = "banks/b19/customers".parse().unwrap();
        draft.ask.client = "b19-atm".parse().unwrap();
        draft
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

    /// A search of one case by a face, with two good approvals if there was none before.
    pub(crate) fn search(&mut self) {
        self.purpose("case_search");
        self.method(Method::Search);
        self.claims["exp"] = json!(self.claims["iat"].as_u64().unwrap() + 120);
        self.ask.samples = vec![sample(FACE)];
        self.ask.about = RequestTarget::Case(Case { digest: case_digest(CASE), most: 16, approvals: Vec::new() });
        if self.sheets.is_empty() {
            self.sheets = Sheet::two();
        }
    }

    /// The case of a search.
    pub(crate) fn case(&mut self) -> &mut Case {
        match &mut self.ask.about {
            RequestTarget::Case(case) => case,
            RequestTarget::Subject(_) | RequestTarget::Evidence(_) | RequestTarget::Matched(..) => {
                panic!("not a search")
            }
        }
    }

    /// One approval is of the token's details but for this member.
    pub(crate) fn approves(&mut self, place: usize, member: &str, value: Value) {
        let mut details = self.details().clone();
        details[member] = value;
        self.sheets[place].claims["authorization_details"] = json!([details]);
    }

    /// Has a search's approvals signed; what they say of token and case is filled in where it is absent.
    pub(crate) fn approve(&mut self) {
        let details = self.claims["authorization_details"].clone();
        if let RequestTarget::Case(case) = &mut self.ask.about {
            case.approvals = self.sheets.iter().map(|sheet| sheet.signed_over(&details, &case.digest)).collect();
            if let Some(RequestInfo { about: RequestTarget::Case(other), .. }) = &mut self.asked
                && other.approvals.is_empty()
            {
                other.approvals.clone_from(&case.approvals);
            }
        }
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
            ("rqh", to_base64(&self.ask.request_digest())),
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
        let mut draft = self.clone();
        draft.approve();
        let ask = draft.asked.as_ref().unwrap_or(&draft.ask);
        let verified = draft.token().verify(&VERIFIER, ask, NOW).map_err(Refused::Token)?;
        verified.grant(&POLICY, &SERVED).map_err(Refused::Denied)
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
            Method::OpenEvidence => self.granted::<OpenEvidence>().err(),
            Method::ListUses => self.granted::<ListUses>().err(),
            Method::ReadLog => unreachable!("no request is of this kind"),
        };
        match refused {
            None => "OK",
            Some(Refused::Token(error)) => error.reason().code(),
            Some(Refused::Denied(denied)) => denied.reason().code(),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Refused {
    Token(TokenFault),
    Denied(Denied),
}
