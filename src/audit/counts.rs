//! How often who asked for what, day by day, as the logs say.

use std::collections::BTreeMap;

use super::finding::Spot;
use crate::log::entry::{Entry, Event};
use crate::name::{PurposeName, RelyingParty};
use crate::party::Party;

/// Who asks, and what for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Use {
    /// Who.
    pub relying_party: RelyingParty,
    /// What for.
    pub purpose: PurposeName,
}

/// Days since 1970-01-01, UTC.
pub type Day = u32;

/// What happened in a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests that were let in.
    pub admitted: u64,
    /// Of them, those that were answered.
    pub completed: u64,
    /// Of them, those that failed.
    pub failed: u64,
    /// Requests that were refused.
    pub denied: u64,
    /// People that searches named.
    pub candidates: u64,
}

impl Count {
    fn add(&mut self, event: &Event) {
        match event {
            Event::Admitted => self.admitted += 1,
            Event::Completed => self.completed += 1,
            Event::Failed(_) => self.failed += 1,
            Event::Denied(_) => self.denied += 1,
            Event::Unlogged(count) => self.denied += u64::from(*count),
            Event::Candidate => self.candidates += 1,
            // No new use: the same answer, to whom it was given.
            Event::Again(_) => {}
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            admitted: self.admitted + other.admitted,
            completed: self.completed + other.completed,
            failed: self.failed + other.failed,
            denied: self.denied + other.denied,
            candidates: self.candidates + other.candidates,
        }
    }
}

/// By who and what for, and then by day.
pub type Daily = BTreeMap<Use, BTreeMap<Day, Count>>;

/// What all three logs say.
#[derive(Debug, Default)]
pub struct Counts {
    daily: [Daily; 3],
    /// How often each node said this: `denied:REASON`, `error:REASON`, and `unlogged` for refusals without an entry of their own.
    reasons: BTreeMap<(Use, String), [u64; 3]>,
}

impl Counts {
    /// One more entry.
    pub fn take(&mut self, spot: Spot, entry: &Entry) {
        let used = Use { relying_party: entry.relying_party.clone(), purpose: entry.purpose.clone() };
        let node = spot.node.index();
        let reason = match &entry.event {
            Event::Denied(reason) => Some((format!("denied:{}", reason.as_str()), 1)),
            Event::Unlogged(count) => Some(("unlogged".to_owned(), u64::from(*count))),
            Event::Failed(reason) => Some((format!("error:{}", reason.as_str()), 1)),
            Event::Admitted | Event::Completed | Event::Candidate | Event::Again(_) => None,
        };
        if let Some((reason, count)) = reason {
            self.reasons.entry((used.clone(), reason)).or_default()[node] += count;
        }
        let day = Day::try_from(entry.minute.begins() / 86_400).unwrap_or(Day::MAX);
        self.daily[node].entry(used).or_default().entry(day).or_default().add(&entry.event);
    }

    /// Whose log is counted: the leader's, which hears of every request, or where that is not there the next.
    #[must_use]
    pub fn source(&self) -> Party {
        Party::ALL.into_iter().find(|party| !self.daily[party.index()].is_empty()).unwrap_or(Party::LEADER)
    }

    /// Day by day, by that log.
    #[must_use]
    pub fn daily(&self) -> &Daily {
        &self.daily[self.source().index()]
    }

    /// Why requests were refused or failed, by all three logs: a request that one refuses fails at the others.
    #[must_use]
    pub const fn reasons(&self) -> &BTreeMap<(Use, String), [u64; 3]> {
        &self.reasons
    }

    /// First and last day that anything was logged, by any node.
    #[must_use]
    pub fn days(&self) -> Option<(Day, Day)> {
        let days = || self.daily.iter().flat_map(BTreeMap::values).flat_map(BTreeMap::keys).copied();
        days().min().zip(days().max())
    }
}

/// `2026-11-23 02:38`, UTC, of unix seconds.
#[must_use]
pub fn time(unix_seconds: u64) -> String {
    let day = Day::try_from(unix_seconds / 86_400).unwrap_or(Day::MAX);
    let minutes = unix_seconds % 86_400 / 60;
    format!("{} {:02}:{:02}", crate::clocks::date(day), minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_coreutils() {
        assert_eq!(time(1_795_401_529), "2026-11-23 02:38");
    }
}
