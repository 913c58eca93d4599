//! How many refusals of one token are written down: beyond it they are counted, and the log is told how many.

use std::collections::HashMap;

use crate::token::purpose::{Spends, Use};

/// Refusals of one token in one minute that have an entry of their own.
const OWN_ENTRIES: u32 = 10;

/// Refusals in the minute that is under way, in memory. What a crash loses is a count of refusals, and of nothing that was done.
#[derive(Default)]
pub(super) struct Denials {
    minute: u64,
    of: HashMap<[u8; 32], Denied>,
    over: Vec<Owed>,
}

/// Those of one token.
#[derive(Default)]
struct Denied {
    written: u32,
    more: Option<Owed>,
}

/// What the log is to be told.
pub(super) struct Owed {
    /// The first that has no entry: the count's entry is about it, so that its token can be found.
    pub(super) record: Use,
    pub(super) transcript: [u8; 32],
    /// How many have none.
    pub(super) count: u32,
}

impl Denials {
    /// Whether one more has an entry of its own; if not, it is counted.
    pub(super) fn has_entry(&mut self, record: &Use, spends: &Spends, now: u64) -> bool {
        self.turn(now);
        let denied = self.of.entry(spends.token).or_default();
        if denied.written < OWN_ENTRIES {
            denied.written += 1;
            return true;
        }
        let owed = || Owed { record: record.clone(), transcript: spends.transcript, count: 0 };
        let more = denied.more.get_or_insert_with(owed);
        more.count = more.count.saturating_add(1);
        false
    }

    /// A minute that is over is owed for.
    fn turn(&mut self, now: u64) {
        let minute = now / 60;
        // Requests of two minutes come in one commit, in any order; a clock that is set back begins anew.
        if minute > self.minute || minute.saturating_add(1) < self.minute {
            self.minute = minute;
            self.over.extend(self.of.drain().filter_map(|(_, denied)| denied.more));
        }
    }

    /// Whether there is anything to tell at this moment.
    pub(super) fn owes(&mut self, now: u64) -> bool {
        self.turn(now);
        !self.over.is_empty()
    }

    /// All that is to be told, now that nothing more comes.
    pub(super) fn owes_at_the_end(&mut self) -> bool {
        self.over.extend(self.of.drain().filter_map(|(_, denied)| denied.more));
        !self.over.is_empty()
    }

    /// What is to be told, once.
    pub(super) fn take(&mut self) -> Vec<Owed> {
        std::mem::take(&mut self.over)
    }
}
