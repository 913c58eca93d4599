//! One pass over a whole mirror: each log by itself, then the three together.

use std::collections::BTreeSet;
use std::io;

use super::counts::{Counts, Day, time};
use super::finding::{Finding, Rule, Verdict};
use super::mirror::Mirror;
use super::outliers::{Outlier, outliers};
use super::part::Part;
use super::pins::Pins;
use super::reconcile::{Hole, Pairs, Span};
use super::rules::{APART, OPEN, Rules};
use crate::log::entry::{Entry, Minute};
use crate::log::note::Checkpoint;
use crate::log::shard::Shard;
use crate::party::Party;

/// Seconds that witnesses have for a cosignature.
const COSIGN: u64 = 300;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// One log of half a year, as it was found.
#[derive(Clone, Debug)]
pub struct LogState {
    /// Whose.
    pub party: Party,
    /// Of when.
    pub half: Shard,
    /// Entries under its newest checkpoint.
    pub size: u64,
    /// The root.
    pub root: [u8; 32],
    /// Index of the first entry that is still served.
    pub first: u64,
    /// How many others cosigned that checkpoint.
    pub cosignatures: usize,
    /// Entries under the largest checkpoint with cosignatures enough.
    pub cosigned: u64,
    /// When it was last looked at, in unix seconds.
    pub fetched: Option<u64>,
    /// Minute of the newest entry.
    pub newest: Option<Minute>,
}

/// What an audit found, and what it counted.
#[derive(Debug)]
pub struct Audit {
    /// Each log that could be believed, A's first, oldest first.
    pub logs: Vec<LogState>,
    /// What is wrong with each log by itself.
    pub findings: Vec<Finding>,
    /// Where the logs do not agree.
    pub pairs: Vec<Finding>,
    /// How often who asked for what.
    pub counts: Counts,
    /// Entries read.
    pub entries: u64,
    /// Requests that all three admitted.
    pub admitted: usize,
}

/// What goes on from one log of a node to its next.
struct Pass<'a> {
    pins: &'a Pins,
    rules: Rules<'a>,
    /// Whether any entry came.
    begun: bool,
    pairs: &'a mut Pairs,
    holes: Vec<Hole>,
    progress: &'a mut dyn FnMut(Party, Shard, u64, u64),
}

impl Pass<'_> {
    /// The node's first entry that is still there. Others may have come before it.
    fn begin(&mut self, part: &Part, fetched: Option<u64>, entry: &Entry, findings: &mut Vec<Finding>) {
        if part.first > 0 || entry.minute.begins() < part.place.half.begins() + OPEN {
            self.rules.begin_pruned(entry);
        }
        if part.first > 0 {
            findings.extend(pruned_early(part, entry, fetched, self.pins));
        }
    }
}

/// What one node's logs come to.
struct Node {
    /// Whether all that was mirrored could be read.
    whole: bool,
    /// When it was looked at.
    fetched: Option<u64>,
    newest: Option<Minute>,
    /// What the mirror lacks of it.
    holes: Vec<Hole>,
}

impl Audit {
    /// Reads everything. `elsewhere` as for [`Part::open`]; `progress` is told of each log how many of its entries were read.
    ///
    /// # Errors
    /// [`io::Error`] if the folder can not be read.
    pub fn of(
        mirror: &Mirror,
        pins: &Pins,
        elsewhere: &[String],
        progress: &mut dyn FnMut(Party, Shard, u64, u64),
    ) -> io::Result<Self> {
        let mut audit = Self {
            logs: Vec::new(),
            findings: Vec::new(),
            pairs: Vec::new(),
            counts: Counts::default(),
            entries: 0,
            admitted: 0,
        };
        let mut pairs = Pairs::default();
        let mut nodes = Vec::with_capacity(3);
        for party in Party::ALL {
            nodes.push(audit.node(mirror, pins, party, elsewhere, &mut pairs, progress)?);
        }
        let there = [0, 1, 2].map(|node: usize| nodes[node].whole);
        let span = span(&nodes, pins);
        let holes = [0, 1, 2].map(|node: usize| std::mem::take(&mut nodes[node].holes));
        audit.pairs = pairs.finish(span, there, &holes);
        audit.admitted = pairs.admitted();
        Ok(audit)
    }

