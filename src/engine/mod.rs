//! Enrol, verify, erase, lock: what the three nodes do together. All of it takes permits; none of it reads a socket or a clock.
//!
//! ```text
//! door.rs       what a client sent --> a permit and opened envelopes: the same checks at all three nodes
//! envelopes.rs  their form and their content
//! compare.rs    what probes are compared with, and how that becomes one bit
//! batch.rs      permits --> opened bits, agreed references: the same run at all three nodes
//! search.rs     probes against everybody; scan.rs: what is scanned; scanner.rs: the threads that do
//! changes.rs    what changes, changes at all three nodes or at none; turns.rs: one change of a subject at a time
//! begin.rs      when a batch may begin
//! queue.rs      who waits at the leader for a batch, each relying party for itself
//! lead.rs       the leader: batch, propose, gather; the helpers: run what is proposed; audience.rs: who waits for what
//! refusal.rs    why not
//! rotation.rs   envelope keys that die by themselves
//! stopwatch.rs  what took how long
//! ```

mod audience;
mod auditing;
mod batch;
mod begin;
mod changes;
mod compare;
mod door;
mod envelopes;
mod lead;
mod queue;
pub mod refusal;
mod rotation;
mod scan;
mod scanner;
mod search;
mod stopwatch;
mod turns;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{Semaphore, mpsc};

pub use auditing::{Filter, OwnUse};
pub use door::Checked;
pub use lead::{Answered, Queued};
pub use refusal::Refusal;
pub use rotation::ToldKey;

use crate::clocks::Clocks;
use crate::gallery::{Galleries, GalleryError};
use crate::log::access::{AccessLog, Closing, Ticket};
use crate::log::half::Place;
use crate::log::ledger::Answer;
use crate::log::note::SigningKey;
use crate::log::receipt::{Outcome, Receipt, ReceiptBody};
use crate::log::witness::Witness;
use crate::name::Deployment;
use crate::party::Party;
use crate::peer::{Peers, Proposed};
use crate::protocol::ProtocolError;
use crate::store::{Record, Store, StoreError, Swept};
use crate::template::model::Models;
use crate::token::{Policy, Verifier};
use lead::Waiting;
use queue::{Queue, Room};
use refusal::Cause as _;
use rotation::{Life, Ring};
use scanner::Scanner;
use turns::Turns;

/// How much a node takes on at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Batches under way at a time.
    pub in_flight: usize,
    /// Requests of one batch.
    pub batch: usize,
    /// Requests of one relying party that wait at the leader for a batch.
    pub waiting: usize,
    /// Searches of one relying party that wait at the leader.
    pub searches: usize,
    /// Threads that scan for searches.
    pub scanners: usize,
    /// How long another node may take for each of its words.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 4, batch: 64, waiting: 1024, searches: 16, scanners: 1, patience: Duration::from_secs(5) }
    }
}

/// What a node works with.
pub struct Parts {
    /// Which party.
    pub party: Party,
    /// The installation.
    pub deployment: Deployment,
    /// Checks tokens and proofs.
    pub verifier: Verifier,
    /// What is allowed.
    pub policy: Policy,
    /// Which templates are compared.
    pub models: Models,
    /// For how long each envelope key is current, to the second; it is taken for as long again.
    pub envelope_life: Duration,
    /// Signs receipts.
    pub identity: Arc<SigningKey>,
    /// Where uses stand before they happen.
    pub log: AccessLog,
    /// What lasts.
    pub store: Store,
    /// How much at once.
    pub limits: Limits,
    /// The time.
    pub clocks: Arc<Clocks>,
    /// What this node cosigned of the others' logs, if it cosigns.
    pub witness: Option<Arc<Witness>>,
}

/// What a node counts. No count is of a person.
#[derive(Debug, Default)]
pub struct Counters {
    checked: AtomicU64,
    forged: AtomicU64,
    overloaded: AtomicU64,
    queued: AtomicU64,
    batches: AtomicU64,
    runs: AtomicU64,
    swept: AtomicU64,
}

impl Counters {
    fn checked(&self) {
        self.checked.fetch_add(1, Ordering::Relaxed);
    }

    fn overloaded(&self) {
        self.overloaded.fetch_add(1, Ordering::Relaxed);
    }

    fn forged(&self) {
        self.forged.fetch_add(1, Ordering::Relaxed);
    }

