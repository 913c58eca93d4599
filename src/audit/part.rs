//! One node's log of half a year, read from a mirror and held to what its key signed.
//!
//! [`Place`] --[`Part::open`]--> signature, root, every checkpoint seen before --> [`Part`] --[`Part::entries`]--> entries

use std::io;

use super::finding::{Finding, Rule, Spot};
use super::hashes::Hashes;
use super::mirror::Place;
use super::pins::Pins;
use crate::log::merkle::leaf_hash;
use crate::log::note::{Checkpoint, VerifierKey};
use crate::log::tiles::{Span, WIDTH, levels, unbundle};

/// A log whose checkpoint is signed, as far as its files hold.
#[derive(Debug)]
pub struct Part {
    /// Where it stands.
    pub place: Place,
    /// The newest checkpoint.
    pub checkpoint: Checkpoint,
    /// The same as it was signed.
    pub note: String,
    /// All hashes that are there.
    pub hashes: Hashes,
    /// Index of the first entry that is still served.
    pub first: u64,
    /// Leaf hashes are there from `first` to before this one; to the end of a log of which none is missing.
    pub known: u64,
    /// How many others cosigned the newest checkpoint.
    pub cosignatures: usize,
    /// Entries under the largest checkpoint that as many others cosigned as the pins ask for.
    pub cosigned: u64,
}

