//! The one task that writes: it takes all work that waits, commits it at once, and answers. Between two commits it destroys what is
//! older than the policy keeps it.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::access::LogError;
use super::admission::Batch;
use super::entry::{Entry, Minute};
use super::ledger::{Ledger, LedgerFault};
use super::publisher::{PublishedHeads, Publishing};
use super::shard::{EntryId, Shard};
use super::state::{LogState, shown};
use super::tiles::{self, WIDTH};
use super::trouble::Trouble;
use super::work::WriteOp;

/// Work committed in one transaction at most. One sync to disk serves it all.
const GROUP: usize = 256;

/// How long a closing that nobody waits for may wait for an admission to be committed with: one sync to disk the less, and
/// the next request does not queue behind it.
const LINGER: Duration = Duration::from_millis(20);

/// How often it is tried whether a ledger that could not be written can be again.
const AGAIN: Duration = Duration::from_secs(1);

/// How often it is told that it can not.
const TOLD: Duration = Duration::from_mins(1);

/// Seconds of a day.
const DAY: u64 = 86_400;

/// How the writer is told to stop, and how it tells that it has.
pub(super) struct Stop {
    pub(super) asked: Arc<Notify>,
    pub(super) publishing: Publishing,
    /// Dropped last.
    pub(super) done: watch::Sender<()>,
}

/// What is asked of the writer beside work, since it alone has the ledger.
pub(super) enum Ask {
    /// To destroy what is too old at a moment in unix seconds.
    Sweep { now: u64, done: oneshot::Sender<Result<u64, LogError>> },
    /// For some entries from a place on.
    Entries { from: EntryId, done: oneshot::Sender<Result<Vec<Vec<u8>>, LogError>> },
}

impl Ask {
    /// Nothing can be done just now.
    fn refuse(self, trouble: Trouble) {
        match self {
            Self::Sweep { done, .. } => drop(done.send(Err(LogError::Unwritable(trouble)))),
            Self::Entries { done, .. } => drop(done.send(Err(LogError::Unwritable(trouble)))),
        }
    }
}

/// What is kept, and for how long.
pub(super) struct Keeper {
    pub(super) directory: PathBuf,
    pub(super) days: u32,
    pub(super) standing: Arc<PublishedHeads>,
}

/// Until it is asked to stop, nobody can send work any more, or it is not known what is durable. Whoever waits then finds the queue
/// closed: the log is halted.
pub(super) async fn run<L: Ledger>(
    ledger: L,
    batch: Batch,
    (waiting, sweeps): (mpsc::Receiver<WriteOp>, mpsc::Receiver<Ask>),
    shared: Arc<Mutex<LogState>>,
    (keeper, stop): (Keeper, Stop),
) {
    let Stop { asked, publishing, done } = stop;
    let mut writer = Writer { ledger, batch, waiting, sweeps, shared, keeper, asked };
    while writer.step().await.is_continue() {}
    drop(writer);
    publishing.finish().await;
    drop(done);
}

struct Writer<L> {
    ledger: L,
    batch: Batch,
    waiting: mpsc::Receiver<WriteOp>,
    sweeps: mpsc::Receiver<Ask>,
    shared: Arc<Mutex<LogState>>,
    keeper: Keeper,
    asked: Arc<Notify>,
}

impl<L: Ledger> Writer<L> {
    /// One commit, or one sweep.
    async fn step(&mut self) -> ControlFlow<()> {
        let Self { batch, waiting, sweeps, asked, .. } = self;
        tokio::select! {
            () = asked.notified() => {
                // What is in the queue already is still worked on.
                waiting.close();
                return ControlFlow::Continue(());
            },
            Some(ask) = sweeps.recv() => {
                if let Some(over) = self.asked(ask).await {
                    return over;
                }
            },
            count = waiting.recv_many(batch.works(), GROUP) => {
                if count == 0 && batch.works().is_empty() && !batch.owes_at_the_end() {
                    return ControlFlow::Break(());
                }
            },
        }
        if self.batch.works().iter().all(WriteOp::can_wait) {
            // A closed queue gives nothing more, at once.
            let more = self.waiting.recv_many(self.batch.works(), GROUP);
            drop(tokio::time::timeout(LINGER, more).await);
        }
        if shown(&self.shared).halted {
            return ControlFlow::Break(());
        }
        if let Err(fault) = self.ledger.commit(&mut self.batch).await {
            return self.mend(fault).await;
        }
        {
            let mut shown = shown(&self.shared);
            for (place, entry) in self.batch.take_entries() {
                shown.begin(place.half);
                shown.push(place.half, entry);
            }
            self.keeper.standing.weigh(&shown);
        }
        self.batch.answer();
        ControlFlow::Continue(())
    }

    /// None if a commit is to follow.
    async fn asked(&mut self, ask: Ask) -> Option<ControlFlow<()>> {
        match ask {
            Ask::Sweep { now, done } => self.sweep(now, done).await,
            Ask::Entries { from, done } => {
                drop(done.send(self.kept(from).await.map_err(LogError::from)));
                Some(ControlFlow::Continue(()))
            }
        }
    }

