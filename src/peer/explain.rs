//! Tells the operators of both ends, and clients, why two nodes do not work together.

use std::error::Error as _;
use std::fmt;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_stream::StreamExt as _;

use super::connection::Outbound;
use super::renewal::RECONNECT;
use super::why::{Check, LinkError, Parted};
use super::{Peers, Remote};
use crate::clocks::Doubt;
use crate::handshake::Established;
use crate::party::Party;
use crate::wire::peer::v1 as wire;
use crate::wire::v1::Node;
use wire::frame::Kind;

/// How long a node that hangs up waits for the other end to have heard why.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How long a peer may take for each frame of the opening.
const PATIENCE: Duration = Duration::from_secs(5);

impl Peers {
    /// [`open`](Self::open); where a check fails at this end, the other one is told which.
    pub(super) async fn opened<S>(
        &self,
        remote: &Remote,
        own: Node,
        inbound: &mut S,
        out: &Outbound,
    ) -> Result<(Established, Node), LinkError>
    where
        S: tokio_stream::Stream<Item = Kind> + Send + Unpin,
    {
        let opened = self.open(remote, own, inbound, out).await;
        match &opened {
            Ok(_) => self.why.set(remote.party, None),
            Err(error) if error.is_own() => {
                let refused = wire::Refused { check: error.check().name().to_owned() };
                // What the other end has not read when this one hangs up is lost: it hangs up when it has, or says the same.
                let heard = async {
                    if out.say(Kind::Refused(refused)).await.is_ok() {
                        while inbound.next().await.is_some_and(|kind| !matches!(kind, Kind::Refused(_))) {}
                    }
                };
                let _ = timeout(LAST_WORD, heard).await;
            }
            Err(_) => {}
        }
        opened
    }

    /// Tells the operator why there is no link with a peer, which was dialled, or called from, at this address.
    pub(super) fn explain(&self, remote: &Remote, address: &str, error: &LinkError) {
        let (peer, check) = (remote.party, error.check());
        self.why.set(peer, Some(check));
        if self.why.is_due(Parted::new(self.own.party, peer, Some(check)), Instant::now()) {
            tracing::info!(%peer, address, %check, "no link with node {peer}: {}", Causes(error));
        }
    }

    /// Tells the operator of a caller with a certificate that is trusted, and of no peer that dials this node.
    pub(super) fn explain_stranger(&self, address: &str) {
        let check = Check::Certificate;
        let nobody = Parted { ends: [self.own.party; 2], check: Some(check) };
        if self.why.is_due(nobody, Instant::now()) {
            tracing::info!(address, %check, "no link: the caller's certificate is not the pinned one of a peer that connects to this node");
        }
    }

    /// What keeps this node and a peer from working together, if anything does.
    pub(super) fn check_with(&self, peer: Party) -> Option<Check> {
        let link = self.up[peer.index()].borrow().clone();
        let Some(link) = link else { return Some(self.why.of(peer).unwrap_or(Check::Reached)) };
        if self.is_silent(&link) {
            return Some(Check::Heard);
        }
        (!self.together.borrow()[peer.index()]).then_some(Check::Clock)
    }

    /// Every two nodes that do not work together, by what this one knows and the others say.
    pub fn parted(&self) -> Vec<Parted> {
        let own = self.own.party;
        let peers = [own.next(), own.prev()];
        let with = |peer: Party| Some(Parted::new(own, peer, Some(self.check_with(peer)?)));
        let mut parted: Vec<Parted> = peers.into_iter().filter_map(with).collect();
        // Of the two others' link, by the word of one that is heard.
        let links = peers.map(|peer| self.link(peer).ok());
        if let Some(check) = links.iter().flatten().find_map(|link| link.third().err()) {
            parted.push(Parted::new(own.next(), own.prev(), check));
        }
        parted.sort_by_key(|parted| parted.ends);
        parted
    }

    /// Tells the operator what keeps nodes from working together whose links are up, if they are not only shaken anew.
    pub(super) fn explain_links(&self) {
        let since = *self.parted.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_none_or(|since| since.elapsed() < RECONNECT) {
            return;
        }
        for remote in &self.remotes {
            self.explain_up(remote);
            self.explain_uncalled(remote);
        }
        let (next, prev) = (self.own.party.next(), self.own.party.prev());
        for (peer, third) in [(next, prev), (prev, next)] {
            let Ok(Err(Some(check))) = self.link(peer).map(|link| link.third()) else { continue };
            if self.why.is_due(Parted::new(peer, third, Some(check)), Instant::now()) {
                tracing::info!(%peer, %check, "node {peer} reports that it can not use node {third}");
            }
        }
    }

    /// Of a link that the peer is to dial: that it does not come. What TLS refuses of it, it hears, and this node's own program does not.
    fn explain_uncalled(&self, remote: &Remote) {
        let Remote { party: peer, address, .. } = remote;
        if *peer > self.own.party || self.up[peer.index()].borrow().is_some() {
            return;
        }
        let check = self.why.of(*peer).unwrap_or(Check::Reached);
        if self.why.is_due(Parted::new(self.own.party, *peer, Some(check)), Instant::now()) {
            tracing::info!(%peer, address, %check, "no link with node {peer}: no call of it was accepted; see its log");
        }
    }

    /// Of a link that is up: that nothing is heard on it, or that the clocks at its ends do not go together.
    fn explain_up(&self, remote: &Remote) {
        let Remote { party: peer, address, .. } = remote;
        let Some(check @ (Check::Heard | Check::Clock)) = self.check_with(*peer) else { return };
        let why = if check == Check::Heard {
            "no message from it".to_owned()
        } else {
            match self.clocks.least() {
                // Who has just linked says it within a second.
                Ok(_) | Err(Doubt::Unheard(_)) => return,
                Err(doubt) => doubt.to_string(),
            }
        };
        if self.why.is_due(Parted::new(self.own.party, *peer, Some(check)), Instant::now()) {
            tracing::info!(%peer, address, %check, "node {peer} can not be used: {why}");
        }
    }
}

/// The next frame of the opening.
pub(super) async fn next<S>(inbound: &mut S) -> Result<Kind, LinkError>
where
    S: tokio_stream::Stream<Item = Kind> + Send + Unpin,
{
    let kind = timeout(PATIENCE, inbound.next()).await.ok().flatten().ok_or(LinkError::Gone)?;
    if let Kind::Refused(refused) = &kind {
        return Err(LinkError::RefusedBy(Check::named(&refused.check)));
    }
    Ok(kind)
}

/// An error and all that lies behind it, each told once.
struct Causes<'e>(&'e LinkError);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::HandshakeError;

    #[test]
    fn an_error_is_told_with_what_lies_behind_it() {
        let refused = LinkError::Handshake(HandshakeError::Deployment);
        assert_eq!(Causes(&refused).to_string(), "the handshake failed: the peer belongs to another deployment");
        assert_eq!((refused.check(), refused.is_own()), (Check::Deployment, true));
        let by = LinkError::RefusedBy(Check::Policy);
        assert_eq!((by.check(), by.is_own()), (Check::Policy, false));
    }
}
