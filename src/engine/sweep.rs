//! What has expired is destroyed, and what may be forgotten is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::Counters;
use super::links::NodeLinks;
use super::references::References;
use crate::clocks::{Clocks, Utc};
use crate::log::access::AccessLog;
use crate::store::{Store, StoreError, Swept};

/// Sweeps the log, the store and the references in memory.
pub struct Sweeper {
    pub(super) links: NodeLinks,
    pub(super) clocks: Arc<Clocks>,
    pub(super) log: AccessLog,
    pub(super) store: Store,
    pub(super) references: References,
    pub(super) counters: Arc<Counters>,
    pub(super) told: Told,
}

/// In which hour it was told that nothing is destroyed.
#[derive(Debug, Default)]
pub(super) struct Told(AtomicU64);

impl Told {
    /// Tells it, once an hour.
    fn at(&self, now: u64, until: u64) {
        let hour = now / 3600;
        if self.0.swap(hour, Ordering::Relaxed) != hour {
            tracing::warn!(
                "the time has leapt by more than two days since this node last acted: nothing that has expired is destroyed before {}. If {} is \
                 not the time, stop all three nodes, correct the clocks, and start each once with --accept-clock",
                Utc(until),
                Utc(now)
            );
        }
    }
}

impl Sweeper {
    /// Destroys what has expired by all three clocks, and forgets what may be forgotten by all three; nothing while a link is down or a
    /// clock is in doubt, or for a day after the time has leapt. Logs how much it was.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed; the next sweep takes up what is left.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        if !self.links.linked().is_some_and(|peers| peers.is_ready()) {
            return Ok(());
        }
        let Ok(now) = self.clocks.least() else { return Ok(()) };
        if let Some(until) = self.store.held(now).await? {
            self.told.at(now, until);
            return Ok(());
        }
        let entries = self.log.sweep(now).await.unwrap_or_else(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "old entries of the access log could not be destroyed"
            );
            0
        });
        let Swept { records, forgotten } = self.store.sweep(now).await?;
        if entries + records.len() as u64 + forgotten > 0 {
            tracing::info!(
                expired_people = records.len(),
                log_entries = entries,
                spent_ids_and_answers = forgotten,
                "a sweep destroyed expired data"
            );
        }
        self.counters.swept(records.len());
        self.references.remove(records.iter().map(|gone| (&gone.gallery, &gone.subject, gone.position)));
        Ok(())
    }
}
