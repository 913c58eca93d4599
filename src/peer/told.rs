//! What the three nodes tell clients of their keys, as each told of it last.

use tokio::sync::watch;

use super::{Connection, LinkError, Peers, Remote};
use crate::party::Party;
use crate::wire::peer::v1::frame::Kind;
use crate::wire::v1::Node;

impl Peers {
    /// The keys for clients of all three nodes; of none while one of the three links is down.
    pub fn nodes(&self) -> Option<Vec<Node>> {
        let node =
            |party: Party| if party == self.own.party { Some(self.node.borrow().clone()) } else { self.node(party) };
        if *self.whole.borrow() { Party::ALL.into_iter().map(node).collect() } else { None }
    }

    /// Another node's keys for clients, as it told of them last; none while its link is down.
    pub fn node(&self, party: Party) -> Option<Node> {
        self.link(party).ok().map(|link| link.node())
    }

    /// Tells both peers, and whoever asks, of other keys for clients.
    pub fn announce(&self, node: Node) {
        self.node.send_replace(node);
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
