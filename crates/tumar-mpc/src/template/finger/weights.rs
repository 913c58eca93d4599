//! Learned weights: those that are built in, whose source `weights/README.md` gives, and those of a [folder](super::folder).

use std::fmt;
use std::sync::LazyLock;

use super::cylinder::VALUES;
use super::side::{Side, add_product};
use crate::template::{DIRECTION, SURROUNDINGS};

/// Hidden units of the map from a cylinder to a row.
const HIDDEN: usize = 384;

/// Components of the triangle of a second-order mean: the products of two components of a row's surroundings.
pub(super) const PAIRS: usize = SURROUNDINGS * (SURROUNDINGS + 1) / 2;

/// A learned map from cylinders to rows, of which a row is only the direction.
pub(super) trait Map {
    /// [`VALUES`]: what is taken off a cylinder before the map.
    fn mean(&self) -> &[f32];

    /// For each of some cylinders side by side, less the mean, [`SURROUNDINGS`] components. They are added to `out`, which is zero.
    fn apply(&self, cylinders: &[Side], out: &mut [Side]);
}

/// What maps a cylinder to a row: `W x + B relu(A x + a)`. `leader-rows-3` is built in.
///
/// * Shape: 480 values of a cylinder, 384 hidden units, 128 components of a row. Units: those of the values, 0 to 1.
/// * Source: `tumar-train` of `training/`. Not secret: no print of anyone can be read from the numbers.
pub(in crate::template) struct RowsMap {
    mean: Box<[f32]>,
    /// `W`: [`SURROUNDINGS`] lines of [`VALUES`].
    linear: Box<[f32]>,
    /// `A`: [`HIDDEN`] lines of [`VALUES`].
    hidden: Box<[f32]>,
    /// `a`.
    hidden_bias: Box<[f32]>,
    /// `B`: [`SURROUNDINGS`] lines of [`HIDDEN`].
    output: Box<[f32]>,
}

/// Prints the shape: `RowsMap(480 -> 128)`.
impl fmt::Debug for RowsMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowsMap({} -> {SURROUNDINGS})", self.mean.len())
    }
}

/// Why a file holds no weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It has so many bytes.
    Length(usize),
    /// A number is infinite or none.
    NotFinite,
    /// Directions are the same for all models: the levels of comparisons are made for them.
    Directions,
}

impl RowsMap {
    /// The files of a set, each with its length in bytes, in the order that [`Self::of_files`] takes them.
    pub(super) const FILES: [(&'static str, usize); 6] = [
        ("mean.f32", 4 * VALUES),
        ("linear.f32", 4 * SURROUNDINGS * VALUES),
        ("hidden.f32", 4 * HIDDEN * VALUES),
        ("hidden-bias.f32", 4 * HIDDEN),
        ("output.f32", 4 * SURROUNDINGS * HIDDEN),
        ("direction.i8", 256 * DIRECTION),
    ];

    /// From the bytes of [`Self::FILES`]: little-endian 32-bit floats, row by row, and the table of directions.
    ///
    /// # Errors
    /// [`Unfit`] for the first file that is none, with its place in the list.
    pub(super) fn of_files(files: &[Vec<u8>; 6]) -> Result<Self, (usize, Unfit)> {
        for (place, (file, (_, length))) in files.iter().zip(Self::FILES).enumerate() {
            if file.len() != length {
                return Err((place, Unfit::Length(file.len())));
            }
        }
        let [numbers @ .., directions] = files;
        let read = numbers.each_ref().map(|file| floats(file));
        if let Some(place) = read.iter().position(|part| !part.iter().all(|value| value.is_finite())) {
            return Err((place, Unfit::NotFinite));
        }
        if directions != DIRECTIONS {
            return Err((numbers.len(), Unfit::Directions));
        }
        let [mean, linear, hidden, hidden_bias, output] = read;
        Ok(Self { mean, linear, hidden, hidden_bias, output })
    }
}

impl Map for RowsMap {
    fn mean(&self) -> &[f32] {
        &self.mean
    }

    fn apply(&self, cylinders: &[Side], out: &mut [Side]) {
        let mut hidden = super::side::zeros(HIDDEN);
        add_product(&self.hidden, cylinders, &mut hidden);
        for (unit, &bias) in hidden.iter_mut().zip(&self.hidden_bias) {
            for unit in unit {
                *unit = (*unit + f64::from(bias)).max(0.0);
            }
        }
        add_product(&self.linear, cylinders, out);
        add_product(&self.output, &hidden, out);
    }
}

/// `leader-fixed-1`: a linear map to rows, and what their second-order vector is measured from.
pub(super) struct FixedMap {
    mean: Box<[f32]>,
    /// [`SURROUNDINGS`] lines of [`VALUES`].
    projection: Box<[f32]>,
    /// [`PAIRS`].
    pub(super) second_order_mean: Box<[f32]>,
}

impl Map for FixedMap {
    fn mean(&self) -> &[f32] {
        &self.mean
    }

