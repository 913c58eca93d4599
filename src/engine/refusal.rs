//! Why a request was not answered: one reason code, and whose it is.

use std::sync::Arc;

use crate::clocks::Doubt;
use crate::log::access::LogError;
use crate::log::entry::Reason;
use crate::log::ledger::Answer;
use crate::log::outcome::NotAdmitted;
use crate::log::trouble::Trouble;
use crate::party::Party;
use crate::peer::{Check, NoWord, Parted};
use crate::protocol::{Invalid, ProtocolError};
use crate::seal::OpenError;
use crate::store::StoreError;
use crate::token::{Denied, NotReader, TokenFault};
use crate::wire::RequestError;

/// A request that was refused, or failed, at one node. Holds nothing about the subject.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Stable code; the service has a sentence and a status for each.
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
    pub fn from_peer(node: Party, reason: &str) -> Self {
        Self::new(node, Reason::new(reason).unwrap_or(PEER_BROKEN))
    }
}

/// A peer said something that has no meaning.
const PEER_BROKEN: Reason = Reason::fixed("PEER_BROKEN");

/// A node went away, or said nothing in time.
const PEER_LOST: Reason = Reason::fixed("PEER_LOST");

/// Clients call the leader.
pub(super) const NOT_LEADER: Reason = Reason::fixed("NOT_LEADER");

/// The node is being stopped, most likely to be started again.
const NODE_STOPPING: Reason = Reason::fixed("NODE_STOPPING");

/// When it is worth asking a node again that is being stopped.
const BACK_MS: u64 = 250;

/// A node that is being stopped takes nothing more in.
pub(super) fn stopping(node: Party) -> Refusal {
    Refusal { retry_after_ms: Some(BACK_MS), ..Refusal::new(node, NODE_STOPPING) }
}

/// More waits, or more comes in one batch, than this node takes.
pub(super) fn overloaded(node: Party) -> Refusal {
    Refusal { retry_after_ms: Some(1000), ..Refusal::new(node, const { Reason::fixed("OVERLOADED") }) }
}

/// A cause that has a reason code.
pub trait Cause {
    /// The refusal that it makes at a node.
    fn at(self, node: Party) -> Refusal;
}

impl Cause for RequestError {
    fn at(self, node: Party) -> Refusal {
        Refusal { field: Some(self.field()), ..Refusal::new(node, const { Reason::fixed(Self::REASON) }) }
    }
}

impl Cause for TokenFault {
    fn at(self, node: Party) -> Refusal {
        Refusal { claim: self.claim, ..Refusal::new(node, Reason::fixed(self.reason())) }
    }
}

impl Cause for NotReader {
    fn at(self, node: Party) -> Refusal {
        match self {
            Self::Token(fault) => fault.at(node),
            Self::Denied(denial) => Refusal::new(node, Reason::fixed(denial.reason())),
        }
    }
}

/// No such half-year, entry, proof or part.
pub(super) const NO_SUCH_ENTRY: Reason = Reason::fixed("NO_SUCH_ENTRY");

/// What the entry's request presented is not here, or was about another gallery.
pub(super) const NO_SUCH_EVIDENCE: Reason = Reason::fixed("NO_SUCH_EVIDENCE");

impl Cause for &Denied {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, Reason::fixed(self.reason()))
    }
}

/// An envelope has a length that the model has no template for, or another than the same sample's other two.
pub(super) struct Malformed;

impl Cause for Malformed {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, const { Reason::fixed("ENVELOPE_MALFORMED") })
    }
}

/// The envelope is sealed to a key that this node does not, or no longer, have.
pub(super) struct UnknownKey;

impl Cause for UnknownKey {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, const { Reason::fixed("ENVELOPE_KEY_UNKNOWN") })
    }
}

impl Cause for OpenError {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, const { Reason::fixed("ENVELOPE_INVALID") })
    }
}

impl Cause for NotAdmitted {
    fn at(self, node: Party) -> Refusal {
        if self == Self::Behind {
            return LogError::Behind.at(node);
        }
        let trouble = if let Self::Unwritable(trouble) = self { trouble } else { Trouble::Unknown };
        let reason = self.reason().unwrap_or_else(|| unfit(trouble));
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
                Self::Inconsistent => const { Reason::fixed("TEMPLATE_INCONSISTENT") },
                Self::Length => const { Reason::fixed("TEMPLATE_LENGTH") },
            },
        )
    }
}

