//! How a node stops: it says so, takes nothing more in, lets what is under way end, and goes last from its peers.
//!
//! ```text
//! health NOT_SERVING --> public port and port for auditors: GOAWAY, answers that are due
//!                    --> leader: its batches end; helper: the leader lets it go
//!                    --> links down --> log written and published --> store closed
//! ```
//!
//! All of it has one deadline: a reader who takes nothing, or a search of minutes, holds up no restart.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::Node;
use crate::store::StoreError;

/// How long what is under way may take to end: as long as a call may take.
const DRAIN: Duration = crate::client::DEADLINE;

/// How long the links' streams may take to end after that.
const PARTING: Duration = Duration::from_secs(1);

/// What tells a node's parts to stop, each in its turn.
pub(super) struct Stop {
    /// Tasks, and the word to those who ask for the node's health.
    pub(super) tasks: watch::Sender<bool>,
    /// The public port, and that for auditors.
    pub(super) ports: watch::Sender<bool>,
    /// The port for peers.
    pub(super) links: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        let new = || watch::Sender::new(false);
        Self { tasks: new(), ports: new(), links: new() }
    }
}

/// What a node waits for when it stops.
pub(super) struct Servers {
    /// Says that the node does not serve any more.
    pub(super) health: JoinHandle<()>,
    /// The public port, and that for auditors.
    pub(super) ports: Vec<JoinHandle<()>>,
    /// The port for peers.
    pub(super) links: JoinHandle<()>,
    /// What destroys references and keys that have run out: half of it would be left to the next start.
    pub(super) destroying: Vec<JoinHandle<()>>,
}

pub(super) async fn stopped(mut stopping: watch::Receiver<bool>) {
    // Without a sender, the node is gone.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Stops, and leaves no empty store behind that this start made.
pub(super) async fn drain_behind(node: Node) -> Result<(), StoreError> {
    let data = node.reload.config.path(&node.reload.config.data);
    let unused = node.made && node.log.head().0.index == 0 && node.log.halves().len() < 2;
    drain(node).await?;
    if unused {
        let files = ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"].map(|name| data.join(name));
        let gone = files.iter().filter(|file| file.exists()).try_for_each(std::fs::remove_file);
        if let Err(error) = gone.and_then(|()| std::fs::remove_dir_all(data.join("log"))) {
            tracing::warn!(%error, data = %data.display(), "the empty store that this start made could not be taken away");
        }
    }
    Ok(())
}

pub(super) async fn drain(node: Node) -> Result<(), StoreError> {
    let Node { leader, peers, store, log, stop, servers, .. } = node;
    let Servers { health, ports, links, destroying } = servers;
    let until = Instant::now() + DRAIN;
    stop.tasks.send_replace(true);
    // One that panicked is down as well; so are the servers below.
    let _ = health.await;
    leader.stop_taking();
    stop.ports.send_replace(true);
    for mut port in ports {
        if timeout_at(until, &mut port).await.is_err() {
            tracing::warn!("open calls were closed at the deadline of the stop");
            port.abort();
        }
    }
    if timeout_at(until, leader.rest(&peers)).await.is_err() {
        tracing::warn!("batches in progress were aborted at the deadline of the stop");
    }
    peers.close();
    stop.links.send_replace(true);
    // A peer that reads nothing is not waited for.
    let _ = timeout_at(Instant::now() + PARTING, links).await;
    for task in destroying {
        let _ = task.await;
    }
    log.shutdown().await;
    store.close().await
}
