//! How much a node takes on at once.

use std::time::Duration;

/// How much a node takes on at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Batches under way at a time.
    pub in_flight: usize,
    /// Requests of one batch.
    pub batch: usize,
    /// Requests of one relying party that wait at the leader for a batch.
    pub waiting: usize,
    /// Searches of one relying party that wait at the leader.
    pub searches: usize,
    /// Threads that scan for searches.
    pub scanners: usize,
    /// How long another node may take for each of its words.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 4, batch: 64, waiting: 1024, searches: 16, scanners: 1, patience: Duration::from_secs(5) }
    }
}
