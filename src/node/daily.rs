//! What is done from time to time: envelope keys begin and end, of which clients are told, links are shaken anew, what has expired is
//! swept, and published files are looked at.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::Config;
use super::stop::stopped;
use crate::engine::{KeyRing, Leader, Sweeper, ToldKey};
use crate::log::access::AccessLog;
use crate::log::note::{SigningKey, VerifierKey};
use crate::name::Deployment;
use crate::peer::Peers;
use crate::seal::SUITE;
use crate::wire::{sign_node, v1};

/// Between two looks at the keys' times, at most; keys that live for seconds, as in a trial, are looked at each second.
const LOOK: Duration = Duration::from_secs(30);

/// All that a node tells but its envelope keys, and what signs it.
pub(super) struct Card {
    node: v1::Node,
    deployment: Deployment,
    identity: Arc<SigningKey>,
}

impl Card {
    pub(super) fn new(config: &Config, identity: Arc<SigningKey>, log_key: &VerifierKey, context: [u8; 32]) -> Self {
        let node = v1::Node {
            party: v1::Party::from(config.party).into(),
            identity_key: identity.public().to_vec(),
            log_key: log_key.to_string(),
            envelope_keys: Vec::new(),
            suite: SUITE.to_owned(),
            context_digest: context.to_vec(),
            signature: Vec::new(),
        };
        Self { node, deployment: config.deployment.clone(), identity }
    }

    /// With these envelope keys, signed.
    pub(super) fn node(&self, keys: &[ToldKey]) -> v1::Node {
        let told = |ToldKey { key, until }: &ToldKey| v1::EnvelopeKey {
            id: key.id().as_bytes().to_vec(),
            public_key: key.as_bytes().to_vec(),
            until: *until,
        };
        let mut node = v1::Node { envelope_keys: keys.iter().map(told).collect(), ..self.node.clone() };
        sign_node(&mut node, &self.deployment, &self.identity);
        node
    }
}

/// Lets envelope keys begin and end in their time, and tells of it.
pub(super) async fn rotate(
    (keys, peers): (Arc<KeyRing>, Arc<Peers>),
    card: Card,
    life: Duration,
    stopping: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval((life / 16).clamp(Duration::from_secs(1), LOOK));
    let stopped = stopped(stopping);
    tokio::pin!(stopped);
    // Before, a node does not know the time; from then on what is due is done at once.
    tokio::select! {
        () = peers.ready() => {}
        () = &mut stopped => return,
    }
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = &mut stopped => return,
        }
        match keys.rotate().await {
            Ok(true) => peers.announce(card.node(&keys.told())),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the envelope keys could not be rotated"),
        }
    }
}

/// How often it is tried to shake the links anew while batches are under way; a search ends within minutes.
const TRIES: u32 = 20;

/// Between two such tries.
const AGAIN: Duration = Duration::from_secs(30);

/// At the leader: has the links shaken anew when they have been up for long enough. By the clock that no one sets.
pub(super) async fn renew(leader: Arc<Leader>, life: Duration, stopping: watch::Receiver<bool>) {
    let stopped = stopped(stopping);
    tokio::pin!(stopped);
    loop {
        let renewal = async {
            tokio::time::sleep(life).await;
            for _ in 0..TRIES {
                if leader.renew_links().await {
                    tracing::info!("the links were renewed");
                    return;
                }
                tokio::time::sleep(AGAIN).await;
            }
            // Each node hangs up by itself before long.
            tracing::warn!("the links were not renewed: batches did not end in time");
        };
        tokio::select! {
            () = renewal => {}
            () = &mut stopped => return,
        }
    }
}

/// Between two sweeps of what has expired.
const SWEEP: Duration = Duration::from_mins(1);

/// Each minute, and as soon as that is possible.
pub(super) async fn sweep(sweeper: Sweeper, peers: Arc<Peers>, stopping: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stopped = stopped(stopping);
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = async { ticks.tick().await; peers.ready().await } => {}
            () = &mut stopped => return,
        }
        if let Err(error) = sweeper.sweep().await {
            tracing::error!(%error, "a sweep failed");
        }
    }
}

/// Between two looks at the published files.
const SCRUB: Duration = Duration::from_hours(24);

/// At the start and daily: holds the published files against the store. What is wrong with them keeps nobody from being served: they are
/// for auditors, who see it as well.
pub(super) async fn scrub(log: AccessLog, stopping: watch::Receiver<bool>) {
    let stopped = stopped(stopping);
    tokio::pin!(stopped);
    loop {
        let look = async {
            match log.scrub().await {
                Ok(found) => {
                    for path in found.mended.iter().map(|path| path.display()) {
                        tracing::error!(%path, "a published file was damaged or missing and was rewritten from the store: check the disk");
                    }
                    for path in found.broken.iter().map(|path| path.display()) {
                        tracing::error!(
                            %path,
                            "a published file is damaged, and the store does not have what it held any more: put it back from an \
                             auditor's mirror or a backup"
                        );
                    }
                    tracing::info!(files = found.files, "the published files were checked against the store");
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "the published files could not be checked against the store");
                }
            }
        };
        tokio::select! {
            () = look => {}
            () = &mut stopped => return,
        }
        tokio::select! {
            () = tokio::time::sleep(SCRUB) => {}
            () = &mut stopped => return,
        }
    }
}
