//! Both links together, as one batch uses them from beginning to end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::connection::Connection;
use super::unavailable::PeerUnavailable;
use crate::net::SessionId;
use crate::party::Party;
use crate::protocol::Session;
use crate::prss::{Epoch, PrssError};
use crate::wire::peer::v1 as wire;
use wire::frame::Kind;

/// Names a batch: 16 bytes that the leader drew.
pub type BatchId = [u8; 16];

/// Both links, for the runs that go over them.
#[derive(Clone)]
pub struct Links {
    /// To the next party.
    pub next: Arc<Connection>,
    /// To the previous party.
    pub prev: Arc<Connection>,
    epoch: Arc<Mutex<Epoch>>,
}

impl Links {
    pub(super) fn new(own: Party, next: Arc<Connection>, prev: Arc<Connection>) -> Self {
        let epoch = Epoch::new(own, next.seed(), prev.seed());
        Self { next, prev, epoch: Arc::new(Mutex::new(epoch)) }
    }

    /// The link to a party.
    #[must_use]
    pub fn to(&self, party: Party) -> &Arc<Connection> {
        if self.next.peer == party { &self.next } else { &self.prev }
    }

    /// Says one thing to both peers: to the one also where the other is gone, or takes nothing.
    ///
    /// # Errors
    /// [`PeerUnavailable`] if one of them was not told.
    pub async fn say(&self, kind: Kind, patience: Duration) -> Result<(), PeerUnavailable> {
        let (next, prev) =
            tokio::join!(self.next.say_within(kind.clone(), patience), self.prev.say_within(kind, patience));
        next.and(prev)
    }

    /// Tells both peers that this node does nothing more in a batch. Never waits.
    pub fn leave(&self, batch: BatchId) {
        for link in [&self.next, &self.prev] {
            link.try_say(Kind::Left(wire::Left { batch: batch.to_vec() }));
        }
    }

    /// A run over these links.
    ///
    /// # Errors
    /// [`PrssError`] if the id was used before, or so many runs went over these links that they must connect anew: they are
    /// hung up then.
    pub fn session(&self, id: SessionId, patience: Duration) -> Result<Session, PrssError> {
        let keys = self.epoch.lock().unwrap_or_else(PoisonError::into_inner).session(id);
        let keys = keys.inspect_err(|_| {
            self.next.hang_up();
            self.prev.hang_up();
        })?;
        Ok(Session::new(keys, self.next.pipe(id), self.prev.pipe(id), patience))
    }
}
