//! Compares sets of rows: how many rows of a probe find a like one in a reference, and of a reference in a probe, without telling which.
//!
//! ```text
//! dot of each row with each row     --signs-->         reaches level 1, 2, 3?      12 bits a lane
//! bits of one row and level         --climb, OR-->     reached by any?             log2 of the other set's rows
//! bits of one pair of sets          --bits_to_words--> their sums: two counts      2 rounds
//! ```
//!
//! A row counts a level once, whatever it meets, and only the smaller of both counts matters: a probe of equal rows counts much one way
//! and next to nothing the other. Source: DESIGN of the fingerprint comparator; the blocks are those of [`bits`](super::bits) and
//! [`words`](super::words).

use std::iter::repeat_n;

use zeroize::Zeroizing;

use super::bits::{Bits, Tree, climb};
use super::compare::{Bounds, Group, TwoPartyShares, Width};
use super::kernel::Kernel;
use super::words::{Words, bits_to_words};
use super::{ProtocolError, Session};
use crate::net::Step;
use crate::share::Weighted;
use crate::template::{Levels, ROW};

/// Counts of each pair: of the probe's rows, then of the reference's.
pub(super) const WAYS: usize = 2;

/// Pairs of sets, row by row.
#[derive(Default)]
pub(super) struct Pairs {
    /// This party's summands of the dots: pair after pair, and in each the probe's rows one after the other.
    scores: Zeroizing<Vec<u16>>,
    /// Rows of the probe and of the reference.
    sizes: Vec<(usize, usize)>,
    /// What their dots are to reach.
    levels: Vec<Levels>,
}

impl Pairs {
    /// How many.
    pub(super) fn len(&self) -> usize {
        self.sizes.len()
    }

    /// One more: a probe's share, the words of a reference's, and their model's levels.
    pub(super) fn push(&mut self, probe: &Weighted, reference: &[u16], levels: Levels) {
        let rows: Vec<&[u16]> = probe.rows().collect();
        let (before, more) = (self.scores.len(), rows.len() * (reference.len() / ROW));
        // Built anew: a vector that grows leaves unwiped copies behind.
        let mut scores = Zeroizing::new(Vec::with_capacity(before + more));
        scores.extend_from_slice(&self.scores);
        scores.resize(before + more, 0);
        Kernel::best().products(reference, &rows, &mut scores[before..]);
        self.scores = scores;
        self.sizes.push((rows.len(), reference.len() / ROW));
        self.levels.push(levels);
    }

    /// All dots, to be handed on.
    pub(super) fn scores(&self) -> &[u16] {
        &self.scores
    }

    /// The dots against the levels.
    pub(super) fn group(&self, scores: TwoPartyShares) -> Group {
        let first = self.levels.first().copied().unwrap_or_default();
        let bounds = if self.levels.iter().all(|levels| *levels == first) {
            Bounds::All(first.all().to_vec())
        } else {
            let lanes = |(levels, (probe, reference)): (&Levels, &(usize, usize))| (levels.all(), probe * reference);
            let pairs: Vec<_> = self.levels.iter().zip(&self.sizes).map(lanes).collect();
            let of_all =
                |level: usize| pairs.iter().flat_map(|&(levels, lanes)| repeat_n(levels[level], lanes)).collect();
            Bounds::Several((0..first.all().len()).map(of_all).collect())
        };
        // Rows whose lengths are in their band have dots of at most 1092; of others no bit is opened.
        Group { scores, bounds, width: Width::Twelve }
    }

    /// The counts of each pair, [`WAYS`] after [`WAYS`], from what the dots reached. `valid` goes along.
    pub(super) async fn counts(
        &self,
        session: &mut Session,
        reached: &[Bits],
        valid: &mut Tree,
    ) -> Result<Words, ProtocolError> {
        let (mut lanes, mut sizes, mut of) = (Vec::new(), Vec::new(), Vec::new());
        let mut start = 0;
        for _ in Levels::default().all() {
            for (pair, &(probe, reference)) in self.sizes.iter().enumerate() {
                let end = start + probe * reference;
                // Each row of the probe with all of the reference, as the dots stand; then the other way round.
                lanes.extend(start..end);
                sizes.extend(repeat_n(reference, probe));
                of.extend(repeat_n(WAYS * pair, probe));
                lanes.extend((start..start + reference).flat_map(|first| (first..end).step_by(reference)));
                sizes.extend(repeat_n(probe, reference));
                of.extend(repeat_n(WAYS * pair + 1, reference));
                start = end;
            }
        }
        let found = Tree::or(session.own(), &Bits::concat(reached), &lanes, &sizes);
        let found = climb(session, Step::Tree, found, valid).await?;
        let words = bits_to_words(session, &found).await?;
        Ok(words.sum(WAYS * self.len(), |lane| of[lane]))
    }
}
