//! Whether the three stores are in step: one that is empty, or an older copy, is told from the others before anything is done with it.
//!
//! Each node hears how many changes the two others have made, and looks whether its own store has lost some (`store/stand.rs`): that can
//! not seem so by crashes, by changes that are under way, or by sweeps. What it finds it tells both, as it tells of its links.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use super::Peers;
use crate::party::Party;

/// What a node says of its own store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Both others have told how far theirs are.
    pub(super) compared: bool,
    /// Changes that it has lost.
    pub(super) lacks: u64,
}

impl Word {
    const fn is_behind(self) -> bool {
        self.lacks > 0
    }
}

impl Peers {
    /// A node whose store lacks what others hold, by its own word. While there is one, people are erased, and nothing else is done.
    #[must_use]
    pub fn behind(&self) -> Option<Party> {
        if self.step.borrow().is_behind() {
            return Some(self.own.party);
        }
        let is_behind = |party: &Party| self.link(*party).is_ok_and(|link| link.step().is_behind());
        self.remotes.iter().map(|remote| remote.party).find(is_behind)
    }

    /// Waits until all three nodes can work together, and all three stores are in step.
    pub async fn fit(&self) {
        // The sender lives as long as self.
        let _ = self.fit.subscribe().wait_for(|fit| *fit).await;
    }

    /// Waits until that is not so.
    pub async fn unfit(&self) {
        let _ = self.fit.subscribe().wait_for(|fit| !fit).await;
    }

    /// A peer tells how many changes its store has made.
    pub(super) fn hear_of_store(&self, peer: Party, made: u64) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)[peer.index()] = Some(made);
    }

    /// A peer tells how its own store stands.
    pub(super) fn hear_of_step(peer: Party, before: Word, now: Word) {
        if now.is_behind() && !before.is_behind() {
            tracing::error!(
                %peer,
                "node {peer} reports that its store lacks {} changes that others have: until its operator has acted, people are erased, \
                 and nothing else is served",
                now.lacks
            );
        } else if before.is_behind() && !now.is_behind() {
            tracing::info!(%peer, "the store of node {peer} has caught up");
        }
    }

    /// Looks anew whether this node's own store has lost anything.
    pub(super) fn compare_stores(&self) {
        let told = *self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let others = || self.remotes.iter().map(|remote| (remote.party, told[remote.party.index()]));
        let stand = self.settle.stand();
        let most = others().filter_map(|(party, made)| Some((made?, party))).max();
        let now = Word {
            compared: others().all(|(_, made)| made.is_some()),
            lacks: most.map_or(0, |(made, _)| stand.lacks(made)),
        };
        let mut before = Word::default();
        self.step.send_if_modified(|step| {
            before = std::mem::replace(step, now);
            before != now
        });
        if let Some((made, party)) = most.filter(|_| now.is_behind()) {
            if self.own.accept_store && now.compared && !self.catching_up.swap(true, Ordering::Relaxed) {
                self.catch_up(made);
            } else if !before.is_behind() && !self.own.accept_store {
                let what = if stand.made == 0 { "is empty" } else { "is an older copy" };
                tracing::error!(
                    peer = %party, lacks = now.lacks,
                    "the store of this node {what}: node {party} has made {made} changes, and {} of them are not in it. People are \
                     erased at all nodes, and nothing else is served. Stop this node and put its latest store back; if that is lost, \
                     start it once with --accept-store, and have those whom this store lacks erased and enrolled again",
                    now.lacks
                );
            }
        } else if before.is_behind() {
            tracing::info!("the store of this node is complete");
        }
    }

    /// The operator says that what is lost is lost.
    fn catch_up(&self, made: u64) {
        let settle = std::sync::Arc::clone(&self.settle);
        tokio::spawn(async move {
            while !settle.catch_up(made).await {
                sleep(Duration::from_secs(1)).await;
            }
            tracing::warn!(
                "the store of this node is accepted as it is: subjects that it lost must be erased and enrolled again before they can be \
                 compared"
            );
        });
    }
}
