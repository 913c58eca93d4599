//! Changes that all three nodes make, or none: two phases, with the leader's commit as the decision.
//!
//! ```text
//! each     prepare: durable, without effect      B, C --Vote--> A
//! A        all three prepared? commit, durable: decided           A --Decision--> B, C
//! B, C     commit or abort
//! ```
//!
//! Who has to end a batch before that says so (`Left`): a leader that left decides nothing, so its helpers abort; a helper that left has
//! not voted, and that is a vote against.
//!
//! A helper that loses the leader between its vote and the decision keeps the change prepared, hangs up, and asks when the
//! link is up again. A leader that was cut off before its commit never decides: it aborts what it finds at its next start.
//!
//! An erasure is made wherever there is anything, and is a change of nothing elsewhere: each node signs what it had.
//!
//! Nobody signs for a change but who made it in this very batch: an erased person does not stand anywhere then, an enrolled one does.

use std::sync::Arc;

use super::Engine;
use super::batch::{Batch, Ended};
use super::door::{Admitted, Permitted};
use super::refusal::{Cause as _, Refusal};
use crate::log::continuity::{ContinuityError, Gap};
use crate::log::note::log_name;
use crate::log::receipt::Outcome;
use crate::party::Party;
use crate::peer::{LinkError, NoWord, Note, Settle};
use crate::request::About;
use crate::store::{Change, ChangeId, Decision, Effect, Found, Stand, StoreError};
use crate::wire::peer::v1 as wire;
use crate::wire::peer::v1::frame::Kind;

/// Each helper, and the other one.
pub(super) const HELPERS: [(Party, Party); 2] = [(Party::B, Party::C), (Party::C, Party::B)];

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

/// A change that stands prepared at this node, by this very batch.
struct Staged {
    ended: Ended,
    change: ChangeId,
}

/// A decision by place: whether the change of a request is to be made. What is no change of this batch here stays as it is.
type Places = Vec<Option<ChangeId>>;

impl Engine {
    /// Takes a batch's changes through both phases. A request ends well only if its change was made here, by this batch.
    pub(super) async fn change(
        &self,
        batch: &mut Batch,
        items: Vec<Result<Prepared, Refusal>>,
    ) -> Vec<Result<Ended, Refusal>> {
        let mut staged = Vec::with_capacity(items.len());
        for item in items {
            staged.push(match item {
                Ok(prepared) => self.stage(batch, prepared).await,
                Err(refusal) => Err(refusal),
            });
        }
        let changes: Places = staged.iter().map(|item| item.as_ref().ok().map(|staged| staged.change)).collect();
        let made = if self.party == Party::LEADER {
            self.lead_change(batch, &changes).await
        } else {
            self.follow_change(batch, &changes).await
        };
        let mut ended = Vec::with_capacity(staged.len());
        for (place, item) in staged.into_iter().enumerate() {
            ended.push(match item {
                Err(refusal) => Err(refusal),
                Ok(Staged { ended, .. }) => match made.as_ref().map(|made| made[place]) {
                    Ok(true) => Ok(ended),
                    Ok(false) => {
                        let refusal = StoreError::ChangeUnknown.at(self.party);
                        Err(self.fail(ended.ticket, refusal, batch.now).await)
                    }
                    Err(refusal) => Err(self.fail(ended.ticket, refusal.clone(), batch.now).await),
                },
            });
        }
        ended
    }

    /// Writes one change down; what cannot be made ends here.
    async fn stage(&self, batch: &Batch, prepared: Prepared) -> Result<Staged, Refusal> {
        let Prepared { mut ended, change: what } = prepared;
        let change = ChangeId::of(&ended.rq, &batch.id);
        match self.store.prepare(change, &what, batch.least).await {
            Ok(Found::Record) => Ok(Staged { ended, change }),
            Ok(Found::Nobody) => {
                ended.outcome = Outcome::HadNone;
                Ok(Staged { ended, change })
            }
            Err(error) => Err(self.fail(ended.ticket, error.at(self.party), batch.now).await),
        }
    }

    /// The leader's side: votes, decision, word to both. Says which changes were made here.
    async fn lead_change(&self, batch: &mut Batch, changes: &Places) -> Result<Vec<bool>, Refusal> {
        let mut commit: Vec<bool> = changes.iter().map(Option::is_some).collect();
        for (helper, other) in HELPERS {
            let vote = batch.mail.take((helper, Some(other)), self.limits.patience, Note::vote);
            // No vote is a vote against.
            let vote = vote.await.unwrap_or_default();
            for (place, commit) in commit.iter_mut().enumerate() {
                *commit &= vote.get(place) == Some(&true);
            }
        }
        let made = match self.conclude_all(changes, &commit, batch.now).await {
            Ok(made) => made,
            Err(error) => {
                // What is durable is not known: the helpers must ask, after the links are up again.
                batch.links.next.hang_up();
                batch.links.prev.hang_up();
                return Err(error.at(self.party));
            }
        };
        let decision = wire::Decision { batch: batch.id.to_vec(), commit };
        // A helper that does not hear it asks when it is back.
        let _ = batch.links.say(Kind::Decision(decision), self.limits.patience).await;
        Ok(made)
    }

