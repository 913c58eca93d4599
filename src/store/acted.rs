//! The latest time that a node acted on, and for how long nothing is destroyed after that time has leapt.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::SqliteConnection;

use super::StoreError;
use super::schema::{self, ACTED, HELD};

/// A minute is near enough, and one statement less each time.
const STEP: u64 = 60;

/// So many seconds after the time that was acted on last, the time has leapt: the node was down, or the clocks are wrong.
const LEAP: u64 = 2 * 86_400;

/// For so many seconds after a leap, nothing that has expired is destroyed: so long somebody may notice that the clocks are wrong.
const HOLD: u64 = 86_400;

/// Both times, in unix seconds, as they stand in the file; 0 if there is none.
#[derive(Debug)]
pub(super) struct Acted {
    latest: AtomicU64,
    held: AtomicU64,
}

/// What both become.
#[derive(Clone, Copy)]
pub(super) struct Next {
    latest: u64,
    held: u64,
}

impl Acted {
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let latest = AtomicU64::new(schema::noted(connection, ACTED).await?);
        Ok(Self { latest, held: AtomicU64::new(schema::noted(connection, HELD).await?) })
    }

    pub(super) fn latest(&self) -> u64 {
        self.latest.load(Ordering::Relaxed)
    }

    /// Until when nothing is destroyed, if that is later.
    pub(super) fn held(&self, now: u64) -> Option<u64> {
        Some(self.held.load(Ordering::Relaxed)).filter(|held| now < *held)
    }

    /// What both become where something is done at this time; none if they stay.
    pub(super) fn at(&self, now: u64) -> Option<Next> {
        let latest = self.latest();
        let leapt = latest != 0 && now > latest.saturating_add(LEAP);
        let held = if leapt { now.saturating_add(HOLD) } else { self.held.load(Ordering::Relaxed) };
        (now >= latest.saturating_add(STEP)).then_some(Next { latest: now, held })
    }

    /// By the word of an operator this is the time, whatever it was before.
    pub(super) const fn set(now: u64) -> Next {
        Next { latest: now, held: 0 }
    }

    /// As they are.
    pub(super) fn now(&self) -> Next {
        Next { latest: self.latest(), held: self.held.load(Ordering::Relaxed) }
    }

    /// It stands in the file now.
    pub(super) fn take(&self, next: Next) {
        self.latest.store(next.latest, Ordering::Relaxed);
        self.held.store(next.held, Ordering::Relaxed);
    }
}

impl Next {
    /// The same, but no earlier than this.
    pub(super) fn no_earlier(self, than: u64) -> Self {
        Self { latest: self.latest.max(than), ..self }
    }

    pub(super) async fn write(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        schema::note(connection, ACTED, self.latest).await?;
        schema::note(connection, HELD, self.held).await
    }
}
