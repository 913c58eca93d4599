//! Changes that all three nodes make, or none: two phases, with the leader's commit as the decision.
//!
//! ```text
//! each     prepare: durable, without effect      B, C --Vote--> A
//! A        all three prepared? commit, durable: decided           A --Decision--> B, C
//! B, C     commit or abort
//! ```
//!
//! A helper that loses the leader between its vote and the decision keeps the change prepared, hangs up, and asks when the
//! link is up again. A leader that was cut off before its commit never decides: it aborts what it finds at its next start.

use std::sync::Arc;

use super::Engine;
use super::batch::{Batch, Ended};
use super::door::{Admitted, Permitted};
use super::refusal::{Cause as _, Refusal};
use crate::log::receipt::Outcome;
use crate::party::Party;
use crate::peer::{LinkError, Note, Settle};
use crate::request::About;
use crate::store::{Change, ChangeId, Decision, Effect, StoreError};
use crate::wire::peer::v1 as wire;
use crate::wire::peer::v1::frame::Kind;

/// A change that is ready to be written down.
pub(super) struct Prepared {
    /// How its request ends, if the change is made.
    pub(super) ended: Ended,
    /// What is to change.
    pub(super) change: Change,
}

/// The change that an admitted erasure or lock is.
pub(super) fn of(admitted: Admitted) -> Prepared {
    let Admitted { ask, ticket, place, permitted } = admitted;
    let rq = ask.transcript();
    let (outcome, change) = match (permitted, ask.about) {
        (Permitted::Erase(_), About::Subject(subject)) => (Outcome::Erased, Change::Erase(ask.gallery, subject)),
        (Permitted::Lock(_), About::Subject(subject)) => (Outcome::Locked, Change::Lock(ask.gallery, subject)),
        (Permitted::Unlock(_), About::Subject(subject)) => (Outcome::Unlocked, Change::Unlock(ask.gallery, subject)),
        (Permitted::Enroll(..) | Permitted::Verify(..) | Permitted::Search(..), _)
        | (_, About::Case(_) | About::Evidence(_) | About::Matched(..)) => {
            unreachable!("a batch is of one kind, and these kinds take another way")
        }
    };
    Prepared { ended: Ended { outcome, found: None, ticket, place, rq }, change }
}

impl Engine {
    /// Takes a batch's changes through both phases.
    pub(super) async fn change(
        &self,
        batch: &mut Batch,
        items: Vec<Result<Prepared, Refusal>>,
    ) -> Vec<Result<Ended, Refusal>> {
        let mut written = Vec::with_capacity(items.len());
        for item in &items {
            written.push(match item {
                Ok(Prepared { ended, change }) => Some(self.store.prepare(ChangeId(ended.rq), change, batch.now).await),
                Err(_) => None,
            });
        }
        // Committed already: the same lock or unlock was asked for again after an answer that got lost. It stands.
        let stands = |done: &Result<(), StoreError>| matches!(done, Ok(()) | Err(StoreError::AlreadyCommitted));
        let prepared: Vec<bool> = written.iter().map(|done| done.as_ref().is_some_and(stands)).collect();
        let changes: Vec<_> = items.iter().map(|item| item.as_ref().ok().map(|item| ChangeId(item.ended.rq))).collect();
        let decided = if self.party == Party::LEADER {
            self.lead_change(batch, &changes, prepared).await
        } else {
            self.follow_change(batch, &changes, prepared).await
        };
        let mut ended = Vec::with_capacity(items.len());
        for (place, (item, written)) in items.into_iter().zip(written).enumerate() {
            ended.push(match (item, written) {
                (Err(refusal), _) => Err(refusal),
                (Ok(item), Some(Err(error))) if !matches!(error, StoreError::AlreadyCommitted) => {
                    Err(self.fail(item.ended.ticket, error.at(self.party), batch.now).await)
                }
                (Ok(item), _) => match decided.as_ref().map(|decided| decided[place]) {
                    Ok(true) => Ok(item.ended),
                    Ok(false) => {
                        let refusal = StoreError::ChangeUnknown.at(self.party);
                        Err(self.fail(item.ended.ticket, refusal, batch.now).await)
                    }
                    Err(refusal) => Err(self.fail(item.ended.ticket, refusal.clone(), batch.now).await),
                },
            });
        }
        ended
    }

