//! What the three nodes tell clients of their keys, as each told of it last.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::{Connection, LinkError, Peers, Remote};
use crate::party::Party;
use crate::wire::peer::v1::frame::Kind;
use crate::wire::v1::Node;

/// How long clients wait for a node that draws new keys.
const DRAWING: Duration = Duration::from_secs(2);

impl Peers {
    /// The keys for clients of all three nodes; of none while one of the three links is down, or has keys only whose time is over:
    /// a node that was down for days draws new ones as soon as it knows the time.
    pub fn nodes(&self) -> Option<Vec<Node>> {
        let node =
            |party: Party| if party == self.own.party { Some(self.node.borrow().clone()) } else { self.node(party) };
        let now = self.clocks.known();
        let lives = |node: &Node| node.envelope_keys.iter().any(|key| now < key.until);
        if self.is_ready() { Party::ALL.into_iter().map(|party| node(party).filter(lives)).collect() } else { None }
    }

    /// The same; waits a moment for keys that live.
    pub(super) async fn living_nodes(&self) -> Option<Vec<Node>> {
        let lives = async {
            loop {
                let told = self.told.notified();
                match self.nodes() {
                    None if self.is_ready() => told.await,
                    nodes => return nodes,
                }
            }
        };
        timeout(DRAWING, lives).await.ok().flatten()
    }

    /// Another node's keys for clients, as it told of them last; none while its link is down.
    pub fn node(&self, party: Party) -> Option<Node> {
        self.link(party).ok().map(|link| link.node())
    }

    /// Tells both peers, and whoever asks, of other keys for clients.
    pub fn announce(&self, node: Node) {
        self.node.send_replace(node);
        self.told.notify_waiters();
    }

    /// Tells a peer of this node's keys for clients whenever they are others than it was told; ends with the link.
    pub(super) async fn tell_of_keys(connection: &Connection, mut node: watch::Receiver<Node>) {
        while node.changed().await.is_ok() {
            let now = node.borrow_and_update().clone();
            if connection.say(Kind::Node(now)).await.is_err() {
                return;
            }
        }
    }

    /// Whether a peer's keys for clients are signed by its pinned identity.
    pub(super) fn believe(&self, node: &Node, remote: &Remote) -> Result<(), LinkError> {
        let signed = crate::wire::verify_node(node, remote.party, &self.own.deployment, &remote.identity);
        signed.map_err(|_| LinkError::Node)
    }
}
