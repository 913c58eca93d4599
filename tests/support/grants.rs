//! A bank with a real issuer, so that tests hold grants that were checked like any other.
#![allow(clippy::unwrap_used, dead_code, reason = "shared by several test crates; each uses a part")]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tumar::name::{Modality, ModelId, RequestId};
use tumar::request::{Method, Minute, RequestInfo, RequestTarget, Sample};
use tumar::seal::PrivateKey;
use tumar::token::details::{Action, Details, DetailsType};
use tumar::token::jws::{Algorithm, SigningKey};
use tumar::token::jwt::{Issuer, TokenRequest, TrustedIssuer, Verifier};
use tumar::token::policy::{Limits, Policy, Thresholds};
use tumar::token::proof::ProofKey;
use tumar::token::purpose::{For, Grant, SpentEnvelope};
use tumar::token::{Officers, Token};
use zeroize::Zeroizing;

pub(crate) const NOW: u64 = 1_790_000_000;
/// Seconds to wait after three non-matches; twice as long after the fourth.
pub(crate) const DELAY: u64 = 30;
/// Non-matches in a row that lock.
pub(crate) const CAP: u32 = 5;
pub(crate) const LIMITS: Limits = Limits {
    requests_per_second: 2000,
    burst: 2000,
    envelope_faults_per_minute: 3,
    log_retention_days: 180,
    request_retention_seconds: 3600,
    evidence_days: 30,
};
const BASE: &str = "https://tumar.test:8443";
const POLICY: &str = r#"
[limits]
requests_per_second = 2000
burst = 2000
envelope_faults_per_minute = 3
log_retention_days = 180
request_retention_seconds = 3600
evidence_days = 30
[purposes.enrolment]
actions = ["enroll"]
modalities = ["face"]
evidence = []
retention_days = 30
[purposes.cash_withdrawal]
actions = ["verify", "list_uses"]
modalities = ["face"]
evidence = []
attempts = 3
delay_seconds = 30
max_delay_seconds = 3600
attempts_cap = 5
[[purposes.cash_withdrawal.rules]]
decision = "face"
fmr = "1e-4"
evidence = []
[purposes.erasure]
actions = ["erase"]
modalities = []
evidence = []
[purposes.subject_lock]
actions = ["lock"]
modalities = []
evidence = []
[purposes.subject_unlock]
actions = ["unlock"]
modalities = []
evidence = ["pin"]
"#;

/// One model, `fr512`.
struct OneModel;

impl Thresholds for OneModel {
    fn modality(&self, model: &ModelId) -> Option<Modality> {
        (model.as_str() == "fr512").then_some(Modality::Face)
    }

    fn verifies(&self, modality: Modality) -> bool {
        modality == Modality::Face
    }

    fn fuses(&self, _: &ModelId, _: &ModelId) -> bool {
        false
    }

    fn fuses_any(&self) -> bool {
        false
    }

    fn searches(&self, models: &[&ModelId]) -> bool {
        models.len() == 1
    }

    fn compares(&self, model: &ModelId) -> bool {
        self.modality(model).is_some()
    }
}

/// The key of all envelopes here.
pub(crate) fn envelope_key() -> PrivateKey {
    PrivateKey::from_seed(&Zeroizing::new([4; 32]))
}

static ENVELOPE_KEY: LazyLock<[u8; 8]> = LazyLock::new(|| *envelope_key().public().id().as_bytes());

/// What a call carries, so that it can be sent again as it was.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) ask: RequestInfo,
    token: String,
    proof: String,
}

pub(crate) struct Bank {
    issuer: Issuer,
    key: ProofKey,
    verifier: Verifier,
    policy: Policy,
    drawn: AtomicU64,
}

impl Bank {
    pub(crate) fn new() -> Self {
        let issuer = Issuer::new("https://issuer.test", SigningKey::generate(Algorithm::EdDsa).unwrap().0);
        let jwks = issuer.jwks();
        let own = ["banks/b17".parse().unwrap()];
        let galleries = ["banks/b17/customers".parse().unwrap()];
        let trusted =
            [TrustedIssuer { issuer: issuer.name(), relying_parties: &own, galleries: &galleries, jwks: &jwks }];
        let verifier =
            Verifier::new(&"kz-test".parse().unwrap(), &trusted, vec![BASE.to_owned()], Officers::default()).unwrap();
        let key = ProofKey::generate(Algorithm::EdDsa).unwrap().0;
        let policy = Policy::parse(POLICY, &OneModel).unwrap();
        Self { issuer, key, verifier, policy, drawn: AtomicU64::new(0) }
    }

