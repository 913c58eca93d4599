//! One direction a minutia: the cylinder through a learned map.

use std::fmt;

use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::FingerError;
use super::cylinder::{VALUES, cylinder};
use super::minutiae::{Hull, Minutiae};
use super::side::{SIDES, zeros};
use super::weights::{FIXED, Map, ROWS, RowsMap};
use crate::template::{LEAST_ROWS, SURROUNDINGS};

/// Cosine from which two rows of one print are the same.
const REPEATED: f64 = 0.45;
/// How many others a row may be the same as.
const MOST_REPEATS: usize = 1;

/// Rows of length 1, one for each minutia with enough of the finger around it, best first; [`LEAST_ROWS`] to 255.
///
/// The inner product of two rows says how alike two minutiae's surroundings are. No `Clone`, `PartialEq` or `Serialize`:
/// wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub struct UnitRows {
    /// Made with room for all minutiae, so it never moves; wiping takes its room too.
    rows: Vec<[f64; SURROUNDINGS]>,
    /// Of each row which way its minutia points, in 256ths of a turn. With room for all, too.
    angles: Vec<u8>,
}

impl UnitRows {
    /// The rows, best first.
    #[must_use]
    pub fn rows(&self) -> &[[f64; SURROUNDINGS]] {
        &self.rows
    }

    /// Which way the minutia of each points: 256ths of a turn, counter-clockwise from the right.
    #[must_use]
    pub fn angles(&self) -> &[u8] {
        &self.angles
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// What a map makes of a capture, before repeats are dropped.
    fn of(minutiae: &Minutiae, map: &impl Map) -> Self {
        let points = minutiae.points();
        let (rows, angles) = (Vec::with_capacity(points.len()), Vec::with_capacity(points.len()));
        let mut made = Self { rows, angles };
        if points.len() < 3 {
            return made;
        }
        let hull = Hull::of(points);
        let mut values = Zeroizing::new([0.0; VALUES]);
        // Each with the mean taken off; side by side, since a map reads its weights once for all of these.
        let (mut cylinders, mut out) = (zeros(VALUES), zeros(SURROUNDINGS));
        let mut waiting = Zeroizing::new(Vec::with_capacity(SIDES));
        for (own, point) in points.iter().enumerate() {
            if cylinder(points, &hull, own, &mut values) {
                let side = waiting.len();
                for ((place, value), &mean) in cylinders.iter_mut().zip(values.iter()).zip(map.mean()) {
                    place[side] = value - f64::from(mean);
                }
                waiting.push(point.angle);
            }
            if waiting.len() == SIDES || (own + 1 == points.len() && !waiting.is_empty()) {
                out.fill([0.0; SIDES]);
                map.apply(&cylinders, &mut out);
                made.push(&out, &waiting);
                waiting.clear();
            }
        }
        made
    }

    /// The directions of these; a cylinder that is the mean has none.
    fn push(&mut self, out: &[[f64; SIDES]], angles: &[u8]) {
        for (side, &angle) in angles.iter().enumerate() {
            let mut row = Zeroizing::new([0.0; SURROUNDINGS]);
            row.iter_mut().zip(out).for_each(|(component, of_all)| *component = of_all[side]);
            let length = dot(&row[..], &row[..]).sqrt();
            if length > 0.0 {
                row.iter_mut().for_each(|component| *component /= length);
                self.rows.push(*row);
                self.angles.push(angle);
            }
        }
    }

    /// Noisy prints repeat themselves and would hit by chance too often: rows that are like more than one other go.
    ///
    /// What is nothing but repeats is no finger, however many rows it has: a pattern, or one popular row many times.
    fn drop_repeats(mut self) -> Result<Self, FingerError> {
        let rows = self.count();
        if rows < LEAST_ROWS {
            return Err(FingerError::TooFewMinutiae { rows });
        }
        let like = |row: &[f64; SURROUNDINGS]| self.rows.iter().filter(|other| dot(row, *other) > REPEATED).count();
        // Each row is like itself.
        let keep: Vec<bool> = self.rows.iter().map(|row| like(row) <= MOST_REPEATS + 1).collect();
        let kept = keep.iter().filter(|&&kept| kept).count();
        if kept < LEAST_ROWS {
            return Err(FingerError::Repeats { rows, kept });
        }
        let (mut of_rows, mut of_angles) = (keep.iter(), keep.iter());
        self.rows.retain(|_| of_rows.next() == Some(&true));
        self.angles.retain(|_| of_angles.next() == Some(&true));
        Ok(self)
    }
}

/// Prints the shape, never a component: `UnitRows([31, 128])`.
impl fmt::Debug for UnitRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnitRows([{}, {SURROUNDINGS}])", self.count())
    }
}

