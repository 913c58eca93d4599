//! From what an extractor made to the small integers that are shared, and what can be said of them in the clear.
//!
//! ```text
//! embedding --quantise--> Template --pack--> nibbles --share::split--> three pairs of noise
//! floats                  -7..=7             half a byte each
//! ```
//!
//! Only a terminal holds a [`Template`]. The plain comparison here is the oracle that the protocol is tested against.

mod crafted;
pub mod face;
pub mod finger;
pub mod model;
pub mod quantise;
mod rates;

use std::fmt;

use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Fewest components of a vector.
pub const LEAST_DIMENSION: usize = 64;
/// Most components of a vector.
pub const MOST_DIMENSION: usize = 4 * SEGMENT;
/// Components over which a squared length is summed in 16 bits: with more, its distance from a bound would not fit.
pub const SEGMENT: usize = 512;

/// Components of a row that say what is around a minutia.
pub const SURROUNDINGS: usize = 128;
/// Components of a row that say which way the minutia points: cosine and sine of six turns of it.
pub const DIRECTION: usize = 12;
/// Components of each row of a set.
pub const ROW: usize = SURROUNDINGS + DIRECTION;
/// The squared lengths that a row of a set may have, lowest and highest: its surroundings' band, and what directions add.
pub const ROW_BAND: (u16, u16) = (1040, 1092);
/// Fewest rows of a set.
pub const LEAST_ROWS: usize = 4;
/// Most rows of a set.
pub const MOST_ROWS: usize = 40;

/// What two rows that point the same way gain by it.
const SAME_DIRECTION: i16 = 268;
/// Dots of two rows from which on a row counts once, twice, three times: surroundings with cosines of 0.45, 0.55 and 0.65 of
/// 6 x 128, and nearly the same direction. Those of rows 90 degrees apart must be 298 better.
pub const LEVELS: [i16; 3] = [346 + SAME_DIRECTION, 423 + SAME_DIRECTION, 500 + SAME_DIRECTION];

/// The levels of one model of rows: [`LEVELS`], unless its table says otherwise.
///
/// * Unit: a dot of two rows, at most 1092.
/// * Each must leave a dot less the level within twelve bits: [`Self::BOUNDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Levels([i16; 3]);

impl Levels {
    /// The lowest and the highest that a level may be: -1092 less a higher one does not fit, and what is no likeness must not count.
    pub const BOUNDS: (i16, i16) = (1, 956);

    /// All three, the lowest first.
    #[must_use]
    pub const fn all(self) -> [i16; 3] {
        self.0
    }

    /// Whether they rise and are within the bounds.
    pub(crate) const fn fit(self) -> bool {
        let [once, twice, thrice] = self.0;
        Self::BOUNDS.0 <= once && once < twice && twice < thrice && thrice <= Self::BOUNDS.1
    }

    /// How many of them a dot reaches.
    #[must_use]
    pub fn reached(self, dot: i32) -> i32 {
        self.0.iter().map(|&level| i32::from(dot >= i32::from(level))).sum()
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self(LEVELS)
    }
}

/// What a template consists of: one vector, or a set of rows of which each is a direction of its own.
///
/// * A vector has an even number of components from 64 to 512, or 1024, 1536 or 2048 in segments of 512.
/// * A set has 4 to 40 rows of 140.
///
/// Public: the length of an envelope tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    rows: usize,
    columns: usize,
}

impl Shape {
    /// That of one vector; `None` if none has so many components.
    #[must_use]
    pub const fn vector(columns: usize) -> Option<Self> {
        let short = columns >= LEAST_DIMENSION && columns <= SEGMENT && columns.is_multiple_of(2);
        let long = columns <= MOST_DIMENSION && columns > SEGMENT && columns.is_multiple_of(SEGMENT);
        if short || long { Some(Self { rows: 1, columns }) } else { None }
    }

    /// That of a set; `None` if none has so many rows.
    #[must_use]
    pub const fn set(rows: usize) -> Option<Self> {
        if rows >= LEAST_ROWS && rows <= MOST_ROWS { Some(Self { rows, columns: ROW }) } else { None }
    }

    /// That of a vector for one row, and of a set for more.
    #[must_use]
    pub const fn new(rows: usize, columns: usize) -> Option<Self> {
        match rows {
            1 => Self::vector(columns),
            _ if columns == ROW => Self::set(rows),
            _ => None,
        }
    }

