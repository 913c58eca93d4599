//! Notes of batches: what the nodes tell each other about a batch beside the protocol's own messages.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::LinkError;
use crate::log::trouble::Trouble;
use crate::party::Party;
use crate::wire::peer::v1 as wire;

/// Names a batch: 16 bytes that the leader drew.
pub type BatchId = [u8; 16];

/// Notes may come before the proposal that they belong to, since they come from another node; so many wait.
const EARLY: usize = 1024;

/// Notes that one batch can have waiting: each peer sends each kind at most once.
const NOTES: usize = 16;

/// A note that will not come. Retry in a new batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWord {
    /// The link to the party is down.
    #[error("the link to party {0} is down")]
    Gone(Party),
    /// The party is being stopped, and begins nothing more.
    #[error("party {0} is being stopped")]
    Leaving(Party),
    /// The party broke too many runs: nothing is done with it until this node is started again.
    #[error("party {0} broke too many runs")]
    Distrusted(Party),
    /// The party, which may be this node, can not write its log: nothing is begun with it until it can.
    #[error("party {0} can not write its log: {1}")]
    Unfit(Party, Trouble),
    /// The party said nothing in time.
    #[error("party {0} said nothing in time")]
    Silent(Party),
}

/// One node's word on a batch.
pub enum Note {
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
    /// Its link broke: nothing more will come.
    Gone,
}

macro_rules! picks {
    ($($(#[$doc:meta])* $name:ident $variant:ident $content:ty,)*) => {
        impl Note {$(
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
    Early(Vec<(Party, Note)>),
    Open(mpsc::Sender<(Party, Note)>),
}

#[derive(Default)]
struct Slots {
    by_batch: HashMap<BatchId, Slot>,
    early: VecDeque<BatchId>,
}

/// Where notes wait for the batch that they belong to.
#[derive(Default)]
pub(super) struct Mailroom(Mutex<Slots>);

impl Mailroom {
    pub(super) fn open(room: &Arc<Self>, batch: BatchId) -> Mailbox {
        let (sender, notes) = mpsc::channel(NOTES);
        let mut slots = room.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Slot::Early(early)) = slots.by_batch.insert(batch, Slot::Open(sender.clone())) {
            for note in early {
                // There is room: fewer than NOTES were kept.
                let _ = sender.try_send(note);
            }
        }
        Mailbox { room: Arc::clone(room), batch, notes, held: Vec::new() }
    }

    pub(super) fn post(&self, from: Party, batch: &[u8], note: Note) -> Result<(), LinkError> {
        let batch = BatchId::try_from(batch).map_err(|_| LinkError::OutOfPlace)?;
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match slots.by_batch.get_mut(&batch) {
            Some(Slot::Open(sender)) => {
                sender.try_send((from, note)).or_else(|full| match full {
                    // The batch ended a moment ago: its notes are of no use to anyone.
                    mpsc::error::TrySendError::Closed(_) => Ok(()),
                    mpsc::error::TrySendError::Full(_) => Err(LinkError::OutOfPlace),
                })?;
            }
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
            if let Slot::Open(sender) = slot {
                // A full box belongs to a batch that will run out of time by itself.
                let _ = sender.try_send((party, Note::Gone));
            }
        }
    }
}

/// The notes of one batch. Closed when dropped.
pub struct Mailbox {
    room: Arc<Mailroom>,
    batch: BatchId,
    notes: mpsc::Receiver<(Party, Note)>,
    held: Vec<(Party, Note)>,
}

impl Mailbox {
    /// The next note of one kind from one party; others are kept for later.
    ///
    /// # Errors
    /// [`NoWord`] if its link broke, or it said nothing within `patience`.
    pub async fn take<T>(
        &mut self,
        from: Party,
        patience: Duration,
        pick: impl Fn(Note) -> Result<T, Note>,
    ) -> Result<T, NoWord> {
        let mut looked_at = 0;
        let patience = tokio::time::sleep(patience);
        tokio::pin!(patience);
        loop {
            while looked_at < self.held.len() {
                if self.held[looked_at].0 != from {
                    looked_at += 1;
                    continue;
                }
                match pick(self.held.remove(looked_at).1) {
                    Ok(picked) => return Ok(picked),
                    Err(Note::Gone) => {
                        self.held.push((from, Note::Gone));
                        return Err(NoWord::Gone(from));
                    }
                    Err(other) => {
                        self.held.insert(looked_at, (from, other));
                        looked_at += 1;
                    }
                }
            }
            tokio::select! {
                note = self.notes.recv() => self.held.push(note.ok_or(NoWord::Gone(from))?),
                () = &mut patience => return Err(NoWord::Silent(from)),
            }
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.room.0.lock().unwrap_or_else(PoisonError::into_inner).by_batch.remove(&self.batch);
    }
}
