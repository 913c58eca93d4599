//! The same requests in the logs of three nodes: what one hides or adds, the other two show.
//!
//! A request that a node refused stands in that node's log as `deny`; the others may have admitted it, and closed it with an error,
//! or never heard of it. Nothing is wrong with that. But nobody gets an answer without all three, so a request that one log calls
//! `completed` stands as admitted in all three, and says the same there.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::finding::{Finding, Rule, Spot};
use super::rules::{APART, OPEN};
use crate::log::entry::{Code, Entry, Event, Minute};
use crate::name::{Modality, PurposeName, RelyingParty};
use crate::party::Party;
use crate::reason::Reason;
use crate::request::Method;

/// Actions of one node alone.
const LONE: [Method; 2] = [Method::OpenEvidence, Method::ListUses];

/// Reasons of a node that lost sight of the others: another may have completed the same request.
const LINKS: [Reason; 4] = [Reason::PeerLost, Reason::PeerBroken, Reason::RunFailed, Reason::Cancelled];

/// What one log says that was asked for. There are few different ones, so they are kept once.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    relying_party: RelyingParty,
    purpose: PurposeName,
    action: Method,
    modalities: BTreeSet<Modality>,
    approvals: u32,
    policy: [u8; 32],
}

impl Asked {
    fn of(entry: &Entry) -> Self {
        Self {
            relying_party: entry.relying_party.clone(),
            purpose: entry.purpose.clone(),
            action: entry.action,
            modalities: entry.modalities.clone(),
            approvals: entry.approvals,
            policy: entry.policy,
        }
    }

    /// What of it is not the same.
    fn differs_in(&self, other: &Self) -> Vec<&'static str> {
        [
            ("relying party", self.relying_party != other.relying_party),
            ("purpose", self.purpose != other.purpose),
            ("action", self.action != other.action),
            ("modalities", self.modalities != other.modalities),
            ("approvals", self.approvals != other.approvals),
            ("policy", self.policy != other.policy),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }
}

/// The last time that one node admitted a request: one that failed may be admitted anew.
#[derive(Debug, Clone)]
struct Admitted {
    spot: Spot,
    minute: Minute,
    asked: Rc<Asked>,
}

/// What one log says of a request.
#[derive(Debug, Clone, Default)]
struct Told {
    admitted: Option<Admitted>,
    /// Whether any end of it was an answer.
    completed: bool,
    failed: Option<Code>,
    denied: Option<(Spot, Minute)>,
    candidates: u32,
}

/// All requests of three logs.
#[derive(Debug, Default)]
pub struct Pairs {
    requests: HashMap<[u8; 32], [Told; 3]>,
    asked: HashSet<Rc<Asked>>,
}

/// From when to when requests must stand in all three logs, in unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Older ones may have been pruned.
    pub from: u64,
    /// Newer ones may still be under way.
    pub until: u64,
}

/// What the mirror lacks of a node's logs lies between these times, in unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Of the last entry before it.
    pub from: u64,
    /// Of the first entry after it.
    pub until: u64,
}

impl Hole {
    /// Whether entries of a request that was admitted between these minutes may be in it.
    fn may_have(self, earliest: Minute, latest: Minute) -> bool {
        self.from <= latest.begins() + OPEN && earliest.begins() <= self.until.saturating_add(APART)
    }
}

impl Pairs {
    /// One more entry, in the order of its log.
    pub fn take(&mut self, spot: Spot, entry: &Entry) {
        // What stands in one log alone: calls of one node, answers that the leader gave again, and what each node refused by itself.
        if LONE.contains(&entry.action) || matches!(entry.event, Event::Again(_) | Event::Unlogged(_)) {
            return;
        }
        let admitted = (entry.event == Event::Admitted).then(|| {
            let asked = Asked::of(entry);
            let known = self.asked.get(&asked).cloned();
            let asked = known.unwrap_or_else(|| {
                let asked = Rc::new(asked);
                self.asked.insert(Rc::clone(&asked));
                asked
            });
            Admitted { spot, minute: entry.minute, asked }
        });
        let told = &mut self.requests.entry(entry.request_digest).or_default()[spot.node.index()];
        match &entry.event {
            Event::Admitted => {
                told.admitted = admitted;
                told.failed = None;
            }
            Event::Completed => told.completed = true,
            Event::Failed(reason) => told.failed = Some(reason.clone()),
            Event::Denied(_) => told.denied = Some((spot, entry.minute)),
            Event::Candidate => told.candidates += 1,
            Event::Again(_) | Event::Unlogged(_) => {}
        }
    }

