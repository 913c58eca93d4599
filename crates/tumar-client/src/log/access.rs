//! The access log: from a grant to a permit, by way of a durable entry.
//!
//! ```text
//! Grant<P> --admit--> queue --writer, many at a time--> Ledger::commit (one transaction) --> tree --> Permit<P>
//!                                                                                             |
//!                            closed ticket, denied use --same way--> place --inclusion-->  signed checkpoint
//! ```
//!
//! Fails closed: while the ledger can not be written, nothing is admitted; once it does not say whether something is durable, nothing is
//! until the log is opened again.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::name::RelyingParty;
use crate::token::policy::Limits;
use crate::token::purpose::{AccessRecord, For, Grant, PolicyTerms, ReplayKeys, Search};

use super::admission::Batch;
use super::early::{Early, Shared, early};
pub use super::error::LogError;
use super::ledger::{Answer, Ledger, Position, RecordId};
use super::merkle::leaf_hash;
use super::note::{NoteSigner, VerifierKey};
use super::outcome::{Admitted, NotAdmitted};
pub use super::outcome::{Completion, OpenRequest};
use super::publisher::{self, PublishedHeads, Publisher};
use super::shard::{EntryId, Shard};
use super::state::{LogState, ShardTree, shown};
use super::tiles::{self, TilesError};
use super::trouble::Troubles;
use super::work::WriteOp;
use super::writer::{self, Ask, Keeper, Stop};
use crate::reason::Reason;

/// Work that may wait for the writer; who comes later waits for room.
const QUEUE: usize = 1024;

/// The right to do one `P`, once, and proof that its use stands in the log.
///
/// The one way to get it is [`AccessLog::admit`], after the entry is durable. What takes a `Permit<P>` needs no check of its own:
///
/// ```
/// use tumar_client::{log::access::Permit, token::purpose::{Enroll, Verify}};
/// fn compare(_: Permit<Verify>) {}
/// fn with(permit: Permit<Verify>) { compare(permit) }
/// ```
///
/// A permit for another purpose does not compile:
///
/// ```compile_fail,E0308
/// use tumar_client::{log::access::Permit, token::purpose::{Enroll, Verify}};
/// fn compare(_: Permit<Verify>) {}
/// fn with(permit: Permit<Enroll>) { compare(permit) }
/// ```
///
/// No `Clone`: once is once.
#[must_use = "an admitted request stays open until AccessLog::close, and an attempt under way"]
#[derive(Debug)]
pub struct Permit<P: For> {
    admitted: Admitted,
    purpose: PhantomData<P>,
}

impl<P: For> Permit<P> {
    const fn new(admitted: Admitted) -> Self {
        Self { admitted, purpose: PhantomData }
    }

    /// What was logged of it.
    #[must_use]
    pub const fn record(&self) -> &AccessRecord {
        &self.admitted.record
    }

    /// What the policy demands.
    #[must_use]
    pub const fn terms(&self) -> &PolicyTerms {
        &self.admitted.terms
    }

    /// What it used up.
    #[must_use]
    pub const fn spends(&self) -> &ReplayKeys {
        &self.admitted.spends
    }

    /// Where its `admit` entry stands in the log.
    #[must_use]
    pub const fn place(&self) -> EntryId {
        self.admitted.place
    }

    /// Place of the subject's reference; none for an enrolment, whose subject has no place yet.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.admitted.subject.map(|(_, position)| position)
    }

    /// Whose entries it bears; none for an enrolment, whose subject is not there yet, and for what is about nobody.
    #[must_use]
    pub fn subject(&self) -> Option<RecordId> {
        self.admitted.subject.map(|(record, _)| record)
    }

    /// What closes it, for whoever keeps the books while the engine uses the permit up.
    pub fn ticket(&self) -> OpenRequest {
        OpenRequest::of(&self.admitted)
    }
}

