//! How a node goes without a loss: nothing more begins, what is under way ends, and only then do the links go down.
//!
//! ```text
//! helper: Leaving -->  leader: begins nothing more, waits for what is under way  --Released--> helper hangs up
//! ```
//!
//! Meanwhile, and for a moment after, requests wait at the leader: nothing of them is used up yet. A leader that is gone, or does not
//! answer, is not waited for.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::connection::Connection;
use super::{PeerUnavailable, Peers};
use crate::party::Party;
use crate::wire::peer::v1 as wire;
use wire::frame::Kind;

impl Peers {
    /// At a helper that is being stopped: returns when the leader has let it go, or is gone.
    pub async fn leave(&self) {
        // Also of a leader that can not write its log: what is under way there may need this node all the same.
        let Some(link) = self.up[Party::LEADER.index()].borrow().clone().filter(|link| !self.is_silent(link)) else {
            return;
        };
        let mut up = self.up[Party::LEADER.index()].subscribe();
        let is_another = |now: &Option<Arc<Connection>>| now.as_ref().is_none_or(|now| !Arc::ptr_eq(now, &link));
        if link.say(Kind::Leaving(wire::Leaving {})).await.is_ok() {
            tokio::select! {
                () = link.released() => {}
                // Its other end lives as long as self.
                _ = up.wait_for(is_another) => {}
            }
        }
    }

    /// At the leader: a helper is being stopped. It is let go once nothing is under way.
    pub(super) fn let_go(&self, from: &Arc<Connection>) {
        from.set_leaving();
        self.judge();
        tracing::info!(peer = %from.peer, "node {} is stopping: no new batches with it", from.peer);
        let (settle, from) = (Arc::clone(&self.settle), Arc::clone(from));
        tokio::spawn(async move {
            settle.rest().await;
            // One that is gone needs no leave.
            let _ = from.say(Kind::Released(wire::Released {})).await;
        });
    }

    /// A link went down: where its peer had taken leave, it is waited for from now on.
    pub(super) fn left(&self, connection: &Connection) {
        if connection.is_leaving() {
            *self.parted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// A helper that has said that it is being stopped, and is still there.
    #[must_use]
    pub fn leaving(&self) -> Option<Party> {
        let mut parties = self.remotes.iter().map(|remote| remote.party);
        parties.find(|party| self.up[party.index()].borrow().as_ref().is_some_and(|link| link.is_leaving()))
    }

    /// The link, for what is yet to begin.
    pub(super) fn staying(&self, party: Party) -> Result<Arc<Connection>, PeerUnavailable> {
        let link = self.link(party)?;
        if link.is_leaving() { Err(PeerUnavailable::Leaving(party)) } else { Ok(link) }
    }
}
