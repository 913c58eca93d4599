//! What the links ask of this node when a pair connects: changes that were left in doubt, logs that must go on, and when nothing is
//! under way.

use std::sync::Arc;

use tokio::sync::RwLock;

use super::changes::Changes;
use crate::clocks::Clocks;
use crate::log::access::AccessLog;
use crate::log::continuity::{ContinuityError, Gap};
use crate::log::note::log_name;
use crate::log::witness::Witness;
use crate::name::Deployment;
use crate::party::Party;
use crate::peer::{LinkError, Settle};
use crate::store::{ChangeId, Stand, StoreError};

/// Answers the links. It holds none itself: a circle would keep a node's store and galleries after its end.
pub(super) struct Settlement {
    pub(super) changes: Arc<Changes>,
    pub(super) log: AccessLog,
    pub(super) deployment: Deployment,
    /// What this node cosigned of the others' logs, if it cosigns.
    pub(super) witness: Option<Arc<Witness>>,
    pub(super) clocks: Arc<Clocks>,
    /// Read by each batch under way at the leader.
    pub(super) under_way: Arc<RwLock<()>>,
}

#[tonic::async_trait]
impl Settle for Settlement {
    async fn undecided(&self) -> Result<Vec<[u8; 32]>, LinkError> {
        let undecided = self.changes.undecided().await.map_err(unsettled)?;
        Ok(undecided.into_iter().map(|change| change.0).collect())
    }

    async fn decide(&self, changes: &[[u8; 32]]) -> Result<Vec<bool>, LinkError> {
        let changes: Vec<_> = changes.iter().copied().map(ChangeId).collect();
        self.changes.decide_now(&changes).await.map_err(unsettled)
    }

    async fn conclude(&self, changes: &[[u8; 32]], commit: &[bool]) -> Result<(), LinkError> {
        let decided: Vec<_> = changes.iter().copied().map(ChangeId).zip(commit.iter().copied()).collect();
        self.changes.conclude(decided.into_iter(), self.clocks.known()).await.map_err(unsettled)
    }

    async fn cosigned(&self, peer: Party) -> Result<Vec<String>, LinkError> {
        let Some(witness) = self.witness.clone() else { return Ok(Vec::new()) };
        let log = log_name(&self.deployment, peer);
        let read = tokio::task::spawn_blocking(move || witness.cosigned(&log)).await;
        let read = read.map_err(|error| LinkError::Uncompared(error.to_string()))?;
        read.map_err(|error| LinkError::Uncompared(format!("what this node cosigned: {error}")))
    }

    async fn continues(&self, checkpoints: Vec<String>) -> Result<Option<Gap>, LinkError> {
        let log = self.log.clone();
        let compared = tokio::task::spawn_blocking(move || log.continues(&checkpoints)).await;
        match compared.map_err(|error| LinkError::Uncompared(error.to_string()))? {
            Ok(()) => Ok(None),
            Err(ContinuityError::Gap(gap)) => Ok(Some(gap)),
            Err(error @ (ContinuityError::Note(_) | ContinuityError::Files(..))) => {
                Err(LinkError::Uncompared(error.to_string()))
            }
        }
    }

    async fn rest(&self) {
        drop(self.under_way.write().await);
    }

    fn stand(&self) -> Stand {
        self.changes.stand()
    }

    async fn catch_up(&self, made: u64) -> bool {
        // Above every position that was given before, had there been a million enrolments in each second.
        let position = self.clocks.known() << 20;
        let written = self.changes.catch_up(made, position).await;
        if let Err(error) = &written {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "--accept-store: the store could not be written; retrying"
            );
        }
        written.is_ok()
    }
}

fn unsettled(_: StoreError) -> LinkError {
    LinkError::Unsettled
}