    /// Number of rows; 1 for a vector.
    #[must_use]
    pub const fn rows(self) -> usize {
        self.rows
    }

    /// Components of each row.
    #[must_use]
    pub const fn columns(self) -> usize {
        self.columns
    }

    /// Components in all.
    #[must_use]
    pub const fn components(self) -> usize {
        self.rows * self.columns
    }

    /// Whether it is a set's.
    #[must_use]
    pub const fn is_set(self) -> bool {
        self.rows > 1
    }

    /// The squared lengths that each row may have, lowest and highest.
    #[must_use]
    pub const fn band(self) -> (u16, u16) {
        if self.is_set() { ROW_BAND } else { band(self.columns) }
    }
}

/// `1x512`, `38x140`: rows by columns.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)
    }
}

/// The squared lengths that a quantised direction of so many components has, lowest and highest: 6 d less and more 2 %.
#[must_use]
pub const fn band(columns: usize) -> (u16, u16) {
    // At most 2048 columns: far below the end of u32, and the results are at most 12 533.
    #[expect(clippy::cast_possible_truncation, reason = "at most 12533")]
    let (lower, upper) = ((588 * columns).div_ceil(100) as u16, (612 * columns / 100) as u16);
    (lower, upper)
}

/// A quantised face or finger, in the clear: to be shared and dropped.
///
/// * Shape: [`Shape`], row after row.
/// * Unit: -7..=7 each. The squared length of a vector of d is 6 d within 2 %, so a dot of two is 6 d times their cosine. That of a
///   set's row is in [`ROW_BAND`].
///
/// No `Clone`, `PartialEq` or `Serialize`: it leaves the terminal only as three sealed shares.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Template {
    #[zeroize(skip)]
    shape: Shape,
    components: Box<[i8]>,
}

impl Template {
    /// What it consists of.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Two components a byte in two's complement: component 2 k in the low nibble of byte k, 2 k + 1 in the high one.
    #[must_use]
    pub fn pack(&self) -> Zeroizing<Box<[u8]>> {
        let nibble = |component: i8| component.cast_unsigned() & 15;
        Zeroizing::new(self.components.chunks_exact(2).map(|two| nibble(two[0]) | nibble(two[1]) << 4).collect())
    }

    fn rows(&self) -> impl Iterator<Item = &[i8]> {
        self.components.chunks_exact(self.shape.columns)
    }

    /// The similarity of this probe with a reference, in the clear. Of vectors their dot: 6 d when they are the same. Of sets the
    /// smaller of [`Self::counts_vartime`].
    ///
    /// For tests and evaluation. A terminal has no reference to compare with, and a node has no template.
    ///
    /// # Panics
    /// When the rows have different lengths, or a vector is compared with a set: templates of different models never meet.
    #[must_use]
    pub fn score_vartime(&self, reference: &Self) -> i32 {
        self.score_at_vartime(reference, Levels::default())
    }

    /// The same for a model with levels of its own.
    ///
    /// # Panics
    /// As [`Self::score_vartime`].
    #[must_use]
    pub fn score_at_vartime(&self, reference: &Self, levels: Levels) -> i32 {
        let (probe, other) = (self.shape, reference.shape);
        assert!(
            probe.columns == other.columns && probe.is_set() == other.is_set(),
            "templates of different models never meet"
        );
        if !probe.is_set() {
            return dot(&self.components, &reference.components);
        }
        let [own, others] = [self.reached_in(reference, levels), reference.reached_in(self, levels)];
        own.min(others)
    }

    /// Of two sets the counts: for each row of the probe how many of the [`LEVELS`] its best dot with a row of the reference reaches,
    /// and for each row of the reference how many its best dot with a row of the probe does. At most three times the rows each.
    ///
    /// One of them alone says little: rows that are all alike count much one way as soon as one row of the other set is like them.
    #[must_use]
    pub fn counts_vartime(&self, reference: &Self) -> [i32; 2] {
        [self.reached_in(reference, Levels::default()), reference.reached_in(self, Levels::default())]
    }

    fn reached_in(&self, other: &Self, levels: Levels) -> i32 {
        let best = |row: &[i8]| other.rows().map(|other| dot(row, other)).max().unwrap_or(0);
        self.rows().map(|row| levels.reached(best(row))).sum()
    }

