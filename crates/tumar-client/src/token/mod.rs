//! Purpose tokens: who may ask what, checked by each node for itself.
//!
//! ```text
//! Token --verify--> Verified --grant::<P>--> Grant<P>      (then AccessLog::admit makes it a Permit<P>)
//!   anyone's bytes    genuine, ours, now       allowed by the policy, for one P, once
//! ```
//!
//! A failed `verify` says that the bytes may be anyone's: it is counted, not logged. A failed `grant` is a genuine token
//! put to a use that it does not have: it is logged. DESIGN 6 gives the order of the checks; it is the order of the
//! code here and of [`Reason`](crate::reason::Reason).
//!
//! | file | what |
//! |---|---|
//! | `json` | strict JSON |
//! | `jws` | signed JSON, keys, thumbprints |
//! | `jwt` | the access token: what [`Verifier`] trusts, and [`Issuer`] |
//! | `keys` | the keys of an issuer, among those that are for others |
//! | `proof` | the proof of the client's key over one request: [`ProofKey`] |
//! | `claims` | the forms that claims have, and how long what they say is good |
//! | `details` | what a token allows, and what a proof narrows it to |
//! | `approval` | what two officers sign before a search: [`Officers`] |
//! | `evidence` | token, proof and approvals as presented: [`Evidence`] |
//! | `policy` | what the operators allow: [`Policy`] |
//! | `attempts` | how many non-matches a purpose bears: [`Attempts`] |
//! | `purpose` | the outcome, as a type: [`Grant`] |
//! | `refusal` | every reason, with its code |
//!
//! No clock is read here and nothing is remembered: what is spent, [`ReplayKeys`] tells the
//! ledger. `jti` of token and proof are looked up there.

pub mod approval;
pub mod attempts;
pub mod claims;
pub mod details;
pub mod evidence;
pub mod json;
pub mod jws;
pub mod jwt;
pub mod keys;
pub mod policy;
pub mod proof;
pub mod purpose;
pub mod refusal;

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::name::{Modality, RelyingParty};
use crate::request::{Case, Method, RequestInfo, RequestTarget};
pub use approval::{Officer, Officers, OfficersError};
pub use attempts::Attempts;
pub use claims::{MAX_BYTES, MAX_LIFETIME, MAX_PROOF_AGE, MAX_READ_LIFETIME, MAX_SEARCH_LIFETIME, SKEW};
pub use details::{Action, Details, Narrowing};
pub use evidence::{Evidence, Part};
pub use jws::{Algorithm, PublicKey, SigningKey};
pub use jwt::{Issuer, TokenRequest, TrustError, TrustedIssuer, Verifier};
pub use keys::{KeysFault, Unused};
pub use policy::{Decision, Policy, PolicyError, Searches, Thresholds};
pub use proof::ProofKey;
pub use refusal::{Denial, Denied, NotReader, TokenError, TokenFault};

use claims::digest_of;
use jws::Jws;
use policy::{Purpose, Rule};
use purpose::{AccessRecord, DecisionRule, For, Grant, PolicyTerms, ReplayKeys};

/// What a caller presents, not yet looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    access: String,
    proof: String,
    certificate: Option<[u8; 32]>,
}

/// Prints how long its parts are. Whoever reads logs must not find tokens there.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} + {} bytes)", self.access.len(), self.proof.len())
    }
}

impl Token {
    /// From the access token of the `authorization: DPoP` header, the proof of the `dpop` header and, where the caller
    /// showed one, SHA-256 of its TLS certificate in DER. A helper has the last from the leader.
    #[must_use]
    pub fn new(access: impl Into<String>, proof: impl Into<String>, certificate: Option<[u8; 32]>) -> Self {
        Self { access: access.into(), proof: proof.into(), certificate }
    }

    /// The access token, to forward.
    #[must_use]
    pub fn access(&self) -> &str {
        &self.access
    }