/// An entry's place, and all that shows it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Place of the entry.
    pub place: EntryId,
    /// Its RFC 6962 leaf hash.
    pub leaf: [u8; 32],
    /// Leaves in the tree that the checkpoint is of.
    pub size: u64,
    /// Sibling hashes from the leaf up.
    pub proof: Vec<[u8; 32]>,
    /// The signed checkpoint (C2SP `tlog-checkpoint`) of that tree.
    pub checkpoint: String,
}

/// The log of one node. Clones are the same log; when the last is gone, what waits is written and published.
#[derive(Clone)]
pub struct AccessLog {
    queue: mpsc::Sender<WriteOp>,
    pub(super) sweeps: mpsc::Sender<Ask>,
    early: Shared,
    pub(super) shared: Arc<Mutex<LogState>>,
    pub(super) standing: Arc<PublishedHeads>,
    published: watch::Receiver<Option<String>>,
    stop: Arc<Notify>,
    stopped: watch::Receiver<()>,
}

impl AccessLog {
    /// Reads all entries of `ledger`, checks that they continue what stands in `directory`, and starts to write and publish: each
    /// half-year into a folder of its own. `now` is in unix seconds: no later than it is, so that no half-year begins too early.
    ///
    /// Must be called on a tokio runtime. Requests that a restart cut off may be asked again; what they spent stays spent.
    ///
    /// # Errors
    /// [`LogError::Ledger`] or [`LogError::Published`] if something cannot be read, [`LogError::Lost`] or
    /// [`LogError::Forked`] if the ledger does not continue what was published: start nothing then.
    pub async fn open<L: Ledger>(
        mut ledger: L,
        limits: Limits,
        signer: NoteSigner,
        directory: &Path,
        now: u64,
    ) -> Result<Self, LogError> {
        ledger.resume().await?;
        let mut halves: BTreeMap<Shard, u64> =
            tiles::halves(directory).map_err(TilesError::from)?.into_iter().map(|half| (half, 0)).collect();
        let kept = ledger.halves().await?;
        // One of the future without any entry was begun by a clock that was ahead, before anything was logged.
        halves.retain(|half, _| {
            *half <= Shard::of(now) || kept.iter().any(|(of, _)| of == half) || !tiles::is_empty(directory, *half)
        });
        halves.extend(kept);
        let current = halves.keys().next_back().map_or(Shard::of(now), |last| Shard::of(now).max(*last));
        halves.entry(current).or_default();
        let mut shown = LogState::new(signer);
        let standing = PublishedHeads::new(directory);
        let mut last = None;
        for (half, first) in halves {
            if half < current && first > 0 && ledger.entries(EntryId { half, index: first }).await?.is_empty() {
                // The files alone speak for it, for as long as they are there.
                standing.know(half)?;
                continue;
            }
            let (shard, of_half) = read(&mut ledger, &standing, EntryId { half, index: first }, shown.key()).await?;
            shown.logs.insert(half, shard);
            if let Some(before) = last.replace(of_half) {
                // What a crash left unpublished of a half that has ended.
                finish(before, &mut shown).await?;
            }
        }
        // Whatever became of it before: who is to cosign it is asked again.
        let before = shown.logs.keys().rev().nth(1).copied();
        if let Some(half) = before {
            let size = shown.logs[&half].tree.size();
            standing.end(shown.checkpoint(half, size).expect("the half is here").1);
        }
        let publisher: Publisher = last.expect("there is a current half");
        let next = EntryId { half: current, index: shown.logs[&current].tree.size() };
        let known = Early::new(&limits);
        let batch = Batch::new(limits, Arc::clone(&known), next, shown.is_blank());
        let shared = Arc::new(Mutex::new(shown));
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (sweeps, sweeping) = mpsc::channel(1);
        let (stop, (done, stopped)) = (Arc::new(Notify::new()), watch::channel(()));
        let publishing = publisher::start(publisher, Arc::clone(&shared));
        let stop_writer = Stop { asked: Arc::clone(&stop), publishing, done };
        let keeper = Keeper {
            directory: directory.to_owned(),
            days: limits.log_retention_days,
            standing: Arc::clone(&standing),
        };
        drop(tokio::spawn(writer::run(ledger, batch, (waiting, sweeping), Arc::clone(&shared), (keeper, stop_writer))));
        Ok(Self { queue, sweeps, early: known, shared, published: standing.published(), standing, stop, stopped })
    }