    /// What the three nodes open for this pair: whether the score reaches the threshold.
    ///
    /// # Panics
    /// As [`Self::score_vartime`].
    #[must_use]
    pub fn matches_vartime(&self, reference: &Self, threshold: i16) -> bool {
        self.score_vartime(reference) >= i32::from(threshold)
    }
}

fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

/// Prints the shape, never a component: `Template(1x512)`.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({})", self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_is_two_per_cent_on_either_side_and_its_distances_fit_sixteen_bits() {
        assert_eq!(band(512), (3011, 3133));
        assert_eq!(band(128), (753, 783));
        for columns in (LEAST_DIMENSION..=SEGMENT).step_by(2) {
            let (lower, upper) = band(columns);
            let most = i32::try_from(64 * columns).unwrap();
            assert!(most - i32::from(lower) <= i32::from(i16::MAX));
            assert!(i32::from(upper) - most >= i32::from(i16::MIN));
        }
    }

    #[test]
    fn a_long_vector_in_the_band_is_told_from_every_other_by_sixteen_bits() {
        let wrapped = |distance: i32| {
            i32::from(
                i16::try_from(distance & 0xffff)
                    .unwrap_or_else(|_| u16::try_from(distance & 0xffff).unwrap().cast_signed()),
            )
        };
        for segments in 1..=4 {
            let (lower, upper) = band(segments * SEGMENT);
            let (lower, upper) = (i32::from(lower), i32::from(upper));
            // No segment is above the upper bound: that much is compared for each by itself, and exactly.
            assert!(upper - 64 * i32::try_from(SEGMENT).unwrap() >= i32::from(i16::MIN));
            for total in 0..=i32::try_from(segments).unwrap() * upper {
                let within = wrapped(total - lower) >= 0 && wrapped(upper - total) >= 0;
                assert_eq!(within, (lower..=upper).contains(&total), "{segments} segments, {total}");
            }
        }
    }

    #[test]
    fn a_shape_is_a_vector_or_a_set_and_nothing_else() {
        for columns in [64, 66, 128, 510, 512, 1024, 1536, 2048] {
            assert_eq!(Shape::vector(columns).unwrap().components(), columns);
        }
        for columns in [0, 1, 62, 65, 511, 514, 768, 1022, 2047, 2560, usize::MAX] {
            assert_eq!(Shape::vector(columns), None);
        }
        for rows in [0, 1, 2, 3, 41, usize::MAX] {
            assert_eq!(Shape::set(rows), None);
        }
        assert_eq!(Shape::new(40, ROW), Shape::set(40));
        assert_eq!(Shape::new(40, SURROUNDINGS), None);
        assert_eq!(Shape::new(1, ROW), Shape::vector(ROW));
        assert_eq!((Shape::new(40, 512), Shape::new(0, ROW)), (None, None));
        assert_eq!(Shape::set(38).unwrap().to_string(), "38x140");
    }

    #[test]
    fn a_row_of_a_set_counts_each_level_once_whatever_it_meets() {
        // Rows along coordinates: 21 components of 6 among the surroundings, and one direction of squared length 300.
        let row = |first: usize| {
            let mut row = [0_i8; ROW];
            (0..21).for_each(|place| row[(first + place) % SURROUNDINGS] = 6);
            row[SURROUNDINGS..].fill(5);
            row
        };
        let set = |rows: &[[i8; ROW]]| Template {
            shape: Shape::set(rows.len()).unwrap(),
            components: rows.concat().into_boxed_slice(),
        };
        let reference = set(&[row(0), row(0), row(32), row(64)]);
        // Overlaps of 21, 13, 10 and 8 components: dots of 1056, 768, 660 and 588.
        let probe = set(&[row(0), row(8), row(11), row(115)]);
        // The other way both rows at 0 meet the first, and the two others meet nothing.
        assert_eq!(probe.counts_vartime(&reference), [3 + 3 + 1, 3 + 3]);
        assert_eq!((probe.score_vartime(&reference), reference.score_vartime(&probe)), (6, 6));
        assert_eq!(set(&[row(0), row(0), row(0), row(0), row(0)]).counts_vartime(&reference), [15, 6]);
        assert_eq!(reference.score_vartime(&reference), 12);
    }
}