    /// The proof, to forward.
    #[must_use]
    pub fn proof(&self) -> &str {
        &self.proof
    }

    /// SHA-256 of the caller's TLS certificate, to forward.
    #[must_use]
    pub const fn certificate(&self) -> Option<&[u8; 32]> {
        self.certificate.as_ref()
    }

    /// Whether this is genuine, for this deployment, now, from the client that it was given to, and for exactly `ask`.
    ///
    /// `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`TokenFault`]: the first check that fails, in the order of DESIGN 6.
    pub fn verify<'a>(
        self,
        verifier: &'a Verifier,
        ask: &'a RequestInfo,
        now: u64,
    ) -> Result<Verified<'a>, TokenFault> {
        let ((access, claims), (proof, proof_claims)) = presented(&self.access, &self.proof)?;
        let access = verifier.access(&access, claims, now)?;
        let proof = proof::check(&proof, proof_claims, &verifier.addresses(ask.method), now)?;
        proof.is_over(&self.access, ask)?;
        access.is_bound_to(&proof.key, self.certificate.as_ref())?;
        // In the digest and in the envelopes it stands as the request names it.
        if access.client != ask.client.as_str() {
            return Err(TokenError::Client.into());
        }

        let spends = ReplayKeys {
            token: digest_of(&[access.issuer.as_bytes(), access.id.as_bytes()]),
            max_uses: proof
                .narrowing
                .as_ref()
                .and_then(|n| n.max_uses)
                .unwrap_or(u32::MAX)
                .min(access.details.max_uses),
            token_until: access.expires.saturating_add(SKEW),
            proof: digest_of(&[&proof.key.thumbprint(), proof.id.as_bytes()]),
            proof_until: proof.issued.saturating_add(MAX_PROOF_AGE),
            client: format!("{} {}", access.issuer, access.client),
            request_id: ask.request_id,
            request_digest: ask.request_digest(),
            // Whose node this is, and so which envelopes are its own, is not known here.
            envelopes: Vec::new(),
        };
        let approvals = case_of(ask).map_or(&[][..], |case| &case.approvals).to_vec();
        let evidence = Arc::new(Evidence::new(self.access, self.proof, approvals));
        let (details, narrowing, amr) = (access.details, proof.narrowing, access.amr);
        Ok(Verified { ask, verifier, now, details, narrowing, amr, spends, evidence, answered: false })
    }
}

/// Whether a bearer of `access` may read this node's log, and on whose behalf. `now` is in unix seconds.
///
/// No proof of possession is asked for: entries name nobody, and tools that nobody here wrote can show a bearer token.
///
/// # Errors
/// [`NotReader`]: the first check that fails, as at every door.
pub fn reader(access: &str, verifier: &Verifier, policy: &Policy, now: u64) -> Result<RelyingParty, NotReader> {
    let details = details_of(access, verifier, now)?;
    let purpose = policy.purpose(&details.purpose).ok_or(Denial::PurposeUnknown)?;
    let reads = Action(Method::ReadLog);
    if !details.actions.contains(&reads) {
        return Err(Denial::ActionNotGranted.into());
    }
    if !purpose.actions.contains(&reads) {
        return Err(Denial::ActionNotAllowed.into());
    }
    if !purpose.relying_parties.as_ref().is_some_and(|list| list.contains(&details.relying_party)) {
        return Err(Denial::RelyingPartyNotAllowed.into());
    }
    Ok(details.relying_party)
}

/// On whose behalf `access` was issued, if it is genuine, ours and of now, and `proof` has the form of one. Nothing is said of who shows
/// it, nor of what for: it is enough to know whose burden a caller is. `now` is in unix seconds.
///
/// # Errors
/// [`TokenFault`]: the first check that fails, as at every door.
pub fn glance(access: &str, proof: &str, verifier: &Verifier, now: u64) -> Result<RelyingParty, TokenFault> {
    let ((access, claims), _) = presented(access, proof)?;
    Ok(verifier.access(&access, claims, now)?.details.relying_party)
}

