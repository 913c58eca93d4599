//! The inner loop of every comparison: wrapping dots of rows of `u16` with probes, in the widest registers of the processor.
//!
//! ```text
//! rows of a block  --a stretch that stays in the cache-->  x four probes at once, then one by one  -->  sums [probes, rows]
//! ```
//!
//! | kernel | needs | words a register |
//! |---|---|---|
//! | `portable` | nothing; the compiler packs it with what every processor of the architecture has: SSE2, NEON | 8 |
//! | `avx2` | AVX2 | 16 |
//! | `avx512` | AVX-512 F and BW | 32 |
//!
//! The last two are one safe routine over `Registers`. A row is read from memory once for all probes. Two rows meet four probes at
//! once, their eight sums in registers: what is loaded is used more than once. The next stretch is on its way from memory meanwhile.
//! Sums wrap, so their order does not matter: all kernels agree on every input, word for word. Nothing here depends on what the
//! words are.
//!
//! Loops count places: what takes iterators apart is not inlined in every profile, and then each product would be a call. `.ci/kernels.py`
//! looks for such calls.
//!
//! **The only file with `unsafe`**, which `.ci/floors.py` sees to: instructions that not every processor has. A value of `Avx2` or
//! `Avx512` is the proof that this one has them; each is made in one place, behind the check.
#![expect(unsafe_code, reason = "instructions that not every processor has, behind the proof that this one has them")]
#![expect(
    clippy::inline_always,
    reason = "compiled with the instructions of the caller, which it must become a part of"
)]
#![expect(clippy::needless_range_loop, reason = "an iterator's parts may become calls")]

use std::fmt;
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512};
#[cfg(target_arch = "x86_64")]
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a block that meet all probes before the next: half of a small first-level cache; the other half is for four probes at a time,
/// and for what comes next.
const STRETCH: usize = 16 * 1024;

/// Probes that meet two rows at once: eight sums, which with what they are made of fill sixteen registers.
#[cfg(target_arch = "x86_64")]
const FOUR: usize = 4;

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
    for first in (0..rows).step_by(stretch) {
        for (place, probe) in probes.iter().enumerate() {
            for row in first..rows.min(first + stretch) {
                out[place * rows + row] = dot(&words[row * dimension..][..dimension], probe);
            }
        }
    }
}

/// One row with one probe, as sums of sums of a fixed length: the shape that compilers turn into packed multiplications.
#[inline(always)]
fn dot(row: &[u16], probe: &[u16]) -> u16 {
    const PIECE: usize = 128;
    let (heads, tail) = row.as_chunks::<PIECE>();
    let (probe_heads, probe_tail) = probe.as_chunks::<PIECE>();
    let mut sum = plain(tail, probe_tail);
    for at in 0..heads.len() {
        sum = sum.wrapping_add(plain(&heads[at], &probe_heads[at]));
    }
    sum
}

/// Two slices of one length.
#[inline(always)]
fn plain(a: &[u16], b: &[u16]) -> u16 {
    let b = &b[..a.len()];
    let mut sum = 0_u16;
    for at in 0..a.len() {
        sum = sum.wrapping_add(a[at].wrapping_mul(b[at]));
    }
    sum
}

/// Rows of a stretch: an even number.
fn stretch(dimension: usize) -> usize {
    2 * (STRETCH / (2 * size_of::<u16>() * dimension)).max(1)
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

    /// For each register the sum of its lanes.
    fn totals(self, sums: [Self::Sums; 2 * FOUR]) -> [u16; 2 * FOUR];
}

/// A register's words of four probes, in the order in which rows meet them. Aligned, so that no load takes two lines of the cache.
#[cfg(target_arch = "x86_64")]
#[derive(Zeroize)]
#[repr(align(64))]
struct Piece<const LANES: usize>([[u16; LANES]; FOUR]);

/// Four probes, up to the last whole register.
#[cfg(target_arch = "x86_64")]
fn pack<const LANES: usize>(probes: &[&[u16]; FOUR]) -> Zeroizing<Vec<Piece<LANES>>> {
    let heads = probes.map(|probe| probe.as_chunks::<LANES>().0);
    Zeroizing::new((0..heads[0].len()).map(|at| Piece(heads.map(|head| head[at]))).collect())
}

/// [`Kernel::products`] with registers. Becomes a part of a caller that may use their instructions, with all that it calls.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn products<const LANES: usize>(registers: impl Registers<LANES>, words: &[u16], probes: &[&[u16]], out: &mut [u16]) {
    let (dimension, rows) = (probes[0].len(), out.len() / probes.len());
    let (fours, singles) = probes.as_chunks::<FOUR>();
    let packed: Vec<_> = fours.iter().map(pack::<LANES>).collect();
    let stretch = stretch(dimension);
    // Each pair of rows asks with each four for an equal share of the next stretch: the memory is busy while it is multiplied.
    let share = (stretch * dimension).div_ceil(stretch / 2 * fours.len().max(1));
    let mut first = 0;
    while first < rows {
        let count = stretch.min(rows - first);
        let (here, after) = words[first * dimension..].split_at(count * dimension);
        let mut soon = &after[..after.len().min(stretch * dimension)];
        for four in 0..fours.len() {
            for pair in 0..count / 2 {
                let (now, later) = soon.split_at(share.min(soon.len()));
                x86::fetch(now);
                soon = later;
                let sums =
                    with_four(registers, &here[2 * pair * dimension..][..2 * dimension], &packed[four], &fours[four]);
                for probe in 0..FOUR {
                    let at = (four * FOUR + probe) * rows + first + 2 * pair;
                    (out[at], out[at + 1]) = (sums[probe], sums[FOUR + probe]);
                }
            }
            if count % 2 == 1 {
                for probe in 0..FOUR {
                    let at = (four * FOUR + probe) * rows + first + count - 1;
                    with_one(registers, &here[(count - 1) * dimension..], fours[four][probe], &mut out[at..][..1]);
                }
            }
        }
        for single in 0..singles.len() {
            let at = (fours.len() * FOUR + single) * rows + first;
            with_one(registers, here, singles[single], &mut out[at..][..count]);
        }
        first += count;
    }
}