    /// A helper's side: vote, wait, do as decided. Says which changes were made here.
    async fn follow_change(&self, batch: &mut Batch, changes: &Places) -> Result<Vec<bool>, Refusal> {
        let leader = batch.links.to(Party::LEADER);
        let vote = wire::Vote { batch: batch.id.to_vec(), prepared: changes.iter().map(Option::is_some).collect() };
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
        // Of the leader alone: whether the other helper is there is for the leader to know.
        let decision = batch.mail.take((Party::LEADER, None), self.limits.patience * 2, Note::decision).await;
        if let Err(left @ NoWord::Left(_)) = decision {
            // It ended the batch before it could decide, and never will.
            let none = vec![false; changes.len()];
            self.conclude_all(changes, &none, batch.now).await.map_err(|error| in_doubt(error.at(self.party)))?;
            return Err(left.at(self.party));
        }
        let decision = decision.map_err(|no_word| in_doubt(no_word.at(self.party)))?;
        if decision.len() != changes.len() {
            return Err(in_doubt(NoWord::Gone(Party::LEADER).at(self.party)));
        }
        self.conclude_all(changes, &decision, batch.now).await.map_err(|error| in_doubt(error.at(self.party)))
    }

    /// Commits or aborts each, and brings the galleries in line. Says which were made by this.
    ///
    /// One that cannot be ended as decided does not keep the others from it: the first such error comes after all of them.
    async fn conclude_all(&self, changes: &Places, commit: &[bool], now: u64) -> Result<Vec<bool>, StoreError> {
        let mut made = Vec::with_capacity(changes.len());
        let mut failed = None;
        for (change, &commit) in changes.iter().zip(commit) {
            let done = match change {
                Some(change) if commit => self.store.commit(*change, now).await.map(|effect| self.apply(effect)),
                Some(change) => self.store.abort(*change).await.map(|()| false),
                None => Ok(false),
            };
            made.push(*done.as_ref().unwrap_or(&false));
            match done {
                Ok(_) => {}
                // It was ended before, in another way: no fault of the store, and no reason to say that it was made.
                Err(error @ (StoreError::AlreadyCommitted | StoreError::ChangeUnknown)) => {
                    tracing::error!(%error, "a change had already ended otherwise than the leader decided");
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(made), Err)
    }

    /// Brings the galleries in line with what a commit did. Whether it did anything.
    fn apply(&self, effect: Effect) -> bool {
        let mut galleries = self.galleries.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        match effect {
            Effect::Enrolled(record) => {
                if let Err(error) = super::keep(&mut galleries, &record) {
                    tracing::error!(%error, "a record could not be put into its gallery in memory; it will be after a restart");
                    return false;
                }
            }
            Effect::Erased { gallery, subject, position } => {
                galleries.remove_at(&gallery, &subject, position);
            }
            Effect::Locked | Effect::Nobody => {}
            Effect::Nothing => return false,
        }
        true
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
        self.conclude_all(&changes, commit, self.clocks.known()).await.map(drop).map_err(|_| LinkError::Unsettled)
    }

    async fn cosigned(&self, peer: Party) -> Result<Vec<String>, LinkError> {
        let Some(witness) = self.witness.clone() else { return Ok(Vec::new()) };
        let log = log_name(&self.deployment, peer);
        let read = tokio::task::spawn_blocking(move || witness.cosigned(&log)).await;
        let read = read.map_err(|error| LinkError::Uncompared(error.to_string()))?;
        read.map_err(|error| LinkError::Uncompared(format!("what this node cosigned: {error}")))
    }

    async fn continues(&self, checkpoints: Vec<String>) -> Result<Option<Gap>, LinkError> {
        let log = self.log.clone();
        let compared = tokio::task::spawn_blocking(move || log.continues(&checkpoints)).await;
        match compared.map_err(|error| LinkError::Uncompared(error.to_string()))? {
            Ok(()) => Ok(None),
            Err(ContinuityError::Gap(gap)) => Ok(Some(gap)),
            Err(error @ (ContinuityError::Note(_) | ContinuityError::Files(..))) => {
                Err(LinkError::Uncompared(error.to_string()))
            }
        }
    }

    async fn rest(&self) {
        drop(self.under_way.write().await);
    }

    fn stand(&self) -> Stand {
        self.store.stand()
    }

    async fn catch_up(&self, made: u64) -> bool {
        // Above every position that was given before, had there been a million enrolments in each second.
        let position = self.clocks.known() << 20;
        let written = self.store.danger_catch_up(made, position).await;
        if let Err(error) = &written {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "--accept-store: the store could not be written; retrying"
            );
        }
        written.is_ok()
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
