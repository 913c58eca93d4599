//! The scan: plain wrapping dots of words, memory-bound, no message.

use ndarray::ArrayView2;

/// This party's additive summand of a score: the dot of a weighted probe with one row, mod 2^16.
///
/// Written as sums of sums, which compile to packed multiplications without a processor's extensions being named. Rows of another
/// length than the probe's have no meaning; the shorter one counts.
#[must_use]
pub fn dot(weighted: &[u16], row: &[u16]) -> u16 {
    const PIECE: usize = 64;
    fn plain(a: &[u16], b: &[u16]) -> u16 {
        a.iter().zip(b).fold(0, |sum, (a, b)| sum.wrapping_add(a.wrapping_mul(*b)))
    }
    let (heads, tail) = weighted.as_chunks::<PIECE>();
    let (row_heads, row_tail) = row.as_chunks::<PIECE>();
    heads.iter().zip(row_heads).fold(plain(tail, row_tail), |sum, (a, b)| sum.wrapping_add(plain(a, b)))
}

/// The summands of the scores of one probe with every row of a block.
///
/// * `block`: `[rows, d]`, row-major and contiguous: each row is one person's point share.
/// * `out`: one summand a row.
///
/// # Panics
/// When the block is not row-major, or the lengths do not fit.
#[expect(clippy::needless_pass_by_value, reason = "a view is passed by value, as ndarray does")]
pub fn scan(block: ArrayView2<'_, u16>, weighted: &[u16], out: &mut [u16]) {
    assert_eq!((block.nrows(), block.ncols()), (out.len(), weighted.len()), "a block, a probe and scores of one shape");
    let words = block.to_slice().expect("galleries are allocated row-major, in whole blocks");
    for (out, row) in out.iter_mut().zip(words.chunks_exact(weighted.len())) {
        *out = dot(weighted, row);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_dot_in_pieces_is_the_dot(words in prop::collection::vec(any::<(u16, u16)>(), 0..200)) {
            let (a, b): (Vec<u16>, Vec<u16>) = words.iter().copied().unzip();
            let plain = words.iter().fold(0_u16, |sum, (a, b)| sum.wrapping_add(a.wrapping_mul(*b)));
            prop_assert_eq!(dot(&a, &b), plain);
        }
    }

    #[test]
    fn a_scan_is_a_dot_with_every_row() {
        let block = Array2::from_shape_fn((7, 64), |(row, word)| u16::try_from(row * 977 + word * 31).unwrap());
        let probe: Vec<u16> = (0..64).map(|word| word * 1021).collect();
        let mut out = [0; 7];
        scan(block.view(), &probe, &mut out);
        for (row, sum) in block.rows().into_iter().zip(out) {
            assert_eq!(sum, dot(&probe, row.to_slice().unwrap()));
        }
    }
}
