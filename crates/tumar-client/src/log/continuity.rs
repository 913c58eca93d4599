//! Whether this log still is the one that others cosigned: a store that was put back from a copy is a shorter one, and the next entry
//! would fork it.
//!
//! last checkpoints that a peer cosigned, under this log's own signature --[`AccessLog::continues`]--> nothing, or a [`Gap`]

use super::access::AccessLog;
use super::merkle::{Tree, empty_root};
use super::note::{Checkpoint, NoteError, VerifierKey};
use super::shard::Shard;
use super::state::shown;
use super::tiles::TilesError;

/// What of a cosigned log is not here. Whoever signs a checkpoint of it all the same forks the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gap {
    /// There were more entries once.
    #[error(
        "the log of {half} has {own} entries here and had {cosigned} when it was cosigned: this is an older copy of it{}",
        if *own == 0 { ", and the store is empty: is the volume of data mounted?" } else { "" }
    )]
    Shorter {
        /// Of which half-year.
        half: Shard,
        /// Entries that are here.
        own: u64,
        /// Entries under the cosigned checkpoint.
        cosigned: u64,
    },
    /// There are as many entries, or more, and the first of them are others.
    #[error(
        "the log of {half} has {own} entries here, and its first {cosigned} are not those that were cosigned: it was forked"
    )]
    Other {
        /// Of which half-year.
        half: Shard,
        /// Entries that are here.
        own: u64,
        /// Entries under the cosigned checkpoint.
        cosigned: u64,
    },
}

impl Gap {
    /// The half-year, entries that are here, and entries that were cosigned.
    #[must_use]
    pub const fn sizes(&self) -> (Shard, u64, u64) {
        match self {
            Self::Shorter { half, own, cosigned } | Self::Other { half, own, cosigned } => (*half, *own, *cosigned),
        }
    }
}

/// Why a log could not be held against a checkpoint, or does not continue it.
#[derive(Debug, thiserror::Error)]
pub enum ContinuityError {
    /// It is not the log that was cosigned.
    #[error(transparent)]
    Gap(#[from] Gap),
    /// The checkpoint is not by this log's key: it says nothing about this log.
    #[error(
        "the checkpoint is not signed by this log's key: either log.pk8 is another than before, or the checkpoint is forged"
    )]
    Note(#[from] NoteError),
    /// The files of a half-year that has ended can not be read.
    #[error("the published files of {0} can not be read")]
    Files(Shard, #[source] TilesError),
}

impl AccessLog {
    /// Whether the log begins with what stands under each of these signed notes, of any half-years. Blocks, where a half-year is known
    /// by its files alone.
    ///
    /// # Errors
    /// [`ContinuityError`], by the first note that does not hold. [`Gap`] is proven by the log's own signature.
    pub fn continues(&self, notes: &[String]) -> Result<(), ContinuityError> {
        let key = shown(&self.shared).key().clone();
        notes.iter().try_for_each(|note| against(note, &key, |half, size| self.root(half, size)))
    }

    /// Entries of a half-year's log, and the root of its first `size`, if it has as many.
    fn root(&self, half: Shard, size: u64) -> Result<(u64, Option<[u8; 32]>), TilesError> {
        if let Some(shard) = shown(&self.shared).logs.get(&half) {
            return Ok((shard.tree.size(), shard.tree.root(size).ok()));
        }
        let Some((reader, own)) = self.standing.files(half) else {
            return Ok((0, (size == 0).then(empty_root)));
        };
        if size > own {
            return Ok((own, None));
        }
        let mut tree = Tree::new();
        for leaf in reader.leaves(size, own)? {
            tree.push(leaf);
        }
        Ok((own, tree.root(size).ok()))
    }
}

/// One signed note against a log that gives its size, and the root of as many first entries, if there are.
pub(super) fn against(
    note: &str,
    key: &VerifierKey,
    root: impl FnOnce(Shard, u64) -> Result<(u64, Option<[u8; 32]>), TilesError>,
) -> Result<(), ContinuityError> {
    let (half, cosigned) = Checkpoint::open_half(note, key)?;
    let (own, root) = root(half, cosigned.size).map_err(|error| ContinuityError::Files(half, error))?;
    match root {
        Some(root) if root == cosigned.root => Ok(()),
        Some(_) => Err(Gap::Other { half, own, cosigned: cosigned.size }.into()),
        None => Err(Gap::Shorter { half, own, cosigned: cosigned.size }.into()),
    }
}
