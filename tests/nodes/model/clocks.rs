//! The time of a run: one for everybody, which only the run moves, and how far each node's clock is from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tumar::clocks::Clock;
use tumar::party::Party;

use crate::support::cluster;

/// Seconds that have passed beside those of the machine's clock.
static PASSED: AtomicU64 = AtomicU64::new(0);

/// By how many seconds the clocks of A, B and C are wrong.
static WRONG: [AtomicI64; 3] = [const { AtomicI64::new(0) }; 3];

/// A new run begins with the machine's clock.
pub(crate) fn reset() {
    PASSED.store(0, Ordering::SeqCst);
    for party in Party::ALL {
        set_wrong(party, 0);
    }
}

/// Lets so many seconds pass, for everybody. Nodes that run would take it for a jump of their clocks.
pub(crate) fn pass(seconds: u64) {
    PASSED.fetch_add(seconds, Ordering::SeqCst);
}

pub(crate) fn set_wrong(party: Party, by: i64) {
    WRONG[party.index()].store(by, Ordering::SeqCst);
}

/// Unix seconds, as banks have them.
pub(crate) fn now() -> u64 {
    cluster::now() + PASSED.load(Ordering::SeqCst)
}

/// A node's clock.
pub(crate) fn of(party: Party) -> Clock {
    Arc::new(move || now().saturating_add_signed(WRONG[party.index()].load(Ordering::SeqCst)))
}
