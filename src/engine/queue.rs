//! Who waits at the leader for a batch: each relying party in a line of its own, with places and room of its own, and the lines take
//! turns. One that asks for more than it is given waits behind itself, and nobody else does.
//!
//! A batch begins with the first request of the line whose turn it is, which says what kind the batch is of; then each line gives one
//! request of that kind after the other, round after round. So whoever is first in a line waits for as many batches at most as there
//! are lines, whatever stands in them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::name::RelyingParty;

/// KiB of requests that may wait beyond what each relying party has for itself: 64 MiB, for whoever comes first.
const COMMON: usize = 64 * 1024;

/// KiB that each relying party has for itself: 4 MiB, several of the largest requests, whatever others wait with.
const OWN: usize = 4 * 1024;

/// Memory for what waits.
pub(super) struct Room {
    common: Arc<Semaphore>,
    own: Mutex<HashMap<RelyingParty, Arc<Semaphore>>>,
}

impl Room {
    /// All of it.
    pub(super) fn new() -> Self {
        Self { common: Arc::new(Semaphore::new(COMMON)), own: Mutex::default() }
    }

    /// Some KiB, of the relying party's own or, where that is taken, of the common ones; given back when dropped.
    pub(super) fn take(&self, of: &RelyingParty, kib: u32) -> Option<OwnedSemaphorePermit> {
        let own = {
            let mut all = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(of.clone()).or_insert_with(|| Arc::new(Semaphore::new(OWN))))
        };
        own.try_acquire_many_owned(kib).or_else(|_| Arc::clone(&self.common).try_acquire_many_owned(kib)).ok()
    }
}

/// What can wait.
pub(super) trait Waits {
    /// Whether nobody waits for its answer any more: it is not worked for.
    fn is_gone(&self) -> bool;
}

/// Lines of what waits.
pub(super) struct Queue<T> {
    lines: Mutex<Lines<T>>,
    came: Notify,
    /// Places of each line.
    places: usize,
}

struct Lines<T> {
    of: HashMap<RelyingParty, VecDeque<T>>,
    /// Whose turn it is, then who is next. Those who ever asked: as many as issuers speak for.
    turns: VecDeque<RelyingParty>,
}

impl<T: Waits> Queue<T> {
    /// With so many places for each relying party.
    pub(super) fn new(places: usize) -> Self {
        Self { lines: Mutex::new(Lines { of: HashMap::new(), turns: VecDeque::new() }), came: Notify::new(), places }
    }

    fn lines(&self) -> MutexGuard<'_, Lines<T>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts one at the end of a line. False if the line is full.
    #[must_use]
    pub(super) fn push(&self, of: &RelyingParty, item: T) -> bool {
        let mut lines = self.lines();
        if !lines.of.contains_key(of) {
            lines.turns.push_back(of.clone());
        }
        let line = lines.of.entry(of.clone()).or_default();
        if line.len() >= self.places {
            line.retain(|item| !item.is_gone());
        }
        let has_place = line.len() < self.places;
        if has_place {
            line.push_back(item);
        }
        drop(lines);
        if has_place {
            self.came.notify_one();
        }
        has_place
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lines().of.values().all(VecDeque::is_empty)
    }

    /// Returns when something has come since the last time that this returned. For one who waits.
    pub(super) async fn came(&self) {
        self.came.notified().await;
    }

    /// Returns when something waits.
    pub(super) async fn some(&self) {
        while self.is_empty() {
            self.came().await;
        }
    }

