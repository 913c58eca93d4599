//! Whether each node can write its access log: with one that can not, nothing is begun, and callers are told which and why.

use super::Peers;
use super::unavailable::PeerUnavailable;
use crate::log::trouble::Trouble;
use crate::party::Party;
use crate::wire::peer::v1 as wire;

impl Peers {
    /// What is wrong with this node's log by now. When nothing is any more, the links are shaken anew, so that changes whose end could
    /// not be written are settled.
    pub fn set_trouble(&self, trouble: Option<Trouble>) {
        let mut before = None;
        self.trouble.send_if_modified(|now| {
            before = std::mem::replace(now, trouble);
            before != trouble
        });
        self.judge();
        if before.is_some() && trouble.is_none() {
            self.hang_up();
        }
    }

    /// Whether this node can write its log.
    pub(super) fn may_write(&self) -> Result<(), PeerUnavailable> {
        let trouble = *self.trouble.borrow();
        trouble.map_or(Ok(()), |trouble| Err(PeerUnavailable::Unfit(self.own.party, trouble)))
    }

    /// Which node can not write its log, and why: this one, or a peer by its own word.
    pub fn unwritable(&self) -> Option<PeerUnavailable> {
        let peers = self.remotes.iter().map(|remote| self.link(remote.party).map(drop));
        std::iter::once(self.may_write())
            .chain(peers)
            .find_map(|may| may.err().filter(|why| matches!(why, PeerUnavailable::Unfit(..))))
    }
}

/// What a node says of itself.
pub(super) fn word(trouble: Option<Trouble>) -> wire::Fitness {
    wire::Fitness { trouble: trouble.map(|trouble| trouble.reason().code().to_owned()).unwrap_or_default() }
}

/// What a peer says of itself. A word that is not known is the worst.
pub(super) fn heard(peer: Party, fitness: &wire::Fitness) -> Option<Trouble> {
    if fitness.trouble.is_empty() {
        tracing::debug!(%peer, "can write its log");
        return None;
    }
    let trouble = Trouble::of_code(&fitness.trouble).unwrap_or(Trouble::Unknown);
    tracing::warn!(%peer, "node {peer} can not write its access log, and serves nothing until it can: {trouble}");
    Some(trouble)
}