impl Part {
    /// Verifies everything but the entries. `elsewhere` are notes that others were shown, of whatever log: receipts' checkpoints,
    /// other auditors' mirrors. None if there is no checkpoint that could be believed.
    ///
    /// # Errors
    /// [`io::Error`] if a file can not be read; whatever is wrong with what it says is a finding.
    pub fn open(
        place: &Place,
        pins: &Pins,
        elsewhere: &[String],
        findings: &mut Vec<Finding>,
    ) -> io::Result<Option<Self>> {
        let key = pins.node(place.party).log.of_half(place.half);
        let seen = place.seen()?;
        let Some(note) = place.checkpoint()? else {
            let (rule, text) = match seen.last() {
                Some((size, _)) => {
                    (Rule::Gap, format!("the checkpoint has gone; one of {size} entries was seen before"))
                }
                None => (Rule::NoLog, "there is no checkpoint: the mirror was not finished".to_owned()),
            };
            findings.push(Finding::new(place.party, Some(place.half), None, rule, text));
            return Ok(None);
        };
        let checkpoint = match Checkpoint::open(&note, &key) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                findings.push(false_signature(place, &format!("the checkpoint: {error}")));
                return Ok(None);
            }
        };
        let first = place.first()?.min(checkpoint.size);
        let (hashes, known) = read_hashes(place, &checkpoint, first, findings)?;
        let cosignatures = pins.cosigned(place.party, &note);
        let mut part = Self { place: place.clone(), checkpoint, note, hashes, first, known, cosignatures, cosigned: 0 };
        part.remember(&key, seen.iter().map(|(_, note)| note), findings);
        part.compare(&key, elsewhere, findings);
        part.judge_evidence(&key, findings)?;
        let notes = seen.iter().rev().map(|(_, note)| note).chain([&part.note]);
        let covered = notes.filter(|note| pins.cosigned(place.party, note) >= pins.cosignatures);
        part.cosigned =
            covered.filter_map(|note| Checkpoint::open(note, &key).ok()).map(|c| c.size).next().unwrap_or(0);
        if part.cosignatures >= pins.cosignatures {
            part.cosigned = part.cosigned.max(part.checkpoint.size);
        }
        Ok(Some(part))
    }

    /// Holds the log to every checkpoint that was accepted before.
    fn remember<'n>(&self, key: &VerifierKey, notes: impl Iterator<Item = &'n String>, findings: &mut Vec<Finding>) {
        let mut consistent = 0;
        for note in notes {
            match Checkpoint::open(note, key) {
                Err(error) => {
                    findings.push(false_signature(&self.place, &format!("a checkpoint among those seen: {error}")));
                }
                Ok(seen) => match self.contradicts(&seen) {
                    Some((rule, text)) => {
                        let index = if rule == Rule::Rewound { self.checkpoint.size } else { consistent };
                        findings.push(self.finding(Some(index), rule, text));
                    }
                    None => consistent = seen.size,
                },
            }
        }
    }

    /// Holds it to what others were shown. What is not signed by its key is not about it.
    fn compare(&self, key: &VerifierKey, notes: &[String], findings: &mut Vec<Finding>) {
        for shown in notes.iter().filter_map(|note| Checkpoint::open(note, key).ok()) {
            if shown.size > self.checkpoint.size {
                let text =
                    format!("a checkpoint of {} entries was shown elsewhere: fetch, and compare again", shown.size);
                findings.push(self.finding(None, Rule::Unproven, text));
            } else if let Some((rule, text)) = self.contradicts(&shown) {
                findings.push(self.finding(None, rule, format!("{text}; it was shown elsewhere")));
            }
        }
    }

    fn judge_evidence(&self, key: &VerifierKey, findings: &mut Vec<Finding>) -> io::Result<()> {
        for note in self.place.evidence()? {
            findings.push(match Checkpoint::open(&note, key) {
                Err(error) => false_signature(&self.place, &format!("a checkpoint kept as evidence: {error}")),
                Ok(kept) => match self.contradicts(&kept) {
                    Some((Rule::Fork, text)) => {
                        self.finding(None, Rule::Fork, format!("{text}; it is kept as evidence"))
                    }
                    _ if kept.size > self.checkpoint.size => {
                        let text = format!(
                            "a signed checkpoint of {} entries does not continue the one of {}; it is kept as evidence",
                            kept.size, self.checkpoint.size
                        );
                        self.finding(None, Rule::Fork, text)
                    }
                    _ => {
                        let text = format!(
                            "a checkpoint of {} entries was shown after a larger one; it is kept as evidence",
                            kept.size
                        );
                        self.finding(Some(kept.size), Rule::Rewound, text)
                    }
                },
            });
        }
        Ok(())
    }

    /// What another signed checkpoint shows against this log.
    fn contradicts(&self, other: &Checkpoint) -> Option<(Rule, String)> {
        let (size, own) = (other.size, self.checkpoint.size);
        if size > own {
            return Some((
                Rule::Rewound,
                format!("a checkpoint of {size} entries was signed, and now there are {own}"),
            ));
        }
        match self.hashes.root(size) {
            Some(root) if root == other.root => None,
            Some(_) => {
                Some((Rule::Fork, format!("a signed checkpoint of {size} entries is not of the first {size} of these")))
            }
            None => Some((
                Rule::Unproven,
                format!("the checkpoint of {size} entries can not be compared with a pruned log"),
            )),
        }
    }

    fn finding(&self, index: Option<u64>, rule: Rule, text: String) -> Finding {
        Finding::new(self.place.party, Some(self.place.half), index, rule, text)
    }

    /// Where one of its entries stands.
    #[must_use]
    pub const fn spot(&self, index: u64) -> Spot {
        Spot { node: self.place.party, half: self.place.half, index }
    }

    /// The bytes of one entry; nothing of them is checked.
    ///
    /// # Errors
    /// [`io::Error`] if its bundle can not be read.
    pub fn entry(&self, index: u64) -> io::Result<Option<Vec<u8>>> {
        if index >= self.checkpoint.size {
            return Ok(None);
        }
        let bundle = self.place.bundle(Span::of(index / WIDTH, self.checkpoint.size))?;
        let entries = bundle.and_then(|(bytes, width)| unbundle(&bytes, width));
        let place = usize::try_from(index % WIDTH).expect("less than 256");
        Ok(entries.and_then(|entries| entries.into_iter().nth(place)))
    }

    /// Hands out each entry that is still served, with its index, if it hashes to its leaf.
    ///
    /// # Errors
    /// [`io::Error`] if a bundle can not be read; a missing or false one is a finding.
    pub fn entries<F>(&self, findings: &mut Vec<Finding>, mut each: F) -> io::Result<()>
    where
        F: FnMut(u64, &[u8], &mut Vec<Finding>),
    {
        if self.first < self.checkpoint.size && !self.place.has_entries() {
            let text = "only hashes were mirrored, no entries".to_owned();
            findings.push(self.finding(None, Rule::NoEntries, text));
            return Ok(());
        }
        let mut missing = false;
        for span in Span::changed(self.first / WIDTH * WIDTH, self.known) {
            let at = span.range().start;
            let Some((bytes, width)) = self.place.bundle(span)? else {
                // One finding for all that is missing in a row.
                if !missing {
                    let text = "these entries are missing".to_owned();
                    findings.push(self.finding(Some(at), Rule::Gap, text));
                }
                missing = true;
                continue;
            };
            missing = false;
            let Some(entries) = unbundle(&bytes, width) else {
                let text =
                    format!("{} is malformed in this mirror: delete it, and fetch it again", span.path("entries"));
                findings.push(self.finding(Some(at), Rule::Damaged, text));
                continue;
            };
            for (index, entry) in span.range().zip(entries) {
                match self.hashes.leaf(index) {
                    Some(leaf) if leaf == leaf_hash(&entry) => each(index, &entry, findings),
                    // That its leaf is not there was found before.
                    None => {}
                    Some(_) => {
                        let path = span.path("entries");
                        let text = format!(
                            "the entry is not the one that the signed root proves: delete {path} in this mirror, and fetch it again"
                        );
                        findings.push(self.finding(Some(index), Rule::Damaged, text));
                    }
                }
            }
        }
        Ok(())
    }
}

