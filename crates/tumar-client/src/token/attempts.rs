//! How many non-matches a purpose bears.

/// How many non-matches in a row are borne, after NIST SP 800-63B-4, 3.2.3. A match begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// So many cost no time.
    pub free: u32,
    /// Seconds to wait after the last of these; twice as many after each further one.
    pub delay_seconds: u64,
    /// Most seconds to wait.
    pub max_delay_seconds: u64,
    /// After so many in all, the subject is locked until somebody unlocks it.
    pub cap: u32,
}

impl Attempts {
    /// Seconds that the next attempt must wait after so many non-matches in a row.
    #[must_use]
    pub fn delay(&self, misses: u32) -> u64 {
        let Some(further) = misses.checked_sub(self.free) else { return 0 };
        let factor = 1_u64.checked_shl(further).unwrap_or(u64::MAX);
        self.delay_seconds.saturating_mul(factor).min(self.max_delay_seconds)
    }
}
