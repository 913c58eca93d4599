//! Compares sets of rows: how many rows of a probe find a like one in a reference, without telling which.
//!
//! ```text
//! dot of each row with each row     --signs-->         reaches LEVELS 1, 2, 3?     12 bits a lane
//! bits of one row and level         --or_tree-->       reached by any?             log2 of the reference's rows
//! bits of one pair of sets          --bits_to_words--> their sum: the count        2 rounds
//! ```
//!
//! A row counts a level once, whatever it meets: a probe of equal rows gains nothing. Source: DESIGN of the fingerprint comparator;
//! the blocks are those of [`bits`](super::bits) and [`words`](super::words).

use zeroize::Zeroizing;

use super::bits::{Bits, or_tree};
use super::compare::{Bounds, Group, Halves, Width};
use super::kernel::Kernel;
use super::words::{Words, bits_to_words};
use super::{ProtocolError, Session};
use crate::share::Weighted;
use crate::template::{LEVELS, ROW};

/// Pairs of sets, row by row.
#[derive(Default)]
pub(super) struct Pairs {
    /// This party's summands of the dots: pair after pair, and in each the probe's rows one after the other.
    scores: Zeroizing<Vec<u16>>,
    /// Rows of the probe and of the reference.
    sizes: Vec<(usize, usize)>,
}

impl Pairs {
    /// How many.
    pub(super) fn len(&self) -> usize {
        self.sizes.len()
    }

    /// One more: a probe's share, and the words of a reference's.
    pub(super) fn push(&mut self, probe: &Weighted, reference: &[u16]) {
        let rows: Vec<&[u16]> = probe.rows().collect();
        let (before, more) = (self.scores.len(), rows.len() * (reference.len() / ROW));
        // Built anew: a vector that grows leaves unwiped copies behind.
        let mut scores = Zeroizing::new(Vec::with_capacity(before + more));
        scores.extend_from_slice(&self.scores);
        scores.resize(before + more, 0);
        Kernel::best().products(reference, &rows, &mut scores[before..]);
        self.scores = scores;
        self.sizes.push((rows.len(), reference.len() / ROW));
    }

    /// All dots, to be handed on.
    pub(super) fn scores(&self) -> &[u16] {
        &self.scores
    }

    /// The dots against the levels.
    pub(super) fn group(scores: Halves) -> Group {
        // Rows whose lengths are in their band have dots of at most 1092; of others no bit is opened.
        Group { scores, bounds: Bounds::All(LEVELS.to_vec()), width: Width::Twelve }
    }

    /// The count of each pair, from what the dots reached.
    pub(super) async fn counts(&self, session: &mut Session, reached: &[Bits]) -> Result<Words, ProtocolError> {
        let rows = self.sizes.iter().flat_map(|&(probe, reference)| std::iter::repeat_n(reference, probe));
        let sizes: Vec<usize> = LEVELS.iter().flat_map(|_| rows.clone()).collect();
        let found = or_tree(session, &Bits::concat(reached), &sizes).await?;
        let words = bits_to_words(session, &found).await?;
        let pairs = self.sizes.iter().enumerate().flat_map(|(pair, &(probe, _))| std::iter::repeat_n(pair, probe));
        let of: Vec<usize> = LEVELS.iter().flat_map(|_| pairs.clone()).collect();
        Ok(words.sum(self.len(), |lane| of[lane]))
    }
}
