//! What a verified token allows, as a type.

use std::marker::PhantomData;
use std::sync::Arc;

use super::attempts::Attempts;
use super::evidence::Evidence;
use super::policy::Decision;
use crate::name::{GalleryName, Modality, PurposeName, RelyingParty, RequestId, Subject};
use crate::request::Method;
use crate::template::model::Fmr;

mod sealed {
    pub trait Sealed {}
}

/// What a [`Grant`] is for. Sealed: the list below is all there is.
pub trait For: sealed::Sealed + Send + 'static {
    /// The one call that this purpose type serves.
    const METHOD: Method;
}

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}
        impl sealed::Sealed for $name {}
        impl For for $name {
            const METHOD: Method = Method::$name;
        }
    )*};
}

purposes! {
    /// To take a reference in.
    Enroll,
    /// To compare a probe with one subject's reference.
    Verify,
    /// To destroy a subject's references.
    Erase,
    /// To stop a subject's use.
    Lock,
    /// To end a lock.
    Unlock,
    /// To compare a probe with everybody in a gallery.
    Search,
    /// To show an auditor what a request presented.
    OpenEvidence,
    /// To show a person their own entries.
    ListUses,
}

/// A node's own envelope of a sample: the key that it is sealed to, and SHA-256 of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpentEnvelope {
    /// Id of the key.
    pub key: [u8; 8],
    /// SHA-256 of the bytes as they travel.
    pub digest: [u8; 32],
}

/// What a request uses up, the moment that it is admitted: none of it can be used again, whatever comes of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayKeys {
    /// SHA-256 over issuer and `jti` of the token.
    pub token: [u8; 32],
    /// How many requests the token allows in all.
    pub max_uses: u32,
    /// Unix seconds after which the token is refused for its time, so that its id may be forgotten.
    pub token_until: u64,
    /// SHA-256 over the proof key's thumbprint and `jti` of the proof: usable once.
    pub proof: [u8; 32],
    /// Unix seconds after which the proof is refused for its time.
    pub proof_until: u64,
    /// The caller: issuer and `client_id`, with a space between. Stored answers are its own.
    pub client: String,
    /// The request's id: the relying party's, so no two of its clients have the same one.
    pub request_id: RequestId,
    /// [`RequestInfo::request_digest`](crate::request::RequestInfo::request_digest): the same request may be asked again, another one under
    /// its id may not.
    pub request_digest: [u8; 32],
    /// This node's own envelopes, in the order of the samples: once admitted, no other request brings one of them.
    pub envelopes: Vec<SpentEnvelope>,
}

/// What the access log will say of the request, less what is only known there (salt, minute, place, blinded handle).
#[derive(Clone, Debug)]
pub struct AccessRecord {
    /// Who asks.
    pub relying_party: RelyingParty,
    /// Where the subject is.
    pub gallery: GalleryName,
    /// Whom it is about; none at a search. Never logged as it is: the log blinds it.
    pub subject: Option<Subject>,
    /// What for.
    pub purpose: PurposeName,
    /// The call.
    pub method: Method,
    /// What is compared.
    pub modalities: Vec<Modality>,
    /// Token, proof and approvals as presented: the entry commits to their digest under a salt.
    pub evidence: Arc<Evidence>,
    /// How many officers approved.
    pub approvals: u32,
    /// SHA-256 of the policy file that allowed it.
    pub policy: [u8; 32],
}

/// How the one bit of a comparison comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecisionRule {
    /// By which of the request's samples.
    pub by: Decision,
    /// How strictly: the models' tables say what score that asks for.
    pub fmr: Fmr,
}

/// What the policy says of this one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyTerms {
    /// How the bit comes about; `None` where nothing is compared.
    pub decides: Option<DecisionRule>,
    /// Non-matches in a row that are borne; none where nothing is compared with one person.
    pub attempts: Option<Attempts>,
    /// Seconds that a reference taken in may be kept.
    pub retention_seconds: u64,
    /// An earlier request of the same caller that must have matched this very subject for the same purpose, just now.
    pub after: Option<RequestId>,
    /// The request gets the answer that it had before, or none.
    pub answered: bool,
}

/// The right to do one `P`, once. Not yet in the log, so not yet usable.
///
/// Its one constructor stands behind the checks of [`Verified::grant`](super::Verified::grant). What is granted for one
/// purpose does not pass for another:
///
/// ```compile_fail,E0308
/// use tumar_client::token::purpose::{Enroll, Grant, Verify};
/// fn take_in(_: Grant<Enroll>) {}
/// fn misuse(grant: Grant<Verify>) { take_in(grant) }
/// ```
///
/// ```
/// use tumar_client::token::purpose::{Enroll, Grant};
/// fn take_in(_: Grant<Enroll>) {}
/// fn proper(grant: Grant<Enroll>) { take_in(grant) }
/// ```
#[must_use = "an unspent grant does nothing; log it with AccessLog::admit"]
#[derive(Debug)]
pub struct Grant<P: For> {
    spends: ReplayKeys,
    record: AccessRecord,
    terms: PolicyTerms,
    purpose: PhantomData<P>,
}

impl<P: For> Grant<P> {
    pub(super) const fn new(spends: ReplayKeys, record: AccessRecord, terms: PolicyTerms) -> Self {
        Self { spends, record, terms, purpose: PhantomData }
    }

    /// The same with the envelopes that came along, which it uses up as well.
    pub fn with_envelopes(mut self, envelopes: Vec<SpentEnvelope>) -> Self {
        self.spends.envelopes = envelopes;
        self
    }

    /// What it uses up.
    #[must_use]
    pub const fn spends(&self) -> &ReplayKeys {
        &self.spends
    }

    /// What the log will say.
    #[must_use]
    pub const fn record(&self) -> &AccessRecord {
        &self.record
    }

    /// What the policy demands.
    #[must_use]
    pub const fn terms(&self) -> &PolicyTerms {
        &self.terms
    }

    /// Its parts, for the log to turn into a permit.
    #[must_use]
    pub fn into_parts(self) -> (ReplayKeys, AccessRecord, PolicyTerms) {
        (self.spends, self.record, self.terms)
    }
}
