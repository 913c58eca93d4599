//! Who asks: two workloads of one bank and one of another, each with a key and tokens of its own.

use std::sync::Arc;

use tumar::client::{Answer, Capture, Client, ClientConfig, ClientError, Prepared, Search, SubjectKey, Target};
use tumar::log::receipt::Outcome;
use tumar::name::{Modality, ModelId};
use tumar::request::{Case, Method, Minute};
use tumar::token::approval::case_digest;
use tumar::token::details::DetailsType;
use tumar::token::{Action, Algorithm, Details, Issuer, Officer, ProofKey, SigningKey, TokenRequest};
use tumar::wire::peer::v1::relayed::Request;

use super::clocks;
use super::people::{MODEL, NAMES, Who, capture};
use super::rules::{Op, Stay, Word};
use crate::support::cluster::Files;

/// The two banks.
pub(crate) const BANKS: [&str; 2] = ["banks/b17", "banks/b19"];

/// Whole tenge of each comparison.
const AMOUNT: u64 = 40_000;

/// Workloads, and whose they are.
const WORKLOADS: [(usize, &str); 3] =
    [(0, "banks/b17/atm-backend"), (0, "banks/b17/branch"), (1, "banks/b19/atm-backend")];

/// One workload: a client, and the issuer of its bank's tokens.
pub(crate) struct Desk {
    pub(crate) bank: usize,
    pub(crate) workload: &'static str,
    issuer: Arc<Issuer>,
    officers: [Officer; 2],
    client: Client,
}

/// What a token is to be good for.
pub(crate) struct Wanted<'a> {
    pub(crate) relying_party: &'a str,
    pub(crate) gallery: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) method: Method,
}

/// What came of a request.
pub(crate) type Came = Result<Answer, ClientError>;

/// The keys of all workloads and issuers of an installation.
pub(crate) struct Keys {
    proofs: Vec<Vec<u8>>,
    issuers: [Arc<Issuer>; 2],
}

pub(crate) fn gallery(bank: usize) -> String {
    format!("{}/customers", BANKS[bank])
}

/// The purpose that a request is made for.
pub(crate) const fn purpose(op: Op) -> (&'static str, Method) {
    match op {
        Op::Enrol { stay: Stay::Customer, .. } => ("enrolment", Method::Enroll),
        Op::Enrol { stay: Stay::Visitor, .. } => ("day_visit", Method::Enroll),
        Op::Verify { .. } => ("cash_withdrawal", Method::Verify),
        Op::Erase => ("erasure", Method::Erase),
        Op::Lock => ("subject_lock", Method::Lock),
        Op::Unlock => ("subject_unlock", Method::Unlock),
    }
}

impl Keys {
    /// Draws the proof keys, and reads the issuers' keys.
    pub(crate) fn new(files: &Files) -> Self {
        let draw = || ProofKey::generate(Algorithm::EdDsa).unwrap().1.to_vec();
        let proofs = WORKLOADS.iter().map(|_| draw()).collect();
        Self { proofs, issuers: [0, 1].map(|bank| Arc::new(files.issuer_of(short(bank)))) }
    }

    /// All workloads, connected.
    pub(crate) async fn desks(&self, files: &Files) -> Result<Vec<Arc<Desk>>, ClientError> {
        let mut desks = Vec::with_capacity(WORKLOADS.len());
        for ((bank, workload), pkcs8) in WORKLOADS.into_iter().zip(&self.proofs) {
            let config = ClientConfig {
                client: workload.parse().unwrap(),
                proof_key: ProofKey::from_pkcs8(pkcs8).unwrap(),
                ..files.client_config_of(short(bank))
            };
            let client = Client::connect(config, clocks::now).await?;
            let (issuer, officers) = (Arc::clone(&self.issuers[bank]), officers(files, bank));
            desks.push(Arc::new(Desk { bank, workload, issuer, officers, client }));
        }
        Ok(desks)
    }
}

/// A bank's name without what it is.
fn short(bank: usize) -> &'static str {
    BANKS[bank].trim_start_matches("banks/")
}

/// The two officers of a bank.
fn officers(files: &Files, bank: usize) -> [Officer; 2] {
    let (folder, names) = [("", ["aida", "bolat"]), ("b19/", ["dana", "erlan"])][bank];
    let officer = |(name, role): (&str, &str)| {
        let pkcs8 = std::fs::read(files.path(&format!("{folder}officers/{name}.pk8"))).unwrap();
        Officer::new(name, role, SigningKey::from_pkcs8(&pkcs8).unwrap()).unwrap()
    };
    [(names[0], "fraud-analyst"), (names[1], "privacy-officer")].map(officer)
}

impl Desk {
    /// A request about somebody, sealed for now; `turn` chooses the capture.
    pub(crate) fn prepare(&self, who: Who, op: Op, turn: usize) -> Prepared {
        let (purpose, _) = purpose(op);
        let target = Target {
            gallery: gallery(who.bank).parse().unwrap(),
            subject: who.name().parse().unwrap(),
            purpose: purpose.parse().unwrap(),
        };
        let (config, committee, model): (_, _, ModelId) =
            (self.client.config(), self.client.committee(), MODEL.parse().unwrap());
        let captured = Minute::of(clocks::now());
        let sample = |face, number| [Capture { model: &model, template: capture(face, number) }];
        let prepared = match op {
            Op::Enrol { face, .. } => {
                let key = SubjectKey::generate().unwrap();
                Prepared::enroll(config, &committee, &target, &sample(face, 0), captured, &key)
            }
            Op::Verify { face } => {
                let probe = sample(face, 1 + turn % 7);
                Prepared::verify(config, &committee, &target, &probe, AMOUNT, captured)
            }
            Op::Erase => Prepared::erase(config, &target),
            Op::Lock => Prepared::lock(config, &target),
            Op::Unlock => Prepared::unlock(config, &target),
        };
        prepared.unwrap()
    }

