//! Published files held against what they are made of: hashes against the tree, bundles against their leaves, the checkpoint against the
//! one that was written. What the store proves is mended; what it can not prove any more is told.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::access::{AccessLog, LogError};
use super::merkle::{Tree, leaf_hash};
use super::publisher::PublishedHeads;
use super::shard::{EntryId, Shard};
use super::state::{LogState, shown};
use super::tiles::{self, Span, TilesError, WIDTH, levels, unbundle};
use super::writer::Ask;

/// What was found wrong with published files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Files that were looked at.
    pub files: u64,
    /// Those that were not as they must be, and are again.
    pub mended: Vec<PathBuf>,
    /// Those that are not as they must be, and that nothing here can mend: what they held is no longer kept.
    pub broken: Vec<PathBuf>,
}

impl AccessLog {
    /// Holds every published file against tree and store, and mends what can be. Takes its time, and holds up publishing for a file's.
    ///
    /// # Errors
    /// [`LogError::Published`] if files can not be read or written, [`LogError::Ledger`], [`LogError::Halted`].
    pub async fn scrub(&self) -> Result<Scrubbed, LogError> {
        let mut found = Scrubbed::default();
        for half in self.halves() {
            let look = Look { standing: Arc::clone(&self.standing), shared: Arc::clone(&self.shared), half };
            let looked =
                tokio::task::spawn_blocking(move || look.hashes().map(|(seen, bundles)| (look, seen, bundles)));
            let (mut look, seen, bundles) = looked.await.map_err(|_| LogError::Halted)??;
            found.add(seen);
            for index in bundles {
                let entries = self.entries_of(EntryId { half, index: index * WIDTH }).await?;
                let mended = tokio::task::spawn_blocking(move || look.bundle(index, &entries).map(|seen| (look, seen)));
                let (back, seen) = mended.await.map_err(|_| LogError::Halted)??;
                look = back;
                found.add(seen);
            }
        }
        Ok(found)
    }

    /// Entries from a place on, as the store has them; none if they are no longer kept.
    async fn entries_of(&self, from: EntryId) -> Result<Vec<Vec<u8>>, LogError> {
        let (done, told) = oneshot::channel();
        self.sweeps.send(Ask::Entries { from, done }).await.map_err(|_| LogError::Halted)?;
        told.await.map_err(|_| LogError::Halted)?
    }
}

impl Scrubbed {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.mended.extend(other.mended);
        self.broken.extend(other.broken);
    }
}

/// A look at one half-year.
struct Look {
    standing: Arc<PublishedHeads>,
    shared: Arc<Mutex<LogState>>,
    half: Shard,
}

impl Look {
    fn folder(&self) -> PathBuf {
        self.standing.directory().join(self.half.to_string())
    }

    /// Checkpoint and tiles of hashes, mended; and the bundles that are not what they must be, or not there.
    fn hashes(&self) -> Result<(Scrubbed, BTreeSet<u64>), TilesError> {
        let mut seen = Scrubbed::default();
        let Some(note) = self.standing.note(self.half) else { return Ok((seen, BTreeSet::new())) };
        let writing = self.standing.writing();
        if self.standing.note(self.half).as_ref() == Some(&note) {
            seen.hold(&self.folder().join("checkpoint"), Some(note.as_bytes()))?;
        }
        drop(writing);
        let Some(by_files) = self.tree_of_files(&mut seen)? else { return Ok((seen, BTreeSet::new())) };
        let size = self.standing.size(self.half);
        for (level, count) in levels(size) {
            for index in 0..count.div_ceil(WIDTH) {
                // Held for one tile: the log is published meanwhile, and a partial one goes up in a full one.
                let _writing = self.standing.writing();
                let count = self.standing.size(self.half) >> (8 * level);
                let span = Span::of(index, count);
                let hashes = self.span(by_files.as_ref(), level, span);
                let what = level.to_string();
                seen.hold(&self.folder().join(span.path(&what)), hashes.as_ref().map(|all| all.as_flattened()))?;
                seen.hold_partial(&self.folder(), &what, span, |width| {
                    hashes.as_ref().map(|all| all[..width].as_flattened().to_vec())
                })?;
            }
        }
        let mut bundles = BTreeSet::new();
        for index in 0..size.div_ceil(WIDTH) {
            let _writing = self.standing.writing();
            let span = Span::of(index, self.standing.size(self.half));
            let leaves = self.span(by_files.as_ref(), 0, span).unwrap_or_default();
            if let Some(entries) = bundle_of(&self.folder(), span, &leaves)? {
                seen.files += 1;
                seen.hold_partial(&self.folder(), "entries", span, |width| rebundle(&entries[..width]).ok())?;
            } else {
                bundles.insert(index);
            }
        }
        Ok((seen, bundles))
    }