    /// Counts one more request of a relying party that has shown who it is, before anything else is done with it.
    ///
    /// # Errors
    /// [`NotAdmitted::RateLimited`]: it asks too often. Nothing was spent.
    pub fn pace(&self, relying_party: &RelyingParty, now: u64) -> Result<(), NotAdmitted> {
        let taken = early(&self.early).requests.take(relying_party, now);
        taken.map_err(|retry_after_ms| NotAdmitted::RateLimited { retry_after_ms })
    }

    /// What of this was spent in the last minutes, as far as is remembered: enough not to wait for the ledger's word, unless it is the
    /// same request again. Nothing here is a promise that it was not.
    #[must_use]
    pub fn known_spent(&self, spends: &ReplayKeys) -> Option<NotAdmitted> {
        early(&self.early).spent.known(spends)
    }

    /// Appends the use of `grant` and, once that is durable, makes it a permit. `now` is in unix seconds.
    ///
    /// Whoever stops waiting has spent the grant all the same; what was admitted then is closed as `error:CANCELLED`.
    ///
    /// # Errors
    /// [`NotAdmitted`] for whatever stands against it. What was spent stays spent, and the grant is gone; of
    /// [`Behind`](NotAdmitted::Behind) and [`Halted`](NotAdmitted::Halted) nothing is spent.
    pub async fn admit<P: For>(&self, grant: Grant<P>, now: u64) -> Result<Permit<P>, NotAdmitted> {
        if self.is_behind() {
            return Err(NotAdmitted::Behind);
        }
        let (spends, record, terms) = grant.into_parts();
        let (reply, told) = oneshot::channel();
        let work = WriteOp::Admit { spends, record, terms, now, reply };
        self.queue.send(work).await.map_err(|_| NotAdmitted::Halted)?;
        told.await.map_err(|_| NotAdmitted::Halted)?.map(Permit::new)
    }

    /// Logs that a genuine token was refused before admission, uses its proof up, and returns the entry's place.
    ///
    /// # Errors
    /// [`LogError::Replayed`] if the proof was used before, [`LogError::Counted`] if it is one of very many, and then there is no new
    /// entry; [`LogError::Behind`], [`LogError::Halted`].
    pub async fn deny(
        &self,
        record: AccessRecord,
        spends: ReplayKeys,
        reason: Reason,
        now: u64,
    ) -> Result<EntryId, LogError> {
        if self.is_behind() {
            return Err(LogError::Behind);
        }
        {
            let mut known = early(&self.early);
            if !known.spent.proof(&spends, now) {
                return Err(LogError::Replayed);
            }
            if !known.denials.has_entry(&record, &spends, now) {
                return Err(LogError::Counted);
            }
        }
        let (reply, told) = oneshot::channel();
        self.write(WriteOp::Deny { record, spends, reason, now, reply }, told).await
    }

    /// Logs each person that a search is about to name, and returns once that is durable: only then may the names be given out.
    ///
    /// # Errors
    /// [`LogError::Halted`].
    pub async fn name(&self, permit: &Permit<Search>, candidates: &[RecordId], now: u64) -> Result<(), LogError> {
        if candidates.is_empty() {
            return Ok(());
        }
        let (reply, told) = oneshot::channel();
        let (record, request_digest) = (permit.record().clone(), permit.spends().request_digest);
        let work = WriteOp::Name { record, request_digest, candidates: candidates.to_vec(), now, reply };
        self.write(work, told).await.map(|_first| ())
    }

