//! The inner loop of every comparison: wrapping dots of rows of `u16` with probes, in the widest registers of the processor.
//!
//! ```text
//! rows of a block  --a stretch that stays in the cache-->  x eight probes at once, then one by one  -->  sums [probes, rows]
//! ```
//!
//! | kernel | needs | words a register |
//! |---|---|---|
//! | `portable` | nothing; the compiler packs it with what every processor of the architecture has: SSE2, NEON | 8 |
//! | `avx2` | AVX2 | 16 |
//! | `avx512` | AVX-512 F and BW | 32 |
//!
//! The last two are one safe routine over `Registers`. A row is read from memory once for all probes, and each of eight probes
//! has its sums in a register for the whole of a row. Sums wrap, so their order does not matter: all kernels agree on every input,
//! word for word. Nothing here depends on what the words are.
//!
//! **The only file with `unsafe`**, which `.ci/floors.py` sees to: instructions that not every processor has. A value of `Avx2` or
//! `Avx512` is the proof that this one has them; each is made in one place, behind the check.
#![expect(unsafe_code, reason = "instructions that not every processor has, behind the proof that this one has them")]
#![expect(
    clippy::inline_always,
    reason = "compiled with the instructions of the caller, which it must become a part of"
)]

use std::fmt;
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512};
use zeroize::Zeroizing;

/// Bytes of a block that meet all probes before the next: half of a small first-level cache; the other half is for eight probes.
const STRETCH: usize = 16 * 1024;

/// Probes whose sums are kept in registers at once.
const TOGETHER: usize = 8;

/// One way to multiply that this processor has: values come from [`Kernel::best`] and [`Kernel::available`].
#[derive(Clone, Copy)]
pub struct Kernel(Kind);

#[derive(Clone, Copy)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Kernel {
    /// What every processor has.
    pub const PORTABLE: Self = Self(Kind::Portable);

    /// The fastest that this processor has; found out once.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().last().unwrap_or(Self::PORTABLE))
    }

    /// All that this processor has, the slowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        let all = [
            Some(Kind::Portable),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Kind::Avx2),
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Kind::Avx512),
        ];
        all.into_iter().flatten().map(Self)
    }

    /// The names of all kernels of this architecture, whether this processor has them or not.
    pub const NAMES: &[&str] =
        if cfg!(target_arch = "x86_64") { &["portable", "avx2", "avx512"] } else { &["portable"] };

    /// Its name, one of [`Kernel::NAMES`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
        }
    }

    /// The dots of every probe with every row, mod 2^16.
    ///
    /// * `words`: `[rows, d]`, one row after the other.
    /// * `probes`: each of `d` words.
    /// * `out`: `[probes, rows]`: all sums of the first probe, then all of the second.
    ///
    /// # Panics
    /// When the lengths do not fit each other.
    pub fn products(self, words: &[u16], probes: &[&[u16]], out: &mut [u16]) {
        let Some(first) = probes.first() else {
            return assert!(out.is_empty(), "no sums without a probe");
        };
        let (dimension, rows) = (first.len(), out.len() / probes.len());
        assert!(probes.iter().all(|probe| probe.len() == dimension), "probes of one length");
        assert_eq!(
            (words.len(), out.len()),
            (rows * dimension, rows * probes.len()),
            "rows, probes and sums of one shape"
        );
        if words.is_empty() {
            return out.fill(0);
        }
        match self.0 {
            Kind::Portable => portable(words, probes, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(registers) => x86::avx2(registers, words, probes, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(registers) => x86::avx512(registers, words, probes, out),
        }
    }
}

/// Prints the name: `Kernel(avx2)`.
impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel({})", self.name())
    }
}

/// [`Kernel::products`] without a word about registers.
fn portable(words: &[u16], probes: &[&[u16]], out: &mut [u16]) {
    let (dimension, rows) = (probes[0].len(), out.len() / probes.len());
    let stretch = stretch(dimension);
    for (index, words) in words.chunks(stretch * dimension).enumerate() {
        for (probe, out) in probes.iter().zip(out.chunks_exact_mut(rows)) {
            for (out, row) in out[index * stretch..].iter_mut().zip(words.chunks_exact(dimension)) {
                *out = dot(row, probe);
            }
        }
    }
}

/// One row with one probe, as sums of sums of a fixed length: the shape that compilers turn into packed multiplications.
fn dot(row: &[u16], probe: &[u16]) -> u16 {
    const PIECE: usize = 128;
    let (heads, tail) = row.as_chunks::<PIECE>();
    let (probe_heads, probe_tail) = probe.as_chunks::<PIECE>();
    heads.iter().zip(probe_heads).fold(plain(tail, probe_tail), |sum, (a, b)| sum.wrapping_add(plain(a, b)))
}

