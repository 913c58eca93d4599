//! One node's log of half a year, read from a mirror and held to what its key signed.
//!
//! [`Place`] --[`Part::open`]--> signature, root, every checkpoint seen before --> [`Part`] --[`Part::entries`]--> entries

use std::io;

use super::finding::{Finding, Rule, Spot};
use super::hashes::Hashes;
use super::mirror::Place;
use super::pins::Pins;
use super::reading;
use crate::log::merkle::leaf_hash;
use crate::log::note::{Checkpoint, VerifierKey};
use crate::log::tiles::{Span, WIDTH, unbundle};

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
    /// Leaf hashes that are proven are there from `first` to before this one; to the end of a log of which none is missing.
    pub known: u64,
    /// Whether the hashes lead to the signed root: without, they prove nothing, for or against the node.
    pub sound: bool,
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
                    let text = "the file checkpoint is not in this mirror; one of";
                    (Rule::Gap, format!("{text} {size} entries was seen before: fetch again"))
                }
                None => (Rule::NoLog, "there is no checkpoint: the mirror was not finished".to_owned()),
            };
            findings.push(Finding::new(place.party, Some(place.half), None, rule, text).as_incomplete());
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
        let cosignatures = pins.cosigned(place.party, &note);
        let witnesses = if cosignatures >= pins.cosignatures { cosignatures } else { 0 };
        let reading::Read { hashes, known, sound } = reading::read(place, &checkpoint, first, witnesses, findings)?;
        let place = place.clone();
        let mut part = Self { place, checkpoint, note, hashes, first, known, sound, cosignatures, cosigned: 0 };
        part.remember(&key, seen.iter().map(|(_, note)| note), findings);
        part.compare(&key, elsewhere, findings);
        part.judge_evidence(&key, findings)?;
        let notes = seen.iter().rev().map(|(_, note)| note).chain([&part.note]);
        let covered = notes.filter(|note| pins.cosigned(part.place.party, note) >= pins.cosignatures);
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
        let root = if size == own { Some(self.checkpoint.root) } else { self.hashes.root(size) };
        match root {
            Some(root) if root == other.root => None,
            _ if size < own && !self.sound => {
                let text = "entries can not be compared with this mirror, whose hashes do not lead to the signed root";
                Some((Rule::Unproven, format!("the checkpoint of {size} {text}")))
            }
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
                    let text = format!("{} is not in this mirror: fetch again", span.path("entries"));
                    findings.push(self.finding(Some(at), Rule::Gap, text).as_incomplete());
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
