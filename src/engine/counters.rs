//! What a node counts. No count is of a person.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a node counts. No count is of a person.
#[derive(Debug, Default)]
pub struct Counters {
    checked: AtomicU64,
    forged: AtomicU64,
    overloaded: AtomicU64,
    queued: AtomicU64,
    batches: AtomicU64,
    runs: AtomicU64,
    swept: AtomicU64,
}

impl Counters {
    pub(super) fn checked(&self) {
        self.checked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn overloaded(&self) {
        self.overloaded.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn forged(&self) {
        self.forged.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn queued(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn batch(&self) {
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn run(&self) {
        self.runs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn swept(&self, records: usize) {
        self.swept.fetch_add(records as u64, Ordering::Relaxed);
    }

    /// Requests whose token was looked at.
    pub fn checked_requests(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }

    /// Requests that were refused since too many of their relying party wait.
    pub fn overloaded_requests(&self) -> u64 {
        self.overloaded.load(Ordering::Relaxed)
    }

    /// Requests whose token or proof was not genuine, for us, now.
    pub fn forged_requests(&self) -> u64 {
        self.forged.load(Ordering::Relaxed)
    }

    /// Enrolments that expired and were destroyed.
    pub fn swept_records(&self) -> u64 {
        self.swept.load(Ordering::Relaxed)
    }

    /// Requests that took a place at the leader to wait for a batch.
    pub fn queued_requests(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }

    /// Batches that were formed of what waits, at the leader.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Runs of the protocol.
    pub fn protocol_runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }
}
