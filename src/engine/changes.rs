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
use std::time::Duration;

use tokio::sync::{OwnedRwLockWriteGuard, RwLock, RwLockReadGuard};

use super::batch::Batch;
use super::item::{Ended, Item, Open};
use super::journal::Journal;
use super::references::References;
use super::refusal::{Cause as _, Refusal};
use super::request::Permitted;
use crate::log::ledger::Position;
use crate::log::receipt::Outcome;
use crate::name::GalleryName;
use crate::party::Party;
use crate::peer::{BatchMessage, PeerUnavailable};
use crate::request::{RequestInfo, RequestTarget};
use crate::store::{Change, ChangeId, Decision, Effect, Found, Stand, Store, StoreError};
use crate::wire::peer::v1 as wire;
use crate::wire::peer::v1::frame::Kind;

/// Each helper, and the other one.
pub(super) const HELPERS: [(Party, Party); 2] = [(Party::B, Party::C), (Party::C, Party::B)];

/// A change that is ready to be written down.
pub(super) struct Prepared {
    /// How its request ends, if the change is made.
    pub(super) outcome: Outcome,
    /// What is to change.
    pub(super) change: Change,
}

impl Prepared {
    /// The change that an admitted erasure or lock is.
    pub(super) fn of(permitted: &Permitted, ask: &RequestInfo) -> Self {
        let gallery = ask.gallery.clone();
        let (outcome, change) = match (permitted, &ask.about) {
            (Permitted::Erase(_), RequestTarget::Subject(subject)) => {
                (Outcome::Erased, Change::Erase(gallery, subject.clone()))
            }
            (Permitted::Lock(_), RequestTarget::Subject(subject)) => {
                (Outcome::Locked, Change::Lock(gallery, subject.clone()))
            }
            (Permitted::Unlock(_), RequestTarget::Subject(subject)) => {
                (Outcome::Unlocked, Change::Unlock(gallery, subject.clone()))
            }
            (Permitted::Enroll(..) | Permitted::Verify(..) | Permitted::Search(..), _)
            | (_, RequestTarget::Case(_) | RequestTarget::Evidence(_) | RequestTarget::Matched(..)) => {
                unreachable!("a batch is of one kind, and these kinds take another way")
            }
        };
        Self { outcome, change }
    }
}

/// A change that stands prepared at this node, by this very batch.
struct Staged {
    /// How its request ends, if the change is made.
    outcome: Outcome,
    change: ChangeId,
    /// Whether it is to be made.
    commit: bool,
    /// Whether it was made here, by this batch.
    made: bool,
}

/// The changes of a batch, in its places. What could not be prepared here is none any more.
type Places = [Item<Open<Staged>>];

/// What lasts, and what is made of it in memory.
pub(super) struct Changes {
    journal: Arc<Journal>,
    store: Store,
    references: References,
    /// Read by each batch of changes under way at the leader, written by who must know that none is.
    deciding: Arc<RwLock<()>>,
    /// How long another node may take for each of its words.
    patience: Duration,
}

