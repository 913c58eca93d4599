//! Every kernel against the sums by the book.

use proptest::prelude::*;

use super::*;

/// The sums by the book.
fn sums(words: &[u16], probes: &[&[u16]]) -> Vec<u16> {
    let of = |probe: &&[u16]| words.chunks_exact(probe.len()).map(|row| plain(row, probe)).collect::<Vec<_>>();
    probes.iter().flat_map(of).collect()
}

/// All kernels of this processor with the same rows and probes, which start anywhere in memory.
fn all_agree(words: &[u16], probes: &[&[u16]], rows: usize) {
    let expected = if words.is_empty() { vec![0; probes.len() * rows] } else { sums(words, probes) };
    for kernel in Kernel::available() {
        let mut out = vec![0xbeef; expected.len()];
        kernel.products(words, probes, &mut out);
        assert_eq!(out, expected, "{kernel:?}, {rows} rows, {} probes", probes.len());
    }
}

fn words(seed: u64, count: usize) -> Vec<u16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 48).to_le_bytes()
    };
    (0..count).map(|_| next()).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]])).collect()
}

proptest! {
    #[test]
    fn every_kernel_is_the_portable_one_on_every_input(
        length in 0_usize..=2048,
        rows in 0_usize..40,
        count in 0_usize..=19,
        shift in 0_usize..32,
        seed in any::<u64>(),
    ) {
        let block = words(seed, shift + rows * length);
        let probes = words(!seed, shift + count * length);
        let probes: Vec<&[u16]> = (0..count).map(|probe| &probes[shift + probe * length..][..length]).collect();
        all_agree(&block[shift..], &probes, rows);
    }
}

#[test]
fn every_kernel_is_the_portable_one_at_every_length_around_a_register() {
    for length in 0..=300 {
        let (block, probe) = (words(7, 3 * length), words(8, 9 * length));
        let probes: Vec<&[u16]> = (0..9).map(|at| &probe[at * length..][..length]).collect();
        all_agree(&block, &probes, 3);
        all_agree(&block, &probes[..1], 3);
    }
}

#[test]
fn every_kernel_is_the_portable_one_at_every_count_around_a_group() {
    for length in (64..=1024).step_by(32) {
        let (block, probe) = (words(9, 9 * length), words(10, 17 * length));
        let probes: Vec<&[u16]> = probe.chunks_exact(length).collect();
        for rows in 1..=9 {
            for count in 1..=17 {
                all_agree(&block[..rows * length], &probes[..count], rows);
            }
        }
    }
}

/// The sums of many stretches, where the next one is asked for, and one row beyond the last pair.
#[test]
fn every_kernel_is_the_portable_one_over_many_stretches() {
    for (length, rows) in [(512, 163), (520, 61), (9000, 5)] {
        let (block, probe) = (words(11, rows * length), words(12, 12 * length));
        let probes: Vec<&[u16]> = probe.chunks_exact(length).collect();
        all_agree(&block, &probes[..9], rows);
        all_agree(&block, &probes, rows);
    }
}

#[test]
fn the_largest_words_wrap_alike() {
    let (block, probe) = (vec![u16::MAX; 5 * 2048], vec![u16::MAX; 2048]);
    all_agree(&block, &[&probe[..]; 9], 5);
}

#[test]
fn the_best_kernel_is_one_that_the_processor_has_and_the_others_are_named() {
    let here: Vec<_> = Kernel::available().map(Kernel::name).collect();
    let lacking: Vec<_> = Kernel::NAMES.iter().filter(|name| !here.contains(name)).collect();
    eprintln!("kernels compared: {here:?}; not tested, since this processor lacks them: {lacking:?}");
    assert_eq!(here.first(), Some(&Kernel::PORTABLE.name()));
    assert_eq!(here.last(), Some(&Kernel::best().name()));
    assert!(here.iter().all(|name| Kernel::NAMES.contains(name)));
}

#[test]
#[should_panic(expected = "rows, probes and sums of one shape")]
fn a_block_of_another_shape_is_refused() {
    Kernel::best().products(&[0; 63], &[&[0; 32]], &mut [0; 2]);
}
