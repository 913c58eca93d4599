//! Whoever waits for the log is told what became of it: after a commit that is durable, or after one that came to nothing.

use tokio::sync::oneshot;

use super::super::access::LogError;
use super::super::early::early;
use super::super::outcome::Admitted;
use super::super::outcome::{Completion, NotAdmitted, OpenRequest};
use super::super::shard::EntryId;
use super::super::trouble::Trouble;
use super::super::work::{Outcome, WriteOp};
use super::Batch;
use crate::reason::Reason;

impl Batch {
    /// After a durable commit: the new entries for the tree. [`answer`](Self::answer) comes after they are in it.
    pub(in crate::log) fn take_entries(&mut self) -> Vec<(EntryId, Vec<u8>)> {
        self.before = None;
        std::mem::take(&mut self.entries)
    }

    /// Tells everyone what became of it. What was admitted for who has gone away meanwhile is closed with the next commit.
    pub(in crate::log) fn answer(&mut self) {
        for (work, outcome) in std::mem::take(&mut self.works).into_iter().zip(self.outcomes.drain(..)) {
            match (work, outcome) {
                (WriteOp::Admit { spends, record, terms, now, reply }, Outcome::Admitted { place, subject }) => {
                    if let Err(Ok(lost)) = reply.send(Ok(Admitted { spends, record, terms, place, subject })) {
                        self.works.push(cancelled(&lost, now));
                    }
                }
                (WriteOp::Admit { reply, .. }, Outcome::Refused(why)) => drop(reply.send(Err(why))),
                (
                    WriteOp::Deny { reply, .. } | WriteOp::Close { reply, .. } | WriteOp::Name { reply, .. },
                    Outcome::Written(place),
                ) => {
                    drop(reply.send(Ok(place)));
                }
                (WriteOp::Close { reply, .. }, Outcome::NotOpen) => drop(reply.send(Err(LogError::NotOpen))),
                (WriteOp::Deny { reply, .. }, Outcome::NotOpen) => drop(reply.send(Err(LogError::Replayed))),
                (WriteOp::Admit { .. }, Outcome::Written(_) | Outcome::NotOpen)
                | (WriteOp::Name { .. }, Outcome::NotOpen)
                | (
                    WriteOp::Deny { .. } | WriteOp::Close { .. } | WriteOp::Name { .. },
                    Outcome::Admitted { .. } | Outcome::Refused(_),
                ) => {
                    unreachable!("each work has its own outcomes")
                }
            }
        }
    }

    /// After a transaction that is known to have come to nothing: all is as it was before, and everyone is told why. How admitted
    /// requests ended stays here, to be written when that is possible again.
    pub(in crate::log) fn refuse(&mut self, trouble: Trouble) {
        if let Some((under_way, next, blank)) = self.before.take() {
            (self.under_way, self.next, self.blank) = (under_way, next, blank);
        }
        self.outcomes.clear();
        self.entries.clear();
        for work in std::mem::take(&mut self.works) {
            if let WriteOp::Admit { spends, .. } | WriteOp::Deny { spends, .. } = &work {
                early(&self.early).spent.forget(spends);
            }
            match work {
                WriteOp::Admit { reply, .. } => drop(reply.send(Err(NotAdmitted::Unwritable(trouble)))),
                WriteOp::Deny { reply, .. } | WriteOp::Name { reply, .. } => {
                    drop(reply.send(Err(LogError::Unwritable(trouble))));
                }
                WriteOp::Close { ticket, closing, answer, now, reply } => {
                    drop(reply.send(Err(LogError::Unwritable(trouble))));
                    let (reply, _nobody_waits) = oneshot::channel();
                    self.works.push(WriteOp::Close { ticket, closing, answer, now, reply });
                }
            }
        }
    }
}

/// Closes what nobody holds a permit for: nothing was done with it, and nothing can be.
fn cancelled(lost: &Admitted, now: u64) -> WriteOp {
    let (reply, _) = oneshot::channel();
    WriteOp::Close {
        ticket: OpenRequest::of(lost),
        closing: Completion::Failed(Reason::Cancelled),
        answer: None,
        now,
        reply,
    }
}
