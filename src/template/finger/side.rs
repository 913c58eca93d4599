//! Several vectors side by side through one matrix: the encoders' arithmetic.

use zeroize::Zeroizing;

/// How many vectors go side by side: what fills the registers that every processor of this architecture has.
pub(super) const SIDES: usize = 8;

/// One component of each of the vectors.
pub(super) type Side = [f64; SIDES];

/// So many components of nothing.
pub(super) fn zeros(components: usize) -> Zeroizing<Vec<Side>> {
    Zeroizing::new(vec![[0.0; SIDES]; components])
}

/// Adds `M x` to `out` for each vector `x`. `M` is row-major, of an even number of lines as long as the vectors.
///
/// Each sum runs over the components in their order, whatever the processor: every terminal makes the same rows.
pub(super) fn add_product(matrix: &[f32], vectors: &[Side], out: &mut [Side]) {
    debug_assert!(matrix.len() == vectors.len() * out.len() && out.len().is_multiple_of(2));
    let lines = matrix.chunks_exact(2 * vectors.len());
    for (two, out) in lines.zip(out.as_chunks_mut::<2>().0) {
        let (first, second) = two.split_at(vectors.len());
        let [mut of_first, mut of_second] = [[0.0; SIDES]; 2];
        for ((&first, &second), side) in first.iter().zip(second).zip(vectors) {
            let (first, second) = (f64::from(first), f64::from(second));
            for ((of_first, of_second), component) in of_first.iter_mut().zip(&mut of_second).zip(side) {
                *of_first += first * component;
                *of_second += second * component;
            }
        }
        for (out, sums) in out.iter_mut().zip([of_first, of_second]) {
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_is_multiplied_by_itself_and_added_to_what_was_there() {
        let matrix = [1.0, 2.0, 3.0, 0.5, -1.0, 4.0_f32];
        let number = |side: usize| f64::from(u8::try_from(side).unwrap());
        let vectors = [0_u8, 1, 2].map(|component| std::array::from_fn(|side| f64::from(component) + number(side)));
        let mut out = zeros(2);
        out[1][3] = 100.0;
        add_product(&matrix, &vectors, &mut out);
        for (side, (first, second)) in out[0].iter().zip(out[1]).enumerate() {
            assert!((first - (6.0 * number(side) + 8.0)).abs() < 1e-12);
            let before = if side == 3 { 100.0 } else { 0.0 };
            assert!((second - (3.5 * number(side) + 7.0 + before)).abs() < 1e-12);
        }
    }
}
