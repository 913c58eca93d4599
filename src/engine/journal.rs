//! What this node writes into its access log about a request that it has seen, and what it signs of it.

use std::sync::Arc;

use super::item::{Item, Open};
use super::refusal::{Cause as _, Mixed, Refusal};
use crate::log::access::{AccessLog, Completion, LogError, OpenRequest};
use crate::log::ledger::Answer;
use crate::log::note::SigningKey;
use crate::log::receipt::{Outcome, Receipt, ReceiptBody};
use crate::log::shard::EntryId;
use crate::name::Deployment;
use crate::party::Party;
use crate::token::purpose::{AccessRecord, ReplayKeys};

/// The node's access log, and the key that it signs receipts with.
pub(super) struct Journal {
    /// Whose log.
    pub(super) party: Party,
    /// Where uses stand before they happen.
    pub(super) log: AccessLog,
    /// The installation.
    pub(super) deployment: Deployment,
    /// Signs receipts.
    pub(super) identity: Arc<SigningKey>,
}

/// Why an admitted request came to nothing, and whether that counts as an attempt.
#[derive(Clone)]
pub(super) struct Failure {
    refusal: Refusal,
    counts: bool,
}

impl Failure {
    /// After bits of its probe were opened, or may have been: it counts as a non-match.
    pub(super) const fn counted(refusal: Refusal) -> Self {
        Self { refusal, counts: true }
    }
}

/// Before anything of its probe was opened: it does not count.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, counts: false }
    }
}

impl Journal {
    /// Closes a request. In the log's queue by the time this returns, durable with its next write.
    pub(super) async fn close(&self, ticket: OpenRequest, closing: Completion, answer: Option<Answer>, now: u64) {
        if let Err(error) = self.log.close_soon(ticket, closing, answer, now).await {
            tracing::error!(%error, "a request could not be closed in the log");
        }
    }

    /// Closes a request that came to nothing. Why, for who waits for it.
    pub(super) async fn fail(&self, ticket: OpenRequest, failure: impl Into<Failure>, now: u64) -> Refusal {
        let Failure { refusal, counts } = failure.into();
        let reason = refusal.reason;
        let closing = if counts { Completion::Broken(reason) } else { Completion::Failed(reason) };
        self.close(ticket, closing, None, now).await;
        refusal
    }

    /// The one way in which all of a batch that go on come to nothing.
    pub(super) async fn fail_all<W, T>(
        &self,
        items: Vec<Item<Open<W>>>,
        failure: impl Into<Failure>,
        now: u64,
    ) -> Vec<Item<T>> {
        let failure = failure.into();
        let mut failed = Vec::with_capacity(items.len());
        for item in items {
            let failure = failure.clone();
            failed.push(item.then(|open| async move { Err(self.fail(open.ticket, failure, now).await) }).await);
        }
        failed
    }

    /// Those whose work is of one kind go on with it; any other has no business in the batch.
    pub(super) async fn of_kind<W, T>(
        &self,
        items: Vec<Item<Open<W>>>,
        kind: fn(W) -> Option<T>,
        now: u64,
    ) -> Vec<Item<Open<T>>> {
        let mut kept = Vec::with_capacity(items.len());
        for item in items {
            let keep = |open: Open<W>| async move {
                let (open, work) = open.split();
                match kind(work) {
                    Some(work) => Ok(open.with(work)),
                    None => Err(self.fail(open.ticket, Mixed.at(self.party), now).await),
                }
            };
            kept.push(item.then(keep).await);
        }
        kept
    }

    /// Writes down that a genuine token's request was refused. A log that is halted refuses the next admission anyway: nothing is lost
    /// by not hearing of it here.
    pub(super) async fn deny(&self, (record, spends): (AccessRecord, ReplayKeys), refusal: &Refusal, now: u64) {
        match self.log.deny(record, spends, refusal.reason, now).await {
            Ok(_) | Err(LogError::Replayed | LogError::Counted) => {}
            Err(error) => tracing::error!(%error, "a denial could not be logged"),
        }
    }

    /// A signed receipt for an entry of the log.
    ///
    /// # Errors
    /// [`Refusal`] if the entry is not yet in a tree that is signed.
    pub(super) fn receipt(
        &self,
        outcome: Outcome,
        found: Option<[u8; 32]>,
        place: EntryId,
        request_digest: [u8; 32],
    ) -> Result<Receipt, Refusal> {
        let inclusion = self.log.inclusion(place).map_err(|error| error.at(self.party))?;
        let body = ReceiptBody {
            party: self.party,
            outcome,
            found,
            request_digest,
            index: place.index,
            leaf: inclusion.leaf,
            inclusion: inclusion.proof,
            checkpoint: inclusion.checkpoint,
        };
        Ok(body.sign(&self.identity, &self.deployment))
    }
}
