//! The links to the two other nodes, as the parts of the engine reach them.

use std::sync::{Arc, Weak};

use super::refusal::{Cause as _, OutOfStep, Refusal, distrusted};
use crate::party::Party;
use crate::peer::{PeerUnavailable, Peers};
use crate::protocol::ProtocolError;
use crate::wire::peer::v1 as wire;

/// The links of a node, while it has any. Weak: tasks that wait for requests outlive a node's end, and must not keep its links.
#[derive(Clone)]
pub(super) struct NodeLinks {
    /// Which node has them.
    pub(super) own: Party,
    peers: Weak<Peers>,
}

impl NodeLinks {
    pub(super) fn new(own: Party, peers: &Arc<Peers>) -> Self {
        Self { own, peers: Arc::downgrade(peers) }
    }

    /// The links, unless the node has ended.
    pub(super) fn linked(&self) -> Option<Arc<Peers>> {
        self.peers.upgrade()
    }

    /// The same.
    ///
    /// # Errors
    /// [`Refusal`] if the node has ended.
    pub(super) fn peers(&self) -> Result<Arc<Peers>, Refusal> {
        self.linked().ok_or_else(|| PeerUnavailable::Gone(self.own).at(self.own))
    }

    /// A run broke: why what ran in it ends. After too many, that the peer who broke them is not served with any more.
    pub(super) fn broken(&self, error: &ProtocolError) -> Refusal {
        let breaker = self.linked().and_then(|peers| peers.broke(error));
        breaker.map_or_else(|| error.at(self.own), |peer| Refusal::new(self.own, distrusted(peer)))
    }

    /// A run came to its end.
    pub(super) fn unbroken(&self) {
        if let Some(peers) = self.linked() {
            peers.ended();
        }
    }

    /// Whether all three stores are in step; whoever stands in one of them can be erased in any case.
    ///
    /// # Errors
    /// [`Refusal`], of the node that is behind.
    pub(super) fn in_step<'r>(&self, requests: impl IntoIterator<Item = &'r wire::Relayed>) -> Result<(), Refusal> {
        let is_erasure = |request: &wire::Relayed| matches!(request.request, Some(wire::relayed::Request::Erase(_)));
        match self.linked().and_then(|peers| peers.behind()) {
            Some(party) if !requests.into_iter().all(is_erasure) => Err(OutOfStep.at(party)),
            Some(_) | None => Ok(()),
        }
    }
}
