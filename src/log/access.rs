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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::name::RequestId;
use crate::token::policy::Limits;
use crate::token::purpose::{For, Grant, Spends, Terms, Use};

use super::admission::{Admitted, Batch, NotAdmitted, Work};
use super::entry::Reason;
use super::ledger::{Answer, Ledger, LedgerFault, Position, RecordId};
use super::merkle::{Tree, leaf_hash};
use super::writer;

/// Work that may wait for the writer; who comes later waits for room.
const QUEUE: usize = 1024;

/// Why the log could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The ledger failed when the log was opened.
    #[error("the ledger cannot be read")]
    Ledger(#[from] LedgerFault),
    /// A commit failed earlier, so what the ledger holds is not known. The node must be started again.
    #[error("the access log is halted")]
    Halted,
    /// The request was closed before, or was never admitted in this run of the node.
    #[error("the request is not open")]
    NotOpen,
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
        let Admitted { spends, record, terms, subject, .. } = &self.admitted;
        Ticket {
            record: record.clone(),
            client: spends.client.clone(),
            request_id: spends.request_id,
            transcript: spends.transcript,
            subject: subject.map(|(record, _)| record),
            limit: if P::METHOD == crate::request::Method::Verify { terms.attempts } else { 0 },
            lock_seconds: terms.lock_seconds,
        }
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

/// The log of one node. Clones are the same log.
#[derive(Clone)]
pub struct AccessLog {
    queue: mpsc::Sender<Work>,
    shared: Arc<Mutex<Shown>>,
}

/// What is durable, as readers see it.
pub(super) struct Shown {
    pub(super) tree: Tree,
}

impl AccessLog {
    /// Reads all entries of `ledger`, checks them against what was published, and starts the writer.
    ///
    /// # Errors
    /// [`LogError::Ledger`] if the entries cannot be read.
    pub async fn open<L: Ledger>(mut ledger: L, limits: Limits) -> Result<Self, LogError> {
        ledger.resume().await?;
        let mut tree = Tree::new();
        loop {
            let page = ledger.entries(tree.size()).await?;
            if page.is_empty() {
                break;
            }
            page.iter().for_each(|entry| _ = tree.push(leaf_hash(entry)));
        }
        let batch = Batch::new(limits, tree.size());
        let shared = Arc::new(Mutex::new(Shown { tree }));
        let (queue, waiting) = mpsc::channel(QUEUE);
        drop(tokio::spawn(writer::run(ledger, batch, waiting, Arc::clone(&shared))));
        Ok(Self { queue, shared })
    }

    /// Appends the use of `grant` and, once that is durable, makes it a permit. `now` is in unix seconds.
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

    /// Logs that a genuine token was refused before admission, and returns the entry's index.
    ///
    /// # Errors
    /// [`LogError::Halted`].
    pub async fn deny(&self, record: Use, transcript: [u8; 32], reason: Reason, now: u64) -> Result<u64, LogError> {
        let (reply, told) = oneshot::channel();
        let work = Work::Deny { record, transcript, reason, now, reply };
        self.queue.send(work).await.map_err(|_| LogError::Halted)?;
        told.await.map_err(|_| LogError::Halted)?
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
        let work = Work::Close { ticket, closing, answer, now, reply };
        self.queue.send(work).await.map_err(|_| LogError::Halted)?;
        told.await.map_err(|_| LogError::Halted)?
    }

    /// Durable entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        shown(&self.shared).tree.size()
    }
}

/// A panic while the lock was held would have been between two pushes, and each leaves a whole tree.
pub(super) fn shown(shared: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
