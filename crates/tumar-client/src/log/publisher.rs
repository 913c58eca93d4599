//! The task that publishes: tiles and checkpoint, within a second of a new entry. Each half-year into a folder of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::access::LogError;
use super::merkle::{Tree, leaf_hash};
use super::note::{NoteError, VerifierKey};
use super::shard::Shard;
use super::state::{LogState, shown};
use super::tiles::{self, Span, TilesError, WIDTH};
use super::trouble::{Told, Trouble};

/// Half of the second that was promised: the other half is for the disk.
const TICK: Duration = Duration::from_millis(500);

/// How often it is told that files still can not be written.
const TOLD: Duration = Duration::from_mins(1);

/// Entries that may wait while files cannot be written; then nothing is admitted until they are, for nothing must go on unseen.
pub(super) const BACKLOG: u64 = 65_536;

/// What stands in the folders: a checkpoint may be replaced by the same one with more signatures, and by nothing else.
#[derive(Debug)]
pub(super) struct PublishedHeads {
    directory: PathBuf,
    /// Held while files are written.
    writing: Mutex<()>,
    /// Held for a moment: whoever asks never waits for a disk.
    notes: Mutex<BTreeMap<Shard, String>>,
    published: watch::Sender<Option<String>>,
    ended: watch::Sender<Option<String>>,
    /// Whether more waits to be published than may.
    behind: watch::Sender<bool>,
    /// What is wrong with the ledger, and with the files.
    pub(super) told: Told,
}

impl PublishedHeads {
    /// Of no half yet: [`Publisher::open`] reads what stands there.
    pub(super) fn new(directory: &Path) -> Arc<Self> {
        let (published, ended) = (watch::Sender::new(None), watch::Sender::new(None));
        let (writing, notes) = (Mutex::default(), Mutex::default());
        let (behind, told, directory) = (watch::Sender::new(false), Told::default(), directory.to_owned());
        Arc::new(Self { directory, writing, notes, published, ended, behind, told })
    }

    pub(super) fn behind(&self) -> watch::Receiver<bool> {
        self.behind.subscribe()
    }

    /// Whether nothing may be admitted, since too much waits to be published.
    pub(super) fn is_behind(&self) -> bool {
        *self.behind.borrow()
    }

    /// Looks anew at how much waits to be published.
    pub(super) fn weigh(&self, shown: &LogState) {
        let notes = self.notes();
        let published = |half: &Shard| notes.get(half).map_or(0, |note| tiles::size_of(note));
        let unseen: u64 =
            shown.logs.iter().map(|(half, shard)| shard.tree.size().saturating_sub(published(half))).sum();
        drop(notes);
        let now = unseen > BACKLOG;
        if self.behind.send_if_modified(|behind| std::mem::replace(behind, now) != now) {
            if now {
                tracing::error!(
                    unseen,
                    "too many entries of the access log wait to be published: requests are refused"
                );
            } else {
                tracing::info!("the access log is published again: requests are admitted");
            }
        }
    }

    pub(super) fn published(&self) -> watch::Receiver<Option<String>> {
        self.published.subscribe()
    }

    /// The last checkpoint of the half-year that ended last.
    pub(super) fn ended(&self) -> watch::Receiver<Option<String>> {
        self.ended.subscribe()
    }

    /// A half-year has ended with this checkpoint, signed by the log alone.
    pub(super) fn end(&self, note: String) {
        self.ended.send_replace(Some(note));
    }

    /// Reads the checkpoint that stands in a half's folder, if there is one.
    pub(super) fn know(&self, half: Shard) -> Result<(), TilesError> {
        if let Some(note) = tiles::note_in(&folder(&self.directory, half))? {
            self.notes().insert(half, note);
        }
        Ok(())
    }

    pub(super) fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notes(&self) -> MutexGuard<'_, BTreeMap<Shard, String>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The halves that have a checkpoint.
    pub(super) fn halves(&self) -> BTreeSet<Shard> {
        self.notes().keys().copied().collect()
    }

    /// Number of entries under the checkpoint that stands in a half's folder.
    pub(super) fn size(&self, half: Shard) -> u64 {
        self.notes().get(&half).map_or(0, |note| tiles::size_of(note))
    }

    /// The checkpoint that stands there, with the signatures that have come.
    pub(super) fn note(&self, half: Shard) -> Option<String> {
        self.notes().get(&half).cloned()
    }

