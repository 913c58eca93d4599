//! The folder that logs are mirrored into. Its layout is that of a node's web site, so that tools for one work on the other.
//!
//! ```text
//! a/2026h2/checkpoint             the newest checkpoint that was accepted, with its cosignatures
//! a/2026h2/tile/..                tiles and entry bundles, as C2SP tlog-tiles names them
//! a/2026h2/checkpoints/<size>     every checkpoint that was ever accepted: what the log is held to
//! a/2026h2/evidence/<n>           signed notes that were refused; take them away when they are dealt with
//! a/2026h2/fetched                unix seconds of the last look
//! a/2026h2/first                  index of the first entry that is still served, once a log is pruned
//! b/..  c/..
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::log::shard::Shard;
use crate::log::tiles::{self, Span, WIDTH, levels};
use crate::party::Party;

/// A fault of a file or folder in a mirror, with its path in front. What stands where a folder should be is the one that is named.
pub fn named(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    |error| match in_the_way(path).filter(|_| error.kind() == io::ErrorKind::NotADirectory) {
        Some(way) => no_folder(way),
        None => io::Error::new(error.kind(), format!("{}: {error}", path.display())),
    }
}

/// What is no folder, of a path and those above it.
fn in_the_way(path: &Path) -> Option<&Path> {
    path.ancestors().find(|above| above.exists() && !above.is_dir())
}

fn no_folder(way: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotADirectory, format!("{}: not a folder", way.display()))
}

/// Writes a file whole, with the folders above it.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    tiles::put(path, bytes).map_err(|error| path.parent().and_then(in_the_way).map_or(error, no_folder))
}

/// How a mirror is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Read, beside others that read.
    Shared,
    /// Written, by one alone. The folder is made if it is not there.
    Alone,
}

/// A mirror that nobody writes meanwhile, for as long as this is held.
#[derive(Debug)]
pub struct Hold {
    /// None where there is no folder, or the file system has no locks.
    _lock: Option<File>,
}

/// A folder of mirrored logs; it need not be there yet.
#[derive(Clone, Debug)]
pub struct Mirror {
    folder: PathBuf,
}

impl Mirror {
    /// In this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until nobody uses the mirror otherwise. Blocks; `waiting` is called first if it has to.
    ///
    /// # Errors
    /// [`io::Error`] if the folder can not be opened, or made.
    pub fn hold(&self, how: Use, waiting: impl FnOnce()) -> io::Result<Hold> {
        let at = || named(&self.folder);
        if how == Use::Alone {
            fs::create_dir_all(&self.folder).map_err(at())?;
        }
        let folder = match File::open(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Hold { _lock: None }),
            folder => folder.map_err(at())?,
        };
        let tried = if how == Use::Alone { folder.try_lock() } else { folder.try_lock_shared() };
        let locked = match tried {
            Ok(()) => true,
            Err(fs::TryLockError::Error(_)) => false,
            Err(fs::TryLockError::WouldBlock) => {
                waiting();
                (if how == Use::Alone { folder.lock() } else { folder.lock_shared() }).is_ok()
            }
        };
        Ok(Hold { _lock: locked.then_some(folder) })
    }

    /// The half-years of which there is a log of this node, oldest first.
    ///
    /// # Errors
    /// [`io::Error`] if the folder can not be read; that there is none is no error.
    pub fn halves(&self, party: Party) -> io::Result<Vec<Shard>> {
        let folder = self.folder.join(party.letter());
        tiles::halves(&folder).map_err(named(&folder))
    }

    /// The place of one node's log of half a year.
    #[must_use]
    pub fn place(&self, party: Party, half: Shard) -> Place {
        let folder = self.folder.join(party.letter()).join(half.to_string());
        Place { party, half, folder }
    }
}

/// Where one node's log of half a year stands.
#[derive(Clone, Debug)]
pub struct Place {
    /// Whose.
    pub party: Party,
    /// Of when.
    pub half: Shard,
    folder: PathBuf,
}

impl Place {
    /// The newest checkpoint, as a note.
    ///
    /// # Errors
    /// [`io::Error`].
    pub fn checkpoint(&self) -> io::Result<Option<String>> {
        self.text("checkpoint")
    }

    /// Every note that was accepted, by the size that it was filed under, smallest first.
    ///
    /// # Errors
    /// [`io::Error`].
    pub fn seen(&self) -> io::Result<Vec<(u64, String)>> {
        self.notes("checkpoints")
    }

    /// Every note that was refused.
    ///
    /// # Errors
    /// [`io::Error`].
    pub fn evidence(&self) -> io::Result<Vec<String>> {
        Ok(self.notes("evidence")?.into_iter().map(|(_, note)| note).collect())
    }