    /// Some entries from a place on; none if that one is no longer kept.
    async fn kept(&mut self, from: EntryId) -> Result<Vec<Vec<u8>>, LedgerFault> {
        let halves = self.ledger.halves().await?;
        let first = halves.into_iter().find(|(half, _)| *half == from.half).map_or(0, |(_, first)| first);
        if from.index < first { Ok(Vec::new()) } else { self.ledger.entries(from).await }
    }

    /// Destroys what is too old. None if a commit is to follow, since the log is to be told something.
    async fn sweep(&mut self, now: u64, done: oneshot::Sender<Result<u64, LogError>>) -> Option<ControlFlow<()>> {
        shown(&self.shared).begin(Shard::of(now));
        self.batch.begin(Shard::of(now));
        match self.keeper.sweep(&mut self.ledger, now).await {
            // What a ledger holds that failed is not known, or must be looked at.
            Err(LogError::Ledger(fault)) => {
                let told = fault.trouble().map_or(LogError::Halted, LogError::Unwritable);
                drop(done.send(Err(told)));
                Some(self.mend(fault).await)
            }
            swept => {
                drop(done.send(swept));
                (!self.batch.owes(now)).then_some(ControlFlow::Continue(()))
            }
        }
    }

    /// Something failed. If it is certain that nothing of it is durable, everyone who comes is told so until the ledger can be written
    /// again, and all goes on then.
    async fn mend(&mut self, fault: LedgerFault) -> ControlFlow<()> {
        let Some(trouble) = fault.trouble() else { return self.halt(&fault) };
        tracing::error!(
            error = &fault as &dyn std::error::Error,
            "the store can not be written ({trouble}): requests are refused until it can"
        );
        self.keeper.standing.told.ledger(Some(trouble));
        self.batch.refuse(trouble);
        let mut told = Instant::now();
        loop {
            let is_over = tokio::select! {
                () = self.asked.notified() => {
                    self.waiting.close();
                    true
                },
                Some(ask) = self.sweeps.recv() => {
                    ask.refuse(trouble);
                    continue;
                },
                count = self.waiting.recv_many(self.batch.works(), GROUP) => {
                    self.batch.refuse(trouble);
                    if count > 0 {
                        continue;
                    }
                    true
                },
                () = tokio::time::sleep(AGAIN) => false,
            };
            match self.reread().await {
                Ok(()) => break,
                Err(fault) if fault.trouble().is_none() => return self.halt(&fault),
                Err(_) if is_over => return ControlFlow::Break(()),
                Err(fault) => {
                    if told.elapsed() >= TOLD {
                        told = Instant::now();
                        tracing::error!(
                            error = &fault as &dyn std::error::Error,
                            "the store still can not be written: requests are refused"
                        );
                    }
                }
            }
        }
        tracing::info!("the store can be written again");
        self.keeper.standing.told.ledger(None);
        ControlFlow::Continue(())
    }

    fn halt(&self, fault: &LedgerFault) -> ControlFlow<()> {
        let error: &dyn std::error::Error = fault;
        tracing::error!(
            error,
            "a write failed, and it is not known whether it is durable: the access log is halted until the node is restarted"
        );
        self.keeper.standing.told.ledger(Some(Trouble::Unknown));
        ControlFlow::Break(())
    }

    /// Opens the ledger anew. It must hold what is shown, and nothing more.
    async fn reread(&mut self) -> Result<(), LedgerFault> {
        self.ledger.recover().await?;
        for (half, first) in self.ledger.halves().await? {
            let size = shown(&self.shared).logs.get(&half).map(|shard| shard.tree.size());
            let Some(index) = size.or((first == 0).then_some(0)) else { continue };
            if !self.ledger.entries(EntryId { half, index }).await?.is_empty() {
                return Err(LedgerFault::new(Surprise(half)));
            }
        }
        Ok(())
    }
}

/// What was said not to be durable is.
#[derive(Debug, thiserror::Error)]
#[error("the store has entries of {0} whose write was reported as failed")]
struct Surprise(Shard);

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
                let is_whole = end.is_multiple_of(WIDTH) || half < Shard::of(now);
                if end <= kept || !is_whole || !is_older(ledger, EntryId { half, index: end - 1 }, oldest).await? {
                    break;
                }
                kept = end;
            }
            if kept > first {
                ledger.prune(EntryId { half, index: kept }).await?;
                destroyed += kept - first;
            }
            let folder = self.directory.join(half.to_string());
            tokio::task::spawn_blocking(move || tiles::prune(&folder, kept)).await.map_err(|_| LogError::Halted)??;
        }
        Ok(destroyed)
    }
}

async fn is_older<L: Ledger>(ledger: &mut L, place: EntryId, oldest: Minute) -> Result<bool, LedgerFault> {
    let page = ledger.entries(place).await?;
    let last = page.first().and_then(|bytes| Entry::parse(bytes).ok());
    Ok(last.is_some_and(|entry| entry.minute < oldest))
}
