//! One direction a minutia: the cylinder through a learned linear map.

use std::fmt;

use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::cylinder::{VALUES, cylinder};
use super::minutiae::{Hull, Minutiae};
use super::weights::{LEADER, Weights};
use crate::template::ROW;

/// Cosine from which two rows of one print are the same.
const REPEATED: f64 = 0.45;
/// How many others a row may be the same as.
const MOST_REPEATS: usize = 1;
/// Repeats stay where fewer rows than this would be left without them.
const LEAST_UNREPEATED: usize = 6;

/// Rows of length 1, one for each minutia with enough of the finger around it, best first; 0 to 255.
///
/// The inner product of two rows says how alike two minutiae's surroundings are. No `Clone`, `PartialEq` or `Serialize`:
/// wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub struct UnitRows {
    /// Made with room for all minutiae, so it never moves; wiping takes its room too.
    rows: Vec<[f64; ROW]>,
}

impl UnitRows {
    /// The rows, best first.
    #[must_use]
    pub fn rows(&self) -> &[[f64; ROW]] {
        &self.rows
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Noisy prints repeat themselves and would hit by chance too often: rows that are like more than one other go.
    fn drop_repeats(&mut self) {
        let like = |row: &[f64; ROW]| self.rows.iter().filter(|other| dot(row, *other) > REPEATED).count();
        // Each row is like itself.
        let keep: Vec<bool> = self.rows.iter().map(|row| like(row) <= MOST_REPEATS + 1).collect();
        if keep.iter().filter(|&&kept| kept).count() >= LEAST_UNREPEATED {
            let mut kept = keep.into_iter();
            self.rows.retain(|_| kept.next().expect("one for each row"));
        }
    }
}

/// Prints the shape, never a component: `UnitRows([31, 128])`.
impl fmt::Debug for UnitRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnitRows([{}, {ROW}])", self.count())
    }
}

/// The rows of a capture, after repeats are dropped and before any are cut off.
///
/// * In: 0 to 255 minutiae. Out: at most as many rows, in their order. Fewer than three minutiae span no finger and give none.
/// * Source: cylinders as in Cappelli et al. 2010, with another geometry; the map is a two-covariance discriminant analysis
///   (Ioffe 2006, Brümmer and de Villiers 2010), learned as `weights/README.md` says.
#[must_use]
pub fn unit_rows(minutiae: &Minutiae) -> UnitRows {
    let points = minutiae.points();
    let mut rows = UnitRows { rows: Vec::with_capacity(points.len()) };
    if points.len() < 3 {
        return rows;
    }
    let hull = Hull::of(points);
    let mut values = Zeroizing::new([0.0; VALUES]);
    for own in 0..points.len() {
        if cylinder(points, &hull, own, &mut values) {
            rows.rows.extend(project(&mut values, &LEADER));
        }
    }
    rows.drop_repeats();
    rows
}

/// The direction of `W (z - mean)`; `None` for a cylinder that is the mean, which has none. Uses up the values.
fn project(values: &mut [f64; VALUES], weights: &Weights) -> Option<[f64; ROW]> {
    values.iter_mut().zip(&weights.mean).for_each(|(value, &mean)| *value -= f64::from(mean));
    let mut row = [0.0; ROW];
    for (component, line) in row.iter_mut().zip(weights.lines()) {
        *component = dot(values, line);
    }
    let length = dot(&row, &row).sqrt();
    (length > 0.0).then(|| row.map(|component| component / length))
}

/// The inner product, summed in eight lanes so that it takes vector instructions; the order is the same everywhere.
pub(super) fn dot<T: Copy + Into<f64>>(a: &[f64], b: &[T]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b.into();
        }
    }
    debug_assert!(a.len() == b.len() && a.len().is_multiple_of(LANES));
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows at these angles in the plane of the first two components.
    fn rows(degrees: &[f64]) -> UnitRows {
        let row = |angle: &f64| {
            let mut row = [0.0; ROW];
            (row[1], row[0]) = angle.to_radians().sin_cos();
            row
        };
        UnitRows { rows: degrees.iter().map(row).collect() }
    }

    fn left(degrees: &[f64]) -> usize {
        let mut rows = rows(degrees);
        rows.drop_repeats();
        rows.count()
    }

    #[test]
    fn a_row_may_have_one_like_itself_and_not_two() {
        // A cosine of 0.45 is 63.3 degrees. Pairs stay; of a chain of three the middle one goes.
        let mut apart = vec![0.0, 90.0, 180.0, 270.0];
        assert_eq!(left(&apart), 4);
        apart.extend([10.0, 100.0, 190.0, 280.0]);
        assert_eq!(left(&apart), 8);
        apart.push(15.0);
        // Three are alike now, and six are left.
        assert_eq!(left(&apart), 6);
        apart.push(105.0);
        // Six are, so that only four would be left: all stay.
        assert_eq!(left(&apart), 10);
        assert_eq!(left(&[]), 0);
    }
}
