//! One thing to be written, whom to tell, and what it will ask the ledger for.

use tokio::sync::oneshot;

use super::error::LogError;
use super::half::Place;
use super::ledger::{Answer, Position, RecordId, Touch};
use super::outcome::{Admitted, Closing, NotAdmitted, Ticket};
use crate::name::{GalleryName, Subject};
use crate::reason::Reason;
use crate::token::purpose::{Spends, Terms, Use};

/// One thing to be written, and whom to tell.
pub(super) enum Work {
    Admit {
        spends: Spends,
        record: Use,
        terms: Terms,
        now: u64,
        reply: oneshot::Sender<Result<Admitted, NotAdmitted>>,
    },
    Deny {
        record: Use,
        spends: Spends,
        reason: Reason,
        now: u64,
        reply: oneshot::Sender<Result<Place, LogError>>,
    },
    Close {
        ticket: Ticket,
        closing: Closing,
        answer: Option<Answer>,
        now: u64,
        reply: oneshot::Sender<Result<Place, LogError>>,
    },
    Name {
        record: Use,
        transcript: [u8; 32],
        candidates: Vec<RecordId>,
        now: u64,
        reply: oneshot::Sender<Result<Place, LogError>>,
    },
}

impl Work {
    /// What it is about.
    pub(super) fn touches(&self) -> Touch<'_> {
        match self {
            Self::Admit { spends, record, terms, .. } => Touch {
                request: Some((&record.relying_party, spends.request_id)),
                after: terms.after,
                spends: Some(spends),
                subject: named(record),
                records: &[],
            },
            Self::Deny { record, spends, .. } => {
                Touch { request: None, after: None, spends: Some(spends), subject: named(record), records: &[] }
            }
            Self::Close { ticket, .. } => Touch {
                request: Some((&ticket.record.relying_party, ticket.request_id)),
                after: None,
                spends: None,
                subject: named(&ticket.record),
                records: ticket.subject.as_slice(),
            },
            Self::Name { candidates, .. } => {
                Touch { request: None, after: None, spends: None, subject: None, records: candidates }
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
    Admitted { place: Place, subject: Option<(RecordId, Position)> },
    Refused(NotAdmitted),
    Written(Place),
    NotOpen,
}

/// The subject that a use names.
fn named(record: &Use) -> Option<(&GalleryName, &Subject)> {
    record.subject.as_ref().map(|subject| (&record.gallery, subject))
}
