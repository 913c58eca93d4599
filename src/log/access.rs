//! The access log: from a grant to a permit, by way of a durable entry.
//!
//! ```text
//! Grant<P> --admit--> queue --writer, many at a time--> Ledger::commit (one transaction) --> tree --> Permit<P>
//!                                                                                             |
//!                            closed ticket, denied use --same way--> index --inclusion-->  signed checkpoint
//! ```
//!
//! Fails closed: once the ledger does not say whether something is durable, nothing is admitted until the log is opened again.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::name::RequestId;
use crate::request::Method;
use crate::token::policy::Limits;
use crate::token::purpose::{For, Grant, Search, Spends, Terms, Use};

use super::admission::{Admitted, Batch, NotAdmitted, Work};
use super::entry::Reason;
use super::ledger::{Answer, Ledger, LedgerFault, Position, RecordId};
use super::merkle::{Tree, leaf_hash};
use super::note::{Checkpoint, NoteSigner};
use super::publisher::{self, Publisher};
use super::tiles::TilesError;
use super::writer::{self, Stop};

/// Work that may wait for the writer; who comes later waits for room.
const QUEUE: usize = 1024;

/// Why the log could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The ledger failed when the log was opened.
    #[error("the ledger cannot be read")]
    Ledger(#[from] LedgerFault),
    /// What was published cannot be read or is not this log's.
    #[error("the published log cannot be used")]
    Published(#[from] TilesError),
    /// More was published than the ledger holds: it lost entries, or an old copy was put in its place.
    #[error("{published} entries were published, and the ledger holds {durable}")]
    Lost {
        /// Entries under the published checkpoint.
        published: u64,
        /// Entries in the ledger.
        durable: u64,
    },
    /// What was published is not what the ledger holds: somebody changed one of them.
    #[error("the ledger's first {published} entries are not those that were published")]
    Forked {
        /// Entries under the published checkpoint.
        published: u64,
    },
    /// A commit failed earlier, so what the ledger holds is not known. The node must be started again.
    #[error("the access log is halted")]
    Halted,
    /// The request was closed before, or was never admitted in this run of the node.
    #[error("the request is not open")]
    NotOpen,
    /// The proof of a denied request was used before: it has its entry.
    #[error("the proof was used before")]
    Replayed,
    /// No durable entry has this index.
    #[error("there is no such entry")]
    Beyond,
}

/// The right to do one `P`, once, and proof that its use stands in the log.
///
/// The one way to get it is [`AccessLog::admit`], after the entry is durable. What takes a `Permit<P>` needs no check of its own:
///
/// ```
/// use tumar::{log::access::Permit, token::purpose::{Enroll, Verify}};
/// fn compare(_: Permit<Verify>) {}
/// fn with(permit: Permit<Verify>) { compare(permit) }
/// ```
///
/// A permit for another purpose does not compile:
///
/// ```compile_fail,E0308
/// use tumar::{log::access::Permit, token::purpose::{Enroll, Verify}};
/// fn compare(_: Permit<Verify>) {}
/// fn with(permit: Permit<Enroll>) { compare(permit) }
/// ```
///
/// No `Clone`: once is once.
#[must_use = "an admitted request stays open until AccessLog::close; its attempt stays reserved"]
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
    pub const fn record(&self) -> &Use {
        &self.admitted.record
    }

    /// What the policy demands.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.admitted.terms
    }

    /// What it used up.
    #[must_use]
    pub const fn spends(&self) -> &Spends {
        &self.admitted.spends
    }

    /// Place of its `admit` entry in the log.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.admitted.index
    }

    /// Place of the subject's reference; none for an enrolment, whose subject has no place yet.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.admitted.subject.map(|(_, position)| position)
    }

    /// What closes it, for whoever keeps the books while the engine uses the permit up.
    pub fn ticket(&self) -> Ticket {
        Ticket::of(&self.admitted)
    }
}

/// What is needed to close an admitted request. Closing twice is [`LogError::NotOpen`].
#[must_use = "close it with AccessLog::close"]
pub struct Ticket {
    pub(super) record: Use,
    pub(super) client: String,
    pub(super) request_id: RequestId,
    pub(super) transcript: [u8; 32],
    pub(super) subject: Option<RecordId>,
    /// Attempts until the lock; 0 where none was reserved.
    pub(super) limit: u32,
    pub(super) lock_seconds: u64,
}

