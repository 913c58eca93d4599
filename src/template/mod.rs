//! From an extractor's embedding to the small integers that are shared, and what can be said of them in the clear.
//!
//! ```text
//! embedding --quantise--> Template --pack--> nibbles --share::split--> three pairs of noise
//! floats                  -7..=7             d / 2 bytes
//! ```
//!
//! Only a terminal holds a [`Template`]. The plain comparison here is the oracle that the protocol is tested against.

pub mod face;
pub mod model;

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Fewest components of a template.
pub const LEAST_DIMENSION: usize = 64;
/// Most components of a template: above, the distance of a length from its bounds does not fit 16 bits.
pub const MOST_DIMENSION: usize = 512;

/// Whether templates may have this many components: even, 64 to 512.
#[must_use]
pub const fn is_dimension(count: usize) -> bool {
    count >= LEAST_DIMENSION && count <= MOST_DIMENSION && count.is_multiple_of(2)
}

/// The squared lengths that a template of this dimension may have, lowest and highest: 6 d less and more 2 %.
#[must_use]
pub const fn band(dimension: usize) -> (u16, u16) {
    // d is at most 512, so 612 d is far below the end of u32 and the results are at most 3133.
    #[expect(clippy::cast_possible_truncation, reason = "at most 3133")]
    let (lower, upper) = ((588 * dimension).div_ceil(100) as u16, (612 * dimension / 100) as u16);
    (lower, upper)
}

/// A quantised embedding, in the clear: a person's face, to be shared and dropped.
///
/// * Shape: `d` components, even, 64..=512.
/// * Unit: -7..=7 each; the squared length is 6 d within 2 %, so a dot of two templates is 6 d times their cosine.
///
/// No `Clone`, `PartialEq` or `Serialize`: it leaves the terminal only as three sealed shares.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Template {
    components: Box<[i8]>,
}

impl Template {
    /// Number of components.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.components.len()
    }

    /// Two components a byte in two's complement: component 2 k in the low nibble of byte k, 2 k + 1 in the high one.
    #[must_use]
    pub fn pack(&self) -> Zeroizing<Box<[u8]>> {
        let nibble = |component: i8| component.cast_unsigned() & 15;
        Zeroizing::new(self.components.chunks_exact(2).map(|two| nibble(two[0]) | nibble(two[1]) << 4).collect())
    }

    /// The similarity of two templates in the clear: their dot, 6 d when they are the same.
    ///
    /// For tests and evaluation. A terminal has no reference to compare with, and a node has no template.
    ///
    /// # Panics
    /// When the templates have different dimensions: templates of different models never meet.
    #[must_use]
    pub fn dot_vartime(&self, other: &Self) -> i32 {
        assert_eq!(self.dimension(), other.dimension(), "templates of different models never meet");
        self.components.iter().zip(&other.components).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
    }

    /// What the three nodes open for this pair: whether the score reaches the threshold.
    ///
    /// # Panics
    /// As [`Self::dot_vartime`].
    #[must_use]
    pub fn matches_vartime(&self, other: &Self, threshold: i16) -> bool {
        self.dot_vartime(other) >= i32::from(threshold)
    }
}

/// Prints the shape, never a component: `Template([512])`.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template([{}])", self.dimension())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_is_two_per_cent_on_either_side_and_its_distances_fit_sixteen_bits() {
        assert_eq!(band(512), (3011, 3133));
        assert_eq!(band(128), (753, 783));
        for dimension in (LEAST_DIMENSION..=MOST_DIMENSION).step_by(2) {
            let (lower, upper) = band(dimension);
            let most = i32::try_from(64 * dimension).unwrap();
            assert!(most - i32::from(lower) <= i32::from(i16::MAX));
            assert!(i32::from(upper) - most >= i32::from(i16::MIN));
        }
    }
}
