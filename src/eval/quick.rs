//! Templates for many comparisons: the scores of the plain oracle, in wider words that processors multiply faster.

use zeroize::ZeroizeOnDrop;

use crate::template::{Levels, MOST_ROWS, Shape, Template};

/// A template's components, row after row. Wiped when dropped, like what it was made of.
#[derive(ZeroizeOnDrop)]
pub(super) struct Quick {
    #[zeroize(skip)]
    shape: Shape,
    #[zeroize(skip)]
    levels: Levels,
    components: Box<[i16]>,
}

impl Quick {
    /// For a model with these levels.
    pub(super) fn of(template: &Template, levels: Levels) -> Self {
        let components = template.components().iter().map(|&x| i16::from(x)).collect();
        Self { shape: template.shape(), levels, components }
    }

    pub(super) const fn shape(&self) -> Shape {
        self.shape
    }

    /// Each of as many components as the shape has columns.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[i16]> {
        self.components.chunks_exact(self.shape.columns())
    }

    /// What [`Template::score_at_vartime`] gives for the two.
    pub(super) fn score(&self, other: &Self) -> i32 {
        if !self.shape.is_set() {
            return dot(&self.components, &other.components);
        }
        let (mut best_of_other, mut own) = ([0; MOST_ROWS], 0);
        for row in self.rows() {
            let mut best = 0;
            for (other, best_of_other) in other.rows().zip(&mut best_of_other) {
                let score = dot(row, other);
                best = best.max(score);
                *best_of_other = score.max(*best_of_other);
            }
            own += self.levels.reached(best);
        }
        own.min(best_of_other.into_iter().map(|best| self.levels.reached(best)).sum())
    }
}

/// At most 2048 times 8 squared: nothing wraps, and sums that are not checked for it take vector instructions.
pub(super) fn dot(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).fold(0, |sum: i32, (&a, &b)| sum.wrapping_add(i32::from(a) * i32::from(b)))
}