    /// How many requests were admitted by all three.
    #[must_use]
    pub fn admitted(&self) -> usize {
        self.requests.values().filter(|told| told.iter().all(|told| told.admitted.is_some())).count()
    }

    /// Whatever does not agree, in the order of the entries that show it. Nobody is missed in the log of a node that was not `there`,
    /// nor where the mirror has `holes` in it.
    #[must_use]
    pub fn finish(&self, span: Span, there: [bool; 3], holes: &[Vec<Hole>; 3]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (request_digest, told) in &self.requests {
            let before = findings.len();
            judge(told, span, there, holes, &mut findings);
            for finding in &mut findings[before..] {
                finding.request_digest = Some(*request_digest);
            }
        }
        let place = |finding: &Finding| {
            let by = finding.shown_by.map(|spot| (spot.half, spot.index));
            (finding.half.zip(finding.index).or(by), finding.node, finding.rule)
        };
        findings.sort_by_key(place);
        findings
    }
}

/// One request in three logs, or in those that are there.
fn judge(told: &[Told; 3], span: Span, there: [bool; 3], holes: &[Vec<Hole>; 3], findings: &mut Vec<Finding>) {
    let mut logs: Vec<(Party, &Told)> =
        Party::ALL.into_iter().zip(told).filter(|(party, _)| there[party.index()]).collect();
    let present: Vec<&Admitted> = logs.iter().filter_map(|(_, told)| told.admitted.as_ref()).collect();
    let minutes = || present.iter().map(|admitted| admitted.minute);
    let (Some(earliest), Some(latest)) = (minutes().min(), minutes().max()) else { return };
    same(&present, findings);
    logs.retain(|(party, _)| !holes[party.index()].iter().any(|hole| hole.may_have(earliest, latest)));
    let present: Vec<&Admitted> = logs.iter().filter_map(|(_, told)| told.admitted.as_ref()).collect();
    late(&present, findings);
    if latest.begins() < span.from || latest.begins() > span.until {
        return;
    }
    let answered = logs.iter().any(|(_, told)| told.completed || told.candidates > 0);
    match present[..] {
        [only] if logs.len() == 3 => alone(only, &logs, answered, findings),
        [one, ..] if present.len() + 1 == logs.len() => third(one.spot, &logs, answered, findings),
        [_, _, ..] => ended(&logs, findings),
        _ => {}
    }
}

/// Admitted by one node.
fn alone(only: &Admitted, logs: &[(Party, &Told)], answered: bool, findings: &mut Vec<Finding>) {
    let heard = logs.iter().any(|(_, told)| told.denied.is_some());
    if answered {
        let text = "the request was answered, and the two other logs do not have it as admitted".to_owned();
        findings.push(Finding::at(only.spot, Rule::Extra, text));
    } else if !heard {
        let text = "the two other logs do not have the request; it was not answered either".to_owned();
        findings.push(Finding::at(only.spot, Rule::Extra, text).as_warning());
    }
}

/// Admitted by all but one.
fn third(shown_by: Spot, logs: &[(Party, &Told)], answered: bool, findings: &mut Vec<Finding>) {
    let Some(&(party, other)) = logs.iter().find(|(_, told)| told.admitted.is_none()) else { return };
    let finding = match other.denied {
        None => {
            let text = format!("the request is not here; elsewhere it is {shown_by}");
            let finding = Finding::new(party, None, None, Rule::Missing, text);
            if answered { finding } else { finding.as_warning() }
        }
        Some((spot, _)) if answered => {
            let text = "refused here, and answered by the two other logs".to_owned();
            Finding::at(spot, Rule::Different, text)
        }
        // Refused by one: the others closed it with an error.
        Some(_) => return,
    };
    findings.push(Finding { shown_by: Some(shown_by), ..finding });
}

