//! What becomes of a genuine grant: why it was not admitted, or how an admitted request ended.

use std::fmt;

use super::ledger::{Answer, Position, RecordId};
use super::shard::EntryId;
use super::trouble::Trouble;
use crate::name::RequestId;
use crate::reason::Reason;
use crate::request::Method;
use crate::token::Attempts;
use crate::token::purpose::{AccessRecord, PolicyTerms, ReplayKeys};

/// A genuine grant that was not admitted, or need not be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The same request was answered before: this is that answer. No new use, no new entry.
    #[error("the same request was answered before")]
    Answered(Answer),
    /// The same request is being worked on. Wait for its answer.
    #[error("the same request is in progress")]
    RequestInFlight,
    /// The request id stands for another request of this relying party.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// The same request was answered so long ago that the answer is no longer kept. It is not done again.
    #[error("the same request was answered, and the answer is no longer kept")]
    AnswerExpired,
    /// One of the node's own envelopes came with another request, or with this one before it was answered.
    #[error("an envelope was used before")]
    EnvelopeSpent,
    /// The proof was used before.
    #[error("the proof was used before")]
    ProofReplayed,
    /// The token allows no more uses.
    #[error("the token allows no more uses")]
    TokenSpent,
    /// The relying party asks too often.
    #[error("too many requests of this relying party")]
    RateLimited {
        /// Milliseconds after which one more request would be in the rate.
        retry_after_ms: u64,
    },
    /// To be enrolled, but enrolled already or just being enrolled.
    #[error("the subject is already enrolled")]
    SubjectExists,
    /// Never enrolled, erased or expired: which, is not told.
    #[error("there is no such subject")]
    SubjectUnknown,
    /// Locked until somebody unlocks it: by hand, or by too many non-matches in a row in all.
    #[error("the subject is locked")]
    SubjectLocked,
    /// So many non-matches in a row that the next attempt must wait.
    #[error("too many non-matches in a row: the next attempt must wait")]
    AttemptsDelayed {
        /// Milliseconds until then.
        retry_after_ms: u64,
    },
    /// As many comparisons with the subject are under way as may still fail. None of it was counted, and the token's use is given
    /// back.
    #[error("too many comparisons with this subject are in progress")]
    AttemptsInFlight {
        /// Milliseconds after which some have probably ended.
        retry_after_ms: u64,
    },
    /// Too many of this client's envelopes did not open.
    #[error("too many envelopes of this client did not open")]
    EnvelopesRefused {
        /// Milliseconds after which one more may fail.
        retry_after_ms: u64,
    },
    /// The earlier request that this one names has not matched this subject for this purpose in the last five minutes.
    #[error("no comparison with this subject has matched in the last five minutes")]
    MatchMissing,
    /// Too many entries wait to be published: nothing is admitted until they are.
    #[error("too many entries of the access log wait to be published")]
    Behind,
    /// The log can not be written just now. Nothing was spent.
    #[error("the access log can not be written")]
    Unwritable(#[source] Trouble),
    /// The log takes nothing more in, since it does not know what it holds. The node must be started again.
    #[error("the access log is halted")]
    Halted,
}

impl NotAdmitted {
    /// The reason that entries and answers give; none where nothing was refused or nothing could be logged.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Answered(_) | Self::Behind | Self::Unwritable(_) | Self::Halted => return None,
            Self::RequestInFlight => Reason::RequestInFlight,
            Self::RequestIdReused => Reason::RequestIdReused,
            Self::AnswerExpired => Reason::AnswerExpired,
            Self::EnvelopeSpent => Reason::EnvelopeSpent,
            Self::ProofReplayed => Reason::ProofReplayed,
            Self::TokenSpent => Reason::TokenSpent,
            Self::RateLimited { .. } => Reason::RateLimited,
            Self::SubjectExists => Reason::SubjectExists,
            Self::SubjectUnknown => Reason::SubjectUnknown,
            Self::SubjectLocked => Reason::SubjectLocked,
            Self::AttemptsDelayed { .. } => Reason::AttemptsDelayed,
            Self::AttemptsInFlight { .. } => Reason::AttemptsInFlight,
            Self::EnvelopesRefused { .. } => Reason::EnvelopesRefused,
            Self::MatchMissing => Reason::MatchMissing,
        })
    }
}

/// What an admission got.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) spends: ReplayKeys,
    pub(super) record: AccessRecord,
    pub(super) terms: PolicyTerms,
    pub(super) place: EntryId,
    pub(super) subject: Option<(RecordId, Position)>,
}

/// What is needed to close an admitted request. Closing twice is [`LogError::NotOpen`](super::access::LogError::NotOpen).
#[must_use = "close it with AccessLog::close"]
pub struct OpenRequest {
    pub(super) record: AccessRecord,
    pub(super) client: String,
    pub(super) request_id: RequestId,
    pub(super) request_digest: [u8; 32],
    pub(super) subject: Option<RecordId>,
    /// How many may fail; none where nothing is compared with one person.
    attempts: Option<Attempts>,
}

impl OpenRequest {
    pub(super) fn of(Admitted { spends, record, terms, subject, .. }: &Admitted) -> Self {
        Self {
            record: record.clone(),
            client: spends.client.clone(),
            request_id: spends.request_id,
            request_digest: spends.request_digest,
            subject: subject.map(|(record, _)| record),
            attempts: terms.attempts.filter(|_| record.method == Method::Verify),
        }
    }

    /// Whom an attempt is reserved of, and how many may fail.
    pub(super) fn attempt(&self) -> Option<(RecordId, Attempts)> {
        self.subject.zip(self.attempts)
    }
}

/// Prints the request id only: `OpenRequest(8f0c..)`.
impl fmt::Debug for OpenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenRequest({})", self.request_id)
    }
}

/// How an admitted request ended. The entry says `completed` for the first three alike: never whether it matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The bit said match: the subject's attempts start anew.
    Matched,
    /// The bit said no match: it counts.
    NotMatched,
    /// Done, and nothing was compared.
    Completed,
    /// Nothing of the probe was opened and nothing done: it does not count.
    Failed(Reason),
    /// It came to nothing after something of the probe had been opened, or may have been: it counts as a non-match.
    Broken(Reason),
}