    /// The leader's side: votes, decision, word to both.
    async fn lead_change(
        &self,
        batch: &mut Batch,
        changes: &[Option<ChangeId>],
        mut prepared: Vec<bool>,
    ) -> Result<Vec<bool>, Refusal> {
        for helper in [Party::B, Party::C] {
            let vote = batch.mail.take(helper, self.limits.patience, Note::vote);
            // No vote is a vote against.
            let vote = vote.await.unwrap_or_default();
            for (place, prepared) in prepared.iter_mut().enumerate() {
                *prepared &= vote.get(place) == Some(&true);
            }
        }
        if let Err(error) = self.conclude_all(changes, &prepared, batch.now).await {
            // What is durable is not known: the helpers must ask, after the links are up again.
            batch.links.next.hang_up();
            batch.links.prev.hang_up();
            return Err(error.at(self.party));
        }
        for helper in [Party::B, Party::C] {
            let decision = wire::Decision { batch: batch.id.to_vec(), commit: prepared.clone() };
            // A helper that does not hear it asks when it is back.
            let _ = batch.links.to(helper).say(Kind::Decision(decision)).await;
        }
        Ok(prepared)
    }

    /// A helper's side: vote, wait, do as decided.
    async fn follow_change(
        &self,
        batch: &mut Batch,
        changes: &[Option<ChangeId>],
        prepared: Vec<bool>,
    ) -> Result<Vec<bool>, Refusal> {
        let leader = batch.links.to(Party::LEADER);
        let count = prepared.len();
        let vote = wire::Vote { batch: batch.id.to_vec(), prepared };
        let in_doubt = |refusal: Refusal| {
            leader.hang_up();
            // The link may have come up anew meanwhile, and been settled before this change was prepared: once more.
            if let Ok(link) =
                self.peers().and_then(|peers| peers.link(Party::LEADER).map_err(|gone| gone.at(self.party)))
            {
                link.hang_up();
            }
            refusal
        };
        leader.say(Kind::Vote(vote)).await.map_err(|no_word| in_doubt(no_word.at(self.party)))?;
        let decision = batch.mail.take(Party::LEADER, self.limits.patience * 2, Note::decision);
        let decision = decision.await.map_err(|no_word| in_doubt(no_word.at(self.party)))?;
        if decision.len() != count {
            return Err(in_doubt(crate::peer::NoWord::Gone(Party::LEADER).at(self.party)));
        }
        self.conclude_all(changes, &decision, batch.now).await.map_err(|error| in_doubt(error.at(self.party)))?;
        Ok(decision)
    }

    /// Commits or aborts each, and brings the galleries in line.
    async fn conclude_all(&self, changes: &[Option<ChangeId>], commit: &[bool], now: u64) -> Result<(), StoreError> {
        for (change, &commit) in changes.iter().zip(commit) {
            match change {
                Some(change) if commit => self.apply(self.store.commit(*change, now).await?),
                Some(change) => self.store.abort(*change).await?,
                None => {}
            }
        }
        Ok(())
    }

    /// Brings the galleries in line with what a commit did.
    fn apply(&self, effect: Effect) {
        let mut galleries = self.galleries.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        match effect {
            Effect::Enrolled(record) => {
                if let Err(error) = super::keep(&mut galleries, &record) {
                    tracing::error!(%error, "a record has no place in its gallery; it will after a restart");
                }
            }
            Effect::Erased { gallery, subject, .. } => {
                galleries.remove(&gallery, &subject);
            }
            Effect::Unchanged => {}
        }
    }
}

#[tonic::async_trait]
impl Settle for Engine {
    async fn undecided(&self) -> Result<Vec<[u8; 32]>, LinkError> {
        let pending = self.store.pending().await.map_err(|_| LinkError::Unsettled)?;
        Ok(pending.into_iter().map(|pending| pending.change.0).collect())
    }

    async fn decide(&self, changes: &[[u8; 32]]) -> Result<Vec<bool>, LinkError> {
        // Waits until no batch of changes is under way: what is not committed then never will be.
        let _nobody_decides = self.deciding.write().await;
        let mut commit = Vec::with_capacity(changes.len());
        for &change in changes {
            let decision = self.store.decided(ChangeId(change)).await.map_err(|_| LinkError::Unsettled)?;
            if decision == Decision::Undecided {
                self.store.abort(ChangeId(change)).await.map_err(|_| LinkError::Unsettled)?;
            }
            commit.push(decision == Decision::Committed);
        }
        Ok(commit)
    }

    async fn conclude(&self, changes: &[[u8; 32]], commit: &[bool]) -> Result<(), LinkError> {
        let changes: Vec<_> = changes.iter().map(|&change| Some(ChangeId(change))).collect();
        self.conclude_all(&changes, commit, (self.clock)()).await.map_err(|_| LinkError::Unsettled)
    }
}

/// Aborts what the leader finds prepared when it starts: it never decided.
pub(super) async fn forget_undecided(engine: &Arc<Engine>) -> Result<(), StoreError> {
    if engine.party == Party::LEADER {
        for pending in engine.store.pending().await? {
            engine.store.abort(pending.change).await?;
        }
    }
    Ok(())
}