/// Admitted by all: they end alike.
fn ended(logs: &[(Party, &Told)], findings: &mut Vec<Finding>) {
    let Some(by) = logs.iter().find(|(_, told)| told.completed).and_then(|(_, told)| told.admitted.as_ref()) else {
        return;
    };
    for (_, Told { admitted, completed, failed, .. }) in logs {
        let Some(admitted) = admitted.as_ref().filter(|_| !*completed) else { continue };
        let finding = match failed {
            None => {
                let text = "the request is open here, and completed elsewhere".to_owned();
                Finding::at(admitted.spot, Rule::Different, text).as_warning()
            }
            Some(reason) => {
                let text = format!("the result differs: error:{} here, completed elsewhere", reason.as_str());
                let finding = Finding::at(admitted.spot, Rule::Different, text);
                if LINKS.iter().any(|lost| lost.code() == reason.as_str()) { finding.as_warning() } else { finding }
            }
        };
        findings.push(Finding { shown_by: Some(by.spot), ..finding });
    }
    if logs.iter().all(|(_, told)| told.completed) {
        let counts: Vec<u32> = logs.iter().map(|(_, told)| told.candidates).collect();
        for (odd, other) in odd_ones(&counts) {
            let (Some(admitted), Some(by)) = (&logs[odd].1.admitted, &logs[other].1.admitted) else { continue };
            let text = format!("{} people were named here, {} elsewhere", counts[odd], counts[other]);
            let finding = Finding::at(admitted.spot, Rule::Different, text);
            findings.push(Finding { shown_by: Some(by.spot), ..finding });
        }
    }
}

/// What was asked for is the same wherever it was admitted.
fn same(present: &[&Admitted], findings: &mut Vec<Finding>) {
    let asked: Vec<&Asked> = present.iter().map(|admitted| admitted.asked.as_ref()).collect();
    for (odd, other) in odd_ones(&asked) {
        let names = asked[odd].differs_in(asked[other]);
        let text = format!("these differ from another log's: {}", names.join(", "));
        let finding = Finding::at(present[odd].spot, Rule::Different, text);
        // New policies do not come into force at the same moment everywhere. That each is known is checked for itself.
        let finding = if names == ["policy"] { finding.as_warning() } else { finding };
        findings.push(Finding { shown_by: Some(present[other].spot), ..finding });
    }
}

/// An entry is durable before its node helps: so all three were written at nearly the same time.
fn late(present: &[&Admitted], findings: &mut Vec<Finding>) {
    let mut by_time: Vec<&Admitted> = present.to_vec();
    by_time.sort_by_key(|admitted| admitted.minute);
    let apart = |one: &Admitted, other: &Admitted| other.minute.begins() - one.minute.begins();
    let (odd, other) = match by_time[..] {
        // Of three, the one that is further from the middle one.
        [first, middle, last] if apart(first, middle) > apart(middle, last) => (first, last),
        [first, last] | [first, _, last] => (last, first),
        _ => return,
    };
    let seconds = odd.minute.max(other.minute).begins() - odd.minute.min(other.minute).begins();
    if seconds > APART {
        let text = format!("admitted {} minutes apart from another log", seconds / 60);
        let finding = Finding::at(odd.spot, Rule::Late, text);
        findings.push(Finding { shown_by: Some(other.spot), ..finding });
    }
}

/// Which of two or three are not as most are, each with one that it is held against. Of two that differ, it is the second; of three
/// different ones, all but the first.
fn odd_ones<T: PartialEq>(values: &[T]) -> Vec<(usize, usize)> {
    match values {
        [a, b, c] if a != b && b == c => vec![(0, 1)],
        [first, ..] => (1..values.len()).filter(|&place| values[place] != *first).map(|place| (place, 0)).collect(),
        [] => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::odd_ones;

    #[test]
    fn the_odd_one_is_the_one_that_two_are_not() {
        assert_eq!(odd_ones(&[1, 1, 1]), []);
        assert_eq!(odd_ones(&[2, 1, 1]), [(0, 1)]);
        assert_eq!(odd_ones(&[1, 2, 1]), [(1, 0)]);
        assert_eq!(odd_ones(&[1, 1, 2]), [(2, 0)]);
        assert_eq!(odd_ones(&[1, 2, 3]), [(1, 0), (2, 0)]);
        assert_eq!(odd_ones(&[1, 2]), [(1, 0)]);
    }
}