    fn details(&self, wanted: &Wanted<'_>) -> Details {
        let samples = matches!(wanted.method, Method::Enroll | Method::Verify | Method::Search);
        Details {
            kind: DetailsType,
            purpose: wanted.purpose.parse().unwrap(),
            actions: vec![Action(wanted.method)],
            relying_party: wanted.relying_party.parse().unwrap(),
            galleries: vec![wanted.gallery.parse().unwrap()],
            modalities: if samples { vec![Modality::Face] } else { Vec::new() },
            max_uses: 1,
            legal_basis: None,
        }
    }

    /// A token from this bank's issuer, to this workload, for one use.
    pub(crate) fn token(&self, wanted: &Wanted<'_>) -> String {
        let config = self.client.config();
        let request = TokenRequest {
            deployment: config.deployment.clone(),
            client: self.workload.to_owned(),
            jkt: config.proof_key.thumbprint(),
            certificate: None,
            details: self.details(wanted),
            amr: vec!["registry_check".to_owned()],
            lifetime: 120,
        };
        self.issuer.issue(&request, clocks::now()).unwrap()
    }

    /// A token for a request about somebody of this bank.
    pub(crate) fn token_for(&self, op: Op) -> String {
        let ((purpose, method), gallery) = (purpose(op), gallery(self.bank));
        self.token(&Wanted { relying_party: BANKS[self.bank], gallery: &gallery, purpose, method })
    }

    /// This workload's proof over a request, made now.
    pub(crate) fn prove(&self, token: &str, prepared: &Prepared) -> String {
        self.client.prove(token, prepared.ask(), None).unwrap()
    }

    /// Sends a request with a token and a proof, whosever they are.
    pub(crate) async fn send(&self, token: &str, proof: &str, prepared: &Prepared) -> Came {
        self.client.call(token, proof, prepared).await
    }

    /// A search of the own gallery, with its token.
    pub(crate) fn search(&self, face: usize, most: u32) -> (String, Prepared) {
        let own = gallery(self.bank);
        let purpose = "case_search";
        let wanted = Wanted { relying_party: BANKS[self.bank], gallery: &own, purpose, method: Method::Search };
        let (digest, details) = (case_digest(b"case 17: one face, many names"), self.details(&wanted));
        let approve = |officer: &Officer| {
            officer.approve(&self.client.config().deployment, &details, &digest, clocks::now()).unwrap()
        };
        let case = Case { digest, most, approvals: self.officers.each_ref().map(approve).to_vec() };
        let search = Search { gallery: own.parse().unwrap(), purpose: purpose.parse().unwrap(), case };
        let model: ModelId = MODEL.parse().unwrap();
        let probe = [Capture { model: &model, template: capture(face, 1) }];
        let (committee, captured) = (self.client.committee(), Minute::of(clocks::now()));
        (self.token(&wanted), Prepared::search(self.client.config(), &committee, &search, &probe, captured).unwrap())
    }
}

/// The same message in another workload's name: its envelopes and its id are those of the first.
pub(crate) fn renamed(prepared: &Prepared, workload: &str) -> Prepared {
    let mut request = prepared.request().clone();
    let client = match &mut request {
        Request::Enroll(message) => &mut message.client,
        Request::Verify(message) => &mut message.client,
        Request::Erase(message) => &mut message.client,
        Request::Lock(message) => &mut message.client,
        Request::Unlock(message) => &mut message.client,
        Request::Search(message) => &mut message.client,
    };
    workload.clone_into(client);
    Prepared::new(request).unwrap()
}

/// What three receipts say, or why there are none.
pub(crate) fn word(came: &Came) -> Word {
    let answer = match came {
        Ok(answer) => answer,
        Err(error) => return Word::refused(error.reason()),
    };
    match answer.outcome {
        Outcome::Enrolled => Word::Enrolled,
        Outcome::Erased => Word::Erased,
        Outcome::Locked => Word::Locked,
        Outcome::Unlocked => Word::Unlocked,
        Outcome::Match => Word::Match,
        Outcome::NoMatch => Word::NoMatch,
        // No node of the model has lost anything.
        Outcome::Searched | Outcome::Logged | Outcome::HadNone => Word::refused("ANOTHER_OUTCOME"),
    }
}

/// Words after which nobody knows what was done.
pub(crate) fn is_lost(word: &Word) -> bool {
    const LOST: [&str; 7] =
        ["UNANSWERED", "UNREACHABLE", "PEER_LOST", "PEER_BROKEN", "RUN_FAILED", "STORE_FAILED", "LOG_HALTED"];
    matches!(word, Word::Refused(reason) if LOST.contains(&reason.as_str()))
}

/// The handle's place among the names.
pub(crate) fn place_of(subject: &str) -> Option<usize> {
    NAMES.iter().position(|name| *name == subject)
}
