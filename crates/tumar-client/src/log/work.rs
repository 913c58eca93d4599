//! One thing to be written, whom to tell, and what it will ask the ledger for.

use tokio::sync::oneshot;

use super::error::LogError;
use super::ledger::{Answer, Position, Prefetch, RecordId};
use super::outcome::{Admitted, Completion, NotAdmitted, OpenRequest};
use super::shard::EntryId;
use crate::name::{GalleryName, Subject};
use crate::reason::Reason;
use crate::token::purpose::{AccessRecord, PolicyTerms, ReplayKeys};

/// One thing to be written, and whom to tell.
pub(super) enum WriteOp {
    Admit {
        spends: ReplayKeys,
        record: AccessRecord,
        terms: PolicyTerms,
        now: u64,
        reply: oneshot::Sender<Result<Admitted, NotAdmitted>>,
    },
    Deny {
        record: AccessRecord,
        spends: ReplayKeys,
        reason: Reason,
        now: u64,
        reply: oneshot::Sender<Result<EntryId, LogError>>,
    },
    Close {
        ticket: OpenRequest,
        closing: Completion,
        answer: Option<Answer>,
        now: u64,
        reply: oneshot::Sender<Result<EntryId, LogError>>,
    },
    Name {
        record: AccessRecord,
        request_digest: [u8; 32],
        candidates: Vec<RecordId>,
        now: u64,
        reply: oneshot::Sender<Result<EntryId, LogError>>,
    },
}

impl WriteOp {
    /// What it is about.
    pub(super) fn touches(&self) -> Prefetch<'_> {
        match self {
            Self::Admit { spends, record, terms, .. } => Prefetch {
                request: Some((&record.relying_party, spends.request_id)),
                after: terms.after,
                spends: Some(spends),
                subject: named(record),
                records: &[],
            },
            Self::Deny { record, spends, .. } => {
                Prefetch { request: None, after: None, spends: Some(spends), subject: named(record), records: &[] }
            }
            Self::Close { ticket, .. } => Prefetch {
                request: Some((&ticket.record.relying_party, ticket.request_id)),
                after: None,
                spends: None,
                subject: named(&ticket.record),
                records: ticket.subject.as_slice(),
            },
            Self::Name { candidates, .. } => {
                Prefetch { request: None, after: None, spends: None, subject: None, records: candidates }
            }
        }
    }

    /// When it was asked for, in unix seconds.
    pub(super) const fn now(&self) -> u64 {
        match self {
            Self::Admit { now, .. } | Self::Deny { now, .. } | Self::Close { now, .. } | Self::Name { now, .. } => *now,
        }
    }

    /// Whether nobody waits for it.
    pub(super) fn can_wait(&self) -> bool {
        match self {
            Self::Close { reply, .. } => reply.is_closed(),
            Self::Admit { .. } | Self::Deny { .. } | Self::Name { .. } => false,
        }
    }
}

/// What became of one [`Work`], told only once it is durable.
pub(super) enum Outcome {
    Admitted { place: EntryId, subject: Option<(RecordId, Position)> },
    Refused(NotAdmitted),
    Written(EntryId),
    NotOpen,
}

/// The subject that a use names.
fn named(record: &AccessRecord) -> Option<(&GalleryName, &Subject)> {
    record.subject.as_ref().map(|subject| (&record.gallery, subject))
}
