//! A log as static files that any web server can serve and any C2SP tool can verify.
//!
//! [`Tree`] + entries + signed checkpoint --[`Writer::write`]--> `checkpoint`, `tile/..` --[`Reader::audit`]--> [`Tree`]
//!
//! ```text
//! checkpoint                     the signed note; the only file whose content changes
//! tile/<level>/x001/067          256 hashes: of leaves at level 0, above of whole tiles one level down
//! tile/<level>/x001/067.p/<w>    the first w of them, while there are no more
//! tile/entries/x001/067[.p/<w>]  the entries of a level 0 tile, each with its length (two bytes, high one first) before it
//! ```
//!
//! Source: C2SP tlog-tiles, <https://c2sp.org/tlog-tiles>. All calls block; run them where that is allowed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::log::merkle::{MerkleError, Tree, leaf_hash};
use crate::log::note::{Checkpoint, NoteError, VerifierKey};
use crate::log::shard::Shard;

/// Hashes in a full tile, entries in a full bundle.
pub const WIDTH: u64 = 256;

/// The files could not be written, or are not those of the log.
#[derive(Debug, thiserror::Error)]
pub enum TilesError {
    /// The file system failed, a file is missing, or the source of entries failed.
    #[error("a file of the log can not be read or written")]
    Io(#[from] io::Error),
    /// The checkpoint is not one, or not signed by the log's key.
    #[error("the checkpoint is not valid")]
    Checkpoint(#[from] NoteError),
    /// The checkpoint to write is smaller than the one that stands there: a log only grows.
    #[error("the log is smaller than the one written before")]
    Shrunk,
    /// The tree does not have the root that a checkpoint says: the one to write, or the one that stands there.
    #[error("the log does not continue the published one")]
    Fork,
    /// This entry does not hash to its leaf.
    #[error("entry {0} does not hash to its leaf")]
    Entry(u64),
    /// This bundle is not a sequence of as many entries as it must hold.
    #[error("entry bundle {0} is malformed")]
    Bundle(u64),
    /// This tile has the wrong length, or hashes that do not follow from the tiles below.
    #[error("tile {index} of level {level} is wrong")]
    Tile {
        /// Level, 0 for leaf hashes.
        level: u32,
        /// Index within the level.
        index: u64,
    },
    /// The leaf hashes do not lead to the checkpoint's root.
    #[error("the leaf hashes do not lead to the root")]
    Root,
    /// There is no such entry.
    #[error("the size is larger than the log")]
    Beyond,
}

impl From<MerkleError> for TilesError {
    /// The tree was asked for a size that it does not have.
    fn from(_: MerkleError) -> Self {
        Self::Beyond
    }
}

/// The first `count` hashes or entries of a level make these tiles: index and width of number `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Of the tile, within its level.
    pub index: u64,
    /// Hashes or entries in it: 1 to 256.
    pub width: u64,
}

impl Span {
    /// The tile with this index where a level has `count`, more than stand before the tile.
    #[must_use]
    pub fn of(index: u64, count: u64) -> Self {
        Self { index, width: (count - index * WIDTH).min(WIDTH) }
    }

    /// Those of the tiles of `count` that were not the same when there were `before`.
    #[must_use]
    pub fn changed(before: u64, count: u64) -> impl DoubleEndedIterator<Item = Self> {
        let first = if before == count { count.div_ceil(WIDTH) } else { before / WIDTH };
        (first..count.div_ceil(WIDTH)).map(move |index| Self::of(index, count))
    }

    /// What of the level it covers.
    #[must_use]
    pub fn range(self) -> Range<u64> {
        self.index * WIDTH..self.index * WIDTH + self.width
    }

    /// Path below the log's directory; `what` is a level or `entries`.
    #[must_use]
    pub fn path(self, what: &str) -> String {
        let full = format!("tile/{what}/{}", number(self.index));
        if self.width == WIDTH { full } else { format!("{full}.p/{}", self.width) }
    }
}

/// Three digits an element, all but the last with an x before them: `x001/x234/067`.
pub(super) fn number(index: u64) -> String {
    let mut text = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    text
}

/// Hashes of one tile's span at a level, from the tree.
pub(super) fn hashes(tree: &Tree, level: u32, span: Span) -> &[[u8; 32]] {
    let place = |at: u64| usize::try_from(at).expect("a hash that is held has an index in memory");
    &tree.complete(8 * level)[place(span.range().start)..place(span.range().end)]
}

/// Levels that a tree of this size has tiles at, with the number of hashes at each.
pub fn levels(size: u64) -> impl Iterator<Item = (u32, u64)> {
    (0..8_u32).map(move |level| (level, size >> (8 * level))).take_while(|&(_, count)| count > 0)
}

/// The half-years that have a folder in a directory of one node's logs, in order; none if there is no such directory.
///
/// # Errors
/// [`io::Error`] if it can not be read.
pub fn halves(directory: &Path) -> io::Result<Vec<Shard>> {
    let folders = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        folders => folders?,
    };
    let mut halves = Vec::new();
    for folder in folders {
        halves.extend(folder?.file_name().to_str().and_then(|name| name.parse::<Shard>().ok()));
    }
    halves.sort_unstable();
    Ok(halves)
}

