//! What a node knows of time: its own clock, the time that it has acted on, and the clocks of the two others.
//!
//! ```text
//! own clock --look--> as the monotonic clock says, since the three last agreed? not before what this node acted on?
//!                 --> as each peer's, by what it said last and the time since?       --> the time, or a Doubt
//! ```
//!
//! A clock that is wrong for seconds must destroy nothing and admit nothing: what has expired is gone for good, and a spent id that
//! is forgotten early can be spent again. So nothing is done by a time that is in doubt, and a node whose clock has come right goes
//! on without a restart.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::party::Party;

/// Unix seconds, from whoever may read the clock.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Seconds by which two clocks may differ.
pub const APART: u64 = 60;

/// Seconds after which a peer that has not said its clock is not counted on any more.
const UNHEARD: u64 = 120;

/// Why a node does not act by its clock. All times are unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The clock is before a time that this node has acted on already.
    #[error(
        "this node's clock is {}, but the node has already acted at {}: correct the clock; if that later time was wrong, \
         start the node once with --accept-clock", Utc(*own), Utc(*latest)
    )]
    Behind {
        /// What the clock says.
        own: u64,
        /// The latest time that this node has acted on.
        latest: u64,
    },
    /// The clock has leapt since the three clocks last agreed.
    #[error(
        "this node's clock is {}, but by the time that has passed it must be {}: correct the clock; if it is right, \
         restart the node", Utc(*own), Utc(*expected)
    )]
    Leapt {
        /// What the clock says.
        own: u64,
        /// What it should say.
        expected: u64,
    },
    /// The clock and a peer's are too far apart.
    #[error("this node's clock is {}, that of node {peer} is {}: correct the clock that is wrong", Utc(*own), Utc(*theirs))]
    Apart {
        /// What the clock says.
        own: u64,
        /// Whose other clock.
        peer: Party,
        /// What that says.
        theirs: u64,
        /// Whose is off, as far as three clocks can tell.
        blamed: Party,
    },
    /// A peer has not said what its clock says.
    #[error("no clock value from node {0} yet")]
    Unheard(Party),
}

impl Doubt {
    /// Whose clock is in doubt, for a node that has this doubt.
    #[must_use]
    pub const fn whose(self, own: Party) -> Party {
        match self {
            Self::Behind { .. } | Self::Leapt { .. } => own,
            Self::Apart { blamed, .. } => blamed,
            Self::Unheard(peer) => peer,
        }
    }
}

/// What a peer said of its clock.
#[derive(Clone, Copy)]
struct Heard {
    said: u64,
    at: Instant,
    /// Neither has it leapt, nor is it before what the peer has acted on.
    steady: bool,
}

struct State {
    /// The latest time that this node has acted on.
    latest: u64,
    /// What the clock said when all three last agreed, and when that was.
    agreed: Option<(u64, Instant)>,
    /// By party.
    heard: [Option<Heard>; 3],
    /// What was told the operator last.
    told: Option<Doubt>,
}

/// One node's view of the three clocks.
pub struct Clocks {
    own: Party,
    read: Clock,
    state: Mutex<State>,
}

/// Prints whose it is.
impl fmt::Debug for Clocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clocks({})", self.own)
    }
}