    /// The files of a half-year that was published.
    pub(super) fn files(&self, half: Shard) -> Option<(tiles::Reader, u64)> {
        let size = tiles::size_of(self.notes().get(&half)?);
        Some((tiles::Reader::new(&folder(&self.directory, half)), size))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn replace(&self, note: &str) -> Result<bool, TilesError> {
        let origin = note.lines().next().and_then(|origin| origin.rsplit_once('/'));
        let Some(half) = origin.and_then(|(_, half)| half.parse::<Shard>().ok()) else { return Ok(false) };
        let _writing = self.writing();
        // The text ends where the signatures begin.
        let text = |note: &str| note.rsplit_once("\n\n").map(|(text, _)| text.to_owned());
        if self.note(half).and_then(|standing| text(&standing)) != text(note) {
            return Ok(false);
        }
        tiles::put_checkpoint(&folder(&self.directory, half), note)?;
        self.notes().insert(half, note.to_owned());
        Ok(true)
    }
}

fn folder(directory: &Path, half: Shard) -> PathBuf {
    directory.join(half.to_string())
}

/// The files of the half that is written, and what they are made of. It has a tree of its own, so that no admission waits for a file.
pub(super) struct Publisher {
    half: Shard,
    files: tiles::Writer,
    tree: Tree,
    /// Entries from `tail_from` on: those of bundles that are not full yet.
    tail: VecDeque<Vec<u8>>,
    tail_from: u64,
    /// Durable entries that are not in the tree yet.
    waiting: VecDeque<(Shard, Vec<u8>)>,
    standing: Arc<PublishedHeads>,
}

impl Publisher {
    /// A checkpoint that is not sound is as good as none.
    pub(super) fn open(standing: &Arc<PublishedHeads>, half: Shard, is_sound: bool) -> Result<Self, TilesError> {
        let folder = folder(&standing.directory, half);
        let files = if is_sound { tiles::Writer::open(&folder)? } else { tiles::Writer::anew(&folder)? };
        let tail_from = files.first_needed();
        if is_sound {
            standing.know(half)?;
        }
        let (tree, tail, waiting) = (Tree::new(), VecDeque::new(), VecDeque::new());
        Ok(Self { half, files, tree, tail, tail_from, waiting, standing: Arc::clone(standing) })
    }

    fn folder(&self) -> PathBuf {
        folder(&self.standing.directory, self.half)
    }

    pub(super) const fn half(&self) -> Shard {
        self.half
    }

    /// Entries that are published.
    pub(super) fn size(&self) -> u64 {
        self.files.size()
    }

    /// The first hashes, from the files: of entries that nobody keeps any more.
    pub(super) fn leaves(&self, count: u64) -> Result<Vec<[u8; 32]>, TilesError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        tiles::Reader::new(&self.folder()).leaves(count, self.files.size())
    }

    pub(super) fn push_leaf(&mut self, leaf: [u8; 32]) {
        self.tree.push(leaf);
    }

    /// The next durable entry.
    pub(super) fn push(&mut self, entry: Vec<u8>) {
        if self.tree.push(leaf_hash(&entry)) >= self.tail_from {
            self.tail.push_back(entry);
        }
    }

