//! What a search compares with, and its scan: the summands of all scores, on a thread of low priority.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::gallery::{Gallery, GallerySnapshot, ROWS};
use crate::log::ledger::Position;
use crate::protocol::dot::scan_many;
use crate::share::Weighted;

/// One probe, taken in.
pub(super) struct Probe {
    /// One for each model.
    pub(super) weighted: Vec<Weighted>,
    /// What each model's dot is multiplied with.
    pub(super) weights: Vec<u16>,
    /// What the sum must reach.
    pub(super) threshold: i16,
}

/// What is scanned, and for whom. It holds the rows as they stood when the roll was called: no change of a gallery reaches it.
pub(super) struct Scan {
    pub(super) roll: GallerySnapshot,
    pub(super) probes: Vec<Probe>,
}

impl Scan {
    /// Whose some lanes of a unit are.
    pub(super) fn positions(&self, unit: &Range<usize>, reached: &[bool]) -> Vec<Position> {
        let rows = self.roll.rows(0)[unit.clone()].iter().zip(reached).filter(|(_, reached)| **reached);
        rows.filter_map(|(row, _)| self.roll.held(0)?.position(*row)).collect()
    }

    /// This node's summand of the score of each lane of a unit: all lanes of the first probe, then all of the second.
    pub(super) fn scores(&self, unit: &Range<usize>) -> Zeroizing<Vec<u16>> {
        let mut scores = Zeroizing::new(vec![0_u16; self.probes.len() * unit.len()]);
        for (place, rows) in self.roll.spans(unit.clone()).into_iter().enumerate() {
            let lanes = &self.roll.rows(place)[unit.clone()];
            let probes: Vec<&[u16]> = self.probes.iter().map(|probe| probe.weighted[place].words()).collect();
            let Some(gallery) = self.roll.held(place) else { continue };
            let dots = dots(gallery, rows.clone(), &probes);
            let of_probes = scores.chunks_mut(lanes.len()).zip(dots.chunks(rows.len()));
            for ((scores, dots), probe) in of_probes.zip(&self.probes) {
                let weight = probe.weights[place];
                for (score, row) in scores.iter_mut().zip(lanes) {
                    let dot = dots[*row as usize - rows.start];
                    *score = score.wrapping_add(dot.wrapping_mul(weight));
                }
            }
        }
        scores
    }
}

/// The dots of all probes with some rows of a gallery: all of the first probe, then all of the second.
fn dots(gallery: &Gallery, rows: Range<usize>, probes: &[&[u16]]) -> Zeroizing<Vec<u16>> {
    let mut dots = Zeroizing::new(vec![0_u16; probes.len() * rows.len()]);
    let mut of_block = Zeroizing::new(vec![0_u16; probes.len() * ROWS]);
    let mut from = 0;
    for block in gallery.blocks(rows.clone()) {
        let to = from + block.nrows();
        let out = &mut of_block[..probes.len() * block.nrows()];
        scan_many(block, probes, out);
        for (all, some) in dots.chunks_mut(rows.len()).zip(out.chunks(to - from)) {
            all[from..to].copy_from_slice(some);
        }
        from = to;
    }
    dots
}
