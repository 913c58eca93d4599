//! A log as it stands in a store and a folder, for who looks at it without running it: a check before a start, a backup, a copy that is to
//! be put back.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::access::LogError;
use super::continuity::{ContinuityError, against};
use super::ledger::Ledger;
use super::merkle::{Tree, empty_root, leaf_hash};
use super::note::{Checkpoint, NoteError, VerifierKey};
use super::shard::{EntryId, Shard};
use super::tiles::{self, Reader, TilesError, WIDTH};

/// The hashes of each half-year's log.
#[derive(Debug)]
pub struct LogCopy {
    key: VerifierKey,
    trees: BTreeMap<Shard, Tree>,
}

impl LogCopy {
    /// Reads all entries of a store; of those that are no longer kept, the published hashes. `key` is the log's, without a half-year.
    ///
    /// # Errors
    /// As [`AccessLog::open`](super::access::AccessLog::open), without any change to what is there.
    pub async fn read<L: Ledger>(ledger: &mut L, directory: &Path, key: &VerifierKey) -> Result<Self, LogError> {
        let kept: BTreeMap<Shard, u64> = ledger.halves().await?.into_iter().collect();
        let published = tiles::halves(directory).map_err(TilesError::from)?;
        let halves: BTreeSet<Shard> = published.into_iter().chain(kept.keys().copied()).collect();
        let mut trees = BTreeMap::new();
        for half in halves {
            let published = checkpoint(directory, half, key)?;
            let size = published.as_ref().map_or(0, |checkpoint| checkpoint.size);
            let first = kept.get(&half).copied().unwrap_or(0);
            let mut tree = Tree::new();
            for leaf in Reader::new(&directory.join(half.to_string())).leaves(first, size)? {
                tree.push(leaf);
            }
            loop {
                let page = ledger.entries(EntryId { half, index: tree.size() }).await?;
                if page.is_empty() {
                    break;
                }
                for entry in page {
                    tree.push(leaf_hash(&entry));
                }
            }
            match tree.root(size) {
                Err(_) => return Err(LogError::Lost { published: size, durable: tree.size() }),
                Ok(root) if published.is_some_and(|published| published.root != root) => {
                    return Err(LogError::Forked { published: size });
                }
                Ok(_) => {}
            }
            trees.insert(half, tree);
        }
        Ok(Self { key: key.clone(), trees })
    }

    /// That of a store which is not there.
    #[must_use]
    pub const fn empty(key: VerifierKey) -> Self {
        Self { key, trees: BTreeMap::new() }
    }

    /// Entries of each half-year.
    pub fn sizes(&self) -> impl Iterator<Item = (Shard, u64)> {
        self.trees.iter().map(|(half, tree)| (*half, tree.size()))
    }

    /// Entries of one half-year; none is none.
    #[must_use]
    pub fn size(&self, half: Shard) -> u64 {
        self.trees.get(&half).map_or(0, Tree::size)
    }

    /// Whether the log begins with what stands under each of these signed notes.
    ///
    /// # Errors
    /// As [`AccessLog::continues`](super::access::AccessLog::continues).
    pub fn continues<'n>(&self, notes: impl IntoIterator<Item = &'n String>) -> Result<(), ContinuityError> {
        let root = |half, size| Ok(self.root(half, size));
        notes.into_iter().try_for_each(|note| against(note, &self.key, root))
    }

    fn root(&self, half: Shard, size: u64) -> (u64, Option<[u8; 32]>) {
        match self.trees.get(&half) {
            Some(tree) => (tree.size(), tree.root(size).ok()),
            None => (0, (size == 0).then(empty_root)),
        }
    }

    /// Entries that a folder of published files has beyond this copy, of one half-year: only those that its signed checkpoint proves, and
    /// only if the log there begins with this one. They are taken in here as well.
    ///
    /// # Errors
    /// [`TilesError`] if the files are not what their checkpoint says, or not of the same log; then nothing is taken in.
    pub fn extend(&mut self, directory: &Path, half: Shard) -> Result<Vec<Vec<u8>>, TilesError> {
        let Some(checkpoint) = checkpoint(directory, half, &self.key)? else { return Ok(Vec::new()) };
        let own = self.size(half);
        if checkpoint.size <= own {
            return Ok(Vec::new());
        }
        let reader = Reader::new(&directory.join(half.to_string()));
        let mut tree = Tree::new();
        for leaf in reader.leaves(checkpoint.size, checkpoint.size)? {
            tree.push(leaf);
        }
        if tree.root(checkpoint.size)? != checkpoint.root {
            return Err(TilesError::Root);
        }
        if Some(tree.root(own)?) != self.root(half, own).1 {
            return Err(TilesError::Fork);
        }
        let mut entries = Vec::new();
        let mut first = own / WIDTH * WIDTH;
        while first < checkpoint.size {
            for (index, entry) in (first..).zip(reader.entries(first, checkpoint.size)?) {
                if tree.leaf(index) != Some(leaf_hash(&entry)) {
                    return Err(TilesError::Entry(index));
                }
                if index >= own {
                    entries.push(entry);
                }
            }
            first += WIDTH;
        }
        self.trees.insert(half, tree);
        Ok(entries)
    }
}

/// The checkpoint of a half in a folder of published files, if there is one.
fn checkpoint(directory: &Path, half: Shard, key: &VerifierKey) -> Result<Option<Checkpoint>, TilesError> {
    match Reader::new(&directory.join(half.to_string())).checkpoint(&key.of_half(half)) {
        Err(TilesError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// The half-year and size that a signed note is of, by a log's key without a half-year.
///
/// # Errors
/// [`NoteError`] if it is not that log's.
pub fn of_note(note: &str, key: &VerifierKey) -> Result<(Shard, u64), NoteError> {
    Checkpoint::open_half(note, key).map(|(half, checkpoint)| (half, checkpoint.size))
}
