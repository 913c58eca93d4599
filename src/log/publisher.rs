//! The task that publishes: tiles and checkpoint, within a second of a new entry.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::access::{LogError, Shown, shown};
use super::merkle::{Tree, leaf_hash};
use super::note::VerifierKey;
use super::tiles::{self, TilesError};

/// Half of the second that was promised: the other half is for the disk.
const TICK: Duration = Duration::from_millis(500);

/// Entries that may wait while files cannot be written; then the log halts, for it must not go on unseen.
const BACKLOG: u64 = 65_536;

/// The files, and what they are made of. It has a tree of its own, so that no admission waits for a file.
pub(super) struct Publisher {
    directory: PathBuf,
    files: tiles::Writer,
    tree: Tree,
    /// Entries from `tail_from` on: those of bundles that are not full yet.
    tail: VecDeque<Vec<u8>>,
    tail_from: u64,
}

impl Publisher {
    pub(super) fn open(directory: &Path) -> Result<Self, TilesError> {
        let files = tiles::Writer::open(directory)?;
        let tail_from = files.first_needed();
        Ok(Self { directory: directory.to_owned(), files, tree: Tree::new(), tail: VecDeque::new(), tail_from })
    }

    /// The next durable entry.
    pub(super) fn push(&mut self, entry: Vec<u8>) {
        if self.tree.push(leaf_hash(&entry)) >= self.tail_from {
            self.tail.push_back(entry);
        }
    }

    /// Refuses a tree that does not continue the published one.
    pub(super) fn check(&self, tree: &Tree, key: &VerifierKey) -> Result<(), LogError> {
        let there = match tiles::Reader::new(&self.directory).checkpoint(key) {
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

    fn publish(&mut self, checkpoint: &str) -> Result<(), TilesError> {
        let Self { files, tree, tail, tail_from, .. } = self;
        files.write(tree, |span| within(tail, *tail_from, span), checkpoint)?;
        let needed = files.first_needed();
        tail.drain(..usize::try_from(needed - *tail_from).expect("what is in memory can be counted"));
        *tail_from = needed;
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

pub(super) fn start(publisher: Publisher, shared: Arc<Mutex<Shown>>) -> Publishing {
    let (stop, stopped) = oneshot::channel();
    Publishing { stop, task: tokio::spawn(run(publisher, shared, stopped)) }
}

async fn run(mut publisher: Publisher, shared: Arc<Mutex<Shown>>, mut stopped: oneshot::Receiver<()>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A log without a checkpoint looks like no log, so the first is published even if it is of nothing.
    let mut behind = true;
    loop {
        let last = tokio::select! {
            _ = &mut stopped => true,
            _ = tick.tick() => false,
        };
        let (entries, checkpoint) = {
            let mut shown = shown(&shared);
            let size = shown.tree.size();
            (std::mem::take(&mut shown.unpublished), shown.checkpoint(size).1)
        };
        if !entries.is_empty() || behind {
            for entry in entries {
                publisher.push(entry);
            }
            let written = tokio::task::spawn_blocking(move || {
                let written = publisher.publish(&checkpoint);
                (publisher, written)
            });
            let Ok((back, written)) = written.await else {
                shown(&shared).halted = true;
                return;
            };
            publisher = back;
            behind = written.is_err();
            if let Err(error) = written {
                tracing::error!(error = &error as &dyn std::error::Error, "the access log could not be published");
                let halted = publisher.tree.size() - publisher.files.size() > BACKLOG;
                shown(&shared).halted |= halted;
            }
        }
        if last {
            return;
        }
    }
}
