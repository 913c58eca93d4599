//! What a caller may do in a time, kept in memory: a restart fills it again.

use std::collections::HashMap;
use std::hash::Hash;

/// Callers that are remembered before those who are owed nothing are forgotten.
const REMEMBERED: usize = 4096;

/// A caller's bucket: it drains by what is taken, and fills at the rate up to its size.
#[derive(Clone, Copy)]
struct Bucket {
    /// In parts: so many are one.
    level: u64,
    at: u64,
}

/// Buckets of one size and rate.
pub(super) struct Buckets<K> {
    size: u64,
    /// Parts that come back in a second.
    rate: u64,
    parts: u64,
    of: HashMap<K, Bucket>,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// Of `size`, to which `rate` comes back in each second.
    pub(super) fn per_second(rate: u32, size: u32) -> Self {
        Self { size: u64::from(size), rate: u64::from(rate), parts: 1, of: HashMap::new() }
    }

    /// Of `size`, all of which comes back in a minute.
    pub(super) fn per_minute(size: u32) -> Self {
        Self { size: 60 * u64::from(size), rate: u64::from(size), parts: 60, of: HashMap::new() }
    }

    /// What is there now.
    fn level(&self, caller: &K, now: u64) -> u64 {
        self.of.get(caller).map_or(self.size, |bucket| self.filled(*bucket, now))
    }

    fn filled(&self, bucket: Bucket, now: u64) -> u64 {
        let flow = self.rate.saturating_mul(now.saturating_sub(bucket.at));
        bucket.level.saturating_add(flow).min(self.size)
    }

    /// Takes one out.
    ///
    /// # Errors
    /// Milliseconds after which there is one again: none can be taken now.
    pub(super) fn take(&mut self, caller: &K, now: u64) -> Result<(), u64> {
        let level = self.level(caller, now);
        let left = level.checked_sub(self.parts).ok_or_else(|| self.wait(level))?;
        if self.of.len() >= REMEMBERED && !self.of.contains_key(caller) {
            let (size, all) = (self.size, std::mem::take(&mut self.of));
            self.of = all.into_iter().filter(|(_, bucket)| self.filled(*bucket, now) < size).collect();
        }
        // A clock that is set back gives nothing twice.
        let at = self.of.get(caller).map_or(now, |bucket| bucket.at.max(now));
        self.of.insert(caller.clone(), Bucket { level: left, at });
        Ok(())
    }

    /// Whether one could be taken.
    ///
    /// # Errors
    /// Milliseconds after which one could.
    pub(super) fn check(&self, caller: &K, now: u64) -> Result<(), u64> {
        let level = self.level(caller, now);
        if level >= self.parts { Ok(()) } else { Err(self.wait(level)) }
    }

    /// Time comes in whole seconds.
    fn wait(&self, level: u64) -> u64 {
        (self.parts - level).div_ceil(self.rate).saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_what_is_in_it_and_fills_again() {
        let mut buckets = Buckets::per_minute(3);
        for now in [100, 100, 101] {
            buckets.take(&"a", now).unwrap();
        }
        assert_eq!((buckets.take(&"a", 101), buckets.check(&"a", 101)), (Err(19_000), Err(19_000)));
        assert_eq!(buckets.check(&"b", 101), Ok(()), "another's is full");
        assert_eq!(buckets.take(&"a", 120), Ok(()), "20 seconds after the first");
        // A clock that is set back gives nothing.
        assert_eq!(buckets.check(&"a", 50), Err(20_000));
        assert_eq!(buckets.check(&"a", 10_000), Ok(()));
    }

    #[test]
    fn who_is_owed_nothing_is_forgotten() {
        let mut buckets = Buckets::per_second(1, 2);
        for caller in 0..3 * REMEMBERED {
            buckets.take(&caller, caller as u64).unwrap();
        }
        assert!(buckets.of.len() <= REMEMBERED);
    }
}
