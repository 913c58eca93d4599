//! What the operators allow: `policy.toml`. Each node reads its own, and logs its digest with every use.
//!
//! Nothing in it has a default that opens: a list that is absent is an error, not "everything", with the one exception
//! of `relying_parties`, which a genuine token already names.

mod fault;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

pub use fault::{PolicyError, PurposeFault, RuleFault};

use super::attempts::Attempts;
use super::claims::is_role;
use super::details::Action;
use super::jws::sha256;
use crate::form;
use crate::name::{Modality, ModelId, PurposeName, RelyingParty};
use crate::request::Method;
use crate::template::model::{Encoding, Fmr, Fusion, Model, Models};

/// Seconds for which a capture may be used where the policy does not say.
const CAPTURE_AGE: u32 = 600;

/// Most seconds that it may say: an envelope is good for hours, and a capture is of somebody who stands there.
const MAX_CAPTURE_AGE: u32 = 3600;

/// The policy that `tumar init` writes.
pub const DEFAULT: &str = include_str!("policy.toml");

/// What the table of models tells a policy.
pub trait Thresholds {
    /// What a served model compares; `None` if it is not served.
    fn modality(&self, model: &ModelId) -> Option<Modality>;

    /// Whether one person's references are compared by templates of any served model of this.
    fn verifies(&self, modality: Modality) -> bool;

    /// Whether templates of these two models, in either order, are joined into one score.
    fn fuses(&self, one: &ModelId, other: &ModelId) -> bool;

    /// Whether any are.
    fn fuses_any(&self) -> bool;

    /// Whether galleries are searched by templates of this one model, or of these two, in either order, joined.
    fn searches(&self, models: &[&ModelId]) -> bool;

    /// Whether one person's references are compared by templates of this model. Not by a finger's vector: a crafted one matches too many.
    fn compares(&self, model: &ModelId) -> bool;
}

impl Thresholds for Models {
    fn modality(&self, model: &ModelId) -> Option<Modality> {
        self.find(model).map(Model::modality)
    }

    fn verifies(&self, modality: Modality) -> bool {
        self.iter().any(|model| model.modality() == modality && self.compares(model.id()))
    }

    fn fuses(&self, one: &ModelId, other: &ModelId) -> bool {
        self.fusion(one, other).or_else(|| self.fusion(other, one)).is_some()
    }

    fn fuses_any(&self) -> bool {
        self.fusions().map(Fusion::models).any(|(face, finger)| self.compares(face) && self.compares(finger))
    }

    fn searches(&self, models: &[&ModelId]) -> bool {
        let vectors = |id: &&ModelId| self.find(id).is_some_and(|model| model.encoding() == Encoding::Vector);
        let joined = match models {
            [_] => true,
            [one, other] => self.fusion(one, other).or_else(|| self.fusion(other, one)).is_some(),
            _ => false,
        };
        joined && models.iter().all(vectors)
    }

    fn compares(&self, model: &ModelId) -> bool {
        let is_weak = |model: &Model| model.modality() == Modality::Finger && model.encoding() == Encoding::Vector;
        self.find(model).is_some_and(|model| !is_weak(model))
    }
}

/// By what a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// One face.
    Face,
    /// One finger.
    Finger,
    /// One of the two, as the person chooses; of both, one that matches is enough.
    Any,
    /// A face and a finger, each of which must match.
    Both,
    /// A face and a finger, by their weighted sum: for models that the table of models has weights for.
    Fused,
}

impl Decision {
    /// Every modality that it may come to need.
    const fn needs(self) -> &'static [Modality] {
        match self {
            Self::Face => &[Modality::Face],
            Self::Finger => &[Modality::Finger],
            Self::Any | Self::Both | Self::Fused => &[Modality::Face, Modality::Finger],
        }
    }

    /// Whether these samples are what it decides by: never two of a kind.
    #[must_use]
    pub fn is_made_by(self, samples: &[Modality]) -> bool {
        let both = samples.len() == 2 && samples[0] != samples[1];
        match self {
            Self::Face => samples == [Modality::Face],
            Self::Finger => samples == [Modality::Finger],
            Self::Any => samples.len() == 1 || both,
            Self::Both | Self::Fused => both,
        }
    }
}