impl Cause for NoWord {
    fn at(self, node: Party) -> Refusal {
        let (reason, peer, check) = match self {
            Self::Leaving(peer) => return stopping(peer),
            // It says nothing of a link: that node has ended the batch for a reason of its own.
            Self::Left(_) => return Refusal::new(node, PEER_LOST),
            Self::Gone(peer) => (PEER_LOST, peer, Check::Reached),
            Self::Silent(peer) => (PEER_LOST, peer, Check::Heard),
            Self::Distrusted(peer) => (distrusted(peer), peer, Check::Trust),
            Self::Unfit(party, trouble) => return Refusal::new(party, unfit(trouble)),
        };
        // Of a node that lost itself, as it ends, there is no link.
        let links = if peer == node { Vec::new() } else { vec![Parted::new(node, peer, Some(check))] };
        Refusal { links, ..Refusal::new(node, reason) }
    }
}

/// Too many runs were broken by a peer: which, is for who reads the log.
pub(super) const fn distrusted(peer: Party) -> Reason {
    match peer {
        Party::A => const { Reason::fixed("NODE_A_DISTRUSTED") },
        Party::B => const { Reason::fixed("NODE_B_DISTRUSTED") },
        Party::C => const { Reason::fixed("NODE_C_DISTRUSTED") },
    }
}

impl Cause for Doubt {
    fn at(self, node: Party) -> Refusal {
        match self {
            // Nothing is known of its clock since nothing is heard of it.
            Self::Unheard(peer) => NoWord::Gone(peer).at(node),
            Self::Behind { .. } | Self::Leapt { .. } | Self::Apart { .. } => {
                Refusal::new(self.whose(node), CLOCK_IN_DOUBT)
            }
        }
    }
}

/// A clock is too far from the others, or has leapt.
pub(super) const CLOCK_IN_DOUBT: Reason = Reason::fixed("CLOCK_IN_DOUBT");

impl Cause for ProtocolError {
    fn at(self, node: Party) -> Refusal {
        let reason = match self {
            Self::Disagree(_) => const { Reason::fixed("PEERS_DISAGREE") },
            Self::Lost(_) => PEER_LOST,
            Self::Shape(_) | Self::Randomness(_) => const { Reason::fixed("RUN_FAILED") },
        };
        Refusal::new(node, reason)
    }
}

impl Cause for LogError {
    fn at(self, node: Party) -> Refusal {
        match self {
            Self::Behind => {
                Refusal { retry_after_ms: Some(1000), ..Refusal::new(node, const { Reason::fixed("LOG_BEHIND") }) }
            }
            Self::Unwritable(trouble) => Refusal::new(node, unfit(trouble)),
            Self::Ledger(_)
            | Self::Published(_)
            | Self::Lost { .. }
            | Self::Forked { .. }
            | Self::Halted
            | Self::NotOpen
            | Self::Replayed
            | Self::Counted
            | Self::Beyond => Refusal::new(node, unfit(Trouble::Unknown)),
        }
    }
}

/// A log can not be written.
const fn unfit(trouble: Trouble) -> Reason {
    Reason::fixed(trouble.reason())
}

impl Cause for StoreError {
    fn at(self, node: Party) -> Refusal {
        let reason = match self {
            Self::SubjectExists => const { Reason::fixed("SUBJECT_EXISTS") },
            Self::SubjectUnknown => const { Reason::fixed("SUBJECT_UNKNOWN") },
            // Prepared here, and not at another node; or another change of the same person is not done yet.
            Self::ChangeUnknown | Self::UnderChange | Self::AlreadyPrepared | Self::AlreadyCommitted => {
                const { Reason::fixed("CHANGE_REFUSED") }
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
            | Self::Sqlite(_) => const { Reason::fixed("STORE_FAILED") },
        };
        Refusal::new(node, reason)
    }
}

/// Nodes that do not hold the same row for a subject: one of them must catch up.
pub(super) struct OutOfStep;

impl Cause for OutOfStep {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, const { Reason::fixed("NODES_OUT_OF_STEP") })
    }
}

/// The client went away, or the leader says so.
pub(super) struct Cancelled;

impl Cause for Cancelled {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, const { Reason::fixed("CANCELLED") })
    }
}

/// The subject is enrolled, but not with what the probe is made of.
pub(super) struct ReferenceMissing;

impl Cause for ReferenceMissing {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, const { Reason::fixed("REFERENCE_MISSING") })
    }
}

/// A proposal that mixes what must not be mixed.
pub(super) struct Mixed;

impl Cause for Mixed {
    fn at(self, node: Party) -> Refusal {
        Refusal::new(node, const { Reason::fixed("BATCH_MIXED") })
    }
}