impl Clocks {
    /// Of a node that has acted at `latest`, in unix seconds; 0 if never.
    #[must_use]
    pub fn new(own: Party, read: Clock, latest: u64) -> Self {
        Self { own, read, state: Mutex::new(State { latest, agreed: None, heard: [None; 3], told: None }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held would have been between two plain assignments.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time, to act on it: the three clocks have agreed, and nothing speaks against this node's since.
    ///
    /// # Errors
    /// [`Doubt`].
    pub fn now(&self) -> Result<u64, Doubt> {
        let mut state = self.state();
        let (own, judged) = self.look(&mut state, Instant::now());
        match judged {
            Ok(()) => {}
            // Links come and go; the time goes on.
            Err(Doubt::Unheard(_)) if state.agreed.is_some() => {}
            Err(doubt) => return Err(doubt),
        }
        state.latest = state.latest.max(own);
        Ok(own)
    }

    /// The least of the three clocks, while all three agree: what has expired by it has expired by all.
    ///
    /// # Errors
    /// [`Doubt`].
    pub fn least(&self) -> Result<u64, Doubt> {
        let (mut state, at) = (self.state(), Instant::now());
        let (own, judged) = self.look(&mut state, at);
        judged?;
        Ok(state.heard.iter().flatten().map(|heard| heard.now(at)).fold(own, u64::min))
    }

    /// The clock, where nothing durable depends on it: it is not before what this node has acted on, and has not leapt.
    ///
    /// # Errors
    /// [`Doubt`].
    pub fn plausible(&self) -> Result<u64, Doubt> {
        let (state, at) = (self.state(), Instant::now());
        let own = (self.read)();
        self.steady(&state, own, at).map(|()| own)
    }

    /// A time that it is at least, whatever the clock says; the clock itself at a node that never acted.
    #[must_use]
    pub fn known(&self) -> u64 {
        let state = self.state();
        match state.agreed {
            Some((own, since)) => own + since.elapsed().as_secs(),
            None if state.latest == 0 => (self.read)(),
            None => state.latest,
        }
    }

    /// What the peers are told: what the clock says, and whether it is steady.
    #[must_use]
    pub fn word(&self) -> (u64, bool) {
        let (state, at) = (self.state(), Instant::now());
        let own = (self.read)();
        let steady = self.steady(&state, own, at).is_ok();
        (own, steady)
    }

    /// A peer says what its clock says, and whether it is steady.
    pub fn hear(&self, peer: Party, said: u64, steady: bool) {
        self.state().heard[peer.index()] = Some(Heard { said, at: Instant::now(), steady });
    }

    /// The link to a peer is down: it says nothing more.
    pub fn lose(&self, peer: Party) {
        self.state().heard[peer.index()] = None;
    }

    /// Whether this clock is steady and goes with a peer's.
    #[must_use]
    pub fn agrees_with(&self, peer: Party) -> bool {
        let (state, at) = (self.state(), Instant::now());
        let own = (self.read)();
        let steady = self.steady(&state, own, at).is_ok();
        steady && state.heard[peer.index()].is_some_and(|heard| heard.now(at).abs_diff(own) <= APART)
    }

    /// Looks at all three, tells the operator what has changed, and notes it when they agree.
    fn look(&self, state: &mut State, at: Instant) -> (u64, Result<(), Doubt>) {
        let own = (self.read)();
        let judged = self.steady(state, own, at).and_then(|()| self.together(state, own, at));
        match judged {
            Ok(()) => {
                if state.told.take().is_some() {
                    tracing::info!("the three clocks agree again: {}", Utc(own));
                }
                state.agreed = Some((own, at));
            }
            // Told by the links themselves.
            Err(Doubt::Unheard(_)) => {}
            Err(doubt) => {
                let kind = |doubt: &Doubt| std::mem::discriminant(doubt);
                if state.told.as_ref().map(kind) != Some(kind(&doubt)) {
                    tracing::error!("clock in doubt, nothing is served or destroyed: {doubt}");
                }
                state.told = Some(doubt);
            }
        }
        (own, judged)
    }

    /// Whether the clock goes on from where it was.
    fn steady(&self, state: &State, own: u64, at: Instant) -> Result<(), Doubt> {
        let Some((agreed, since)) = state.agreed else {
            let latest = state.latest;
            return if own + APART < latest { Err(Doubt::Behind { own, latest }) } else { Ok(()) };
        };
        let expected = agreed + at.duration_since(since).as_secs();
        if own.abs_diff(expected) <= APART {
            return Ok(());
        }
        // A machine that slept: the two others did not, and their clocks say the same.
        let slept = |peer: Party| {
            state.heard[peer.index()].is_some_and(|heard| heard.steady && heard.now(at).abs_diff(own) <= APART)
        };
        let slept = own > expected && slept(self.own.next()) && slept(self.own.prev());
        if slept { Ok(()) } else { Err(Doubt::Leapt { own, expected }) }
    }

    /// Whether the clock goes with both peers'.
    fn together(&self, state: &State, own: u64, at: Instant) -> Result<(), Doubt> {
        let heard = |peer: Party| {
            let heard = state.heard[peer.index()].filter(|heard| at.duration_since(heard.at).as_secs() <= UNHEARD);
            heard.map(|heard| heard.now(at))
        };
        for (peer, third) in [(self.own.next(), self.own.prev()), (self.own.prev(), self.own.next())] {
            let Some(theirs) = heard(peer).filter(|theirs| theirs.abs_diff(own) > APART) else { continue };
            // Of three clocks, the one that is off is the one that no other goes with.
            let with_third = heard(third).is_some_and(|third| third.abs_diff(own) <= APART);
            let blamed = if with_third { peer } else { self.own };
            return Err(Doubt::Apart { own, peer, theirs, blamed });
        }
        for peer in [self.own.next(), self.own.prev()] {
            heard(peer).ok_or(Doubt::Unheard(peer))?;
        }
        Ok(())
    }
}

impl Heard {
    /// What the clock says by now, if it goes on.
    fn now(&self, at: Instant) -> u64 {
        self.said.saturating_add(at.duration_since(self.at).as_secs())
    }
}

/// `2026-11-27 14:05:09 UTC`, of unix seconds.
pub struct Utc(pub u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, second) = (self.0 / 86_400, self.0 % 86_400);
        let day = date(u32::try_from(day).unwrap_or(u32::MAX));
        write!(f, "{day} {:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
    }
}

/// `2026-11-23`: the civil calendar from a count of days (H. Hinnant, "chrono-compatible low-level date algorithms").
#[must_use]
pub fn date(day: u32) -> String {
    let shifted = u64::from(day) + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{of_month:02}")
}

#[cfg(test)]
mod tests;
