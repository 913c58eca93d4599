//! What the entries of one node must keep to, one after the other, across the turns of the half-years.

use std::collections::{HashMap, HashSet};

use super::finding::{Finding, Rule, Spot};
use super::pins::Pins;
use crate::log::entry::{Entry, Event, Minute};
use crate::name::RelyingParty;
use crate::request::Method;
use crate::token::details::Action;
use crate::token::policy::{Policy, Purpose};

/// Seconds by which entries may be out of order, and clocks of nodes apart.
pub const APART: u64 = 120;

/// Seconds after which an admitted request should have ended.
pub const OPEN: u64 = 600;

/// Officers who must have approved a search.
const APPROVALS: u32 = 2;

/// A request under way.
struct Open {
    spot: Spot,
    entry: Entry,
    candidates: u32,
}

/// The state of one node's log after the entries so far.
pub struct Rules<'a> {
    pins: &'a Pins,
    newest: Option<Minute>,
    /// Minute of the first entry, if others came before it that are no longer served.
    pruned: Option<Minute>,
    /// Whether any entry could not be read.
    lost: bool,
    open: HashMap<[u8; 32], Open>,
    /// Requests admitted in the last minutes, by who asked.
    rates: HashMap<RelyingParty, Vec<(Minute, u64)>>,
    /// The first half of every handle: chance makes none of 2^128 twice.
    handles: HashSet<[u8; 16]>,
    unknown: HashSet<[u8; 32]>,
}

impl<'a> Rules<'a> {
    /// Before the first entry of a node.
    #[must_use]
    pub fn new(pins: &'a Pins) -> Self {
        Self {
            pins,
            newest: None,
            pruned: None,
            lost: false,
            open: HashMap::new(),
            rates: HashMap::new(),
            handles: HashSet::new(),
            unknown: HashSet::new(),
        }
    }

    /// Minute of the newest entry so far.
    #[must_use]
    pub const fn newest(&self) -> Option<Minute> {
        self.newest
    }

    /// The next entry is not the node's first: those before it are no longer served.
    pub fn begin_pruned(&mut self, entry: &Entry) {
        self.pruned = Some(entry.minute);
    }

    /// There are entries that could not be read, which is found by itself: what they began is not missed where it ends.
    pub const fn lose(&mut self) {
        self.lost = true;
    }

    /// The next entry.
    pub fn take(&mut self, spot: Spot, entry: &Entry, findings: &mut Vec<Finding>) {
        let mut broken =
            |rule, text: String| findings.push(Finding::at(spot, rule, text).of_request(&entry.request_digest));
        if let Some(text) = self.time(spot, entry) {
            broken(Rule::TimeBackwards, text);
        }
        let (from, until) = (spot.half.begins(), spot.half.next().begins());
        let at = entry.minute.begins();
        if at + APART < from || at >= until + APART {
            broken(Rule::OutOfHalf, format!("its minute does not lie in {}", spot.half));
        }
        let (half_handle, _) = entry.handle.split_first_chunk().expect("a handle has 32 bytes");
        if !self.handles.insert(*half_handle) {
            broken(Rule::HandleRepeated, "an earlier entry has the same handle".to_owned());
        }
        let policy = self.pins.policy(&entry.policy);
        if policy.is_none() && self.unknown.insert(entry.policy) {
            let text = "no policy of auditor.toml has this digest; the same holds for other entries with it".to_owned();
            broken(Rule::PolicyUnknown, text);
        }
        match &entry.event {
            Event::Admitted => {
                if let Some(policy) = policy {
                    allowed(policy, entry, &mut broken);
                    self.rate(policy, entry, &mut broken);
                }
                if entry.action == Method::Search && entry.approvals < APPROVALS {
                    let text = format!("a search was admitted with {} approvals; it takes two", entry.approvals);
                    broken(Rule::SearchUnapproved, text);
                }
                let opened = Open { spot, entry: entry.clone(), candidates: 0 };
                if let Some(Open { spot: Spot { index, .. }, .. }) = self.open.insert(entry.request_digest, opened) {
                    broken(Rule::AdmittedTwice, format!("the request was open since entry {index}"));
                }
            }
            Event::Completed | Event::Failed(_) => self.close(entry, &mut broken),
            Event::Candidate => self.candidate(entry, &mut broken),
            // Only what was answered is answered again, and what is open was not.
            Event::Again(_) if self.open.contains_key(&entry.request_digest) => {
                broken(Rule::RequestChanged, "an answer was given again to a request that is open".to_owned());
            }
            // An answer given again is no second use; and whatever was refused, nothing came of it.
            Event::Again(_) | Event::Denied(_) | Event::Unlogged(_) => {}
        }
    }

    fn time(&mut self, spot: Spot, entry: &Entry) -> Option<String> {
        let newest = self.newest.unwrap_or(entry.minute);
        if entry.minute.begins() + APART < newest.begins() {
            // From here on in the new order: one finding for one jump.
            self.newest = Some(entry.minute);
            let minutes = (newest.begins() - entry.minute.begins()) / 60;
            return Some(format!("entry {} lies {minutes} minutes before an earlier one", spot.index));
        }
        self.newest = Some(newest.max(entry.minute));
        None
    }