impl Ticket {
    pub(super) fn of(Admitted { spends, record, terms, subject, .. }: &Admitted) -> Self {
        Self {
            record: record.clone(),
            client: spends.client.clone(),
            request_id: spends.request_id,
            transcript: spends.transcript,
            subject: subject.map(|(record, _)| record),
            limit: if record.method == Method::Verify { terms.attempts } else { 0 },
            lock_seconds: terms.lock_seconds,
        }
    }
}

/// Prints the request id only: `Ticket(8f0c..)`.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({})", self.request_id)
    }
}

/// How an admitted request ended. The entry says `completed` for the first three alike: never whether it matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The bit said match: the subject's attempts start anew.
    Matched,
    /// The bit said no match: the attempt stays used, and the last one locks.
    NotMatched,
    /// Done, and nothing was compared.
    Completed,
    /// Nothing was opened and nothing done: the attempt is given back.
    Failed(Reason),
}

/// An entry's place, and all that shows it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Place of the entry.
    pub index: u64,
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
    queue: mpsc::Sender<Work>,
    shared: Arc<Mutex<Shown>>,
    stop: Arc<Notify>,
    stopped: watch::Receiver<()>,
}

/// What is durable, and what of it was signed.
pub(super) struct Shown {
    pub(super) tree: Tree,
    /// Durable entries that the publisher has not taken yet.
    pub(super) unpublished: Vec<Vec<u8>>,
    /// The publisher has failed for good: what is not seen must not go on.
    pub(super) halted: bool,
    signer: NoteSigner,
    last: Option<(u64, String)>,
}

impl Shown {
    /// A signed checkpoint of at least `size` entries: the last one if it will do, or one of all there are.
    pub(super) fn checkpoint(&mut self, size: u64) -> (u64, String) {
        if let Some(last) = self.last.as_ref().filter(|(signed, _)| *signed >= size) {
            return last.clone();
        }
        let size = self.tree.size();
        let root = self.tree.root(size).expect("a tree has a root at its own size");
        let origin = self.signer.verifier().name().clone();
        let note = Checkpoint { origin, size, root }.sign(&self.signer).expect("the origin is the signer's own name");
        self.last = Some((size, note.clone()));
        (size, note)
    }
}

impl AccessLog {
    /// Reads all entries of `ledger`, checks that they continue what stands in `directory`, and starts to write and publish.
    ///
    /// Must be called on a tokio runtime. A restart is kinder than it looks: requests that it cut off may be asked again, but
    /// what they spent, and the attempts they reserved, stay spent.
    ///
    /// # Errors
    /// [`LogError::Ledger`] or [`LogError::Published`] if something cannot be read, [`LogError::Lost`] or
    /// [`LogError::Forked`] if the ledger does not continue what was published: start nothing then.
    pub async fn open<L: Ledger>(
        mut ledger: L,
        limits: Limits,
        signer: NoteSigner,
        directory: &Path,
    ) -> Result<Self, LogError> {
        let mut publisher = Publisher::open(directory)?;
        ledger.resume().await?;
        let mut tree = Tree::new();
        loop {
            let page = ledger.entries(tree.size()).await?;
            if page.is_empty() {
                break;
            }
            for entry in page {
                tree.push(leaf_hash(&entry));
                publisher.push(entry);
            }
        }
        publisher.check(&tree, signer.verifier())?;
        let batch = Batch::new(limits, tree.size());
        let shown = Shown { tree, unpublished: Vec::new(), halted: false, signer, last: None };
        let shared = Arc::new(Mutex::new(shown));
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (stop, (done, stopped)) = (Arc::new(Notify::new()), watch::channel(()));
        let publishing = publisher::start(publisher, Arc::clone(&shared));
        let stop_writer = Stop { asked: Arc::clone(&stop), publishing, done };
        drop(tokio::spawn(writer::run(ledger, batch, waiting, Arc::clone(&shared), stop_writer)));
        Ok(Self { queue, shared, stop, stopped })
    }