fn false_signature(place: &Place, text: &str) -> Finding {
    Finding::new(place.party, Some(place.half), None, Rule::BadSignature, text.to_owned())
}

/// Reads the tiles from the top down: what does not lead to the tile above, or to the signed root, is found. Also tells up to where
/// leaf hashes are there.
///
/// Of each level, from the first entry that is kept to the right, and then to the left of it, until one is missing: so it takes as
/// long as there are files, however large the log says that it is.
fn read_hashes(
    place: &Place,
    checkpoint: &Checkpoint,
    first: u64,
    findings: &mut Vec<Finding>,
) -> io::Result<(Hashes, u64)> {
    let mut hashes = Hashes::new(checkpoint.size);
    let (mut whole, mut known) = (true, checkpoint.size);
    let all: Vec<_> = levels(checkpoint.size).collect();
    let finding = |index, rule, text| Finding::new(place.party, Some(place.half), index, rule, text);
    for (level, count) in all.into_iter().rev() {
        let begin = (first >> (8 * level)) / WIDTH * WIDTH;
        for span in Span::changed(begin, count).chain(Span::changed(0, begin).rev()) {
            let leaves = span.range().start << (8 * level)..span.range().end << (8 * level);
            let Some(tile) = place.tile(level, span)? else {
                if leaves.end <= first {
                    break;
                }
                // One finding for what is missing, not one for each tile.
                if whole {
                    let text = format!("tile {} of level {level} is not there, or not whole", span.index);
                    findings.push(finding(Some(leaves.start), Rule::Gap, text));
                }
                whole = false;
                known = known.min(leaves.start.max(first));
                break;
            };
            if hashes.insert(level, span, &tile).is_err() {
                let text = format!("tile {} of level {level} does not lead to the tile above it", span.index);
                findings.push(finding(Some(leaves.start), Rule::Root, text));
                whole = false;
            }
        }
    }
    match hashes.root(checkpoint.size) {
        Some(root) if root == checkpoint.root => {}
        Some(_) => findings.push(finding(None, Rule::Root, "the hashes do not lead to the signed root".to_owned())),
        None if whole => {
            findings.push(finding(None, Rule::Gap, "too much was pruned: the root can not be computed".to_owned()));
        }
        None => {}
    }
    Ok((hashes, known))
}
