//! What is durable, and what of it was signed: shared by who writes, who publishes and who asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::merkle::{Tree, leaf_hash};
use super::note::{Checkpoint, NoteSigner, VerifierKey};
use super::shard::Shard;

/// What is durable, and what of it was signed.
pub(super) struct LogState {
    /// Each half-year's, but those of which nothing is kept any more.
    pub(super) logs: BTreeMap<Shard, ShardTree>,
    /// Durable entries that the publisher has not taken yet.
    pub(super) unpublished: Vec<(Shard, Vec<u8>)>,
    /// The publisher has come to its end by a fault of its own: what is not seen must not go on.
    pub(super) halted: bool,
    signer: NoteSigner,
}

/// The log of half a year.
#[derive(Default)]
pub(super) struct ShardTree {
    pub(super) tree: Tree,
    /// What was signed last, and its size.
    last: Option<(u64, String)>,
}

impl LogState {
    /// Of nothing yet.
    pub(super) fn new(signer: NoteSigner) -> Self {
        Self { logs: BTreeMap::new(), unpublished: Vec::new(), halted: false, signer }
    }

    /// The log's key, without a half-year.
    pub(super) const fn key(&self) -> &VerifierKey {
        self.signer.verifier()
    }

    /// The half-year that is written.
    pub(super) fn current(&self) -> Shard {
        *self.logs.keys().next_back().expect("a log is opened with its current half-year")
    }

    /// Whether nothing was ever logged: the half-year that the log was opened with is a guess until then.
    pub(super) fn is_blank(&self) -> bool {
        self.logs.len() == 1 && self.logs.values().all(|shard| shard.tree.size() == 0)
    }

    /// A half-year begins, if it is a later one, even if nobody asks anything in it yet. A log without any entry may turn out to
    /// have been opened by a clock that was ahead: then an earlier one begins in its place.
    pub(super) fn begin(&mut self, half: Shard) {
        let current = self.current();
        if half < current && self.is_blank() {
            self.logs.remove(&current);
            self.logs.insert(half, ShardTree::default());
        } else if half > current {
            self.logs.insert(half, ShardTree::default());
        }
    }

    /// The next durable entry.
    pub(super) fn push(&mut self, half: Shard, entry: Vec<u8>) {
        self.logs.entry(half).or_default().tree.push(leaf_hash(&entry));
        self.unpublished.push((half, entry));
    }

    /// A signed checkpoint of at least `size` entries of a half: the last one if it will do, or one of all there are. None for
    /// a half of which nothing is here.
    pub(super) fn checkpoint(&mut self, half: Shard, size: u64) -> Option<(u64, String)> {
        let shard = self.logs.get_mut(&half)?;
        if let Some(last) = shard.last.as_ref().filter(|(signed, _)| *signed >= size) {
            return Some(last.clone());
        }
        let size = shard.tree.size();
        let root = shard.tree.root(size).expect("a tree has a root at its own size");
        let signer = self.signer.of_half(half);
        let origin = signer.verifier().name().clone();
        let note = Checkpoint { origin, size, root }.sign(&signer).expect("the origin is the signer's own name");
        Some(shard.last.insert((size, note)).clone())
    }
}

/// A panic while the lock was held would have been between two pushes, and each leaves a whole tree.
pub(super) fn shown(shared: &Mutex<LogState>) -> MutexGuard<'_, LogState> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
