//! Notes of batches: what the nodes tell each other about a batch beside the protocol's own messages.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::links::{BatchId, Links};
use super::unavailable::PeerUnavailable;
use super::why::LinkError;
use crate::net::SessionId;
use crate::party::Party;
use crate::wire::peer::v1 as wire;

/// Notes may come before the proposal that they belong to, since they come from another node; so many wait.
const EARLY: usize = 1024;

/// Notes that one batch can have waiting: each peer sends each kind at most once.
const NOTES: usize = 16;

/// One node's word on a batch.
pub enum BatchMessage {
    /// Its checks.
    Ready(wire::Ready),
    /// Its changes stand prepared.
    Vote(Vec<bool>),
    /// The leader's decision.
    Decision(Vec<bool>),
    /// Its signed ends.
    Outcomes(Vec<wire::Ending>),
    /// Whom it would search.
    Roll(wire::Roll),
    /// Who of those that match stands there, for each search.
    Eligible(Vec<wire::Positions>),
    /// It has left the batch: nothing more will come.
    Left,
    /// Its link broke: nothing more will come.
    Gone,
}

macro_rules! picks {
    ($($(#[$doc:meta])* $name:ident $variant:ident $content:ty,)*) => {
        impl BatchMessage {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// The note itself, if it is another.
            pub fn $name(self) -> Result<$content, Self> {
                if let Self::$variant(content) = self { Ok(content) } else { Err(self) }
            }
        )*}
    };
}

picks! {
    /// The checks, if it is those.
    ready Ready wire::Ready,
    /// The vote, if it is one.
    vote Vote Vec<bool>,
    /// The decision, if it is one.
    decision Decision Vec<bool>,
    /// The signed ends, if it is those.
    outcomes Outcomes Vec<wire::Ending>,
    /// Whom it would search, if it is that.
    roll Roll wire::Roll,
    /// Who is eligible, if it is that.
    eligible Eligible Vec<wire::Positions>,
}

enum Slot {
    Early(Vec<(Party, BatchMessage)>),
    Open(Open),
}

/// A batch that is under way here.
struct Open {
    notes: mpsc::Sender<(Party, BatchMessage)>,
    /// Who has left it.
    left: Vec<Party>,
    /// The run of the protocol that it makes.
    run: Option<(Links, SessionId)>,
}

impl Open {
    fn post(&mut self, from: Party, note: BatchMessage) -> Result<(), LinkError> {
        if matches!(note, BatchMessage::Left) {
            self.left.push(from);
            if let Some((links, run)) = &self.run {
                links.to(from).end(*run);
            }
        }
        self.notes.try_send((from, note)).or_else(|full| match full {
            // The batch ended a moment ago: its notes are of no use to anyone.
            mpsc::error::TrySendError::Closed(_) => Ok(()),
            mpsc::error::TrySendError::Full(_) => Err(LinkError::OutOfPlace),
        })
    }
}

#[derive(Default)]
struct Slots {
    by_batch: HashMap<BatchId, Slot>,
    early: VecDeque<BatchId>,
}

/// Where notes wait for the batch that they belong to.
#[derive(Default)]
pub(super) struct BatchInbox(Mutex<Slots>);

impl BatchInbox {
    pub(super) fn open(room: &Arc<Self>, batch: BatchId) -> Mailbox {
        let (sender, notes) = mpsc::channel(NOTES);
        let mut open = Open { notes: sender, left: Vec::new(), run: None };
        let mut slots = room.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Slot::Early(early)) = slots.by_batch.remove(&batch) {
            for (from, note) in early {
                // There is room: fewer than NOTES were kept.
                let _ = open.post(from, note);
            }
        }
        slots.by_batch.insert(batch, Slot::Open(open));
        drop(slots);
        Mailbox { room: Arc::clone(room), batch, notes, held: Vec::new() }
    }

    pub(super) fn post(&self, from: Party, batch: &[u8], note: BatchMessage) -> Result<(), LinkError> {
        let batch = BatchId::try_from(batch).map_err(|_| LinkError::OutOfPlace)?;
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match slots.by_batch.get_mut(&batch) {
            Some(Slot::Open(open)) => open.post(from, note)?,
            Some(Slot::Early(early)) if early.len() < NOTES => early.push((from, note)),
            Some(Slot::Early(_)) => return Err(LinkError::OutOfPlace),
            None => {
                slots.by_batch.insert(batch, Slot::Early(vec![(from, note)]));
                slots.early.push_back(batch);
                if slots.early.len() > EARLY
                    && let Some(oldest) = slots.early.pop_front()
                    && matches!(slots.by_batch.get(&oldest), Some(Slot::Early(_)))
                {
                    slots.by_batch.remove(&oldest);
                }
            }
        }
        Ok(())
    }

    /// Tells every open batch that a party will say nothing more.
    pub(super) fn gone(&self, party: Party) {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.by_batch.values() {
            if let Slot::Open(open) = slot {
                // A full box belongs to a batch that will run out of time by itself.
                let _ = open.notes.try_send((party, BatchMessage::Gone));
            }
        }
    }
}

