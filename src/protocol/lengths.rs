//! Whether what was taken in has the length of a template: all that keeps a crafted probe from matching.
//!
//! * A row of a set, and a vector of one segment: `norm >= lower` and `-norm >= -upper`, two lanes. The squared length is at most
//!   64 d, so its distance from either bound fits 16 bits.
//! * A vector of several segments: `-norm >= -upper` for each segment, exact by the same reason; and the two for the sum of all,
//!   which is exact enough once no segment is above the bound. `upper` is the whole vector's.

use zeroize::Zeroizing;

use super::bits::Bits;
use super::{Invalid, ProtocolError, Session, Taken, open};
use crate::net::Step;
use crate::template::SEGMENT;

/// Lanes of 16 bits: summands of scores, and what each is compared with.
#[derive(Default)]
pub(super) struct Lanes {
    pub(super) scores: Zeroizing<Vec<u16>>,
    pub(super) bounds: Vec<i16>,
}

impl Lanes {
    /// With room for so many: a vector that grows leaves unwiped copies behind.
    pub(super) fn with_room_for(lanes: usize) -> Self {
        Self { scores: Zeroizing::new(Vec::with_capacity(lanes)), bounds: Vec::with_capacity(lanes) }
    }

    pub(super) fn push(&mut self, score: u16, bound: i16) {
        self.scores.push(score);
        self.bounds.push(bound);
    }

    pub(super) fn len(&self) -> usize {
        self.bounds.len()
    }

    /// What must hold of the templates' lengths.
    pub(super) fn push_lengths(&mut self, taken: &[Taken]) {
        for taken in taken {
            self.push_lengths_of(taken);
        }
    }

    fn push_lengths_of(&mut self, taken: &Taken) {
        let shape = taken.components.shape();
        let norms = taken.components.norm_summands();
        let (lower, upper) = shape.band();
        let (lower, upper) = (lower.cast_signed(), -upper.cast_signed());
        let segments = shape.columns().div_ceil(SEGMENT);
        for row in norms.chunks_exact(segments) {
            if segments > 1 {
                for norm in row {
                    self.push(norm.wrapping_neg(), upper);
                }
            }
            let norm = row.iter().fold(0_u16, |sum, norm| sum.wrapping_add(*norm));
            self.push(norm, lower);
            self.push(norm.wrapping_neg(), upper);
        }
    }
}

/// Lanes that the lengths of a template of this shape take.
pub(super) fn lanes_of(taken: &Taken) -> usize {
    let shape = taken.components.shape();
    let segments = shape.columns().div_ceil(SEGMENT);
    shape.rows() * (2 + if segments > 1 { segments } else { 0 })
}

/// Opens what the lengths reached, from lane `first` on, and says of each template whether it is one.
pub(super) async fn open_lengths(
    session: &mut Session,
    reached: &Bits,
    first: usize,
    taken: &[Taken],
) -> Result<Vec<Result<(), Invalid>>, ProtocolError> {
    let lanes: Vec<usize> = (first..reached.lanes()).collect();
    let within = open(session, Step::OpenLength, &reached.select(&lanes), &lanes).await?;
    let mut within = &within[..];
    let verdict = |taken: &Taken| {
        let (own, rest) = within.split_at(lanes_of(taken));
        within = rest;
        match own {
            _ if !taken.consistent => Err(Invalid::Inconsistent),
            own if own.iter().all(|within| *within) => Ok(()),
            _ => Err(Invalid::Length),
        }
    };
    Ok(taken.iter().map(verdict).collect())
}