    /// The next batch, of `most` at most: `fits` says of each that it is shown, in the order of its line, whether it goes with those
    /// that were taken before. Nobody's line is looked into further than twice a batch.
    pub(super) fn batch(&self, most: usize, mut fits: impl FnMut(&[T], &T) -> bool) -> Vec<T> {
        let mut lines = self.lines();
        let Lines { of, turns } = &mut *lines;
        for line in of.values_mut() {
            line.retain(|item| !item.is_gone());
        }
        // How far each line was looked into.
        let mut looked = vec![0; turns.len()];
        let (mut batch, mut first) = (Vec::new(), None);
        loop {
            let before = batch.len();
            for (turn, looked) in looked.iter_mut().enumerate() {
                let Some(line) = of.get_mut(&turns[turn]) else { continue };
                while batch.len() < most && *looked < line.len().min(2 * most) {
                    if fits(&batch, &line[*looked]) {
                        batch.extend(line.remove(*looked));
                        first.get_or_insert(turn);
                        break;
                    }
                    *looked += 1;
                }
            }
            if batch.len() == before {
                break;
            }
        }
        // Whose request began the batch is last from now on; who had nothing that could run keeps the turn.
        if let Some(party) = first.and_then(|turn| turns.remove(turn)) {
            turns.push_back(party);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whose, of what kind, and whether it is waited for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Item {
        bank: u8,
        kind: char,
        gone: bool,
    }

    impl Waits for Item {
        fn is_gone(&self) -> bool {
            self.gone
        }
    }

    fn bank(number: u8) -> RelyingParty {
        format!("banks/b{number}").parse().unwrap()
    }

    fn push(queue: &Queue<Item>, number: u8, kind: char, times: usize) -> usize {
        let item = Item { bank: number, kind, gone: false };
        (0..times).filter(|_| queue.push(&bank(number), item)).count()
    }

    /// A batch of up to eight of one kind: how many of each bank.
    fn batch(queue: &Queue<Item>) -> (char, [usize; 4]) {
        let batch = queue.batch(8, |batch, item| batch.first().is_none_or(|first| first.kind == item.kind));
        let mut of = [0; 4];
        for item in &batch {
            of[usize::from(item.bank)] += 1;
        }
        (batch.first().map_or('-', |first| first.kind), of)
    }

    #[test]
    fn a_full_line_is_full_for_itself_alone_and_who_is_gone_makes_room() {
        let queue = Queue::new(10);
        assert!(queue.is_empty());
        assert_eq!((push(&queue, 1, 'v', 15), push(&queue, 2, 'v', 15)), (10, 10));
        queue.lines().of.get_mut(&bank(1)).unwrap()[3].gone = true;
        assert_eq!((push(&queue, 1, 'v', 2), push(&queue, 2, 'v', 2)), (1, 0));
        assert!(!queue.is_empty());
    }

    #[test]
    fn all_lines_give_alike_and_what_one_leaves_the_others_have() {
        let queue = Queue::new(1000);
        push(&queue, 1, 'v', 1000);
        push(&queue, 2, 'v', 1);
        assert_eq!(batch(&queue), ('v', [0, 7, 1, 0]));
        push(&queue, 2, 'v', 20);
        push(&queue, 3, 'v', 1);
        assert_eq!(batch(&queue), ('v', [0, 3, 4, 1]));
        assert_eq!(batch(&queue), ('v', [0, 4, 4, 0]));
    }

    #[test]
    fn whatever_kind_others_fill_batches_with_each_line_begins_one_in_its_turn() {
        let queue = Queue::new(1000);
        for number in [0, 1, 2] {
            push(&queue, number, 'e', 300);
        }
        push(&queue, 3, 'v', 2);
        let kinds: Vec<_> = (0..8).map(|_| batch(&queue).0).collect();
        // Its two were of one kind, and went in one batch: the fourth, since there are four lines.
        assert_eq!(kinds, ['e', 'e', 'e', 'v', 'e', 'e', 'e', 'e']);
        push(&queue, 3, 'v', 1);
        let waits = (1..100).find(|_| batch(&queue).0 == 'v');
        assert!(waits.is_some_and(|batches| batches <= 4), "{waits:?}");
    }

    #[test]
    fn a_line_in_which_nothing_can_run_keeps_its_turn_and_holds_nobody_up() {
        let queue = Queue::new(1000);
        push(&queue, 1, 'x', 900);
        push(&queue, 2, 'v', 9);
        let mut shown = 0;
        let of_others = queue.batch(8, |_, item| {
            shown += usize::from(item.kind == 'x');
            item.kind != 'x'
        });
        assert_eq!((of_others.len(), shown), (8, 16), "it is looked into as far as two batches");
        assert_eq!(queue.lines().turns, [bank(1), bank(2)]);
        assert_eq!(batch(&queue), ('x', [0, 8, 0, 0]));
    }

    #[test]
    fn room_of_ones_own_is_there_when_all_that_is_common_is_taken() {
        let room = Room::new();
        let large = 600;
        let mut held: Vec<_> = std::iter::from_fn(|| room.take(&bank(1), large)).collect();
        assert_eq!(held.len(), OWN / large as usize + COMMON / large as usize);
        let other: Vec<_> = std::iter::from_fn(|| room.take(&bank(2), large)).collect();
        assert_eq!(other.len(), OWN / large as usize);
        held.pop();
        assert!(room.take(&bank(1), large).is_some());
    }

    #[tokio::test]
    async fn who_waits_for_something_hears_of_it() {
        let queue = Arc::new(Queue::new(1));
        let waits = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.some().await }
        });
        push(&queue, 1, 'v', 1);
        waits.await.unwrap();
    }
}
