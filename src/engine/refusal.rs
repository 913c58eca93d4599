//! Why a request was not answered: one reason code, and whose it is.

use std::sync::Arc;

use crate::clocks::Doubt;
use crate::log::access::LogError;
use crate::log::entry::Code;
use crate::log::ledger::Answer;
use crate::log::outcome::NotAdmitted;
use crate::log::trouble::Trouble;
use crate::party::Party;
use crate::peer::{Check, Parted, PeerUnavailable};
use crate::protocol::{Invalid, ProtocolError};
use crate::reason::Reason;
use crate::seal::OpenError;
use crate::store::StoreError;
use crate::token::{Denied, NotReader, TokenFault};
use crate::wire::RequestError;

/// A request that was refused, or failed, at one node. Holds nothing about the subject.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Why, with its code, its status and its sentence.
    pub reason: Reason,
    /// The node that refused.
    pub node: Party,
    /// The field at fault, for a request that is not well formed.
    pub field: Option<&'static str>,
    /// The member at fault, for a token that is not genuine.
    pub claim: Option<&'static str>,
    /// When to try again, for a refusal that passes.
    pub retry_after_ms: Option<u64>,
    /// The nodes that do not work together, where that is why.
    pub links: Vec<Parted>,
    /// The stored answer, where the same request was answered before: no refusal at all.
    pub answer: Option<Arc<Answer>>,
}

impl Refusal {
    /// A refusal for a reason, at a node.
    #[must_use]
    pub const fn new(node: Party, reason: Reason) -> Self {
        Self { reason, node, field: None, claim: None, retry_after_ms: None, links: Vec::new(), answer: None }
    }

    /// A request that is not well formed.
    #[must_use]
    pub fn malformed(node: Party, error: RequestError) -> Self {
        error.at(node)
    }

    /// What a peer said, if it is a code at all.
    #[must_use]
    pub fn from_peer(node: Party, code: &str) -> Self {
        let unknown = if Code::new(code).is_ok() { Reason::Unknown } else { Reason::PeerBroken };
        Self::new(node, Reason::of(code).unwrap_or(unknown))
    }
}

/// When it is worth asking a node again that is being stopped.
const BACK_MS: u64 = 250;

/// A node that is being stopped takes nothing more in.
pub(super) fn stopping(node: Party) -> Refusal {
    Refusal { retry_after_ms: Some(BACK_MS), ..Refusal::new(node, Reason::NodeStopping) }
}

/// More waits, or more comes in one batch, than this node takes.
pub(super) fn overloaded(node: Party) -> Refusal {
    Refusal { retry_after_ms: Some(1000), ..Refusal::new(node, Reason::Overloaded) }
}

/// A cause that has a reason code.
pub trait Cause {
    /// The refusal that it makes at a node.
    fn at(self, node: Party) -> Refusal;
}

impl Cause for RequestError {
    fn at(self, node: Party) -> Refusal {
        Refusal { field: Some(self.field()), ..Refusal::new(node, Reason::RequestInvalid) }
    }
}

impl Cause for TokenFault {
    fn at(self, node: Party) -> Refusal {
        Refusal { claim: self.claim, ..Refusal::new(node, self.reason()) }
    }
}

impl Cause for NotReader {
    fn at(self, node: Party) -> Refusal {
        match self {
            Self::Token(fault) => fault.at(node),
            Self::Denied(denial) => Refusal::new(node, denial.reason()),
        }
    }
}

impl Cause for &Denied {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, self.reason())
    }
}

/// An envelope has a length that the model has no template for, or another than the same sample's other two.
pub(super) struct Malformed;

impl Cause for Malformed {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, Reason::EnvelopeMalformed)
    }
}

/// The envelope is sealed to a key that this node does not, or no longer, have.
pub(super) struct UnknownKey;

impl Cause for UnknownKey {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, Reason::EnvelopeKeyUnknown)
    }
}

impl Cause for OpenError {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, Reason::EnvelopeInvalid)
    }
}

impl Cause for NotAdmitted {
    fn at(self, node: Party) -> Refusal {
        if self == Self::Behind {
            return LogError::Behind.at(node);
        }
        let trouble = if let Self::Unwritable(trouble) = self { trouble } else { Trouble::Unknown };
        let reason = self.reason().unwrap_or_else(|| trouble.reason());
        let mut refusal = Refusal::new(node, reason);
        match self {
            Self::Answered(answer) => refusal.answer = Some(Arc::new(answer)),
            Self::RateLimited { retry_after_ms }
            | Self::AttemptsDelayed { retry_after_ms }
            | Self::AttemptsInFlight { retry_after_ms }
            | Self::EnvelopesRefused { retry_after_ms } => refusal.retry_after_ms = Some(retry_after_ms),
            Self::RequestInFlight
            | Self::RequestIdReused
            | Self::AnswerExpired
            | Self::EnvelopeSpent
            | Self::ProofReplayed
            | Self::TokenSpent
            | Self::SubjectExists
            | Self::SubjectUnknown
            | Self::SubjectLocked
            | Self::MatchMissing
            | Self::Behind
            | Self::Unwritable(_)
            | Self::Halted => {}
        }
        refusal
    }
}