    /// Logs how an admitted request ended, settles its attempt, and keeps `answer` for who asks the same again. Returns the
    /// entry's place. Without an answer the same request may be admitted anew.
    ///
    /// # Errors
    /// [`LogError::NotOpen`] if it was closed before, [`LogError::Halted`].
    pub async fn close(
        &self,
        ticket: OpenRequest,
        closing: Completion,
        answer: Option<Answer>,
        now: u64,
    ) -> Result<EntryId, LogError> {
        let (reply, told) = oneshot::channel();
        self.write(WriteOp::Close { ticket, closing, answer, now, reply }, told).await
    }

    /// Like [`close`](Self::close), but returns as soon as the closing stands in the queue: whatever is admitted later sees it.
    ///
    /// # Errors
    /// [`LogError::Halted`].
    pub async fn close_soon(
        &self,
        ticket: OpenRequest,
        closing: Completion,
        answer: Option<Answer>,
        now: u64,
    ) -> Result<(), LogError> {
        let (reply, _nobody_waits) = oneshot::channel();
        self.queue.send(WriteOp::Close { ticket, closing, answer, now, reply }).await.map_err(|_| LogError::Halted)
    }

    async fn write(
        &self,
        work: WriteOp,
        told: oneshot::Receiver<Result<EntryId, LogError>>,
    ) -> Result<EntryId, LogError> {
        self.queue.send(work).await.map_err(|_| LogError::Halted)?;
        told.await.map_err(|_| LogError::Halted)?
    }

    /// Whether so much waits to be published that nothing is admitted or denied until it is.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.standing.is_behind()
    }

    /// The same, whenever it changes.
    #[must_use]
    pub fn behind(&self) -> watch::Receiver<bool> {
        self.standing.behind()
    }

    /// The half-year that is written, its number of durable entries, and a signed checkpoint of them.
    #[must_use]
    pub fn head(&self) -> (EntryId, String) {
        let mut shown = shown(&self.shared);
        let half = shown.current();
        let size = shown.logs[&half].tree.size();
        let (index, note) = shown.checkpoint(half, size).expect("the current half is here");
        (EntryId { half, index }, note)
    }

    /// The half-years that are here, in order; of some of them, hashes alone.
    #[must_use]
    pub fn halves(&self) -> Vec<Shard> {
        let mut halves = self.standing.halves();
        halves.extend(shown(&self.shared).logs.keys());
        halves.into_iter().collect()
    }

    /// What shows that an entry stands in the log, under a signed checkpoint.
    ///
    /// # Errors
    /// [`LogError::Beyond`] if it is not durable.
    pub fn inclusion(&self, place: EntryId) -> Result<Inclusion, LogError> {
        let EntryId { half, index } = place;
        let mut shown = shown(&self.shared);
        let leaf = shown.logs.get(&half).and_then(|shard| shard.tree.leaf(index)).ok_or(LogError::Beyond)?;
        let (size, checkpoint) = shown.checkpoint(half, index + 1).ok_or(LogError::Beyond)?;
        let proof = shown.logs[&half].tree.inclusion(index, size).map_err(|_| LogError::Beyond)?;
        Ok(Inclusion { place, leaf, size, proof, checkpoint })
    }

    /// That the log of a half of `new` entries begins with that of `old`: hashes as RFC 6962 has them.
    ///
    /// # Errors
    /// [`LogError::Beyond`] if it is not that large, or `old` is larger than `new`.
    pub fn consistency(&self, half: Shard, old: u64, new: u64) -> Result<Vec<[u8; 32]>, LogError> {
        let shown = shown(&self.shared);
        let shard = shown.logs.get(&half).ok_or(LogError::Beyond)?;
        shard.tree.consistency(old, new).map_err(|_| LogError::Beyond)
    }

    /// The signed note that was published last, whenever there is a newer one. None before the first.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Option<String>> {
        self.published.clone()
    }

    /// The last signed note of the half-year that ended last, as the log alone signed it. None while there is only one.
    #[must_use]
    pub fn ended(&self) -> watch::Receiver<Option<String>> {
        self.standing.ended()
    }

    /// The checkpoint of a half-year that others can read now, with the signatures that have come.
    #[must_use]
    pub fn checkpoint(&self, half: Shard) -> Option<String> {
        self.standing.note(half)
    }

    /// The published files of a half-year, and how many entries are in them.
    #[must_use]
    pub fn files(&self, half: Shard) -> Option<(tiles::Reader, u64)> {
        self.standing.files(half)
    }

    /// Returns when all that is durable now is published as well.
    ///
    /// # Errors
    /// [`LogError::Halted`].
    pub async fn settle(&self) -> Result<(), LogError> {
        let (EntryId { half, index }, _) = self.head();
        let mut published = self.published.clone();
        published.wait_for(|_| self.standing.size(half) >= index).await.map(drop).map_err(|_| LogError::Halted)
    }

    /// Puts a checkpoint with more signatures in the place of the same checkpoint, if that still stands there. Blocks.
    ///
    /// # Errors
    /// [`LogError::Published`] if the file cannot be written; the one before stands there then.
    pub fn put_cosigned(&self, note: &str) -> Result<bool, LogError> {
        Ok(self.standing.replace(note)?)
    }

    /// What is wrong with store and files, and whenever that changes.
    #[must_use]
    pub fn troubles(&self) -> watch::Receiver<Troubles> {
        self.standing.told.subscribe()
    }

    /// Folder of the published files: one in it for each half-year.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.standing.directory()
    }

    /// Destroys entries that are older than the policy keeps them, and gives their number. Hashes stay: what is left can be proven.
    ///
    /// # Errors
    /// [`LogError::Halted`]; [`LogError::Published`] if files could not be removed, which the next sweep does.
    pub async fn sweep(&self, now: u64) -> Result<u64, LogError> {
        let (done, told) = oneshot::channel();
        self.sweeps.send(Ask::Sweep { now, done }).await.map_err(|_| LogError::Halted)?;
        told.await.map_err(|_| LogError::Halted)?
    }

    /// Writes and publishes what waits, and takes nothing more in. Returns when that is done, or cannot be done.
    pub async fn shutdown(&self) {
        self.stop.notify_one();
        let mut stopped = self.stopped.clone();
        // The writer never sends; it lets go of its end when all is done.
        drop(stopped.changed().await);
    }
}