    fn rate(&mut self, policy: &Policy, entry: &Entry, broken: &mut impl FnMut(Rule, String)) {
        let limits = policy.limits();
        let most = u64::from(limits.burst) + 60 * u64::from(limits.requests_per_second);
        if !self.rates.contains_key(&entry.relying_party) {
            self.rates.insert(entry.relying_party.clone(), Vec::new());
        }
        let minutes = self.rates.get_mut(&entry.relying_party).expect("it was put there");
        let at = minutes.iter().position(|(minute, _)| *minute == entry.minute).unwrap_or_else(|| {
            // Older ones do not come again, since time does not run back further.
            minutes.retain(|(minute, _)| minute.begins() + 2 * APART > entry.minute.begins());
            minutes.push((entry.minute, 0));
            minutes.len() - 1
        });
        minutes[at].1 += 1;
        if minutes[at].1 == most + 1 {
            broken(
                Rule::RateExceeded,
                format!("{} was let through more than {most} times in this minute", entry.relying_party),
            );
        }
    }

    /// What was admitted before the log begins, or in an entry that could not be read, can be closed after it.
    fn may_be_older(&self, entry: &Entry) -> bool {
        self.lost || self.pruned.is_some_and(|first| entry.minute.begins() <= first.begins() + OPEN)
    }

    fn close(&mut self, entry: &Entry, broken: &mut impl FnMut(Rule, String)) {
        match self.open.remove(&entry.request_digest) {
            Some(open) => same(&open, entry, broken),
            None if self.may_be_older(entry) => {}
            None => broken(Rule::CloseWithoutAdmit, "the request was not open".to_owned()),
        }
    }

    fn candidate(&mut self, entry: &Entry, broken: &mut impl FnMut(Rule, String)) {
        let most = self.purpose(entry).and_then(|purpose| purpose.search.as_ref()).map(|search| search.max_candidates);
        let older = self.may_be_older(entry);
        match self.open.get_mut(&entry.request_digest).filter(|open| open.entry.action == Method::Search) {
            Some(open) => {
                same(open, entry, broken);
                open.candidates += 1;
                if let Some(most) = most.filter(|most| open.candidates == most + 1) {
                    let text = format!("more than the {most} people that {} allows were named", entry.purpose);
                    broken(Rule::CandidatesOverLimit, text);
                }
            }
            None if older => {}
            None => {
                broken(Rule::CandidateWithoutSearch, "somebody was named without a search that is open".to_owned());
            }
        }
    }

    fn purpose(&self, entry: &Entry) -> Option<&'a Purpose> {
        self.pins.policy(&entry.policy)?.purpose(&entry.purpose)
    }

    /// After the last entry: what was never closed, although others came ten minutes later.
    pub fn finish(self, findings: &mut Vec<Finding>) {
        let Some(newest) = self.newest else { return };
        let mut left: Vec<_> =
            self.open.values().filter(|open| open.entry.minute.begins() + OPEN <= newest.begins()).collect();
        left.sort_unstable_by_key(|open| (open.spot.half, open.spot.index));
        for Open { spot, entry, .. } in left {
            let text = "the request was admitted and not closed".to_owned();
            findings.push(Finding::at(*spot, Rule::LeftOpen, text).of_request(&entry.request_digest));
        }
    }
}

/// Whether the policy has this use.
fn allowed(policy: &Policy, entry: &Entry, broken: &mut impl FnMut(Rule, String)) {
    let Entry { purpose: name, relying_party, action, .. } = entry;
    let Some(purpose) = policy.purpose(name) else {
        return broken(Rule::PurposeUnknown, format!("its policy has no purpose {name}"));
    };
    if !purpose.actions.contains(&Action(*action)) {
        broken(Rule::ActionNotAllowed, format!("the purpose {name} does not allow {}", action.action()));
    }
    if purpose.relying_parties.as_ref().is_some_and(|list| !list.contains(relying_party)) {
        broken(Rule::RelyingPartyNotAllowed, format!("{relying_party} may not use the purpose {name}"));
    }
    if !entry.modalities.iter().all(|modality| purpose.modalities.contains(modality)) {
        broken(Rule::ModalityNotAllowed, format!("the purpose {name} does not take these samples"));
    }
}

/// What entries of one request say of it must be the same.
fn same(open: &Open, entry: &Entry, broken: &mut impl FnMut(Rule, String)) {
    let of = |entry: &Entry| (entry.action, entry.approvals, entry.policy);
    let before = &open.entry;
    let alike = of(before) == of(entry)
        && before.purpose == entry.purpose
        && before.relying_party == entry.relying_party
        && before.modalities == entry.modalities;
    if !alike {
        broken(Rule::RequestChanged, format!("entry {} has other members for the same request", open.spot.index));
    }
}