/// Writes a log into a directory, and each time only what has changed. One writer a directory.
#[derive(Debug)]
pub struct Writer {
    directory: PathBuf,
    /// The checkpoint that stands there.
    written: Option<Checkpoint>,
}

impl Writer {
    /// Opens the directory, which is made if it is not there, and reads where the last writer stopped.
    ///
    /// # Errors
    /// [`TilesError::Io`]; [`TilesError::Checkpoint`] if the checkpoint there cannot be read (take the file away, and all is
    /// written anew).
    pub fn open(directory: &Path) -> Result<Self, TilesError> {
        fs::create_dir_all(directory)?;
        let written = note_in(directory)?.map(|note| Checkpoint::danger_unverified(&note)).transpose()?;
        Ok(Self { directory: directory.to_owned(), written })
    }

    /// The same where the checkpoint is of no use: all is written anew.
    pub(super) fn anew(directory: &Path) -> Result<Self, TilesError> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), written: None })
    }

    /// Number of entries under the checkpoint that stands there.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.written.as_ref().map_or(0, |checkpoint| checkpoint.size)
    }

    /// Index of the first entry that the next [`write`](Self::write) asks for, if there are new ones.
    #[must_use]
    pub fn first_needed(&self) -> u64 {
        self.size() / WIDTH * WIDTH
    }

    /// Writes what is new up to the checkpoint's size, then the checkpoint.
    ///
    /// `entries` is asked for one bundle's entries at a time, at most 256. Each file is written beside its place, synchronised
    /// and renamed, so a reader sees it whole or not at all, and never a checkpoint without its tiles. Partial tiles stay
    /// until the full one is there, since an earlier checkpoint needs them. If this fails, do it again.
    ///
    /// # Errors
    /// [`TilesError`]; nothing is written on [`Shrunk`](TilesError::Shrunk), [`Fork`](TilesError::Fork) and
    /// [`Beyond`](TilesError::Beyond). On all others the directory still is a whole log, of the earlier or the new checkpoint.
    pub fn write<F>(&mut self, tree: &Tree, mut entries: F, checkpoint: &str) -> Result<(), TilesError>
    where
        F: FnMut(Range<u64>) -> io::Result<Vec<Vec<u8>>>,
    {
        let next = Checkpoint::danger_unverified(checkpoint)?;
        let before = self.size();
        self.check(tree, &next)?;
        for span in Span::changed(before, next.size) {
            let bundle = bundle(tree, span, &entries(span.range())?)?;
            self.put(&span.path("entries"), &bundle)?;
        }
        for (level, count) in levels(next.size) {
            for span in Span::changed(before >> (8 * level), count) {
                self.put(&span.path(&level.to_string()), hashes(tree, level, span).as_flattened())?;
            }
        }
        self.put("checkpoint", checkpoint.as_bytes())?;
        self.written = Some(next);
        self.remove_partial(before)
    }

    /// Refuses what is not a continuation.
    fn check(&self, tree: &Tree, next: &Checkpoint) -> Result<(), TilesError> {
        if let Some(written) = &self.written {
            if next.size < written.size {
                return Err(TilesError::Shrunk);
            }
            if next.origin != written.origin || tree.root(written.size)? != written.root {
                return Err(TilesError::Fork);
            }
        }
        if tree.root(next.size)? == next.root { Ok(()) } else { Err(TilesError::Fork) }
    }

    /// Removes the partial tiles of what was partial before and is full now.
    fn remove_partial(&self, before: u64) -> Result<(), TilesError> {
        let bundles = [("entries".to_owned(), before, self.size())];
        let tiles = levels(self.size()).map(|(level, count)| (level.to_string(), before >> (8 * level), count));
        for (what, before, count) in bundles.into_iter().chain(tiles) {
            if before % WIDTH != 0 && count / WIDTH > before / WIDTH {
                let partial = format!("tile/{what}/{}.p", number(before / WIDTH));
                match fs::remove_dir_all(self.directory.join(partial)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn put(&self, path: &str, content: &[u8]) -> Result<(), TilesError> {
        Ok(put(&self.directory.join(path), content)?)
    }
}

/// Puts a file in its place, below a folder, whole and durable.
///
/// # Errors
/// [`io::Error`] if it can not be written, with the file's name.
pub fn put(place: &Path, content: &[u8]) -> io::Result<()> {
    put_unnamed(place, content).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", place.display())))
}

fn put_unnamed(place: &Path, content: &[u8]) -> io::Result<()> {
    let folder = place.parent().ok_or(io::ErrorKind::NotFound)?;
    make_folder(folder)?;
    let beside = place.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, place)?;
    // The name as well: a checkpoint must not outlive a power cut that its tiles did not.
    File::open(folder)?.sync_all()
}

/// Puts a signed note in the place of a log's checkpoint.
pub(super) fn put_checkpoint(directory: &Path, note: &str) -> Result<(), TilesError> {
    Ok(put(&directory.join("checkpoint"), note.as_bytes())?)
}

/// Removes the bundles of the first `kept_from` entries, or of all of an ended log; tiles of hashes stay, so that all that is left
/// can still be proven, and that nothing else stood there. A last bundle that is not full goes with `kept_from` at the end of the log.
///
/// # Errors
/// [`TilesError::Io`]; do it again.
pub(super) fn prune(directory: &Path, kept_from: u64) -> Result<(), TilesError> {
    let partial = directory.join(format!("tile/entries/{}.p", number(kept_from / WIDTH)));
    if !kept_from.is_multiple_of(WIDTH) && partial.is_dir() {
        fs::remove_dir_all(partial)?;
    }
    for index in (0..kept_from / WIDTH).rev() {
        match fs::remove_file(directory.join(format!("tile/entries/{}", number(index)))) {
            // Those before it went before.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            done => done?,
        }
    }
    Ok(())
}

/// The signed note that stands in a log's folder.
pub(super) fn note_in(directory: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(directory.join("checkpoint")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        note => note.map(Some),
    }
}

/// Whether a half-year's folder has no checkpoint, or one of nothing.
pub(super) fn is_empty(directory: &Path, half: Shard) -> bool {
    note_in(&directory.join(half.to_string())).is_ok_and(|note| note.is_none_or(|note| size_of(&note) == 0))
}

/// Number of entries of a checkpoint that this node wrote itself.
pub(super) fn size_of(note: &str) -> u64 {
    Checkpoint::danger_unverified(note).map_or(0, |checkpoint| checkpoint.size)
}

/// Makes a folder and those above it, durably: names are synchronised as well.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().ok_or(io::ErrorKind::NotFound)?;
    // Above the first name of a relative path stands the folder that it is relative to.
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    make_folder(above)?;
    fs::create_dir(folder)?;
    File::open(above)?.sync_all()
}

/// The bundle of a span's entries, each of which must be the tree's.
fn bundle(tree: &Tree, span: Span, entries: &[Vec<u8>]) -> Result<Vec<u8>, TilesError> {
    if entries.len() as u64 != span.width {
        return Err(TilesError::Bundle(span.index));
    }
    let mut bytes = Vec::new();
    for (index, entry) in span.range().zip(entries) {
        let length = u16::try_from(entry.len()).map_err(|_| TilesError::Entry(index))?;
        if tree.leaf(index) != Some(leaf_hash(entry)) {
            return Err(TilesError::Entry(index));
        }
        bytes.extend(length.to_be_bytes());
        bytes.extend(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle that must hold `width`, and nothing after them.
#[must_use]
pub fn unbundle(mut bytes: &[u8], width: u64) -> Option<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    for _ in 0..width {
        let (length, rest) = bytes.split_first_chunk()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry.to_vec());
        bytes = rest;
    }
    bytes.is_empty().then_some(entries)
}

/// Reads a log from a directory and trusts nothing there but what the log's key signed.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
}

impl Reader {
    /// A reader of this directory.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// The checkpoint, if the key signed it for its own log.
    ///
    /// # Errors
    /// [`TilesError::Io`] or [`TilesError::Checkpoint`].
    pub fn checkpoint(&self, key: &VerifierKey) -> Result<Checkpoint, TilesError> {
        Ok(Checkpoint::open(&fs::read_to_string(self.directory.join("checkpoint"))?, key)?)
    }

    /// One entry of the log of `size` entries, checked against its leaf hash; that against nothing, which is
    /// [`audit`](Self::audit)'s work.
    ///
    /// # Errors
    /// [`TilesError`] if it is not there or not what its tile says.
    pub fn entry(&self, index: u64, size: u64) -> Result<Vec<u8>, TilesError> {
        if index >= size {
            return Err(TilesError::Beyond);
        }
        let span = Span::of(index / WIDTH, size);
        let place = usize::try_from(index % WIDTH).expect("less than 256");
        let entry = self.bundle(span)?.swap_remove(place);
        if self.tile(0, span)?[place] == leaf_hash(&entry) { Ok(entry) } else { Err(TilesError::Entry(index)) }
    }

    /// The entries of one bundle of the log of `size` entries: from `first`, a multiple of [`WIDTH`], on. Checked against nothing.
    ///
    /// # Errors
    /// [`TilesError::Io`] if the bundle is not there, or not any more; [`TilesError::Bundle`], [`TilesError::Beyond`].
    pub fn entries(&self, first: u64, size: u64) -> Result<Vec<Vec<u8>>, TilesError> {
        if first >= size { Err(TilesError::Beyond) } else { self.bundle(Span::of(first / WIDTH, size)) }
    }

    /// Reads everything under a checkpoint: leaf hashes must lead to its root, entries must hash to leaves, and tiles must
    /// follow from those below. Returns the tree, for proofs to earlier or later checkpoints.
    ///
    /// # Errors
    /// [`TilesError`], by what was found first.
    pub fn audit(&self, checkpoint: &Checkpoint) -> Result<Tree, TilesError> {
        let mut tree = Tree::new();
        for span in Span::changed(0, checkpoint.size) {
            for leaf in self.tile(0, span)? {
                tree.push(leaf);
            }
        }
        if tree.root(checkpoint.size)? != checkpoint.root {
            return Err(TilesError::Root);
        }
        for span in Span::changed(0, checkpoint.size) {
            for (index, entry) in span.range().zip(self.bundle(span)?) {
                if tree.leaf(index) != Some(leaf_hash(&entry)) {
                    return Err(TilesError::Entry(index));
                }
            }
        }
        for (level, count) in levels(checkpoint.size).skip(1) {
            for span in Span::changed(0, count) {
                if self.tile(level, span)? != hashes(&tree, level, span) {
                    return Err(TilesError::Tile { level, index: span.index });
                }
            }
        }
        Ok(tree)
    }

    /// The first `count` leaf hashes of a log of `size`; checked against nothing.
    pub(super) fn leaves(&self, count: u64, size: u64) -> Result<Vec<[u8; 32]>, TilesError> {
        if count > size {
            return Err(TilesError::Beyond);
        }
        let mut leaves = Vec::new();
        for index in 0..count.div_ceil(WIDTH) {
            leaves.extend(self.tile(0, Span::of(index, size))?);
        }
        leaves.truncate(usize::try_from(count).map_err(|_| TilesError::Beyond)?);
        Ok(leaves)
    }

    fn tile(&self, level: u32, span: Span) -> Result<Vec<[u8; 32]>, TilesError> {
        let (bytes, width) = self.read(span, &level.to_string())?;
        let (hashes, rest) = bytes.as_chunks();
        if hashes.len() as u64 != width || !rest.is_empty() {
            return Err(TilesError::Tile { level, index: span.index });
        }
        Ok(hashes.iter().copied().zip(span.range()).map(|(hash, _)| hash).collect())
    }

    fn bundle(&self, span: Span) -> Result<Vec<Vec<u8>>, TilesError> {
        let (bytes, width) = self.read(span, "entries")?;
        let mut entries = unbundle(&bytes, width).ok_or(TilesError::Bundle(span.index))?;
        entries.truncate(usize::try_from(span.width).expect("at most 256"));
        Ok(entries)
    }

    /// A tile or bundle and its width: the full one where the partial one has gone, as it may once there is a full one.
    fn read(&self, span: Span, what: &str) -> Result<(Vec<u8>, u64), TilesError> {
        match fs::read(self.directory.join(span.path(what))) {
            Ok(bytes) => Ok((bytes, span.width)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && span.width < WIDTH => {
                let full = Span { width: WIDTH, ..span };
                Ok((fs::read(self.directory.join(full.path(what)))?, WIDTH))
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(number(0), "000");
        assert_eq!(number(67), "067");
        assert_eq!(number(1_234_067), "x001/x234/067");
        assert_eq!(number(u64::MAX), "x018/x446/x744/x073/x709/x551/615");
        assert_eq!(Span { index: 1067, width: 256 }.path("0"), "tile/0/x001/067");
        assert_eq!(Span { index: 1067, width: 112 }.path("entries"), "tile/entries/x001/067.p/112");
    }

    #[test]
    fn a_tree_of_70_000_has_the_tiles_that_the_specification_counts() {
        let shape = |size| -> Vec<(u32, usize, u64)> {
            levels(size)
                .map(|(level, count)| {
                    let spans: Vec<_> = Span::changed(0, count).collect();
                    (level, spans.iter().filter(|span| span.width == WIDTH).count(), count % WIDTH)
                })
                .collect()
        };
        assert_eq!(shape(70_000), [(0, 273, 112), (1, 1, 17), (2, 0, 1)]);
        assert_eq!(shape(256), [(0, 1, 0), (1, 0, 1)]);
        assert_eq!(shape(0), []);
    }
}
