//! `tumar node`: one of the three.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Subscriber;
use tracing_subscriber::layer::{Filter, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, filter::FilterExt, fmt};
use tumar::node::{self, Config, Node, NodeError};

use super::clock;
use super::failure::Failure;
use super::lines::Lines;
use super::quiet::{Quiet, STRETCH};

/// What is said unless somebody asks for more. What HTTP/2 has to say is of callers, and theirs to notice.
const SAID: &str = "info,h2=error";

/// Arguments of `tumar node`.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The node's configuration: DIR/a/node.toml
    #[arg(long)]
    config: PathBuf,
    /// Accept the clock although this node has acted at a later time: once, after correcting a clock that was ahead
    #[arg(long)]
    accept_clock: bool,
    /// Accept the store although it lacks changes of the other nodes: once, after a store is lost for good. Subjects that it
    /// lacks must be erased and enrolled again
    #[arg(long)]
    accept_store: bool,
    /// Check configuration, keys, store, log, clock, addresses and peers, print the result, and exit
    #[arg(long, conflicts_with_all = ["accept_clock", "accept_store"])]
    check: bool,
}

/// Starts a node from its configuration file.
pub(super) async fn start(config: &Path) -> Result<Node, Failure> {
    by(Config::read(config)?).await
}

/// What is written: what is asked for, and not too much of one kind.
pub(super) fn filter_of<S: Subscriber + 'static>(
    quiet: Quiet,
    asked: EnvFilter,
) -> impl Filter<S> + Send + Sync + 'static {
    FilterExt::<S>::and(quiet, asked)
}

async fn by(config: Config) -> Result<Node, Failure> {
    // Boxed: what is opened at a start makes a large future.
    Ok(Box::pin(node::start(config, Arc::new(clock::now))).await?)
}

/// Writes what is traced to standard error, for as long as the lines live: `RUST_LOG` says what.
pub(super) fn say(json: bool) -> Result<Lines, Failure> {
    // What can not be read is told once there is somebody to tell it; without the variable there is nothing to tell.
    let asked = std::env::var_os(EnvFilter::DEFAULT_ENV);
    let read = asked.map(|_| EnvFilter::try_from_default_env()).transpose();
    let (filter, wrong) = match read {
        Ok(filter) => (filter.unwrap_or_else(|| EnvFilter::new(SAID)), None),
        Err(wrong) => (EnvFilter::new(SAID), Some(wrong)),
    };
    let quiet = Quiet::default();
    let lines = Lines::to(std::io::stderr()).map_err(Failure::Runtime)?;
    let log = fmt::layer().with_writer(lines.queue()).with_ansi(std::io::stderr().is_terminal());
    let filter = filter_of(quiet.clone(), filter);
    if json {
        tracing_subscriber::registry().with(log.json().with_filter(filter)).init();
    } else {
        tracing_subscriber::registry().with(log.with_filter(filter)).init();
    }
    if let Some(error) = wrong {
        tracing::warn!(%error, "RUST_LOG is not valid, and {SAID} is used: write it as LEVEL or TARGET=LEVEL, separated by commas");
    }
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(STRETCH).await;
            quiet.tell();
        }
    });
    Ok(lines)
}

impl Run {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        if self.check {
            return super::backup::check(&self.config, json).await;
        }
        // Dropped at the end, when all has been said.
        let _lines = say(json)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
        // From here on it ends no process, be it sent while the node starts.
        let mut again = signal(SignalKind::hangup()).map_err(Failure::Runtime)?;
        node::harden_process();
        node::raise_descriptors();
        let mut config = Config::read(&self.config)?;
        config.accept_clock = self.accept_clock;
        config.accept_store = self.accept_store;
        let node = by(config).await?;
        let behind = loop {
            tokio::select! {
                _ = terminate.recv() => break None,
                _ = interrupt.recv() => break None,
                _ = again.recv() => node.reload(),
                behind = node.fell_behind() => break Some(behind),
            }
        };
        tracing::info!("draining");
        match behind {
            None => {
                node.stop().await?;
                Ok(ExitCode::SUCCESS)
            }
            Some(behind) => {
                node.stop_behind().await?;
                Err(NodeError::from(behind).into())
            }
        }
    }
}
