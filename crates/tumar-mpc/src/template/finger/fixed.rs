//! All rows of a print in one vector of fixed length, for searches: one inner product a person.
//!
//! Second-order pooling: the mean of `r r^T` keeps which rows there are and forgets their order and number. Flattening its spectrum
//! and its components keeps the few strong ones from drowning the rest, and random signs fold the triangle to 1024 components.
//!
//! Sources: J. Carreira et al., ECCV 2012 (second-order pooling); P. Li et al., ICCV 2017 (powers of the spectrum); F. Perronnin et al.,
//! ECCV 2010 (powers of components); D. Achlioptas, JCSS 2003 (projections of signs).

use std::f64::consts::SQRT_2;

use zeroize::Zeroizing;

use super::rows::{UnitRows, dot};
use super::weights::{FIXED, PAIRS};
use crate::template::SURROUNDINGS;

/// Components of the vector.
pub const COMPONENTS: usize = 1024;

const SPECTRUM_POWER: f64 = 0.35;
const COMPONENT_POWER: f64 = 0.7;
/// More than is ever needed: each sweep squares the error, and six or seven do.
const MOST_SWEEPS: usize = 40;
/// Cosine below which two axes count as orthogonal.
const ORTHOGONAL: f64 = 1e-13;
/// Part of the largest axis' squared length below which an axis is rounding error.
const NOTHING: f64 = 1e-24;

/// The direction of the vector, of length 1. There is at least one row.
pub(super) fn unit_vector(rows: &UnitRows) -> Zeroizing<Box<[f64]>> {
    let mut folded = fold(&triangle(rows));
    let length = dot(&folded, &folded).sqrt();
    folded.iter_mut().for_each(|component| *component /= length);
    folded
}

/// The upper triangle of `(sum r r^T / n)^0.35`, row by row, with each component's power taken and the mean taken off.
fn triangle(rows: &UnitRows) -> Zeroizing<Vec<f64>> {
    let mut triangle = Zeroizing::new(vec![0.0; PAIRS]);
    for axis in axes(rows).iter() {
        let mut rest = triangle.as_mut_slice();
        for (i, own) in axis.iter().enumerate() {
            let (line, below) = rest.split_at_mut(SURROUNDINGS - i);
            line.iter_mut().zip(&axis[i..]).for_each(|(entry, other)| *entry += own * other);
            rest = below;
        }
    }
    let places = (0..SURROUNDINGS).flat_map(|i| (i..SURROUNDINGS).map(move |j| i == j));
    for ((component, diagonal), &mean) in triangle.iter_mut().zip(places).zip(&FIXED.second_order_mean) {
        let entry = if diagonal { *component } else { SQRT_2 * *component };
        *component = entry.signum() * entry.abs().powf(COMPONENT_POWER) - f64::from(mean);
    }
    triangle
}

/// Orthogonal axes whose outer products sum to `(sum r r^T / n)^0.35`.
///
/// One-sided Jacobi (M. R. Hestenes, 1958) turns the rows against each other until all are orthogonal: they are then the
/// eigenvectors, as long as the roots of the eigenvalues. The same turns in the same order everywhere.
fn axes(rows: &UnitRows) -> Zeroizing<Vec<[f64; SURROUNDINGS]>> {
    #[expect(clippy::cast_precision_loss, reason = "at most 255")]
    let scale = 1.0 / (rows.count() as f64).sqrt();
    let mut axes = Zeroizing::new(Vec::with_capacity(rows.count()));
    axes.extend(rows.rows().iter().map(|row| row.map(|component| component * scale)));
    for _ in 0..MOST_SWEEPS {
        if !sweep(&mut axes) {
            break;
        }
    }
    for axis in axes.iter_mut() {
        // An axis as long as s stands for the eigenvalue s^2.
        let squared = dot(axis, axis);
        let factor = if squared > NOTHING { squared.powf((SPECTRUM_POWER - 1.0) / 2.0) } else { 0.0 };
        for component in axis.iter_mut() {
            *component *= factor;
        }
    }
    axes
}

/// Turns every pair of axes once; `false` if all were orthogonal.
fn sweep(axes: &mut [[f64; SURROUNDINGS]]) -> bool {
    let mut turned = false;
    for second in 1..axes.len() {
        let (before, from) = axes.split_at_mut(second);
        let b = &mut from[0];
        for a in before {
            let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
            if aa <= NOTHING || bb <= NOTHING || ab.abs() <= ORTHOGONAL * (aa * bb).sqrt() {
                continue;
            }
            turned = true;
            let ratio = (bb - aa) / (2.0 * ab);
            let tangent = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
            let cosine = 1.0 / tangent.hypot(1.0);
            let sine = cosine * tangent;
            for (a, b) in a.iter_mut().zip(b.iter_mut()) {
                (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
            }
        }
    }
    turned
}

/// The signs that a byte stands for, least bit first: 1 is plus.
static SIGNS: [[f64; 8]; 256] = {
    let mut signs = [[-1.0; 8]; 256];
    let mut place = 0;
    while place < 8 * 256 {
        if ((place / 8) >> (place % 8)) & 1 == 1 {
            signs[place / 8][place % 8] = 1.0;
        }
        place += 1;
    }
    signs
};

/// `G^T v` with random signs `G`, fixed for ever: a kilobit of [`mix`] for each component of the triangle.
fn fold(triangle: &[f64]) -> Zeroizing<Box<[f64]>> {
    const WORDS: u64 = COMPONENTS as u64 / 64;
    let mut folded = Zeroizing::new(vec![0.0; COMPONENTS].into_boxed_slice());
    for (index, component) in (0..).zip(triangle) {
        for (word, out) in (index * WORDS + 1..).zip(folded.as_chunks_mut::<64>().0) {
            let bytes = mix(word.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_le_bytes();
            for (byte, out) in bytes.into_iter().zip(out.as_chunks_mut::<8>().0) {
                out.iter_mut().zip(&SIGNS[usize::from(byte)]).for_each(|(out, sign)| *out += sign * component);
            }
        }
    }
    folded
}

/// The output function of `SplitMix64` (G. Steele, D. Lea, C. Flood, OOPSLA 2014).
const fn mix(mut z: u64) -> u64 {
    z ^= z >> 30;
    z = z.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^= z >> 27;
    z = z.wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix() {
        // Its first outputs for the seed 0.
        let outputs = [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F];
        for (output, step) in outputs.into_iter().zip(1_u64..) {
            assert_eq!(mix(step.wrapping_mul(0x9E37_79B9_7F4A_7C15)), output);
        }
    }
}