/// The rows of a capture for `leader-rows-3`, after repeats are dropped and before any are cut off.
///
/// * In: 0 to 255 minutiae. Out: at most as many rows, in their order. Fewer than three minutiae span no finger and give none.
/// * Source: cylinders as in Cappelli et al. 2010, with another geometry; the map is `W x + B relu(A x + a)`, learned on the decision
///   itself as `weights/README.md` says.
///
/// # Errors
/// [`FingerError::TooFewMinutiae`] for fewer than [`LEAST_ROWS`] rows, [`FingerError::Repeats`] if no more are left without repeats.
pub fn unit_rows(minutiae: &Minutiae) -> Result<UnitRows, FingerError> {
    unit_rows_by(minutiae, &ROWS)
}

/// The same by the map of another set of weights.
///
/// # Errors
/// As [`unit_rows`].
pub(super) fn unit_rows_by(minutiae: &Minutiae, map: &RowsMap) -> Result<UnitRows, FingerError> {
    UnitRows::of(minutiae, map).drop_repeats()
}

/// The same by the map of `leader-fixed-1`, which is linear (Ioffe 2006, Brümmer and de Villiers 2010).
///
/// # Errors
/// As [`unit_rows`].
pub(super) fn rows_for_a_vector(minutiae: &Minutiae) -> Result<UnitRows, FingerError> {
    UnitRows::of(minutiae, &*FIXED).drop_repeats()
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

    /// Rows at these angles in the plane of the first two components, whose minutiae point as their places say.
    fn rows(degrees: &[f64]) -> UnitRows {
        let row = |angle: &f64| {
            let mut row = [0.0; SURROUNDINGS];
            (row[1], row[0]) = angle.to_radians().sin_cos();
            row
        };
        UnitRows { rows: degrees.iter().map(row).collect(), angles: (0..).take(degrees.len()).collect() }
    }

    fn left(degrees: &[f64]) -> Result<Vec<u8>, FingerError> {
        rows(degrees).drop_repeats().map(|left| left.angles.clone())
    }

    #[test]
    fn a_row_may_have_one_like_itself_and_not_two() {
        // A cosine of 0.45 is 63.3 degrees. Pairs stay; of a chain of three the middle one goes.
        let mut apart = vec![0.0, 90.0, 180.0, 270.0];
        assert_eq!(left(&apart).unwrap(), [0, 1, 2, 3]);
        apart.extend([10.0, 100.0, 190.0, 280.0]);
        assert_eq!(left(&apart).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        apart.push(15.0);
        // Three are alike now, and six are left; then six are, and four are left.
        assert_eq!(left(&apart).unwrap(), [1, 2, 3, 5, 6, 7]);
        apart.push(105.0);
        assert_eq!(left(&apart).unwrap(), [2, 3, 6, 7]);
    }

    #[test]
    fn what_is_nothing_but_repeats_is_refused_for_that_and_few_rows_for_their_number() {
        let mut pattern = vec![0.0, 10.0, 15.0, 90.0, 100.0, 105.0, 180.0, 190.0, 195.0];
        assert_eq!(left(&pattern).unwrap_err(), FingerError::Repeats { rows: 9, kept: 0 });
        // A few odd rows beside it make no finger of it.
        pattern.push(270.0);
        assert_eq!(left(&pattern).unwrap_err(), FingerError::Repeats { rows: 10, kept: 1 });
        assert_eq!(left(&[0.0; 40]).unwrap_err(), FingerError::Repeats { rows: 40, kept: 0 });
        for few in [&[][..], &[0.0], &[0.0, 0.0, 0.0]] {
            assert_eq!(left(few).unwrap_err(), FingerError::TooFewMinutiae { rows: few.len() });
        }
    }
}
