//! Bytes that are held for callers before anything else bounds them: so many in all, and so many for one relying party.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::name::RelyingParty;

/// How much may be held at a time.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    /// For one relying party.
    share: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    of: HashMap<RelyingParty, usize>,
}

impl Budget {
    pub(super) fn new(most: usize, share: usize) -> Arc<Self> {
        Arc::new(Self { most, share, held: Mutex::default() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So much, for a relying party where one is known; none if that would be too much.
    pub(super) fn take(self: &Arc<Self>, whose: Option<&RelyingParty>, amount: usize) -> Option<Taken> {
        let mut held = self.held();
        let own = whose.map_or(0, |whose| held.of.get(whose).copied().unwrap_or_default());
        if amount > self.most - held.all || (whose.is_some() && own + amount > self.share) {
            return None;
        }
        held.all += amount;
        if let Some(whose) = whose {
            held.of.insert(whose.clone(), own + amount);
        }
        drop(held);
        Some(Taken { budget: Arc::clone(self), whose: whose.cloned(), amount })
    }
}

/// Given back when dropped.
#[derive(Debug)]
pub(super) struct Taken {
    budget: Arc<Budget>,
    whose: Option<RelyingParty>,
    amount: usize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut held = self.budget.held();
        held.all -= self.amount;
        if let Some(whose) = &self.whose
            && let Some(own) = held.of.get_mut(whose)
        {
            *own -= self.amount;
            if *own == 0 {
                held.of.remove(whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_relying_party_can_not_take_what_is_there_for_the_others() {
        let (budget, one, other) = (Budget::new(10, 6), "banks/b1".parse().unwrap(), "banks/b2".parse().unwrap());
        let held = budget.take(Some(&one), 4).unwrap();
        assert!(budget.take(Some(&one), 3).is_none());
        let rest = budget.take(Some(&other), 6).unwrap();
        assert!(budget.take(Some(&one), 1).is_none() && budget.take(None, 1).is_none(), "all is taken");
        drop(held);
        assert!(budget.take(Some(&one), 4).is_some());
        drop(rest);
        assert!(budget.take(None, 10).is_some());
        assert!(budget.held().of.is_empty(), "who holds nothing is forgotten");
    }
}
