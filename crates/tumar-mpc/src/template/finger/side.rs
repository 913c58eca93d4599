//! Several vectors side by side through one matrix: the encoders' arithmetic.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "instructions that not every processor has"))]

use zeroize::Zeroizing;

/// How many vectors go side by side: what fills the registers that every processor of this architecture has.
pub(super) const SIDES: usize = 8;

/// One component of each of the vectors.
pub(super) type Side = [f64; SIDES];

/// So many components of nothing.
pub(super) fn zeros(components: usize) -> Zeroizing<Vec<Side>> {
    Zeroizing::new(vec![[0.0; SIDES]; components])
}

/// Adds `M x` to `out` for each vector `x`. `M` is row-major, of lines as long as the vectors, their number a multiple of four.
///
/// Each sum runs over the components in their order, whatever the processor: every terminal makes the same rows.
pub(super) fn add_product(matrix: &[f32], vectors: &[Side], out: &mut [Side]) {
    debug_assert!(matrix.len() == vectors.len() * out.len() && out.len().is_multiple_of(4));
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[target_feature(enable = "avx2")]
        fn wide(matrix: &[f32], vectors: &[Side], out: &mut [Side]) {
            add_lines::<4>(matrix, vectors, out);
        }
        // SAFETY: `wide` needs AVX2 and nothing else, and the processor has it.
        return unsafe { wide(matrix, vectors, out) };
    }
    add_lines::<2>(matrix, vectors, out);
}

/// So many lines of the matrix at one time as there are registers for their sums.
///
/// It counts places: what takes iterators apart is not inlined in every profile, and then each product would be a call.
#[expect(clippy::inline_always, reason = "it takes the registers of whoever calls it")]
#[allow(clippy::needless_range_loop, reason = "an iterator's parts may become calls")]
#[inline(always)]
fn add_lines<const LINES: usize>(matrix: &[f32], vectors: &[Side], out: &mut [Side]) {
    for first in (0..out.len()).step_by(LINES) {
        let lines = &matrix[first * vectors.len()..][..LINES * vectors.len()];
        let mut sums = [[0.0; SIDES]; LINES];
        for component in 0..vectors.len() {
            for line in 0..LINES {
                let weight = f64::from(lines[line * vectors.len() + component]);
                for side in 0..SIDES {
                    sums[line][side] += weight * vectors[component][side];
                }
            }
        }
        for line in 0..LINES {
            for side in 0..SIDES {
                out[first + line][side] += sums[line][side];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_is_multiplied_by_itself_and_added_to_what_was_there() {
        let two = [1.0, 2.0, 3.0, 0.5, -1.0, 4.0_f32];
        let matrix = [two, two].concat();
        let number = |side: usize| f64::from(u8::try_from(side).unwrap());
        let vectors = [0_u8, 1, 2].map(|component| std::array::from_fn(|side| f64::from(component) + number(side)));
        let (mut out, mut narrow) = (zeros(4), zeros(4));
        (out[1][3], narrow[1][3]) = (100.0, 100.0);
        add_product(&matrix, &vectors, &mut out);
        add_lines::<2>(&matrix, &vectors, &mut narrow);
        assert_eq!(*out, *narrow, "to the last bit, whatever the processor has");
        for (side, (first, second)) in out[0].iter().zip(out[1]).enumerate() {
            assert!((first - (6.0 * number(side) + 8.0)).abs() < 1e-12);
            let before = if side == 3 { 100.0 } else { 0.0 };
            assert!((second - (3.5 * number(side) + 7.0 + before)).abs() < 1e-12);
        }
    }
}