impl Changes {
    /// Of this store and these references, which are in line. The leader aborts what it finds prepared: it never decided.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub(super) async fn open(
        journal: Arc<Journal>,
        store: Store,
        references: References,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        if journal.party == Party::LEADER {
            for pending in store.pending().await? {
                store.abort(pending.change).await?;
            }
        }
        Ok(Self { journal, store, references, deciding: Arc::default(), patience })
    }

    /// The row that an enrolment is given; never used twice.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub(super) async fn next_position(&self, gallery: &GalleryName) -> Result<Position, StoreError> {
        self.store.next_position(gallery).await
    }

    /// Held by a batch of changes at the leader: from before the proposal to after the decision.
    pub(super) async fn deciding(&self) -> RwLockReadGuard<'_, ()> {
        self.deciding.read().await
    }

    /// Held by a search at the leader until its rolls are known: no change is under way.
    pub(super) async fn still(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.deciding).write_owned().await
    }

    /// Takes a batch's changes through both phases. A request ends well only if its change was made here, by this batch.
    pub(super) async fn make(&self, batch: &mut Batch, items: Vec<Item<Open<Prepared>>>) -> Vec<Item<Open<Ended>>> {
        let mut staged = Vec::with_capacity(items.len());
        for item in items {
            staged.push(item.then(|open| self.stage(batch, open)).await);
        }
        let decided = if self.journal.party == Party::LEADER {
            self.lead(batch, &mut staged).await
        } else {
            self.follow(batch, &mut staged).await
        };
        if let Err(refusal) = decided {
            return self.journal.fail_all(staged, refusal, batch.now).await;
        }
        let now = batch.now;
        let mut ended = Vec::with_capacity(staged.len());
        for item in staged {
            let end = |open: Open<Staged>| async move {
                let (open, Staged { outcome, made, .. }) = open.split();
                if made {
                    return Ok(open.with(Ended::with(outcome)));
                }
                let refusal = StoreError::ChangeUnknown.at(self.journal.party);
                Err(self.journal.fail(open.ticket, refusal, now).await)
            };
            ended.push(item.then(end).await);
        }
        ended
    }

    /// Writes one change down; what cannot be made ends here.
    async fn stage(&self, batch: &Batch, open: Open<Prepared>) -> Result<Open<Staged>, Refusal> {
        let (open, Prepared { outcome, change: what }) = open.split();
        let change = ChangeId::of(&open.ask.request_digest(), &batch.id);
        let outcome = match self.store.prepare(change, &what, batch.least).await {
            Ok(Found::Record) => outcome,
            Ok(Found::Nobody) => Outcome::HadNone,
            Err(error) => {
                return Err(self.journal.fail(open.ticket, error.at(self.journal.party), batch.now).await);
            }
        };
        Ok(open.with(Staged { outcome, change, commit: true, made: false }))
    }

    /// The leader's side: votes, decision, word to both.
    async fn lead(&self, batch: &mut Batch, places: &mut Places) -> Result<(), Refusal> {
        for (helper, other) in HELPERS {
            let vote = batch.mail.take((helper, Some(other)), self.patience, BatchMessage::vote);
            // No vote is a vote against.
            decide(places, &vote.await.unwrap_or_default());
        }
        let commit = places.iter().map(|item| item.live().is_some_and(|open| open.work.commit)).collect();
        if let Err(error) = self.conclude_all(places, batch.now).await {
            // What is durable is not known: the helpers must ask, after the links are up again.
            batch.links.next.hang_up();
            batch.links.prev.hang_up();
            return Err(error.at(self.journal.party));
        }
        let decision = wire::Decision { batch: batch.id.to_vec(), commit };
        // A helper that does not hear it asks when it is back.
        let _ = batch.links.say(Kind::Decision(decision), self.patience).await;
        Ok(())
    }

    /// A helper's side: vote, wait, do as decided. One that is left in doubt hangs up, and asks when the link is up again.
    async fn follow(&self, batch: &mut Batch, places: &mut Places) -> Result<(), Refusal> {
        match self.do_as_decided(batch, places).await {
            Ok(()) => Ok(()),
            Err(Undone::Left(refusal)) => Err(refusal),
            Err(Undone::InDoubt(refusal)) => {
                batch.links.to(Party::LEADER).hang_up();
                // The link may have come up anew meanwhile, and been settled before this change was prepared: once more.
                if let Ok(link) = batch
                    .peers
                    .peers()
                    .and_then(|peers| peers.link(Party::LEADER).map_err(|gone| gone.at(self.journal.party)))
                {
                    link.hang_up();
                }
                Err(refusal)
            }
        }
    }

    async fn do_as_decided(&self, batch: &mut Batch, places: &mut Places) -> Result<(), Undone> {
        let own = self.journal.party;
        let leader = batch.links.to(Party::LEADER);
        let prepared = places.iter().map(|item| item.live().is_some()).collect();
        let vote = wire::Vote { batch: batch.id.to_vec(), prepared };
        leader.say(Kind::Vote(vote)).await.map_err(|no_word| Undone::InDoubt(no_word.at(own)))?;
        // Of the leader alone: whether the other helper is there is for the leader to know.
        let decision = batch.mail.take((Party::LEADER, None), self.patience * 2, BatchMessage::decision).await;
        let in_doubt = |error: StoreError| Undone::InDoubt(error.at(own));
        if let Err(left @ PeerUnavailable::Left(_)) = decision {
            // It ended the batch before it could decide, and never will.
            decide(places, &[]);
            self.conclude_all(places, batch.now).await.map_err(in_doubt)?;
            return Err(Undone::Left(left.at(own)));
        }
        let decision = decision.map_err(|no_word| Undone::InDoubt(no_word.at(own)))?;
        if decision.len() != places.len() {
            return Err(Undone::InDoubt(PeerUnavailable::Gone(Party::LEADER).at(own)));
        }
        decide(places, &decision);
        self.conclude_all(places, batch.now).await.map_err(in_doubt)
    }

    /// Commits or aborts each, and brings the galleries in line. Each knows then whether it was made by this.
    ///
    /// One that cannot be ended as decided does not keep the others from it: the first such error comes after all of them.
    async fn conclude_all(&self, places: &mut Places, now: u64) -> Result<(), StoreError> {
        let mut failed = None;
        for staged in places.iter_mut().filter_map(|item| item.state.as_mut().ok()).map(|open| &mut open.work) {
            match self.conclude_one(staged.change, staged.commit, now).await {
                Ok(made) => staged.made = made,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Commits or aborts one. Whether it was made by this.
    async fn conclude_one(&self, change: ChangeId, commit: bool, now: u64) -> Result<bool, StoreError> {
        let done = if commit {
            self.store.commit(change, now).await.map(|effect| self.apply(effect))
        } else {
            self.store.abort(change).await.map(|()| false)
        };
        match done {
            // It was ended before, in another way: no fault of the store, and no reason to say that it was made.
            Err(error @ (StoreError::AlreadyCommitted | StoreError::ChangeUnknown)) => {
                tracing::error!(%error, "a change had already ended otherwise than the leader decided");
                Ok(false)
            }
            done => done,
        }
    }

    /// Brings the galleries in line with what a commit did. Whether it did anything.
    fn apply(&self, effect: Effect) -> bool {
        match effect {
            Effect::Enrolled(record) => {
                if let Err(error) = self.references.keep(&record) {
                    tracing::error!(%error, "a record could not be put into its gallery in memory; it will be after a restart");
                    return false;
                }
            }
            Effect::Erased { gallery, subject, position } => self.references.remove([(&gallery, &subject, position)]),
            Effect::Locked | Effect::Nobody => {}
            Effect::Nothing => return false,
        }
        true
    }

    /// At a helper: the changes that stand prepared and undecided.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub(super) async fn undecided(&self) -> Result<Vec<ChangeId>, StoreError> {
        Ok(self.store.pending().await?.into_iter().map(|pending| pending.change).collect())
    }

    /// At the leader: whether each was committed. From this answer on, one that was not never will be.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub(super) async fn decide_now(&self, changes: &[ChangeId]) -> Result<Vec<bool>, StoreError> {
        // Waits until no batch of changes is under way: what is not committed then never will be.
        let _nobody_decides = self.deciding.write().await;
        let mut commit = Vec::with_capacity(changes.len());
        for &change in changes {
            let decision = self.store.decided(change).await?;
            if decision == Decision::Undecided {
                self.store.abort(change).await?;
            }
            commit.push(decision == Decision::Committed);
        }
        Ok(commit)
    }

    /// At a helper: ends each as the leader said. The first error comes after all of them.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub(super) async fn conclude(
        &self,
        decided: impl Iterator<Item = (ChangeId, bool)> + Send,
        now: u64,
    ) -> Result<(), StoreError> {
        let mut failed = None;
        for (change, commit) in decided {
            let done = self.conclude_one(change, commit, now).await;
            failed = failed.or(done.err());
        }
        failed.map_or(Ok(()), Err)
    }

    /// How far the store is.
    pub(super) fn stand(&self) -> Stand {
        self.store.stand()
    }

    /// Takes as lost what the store lacks of so many changes; positions are given above this one from then on.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub(super) async fn catch_up(&self, made: u64, position: u64) -> Result<(), StoreError> {
        self.store.danger_catch_up(made, position).await
    }
}

/// Why a helper did not do as decided.
enum Undone {
    /// The leader ended the batch before it could decide, and never will.
    Left(Refusal),
    /// It is not known what was decided, or what of it is durable.
    InDoubt(Refusal),
}

/// What is not to be made by these words, place by place, is not made.
fn decide(places: &mut Places, commit: &[bool]) {
    for (place, item) in places.iter_mut().enumerate() {
        if let Ok(open) = &mut item.state {
            open.work.commit &= commit.get(place) == Some(&true);
        }
    }
}