/// One half-year of a ledger, and what publishes it: entries that are kept, and hashes alone of those that are not any more.
async fn read<L: Ledger>(
    ledger: &mut L,
    standing: &Arc<PublishedHeads>,
    EntryId { half, index }: EntryId,
    key: &VerifierKey,
) -> Result<(ShardTree, Publisher), LogError> {
    let (mut shard, key) = (ShardTree::default(), key.of_half(half));
    let damage = publisher::damage(standing, half, &key)?;
    let mut publisher = Publisher::open(standing, half, damage.is_none())?;
    for leaf in publisher.leaves(index)? {
        shard.tree.push(leaf);
        publisher.push_leaf(leaf);
    }
    loop {
        let page = ledger.entries(EntryId { half, index: shard.tree.size() }).await?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            shard.tree.push(leaf_hash(&entry));
            publisher.push(entry);
        }
    }
    match damage {
        None => publisher.check(&shard.tree, &key)?,
        Some(damage) => publisher.replace(damage, &shard.tree)?,
    }
    Ok((shard, publisher))
}

/// Publishes the rest of a half that has ended.
async fn finish(mut publisher: Publisher, shown: &mut LogState) -> Result<(), LogError> {
    let half = publisher.half();
    let size = shown.logs[&half].tree.size();
    let Some((_, note)) = shown.checkpoint(half, size).filter(|(size, _)| *size > publisher.size()) else {
        return Ok(());
    };
    let written = tokio::task::spawn_blocking(move || publisher.publish(&[(half, note)])).await;
    Ok(written.map_err(|_| LogError::Halted)??)
}
