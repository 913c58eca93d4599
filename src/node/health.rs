//! Whether a node serves, for balancers and operators who ask by the usual interface (`grpc.health.v1`).

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::timeout;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::stop::stopped;
use crate::peer::{Peers, RECONNECT};
use crate::service::Matching;
use crate::wire::v1::matching_service_server::MatchingServiceServer;

/// The node as a whole, and what clients call: they go together, since a node alone, or two, can do nothing.
const NAMES: [&str; 2] = ["", <MatchingServiceServer<Matching> as tonic::server::NamedService>::NAME];

/// Serving while all three links are up, the clocks agree and the stores are in step, or the links are just being shaken anew, and the
/// log is published: one that nobody can see takes nothing in. Not any more, and the streams of those who watch end, once the node is
/// told to stop: that is said before anything else of it is done.
pub(super) async fn report(
    mut health: HealthReporter,
    peers: Arc<Peers>,
    behind: watch::Receiver<bool>,
    stopping: watch::Receiver<bool>,
) {
    tokio::select! {
        () = follow(&health, &peers, behind) => {}
        () = stopped(stopping) => {}
    }
    set(&health, ServingStatus::NotServing).await;
    for name in NAMES {
        health.clear_service_status(name).await;
    }
}

async fn follow(health: &HealthReporter, peers: &Peers, mut behind: watch::Receiver<bool>) {
    loop {
        set(health, ServingStatus::NotServing).await;
        peers.fit().await;
        // Without a sender, the node is gone.
        if behind.wait_for(|behind| !behind).await.is_err() {
            return;
        }
        set(health, ServingStatus::Serving).await;
        let apart = async {
            peers.unfit().await;
            while peers.may_be_shaken() && timeout(RECONNECT, peers.fit()).await.is_ok() {
                peers.unfit().await;
            }
        };
        tokio::select! {
            () = apart => {}
            _ = behind.wait_for(|behind| *behind) => {}
        }
    }
}

async fn set(health: &HealthReporter, status: ServingStatus) {
    for name in NAMES {
        health.set_service_status(name, status).await;
    }
}
