//! A batch under way at this node: the links that it runs over, what the others say of it, and its time.

use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::OwnedRwLockWriteGuard;

use super::links::NodeLinks;
use super::stopwatch::Stopwatch;
use crate::net::SessionId;
use crate::peer::{BatchId, Links, Mailbox};
use crate::protocol::Session;
use crate::prss::PrssError;

/// A batch under way at this node.
pub(super) struct Batch {
    /// Its name: 16 bytes that the leader drew.
    pub(super) id: BatchId,
    /// The node's links, whatever becomes of those that it runs over.
    pub(super) peers: NodeLinks,
    /// The links it runs over, from beginning to end.
    pub(super) links: Links,
    /// What the others say of it.
    pub(super) mail: Mailbox,
    /// Unix seconds when it came in.
    pub(super) now: u64,
    /// The least of the three nodes' clocks when it came in; this node's own until the others have told. Nobody has expired who has
    /// not by this, and what is enrolled expires at one moment everywhere.
    pub(super) least: u64,
    /// At the leader of a search: no change is under way.
    pub(super) still: Option<OwnedRwLockWriteGuard<()>>,
    /// What all of its requests wait for together.
    pub(super) stopwatch: Stopwatch,
}

impl Batch {
    /// One that is about to begin.
    pub(super) fn new(id: BatchId, peers: NodeLinks, (links, mail): (Links, Mailbox), now: u64) -> Self {
        Self { id, peers, links, mail, now, least: now, still: None, stopwatch: Stopwatch::new() }
    }

    /// The batch's run of the protocol. It ends with the batch of either peer.
    ///
    /// # Errors
    /// [`PrssError`], after which the links connect anew.
    pub(super) fn session(&self, id: SessionId, patience: Duration) -> Result<Session, PrssError> {
        let session = self.links.session(id, patience)?;
        self.mail.tie(&self.links, id);
        Ok(session)
    }

    /// Ends the batch at this node while others may go on in it: so that they do not wait for this one.
    pub(super) fn leave(&self) {
        self.links.leave(self.id);
    }
}

/// Fresh random bytes for names and nonces.
pub(super) fn draw<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system gives randomness, or the keys could not be loaded");
    bytes
}