    fn queued(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    fn batch(&self) {
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    fn run(&self) {
        self.runs.fetch_add(1, Ordering::Relaxed);
    }

    fn swept(&self, records: usize) {
        self.swept.fetch_add(records as u64, Ordering::Relaxed);
    }

    /// Requests whose token was looked at.
    pub fn checked_requests(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }

    /// Requests that were refused since too many of their relying party wait.
    pub fn overloaded_requests(&self) -> u64 {
        self.overloaded.load(Ordering::Relaxed)
    }

    /// Requests whose token or proof was not genuine, for us, now.
    pub fn forged_requests(&self) -> u64 {
        self.forged.load(Ordering::Relaxed)
    }

    /// Enrolments that expired and were destroyed.
    pub fn swept_records(&self) -> u64 {
        self.swept.load(Ordering::Relaxed)
    }

    /// Requests that took a place at the leader to wait for a batch.
    pub fn queued_requests(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }

    /// Batches that were formed of what waits, at the leader.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Runs of the protocol.
    pub fn protocol_runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }
}

/// One node's engine.
pub struct Engine {
    party: Party,
    deployment: Deployment,
    verifier: RwLock<Arc<Verifier>>,
    policy: Policy,
    models: Models,
    ring: RwLock<Ring>,
    envelope_life: Life,
    identity: Arc<SigningKey>,
    log: AccessLog,
    store: Store,
    limits: Limits,
    clocks: Arc<Clocks>,
    witness: Option<Arc<Witness>>,
    galleries: RwLock<Galleries>,
    /// Read by each batch of changes under way at the leader, written by who must know that none is.
    deciding: Arc<tokio::sync::RwLock<()>>,
    turns: Arc<Turns>,
    /// Read by each batch under way at the leader, written by who shakes the links anew.
    under_way: tokio::sync::RwLock<()>,
    /// Nothing more is taken in.
    stopping: AtomicBool,
    queue: Queue<Waiting>,
    searches: Queue<Waiting>,
    scanner: Scanner,
    /// The thread that runs the searches' part of the protocol.
    searcher: Scanner,
    /// For what waits in both.
    room: Room,
    /// Weak, since the links hold the engine: a circle would keep a node's store and galleries after its end.
    peers: OnceLock<Weak<Peers>>,
    counters: Counters,
    random: SystemRandom,
}

impl Engine {
    /// Loads the galleries, forgets what was never decided, and starts to form batches.
    ///
    /// # Errors
    /// [`StoreError`] if the store can not be read.
    pub async fn open(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let Parts {
            party,
            deployment,
            verifier,
            policy,
            models,
            envelope_life,
            identity,
            log,
            store,
            limits,
            clocks,
            witness,
        } = parts;
        let envelope_life = Life::new(envelope_life.as_secs());
        let ring = Box::pin(Ring::open(&store, envelope_life, clocks.known())).await?;
        let galleries = load(&store, clocks.known()).await?;
        let engine = Arc::new(Self {
            party,
            deployment,
            verifier: RwLock::new(Arc::new(verifier)),
            policy,
            models,
            ring: RwLock::new(ring),
            envelope_life,
            identity,
            log,
            store,
            limits,
            clocks,
            witness,
            galleries: RwLock::new(galleries),
            deciding: Arc::default(),
            turns: Arc::default(),
            under_way: tokio::sync::RwLock::default(),
            stopping: AtomicBool::new(false),
            queue: Queue::new(limits.waiting),
            searches: Queue::new(limits.searches),
            scanner: Scanner::start(limits.scanners).map_err(StoreError::File)?,
            searcher: Scanner::start(1).map_err(StoreError::File)?,
            room: Room::new(),
            peers: OnceLock::new(),
            counters: Counters::default(),
            random: SystemRandom::new(),
        });
        changes::forget_undecided(&engine).await?;
        tokio::spawn(Arc::clone(&engine).dispatch(|engine| &engine.queue, limits.in_flight));
        // One at a time: those that come meanwhile share the next pass.
        tokio::spawn(Arc::clone(&engine).dispatch(|engine| &engine.searches, 1));
        Ok(engine)
    }

    /// Connects the engine with its links, and serves what the leader proposes over them.
    pub fn connect(self: &Arc<Self>, peers: &Arc<Peers>, mut proposals: mpsc::Receiver<Proposed>) {
        // A second call would be a second wiring of one node: the first stays.
        let _ = self.peers.set(Arc::downgrade(peers));
        let engine = Arc::clone(self);
        tokio::spawn(async move {
            let slots = Arc::new(Semaphore::new(4 * engine.limits.in_flight));
            while let Some(proposed) = proposals.recv().await {
                let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
                let engine = Arc::clone(&engine);
                tokio::spawn(async move {
                    engine.help(proposed).await;
                    drop(slot);
                });
            }
        });
    }

