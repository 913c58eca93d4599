//! How long an answer took at the leader, phase by phase.
//!
//! ```text
//! engine: durations --Timings--> service: metadata "server-timing: token;dur=0.41, queue;dur=1.20, .." --> client: Timings
//! ```
//!
//! Nothing here is about a person. What a phase takes depends on sizes, on the kind of the call, on what else the nodes are busy
//! with, and on the network: all of which whoever waits for the answer sees anyway. No phase takes longer for one face or finger
//! than for another of the same shape: scores are not known to any node. A refusal comes without timings.

use std::fmt;
use std::time::Duration;

/// Name of the metadata entry: of the answer, or of a search's trailers.
pub const METADATA: &str = "server-timing";

/// The longest duration that is believed: an hour.
const LONGEST: Duration = Duration::from_hours(1);

/// A phase of a request, as the leader lives through it. They follow each other in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Token, proof, purpose and the form of the envelopes are checked.
    Token,
    /// It waits for a batch; a change waits for a search's roll to be taken, and a search for changes to end.
    Queue,
    /// Until its use is durable in the access log.
    Log,
    /// Its envelopes are opened and what is compared is found.
    Envelope,
    /// It is proposed, and all three say that they admitted it: their checks, logs and envelopes.
    Agree,
    /// The shares are taken in. Of a search, this is part of the comparison.
    Intake,
    /// The comparison, until the bits are open and named.
    Compare,
    /// A change is prepared, decided and stored.
    Change,
    /// The two helpers' signed ends are awaited.
    Gather,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Token,
        Self::Queue,
        Self::Log,
        Self::Envelope,
        Self::Agree,
        Self::Intake,
        Self::Compare,
        Self::Change,
        Self::Gather,
    ];

    /// As it is named in the metadata.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Queue => "queue",
            Self::Log => "log",
            Self::Envelope => "envelope",
            Self::Agree => "agree",
            Self::Intake => "intake",
            Self::Compare => "compare",
            Self::Change => "change",
            Self::Gather => "gather",
        }
    }
}

/// What the phases took. A phase that did not happen took nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings([Duration; Phase::ALL.len()]);

impl Timings {
    /// Nothing happened, or nothing is known of it.
    pub const NONE: Self = Self([Duration::ZERO; Phase::ALL.len()]);

    /// Adds to what a phase took.
    pub fn add(&mut self, phase: Phase, took: Duration) {
        let sum = &mut self.0[phase as usize];
        *sum = sum.saturating_add(took);
    }

    /// Both together: what a request took for itself, and what its batch took.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        other.iter().for_each(|(phase, took)| self.add(phase, took));
        self
    }

    /// The phases that took something, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, Duration)> {
        Phase::ALL.into_iter().map(|phase| (phase, self.0[phase as usize])).filter(|(_, took)| !took.is_zero())
    }

    /// From a `server-timing` (W3C Server Timing, section 3): names that are not ours, and entries without a duration, are passed
    /// over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut timings = Self::default();
        for entry in text.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let phase = parts.next().and_then(|name| Phase::ALL.into_iter().find(|phase| phase.as_str() == name));
            let millis = parts.find_map(|part| part.strip_prefix("dur=")).and_then(|millis| millis.parse::<f64>().ok());
            let took = millis.and_then(|millis| Duration::try_from_secs_f64(millis / 1000.0).ok());
            if let Some((phase, took)) = phase.zip(took) {
                timings.add(phase, took.min(LONGEST));
            }
        }
        timings
    }
}

/// In the form of a `server-timing`: `token;dur=0.410, queue;dur=1.200`, in milliseconds to the microsecond.
impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (phase, took)) in self.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let micros = took.as_micros();
            write!(f, "{comma}{};dur={}.{:03}", phase.as_str(), micros / 1000, micros % 1000)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_did_not_happen_is_not_written() {
        let mut timings = Timings::default();
        assert_eq!((timings.to_string(), Timings::parse("")), (String::new(), timings));
        timings.add(Phase::Compare, Duration::from_micros(12_345));
        timings.add(Phase::Token, Duration::from_micros(7));
        timings.add(Phase::Token, Duration::from_micros(3));
        assert_eq!(timings.to_string(), "token;dur=0.010, compare;dur=12.345");
        assert_eq!(Timings::parse(&timings.to_string()), timings);
        let both = timings.and(&timings);
        assert_eq!(both.to_string(), "token;dur=0.020, compare;dur=24.690");
    }

    #[test]
    fn what_is_not_ours_is_passed_over() {
        let text = "cache;desc=\"x\";dur=2, log;desc=a; dur=1.5,queue,token;dur=-1,intake;dur=NaN,agree;dur=1e99,gather;dur=1e9";
        let timings = Timings::parse(text);
        let all: Vec<_> = timings.iter().collect();
        assert_eq!(all, [(Phase::Log, Duration::from_micros(1500)), (Phase::Gather, LONGEST)]);
    }
}
