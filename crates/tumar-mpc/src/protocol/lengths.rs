//! Whether what was taken in has the length of a template: all that keeps a crafted probe from matching.
//!
//! * A row of a set, and a vector of one segment: `norm >= lower` and `-norm >= -upper`, two lanes. The squared length is at most
//!   64 d, so its distance from either bound fits 16 bits. It is never beyond both, so the two bits differ exactly where it is beyond
//!   one: their XOR is what else were an AND, and costs nothing.
//! * A vector of several segments: `-norm >= -upper` for each segment, exact by the same reason; and the two for the sum of all,
//!   which is exact enough once no segment is above the bound. `upper` is the whole vector's.
//!
//! Of all templates of a request one bit is opened: which row or sample is at fault stays shared, like everything else of a probe.

use zeroize::Zeroizing;

use super::bits::{Bits, Tree};
use super::{CheckedInput, Invalid, ProtocolError, Session, open};
use crate::net::Step;
use crate::party::Party;
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
    pub(super) fn push_lengths(&mut self, taken: &[CheckedInput]) {
        for taken in taken {
            self.push_lengths_of(taken);
        }
    }

    fn push_lengths_of(&mut self, taken: &CheckedInput) {
        let shape = taken.components.shape();
        let norms = taken.components.norm_summands();
        let (lower, upper) = shape.band();
        let (lower, upper) = (lower.cast_signed(), -upper.cast_signed());
        for row in norms.chunks_exact(segments_of(taken)) {
            if row.len() > 1 {
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

fn segments_of(taken: &CheckedInput) -> usize {
    taken.components.shape().columns().div_ceil(SEGMENT)
}

/// Lanes that the lengths of a template of this shape take.
pub(super) fn lanes_of(taken: &CheckedInput) -> usize {
    let segments = segments_of(taken);
    taken.components.shape().rows() * (2 + if segments > 1 { segments } else { 0 })
}

/// One group for each request that has templates: whether all of them are as long as they must be.
///
/// * `reached`: what the lanes of [`Lanes::push_lengths`] reached, from lane `first` on.
/// * `requests`: how many of the templates each has.
pub(super) fn within(own: Party, reached: &Bits, first: usize, taken: &[CheckedInput], requests: &[usize]) -> Tree {
    let (mut lower, mut upper) = (Vec::new(), Vec::new());
    let (mut lanes, mut sizes) = (Vec::new(), Vec::new());
    let (mut next, mut taken) = (first, taken.iter());
    for &templates in requests.iter().filter(|&&templates| templates > 0) {
        let before = lanes.len();
        for taken in taken.by_ref().take(templates) {
            let segments = segments_of(taken);
            for _ in 0..taken.components.shape().rows() {
                if segments > 1 {
                    lanes.extend(next..next + segments);
                    next += segments;
                }
                lanes.push(reached.lanes() + lower.len());
                lower.push(next);
                upper.push(next + 1);
                next += 2;
            }
        }
        sizes.push(lanes.len() - before);
    }
    let beyond_neither = reached.select(&lower).xor(&reached.select(&upper)).not(own);
    Tree::and(&Bits::concat([reached, &beyond_neither]), &lanes, &sizes)
}

/// Opens one bit of each request, and says whether its templates are some.
pub(super) async fn open_lengths(
    session: &mut Session,
    within: &Bits,
    taken: &[CheckedInput],
    requests: &[usize],
) -> Result<Vec<Result<(), Invalid>>, ProtocolError> {
    let asked: Vec<usize> = (0..requests.len()).filter(|&request| requests[request] > 0).collect();
    let mut within = open(session, Step::OpenLength, within, &asked).await?.into_iter();
    let mut taken = taken.iter();
    let verdict = |&templates: &usize| {
        let inconsistent = taken.by_ref().take(templates).filter(|taken| !taken.consistent).count();
        let is_within = templates == 0 || within.next() == Some(true);
        if inconsistent > 0 {
            Err(Invalid::Inconsistent)
        } else if is_within {
            Ok(())
        } else {
            Err(Invalid::Length)
        }
    };
    Ok(requests.iter().map(verdict).collect())
}