    /// Of a half-year of which the store keeps nothing any more: the tree of its lowest tiles, if they lead to the checkpoint. Outer none:
    /// they do not, which is told; inner none: the store's own tree is there.
    #[expect(clippy::option_option, reason = "whether there is a tree, and where")]
    fn tree_of_files(&self, seen: &mut Scrubbed) -> Result<Option<Option<Tree>>, TilesError> {
        if shown(&self.shared).logs.contains_key(&self.half) {
            return Ok(Some(None));
        }
        let Some((reader, size)) = self.standing.files(self.half) else { return Ok(None) };
        let key = shown(&self.shared).key().of_half(self.half);
        let checkpoint = reader.checkpoint(&key)?;
        let mut tree = Tree::new();
        match reader.leaves(size, size) {
            Ok(leaves) => leaves.into_iter().for_each(|leaf| {
                tree.push(leaf);
            }),
            Err(TilesError::Io(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Err(_) => {}
        }
        if tree.root(size).is_ok_and(|root| root == checkpoint.root) {
            return Ok(Some(Some(tree)));
        }
        seen.broken.push(self.folder().join("tile/0"));
        Ok(None)
    }

    /// Hashes of one tile, as they must be.
    fn span(&self, by_files: Option<&Tree>, level: u32, span: Span) -> Option<Vec<[u8; 32]>> {
        let of = |tree: &Tree| {
            let range = usize::try_from(span.range().start).ok()?..usize::try_from(span.range().end).ok()?;
            tree.complete(8 * level).get(range).map(<[_]>::to_vec)
        };
        match by_files {
            Some(tree) => of(tree),
            None => shown(&self.shared).logs.get(&self.half).and_then(|shard| of(&shard.tree)),
        }
    }

    /// One bundle that is not what it must be, or not there: written anew, if the store has its entries.
    fn bundle(&self, index: u64, entries: &[Vec<u8>]) -> Result<Scrubbed, TilesError> {
        let mut seen = Scrubbed { files: 1, ..Scrubbed::default() };
        let _writing = self.standing.writing();
        let span = Span::of(index, self.standing.size(self.half));
        let leaves = self.span(None, 0, span).unwrap_or_default();
        let path = self.folder().join(span.path("entries"));
        let width = leaves.len();
        let kept = entries
            .get(..width)
            .filter(|entries| width > 0 && entries.iter().zip(&leaves).all(|(entry, leaf)| leaf_hash(entry) == *leaf));
        match kept {
            Some(entries) => {
                tiles::put(&path, &rebundle(entries)?)?;
                seen.mended.push(path);
            }
            // Destroyed since they were too old, as they must be.
            None if !path.exists() => {}
            None => seen.broken.push(path),
        }
        Ok(seen)
    }
}

impl Scrubbed {
    /// Holds a file against what it must be, and mends it.
    fn hold(&mut self, path: &Path, wanted: Option<&[u8]>) -> Result<(), TilesError> {
        self.files += 1;
        let is = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(read?),
        };
        match (is, wanted) {
            (Some(is), Some(wanted)) if is == wanted => {}
            (_, Some(wanted)) => {
                tiles::put(path, wanted)?;
                self.mended.push(path.to_owned());
            }
            (_, None) => self.broken.push(path.to_owned()),
        }
        Ok(())
    }

    /// The same for what stands there of the tile when it was narrower.
    fn hold_partial(
        &mut self,
        folder: &Path,
        what: &str,
        span: Span,
        of: impl Fn(usize) -> Option<Vec<u8>>,
    ) -> Result<(), TilesError> {
        if span.width == WIDTH {
            return Ok(());
        }
        let current = folder.join(span.path(what));
        let Some(partial) = current.parent() else { return Ok(()) };
        for file in fs::read_dir(partial)? {
            let file = file?.path();
            let width = file.file_name().and_then(|name| name.to_str()?.parse::<usize>().ok());
            if let Some(width) = width.filter(|width| *width as u64 > 0 && (*width as u64) < span.width) {
                self.hold(&file, of(width).as_deref())?;
            }
        }
        Ok(())
    }
}

/// The entries of a bundle, if they hash to these leaves.
fn bundle_of(folder: &Path, span: Span, leaves: &[[u8; 32]]) -> Result<Option<Vec<Vec<u8>>>, TilesError> {
    let bytes = match fs::read(folder.join(span.path("entries"))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let right = |entries: &Vec<Vec<u8>>| {
        entries.len() == leaves.len() && entries.iter().zip(leaves).all(|(entry, leaf)| leaf_hash(entry) == *leaf)
    };
    Ok(unbundle(&bytes, span.width).filter(right))
}

fn rebundle(entries: &[Vec<u8>]) -> Result<Vec<u8>, TilesError> {
    let mut bytes = Vec::new();
    for (index, entry) in (0..).zip(entries) {
        let length = u16::try_from(entry.len()).map_err(|_| TilesError::Entry(index))?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(entry);
    }
    Ok(bytes)
}
