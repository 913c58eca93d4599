//! Rates of false matches, and what scores must be above for them.

use serde::{Deserialize, Serialize};

use super::Shape;

/// A target false match rate: how often two different people may match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fmr {
    /// One in a thousand.
    #[serde(rename = "1e-3")]
    E3,
    /// One in ten thousand.
    #[serde(rename = "1e-4")]
    E4,
    /// One in a hundred thousand.
    #[serde(rename = "1e-5")]
    E5,
}

impl Fmr {
    /// All of them, the most lenient first.
    pub const ALL: [Self; 3] = [Self::E3, Self::E4, Self::E5];
}

/// What a score must exceed to be a match, one number for each rate.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rates {
    #[serde(rename = "1e-3")]
    e3: f64,
    #[serde(rename = "1e-4")]
    e4: f64,
    #[serde(rename = "1e-5")]
    e5: f64,
}

impl Rates {
    pub(super) const fn at(&self, rate: Fmr) -> f64 {
        match rate {
            Fmr::E3 => self.e3,
            Fmr::E4 => self.e4,
            Fmr::E5 => self.e5,
        }
    }

    /// Rising, above 0 and below a bound. Written so that a NaN is refused too.
    pub(super) fn rise_below(&self, bound: f64) -> bool {
        0.0 < self.e3 && self.e3 <= self.e4 && self.e4 <= self.e5 && self.e5 < bound
    }
}

/// Rows that a set counts as having at least: a few hits among few rows must not be enough.
const FLOOR: usize = 20;

/// `sqrt(n'_P n'_R)` with `n' = max(n, 20)`: what counts of sets of these sizes are measured by. A square root is rounded the same way on
/// every machine: a node whose threshold differs by one would spoil every answer.
#[must_use]
pub fn chance(probe: Shape, reference: Shape) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most 1600")]
    let pairs = (probe.rows().max(FLOOR) * reference.rows().max(FLOOR)) as f64;
    pairs.sqrt()
}

/// The least whole number above a bound that the table of models was checked for.
pub(super) fn least_above(bound: f64) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "at most 6 * 2048 + 1")]
    let least = bound.floor() as i16 + 1;
    least
}