/// The same of a bearer, of whom no proof is asked.
///
/// # Errors
/// As [`glance`].
pub fn glance_at_bearer(access: &str, verifier: &Verifier, now: u64) -> Result<RelyingParty, TokenFault> {
    Ok(details_of(access, verifier, now)?.relying_party)
}

type Opened<'t> = (Jws<'t>, Map<String, Value>);

/// Token and proof, taken apart: all that can be said of them without a key.
fn presented<'t>(access: &'t str, proof: &'t str) -> Result<(Opened<'t>, Opened<'t>), TokenFault> {
    if access.len() > MAX_BYTES {
        return Err(TokenError::TooLarge.into());
    }
    if proof.len() > MAX_BYTES {
        return Err(TokenError::ProofTooLarge.into());
    }
    let access = Jws::parse(access).map_err(|_| TokenError::Malformed)?;
    let claims = access.claims().map_err(|_| TokenError::Malformed)?;
    let proof = Jws::parse(proof).map_err(|_| TokenError::ProofMalformed)?;
    let proof_claims = proof.claims().map_err(|_| TokenError::ProofMalformed)?;
    Ok(((access, claims), (proof, proof_claims)))
}

fn details_of(access: &str, verifier: &Verifier, now: u64) -> Result<Details, TokenFault> {
    if access.len() > MAX_BYTES {
        return Err(TokenError::TooLarge.into());
    }
    let access = Jws::parse(access).map_err(|_| TokenError::Malformed)?;
    let claims = access.claims().map_err(|_| TokenError::Malformed)?;
    Ok(verifier.access(&access, claims, now)?.details)
}

/// What a search is part of; nothing of other calls.
const fn case_of(ask: &RequestInfo) -> Option<&Case> {
    match &ask.about {
        RequestTarget::Case(case) => Some(case),
        RequestTarget::Subject(_) | RequestTarget::Evidence(_) | RequestTarget::Matched(..) => None,
    }
}

/// A genuine token with its proof, over one request, which it holds on to: no other can be granted by it.
#[derive(Debug)]
#[must_use = "a genuine token allows nothing yet; ask grant"]
pub struct Verified<'a> {
    ask: &'a RequestInfo,
    verifier: &'a Verifier,
    now: u64,
    details: Details,
    narrowing: Option<Narrowing>,
    amr: Vec<String>,
    spends: ReplayKeys,
    evidence: Arc<Evidence>,
    answered: bool,
}

