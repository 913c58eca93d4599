//! Who is compared in a search: the live references of a gallery at one moment, in the order of positions.

use std::ops::Range;

use ring::digest::{Context, SHA256};

use super::{Gallery, Slot};
use crate::log::ledger::Position;

/// What a search compares with, lane by lane: a row of one gallery, or one of each of two. Public; equal at nodes that hold the same
/// references of the same people.
///
/// * Shape: a column of rows for each gallery, as long as there are lanes. Four bytes a lane and gallery: a search of a million keeps
///   it while it runs, and the next is called before it ends.
/// * It holds the galleries as they were when it was called, by block: who is enrolled, erased or expires meanwhile changes nothing in
///   it. What was erased is wiped with the last roll that holds it.
pub struct GallerySnapshot {
    rows: Vec<Vec<u32>>,
    held: Vec<Gallery>,
    digest: [u8; 32],
}

/// Prints how many there are.
impl std::fmt::Debug for GallerySnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GallerySnapshot([{}])", self.lanes())
    }
}

impl GallerySnapshot {
    /// Of one gallery: each live vector. Of two: for each person who has both, each vector of the one with each of the other.
    pub(super) fn call(galleries: &[&Gallery], now: u64) -> Self {
        let mut called = Called { rows: vec![Vec::new(); galleries.len()], hash: Context::new(&SHA256) };
        called.hash.update(b"tumar roll v1");
        match galleries {
            [one] => live(one, now).for_each(|(row, slot)| called.lane(slot.position, &[row])),
            [one, other] => pairs(one, other, now, &mut called),
            _ => {}
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(called.hash.finish().as_ref());
        Self { rows: called.rows, held: galleries.iter().map(|gallery| gallery.held()).collect(), digest }
    }

    /// A gallery's references as they were.
    #[must_use]
    pub fn held(&self, gallery: usize) -> Option<&Gallery> {
        self.held.get(gallery)
    }

    /// How many comparisons.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// The row of one gallery in each lane.
    #[must_use]
    pub fn rows(&self, gallery: usize) -> &[u32] {
        self.rows.get(gallery).map_or(&[], Vec::as_slice)
    }

    /// The rows that a stretch of lanes takes of each gallery; between them may be some that it does not take.
    #[must_use]
    pub fn spans(&self, lanes: Range<usize>) -> Vec<Range<usize>> {
        let of = |rows: &Vec<u32>| {
            let rows = || rows[lanes.clone()].iter().map(|row| *row as usize);
            rows().min().unwrap_or(0)..rows().max().map_or(0, |last| last + 1)
        };
        self.rows.iter().map(of).collect()
    }

    /// SHA-256 over the position of each lane: nodes that differ do not hold the same people.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// A roll while it is called.
struct Called {
    rows: Vec<Vec<u32>>,
    hash: Context,
}

impl Called {
    fn lane(&mut self, position: Position, rows: &[u32]) {
        self.hash.update(&position.0.to_be_bytes());
        for (column, row) in self.rows.iter_mut().zip(rows) {
            column.push(*row);
        }
    }
}

/// Rows that are vectors, and neither removed nor expired.
fn live(gallery: &Gallery, now: u64) -> impl Iterator<Item = (u32, Slot)> {
    let minute = u32::try_from(now / 60).unwrap_or(u32::MAX);
    (0..).zip(gallery.slots.iter().copied()).filter(move |(_, slot)| slot.rows == 1 && slot.until > minute)
}

fn pairs(one: &Gallery, other: &Gallery, now: u64, called: &mut Called) {
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
        for (second, _) in held.iter().filter(|(_, held)| held.position == slot.position) {
            called.lane(slot.position, &[row, *second]);
        }
    }
}
