//! Changes of one subject take their turns, over all batches: who is erased, enrolled anew and locked is so in that order, at all
//! three nodes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::name::{GalleryName, Subject};

/// Whom a change is about.
pub(super) type Whom = (GalleryName, Subject);

/// Who is being changed.
#[derive(Default)]
pub(super) struct Turns {
    taken: Mutex<HashSet<Whom>>,
    freed: Notify,
}

/// The turn of a batch's subjects. Over when dropped.
pub(super) struct Turn {
    turns: Arc<Turns>,
    subjects: Vec<Whom>,
}

impl Turns {
    /// Whether no change of this subject is under way.
    pub(super) fn is_free(&self, whom: &Whom) -> bool {
        !self.taken.lock().unwrap_or_else(PoisonError::into_inner).contains(whom)
    }

    /// Takes the turn of all of these, who must be free.
    pub(super) fn take(turns: &Arc<Self>, subjects: Vec<Whom>) -> Turn {
        turns.taken.lock().unwrap_or_else(PoisonError::into_inner).extend(subjects.iter().cloned());
        Turn { turns: Arc::clone(turns), subjects }
    }

    /// Returns when a turn has ended since the last time that this returned. For one who waits.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.turns.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for whom in &self.subjects {
            taken.remove(whom);
        }
        drop(taken);
        self.turns.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whom(subject: &str) -> Whom {
        ("banks/b17/customers".parse().unwrap(), subject.parse().unwrap())
    }

    #[tokio::test]
    async fn a_turn_is_over_when_it_is_dropped_and_whoever_waits_hears_of_it() {
        let turns = Arc::<Turns>::default();
        let turn = Turns::take(&turns, vec![whom("ada"), whom("bob")]);
        assert_eq!(["ada", "bob", "eve"].map(|name| turns.is_free(&whom(name))), [false, false, true]);
        let waits = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.freed().await }
        });
        drop(turn);
        waits.await.unwrap();
        assert!(turns.is_free(&whom("ada")) && turns.is_free(&whom("bob")));
        // An end that nobody waited for is not missed by the next who does.
        drop(Turns::take(&turns, vec![whom("ada")]));
        turns.freed().await;
    }
}