#[inline(always)]
fn plain(a: &[u16], b: &[u16]) -> u16 {
    a.iter().zip(b).fold(0, |sum, (a, b)| sum.wrapping_add(a.wrapping_mul(*b)))
}

/// Rows of a stretch.
fn stretch(dimension: usize) -> usize {
    (STRETCH / (size_of::<u16>() * dimension)).max(1)
}

/// What a processor can do with `LANES` words at once. A value is the proof that it can.
#[cfg(target_arch = "x86_64")]
trait Registers<const LANES: usize>: Copy {
    /// A register of sums.
    type Sums: Copy;

    /// Sums of nothing.
    fn zero(self) -> Self::Sums;

    /// The sums, and lane by lane one product more.
    fn add(self, sums: Self::Sums, a: &[u16; LANES], b: &[u16; LANES]) -> Self::Sums;

    /// The sum of the lanes.
    fn total(self, sums: Self::Sums) -> u16;

    /// Asks the memory for what comes some lines after these words. What is there, if anything, does not matter.
    fn fetch_after(self, words: &[u16; LANES]);
}

/// [`Kernel::products`] with registers. Becomes a part of a caller that may use their instructions, with all that it calls.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn products<const LANES: usize>(registers: impl Registers<LANES>, words: &[u16], probes: &[&[u16]], out: &mut [u16]) {
    let (dimension, rows) = (probes[0].len(), out.len() / probes.len());
    let (groups, singles) = probes.as_chunks::<TOGETHER>();
    let (of_groups, of_singles) = out.split_at_mut(groups.len() * TOGETHER * rows);
    let packed: Vec<_> = groups.iter().map(pack::<LANES>).collect();
    let stretch = stretch(dimension);
    for (index, words) in words.chunks(stretch * dimension).enumerate() {
        let first = index * stretch;
        for ((heads, probes), out) in packed.iter().zip(groups).zip(of_groups.chunks_exact_mut(TOGETHER * rows)) {
            rows_with(registers, words, heads, probes, out, first);
        }
        for (probe, out) in singles.iter().zip(of_singles.chunks_exact_mut(rows)) {
            rows_with(registers, words, probe.as_chunks().0.as_chunks().0, &[*probe], out, first);
        }
    }
}

/// A group's words in the order in which a row meets them: one stream instead of eight, and no bound to check.
#[cfg(target_arch = "x86_64")]
fn pack<const LANES: usize>(probes: &[&[u16]; TOGETHER]) -> Zeroizing<Vec<[[u16; LANES]; TOGETHER]>> {
    let heads = probes.map(|probe| probe.as_chunks::<LANES>().0);
    Zeroizing::new((0..heads[0].len()).map(|at| heads.map(|head| head[at])).collect())
}

