//! One person's entries among all: found with the key given out at enrolment, and by nobody without it.
//!
//! node's key --`HMAC(key, 0), HMAC(key, 1), ..`--> handles --looked up--> own entries --Merkle path--> signed root

use std::collections::{BTreeSet, HashMap};
use std::io;

use super::finding::{Finding, Rule, Spot};
use super::mirror::Mirror;
use super::part::Part;
use super::pins::Pins;
use crate::hex::unhex;
use crate::log::entry::{Entry, blinded_handle};
use crate::log::merkle::{leaf_hash, verify_inclusion};
use crate::log::note::Checkpoint;
use crate::party::Party;

/// How many handles in a row may be without an entry until no more are looked for.
///
/// Counters go up with each entry, through all half-years. Some have none: a node that stopped between counting and writing burns
/// one, and entries that were pruned took theirs along, so that a long customer's first ones are missing by the thousand. To look
/// further than needed costs a tenth of a second and can find nothing false: a handle of 32 bytes is not met by chance.
pub const WINDOW: u64 = 65_536;

/// One use, and the proof that it stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnUse {
    /// Where.
    pub spot: Spot,
    /// What.
    pub entry: Entry,
    /// The entry's bytes.
    pub bytes: Vec<u8>,
    /// The checkpoint that the proof leads to, as it was signed.
    pub checkpoint: Checkpoint,
    /// Sibling hashes from the leaf up; they were checked.
    pub proof: Vec<[u8; 32]>,
}

/// A person's uses in one node's logs.
#[derive(Debug)]
pub struct OwnUses {
    /// In the order of the log.
    pub uses: Vec<OwnUse>,
    /// Entries that were looked through.
    pub entries: u64,
    /// How many of the node's logs could be read.
    pub logs: usize,
    /// Entries that were no longer served when the logs were fetched.
    pub pruned: u64,
    /// When the node was last looked at, in unix seconds; none in a mirror that was made by other means.
    pub fetched: Option<u64>,
    /// What is wrong with the logs: with any of it, uses may be missing.
    pub findings: Vec<Finding>,
}

/// Finds the uses of one person in the mirrored logs of one node. `key` is that node's key, from the person's own.
///
/// # Errors
/// [`io::Error`] if the mirror can not be read.
pub fn of(mirror: &Mirror, pins: &Pins, party: Party, key: &[u8; 32]) -> io::Result<OwnUses> {
    let mut found = OwnUses {
        uses: Vec::new(),
        entries: 0,
        logs: 0,
        pruned: 0,
        fetched: None,
        findings: unmirrored(mirror, party)?,
    };
    let mut logs = Vec::new();
    for half in mirror.halves(party)? {
        let place = mirror.place(party, half);
        logs.extend(Part::open(&place, pins, &[], &mut found.findings)?);
        found.fetched = found.fetched.max(place.fetched()?);
    }
    found.logs = logs.len();
    found.pruned = logs.iter().map(|part| part.first).sum();
    // Every handle, and where the entries stand that bear it: more than one only in a log that breaks the rules.
    let mut by_handle: HashMap<[u8; 32], Vec<(usize, u64)>> = HashMap::new();
    for (place, part) in logs.iter().enumerate() {
        part.entries(&mut found.findings, |index, bytes, _| {
            found.entries += 1;
            if let Some(handle) = handle_of(bytes) {
                by_handle.entry(handle).or_default().push((place, index));
            }
        })?;
    }
    let (mut counter, mut misses) = (0, 0);
    while misses < WINDOW {
        match by_handle.remove(&blinded_handle(key, counter)) {
            Some(entries) => {
                misses = 0;
                for (place, index) in entries {
                    found.uses.extend(proved(&logs[place], index)?);
                }
            }
            None => misses += 1,
        }
        counter += 1;
    }
    found.uses.sort_by_key(|used| (used.spot.half, used.spot.index));
    Ok(found)
}

/// Logs of a node that are not in the mirror: all of them, or those of half-years of which another node's is.
fn unmirrored(mirror: &Mirror, party: Party) -> io::Result<Vec<Finding>> {
    let own = mirror.halves(party)?;
    if own.is_empty() {
        let text = "nothing of this node was mirrored".to_owned();
        return Ok(vec![Finding::new(party, None, None, Rule::NoLog, text)]);
    }
    let mut others = BTreeSet::new();
    for other in Party::ALL {
        others.extend(mirror.halves(other)?);
    }
    let missing = others.into_iter().filter(|half| !own.contains(half));
    let text = "this log was not mirrored, and another node's of the same half-year was";
    Ok(missing.map(|half| Finding::new(party, Some(half), None, Rule::NoLog, text.to_owned())).collect())
}

/// The entry with its proof; none if it is no entry, or the way to the root is not whole, which the log's findings tell.
fn proved(part: &Part, index: u64) -> io::Result<Option<OwnUse>> {
    let Some(bytes) = part.entry(index)? else { return Ok(None) };
    let Checkpoint { size, root, .. } = part.checkpoint;
    let (Ok(entry), Some(proof)) = (Entry::parse(&bytes), part.hashes.inclusion(index, size)) else { return Ok(None) };
    let proved = verify_inclusion(&leaf_hash(&bytes), index, size, &proof, &root).is_ok();
    let (spot, checkpoint) = (part.spot(index), part.checkpoint.clone());
    Ok(proved.then_some(OwnUse { spot, entry, bytes, checkpoint, proof }))
}

/// The handle in an entry's bytes, without reading all of it: what is found is read in full.
fn handle_of(bytes: &[u8]) -> Option<[u8; 32]> {
    const MARK: &[u8] = b"\"handle\":\"";
    let at = bytes.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    unhex(str::from_utf8(bytes.get(at..at + 64)?).ok()?)
}
