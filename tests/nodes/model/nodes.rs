//! Three real nodes, each in a runtime of its own: one of them can be stopped, or torn down in the middle of what it does.

use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tumar::node::{Config, Node};
use tumar::party::Party;

use super::clocks;
use crate::support::cluster::Files;

/// How long three nodes may take to find each other.
const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    node: Node,
    runtime: Runtime,
}

/// The files of an installation, and those of its nodes that run.
pub(crate) struct Nodes {
    pub(crate) files: Files,
    running: [Option<Running>; 3],
}

impl Nodes {
    /// Files for three nodes, none of which runs.
    pub(crate) fn new(files: Files) -> Self {
        Self { files, running: [None, None, None] }
    }

    pub(crate) fn start_all(&mut self) -> Result<(), String> {
        Party::ALL.into_iter().try_for_each(|party| self.start(party))?;
        self.ready()
    }

    pub(crate) fn stop_all(&mut self) -> Result<(), String> {
        Party::ALL.into_iter().try_for_each(|party| self.stop(party))
    }

    /// Starts a node on the files that its predecessor left.
    pub(crate) fn start(&mut self, party: Party) -> Result<(), String> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let config = Config::read(&self.files.node(party).join("node.toml")).unwrap();
            match runtime.block_on(tumar::node::start(config, clocks::of(party))) {
                Ok(node) => {
                    self.running[party.index()] = Some(Running { node, runtime });
                    return Ok(());
                }
                // What was torn down holds its port and its store until the last of its threads has ended.
                Err(error) if Instant::now() > deadline => {
                    return Err(format!("a node does not start: {party}: {error:?}"));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Stops a node as an operator does.
    pub(crate) fn stop(&mut self, party: Party) -> Result<(), String> {
        let Some(Running { node, runtime }) = self.running[party.index()].take() else { return Ok(()) };
        let stopped = runtime.block_on(async { timeout(PATIENCE, node.stop()).await });
        runtime.shutdown_timeout(PATIENCE);
        match stopped {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("a node does not stop cleanly: {party}: {error:?}")),
            Err(_) => Err(format!("a node does not stop: {party}")),
        }
    }

    /// Tears a node down wherever it is: no task of it goes on, nothing is drained, nothing is told to anybody.
    pub(crate) fn kill(&mut self, party: Party) {
        if let Some(Running { node, runtime }) = self.running[party.index()].take() {
            runtime.shutdown_timeout(PATIENCE);
            drop(node);
        }
    }

    /// Waits until each of the three says that all links are up.
    pub(crate) fn ready(&self) -> Result<(), String> {
        for (party, running) in Party::ALL.into_iter().zip(&self.running) {
            let Some(Running { node, runtime }) = running else { return Err(format!("a node does not run: {party}")) };
            let ready = runtime.block_on(async { timeout(PATIENCE, node.ready()).await });
            ready.map_err(|_| format!("a node does not become ready: {party}"))?;
        }
        Ok(())
    }
}

/// A test that failed leaves no node behind.
impl Drop for Nodes {
    fn drop(&mut self) {
        for party in Party::ALL {
            self.kill(party);
        }
    }
}