    /// A request that nobody has made before.
    pub(crate) fn ask(&self, method: Method, subject: &str) -> RequestInfo {
        let mut random = [0; 16];
        // Version and variant take bits of the bytes after these.
        let drawn = u32::try_from(self.drawn.fetch_add(1, Ordering::Relaxed)).unwrap();
        random[..4].copy_from_slice(&drawn.to_be_bytes());
        let mut envelopes = [[1; 32], [2; 32], [3; 32]];
        for digest in &mut envelopes {
            digest[..4].copy_from_slice(&drawn.to_be_bytes());
        }
        let sample = Sample { modality: Modality::Face, model: "fr512".parse().unwrap(), envelopes };
        RequestInfo {
            method,
            client: "atm-backend".parse().unwrap(),
            request_id: RequestId::from_random(random),
            gallery: "banks/b17/customers".parse().unwrap(),
            about: RequestTarget::Subject(subject.parse().unwrap()),
            purpose: purpose(method).parse().unwrap(),
            amount_kzt: 0,
            captured: Minute::of(NOW),
            samples: if matches!(method, Method::Enroll | Method::Verify) { vec![sample] } else { vec![] },
        }
    }

    pub(crate) fn token(&self, method: Method, max_uses: u32, now: u64) -> String {
        self.token_of("atm-backend", method, max_uses, now)
    }

    /// The same of another of its workloads.
    pub(crate) fn token_of(&self, client: &str, method: Method, max_uses: u32, now: u64) -> String {
        let details = Details {
            kind: DetailsType,
            purpose: purpose(method).parse().unwrap(),
            actions: vec![Action(method)],
            relying_party: "banks/b17".parse().unwrap(),
            galleries: vec!["banks/b17/customers".parse().unwrap()],
            modalities: vec![Modality::Face],
            max_uses,
            legal_basis: None,
        };
        let request = TokenRequest {
            deployment: "kz-test".parse().unwrap(),
            client: client.to_owned(),
            jkt: self.key.thumbprint(),
            certificate: None,
            details,
            amr: vec!["pin".to_owned()],
            lifetime: 60,
        };
        self.issuer.issue(&request, now).unwrap()
    }

    /// `ask` by this token, with a fresh proof.
    pub(crate) fn prove(&self, token: &str, ask: &RequestInfo, now: u64) -> Call {
        let proof = self.key.prove(token, ask, BASE, None, now).unwrap();
        Call { ask: ask.clone(), token: token.to_owned(), proof }
    }

    /// `ask` by a token of its own.
    pub(crate) fn call(&self, ask: &RequestInfo, now: u64) -> Call {
        self.prove(&self.token_of(ask.client.as_str(), ask.method, 1, now), ask, now)
    }

    /// What a node makes of the call: A, whose envelopes are the first of each sample.
    pub(crate) fn grant<P: For>(&self, call: &Call, now: u64) -> Grant<P> {
        let token = Token::new(&call.token, &call.proof, None);
        let grant: Grant<P> =
            token.verify(&self.verifier, &call.ask, now).unwrap().grant(&self.policy, &OneModel).unwrap();
        let own =
            call.ask.samples.iter().map(|sample| SpentEnvelope { key: *ENVELOPE_KEY, digest: sample.envelopes[0] });
        grant.with_envelopes(own.collect())
    }

    /// A grant for a request and a token of its own.
    pub(crate) fn fresh<P: For>(&self, subject: &str, now: u64) -> Grant<P> {
        let ask = RequestInfo { captured: Minute::of(now), ..self.ask(P::METHOD, subject) };
        self.grant(&self.call(&ask, now), now)
    }
}

const fn purpose(method: Method) -> &'static str {
    match method {
        Method::Enroll => "enrolment",
        Method::Verify | Method::ListUses => "cash_withdrawal",
        Method::Erase => "erasure",
        Method::Lock => "subject_lock",
        Method::Unlock => "subject_unlock",
        Method::Search => "case_search",
        Method::OpenEvidence | Method::ReadLog => "audit",
    }
}
