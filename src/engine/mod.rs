//! Enrol, verify, erase, lock: what the three nodes do together. None of it reads a socket or a clock.
//!
//! A request goes one way, as one `Item`: `service -> Leader -> Authorizer -> Runner | Changes -> Leader`; at a helper, `Helper`
//! stands in the leader's place.
//!
//! ```text
//! leader.rs     takes requests, batches, proposes, gathers     helper.rs   checks and runs what is proposed
//! authorize.rs  what a client sent --> a permit and opened envelopes: the same checks at all three nodes
//! runner.rs     permits --> opened bits, agreed references: the same run at all three nodes
//! search.rs     probes against everybody; scan.rs: what is scanned; scanner.rs: the threads that do
//! changes.rs    what changes, changes at all three nodes or at none; turns.rs: one change of a subject at a time
//! settle.rs     what the links ask of this node when they come up
//! auditing.rs   what a node answers alone, about its own log
//!
//! item.rs       one request in its place of a batch, and who waits for it; request.rs: what may be done for it
//! batch.rs      a batch under way; queue.rs: who waits at the leader for one, each relying party for itself
//! compare.rs    how scores become one bit; references.rs: the references in memory
//! journal.rs    what is logged and signed of a request; refusal.rs: why not
//! links.rs      the links, as these parts reach them
//! rotation.rs   envelope keys that die by themselves; sweep.rs: what has expired
//! limits.rs     how much at once; counters.rs, stopwatch.rs: what was counted, and what took how long
//! ```

mod auditing;
mod authorize;
mod batch;
mod changes;
mod compare;
mod counters;
mod helper;
mod item;
mod journal;
mod leader;
mod limits;
mod links;
mod queue;
mod references;
pub mod refusal;
mod request;
mod rotation;
mod runner;
mod scan;
mod scanner;
mod search;
mod settle;
mod stopwatch;
mod sweep;
mod turns;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock};

pub use auditing::{Auditing, Filter, OwnUse};
pub use authorize::Authorizer;
pub use counters::Counters;
pub use helper::Helper;
pub use item::Answered;
pub use leader::{Leader, Queued};
pub use limits::Limits;
pub use refusal::Refusal;
pub use rotation::{KeyRing, ToldKey};
pub use sweep::Sweeper;
use sweep::Told;

use crate::clocks::Clocks;
use crate::log::access::AccessLog;
use crate::log::note::SigningKey;
use crate::log::witness::Witness;
use crate::name::Deployment;
use crate::party::Party;
use crate::peer::{Peers, Settle};
use crate::store::{Store, StoreError};
use crate::template::model::Models;
use crate::token::{Policy, Verifier};
use changes::Changes;
use journal::Journal;
use leader::Lines;
use links::NodeLinks;
use references::References;
use runner::Runner;
use scanner::Scanner;
use search::Searcher;
use settle::Settlement;

/// What a node works with.
pub struct Resources {
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
    /// The envelope keys.
    pub keys: Arc<KeyRing>,
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

/// What can be set up before there are links, since they ask for it as they come up.
pub struct Ground {
    resources: Resources,
    journal: Arc<Journal>,
    references: References,
    changes: Arc<Changes>,
    under_way: Arc<tokio::sync::RwLock<()>>,
}

/// The parts that a node hands to its ports and tasks.
pub struct Parts {
    /// For clients.
    pub leader: Arc<Leader>,
    /// For what the leader proposes.
    pub helper: Arc<Helper>,
    /// For what is looked at before a request is read.
    pub authorizer: Arc<Authorizer>,
    /// For auditors, and for people who ask what is logged about them.
    pub auditing: Arc<Auditing>,
    /// For the task that sweeps.
    pub sweeper: Sweeper,
    /// What was counted.
    pub counters: Arc<Counters>,
}

impl Ground {
    /// Loads the galleries, and forgets what was never decided.
    ///
    /// # Errors
    /// [`StoreError`] if the store can not be read.
    pub async fn open(resources: Resources) -> Result<Self, StoreError> {
        let Resources { party, deployment, identity, log, store, limits, clocks, .. } = &resources;
        let references = References::load(store, clocks.known()).await?;
        let journal = Arc::new(Journal {
            party: *party,
            log: log.clone(),
            deployment: deployment.clone(),
            identity: Arc::clone(identity),
        });
        let changes = Changes::open(Arc::clone(&journal), store.clone(), references.clone(), limits.patience);
        let changes = Arc::new(changes.await?);
        Ok(Self { resources, journal, references, changes, under_way: Arc::default() })
    }

