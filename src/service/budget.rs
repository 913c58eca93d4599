//! What is held for callers before anything else bounds it: so much in all, and so much for one relying party, or one address.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much may be held at a time.
#[derive(Debug)]
pub(super) struct Budget<K: Eq + Hash> {
    most: usize,
    /// For one.
    share: usize,
    held: Mutex<Held<K>>,
}

#[derive(Debug)]
struct Held<K> {
    all: usize,
    of: HashMap<K, usize>,
}

impl<K: Eq + Hash + Clone> Budget<K> {
    pub(super) fn new(most: usize, share: usize) -> Arc<Self> {
        Arc::new(Self { most, share, held: Mutex::new(Held { all: 0, of: HashMap::new() }) })
    }

    /// So much, for one of those who share; none if that would be too much.
    pub(super) fn take(self: &Arc<Self>, whose: &K, amount: usize) -> Option<Taken<K>> {
        let mut held = self.held();
        let own = held.of.get(whose).copied().unwrap_or_default();
        if amount > self.most - held.all || amount > self.share - own {
            return None;
        }
        held.all += amount;
        held.of.insert(whose.clone(), own + amount);
        drop(held);
        Some(Taken { budget: Arc::clone(self), whose: whose.clone(), amount })
    }
}

impl<K: Eq + Hash> Budget<K> {
    fn held(&self) -> MutexGuard<'_, Held<K>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Given back when dropped.
#[derive(Debug)]
pub(super) struct Taken<K: Eq + Hash> {
    budget: Arc<Budget<K>>,
    whose: K,
    amount: usize,
}

impl<K: Eq + Hash> Drop for Taken<K> {
    fn drop(&mut self) {
        let mut held = self.budget.held();
        held.all -= self.amount;
        if let Some(own) = held.of.get_mut(&self.whose) {
            *own -= self.amount;
            if *own == 0 {
                held.of.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_can_not_take_what_is_there_for_the_others() {
        let budget = Budget::new(10, 6);
        let held = budget.take(&"one", 4).unwrap();
        assert!(budget.take(&"one", 3).is_none());
        let rest = budget.take(&"other", 6).unwrap();
        assert!(budget.take(&"one", 1).is_none() && budget.take(&"third", 1).is_none(), "all is taken");
        drop(held);
        assert!(budget.take(&"one", 4).is_some());
        drop(rest);
        assert!(budget.take(&"third", 6).is_some());
        assert!(budget.held().of.is_empty(), "who holds nothing is forgotten");
    }
}