    fn node(
        &mut self,
        mirror: &Mirror,
        pins: &Pins,
        party: Party,
        elsewhere: &[String],
        pairs: &mut Pairs,
        progress: &mut dyn FnMut(Party, Shard, u64, u64),
    ) -> io::Result<Node> {
        let halves = mirror.halves(party)?;
        let mut node = Node { whole: !halves.is_empty(), fetched: None, newest: None, holes: Vec::new() };
        if halves.is_empty() {
            let text = "nothing of this node was mirrored".to_owned();
            self.findings.push(Finding::new(party, None, None, Rule::NoLog, text));
        }
        for pair in halves.windows(2).filter(|pair| pair[0].next() != pair[1]) {
            let text = format!("there is no log between {} and {}", pair[0], pair[1]);
            self.findings.push(Finding::new(party, Some(pair[0].next()), None, Rule::Gap, text).as_warning());
        }
        node.holes = self.unmirrored(mirror, party, &halves)?;
        let mut pass = Pass { pins, rules: Rules::new(pins), begun: false, pairs, holes: Vec::new(), progress };
        for half in halves {
            let place = mirror.place(party, half);
            let Some(part) = Part::open(&place, pins, elsewhere, &mut self.findings)? else {
                node.whole = false;
                continue;
            };
            node.whole &= part.checkpoint.size == part.first || place.has_entries();
            let state = self.part(&part, &mut pass)?;
            node.fetched = node.fetched.max(state.fetched);
            node.newest = pass.rules.newest();
            self.logs.push(state);
        }
        // What was not closed may have been closed in what the mirror lacks.
        if pass.holes.is_empty() {
            pass.rules.finish(&mut self.findings);
        }
        node.holes.extend(pass.holes);
        Ok(node)
    }

    /// Half-years of which another node's log was mirrored, and not this one's.
    fn unmirrored(&mut self, mirror: &Mirror, party: Party, own: &[Shard]) -> io::Result<Vec<Hole>> {
        let (Some(first), Some(last)) = (own.first(), own.last()) else { return Ok(Vec::new()) };
        let mut others = BTreeSet::new();
        for other in Party::ALL {
            others.extend(mirror.halves(other)?);
        }
        others.retain(|half| !own.contains(half));
        for half in others.iter().filter(|half| *half < first || *half > last) {
            let text = "this log is not in this mirror, and another node's of the same half-year is: fetch again";
            let finding = Finding::new(party, Some(*half), None, Rule::NoLog, text.to_owned());
            // A log that is old enough goes as a whole.
            self.findings.push(if half < first { finding.as_warning() } else { finding });
        }
        Ok(others.into_iter().map(|half| Hole { from: half.begins(), until: half.next().begins() }).collect())
    }

