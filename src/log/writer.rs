//! The one task that writes: it takes all work that waits, commits it at once, and answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use super::access::{Shown, shown};
use super::admission::{Batch, Work};
use super::ledger::Ledger;
use super::merkle::leaf_hash;
use super::publisher::Publishing;

/// Work committed in one transaction at most. One sync to disk serves it all.
const GROUP: usize = 256;

/// How long a closing that nobody waits for may wait for an admission to be committed with: one sync to disk the less, and
/// the next request does not queue behind it.
const LINGER: Duration = Duration::from_millis(20);

/// How the writer is told to stop, and how it tells that it has.
pub(super) struct Stop {
    pub(super) asked: Arc<Notify>,
    pub(super) publishing: Publishing,
    /// Dropped last.
    pub(super) done: watch::Sender<()>,
}

/// Until it is asked to stop, nobody can send work any more, or something fails. Whoever waits then finds the queue closed:
/// the log is halted.
pub(super) async fn run<L: Ledger>(
    mut ledger: L,
    mut batch: Batch,
    mut waiting: mpsc::Receiver<Work>,
    shared: Arc<Mutex<Shown>>,
    stop: Stop,
) {
    let Stop { asked, publishing, done } = stop;
    loop {
        tokio::select! {
            () = asked.notified() => {
                // What is in the queue already is still worked on.
                waiting.close();
                continue;
            },
            count = waiting.recv_many(batch.works(), GROUP) => if count == 0 && batch.works().is_empty() { break },
        }
        if batch.works().iter().all(Work::can_wait) {
            // A closed queue gives nothing more, at once.
            let more = waiting.recv_many(batch.works(), GROUP);
            drop(tokio::time::timeout(LINGER, more).await);
        }
        if shown(&shared).halted {
            break;
        }
        if let Err(fault) = ledger.commit(&mut batch).await {
            tracing::error!(error = &fault as &dyn std::error::Error, "a commit failed: the access log is halted");
            break;
        }
        {
            let mut shown = shown(&shared);
            for entry in batch.take_entries() {
                shown.tree.push(leaf_hash(&entry));
                shown.unpublished.push(entry);
            }
        }
        batch.answer();
    }
    drop((waiting, batch, ledger));
    publishing.finish().await;
    drop(done);
}
