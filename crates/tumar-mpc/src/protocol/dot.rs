//! The scan: plain wrapping dots of words, memory-bound, no message. The arithmetic is the [`kernel`](super::kernel)'s.

use ndarray::ArrayView2;

use super::kernel::Kernel;

/// This party's additive summand of a score: the dot of a weighted probe with one row, mod 2^16.
///
/// # Panics
/// When the row is not of the probe's length.
#[must_use]
pub fn dot(weighted: &[u16], row: &[u16]) -> u16 {
    let mut out = [0];
    Kernel::best().products(row, &[weighted], &mut out);
    out[0]
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
    scan_many(block, &[weighted], out);
}

/// The summands of the scores of several probes with every row of a block, which is read once for all of them.
///
/// * `block`: `[rows, d]`, row-major and contiguous.
/// * `probes`: any number, each of `d` words. Multiples of four are the fastest.
/// * `out`: `[probes, rows]`: all summands of the first probe, then all of the second.
///
/// # Panics
/// When the block is not row-major, or the lengths do not fit.
#[expect(clippy::needless_pass_by_value, reason = "a view is passed by value, as ndarray does")]
pub fn scan_many(block: ArrayView2<'_, u16>, probes: &[&[u16]], out: &mut [u16]) {
    assert!(probes.iter().all(|probe| probe.len() == block.ncols()), "probes of the block's width");
    assert_eq!(out.len(), probes.len() * block.nrows(), "a summand for each probe and row");
    let words = block.to_slice().expect("galleries are allocated row-major, in whole blocks");
    Kernel::best().products(words, probes, out);
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

    #[test]
    fn a_scan_of_many_is_a_scan_of_each() {
        let block = Array2::from_shape_fn((33, 512), |(row, word)| u16::try_from(row * 977 + word * 31).unwrap());
        let probes: Vec<Vec<u16>> = (1..12).map(|probe| (0..512).map(|word| word * 11 * probe).collect()).collect();
        let probes: Vec<&[u16]> = probes.iter().map(Vec::as_slice).collect();
        let mut all = vec![0; 11 * 33];
        scan_many(block.view(), &probes, &mut all);
        for (probe, all) in probes.iter().zip(all.chunks_exact(33)) {
            let mut out = [0; 33];
            scan(block.view(), probe, &mut out);
            assert_eq!(all, out);
        }
    }
}