impl Verified<'_> {
    /// On whose behalf.
    #[must_use]
    pub const fn relying_party(&self) -> &RelyingParty {
        &self.details.relying_party
    }

    /// The same where this very request was answered before: it is owed that answer however old its capture is, and nothing else.
    pub fn answered(self) -> Self {
        Self { answered: true, ..self }
    }

    /// Whether what came with the request was good for a time that is over: its samples, by the policy, or the approvals of a search.
    #[must_use]
    pub fn is_stale(&self, policy: &Policy) -> bool {
        policy
            .purpose(&self.ask.purpose)
            .is_some_and(|purpose| self.is_too_old(purpose) || self.approved(purpose).is_err())
    }

    fn is_too_old(&self, purpose: &Purpose) -> bool {
        // It may have been the minute's last second.
        self.now >= self.ask.captured.ends().saturating_add(purpose.capture_max_age())
    }

    /// What it would use up.
    #[must_use]
    pub const fn spends(&self) -> &ReplayKeys {
        &self.spends
    }

    /// Whether token and policy allow the request, as a `P`.
    ///
    /// # Errors
    /// [`Denied`], with what the log needs: the first check that fails, in the order of DESIGN 6.
    pub fn grant<P: For>(self, policy: &Policy, models: &dyn Thresholds) -> Result<Grant<P>, Denied> {
        let record = self.record(policy);
        match self.terms(P::METHOD, policy, models) {
            Ok((terms, approvals)) => Ok(Grant::new(self.spends, AccessRecord { approvals, ..record }, terms)),
            Err(cause) => Err(Denied { cause, record: Box::new(record), spends: Box::new(self.spends) }),
        }
    }

    /// What the log says of the request where it is refused before the policy is asked, and what it would have used up.
    #[must_use]
    pub fn refused(self, policy: &Policy) -> (AccessRecord, ReplayKeys) {
        (self.record(policy), self.spends)
    }

    fn record(&self, policy: &Policy) -> AccessRecord {
        AccessRecord {
            relying_party: self.details.relying_party.clone(),
            gallery: self.ask.gallery.clone(),
            subject: self.ask.subject().cloned(),
            purpose: self.ask.purpose.clone(),
            method: self.ask.method,
            modalities: self.ask.modalities(),
            evidence: Arc::clone(&self.evidence),
            approvals: 0,
            policy: *policy.digest(),
        }
    }

    /// With the number of officers who approved.
    fn terms(&self, method: Method, policy: &Policy, models: &dyn Thresholds) -> Result<(PolicyTerms, u32), Denial> {
        if self.ask.method != method {
            return Err(Denial::ActionOther);
        }
        let purpose = self.allowed(policy)?;
        self.narrowed()?;
        let approvals = self.approved(purpose)?;
        let decides = match method {
            Method::Verify => Some(self.compared(purpose, models)?),
            Method::Enroll => self.taken_in(purpose, models).map(|()| None)?,
            Method::Search => Some(self.searched(purpose, models)?),
            // What reads entries asks for no grant.
            Method::ReadLog => return Err(Denial::ActionOther),
            Method::Erase | Method::Lock | Method::Unlock | Method::OpenEvidence | Method::ListUses => {
                if !self.ask.samples.is_empty() {
                    return Err(Denial::SamplesUnexpected);
                }
                None
            }
        };
        self.has_evidence(&purpose.evidence)?;
        let terms = PolicyTerms {
            decides,
            attempts: purpose.attempts(),
            retention_seconds: purpose.retention_seconds(),
            after: if let RequestTarget::Matched(_, request, _) = self.ask.about { Some(request) } else { None },
            answered: self.answered,
        };
        Ok((terms, approvals))
    }

    /// A search needs two officers.
    fn approved(&self, purpose: &Purpose) -> Result<u32, Denial> {
        let (Some(case), Some(search)) = (case_of(self.ask), &purpose.search) else { return Ok(0) };
        // They were good when the request was answered.
        if self.answered {
            return Ok(u32::try_from(case.approvals.len()).unwrap_or(u32::MAX));
        }
        let (officers, audience) = (self.verifier.officers(), self.verifier.audience());
        officers.check(&case.approvals, &self.details, &case.digest, &search.roles, audience, self.now)
    }

    /// Purpose, action, gallery, modality, relying party.
    fn allowed<'p>(&self, policy: &'p Policy) -> Result<&'p Purpose, Denial> {
        let (ask, token) = (self.ask, &self.details);
        if token.purpose != ask.purpose {
            return Err(Denial::PurposeNotGranted);
        }
        let purpose = policy.purpose(&ask.purpose).ok_or(Denial::PurposeUnknown)?;
        if !token.actions.contains(&Action(ask.method)) {
            return Err(Denial::ActionNotGranted);
        }
        if !purpose.actions.contains(&Action(ask.method)) {
            return Err(Denial::ActionNotAllowed);
        }
        if !token.galleries.contains(&ask.gallery) {
            return Err(Denial::GalleryNotGranted);
        }
        if !ask.samples.iter().all(|sample| token.modalities.contains(&sample.modality)) {
            return Err(Denial::ModalityNotGranted);
        }
        if !ask.samples.iter().all(|sample| purpose.modalities.contains(&sample.modality)) {
            return Err(Denial::ModalityNotAllowed);
        }
        // An auditor owns no gallery: the token names those whose evidence may be opened.
        if ask.method != Method::OpenEvidence && !ask.gallery.belongs_to(&token.relying_party) {
            return Err(Denial::RelyingPartyGallery);
        }
        // Where nobody is enrolled, nothing else finds anybody.
        if ask.method == Method::Enroll && !self.verifier.lists(&ask.gallery) {
            return Err(Denial::GalleryNotListed);
        }
        if purpose.relying_parties.as_ref().is_some_and(|list| !list.contains(&token.relying_party)) {
            return Err(Denial::RelyingPartyNotAllowed);
        }
        Ok(purpose)
    }

    fn narrowed(&self) -> Result<(), Denial> {
        match &self.narrowing {
            Some(narrowing) if !narrowing.is_within(&self.details) => Err(Denial::NarrowingWider),
            Some(narrowing) if !narrowing.allows(self.ask) => Err(Denial::NarrowingExcludes),
            Some(_) | None => Ok(()),
        }
    }

    /// Samples are there, fresh, each of a model that is served for what it is.
    fn taken_in(&self, purpose: &Purpose, models: &dyn Thresholds) -> Result<(), Denial> {
        let samples = &self.ask.samples;
        if samples.is_empty() {
            return Err(Denial::SamplesMissing);
        }
        if self.ask.captured.begins() > self.now.saturating_add(SKEW) {
            return Err(Denial::CaptureFromFuture);
        }
        if !self.answered && self.is_too_old(purpose) {
            return Err(Denial::CaptureTooOld);
        }
        if samples.iter().any(|sample| models.modality(&sample.model) != Some(sample.modality)) {
            return Err(Denial::ModelUnknown);
        }
        Ok(())
    }

    fn compared(&self, purpose: &Purpose, models: &dyn Thresholds) -> Result<DecisionRule, Denial> {
        self.taken_in(purpose, models)?;
        let samples = &self.ask.samples;
        if !samples.iter().all(|sample| models.compares(&sample.model)) {
            return Err(Denial::ModelNotCompared);
        }
        let rule: &Rule = purpose.rule_for(self.ask.amount_kzt).ok_or(Denial::AmountOverLimit)?;
        let modalities: Vec<_> = samples.iter().map(|sample| sample.modality).collect();
        if !rule.decision.is_made_by(&modalities) {
            return Err(Denial::DecisionSamples);
        }
        if rule.decision == Decision::Fused && !models.fuses(&samples[0].model, &samples[1].model) {
            return Err(Denial::ModelUnknown);
        }
        self.has_evidence(&rule.evidence)?;
        Ok(DecisionRule { by: rule.decision, fmr: rule.fmr })
    }

    /// One vector decides, or a face's and a finger's by their weighted sum.
    fn searched(&self, purpose: &Purpose, models: &dyn Thresholds) -> Result<DecisionRule, Denial> {
        self.taken_in(purpose, models)?;
        let search = purpose.search.as_ref().ok_or(Denial::ActionNotAllowed)?;
        let by = match self.ask.samples.as_slice() {
            [one] if models.searches(&[&one.model]) && one.modality == Modality::Face => Decision::Face,
            [one] if models.searches(&[&one.model]) => Decision::Finger,
            [one, other] if models.searches(&[&one.model, &other.model]) => Decision::Fused,
            _ => return Err(Denial::ModelNotSearched),
        };
        if case_of(self.ask).is_none_or(|case| case.most > search.max_candidates) {
            return Err(Denial::CandidatesOverLimit);
        }
        Ok(DecisionRule { by, fmr: search.fmr })
    }

    fn has_evidence(&self, required: &[String]) -> Result<(), Denial> {
        if required.iter().all(|evidence| self.amr.contains(evidence)) { Ok(()) } else { Err(Denial::EvidenceMissing) }
    }
}