/// Two rows with four probes: eight registers of sums, and six loads for eight products. First the sums of the first row.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn with_four<const LANES: usize>(
    registers: impl Registers<LANES>,
    pair: &[u16],
    pieces: &[Piece<LANES>],
    probes: &[&[u16]; FOUR],
) -> [u16; 2 * FOUR] {
    let (one, other) = pair.split_at(pair.len() / 2);
    let ((one, one_tail), (other, other_tail)) = (one.as_chunks::<LANES>(), other.as_chunks::<LANES>());
    let (one, other) = (&one[..pieces.len()], &other[..pieces.len()]);
    let mut sums = [registers.zero(); 2 * FOUR];
    for at in 0..pieces.len() {
        let Piece(four) = &pieces[at];
        for probe in 0..FOUR {
            sums[probe] = registers.add(sums[probe], &one[at], &four[probe]);
            sums[FOUR + probe] = registers.add(sums[FOUR + probe], &other[at], &four[probe]);
        }
    }
    let mut totals = registers.totals(sums);
    if !one_tail.is_empty() {
        for probe in 0..FOUR {
            let tail = probes[probe].as_chunks::<LANES>().1;
            totals[probe] = totals[probe].wrapping_add(plain(one_tail, tail));
            totals[FOUR + probe] = totals[FOUR + probe].wrapping_add(plain(other_tail, tail));
        }
    }
    totals
}

/// Rows with one probe, a sum each, in the order of the memory, whose own foresight is then the best.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn with_one<const LANES: usize>(registers: impl Registers<LANES>, words: &[u16], probe: &[u16], out: &mut [u16]) {
    let (heads, probe_tail) = probe.as_chunks::<LANES>();
    let mut first = 0;
    while first < out.len() {
        let count = (out.len() - first).min(2 * FOUR);
        let mut sums = [registers.zero(); 2 * FOUR];
        let mut tails = [0; 2 * FOUR];
        for place in 0..count {
            let (pieces, row_tail) = words[(first + place) * probe.len()..][..probe.len()].as_chunks::<LANES>();
            let pieces = &pieces[..heads.len()];
            let mut sum = registers.zero();
            for at in 0..heads.len() {
                sum = registers.add(sum, &pieces[at], &heads[at]);
            }
            (sums[place], tails[place]) = (sum, plain(row_tail, probe_tail));
        }
        let totals = registers.totals(sums);
        for place in 0..count {
            out[first + place] = totals[place].wrapping_add(tails[place]);
        }
        first += count;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _MM_HINT_T0, _mm_add_epi16, _mm_prefetch, _mm_storeu_si128, _mm256_add_epi16,
        _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_mullo_epi16, _mm256_setzero_si256,
        _mm256_unpackhi_epi16, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi16,
        _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm512_add_epi16, _mm512_castsi512_si256,
        _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_mullo_epi16, _mm512_setzero_si512,
    };

    use super::{Registers, products};

    /// Words in a line of the cache.
    const LINE: usize = 32;

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

    /// Asks the memory for words that are needed soon.
    #[inline(always)]
    pub(super) fn fetch(words: &[u16]) {
        for line in words.chunks(LINE) {
            // SAFETY: a hint: it reads nothing, and never faults, whatever the address. Every x86-64 processor has it (SSE).
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
        }
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
        fn totals(self, sums: [__m256i; 8]) -> [u16; 8] {
            // Each step adds what is apart in a register and lays two registers into one, until a half is left and a whole to add to
            // it. In the end lane k of eight is of register k.
            // SAFETY: arithmetic in registers that needs AVX2; `self` is the proof. The store writes 16 bytes, which `totals` has, and
            // asks for no alignment.
            unsafe {
                let words = |a, b| _mm256_add_epi16(_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b));
                let twos = |a, b| _mm256_add_epi16(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
                let (ab, cd) = (words(sums[0], sums[1]), words(sums[2], sums[3]));
                let (ef, gh) = (words(sums[4], sums[5]), words(sums[6], sums[7]));
                let (ad, eh) = (twos(ab, cd), twos(ef, gh));
                let ah = _mm256_add_epi16(_mm256_unpacklo_epi64(ad, eh), _mm256_unpackhi_epi64(ad, eh));
                let ah = _mm_add_epi16(_mm256_castsi256_si128(ah), _mm256_extracti128_si256::<1>(ah));
                let mut totals = [0; 8];
                _mm_storeu_si128(totals.as_mut_ptr().cast(), ah);
                totals
            }
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
        fn totals(self, sums: [__m512i; 8]) -> [u16; 8] {
            // SAFETY: arithmetic in registers that needs AVX2 and AVX-512 F; `self` is the proof.
            unsafe {
                let mut halves = [_mm256_setzero_si256(); 8];
                for at in 0..8 {
                    let (low, high) = (_mm512_castsi512_si256(sums[at]), _mm512_extracti64x4_epi64::<1>(sums[at]));
                    halves[at] = _mm256_add_epi16(low, high);
                }
                self.0.totals(halves)
            }
        }
    }
}

#[cfg(test)]
mod tests;
