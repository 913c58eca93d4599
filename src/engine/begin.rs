//! When a batch may begin: links that are up, stores that are in step, and nothing that must not be disturbed.

use std::time::{Duration, Instant};

use tokio::sync::RwLockReadGuard;
use tokio::time::timeout;

use super::Engine;
use super::batch::Batch;
use super::door::Checked;
use super::refusal::{Cause as _, OutOfStep, Refusal};
use crate::peer::{BatchId, Links, NoWord, Peers, RECONNECT};
use crate::request::Method;
use crate::timings::Phase;
use crate::wire::peer::v1 as wire;

/// How long new batches are held back for those under way to end, so that the links can be shaken anew: a search may take longer.
const BETWEEN_BATCHES: Duration = Duration::from_secs(2);

/// What a batch under way holds.
pub(super) struct Held<'e> {
    /// The links are shaken anew, and a helper is let go, while nobody holds it.
    _under_way: RwLockReadGuard<'e, ()>,
    /// Of changes: from before the proposal to after the decision, see `Settle::decide`.
    _deciding: Option<RwLockReadGuard<'e, ()>>,
}

impl Engine {
    /// A batch of these requests, with links to run it over. What comes third is held as long as it is under way.
    pub(super) async fn begin(
        &self,
        requests: &[(wire::Relayed, Checked)],
    ) -> Result<(Batch, Method, Held<'_>), Refusal> {
        let method = requests.first().map_or(Method::Verify, |(_, checked)| checked.method());
        let begin = Instant::now();
        let id: BatchId = self.draw();
        let peers = self.peers()?;
        let (links, held) = self.hold(&peers, method).await?;
        let mail = peers.mailbox(id, &links);
        let batch = Batch::new(id, links, mail, self.now()?);
        batch.stopwatch.since(Phase::Queue, begin);
        Ok((batch, method, held))
    }

    /// Links, once they are up, and what keeps them so. Nothing is held while they are waited for: who shakes them anew, settles what a
    /// helper was left with, or lets a helper go, must not wait for who waits.
    async fn hold(&self, peers: &Peers, method: Method) -> Result<(Links, Held<'_>), Refusal> {
        let changes = !matches!(method, Method::Verify | Method::Search);
        let mut lost = None;
        for _ in 0..2 {
            peers.soon().await;
            let under_way = self.turn(peers).await?;
            let deciding = if changes { Some(self.deciding.read().await) } else { None };
            match peers.links() {
                Ok(links) => return Ok((links, Held { _under_way: under_way, _deciding: deciding })),
                // One that is just being lost is waited for once.
                Err(no_word) => lost = Some(no_word),
            }
        }
        Err(lost.unwrap_or(NoWord::Gone(self.party)).at(self.party))
    }

    /// The right to begin a batch. While a helper is waited for that is being stopped, nobody has it for long.
    async fn turn(&self, peers: &Peers) -> Result<RwLockReadGuard<'_, ()>, Refusal> {
        if let Ok(turn) = timeout(RECONNECT, self.under_way.read()).await {
            return Ok(turn);
        }
        match peers.leaving() {
            Some(party) => Err(NoWord::Leaving(party).at(self.party)),
            None => Ok(self.under_way.read().await),
        }
    }

    /// Shakes the links anew between two batches. False if a batch was under way for too long; what waited goes on then.
    pub async fn renew_links(&self) -> bool {
        let Ok(peers) = self.peers() else { return true };
        let between = timeout(BETWEEN_BATCHES, self.under_way.write()).await;
        if between.is_ok() {
            peers.renew().await;
        }
        between.is_ok()
    }

    /// Whether all three stores are in step; whoever stands in one of them can be erased in any case.
    pub(super) fn in_step<'r>(&self, requests: impl IntoIterator<Item = &'r wire::Relayed>) -> Result<(), Refusal> {
        let is_erasure = |request: &wire::Relayed| matches!(request.request, Some(wire::relayed::Request::Erase(_)));
        match self.linked().and_then(|peers| peers.behind()) {
            Some(party) if !requests.into_iter().all(is_erasure) => Err(OutOfStep.at(party)),
            Some(_) | None => Ok(()),
        }
    }
}