impl Cause for Invalid {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(
            node,
            match self {
                Self::Inconsistent => Reason::TemplateInconsistent,
                Self::Length => Reason::TemplateLength,
            },
        )
    }
}

impl Cause for PeerUnavailable {
    fn at(self, node: Party) -> Refusal {
        let (reason, peer, check) = match self {
            Self::Leaving(peer) => return stopping(peer),
            // It says nothing of a link: that node has ended the batch for a reason of its own.
            Self::Left(_) => return Refusal::new(node, Reason::PeerLost),
            Self::Gone(peer) => (Reason::PeerLost, peer, Check::Reached),
            Self::Silent(peer) => (Reason::PeerLost, peer, Check::Heard),
            Self::Distrusted(peer) => (distrusted(peer), peer, Check::Trust),
            Self::Unfit(party, trouble) => return Refusal::new(party, trouble.reason()),
        };
        // Of a node that lost itself, as it ends, there is no link.
        let links = if peer == node { Vec::new() } else { vec![Parted::new(node, peer, Some(check))] };
        Refusal { links, ..Refusal::new(node, reason) }
    }
}

/// Too many runs were broken by a peer: which, is for who reads the log.
pub(super) const fn distrusted(peer: Party) -> Reason {
    match peer {
        Party::A => Reason::NodeADistrusted,
        Party::B => Reason::NodeBDistrusted,
        Party::C => Reason::NodeCDistrusted,
    }
}

impl Cause for Doubt {
    fn at(self, node: Party) -> Refusal {
        match self {
            // Nothing is known of its clock since nothing is heard of it.
            Self::Unheard(peer) => PeerUnavailable::Gone(peer).at(node),
            Self::Behind { .. } | Self::Leapt { .. } | Self::Apart { .. } => {
                Refusal::new(self.whose(node), Reason::ClockInDoubt)
            }
        }
    }
}

impl Cause for ProtocolError {
    fn at(self, node: Party) -> Refusal {
        let reason = match self {
            Self::Disagree(_) => Reason::PeersDisagree,
            Self::Lost(_) => Reason::PeerLost,
            Self::Shape(_) | Self::Randomness(_) => Reason::RunFailed,
        };
        Refusal::new(node, reason)
    }
}

impl Cause for LogError {
    fn at(self, node: Party) -> Refusal {
        match self {
            Self::Behind => Refusal { retry_after_ms: Some(1000), ..Refusal::new(node, Reason::LogBehind) },
            Self::Unwritable(trouble) => Refusal::new(node, trouble.reason()),
            Self::Ledger(_)
            | Self::Published(_)
            | Self::Lost { .. }
            | Self::Forked { .. }
            | Self::Halted
            | Self::NotOpen
            | Self::Replayed
            | Self::Counted
            | Self::Beyond => Refusal::new(node, Trouble::Unknown.reason()),
        }
    }
}

impl Cause for StoreError {
    fn at(self, node: Party) -> Refusal {
        let reason = match self {
            Self::SubjectExists => Reason::SubjectExists,
            Self::SubjectUnknown => Reason::SubjectUnknown,
            // Prepared here, and not at another node; or another change of the same person is not done yet.
            Self::ChangeUnknown | Self::UnderChange | Self::AlreadyPrepared | Self::AlreadyCommitted => {
                Reason::ChangeRefused
            }
            Self::PositionTaken
            | Self::NoExpiry
            | Self::NoReference
            | Self::ForeignShare
            | Self::ForeignStore
            | Self::Schema
            | Self::Sealed(_)
            | Self::Form
            | Self::NoRandomness(_)
            | Self::Closed
            | Self::File(_)
            | Self::InUse
            | Self::Sqlite(_) => Reason::StoreFailed,
        };
        Refusal::new(node, reason)
    }
}

/// Nodes that do not hold the same row for a subject: one of them must catch up.
pub(super) struct OutOfStep;

impl Cause for OutOfStep {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, Reason::NodesOutOfStep)
    }
}

/// The client went away, or the leader says so.
pub(super) struct Cancelled;

impl Cause for Cancelled {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, Reason::Cancelled)
    }
}

/// The subject is enrolled, but not with what the probe is made of.
pub(super) struct ReferenceMissing;

impl Cause for ReferenceMissing {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, Reason::ReferenceMissing)
    }
}

/// A proposal that mixes what must not be mixed.
pub(super) struct Mixed;

impl Cause for Mixed {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, Reason::BatchMixed)
    }
}