/// The rows of a stretch with `PROBES` probes, whose words are in `heads` up to the last whole register.
///
/// * `out`: `[PROBES, rows of the block]`; `first` is the stretch's first row in it.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn rows_with<const LANES: usize, const PROBES: usize>(
    registers: impl Registers<LANES>,
    words: &[u16],
    heads: &[[[u16; LANES]; PROBES]],
    probes: &[&[u16]; PROBES],
    out: &mut [u16],
    first: usize,
) {
    let rows = out.len() / PROBES;
    let tails = probes.map(|probe| probe.as_chunks::<LANES>().1);
    for (row, words) in words.chunks_exact(probes[0].len()).enumerate() {
        let (pieces, tail) = words.as_chunks::<LANES>();
        let mut sums = [registers.zero(); PROBES];
        for (piece, head) in pieces.iter().zip(heads) {
            registers.fetch_after(piece);
            for (sums, words) in sums.iter_mut().zip(head) {
                *sums = registers.add(*sums, piece, words);
            }
        }
        for (probe, (sums, rest)) in sums.into_iter().zip(tails).enumerate() {
            out[probe * rows + first + row] = registers.total(sums).wrapping_add(plain(tail, rest));
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _MM_HINT_T0, _mm_add_epi16, _mm_cvtsi128_si32, _mm_prefetch, _mm_srli_si128,
        _mm256_add_epi16, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_mullo_epi16,
        _mm256_setzero_si256, _mm512_add_epi16, _mm512_castsi512_si256, _mm512_extracti64x4_epi64, _mm512_loadu_si512,
        _mm512_mullo_epi16, _mm512_setzero_si512,
    };

    use super::{Registers, products};

    /// Words ahead that are asked for: two rows of a face. A processor's own foresight ends at each page of memory.
    const AHEAD: usize = 1024;

    /// The processor has AVX2. Made by [`Avx2::detect`] alone.
    #[derive(Clone, Copy)]
    pub(super) struct Avx2(());

    impl Avx2 {
        pub(super) fn detect() -> Option<Self> {
            is_x86_feature_detected!("avx2").then_some(Self(()))
        }
    }

    /// The processor has AVX2 and AVX-512 F and BW. Made by [`Avx512::detect`] alone.
    #[derive(Clone, Copy)]
    pub(super) struct Avx512(Avx2);

    impl Avx512 {
        pub(super) fn detect() -> Option<Self> {
            let there = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            Avx2::detect().filter(|_| there).map(Self)
        }
    }

    pub(super) fn avx2(registers: Avx2, words: &[u16], probes: &[&[u16]], out: &mut [u16]) {
        #[target_feature(enable = "avx2")]
        fn inner(registers: Avx2, words: &[u16], probes: &[&[u16]], out: &mut [u16]) {
            products(registers, words, probes, out);
        }
        // SAFETY: `inner` needs AVX2 and nothing else, and `registers` is the proof that the processor has it.
        unsafe { inner(registers, words, probes, out) }
    }

    pub(super) fn avx512(registers: Avx512, words: &[u16], probes: &[&[u16]], out: &mut [u16]) {
        #[target_feature(enable = "avx2,avx512f,avx512bw")]
        fn inner(registers: Avx512, words: &[u16], probes: &[&[u16]], out: &mut [u16]) {
            products(registers, words, probes, out);
        }
        // SAFETY: `inner` needs AVX2, AVX-512 F and BW and nothing else, and `registers` is the proof that the processor has them.
        unsafe { inner(registers, words, probes, out) }
    }

    #[inline(always)]
    fn fetch_after(words: *const u16) {
        // SAFETY: a hint: it reads nothing, and never faults, whatever the address; `wrapping_add` may leave the block. Every
        // x86-64 processor has it (SSE).
        unsafe { _mm_prefetch::<_MM_HINT_T0>(words.wrapping_add(AHEAD).cast()) }
    }

    impl Registers<16> for Avx2 {
        type Sums = __m256i;

        #[inline(always)]
        fn zero(self) -> __m256i {
            // SAFETY: needs AVX; `self` is the proof.
            unsafe { _mm256_setzero_si256() }
        }

        #[inline(always)]
        fn add(self, sums: __m256i, a: &[u16; 16], b: &[u16; 16]) -> __m256i {
            // SAFETY: need AVX2; `self` is the proof. The two loads read 32 bytes each, which is what `a` and `b` are, and ask for
            // no alignment.
            unsafe {
                let (a, b) = (_mm256_loadu_si256(a.as_ptr().cast()), _mm256_loadu_si256(b.as_ptr().cast()));
                _mm256_add_epi16(sums, _mm256_mullo_epi16(a, b))
            }
        }

        #[inline(always)]
        fn total(self, sums: __m256i) -> u16 {
            // SAFETY: arithmetic in registers that needs AVX2; `self` is the proof.
            let low = unsafe {
                let sums = _mm_add_epi16(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
                let sums = _mm_add_epi16(sums, _mm_srli_si128::<8>(sums));
                let sums = _mm_add_epi16(sums, _mm_srli_si128::<4>(sums));
                _mm_cvtsi128_si32(_mm_add_epi16(sums, _mm_srli_si128::<2>(sums)))
            };
            let [first, second, ..] = low.to_le_bytes();
            u16::from_le_bytes([first, second])
        }

        #[inline(always)]
        fn fetch_after(self, words: &[u16; 16]) {
            fetch_after(words.as_ptr());
        }
    }

    impl Registers<32> for Avx512 {
        type Sums = __m512i;

        #[inline(always)]
        fn zero(self) -> __m512i {
            // SAFETY: needs AVX-512 F; `self` is the proof.
            unsafe { _mm512_setzero_si512() }
        }

        #[inline(always)]
        fn add(self, sums: __m512i, a: &[u16; 32], b: &[u16; 32]) -> __m512i {
            // SAFETY: need AVX-512 F and BW; `self` is the proof. The two loads read 64 bytes each, which is what `a` and `b` are,
            // and ask for no alignment.
            unsafe {
                let (a, b) = (_mm512_loadu_si512(a.as_ptr().cast()), _mm512_loadu_si512(b.as_ptr().cast()));
                _mm512_add_epi16(sums, _mm512_mullo_epi16(a, b))
            }
        }

        #[inline(always)]
        fn total(self, sums: __m512i) -> u16 {
            // SAFETY: arithmetic in registers that needs AVX2 and AVX-512 F; `self` is the proof.
            let half = unsafe { _mm256_add_epi16(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums)) };
            self.0.total(half)
        }

        #[inline(always)]
        fn fetch_after(self, words: &[u16; 32]) {
            fetch_after(words.as_ptr());
        }
    }
}

#[cfg(test)]
mod tests {
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
}