    fn notes(&self, below: &str) -> io::Result<Vec<(u64, String)>> {
        let folder = self.folder.join(below);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(named(&folder))?,
        };
        let mut notes = Vec::new();
        for entry in entries {
            let path = entry.map_err(named(&folder))?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            if let Some(number) = number {
                let note = fs::read(&path).map_err(named(&path))?;
                notes.push((number, String::from_utf8_lossy(&note).into_owned()));
            }
        }
        notes.sort_unstable();
        Ok(notes)
    }

    /// Files an accepted note, first among those that are remembered, and then as the newest unless a larger one is there.
    ///
    /// # Errors
    /// [`io::Error`].
    pub fn accept(&self, size: u64, note: &str) -> io::Result<()> {
        put(&self.folder.join("checkpoints").join(size.to_string()), note.as_bytes())?;
        put(&self.folder.join("checkpoint"), note.as_bytes())
    }

    /// Files a note that was refused, once.
    ///
    /// # Errors
    /// [`io::Error`].
    pub fn refuse(&self, note: &str) -> io::Result<()> {
        let known = self.notes("evidence")?;
        if known.iter().any(|(_, other)| other == note) {
            return Ok(());
        }
        let next = known.last().map_or(1, |(number, _)| number.saturating_add(1));
        put(&self.folder.join("evidence").join(next.to_string()), note.as_bytes())
    }

    /// When the checkpoint was last looked at, in unix seconds; none in a mirror that was made by other means.
    ///
    /// # Errors
    /// [`io::Error`].
    pub fn fetched(&self) -> io::Result<Option<u64>> {
        Ok(self.text("fetched")?.and_then(|text| text.trim().parse().ok()))
    }

    pub(super) fn set_fetched(&self, now: u64) -> io::Result<()> {
        put(&self.folder.join("fetched"), format!("{now}\n").as_bytes())
    }

    /// Index of the first entry that was still served; 0 of a log that is whole.
    ///
    /// # Errors
    /// [`io::Error`].
    pub fn first(&self) -> io::Result<u64> {
        Ok(self.text("first")?.and_then(|text| text.trim().parse().ok()).unwrap_or(0))
    }

    pub(super) fn set_first(&self, first: u64) -> io::Result<()> {
        put(&self.folder.join("first"), format!("{first}\n").as_bytes())
    }

    fn text(&self, name: &str) -> io::Result<Option<String>> {
        Ok(self.bytes(name)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn bytes(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.folder.join(path);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => bytes.map(Some).map_err(named(&path)),
        }
    }

    /// Hashes of a tile, as many as the span is wide: from the file of that width, or from the full one.
    ///
    /// # Errors
    /// [`io::Error`].
    pub(super) fn tile(&self, level: u32, span: Span) -> io::Result<Option<Vec<[u8; 32]>>> {
        Ok(self.file(span, &level.to_string())?.and_then(|(bytes, width)| hashes(&bytes, width, span.width)))
    }

    /// A bundle's bytes and how many entries must be in them: as many as the span is wide, or 256.
    ///
    /// # Errors
    /// [`io::Error`].
    pub(super) fn bundle(&self, span: Span) -> io::Result<Option<(Vec<u8>, u64)>> {
        self.file(span, "entries")
    }

    fn file(&self, span: Span, what: &str) -> io::Result<Option<(Vec<u8>, u64)>> {
        if let Some(bytes) = self.bytes(&span.path(what))? {
            return Ok(Some((bytes, span.width)));
        }
        let full = Span { width: WIDTH, ..span };
        Ok(self.bytes(&full.path(what))?.map(|bytes| (bytes, WIDTH)))
    }

    /// Whether the file of a tile or bundle is there, that of its width or the full one.
    pub(super) fn has(&self, span: Span, what: &str) -> bool {
        let full = Span { width: WIDTH, ..span };
        [span, full].iter().any(|span| self.folder.join(span.path(what)).is_file())
    }

    /// Whether the files of a log of `size` entries are all there, from the first entry that is still served.
    pub(super) fn is_whole(&self, size: u64, with_entries: bool) -> io::Result<bool> {
        let first = self.first()?;
        let all = |what: &str, first: u64, count: u64| {
            Span::changed(first / WIDTH * WIDTH, count).all(|span| self.has(span, what))
        };
        let tiles = levels(size).all(|(level, count)| all(&level.to_string(), first >> (8 * level), count));
        Ok(tiles && (!with_entries || all("entries", first, size)))
    }

    /// Whether any bundle is there.
    #[must_use]
    pub fn has_entries(&self) -> bool {
        self.folder.join("tile/entries").is_dir()
    }

    pub(super) fn keep(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        put(&self.folder.join(path), bytes)
    }

    /// Removes the partial files that those of a log of `size` entries have replaced since it had `before`.
    pub(super) fn tidy(&self, before: u64, size: u64) -> io::Result<()> {
        let bundles = std::iter::once(("entries".to_owned(), before, size));
        let tiles = levels(size).map(|(level, count)| (level.to_string(), before >> (8 * level), count));
        for (what, before, count) in bundles.chain(tiles).filter(|(_, before, _)| before % WIDTH != 0) {
            let partial = Span { index: before / WIDTH, width: WIDTH }.path(&what) + ".p";
            let kept = (count / WIDTH == before / WIDTH).then(|| (count % WIDTH).to_string());
            let folder = self.folder.join(partial);
            let files = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                files => files.map_err(named(&folder))?,
            };
            for file in files {
                let path = file.map_err(named(&folder))?.path();
                if kept.is_none() || path.file_name().and_then(|name| name.to_str()) != kept.as_deref() {
                    fs::remove_file(&path).map_err(named(&path))?;
                }
            }
        }
        Ok(())
    }
}

/// The first `wanted` of the `width` hashes that a tile must have; none if it has another length.
pub(super) fn hashes(bytes: &[u8], width: u64, wanted: u64) -> Option<Vec<[u8; 32]>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let whole = rest.is_empty() && hashes.len() as u64 == width && wanted <= width;
    whole.then(|| hashes[..usize::try_from(wanted).expect("at most 256")].to_vec())
}
