//! How often a person may be tried: what counts, what waits, and what locks.
//!
//! ```text
//! reserve --> a comparison is under way (in memory) --> settle: a real non-match counts (durable), a match begins anew
//! ```
//!
//! After NIST SP 800-63B-4, 3.2.3: some free attempts, then a delay that doubles with each further non-match, and a number in all
//! after which only another factor helps. What is under way never locks anybody: a request beyond what may still fail is told to come
//! again. Where nothing of the probe was opened, nobody learned anything, and nothing counts.

use std::collections::HashMap;

use super::ledger::{RecordId, SubjectState};
use super::outcome::{Completion, NotAdmitted};
use crate::token::Attempts;

/// Milliseconds after which a comparison that is under way has probably ended.
const SOON_MS: u64 = 1000;

/// Comparisons under way, of each person that has any. In memory: what a restart cuts off has opened nothing here, and the two other
/// nodes count for themselves.
#[derive(Clone, Default)]
pub(super) struct UnderWay(HashMap<RecordId, u32>);

impl UnderWay {
    /// Takes one more comparison in, if all that are under way may fail without more failing than may.
    pub(super) fn reserve(&mut self, known: &SubjectState, allowed: &Attempts, now: u64) -> Result<(), NotAdmitted> {
        if known.locked_until == SubjectState::LOCKED || known.attempts >= allowed.cap {
            return Err(NotAdmitted::SubjectLocked);
        }
        let wait = known.locked_until.saturating_sub(now);
        if wait > 0 {
            return Err(NotAdmitted::AttemptsDelayed { retry_after_ms: wait.saturating_mul(1000) });
        }
        // Beyond the free ones, one at a time: each of them that fails makes the next one wait.
        let most = allowed.free.max(known.attempts.saturating_add(1)).min(allowed.cap);
        let under_way = self.0.get(&known.record).copied().unwrap_or(0);
        if known.attempts.saturating_add(under_way) >= most {
            return Err(NotAdmitted::AttemptsInFlight { retry_after_ms: SOON_MS });
        }
        self.0.insert(known.record, under_way + 1);
        Ok(())
    }

    /// One of them has ended, however it did.
    pub(super) fn release(&mut self, record: RecordId) {
        if let Some(under_way) = self.0.get_mut(&record) {
            *under_way -= 1;
            if *under_way == 0 {
                self.0.remove(&record);
            }
        }
    }
}

/// Non-matches in a row and the end of a lock after a comparison; nothing if both stay as they are. A lock until somebody ends it
/// holds, whatever matches.
pub(super) fn settle(known: &SubjectState, allowed: &Attempts, closing: &Completion, now: u64) -> Option<(u32, u64)> {
    let is_locked = known.locked_until == SubjectState::LOCKED;
    match closing {
        Completion::Matched => Some((0, if is_locked { SubjectState::LOCKED } else { 0 })),
        Completion::NotMatched | Completion::Broken(_) => {
            let misses = known.attempts.saturating_add(1);
            let until = if misses >= allowed.cap {
                SubjectState::LOCKED
            } else {
                match allowed.delay(misses) {
                    0 => 0,
                    // A delay ends.
                    delay => now.saturating_add(delay).min(SubjectState::LOCKED - 1),
                }
            };
            Some((misses, until.max(known.locked_until)))
        }
        Completion::Completed | Completion::Failed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::ledger::Position;
    use crate::reason::Reason;

    const ALLOWED: Attempts = Attempts { free: 3, delay_seconds: 30, max_delay_seconds: 100, cap: 8 };
    const NOW: u64 = 1_800_000_000;

    fn known(attempts: u32, locked_until: u64) -> SubjectState {
        SubjectState {
            record: RecordId(1),
            position: Position(0),
            live: true,
            expires: u64::MAX,
            attempts,
            locked_until,
        }
    }

    #[test]
    fn each_non_match_after_the_free_ones_doubles_the_delay_up_to_its_bound_and_the_cap_locks() {
        let (mut standing, mut now) = (known(0, 0), NOW);
        for (misses, delay) in [(1, 0), (2, 0), (3, 30), (4, 60), (5, 100), (6, 100), (7, 100)] {
            let (attempts, until) = settle(&standing, &ALLOWED, &Completion::NotMatched, now).unwrap();
            assert_eq!((attempts, until), (misses, if delay == 0 { 0 } else { now + delay }));
            standing = known(attempts, until);
            now += delay;
            UnderWay::default().reserve(&standing, &ALLOWED, now).unwrap();
            if delay > 0 {
                let early = UnderWay::default().reserve(&standing, &ALLOWED, now - 1);
                assert_eq!(early, Err(NotAdmitted::AttemptsDelayed { retry_after_ms: 1000 }));
            }
        }
        let (attempts, until) = settle(&standing, &ALLOWED, &Completion::NotMatched, now).unwrap();
        assert_eq!((attempts, until), (8, SubjectState::LOCKED));
        let locked = UnderWay::default().reserve(&known(attempts, until), &ALLOWED, u64::MAX);
        assert_eq!(locked, Err(NotAdmitted::SubjectLocked));
        // A policy that is stricter since then holds as well.
        assert_eq!(UnderWay::default().reserve(&known(8, 0), &ALLOWED, NOW), Err(NotAdmitted::SubjectLocked));
    }

    #[test]
    fn what_is_under_way_makes_others_wait_and_counts_for_nothing() {
        let (mut under_way, mut in_a_row) = (UnderWay::default(), known(1, 0));
        let in_flight = || Err(NotAdmitted::AttemptsInFlight { retry_after_ms: SOON_MS });
        let answers: Vec<_> = (0..4).map(|_| under_way.reserve(&in_a_row, &ALLOWED, NOW)).collect();
        assert_eq!(answers, [Ok(()), Ok(()), in_flight(), in_flight()]);
        assert_eq!(settle(&in_a_row, &ALLOWED, &Completion::Failed(Reason::PeerLost), NOW), None);
        under_way.release(RecordId(1));
        assert_eq!(under_way.reserve(&in_a_row, &ALLOWED, NOW), Ok(()));
        // After the free ones, one at a time.
        (in_a_row.attempts, under_way) = (5, UnderWay::default());
        assert_eq!(under_way.reserve(&in_a_row, &ALLOWED, NOW), Ok(()));
        assert_eq!(under_way.reserve(&in_a_row, &ALLOWED, NOW), in_flight());
        under_way.release(RecordId(1));
        assert!(under_way.0.is_empty(), "nobody is remembered for nothing");
    }

    #[test]
    fn a_match_begins_anew_and_ends_a_delay_but_no_lock() {
        let after = |standing: &SubjectState, closing: &Completion| settle(standing, &ALLOWED, closing, NOW);
        assert_eq!(after(&known(5, NOW + 60), &Completion::Matched), Some((0, 0)));
        assert_eq!(after(&known(5, SubjectState::LOCKED), &Completion::Matched), Some((0, SubjectState::LOCKED)));
        assert_eq!(after(&known(5, SubjectState::LOCKED), &Completion::NotMatched), Some((6, SubjectState::LOCKED)));
        // Broken when something of the probe had been opened: as a non-match.
        let broken = Completion::Broken(Reason::PeerLost);
        assert_eq!(after(&known(2, 0), &broken), Some((3, NOW + 30)));
    }
}