    fn part(&mut self, part: &Part, pass: &mut Pass<'_>) -> io::Result<LogState> {
        let (party, half, size) = (part.place.party, part.place.half, part.checkpoint.size);
        let fetched = part.place.fetched()?;
        let (mut uncovered, mut newest, mut next) = (None, None, part.first);
        // What was read, whatever it says; the rest is not in the mirror, or damaged there.
        let (mut read, mut hole): (_, Option<u64>) = (part.first, None);
        (pass.progress)(party, half, part.first, size);
        part.entries(&mut self.findings, |index, bytes, findings| {
            let spot = part.spot(index);
            if read < index {
                hole.get_or_insert(newest.map_or(half.begins(), Minute::begins));
            }
            read = index + 1;
            let entry = match Entry::parse(bytes) {
                Ok(entry) => entry,
                Err(error) => return findings.push(Finding::at(spot, Rule::Schema, error.to_string())),
            };
            if next < index {
                pass.rules.lose();
            }
            next = index + 1;
            if let Some(from) = hole.take() {
                pass.holes.push(Hole { from, until: entry.minute.begins() });
            }
            if !std::mem::replace(&mut pass.begun, true) {
                pass.begin(part, fetched, &entry, findings);
            }
            if index >= part.cosigned && uncovered.is_none() {
                uncovered = Some((index, entry.minute));
            }
            newest = newest.max(Some(entry.minute));
            pass.rules.take(spot, &entry, findings);
            pass.pairs.take(spot, &entry);
            self.counts.take(spot, &entry);
            self.entries += 1;
            if index % 1024 == 0 {
                (pass.progress)(party, half, index, size);
            }
        })?;
        if let Some(from) = hole.or((read < size).then(|| newest.map_or(half.begins(), Minute::begins))) {
            pass.holes.push(Hole { from, until: half.next().begins() });
            pass.rules.lose();
        }
        (pass.progress)(party, half, size, size);
        let now = fetched.or(newest.map(Minute::begins)).unwrap_or(0);
        if let Some((index, minute)) = uncovered.filter(|(_, minute)| minute.begins() + COSIGN <= now) {
            let (written, wanted) = (time(minute.begins()), pass.pins.cosignatures);
            let text = format!(
                "written at {written}, and not covered by a checkpoint with {wanted} cosignatures: is another node down, which can cosign nothing then?"
            );
            self.findings.push(Finding::at(part.spot(index), Rule::UnderCosigned, text));
        }
        let Part { checkpoint: Checkpoint { root, .. }, first, cosignatures, cosigned, .. } = *part;
        Ok(LogState { party, half, size, root, first, cosignatures, cosigned, fetched, newest })
    }

    /// All findings: of each log, then of the three together.
    pub fn all(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().chain(&self.pairs)
    }

    /// What all findings come to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self.all())
    }

    /// Days that stand out. The last day is that of the last look, or of the newest entry.
    #[must_use]
    pub fn outliers(&self) -> Vec<Outlier> {
        let looked = self.logs.iter().filter_map(|log| log.fetched).max();
        let looked = looked.and_then(|seconds| Day::try_from(seconds / DAY).ok());
        let last = looked.max(self.counts.days().map(|(_, last)| last));
        last.map(|last| outliers(self.counts.daily(), last)).unwrap_or_default()
    }
}

/// A policy keeps logs so long: what was served no longer must be older. A day is given for when it was taken away.
fn pruned_early(part: &Part, entry: &Entry, fetched: Option<u64>, pins: &Pins) -> Option<Finding> {
    let kept = u64::from(pins.retention_days()) * DAY;
    let early = entry.minute.begins() + kept > fetched? + DAY;
    early.then(|| {
        let text = format!(
            "the entries before this one of {} are not served, and the policy keeps them for {} days",
            time(entry.minute.begins()),
            pins.retention_days()
        );
        Finding::at(part.spot(part.first), Rule::Gap, text)
    })
}

/// From when to when requests must stand in all logs: not before what may have been pruned, and not after what the log that was
/// looked at first can have.
fn span(nodes: &[Node], pins: &Pins) -> Span {
    let there = || nodes.iter().filter(|node| node.whole);
    let newest = there().filter_map(|node| node.newest).max().map_or(0, Minute::begins);
    let looked: Option<Vec<u64>> = there().map(|node| node.fetched).collect();
    let looked = looked.unwrap_or_default();
    let (first, last) = (looked.iter().min().copied(), looked.iter().max().copied());
    let until = first.unwrap_or(newest).saturating_sub(APART);
    let from = match pins.retention_days() {
        0 => 0,
        days => last.unwrap_or(newest).saturating_sub(u64::from(days) * DAY),
    };
    Span { from, until }
}