    /// What the links ask of this node.
    #[must_use]
    pub fn settle(&self) -> Arc<dyn Settle> {
        Arc::new(Settlement {
            changes: Arc::clone(&self.changes),
            log: self.resources.log.clone(),
            deployment: self.resources.deployment.clone(),
            witness: self.resources.witness.clone(),
            clocks: Arc::clone(&self.resources.clocks),
            under_way: Arc::clone(&self.under_way),
        })
    }

    /// All parts, over these links. From now on batches are formed of what comes in.
    ///
    /// # Errors
    /// [`StoreError`] if the system gives no threads.
    pub fn start(self, peers: &Arc<Peers>) -> Result<Parts, StoreError> {
        let (links, counters) = (NodeLinks::new(self.resources.party, peers), Arc::<Counters>::default());
        let scanner = Arc::new(Scanner::start(self.resources.limits.scanners).map_err(StoreError::File)?);
        let runner = Arc::new(self.runner(&links, &scanner, &counters)?);
        let Self { resources, journal, references, changes, under_way } = self;
        let Resources { verifier, policy, models, keys, log, store, limits, clocks, .. } = resources;
        let authorizer = Arc::new(Authorizer {
            journal: Arc::clone(&journal),
            believed: RwLock::new(Arc::new(verifier)),
            policy,
            models,
            keys,
            references: references.clone(),
            store: store.clone(),
            links: links.clone(),
            clocks: Arc::clone(&clocks),
            counters: Arc::clone(&counters),
        });
        let helper = Arc::new(Helper {
            journal: Arc::clone(&journal),
            authorizer: Arc::clone(&authorizer),
            runner: Arc::clone(&runner),
            links: links.clone(),
            clocks: Arc::clone(&clocks),
            limits,
        });
        let auditing = Arc::new(Auditing {
            journal: Arc::clone(&journal),
            authorizer: Arc::clone(&authorizer),
            store: store.clone(),
            clocks: Arc::clone(&clocks),
            scanner,
            patience: limits.patience,
        });
        let leader = Arc::new(Leader {
            journal,
            authorizer: Arc::clone(&authorizer),
            runner,
            changes,
            links: links.clone(),
            clocks: Arc::clone(&clocks),
            lines: Lines::new(limits),
            limits,
            under_way,
            stopping: AtomicBool::new(false),
            counters: Arc::clone(&counters),
        });
        leader.start();
        let sweeper =
            Sweeper { links, clocks, log, store, references, counters: Arc::clone(&counters), told: Told::default() };
        Ok(Parts { leader, helper, authorizer, auditing, sweeper, counters })
    }

    fn runner(
        &self,
        links: &NodeLinks,
        scanner: &Arc<Scanner>,
        counters: &Arc<Counters>,
    ) -> Result<Runner, StoreError> {
        let patience = self.resources.limits.patience;
        let searcher = Searcher {
            journal: Arc::clone(&self.journal),
            links: links.clone(),
            references: self.references.clone(),
            store: self.resources.store.clone(),
            scanner: Arc::clone(scanner),
            runs: Scanner::start(1).map_err(StoreError::File)?,
            patience,
            counters: Arc::clone(counters),
        };
        Ok(Runner {
            journal: Arc::clone(&self.journal),
            links: links.clone(),
            searcher: Arc::new(searcher),
            changes: Arc::clone(&self.changes),
            patience,
            counters: Arc::clone(counters),
        })
    }
}
