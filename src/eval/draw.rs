//! Repeatable draws, for resampling and for choosing pairs. Never for a secret.

/// `SplitMix64` (Steele, Lea, Flood 2014): the same numbers at every run from the same seed.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// From a seed that the report prints.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub const fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// A place in a list of this many: the high half of a product (Lemire 2019), off from even by less than `end / 2^64`.
    ///
    /// # Panics
    /// When the list is empty.
    pub const fn below(&mut self, end: usize) -> usize {
        assert!(end > 0, "no place in an empty list");
        #[expect(clippy::cast_possible_truncation, reason = "below end")]
        let place = ((self.word() as u128 * end as u128) >> 64) as usize;
        place
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count.div_ceil(8)).flat_map(|_| self.word().to_le_bytes()).take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_splitmix64_and_cover_every_place() {
        // First outputs of the published generator for the seed 1234567.
        let mut draw = Draw::from_seed(1_234_567);
        assert_eq!([draw.word(), draw.word()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        let mut seen = [0_u32; 7];
        (0..7_000).for_each(|_| seen[draw.below(7)] += 1);
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
        assert_eq!(draw.bytes(13).len(), 13);
    }
}