/// The notes of one batch. Closed when dropped.
pub struct Mailbox {
    room: Arc<BatchInbox>,
    batch: BatchId,
    notes: mpsc::Receiver<(Party, BatchMessage)>,
    held: Vec<(Party, BatchMessage)>,
}

impl Mailbox {
    /// What this node has found out about a party by itself.
    pub(super) fn know(&mut self, of: Party, note: BatchMessage) {
        self.held.push((of, note));
    }

    /// Ends a run, from now on, as soon as one of the two others has left this batch: it would be waited for in vain.
    pub fn tie(&self, links: &Links, run: SessionId) {
        let mut slots = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Slot::Open(open)) = slots.by_batch.get_mut(&self.batch) {
            open.left.iter().for_each(|&party| links.to(party).end(run));
            open.run = Some((links.clone(), run));
        }
    }

    /// Whether a party's link broke, as far as notes were read.
    fn is_gone(&self, party: Party) -> bool {
        self.held.iter().any(|(from, note)| *from == party && matches!(note, BatchMessage::Gone))
    }

    /// The next note of one kind from one party; others are kept for later. `with` is the party without which the note is of no use:
    /// the wait ends with its link as well. One that is there is given all the same.
    ///
    /// # Errors
    /// [`PeerUnavailable`] if a link broke, or `from` left the batch, or it said nothing within `patience`.
    pub async fn take<T>(
        &mut self,
        (from, with): (Party, Option<Party>),
        patience: Duration,
        pick: impl Fn(BatchMessage) -> Result<T, BatchMessage>,
    ) -> Result<T, PeerUnavailable> {
        let mut looked_at = 0;
        let patience = tokio::time::sleep(patience);
        tokio::pin!(patience);
        loop {
            while let Ok(note) = self.notes.try_recv() {
                self.held.push(note);
            }
            while looked_at < self.held.len() {
                if self.held[looked_at].0 != from {
                    looked_at += 1;
                    continue;
                }
                match pick(self.held.remove(looked_at).1) {
                    Ok(picked) => return Ok(picked),
                    Err(BatchMessage::Gone) => {
                        self.held.push((from, BatchMessage::Gone));
                        return Err(PeerUnavailable::Gone(from));
                    }
                    Err(BatchMessage::Left) => {
                        self.held.push((from, BatchMessage::Left));
                        return Err(PeerUnavailable::Left(from));
                    }
                    Err(other) => {
                        self.held.insert(looked_at, (from, other));
                        looked_at += 1;
                    }
                }
            }
            if let Some(party) = with.filter(|party| self.is_gone(*party)) {
                return Err(PeerUnavailable::Gone(party));
            }
            tokio::select! {
                note = self.notes.recv() => self.held.push(note.ok_or(PeerUnavailable::Gone(from))?),
                () = &mut patience => return Err(PeerUnavailable::Silent(from)),
            }
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.room.0.lock().unwrap_or_else(PoisonError::into_inner).by_batch.remove(&self.batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: BatchId = [7; 16];
    const LONG: Duration = Duration::from_hours(1);

    fn vote(yes: bool) -> BatchMessage {
        BatchMessage::Vote(vec![yes])
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_when_anybody_it_needs_is_gone_and_what_is_there_is_given_all_the_same() {
        let begin = tokio::time::Instant::now();
        let room = Arc::<BatchInbox>::default();
        let mut mail = BatchInbox::open(&room, BATCH);
        room.post(Party::C, &BATCH, vote(true)).unwrap();
        room.gone(Party::C);
        let waited = mail.take((Party::B, Some(Party::C)), LONG, BatchMessage::vote).await;
        assert_eq!(waited, Err(PeerUnavailable::Gone(Party::C)));
        room.post(Party::B, &BATCH, vote(false)).unwrap();
        assert_eq!(mail.take((Party::B, Some(Party::C)), LONG, BatchMessage::vote).await, Ok(vec![false]));
        assert_eq!(mail.take((Party::C, Some(Party::B)), LONG, BatchMessage::vote).await, Ok(vec![true]));
        assert_eq!(begin.elapsed(), Duration::ZERO);
        // One who is not needed may go.
        let waited = mail.take((Party::B, None), LONG, BatchMessage::decision).await;
        assert_eq!((waited, begin.elapsed()), (Err(PeerUnavailable::Silent(Party::B)), LONG));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_left_is_not_waited_for_and_what_it_said_before_counts() {
        let room = Arc::<BatchInbox>::default();
        // Before there is a box.
        room.post(Party::B, &BATCH, vote(true)).unwrap();
        room.post(Party::B, &BATCH, BatchMessage::Left).unwrap();
        let mut mail = BatchInbox::open(&room, BATCH);
        let begin = tokio::time::Instant::now();
        assert_eq!(mail.take((Party::B, Some(Party::C)), LONG, BatchMessage::vote).await, Ok(vec![true]));
        for _ in 0..2 {
            assert_eq!(
                mail.take((Party::B, None), LONG, BatchMessage::decision).await,
                Err(PeerUnavailable::Left(Party::B))
            );
        }
        // The third has its own word to say all the same: why it refuses, for one.
        room.post(Party::C, &BATCH, vote(false)).unwrap();
        assert_eq!(mail.take((Party::C, Some(Party::B)), LONG, BatchMessage::vote).await, Ok(vec![false]));
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
