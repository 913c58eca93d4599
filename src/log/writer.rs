//! The one task that writes: it takes all work that waits, commits it at once, and answers.

use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::access::{Shown, shown};
use super::admission::{Batch, Work};
use super::ledger::Ledger;
use super::merkle::leaf_hash;

/// Work committed in one transaction at most. One sync to disk serves them all.
const GROUP: usize = 256;

/// Until nobody can send work any more, or a commit fails. Whoever waits then finds the queue closed: the log is halted.
pub(super) async fn run<L: Ledger>(
    mut ledger: L,
    mut batch: Batch,
    mut waiting: mpsc::Receiver<Work>,
    shared: Arc<Mutex<Shown>>,
) {
    while waiting.recv_many(batch.works(), GROUP).await > 0 {
        if let Err(fault) = ledger.commit(&mut batch).await {
            tracing::error!(error = &fault as &dyn std::error::Error, "a commit failed: the access log is halted");
            return;
        }
        let entries = batch.take_entries();
        let mut shown = shown(&shared);
        entries.iter().for_each(|entry| _ = shown.tree.push(leaf_hash(entry)));
        drop(shown);
        batch.answer();
    }
}
