//! The one task that writes: it takes all work that waits, commits it at once, and answers. Between two commits it destroys what is
//! older than the policy keeps it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::access::LogError;
use super::admission::Batch;
use super::entry::{Entry, Minute};
use super::half::{Half, Place};
use super::ledger::{Ledger, LedgerFault};
use super::publisher::{Publishing, Standing};
use super::shown::{Shown, shown};
use super::tiles::{self, WIDTH};
use super::work::Work;

/// Work committed in one transaction at most. One sync to disk serves it all.
const GROUP: usize = 256;

/// How long a closing that nobody waits for may wait for an admission to be committed with: one sync to disk the less, and
/// the next request does not queue behind it.
const LINGER: Duration = Duration::from_millis(20);

/// Seconds of a day.
const DAY: u64 = 86_400;

/// How the writer is told to stop, and how it tells that it has.
pub(super) struct Stop {
    pub(super) asked: Arc<Notify>,
    pub(super) publishing: Publishing,
    /// Dropped last.
    pub(super) done: watch::Sender<()>,
}

/// To destroy what is too old at a moment in unix seconds.
pub(super) struct Sweep {
    pub(super) now: u64,
    pub(super) done: oneshot::Sender<Result<u64, LogError>>,
}

/// What is kept, and for how long.
pub(super) struct Keeper {
    pub(super) directory: PathBuf,
    pub(super) days: u32,
    pub(super) standing: Arc<Standing>,
}

/// Until it is asked to stop, nobody can send work any more, or something fails. Whoever waits then finds the queue closed:
/// the log is halted.
pub(super) async fn run<L: Ledger>(
    mut ledger: L,
    mut batch: Batch,
    (mut waiting, mut sweeps): (mpsc::Receiver<Work>, mpsc::Receiver<Sweep>),
    shared: Arc<Mutex<Shown>>,
    (keeper, stop): (Keeper, Stop),
) {
    let Stop { asked, publishing, done } = stop;
    loop {
        tokio::select! {
            () = asked.notified() => {
                // What is in the queue already is still worked on.
                waiting.close();
                continue;
            },
            Some(Sweep { now, done }) = sweeps.recv() => {
                shown(&shared).begin(Half::of(now));
                batch.begin(Half::of(now));
                let swept = keeper.sweep(&mut ledger, now).await;
                // What a ledger holds that failed is not known.
                let is_over = matches!(swept, Err(LogError::Ledger(_)));
                drop(done.send(swept));
                if is_over {
                    break;
                }
                if !batch.owes(now) {
                    continue;
                }
            },
            count = waiting.recv_many(batch.works(), GROUP) => {
                if count == 0 && batch.works().is_empty() && !batch.owes_at_the_end() {
                    break;
                }
            },
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
            for (place, entry) in batch.take_entries() {
                shown.begin(place.half);
                shown.push(place.half, entry);
            }
            keeper.standing.weigh(&shown);
        }
        batch.answer();
    }
    drop((waiting, sweeps, batch, ledger));
    publishing.finish().await;
    drop(done);
}

impl Keeper {
    /// Destroys whole bundles whose last entry is too old, and of a half-year that has ended the last bundle as well: in the
    /// ledger first, so that what a crash leaves are files, which the next sweep finds. Gives their number.
    async fn sweep<L: Ledger>(&self, ledger: &mut L, now: u64) -> Result<u64, LogError> {
        let mut destroyed = 0;
        let oldest = Minute::of(now.saturating_sub(u64::from(self.days) * DAY));
        let halves = ledger.halves().await?;
        for (half, first) in halves {
            let published = self.standing.size(half);
            let mut kept = first;
            loop {
                let end = ((kept / WIDTH + 1) * WIDTH).min(published);
                let is_whole = end.is_multiple_of(WIDTH) || half < Half::of(now);
                if end <= kept || !is_whole || !is_older(ledger, Place { half, index: end - 1 }, oldest).await? {
                    break;
                }
                kept = end;
            }
            if kept > first {
                ledger.prune(Place { half, index: kept }).await?;
                destroyed += kept - first;
            }
            let folder = self.directory.join(half.to_string());
            tokio::task::spawn_blocking(move || tiles::prune(&folder, kept)).await.map_err(|_| LogError::Halted)??;
        }
        Ok(destroyed)
    }
}

async fn is_older<L: Ledger>(ledger: &mut L, place: Place, oldest: Minute) -> Result<bool, LedgerFault> {
    let page = ledger.entries(place).await?;
    let last = page.first().and_then(|bytes| Entry::parse(bytes).ok());
    Ok(last.is_some_and(|entry| entry.minute < oldest))
}
