//! Which peers broke runs, and which of them are not served with any more.
//!
//! An honest peer sends no wrong message, whatever the network does: TLS brings a message whole or not at all. So three of those are
//! enough, however far apart. A peer that goes away when bits are being opened may have been cut off; one that does so three times in
//! a row, with no run between them that came to its end, is not believed to be unlucky. What breaks at one time counts once: a link
//! that dies takes all its runs with it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::net::{Cause, Lost, Step};
use crate::party::Party;
use crate::protocol::ProtocolError;

/// Runs that a peer may break less one.
pub const MOST_BREAKS: u32 = 3;

/// Runs that a peer leaves within this time, it leaves at one time.
const AT_ONCE: Duration = Duration::from_secs(10);

/// What one peer did to runs, since this node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaks {
    /// Runs that ended since an error was found in its messages.
    pub wrong: u32,
    /// Times in a row that it left, or was cut off from, runs in which bits were being opened.
    pub left: u32,
    /// Both kinds, all together.
    pub all: u64,
}

impl Breaks {
    const fn is_too_many(self) -> bool {
        self.wrong >= MOST_BREAKS || self.left >= MOST_BREAKS
    }
}

/// What broken runs say of the two peers.
#[derive(Default)]
pub(super) struct Trust(Mutex<[Counted; 3]>);

#[derive(Clone, Copy, Default)]
struct Counted {
    breaks: Breaks,
    /// When it last left, as far as that was counted.
    left_at: Option<Instant>,
}

impl Trust {
    fn counted(&self) -> MutexGuard<'_, [Counted; 3]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a peer did.
    pub(super) fn of(&self, peer: Party) -> Breaks {
        self.counted()[peer.index()].breaks
    }

    /// Whether runs are made with a peer.
    pub(super) fn is_trusted(&self, peer: Party) -> bool {
        !self.of(peer).is_too_many()
    }

    /// A run came to its end.
    pub(super) fn ended(&self) {
        for counted in self.counted().iter_mut() {
            counted.breaks.left = 0;
            counted.left_at = None;
        }
    }

    /// A run of `own` and its peers broke at this time. The peers that are not trusted any more from now on.
    pub(super) fn broke(&self, own: Party, error: &ProtocolError, at: Instant) -> Vec<Party> {
        let mut all = self.counted();
        let mut lost = Vec::new();
        for (peer, kind) in blamed(own, error) {
            let Counted { breaks, left_at } = &mut all[peer.index()];
            let before = breaks.is_too_many();
            breaks.all += 1;
            match kind {
                Kind::Wrong => breaks.wrong += 1,
                Kind::Left if left_at.is_some_and(|before| at.duration_since(before) < AT_ONCE) => {}
                Kind::Left => {
                    breaks.left += 1;
                    *left_at = Some(at);
                }
            }
            if breaks.is_too_many() && !before {
                lost.push(peer);
            }
        }
        lost
    }
}

/// What a peer did to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Wrong,
    Left,
}

/// Who broke a run, as far as its error tells. Of two who say different things of one value one lies, and both are looked at.
fn blamed(own: Party, error: &ProtocolError) -> Vec<(Party, Kind)> {
    match *error {
        ProtocolError::Disagree(_) => vec![(own.next(), Kind::Wrong), (own.prev(), Kind::Wrong)],
        ProtocolError::Lost(
            Lost::Altered { peer, .. } | Lost::Order { peer, .. } | Lost::Step { peer, .. } | Lost::Length { peer, .. },
        ) => vec![(peer, Kind::Wrong)],
        ProtocolError::Lost(Lost::Silent { step, peer } | Lost::Closed { step, peer }) if opens(step) => {
            vec![(peer, Kind::Left)]
        }
        // A client that left ends its search at any step; all else that a peer says of itself may be so or not.
        ProtocolError::Lost(Lost::Aborted { step, peer, cause }) if opens(step) && cause != Cause::Cancelled => {
            vec![(peer, Kind::Left)]
        }
        ProtocolError::Lost(_) | ProtocolError::Shape(_) | ProtocolError::Randomness(_) => Vec::new(),
    }
}

