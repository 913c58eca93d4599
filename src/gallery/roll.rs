//! Who is compared in a search: the live references of a gallery at one moment, in the order of positions.

use std::ops::Range;

use ring::digest::{Context, SHA256};

use super::{Gallery, Slot};
use crate::log::ledger::Position;

/// One comparison of a search: a row of a gallery, or one of each of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Whose.
    pub position: Position,
    /// Which row of each gallery; the second only where two are searched.
    pub rows: [u32; 2],
}

/// What a search compares with, lane by lane. Public; equal at nodes that hold the same references of the same people.
///
/// Rows that stand here do not move while links between nodes hold: whoever is enrolled later has a later position.
#[derive(Clone, PartialEq, Eq)]
pub struct Roll {
    lanes: Vec<Lane>,
    galleries: usize,
}

/// Prints how many there are.
impl std::fmt::Debug for Roll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Roll([{}])", self.lanes.len())
    }
}

impl Roll {
    /// Of one gallery: each live vector. Of two: for each person who has both, each vector of the one with each of the other.
    pub(super) fn call(galleries: &[&Gallery], now: u64) -> Self {
        let lanes = match galleries {
            [one] => live(one, now).map(|(row, slot)| Lane { position: slot.position, rows: [row, 0] }).collect(),
            [one, other] => pairs(one, other, now),
            _ => Vec::new(),
        };
        Self { lanes, galleries: galleries.len() }
    }

    /// All comparisons.
    #[must_use]
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// The rows that a stretch of lanes takes of each gallery; between them may be some that it does not take.
    #[must_use]
    pub fn rows(&self, lanes: Range<usize>) -> Vec<Range<usize>> {
        let of = |gallery: usize| {
            let rows = || self.lanes[lanes.clone()].iter().map(|lane| lane.rows[gallery] as usize);
            rows().min().unwrap_or(0)..rows().max().map_or(0, |last| last + 1)
        };
        (0..self.galleries).map(of).collect()
    }

    /// SHA-256 over the position of each lane: nodes that differ do not hold the same people.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Context::new(&SHA256);
        hash.update(b"tumar roll v1");
        for lanes in self.lanes.chunks(512) {
            let mut bytes = [0; 8 * 512];
            for (eight, lane) in bytes.as_chunks_mut().0.iter_mut().zip(lanes) {
                *eight = lane.position.0.to_be_bytes();
            }
            hash.update(&bytes[..8 * lanes.len()]);
        }
        let mut out = [0; 32];
        out.copy_from_slice(hash.finish().as_ref());
        out
    }
}

/// Rows that are vectors, and neither removed nor expired.
fn live(gallery: &Gallery, now: u64) -> impl Iterator<Item = (u32, Slot)> {
    let minute = u32::try_from(now / 60).unwrap_or(u32::MAX);
    (0..).zip(gallery.slots.iter().copied()).filter(move |(_, slot)| slot.rows == 1 && slot.until > minute)
}

fn pairs(one: &Gallery, other: &Gallery, now: u64) -> Vec<Lane> {
    let mut lanes = Vec::new();
    let mut others = live(other, now).peekable();
    let mut held: Vec<(u32, Slot)> = Vec::new();
    for (row, slot) in live(one, now) {
        if held.first().is_none_or(|(_, held)| held.position < slot.position) {
            held.clear();
            while others.next_if(|(_, other)| other.position < slot.position).is_some() {}
            while let Some(same) = others.next_if(|(_, other)| other.position == slot.position) {
                held.push(same);
            }
        }
        let of_same = held.iter().filter(|(_, held)| held.position == slot.position);
        lanes.extend(of_same.map(|(second, _)| Lane { position: slot.position, rows: [row, *second] }));
    }
    lanes
}
