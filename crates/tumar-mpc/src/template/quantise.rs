//! From a direction to components in -7..=7 of a fixed length: what all encodings end in.

use super::band;

/// Too few components carry the length, so no scale gives the row the length that the nodes require.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too sparse to be quantised")]
pub struct Sparse;

/// Halvings of the scale's interval: enough to exhaust an `f64`'s precision over it.
const HALVINGS: usize = 60;

/// Rounds a unit vector to components whose squared length is 6 d within 2 %.
///
/// The scale is found by bisection, since the length grows with it (DESIGN 3). `out` is as long as `unit`.
///
/// # Errors
/// [`Sparse`] if no scale gives the required length; `out` holds nothing of use then.
pub fn round_to_band(unit: &[f64], out: &mut [i8]) -> Result<(), Sparse> {
    let (lower, upper) = band(unit.len());
    // Every terminal bisects the same interval, so that a direction has one template.
    #[expect(clippy::cast_precision_loss, reason = "at most 2048")]
    let (mut low, mut high) = (0.0, 64.0 * (unit.len() as f64).sqrt());
    for _ in 0..HALVINGS {
        let scale = f64::midpoint(low, high);
        let norm = round(unit, scale, out);
        if norm < i32::from(lower) {
            low = scale;
        } else if norm > i32::from(upper) {
            high = scale;
        } else {
            return Ok(());
        }
    }
    Err(Sparse)
}

/// Writes the rounded components and returns their squared length.
fn round(unit: &[f64], scale: f64, out: &mut [i8]) -> i32 {
    let mut norm = 0;
    for (component, x) in out.iter_mut().zip(unit) {
        #[expect(clippy::cast_possible_truncation, reason = "clamped to -7..=7")]
        let rounded = (scale * x).round_ties_even().clamp(-7.0, 7.0) as i8;
        *component = rounded;
        norm += i32::from(rounded) * i32::from(rounded);
    }
    norm
}