    /// Refuses a tree that does not continue the published one.
    pub(super) fn check(&self, tree: &Tree, key: &VerifierKey) -> Result<(), LogError> {
        let there = match tiles::Reader::new(&self.folder()).checkpoint(key) {
            Ok(there) => there,
            Err(TilesError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match tree.root(there.size) {
            Err(_) => Err(LogError::Lost { published: there.size, durable: tree.size() }),
            Ok(root) if root != there.root => Err(LogError::Forked { published: there.size }),
            Ok(_) => Ok(()),
        }
    }

    /// A damaged checkpoint is written anew, if the store has all that the published hashes show; else it is told what is wrong with it.
    pub(super) fn replace(&self, damage: TilesError, tree: &Tree) -> Result<(), LogError> {
        if tree.size() == 0 || !covered(&self.folder(), tree)? {
            return Err(damage.into());
        }
        let (path, error) = (self.folder().join("checkpoint"), &damage as &dyn std::error::Error);
        tracing::error!(path = %path.display(), error, "this file is damaged and is rewritten from the store");
        Ok(())
    }

    /// Publishes what waits under these checkpoints, each half's, in order. If this fails, do it again with newer ones.
    pub(super) fn publish(&mut self, checkpoints: &[(Shard, String)]) -> Result<(), TilesError> {
        for (half, note) in checkpoints {
            // Back only from a half without an entry, which a clock that was ahead began.
            if *half > self.half || (*half < self.half && self.tree.size() == 0) {
                self.begin(*half)?;
            }
            while self.waiting.front().is_some_and(|(of, _)| of == half) {
                let (_, entry) = self.waiting.pop_front().expect("looked at just now");
                self.push(entry);
            }
            if *half == self.half {
                self.write(note)?;
                if checkpoints.last().is_some_and(|(last, _)| last > half) {
                    self.standing.end(note.clone());
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, half: Shard) -> Result<(), TilesError> {
        self.files = tiles::Writer::open(&folder(&self.standing.directory, half))?;
        self.half = half;
        self.tree = Tree::new();
        self.tail.clear();
        self.tail_from = 0;
        Ok(())
    }

    fn write(&mut self, note: &str) -> Result<(), TilesError> {
        let Self { files, tree, tail, tail_from, .. } = self;
        let writing = self.standing.writing();
        files.write(tree, |span| within(tail, *tail_from, span), note)?;
        self.standing.notes().insert(self.half, note.to_owned());
        drop(writing);
        let needed = files.first_needed();
        tail.drain(..usize::try_from(needed - *tail_from).expect("what is in memory can be counted"));
        *tail_from = needed;
        self.standing.published.send_replace(Some(note.to_owned()));
        Ok(())
    }
}

fn within(tail: &VecDeque<Vec<u8>>, from: u64, span: Range<u64>) -> io::Result<Vec<Vec<u8>>> {
    let place = |index: u64| index.checked_sub(from).and_then(|place| usize::try_from(place).ok());
    match (place(span.start), place(span.end)) {
        (Some(start), Some(end)) if end <= tail.len() => Ok(tail.range(start..end).cloned().collect()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// What is wrong with the checkpoint of a half, if one is there and is not what the log signed.
pub(super) fn damage(
    standing: &PublishedHeads,
    half: Shard,
    key: &VerifierKey,
) -> Result<Option<TilesError>, TilesError> {
    match tiles::Reader::new(&folder(&standing.directory, half)).checkpoint(key) {
        Ok(_) => Ok(None),
        Err(TilesError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // Another key's, or another log's: that is no damage, and nothing is written over it.
        Err(foreign @ TilesError::Checkpoint(NoteError::Unsigned | NoteError::Origin)) => Err(foreign),
        // Text that is no text is damaged as well.
        Err(TilesError::Io(error)) if error.kind() != io::ErrorKind::InvalidData => Err(error.into()),
        Err(damage) => Ok(Some(damage)),
    }
}

/// The running task.
pub(super) struct Publishing {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Publishing {
    /// Publishes what is left, and ends.
    pub(super) async fn finish(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("the publisher of the access log has failed");
        }
    }
}

pub(super) fn start(publisher: Publisher, shared: Arc<Mutex<LogState>>) -> Publishing {
    let (stop, stopped) = oneshot::channel();
    Publishing { stop, task: tokio::spawn(run(publisher, shared, stopped)) }
}

async fn run(mut publisher: Publisher, shared: Arc<Mutex<LogState>>, mut stopped: oneshot::Receiver<()>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A log without a checkpoint looks like no log, so the first is published even if it is of nothing.
    let mut behind = true;
    let mut told = None;
    loop {
        let last = tokio::select! {
            _ = &mut stopped => true,
            _ = tick.tick() => false,
        };
        let checkpoints = {
            let mut shown = shown(&shared);
            let from = publisher.half.min(shown.current());
            publisher.waiting.extend(std::mem::take(&mut shown.unpublished));
            let sizes: Vec<_> = shown.logs.range(from..).map(|(half, shard)| (*half, shard.tree.size())).collect();
            sizes
                .into_iter()
                .filter_map(|(half, size)| Some((half, shown.checkpoint(half, size)?.1)))
                .collect::<Vec<_>>()
        };
        let turned = checkpoints.last().is_some_and(|(half, _)| *half != publisher.half);
        if !publisher.waiting.is_empty() || turned || behind {
            let written = tokio::task::spawn_blocking(move || {
                let written = publisher.publish(&checkpoints);
                (publisher, written)
            });
            let Ok((back, written)) = written.await else {
                shown(&shared).halted = true;
                return;
            };
            publisher = back;
            behind = written.is_err();
            publisher.standing.weigh(&shown(&shared));
            tell(&publisher.standing, written.as_ref().err(), &mut told);
        }
        if last {
            return;
        }
    }
}

/// When publishing fails, once a minute while it does, and when it goes on.
fn tell(standing: &PublishedHeads, error: Option<&TilesError>, last: &mut Option<Instant>) {
    let trouble =
        error.map(|error| if let TilesError::Io(error) = error { Trouble::of(error) } else { Trouble::Unwritable });
    let is_new = standing.told.files(trouble);
    if !is_new && (error.is_none() || last.is_some_and(|last| last.elapsed() < TOLD)) {
        return;
    }
    *last = error.map(|_| Instant::now());
    if let Some(error) = error {
        let (error, folder): (&dyn std::error::Error, _) = (error, standing.directory.display());
        tracing::error!(error, %folder, "the access log can not be published: retrying, nothing is served meanwhile");
    } else {
        tracing::info!("the access log is published again");
    }
}

/// Whether all hashes of leaves that stand in a directory are a tree's.
fn covered(directory: &Path, tree: &Tree) -> Result<bool, TilesError> {
    for index in 0.. {
        let full = directory.join(Span { index, width: WIDTH }.path("0"));
        let partial = directory.join(format!("tile/0/{}.p", tiles::number(index)));
        let mut files = Vec::new();
        if full.is_file() {
            files.push((full, WIDTH));
        } else if partial.is_dir() {
            for file in fs::read_dir(partial)? {
                let file = file?.path();
                let width = file.file_name().and_then(|name| name.to_str()?.parse().ok());
                files.extend(width.map(|width| (file, width)));
            }
        } else {
            break;
        }
        for (file, width) in files {
            let span = Span { index, width };
            if span.range().end > tree.size() || fs::read(file)? != tiles::hashes(tree, 0, span).as_flattened() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