/// What decides a comparison up to an amount.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Whole tenge, inclusive; absent in a last rule that has no bound.
    pub up_to_kzt: Option<u64>,
    /// By what.
    pub decision: Decision,
    /// How strictly.
    pub fmr: Fmr,
    /// `amr` values that the token must carry, all of them.
    pub evidence: Vec<String>,
}

/// What is allowed for one purpose.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// The calls.
    pub actions: Vec<Action>,
    /// What may come with them; empty for calls that take no samples.
    pub modalities: Vec<Modality>,
    /// Who may ask; absent for every one that a genuine token names.
    pub relying_parties: Option<Vec<RelyingParty>>,
    /// `amr` values that the token must carry, all of them, whatever the amount.
    pub evidence: Vec<String>,
    /// Non-matches in a row that cost no time; this and the three below with the action `verify` only, and then required.
    pub attempts: Option<u32>,
    /// Seconds to wait after so many; twice as many after each further one.
    pub delay_seconds: Option<u64>,
    /// Most seconds to wait.
    pub max_delay_seconds: Option<u64>,
    /// Non-matches in a row until the subject is locked, and must be unlocked.
    pub attempts_cap: Option<u32>,
    /// Days that a reference may be kept. With the action `enroll` only, and then required.
    pub retention_days: Option<u32>,
    /// Seconds for which a capture may be used; 600 where absent. With actions that take samples only.
    pub capture_max_age: Option<u32>,
    /// By rising amount. With the action `verify` only, and then required.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What guards a search. With the action `search` only, and then required.
    pub search: Option<Searches>,
}