    /// Appends the use of `grant` and, once that is durable, makes it a permit. `now` is in unix seconds.
    ///
    /// Whoever stops waiting has spent the grant all the same; what was admitted then is closed as `error:CANCELLED`.
    ///
    /// # Errors
    /// [`NotAdmitted`] for whatever stands against it. What was spent stays spent, and the grant is gone.
    pub async fn admit<P: For>(&self, grant: Grant<P>, now: u64) -> Result<Permit<P>, NotAdmitted> {
        let (spends, record, terms) = grant.into_parts();
        let (reply, told) = oneshot::channel();
        let work = Work::Admit { spends, record, terms, now, reply };
        self.queue.send(work).await.map_err(|_| NotAdmitted::Halted)?;
        told.await.map_err(|_| NotAdmitted::Halted)?.map(Permit::new)
    }

    /// Logs that a genuine token was refused before admission, uses its proof up, and returns the entry's index.
    ///
    /// # Errors
    /// [`LogError::Replayed`] if the proof was used before, and then there is no new entry; [`LogError::Halted`].
    pub async fn deny(&self, record: Use, spends: Spends, reason: Reason, now: u64) -> Result<u64, LogError> {
        let (reply, told) = oneshot::channel();
        self.write(Work::Deny { record, spends, reason, now, reply }, told).await
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
        let (record, transcript) = (permit.record().clone(), permit.spends().transcript);
        let work = Work::Name { record, transcript, candidates: candidates.to_vec(), now, reply };
        self.write(work, told).await.map(|_first| ())
    }

    /// Logs how an admitted request ended, settles its attempt, and keeps `answer` for who asks the same again. Returns the
    /// entry's index. Without an answer the same request may be admitted anew.
    ///
    /// # Errors
    /// [`LogError::NotOpen`] if it was closed before, [`LogError::Halted`].
    pub async fn close(
        &self,
        ticket: Ticket,
        closing: Closing,
        answer: Option<Answer>,
        now: u64,
    ) -> Result<u64, LogError> {
        let (reply, told) = oneshot::channel();
        self.write(Work::Close { ticket, closing, answer, now, reply }, told).await
    }

    /// Like [`close`](Self::close), but returns as soon as the closing stands in the queue: whatever is admitted later sees it.
    ///
    /// # Errors
    /// [`LogError::Halted`].
    pub async fn close_soon(
        &self,
        ticket: Ticket,
        closing: Closing,
        answer: Option<Answer>,
        now: u64,
    ) -> Result<(), LogError> {
        let (reply, _nobody_waits) = oneshot::channel();
        self.queue.send(Work::Close { ticket, closing, answer, now, reply }).await.map_err(|_| LogError::Halted)
    }

    async fn write(&self, work: Work, told: oneshot::Receiver<Result<u64, LogError>>) -> Result<u64, LogError> {
        self.queue.send(work).await.map_err(|_| LogError::Halted)?;
        told.await.map_err(|_| LogError::Halted)?
    }

    /// Number of durable entries, and a signed checkpoint of them.
    #[must_use]
    pub fn head(&self) -> (u64, String) {
        let mut shown = shown(&self.shared);
        let size = shown.tree.size();
        shown.checkpoint(size)
    }

    /// What shows that entry `index` stands in the log, under a signed checkpoint.
    ///
    /// # Errors
    /// [`LogError::Beyond`] if it is not durable.
    pub fn inclusion(&self, index: u64) -> Result<Inclusion, LogError> {
        let mut shown = shown(&self.shared);
        let leaf = shown.tree.leaf(index).ok_or(LogError::Beyond)?;
        let (size, checkpoint) = shown.checkpoint(index + 1);
        let proof = shown.tree.inclusion(index, size).map_err(|_| LogError::Beyond)?;
        Ok(Inclusion { index, leaf, size, proof, checkpoint })
    }

    /// Writes and publishes what waits, and takes nothing more in. Returns when that is done, or cannot be done.
    pub async fn shutdown(&self) {
        self.stop.notify_one();
        let mut stopped = self.stopped.clone();
        // The writer never sends; it lets go of its end when all is done.
        drop(stopped.changed().await);
    }
}

/// A panic while the lock was held would have been between two pushes, and each leaves a whole tree.
pub(super) fn shown(shared: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
