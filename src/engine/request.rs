//! A request as the checks leave it: what may be done for it, and on what.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::compare::{Comparison, Load};
use super::stopwatch::Stopwatch;
use super::turns::Whom;
use crate::log::access::Permit;
use crate::log::ledger::Position;
use crate::name::{GalleryName, ModelId, RelyingParty};
use crate::request::{Method, RequestInfo};
use crate::seal::Envelope;
use crate::share::InputShares;
use crate::template::Shape;
use crate::token::purpose::{
    AccessRecord, Enroll, Erase, Grant, Lock, ReplayKeys, Search, SpentEnvelope, Unlock, Verify,
};

/// Bytes of the key that an enrolment brings for the subject's handles in this node's log, behind the summands of its first
/// sample.
pub(super) const SUBJECT_KEY: usize = 32;

/// A request that this node would help with, were it in the log.
pub(super) struct Checked {
    /// What is asked.
    pub(super) ask: RequestInfo,
    /// What is granted.
    pub(super) granted: Granted,
    /// What it costs the links.
    pub(super) load: Load,
    /// What it alone waited for so far, and will.
    pub(super) stopwatch: Arc<Stopwatch>,
}

/// What is granted, and this node's envelopes for it.
pub(super) enum Granted {
    /// To take these references in.
    Enroll(Grant<Enroll>, Vec<Sealed>),
    /// To compare these probes.
    Verify(Grant<Verify>, Vec<Sealed>),
    /// To erase.
    Erase(Grant<Erase>),
    /// To lock.
    Lock(Grant<Lock>),
    /// To unlock.
    Unlock(Grant<Unlock>),
    /// To look for these probes.
    Search(Grant<Search>, Vec<Sealed>),
}

impl Granted {
    /// What it uses up, and what the log will say.
    pub(super) const fn uses(&self) -> (&ReplayKeys, &AccessRecord) {
        match self {
            Self::Enroll(grant, _) => (grant.spends(), grant.record()),
            Self::Verify(grant, _) => (grant.spends(), grant.record()),
            Self::Erase(grant) => (grant.spends(), grant.record()),
            Self::Lock(grant) => (grant.spends(), grant.record()),
            Self::Unlock(grant) => (grant.spends(), grant.record()),
            Self::Search(grant, _) => (grant.spends(), grant.record()),
        }
    }
}

/// Which requests may run in one batch: those of the same call and models; searches, of the same gallery.
pub(super) type Kind<'c> = (Method, Vec<&'c ModelId>, Option<&'c GalleryName>);

impl Checked {
    /// On whose behalf.
    pub(super) const fn relying_party(&self) -> &RelyingParty {
        &self.granted.uses().1.relying_party
    }

    /// The call.
    pub(super) const fn method(&self) -> Method {
        self.ask.method
    }

    /// With what it may run in one batch.
    pub(super) fn kind(&self) -> Kind<'_> {
        let models = self.ask.samples.iter().map(|sample| &sample.model).collect();
        let gallery = (self.ask.method == Method::Search).then_some(&self.ask.gallery);
        (self.ask.method, models, gallery)
    }

    /// Whom it changes, if it does: no other change of that subject is under way meanwhile.
    pub(super) fn changes(&self) -> Option<Whom> {
        match self.ask.method {
            Method::Enroll | Method::Erase | Method::Lock | Method::Unlock => {
                Some((self.ask.gallery.clone(), self.ask.subject()?.clone()))
            }
            Method::Verify | Method::Search | Method::OpenEvidence | Method::ListUses | Method::ReadLog => None,
        }
    }

    /// Whether both are of one subject: then they take their turns.
    pub(super) fn collides_with(&self, other: &Self) -> bool {
        let subject = self.ask.subject();
        subject.is_some() && self.ask.gallery == other.ask.gallery && subject == other.ask.subject()
    }
}

/// What is permitted, once the use stands in the log.
pub(super) enum Permitted {
    /// To take these references in.
    Enroll(Permit<Enroll>, Incoming),
    /// To compare these probes.
    Verify(Permit<Verify>, Comparison),
    /// To erase.
    Erase(Permit<Erase>),
    /// To lock.
    Lock(Permit<Lock>),
    /// To unlock.
    Unlock(Permit<Unlock>),
    /// To look for these probes.
    Search(Permit<Search>, SearchQuery),
}

impl Permitted {
    /// The position of the subject's references at this node; none for a subject that has none yet.
    pub(super) fn position(&self) -> Option<Position> {
        match self {
            Self::Enroll(..) | Self::Search(..) => None,
            Self::Verify(permit, _) => permit.position(),
            Self::Erase(permit) => permit.position(),
            Self::Lock(permit) => permit.position(),
            Self::Unlock(permit) => permit.position(),
        }
    }
}

/// This node's envelope of one sample, well formed and not yet opened.
pub(super) struct Sealed {
    /// The envelope.
    pub(super) envelope: Envelope,
    /// The shape of the template in it, as its length tells.
    pub(super) shape: Shape,
    /// SHA-256 of the envelope as it was sent.
    pub(super) digest: [u8; 32],
}

impl Sealed {
    /// What is used up of it.
    pub(super) fn spent(&self) -> SpentEnvelope {
        SpentEnvelope { key: *self.envelope.key().as_bytes(), digest: self.digest }
    }
}

/// References on their way in.
pub(super) struct Incoming {
    /// This node's two summands of each, in the order of the request's samples.
    pub(super) summands: Vec<InputShares>,
    /// This node's key for the subject's handles in its log. It stays where it is when what holds it moves, and leaves no copy behind.
    pub(super) subject_key: Box<Zeroizing<[u8; SUBJECT_KEY]>>,
}

/// Whom an admitted search looks for.
pub(super) struct SearchQuery {
    /// This node's two summands of each sample.
    pub(super) probes: Vec<InputShares>,
    /// What each sample's dot is multiplied with.
    pub(super) weights: Vec<u16>,
    /// What the sum must reach.
    pub(super) threshold: i16,
    /// Most people that may be named.
    pub(super) most: usize,
}