impl Purpose {
    /// The first rule that covers an amount.
    #[must_use]
    pub fn rule_for(&self, amount_kzt: u64) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.up_to_kzt.is_none_or(|most| amount_kzt <= most))
    }

    /// How many non-matches in a row are borne; none without the action `verify`.
    #[must_use]
    pub fn attempts(&self) -> Option<Attempts> {
        Some(Attempts {
            free: self.attempts?,
            delay_seconds: self.delay_seconds?,
            max_delay_seconds: self.max_delay_seconds?,
            cap: self.attempts_cap?,
        })
    }

    /// Seconds that a reference may be kept; 0 where none is taken in.
    #[must_use]
    pub fn retention_seconds(&self) -> u64 {
        u64::from(self.retention_days.unwrap_or(0)) * 86_400
    }

    /// Seconds for which a capture may be used.
    #[must_use]
    pub fn capture_max_age(&self) -> u64 {
        self.capture_max_age.unwrap_or(CAPTURE_AGE).into()
    }

    fn check(&self, name: &PurposeName, models: &dyn Thresholds) -> Result<(), PolicyError> {
        let wrong = |fault| Err(PolicyError::Purpose { purpose: name.clone(), fault });
        let does = |method| self.actions.contains(&Action(method));
        if self.actions.is_empty() {
            return wrong(PurposeFault::Actions);
        }
        if (does(Method::ReadLog) || does(Method::OpenEvidence)) && self.relying_parties.is_none() {
            return wrong(PurposeFault::Auditors);
        }
        let samples = does(Method::Verify) || does(Method::Enroll) || does(Method::Search);
        if samples == self.modalities.is_empty() {
            return wrong(PurposeFault::Modalities);
        }
        if self.capture_max_age.is_some_and(|age| !samples || !(1..=MAX_CAPTURE_AGE).contains(&age)) {
            return wrong(PurposeFault::CaptureAge);
        }
        // What belongs to an action stands with it, in its range, and nowhere else.
        let fits = |method, in_range: Option<bool>| in_range == does(method).then_some(true);
        if !fits(Method::Verify, self.attempts.map(|count| (1..=10).contains(&count))) {
            return wrong(PurposeFault::Attempts);
        }
        if !fits(Method::Verify, self.delay_seconds.map(|seconds| (1..=3600).contains(&seconds))) {
            return wrong(PurposeFault::Delay);
        }
        let least = self.delay_seconds.unwrap_or(0);
        if !fits(Method::Verify, self.max_delay_seconds.map(|seconds| (least..=31_536_000).contains(&seconds))) {
            return wrong(PurposeFault::MaxDelay);
        }
        let least = self.attempts.unwrap_or(0);
        if !fits(Method::Verify, self.attempts_cap.map(|count| (least..=100).contains(&count))) {
            return wrong(PurposeFault::Cap);
        }
        // Unlocking forgets all non-matches: without another factor, whoever calls could try for ever.
        if does(Method::Unlock) && self.evidence.is_empty() {
            return wrong(PurposeFault::Unlock);
        }
        if !fits(Method::Enroll, self.retention_days.map(|days| (1..=3650).contains(&days))) {
            return wrong(PurposeFault::Retention);
        }
        if does(Method::Verify) == self.rules.is_empty() {
            return wrong(PurposeFault::Rules);
        }
        if does(Method::Search) != self.search.is_some() {
            return wrong(PurposeFault::Search);
        }
        if let Some(Err(fault)) = self.search.as_ref().map(Searches::check) {
            return wrong(fault.into());
        }
        self.check_rules(models).map_err(|(rule, fault)| PolicyError::Rule { purpose: name.clone(), rule, fault })
    }

    fn check_rules(&self, models: &dyn Thresholds) -> Result<(), (usize, RuleFault)> {
        for (place, rule) in self.rules.iter().enumerate() {
            let wrong = |fault| Err((place + 1, fault));
            if !rule.decision.needs().iter().all(|needed| self.modalities.contains(needed)) {
                return wrong(RuleFault::Modality);
            }
            let joined = rule.decision != Decision::Fused || models.fuses_any();
            if !joined || !rule.decision.needs().iter().all(|&needed| models.verifies(needed)) {
                return wrong(RuleFault::NotServed);
            }
            if let Some(before) = place.checked_sub(1).map(|before| &self.rules[before]) {
                if before.up_to_kzt.is_none_or(|least| rule.up_to_kzt.is_some_and(|most| most <= least)) {
                    return wrong(RuleFault::Order);
                }
                if rule.fmr < before.fmr {
                    return wrong(RuleFault::Looser);
                }
            }
        }
        Ok(())
    }
}

/// What guards a search among many.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Searches {
    /// How strictly each reference is compared.
    pub fmr: Fmr,
    /// Most candidates that a search may ask for: 1 to 32.
    pub max_candidates: u32,
    /// Who may approve one: 2 to 8 roles, of which two officers' must differ.
    pub roles: Vec<String>,
}

/// What is wrong with what guards a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchFault {
    /// Out of range.
    #[error("max_candidates must be 1 to 32")]
    Candidates,
    /// Too few for two officers of different roles, too many, one twice, or one that none can have.
    #[error("roles must be 2 to 8 different names of 1 to 48 of a-z 0-9 -")]
    Roles,
}

impl Searches {
    /// Whether its values are in their ranges.
    ///
    /// # Errors
    /// [`SearchFault`].
    pub fn check(&self) -> Result<(), SearchFault> {
        if !(1..=32).contains(&self.max_candidates) {
            return Err(SearchFault::Candidates);
        }
        let differ = self.roles.iter().collect::<BTreeSet<_>>().len() == self.roles.len();
        if differ && (2..=8).contains(&self.roles.len()) && self.roles.iter().all(|role| is_role(role)) {
            Ok(())
        } else {
            Err(SearchFault::Roles)
        }
    }
}