    fn apply(&self, cylinders: &[Side], out: &mut [Side]) {
        add_product(&self.projection, cylinders, out);
    }
}

/// The files of a set, each with its name in `weights/README.md`.
macro_rules! files {
    ($set:literal: $($name:ident $file:literal [$length:expr],)*) => {
        $(
            const $name: &[u8] = include_bytes!(concat!("weights/", $set, "/", $file));
            const _: () = assert!($name.len() == $length);
        )*
    };
}

files! { "leader-rows-3":
    ROWS_MEAN "mean.f32" [4 * VALUES],
    LINEAR "linear.f32" [4 * SURROUNDINGS * VALUES],
    HIDDEN_LAYER "hidden.f32" [4 * HIDDEN * VALUES],
    HIDDEN_BIAS "hidden-bias.f32" [4 * HIDDEN],
    OUTPUT "output.f32" [4 * SURROUNDINGS * HIDDEN],
    DIRECTIONS "direction.i8" [256 * DIRECTION],
}

files! { "leader-fixed-1":
    FIXED_MEAN "mean.f32" [4 * VALUES],
    PROJECTION "projection.f32" [4 * SURROUNDINGS * VALUES],
    SECOND_ORDER_MEAN "second-order-mean.f32" [4 * PAIRS],
}

/// Read once, on first use.
pub(super) static ROWS: LazyLock<RowsMap> = LazyLock::new(|| RowsMap {
    mean: floats(ROWS_MEAN),
    linear: floats(LINEAR),
    hidden: floats(HIDDEN_LAYER),
    hidden_bias: floats(HIDDEN_BIAS),
    output: floats(OUTPUT),
});

/// Read once, on first use.
pub(super) static FIXED: LazyLock<FixedMap> = LazyLock::new(|| FixedMap {
    mean: floats(FIXED_MEAN),
    projection: floats(PROJECTION),
    second_order_mean: floats(SECOND_ORDER_MEAN),
});

/// The components that a row of `leader-rows-3` has for the way that its minutia points, in 256ths of a turn.
///
/// Pair `j` of six is 7 times cosine and sine of the angle and 15 `j` degrees more, rounded: the dot of two is 298 times the cosine of
/// the angle between them, within 13.
#[must_use]
pub fn direction(angle: u8) -> [i8; DIRECTION] {
    DIRECTIONS.as_chunks::<DIRECTION>().0[usize::from(angle)].map(u8::cast_signed)
}

fn floats(bytes: &[u8]) -> Box<[f32]> {
    bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::hex;
    use crate::template::{ROW_BAND, band};

    #[test]
    fn the_weights_are_those_that_their_readme_names() {
        type Files<'a> = &'a [(&'a str, &'a [u8])];
        let readme = include_str!("weights/README.md");
        let sets: [(&str, Files<'_>); 2] = [
            (
                "leader-rows-3",
                &[
                    ("mean.f32", ROWS_MEAN),
                    ("linear.f32", LINEAR),
                    ("hidden.f32", HIDDEN_LAYER),
                    ("hidden-bias.f32", HIDDEN_BIAS),
                    ("output.f32", OUTPUT),
                    ("direction.i8", DIRECTIONS),
                ],
            ),
            (
                "leader-fixed-1",
                &[
                    ("mean.f32", FIXED_MEAN),
                    ("projection.f32", PROJECTION),
                    ("second-order-mean.f32", SECOND_ORDER_MEAN),
                ],
            ),
        ];
        for (set, files) in sets {
            let (_, section) = readme.split_once(&format!("\n## {set}\n")).unwrap();
            let section = section.split("\n## ").next().unwrap();
            for (file, bytes) in files {
                let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
                let line = section.lines().find(|line| line.starts_with(&format!("| `{file}`"))).unwrap();
                assert!(line.contains(&hex(digest.as_ref())), "{file} of {set} is not as published");
                assert!(!file.ends_with("f32") || floats(bytes).iter().all(|value| value.is_finite()));
            }
        }
    }

    #[test]
    fn directions_are_six_turned_pairs_and_a_row_of_any_stays_in_its_band() {
        let dot = |a: u8, b: u8| -> i32 {
            direction(a).iter().zip(direction(b)).map(|(&a, b)| i32::from(a) * i32::from(b)).sum()
        };
        let radians = |angle: u8| f64::from(angle) * std::f64::consts::TAU / 256.0;
        for a in 0..=u8::MAX {
            let pairs = direction(a);
            for (pair, turned) in pairs.as_chunks::<2>().0.iter().zip(0_u8..) {
                let (sine, cosine) = (radians(a) + f64::from(turned) * 15_f64.to_radians()).sin_cos();
                // At ties the table decides, not the last bit of a sine.
                let off = |component: i8, real: f64| (f64::from(component) - 7.0 * real).abs();
                assert!(off(pair[0], cosine) < 0.5 + 1e-9 && off(pair[1], sine) < 0.5 + 1e-9);
            }
            for b in 0..=u8::MAX {
                assert!((f64::from(dot(a, b)) - 298.0 * (radians(a) - radians(b)).cos()).abs() <= 13.0);
            }
            let (lowest, highest) = band(SURROUNDINGS);
            assert!(dot(a, a) + i32::from(lowest) >= i32::from(ROW_BAND.0));
            assert!(dot(a, a) + i32::from(highest) <= i32::from(ROW_BAND.1));
        }
    }
}