/// Whether bits are opened in a step: who leaves then may have seen them.
const fn opens(step: Step) -> bool {
    matches!(step, Step::OpenLength | Step::OpenMatch | Step::Open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::ShapeError;

    const PEER: Party = Party::B;

    fn lost(lost: Lost) -> ProtocolError {
        ProtocolError::Lost(lost)
    }

    #[test]
    fn three_wrong_messages_are_enough_whatever_is_between_them() {
        let (step, peer) = (Step::Inject, PEER);
        let wrong = [
            lost(Lost::Altered { step, peer }),
            lost(Lost::Length { step, peer, expected: 2, found: 1 }),
            lost(Lost::Step { step, peer, found: Step::Open }),
            lost(Lost::Order { step, peer, expected: 0, found: 1 }),
        ];
        for error in &wrong {
            let trust = Trust::default();
            for broken in 1..=4 {
                let expected: &[Party] = if broken == 3 { &[PEER] } else { &[] };
                assert_eq!(trust.broke(Party::A, error, Instant::now()), expected, "{error}");
                assert_eq!(trust.is_trusted(PEER), broken < 3);
                trust.ended();
            }
            assert!(trust.is_trusted(Party::C));
        }
        let trust = Trust::default();
        let said = [(); 3].map(|()| trust.broke(Party::A, &ProtocolError::Disagree(Step::OpenMatch), Instant::now()));
        assert_eq!(said[2], [Party::B, Party::C], "which of them lies cannot be told");
    }

    #[test]
    fn leaving_at_an_opening_counts_three_times_in_a_row_alone() {
        for step in [Step::OpenLength, Step::OpenMatch, Step::Open] {
            for error in [
                lost(Lost::Closed { step, peer: PEER }),
                lost(Lost::Silent { step, peer: PEER }),
                lost(Lost::Aborted { step, peer: PEER, cause: Cause::Shape }),
            ] {
                let (trust, begin) = (Trust::default(), Instant::now());
                let later = |times: u32| begin + times * AT_ONCE;
                for round in 0..5 {
                    for time in [2 * round, 2 * round + 1] {
                        assert!(trust.broke(Party::A, &error, later(time)).is_empty());
                    }
                    // A run that ends well shows that it was the network.
                    trust.ended();
                }
                assert_eq!(trust.of(PEER), Breaks { wrong: 0, left: 0, all: 10 });
                // Of all runs that end with one link, one counts.
                let said = [0, 0, 0, 0, 1, 1].map(|time| trust.broke(Party::A, &error, later(time)));
                assert!(said.iter().all(Vec::is_empty) && trust.is_trusted(PEER), "{error}");
                assert_eq!((trust.broke(Party::A, &error, later(2)), trust.is_trusted(PEER)), (vec![PEER], false));
            }
        }
    }

    #[test]
    fn a_dead_link_before_anything_is_opened_a_client_that_left_and_an_own_fault_are_nobodys_break() {
        let trust = Trust::default();
        for step in Step::ALL.iter().copied().filter(|step| !opens(*step)) {
            for _ in 0..3 {
                for error in [
                    lost(Lost::Closed { step, peer: PEER }),
                    lost(Lost::Silent { step, peer: PEER }),
                    lost(Lost::Aborted { step, peer: PEER, cause: Cause::Silent }),
                    lost(Lost::Aborted { step: Step::Open, peer: PEER, cause: Cause::Cancelled }),
                    lost(Lost::Over { step: Step::Open }),
                    ProtocolError::Shape(ShapeError::Length { expected: 1, found: 0 }),
                ] {
                    assert!(trust.broke(Party::A, &error, Instant::now()).is_empty(), "{error}");
                }
            }
        }
        assert_eq!(trust.of(PEER), Breaks::default());
    }
}