/// How much, how fast and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests that one relying party may make in a second, over time.
    pub requests_per_second: u32,
    /// Requests that it may make at once.
    pub burst: u32,
    /// Envelopes of one client that may fail to open in a minute, before its requests with samples are refused.
    pub envelope_faults_per_minute: u32,
    /// Days that the access log is kept.
    pub log_retention_days: u32,
    /// Seconds for which a request id is remembered together with its answer.
    pub request_retention_seconds: u64,
    /// Days that token, proof and approvals of each request are kept, sealed, for auditors to open.
    pub evidence_days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    limits: Limits,
    purposes: BTreeMap<PurposeName, Purpose>,
}

/// A policy that was checked whole when it was read.
#[derive(Clone, Debug)]
pub struct Policy {
    digest: [u8; 32],
    limits: Limits,
    purposes: BTreeMap<PurposeName, Purpose>,
}

impl Policy {
    /// Reads the text of a `policy.toml` for a node that serves these models.
    ///
    /// # Errors
    /// [`PolicyError`] says what and where; there is no policy with a part that is ignored.
    pub fn parse(text: &str, models: &dyn Thresholds) -> Result<Self, PolicyError> {
        let File { limits, purposes } = form::parse(text)?;
        let Limits {
            requests_per_second,
            burst,
            envelope_faults_per_minute,
            log_retention_days,
            request_retention_seconds,
            evidence_days,
        } = limits;
        let counts = [requests_per_second, burst, envelope_faults_per_minute, log_retention_days, evidence_days];
        if counts.contains(&0) || request_retention_seconds == 0 {
            return Err(PolicyError::Limits);
        }
        if purposes.is_empty() {
            return Err(PolicyError::NoPurpose);
        }
        for (name, purpose) in &purposes {
            purpose.check(name, models)?;
        }
        Ok(Self { digest: sha256(text.as_bytes()), limits, purposes })
    }

    /// SHA-256 of the file's bytes.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// How much, how fast and how long.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What is allowed for a purpose.
    #[must_use]
    pub fn purpose(&self, name: &PurposeName) -> Option<&Purpose> {
        self.purposes.get(name)
    }

    /// All of them, by name.
    pub fn purposes(&self) -> impl Iterator<Item = (&PurposeName, &Purpose)> {
        self.purposes.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_is_paid_on_a_finger_alone_at_the_strictest_rate_only() {
        let policy = Policy::parse(DEFAULT, &Models::built_in()).unwrap();
        let rules = policy.purposes().flat_map(|(_, purpose)| &purpose.rules);
        let much = rules.filter(|rule| rule.up_to_kzt.is_some_and(|most| most > 500_000));
        let (alone, both): (Vec<_>, Vec<_>) = much.partition(|rule| rule.decision.is_made_by(&[Modality::Finger]));
        assert!(alone.iter().all(|rule| rule.fmr == Fmr::E5));
        assert_eq!((alone.len(), both.len()), (1, 1));
    }

    #[test]
    fn galleries_are_searched_by_vectors_and_by_two_of_them_that_are_joined() {
        let models = Models::built_in();
        let searches = |ids: &[&str]| {
            let ids: Vec<ModelId> = ids.iter().map(|id| id.parse().unwrap()).collect();
            models.searches(&ids.iter().collect::<Vec<_>>())
        };
        for ids in [&["fr512"][..], &["leader-fixed-1"], &["fr512", "leader-fixed-1"], &["leader-fixed-1", "sface128"]]
        {
            assert!(searches(ids), "{ids:?}");
        }
        for ids in [&[][..], &["leader-rows-3"], &["fr512", "leader-rows-3"], &["fr512", "sface128"], &["nobody"]] {
            assert!(!searches(ids), "{ids:?}");
        }
        // A comparison one to one joins rows as well as a vector with a face.
        for finger in ["leader-rows-3", "leader-fixed-1"] {
            assert!(models.fuses(&finger.parse().unwrap(), &"fr512".parse().unwrap()), "{finger}");
        }
        assert!(!models.fuses(&"sface128".parse().unwrap(), &"fr512".parse().unwrap()));
    }
}
