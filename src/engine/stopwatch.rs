//! What a request or a batch spends its time on at this node: monotonic readings, in and out of which comes no time of day.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::timings::{Phase, Timings};

/// Nanoseconds of each phase so far. Whoever works on the request adds to it.
#[derive(Debug)]
pub(super) struct Stopwatch([AtomicU64; Phase::ALL.len()]);

impl Stopwatch {
    /// With nothing on it.
    pub(super) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; Phase::ALL.len()])
    }

    /// A phase took from `begin` until now; now, where the next one begins.
    pub(super) fn since(&self, phase: Phase, begin: Instant) -> Instant {
        let now = Instant::now();
        let took = u64::try_from(now.duration_since(begin).as_nanos()).unwrap_or(u64::MAX);
        self.0[phase as usize].fetch_add(took, Ordering::Relaxed);
        now
    }

    /// What it shows.
    pub(super) fn timings(&self) -> Timings {
        let mut timings = Timings::default();
        for phase in Phase::ALL {
            timings.add(phase, Duration::from_nanos(self.0[phase as usize].load(Ordering::Relaxed)));
        }
        timings
    }
}