    /// Whose tokens and approvals are believed now.
    fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.verifier.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Believes these from now on; what was checked before is done as it was.
    pub fn believe(&self, verifier: Verifier) {
        *self.verifier.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(verifier);
    }

    /// Takes nothing more in: whoever calls is told to ask again.
    pub fn stop_taking(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Once nothing more is taken in: returns when nothing is under way any more. A helper asks the leader for it.
    pub async fn rest(&self, peers: &Peers) {
        if self.party == Party::LEADER {
            drop(self.under_way.write().await);
        } else {
            peers.leave().await;
        }
    }

    /// Destroys what has expired by all three clocks, and forgets what may be forgotten by all three; nothing while a link is down or a
    /// clock is in doubt. Says how much it was.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed; the next sweep takes up what is left.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        if !self.linked().is_some_and(|peers| peers.is_ready()) {
            return Ok(());
        }
        let Ok(now) = self.clocks.least() else { return Ok(()) };
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
        let mut galleries = self.galleries.write().unwrap_or_else(PoisonError::into_inner);
        for gone in records {
            galleries.remove_at(&gone.gallery, &gone.subject, gone.position);
        }
        Ok(())
    }

    /// A run broke: why what ran in it ends. After too many, that the peer who broke them is not served with any more.
    fn broken(&self, error: &ProtocolError) -> Refusal {
        let distrusted = self.linked().and_then(|peers| peers.broke(error));
        distrusted.map_or_else(|| error.at(self.party), |peer| Refusal::new(self.party, refusal::distrusted(peer)))
    }

    /// A run came to its end.
    fn unbroken(&self) {
        if let Some(peers) = self.linked() {
            peers.ended();
        }
    }

    /// The time, if there is no doubt about it.
    fn now(&self) -> Result<u64, Refusal> {
        self.clocks.now().map_err(|doubt| doubt.at(self.party))
    }

    /// Which party this is.
    #[must_use]
    pub const fn party(&self) -> Party {
        self.party
    }

    /// The models that are compared here.
    #[must_use]
    pub const fn models(&self) -> &Models {
        &self.models
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The links, while the node has any.
    fn linked(&self) -> Option<Arc<Peers>> {
        self.peers.get().and_then(Weak::upgrade)
    }

    fn peers(&self) -> Result<Arc<Peers>, Refusal> {
        self.linked().ok_or_else(|| crate::peer::NoWord::Gone(self.party).at(self.party))
    }

    /// A signed receipt for an entry of the log.
    fn receipt(
        &self,
        outcome: Outcome,
        found: Option<[u8; 32]>,
        place: Place,
        rq: [u8; 32],
    ) -> Result<Receipt, Refusal> {
        let inclusion = self.log.inclusion(place).map_err(|error| error.at(self.party))?;
        let body = ReceiptBody {
            party: self.party,
            outcome,
            found,
            rq,
            index: place.index,
            leaf: inclusion.leaf,
            inclusion: inclusion.proof,
            checkpoint: inclusion.checkpoint,
        };
        Ok(body.sign(&self.identity, &self.deployment))
    }

    /// Closes a request in the log. In the log's queue by the time this returns, durable with its next write.
    async fn close(&self, ticket: Ticket, closing: Closing, answer: Option<Answer>, now: u64) {
        if let Err(error) = self.log.close_soon(ticket, closing, answer, now).await {
            tracing::error!(%error, "a request could not be closed in the log");
        }
    }

    /// Fresh random bytes for names and nonces.
    fn draw<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).expect("the operating system gives randomness, or the keys could not be loaded");
        bytes
    }
}

/// Everybody who is enrolled and not expired, as the store has them.
async fn load(store: &Store, now: u64) -> Result<Galleries, StoreError> {
    let mut galleries = Galleries::new();
    let mut misfit = None;
    store
        .load(now, |record| {
            if let Err(error) = keep(&mut galleries, &record) {
                misfit = Some(error);
            }
        })
        .await?;
    if let Some(error) = misfit {
        tracing::error!(%error, "a stored record can not be loaded into its gallery");
        return Err(StoreError::Form);
    }
    Ok(galleries)
}

/// A record's place among the references in memory.
fn keep(galleries: &mut Galleries, record: &Record) -> Result<(), GalleryError> {
    let Record { gallery, subject, position, expires, references } = record;
    // One that expired and was not swept yet makes room.
    galleries.remove(gallery, subject);
    let references: Vec<_> = references.iter().map(|reference| (&reference.model, &reference.share)).collect();
    galleries.insert(gallery, (*position, *expires), subject, &references)
}
