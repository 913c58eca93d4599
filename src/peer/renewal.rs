//! Links are shaken anew while nothing runs on them: what was masked under the old keys is nobody's to read once they are forgotten.
//!
//! ```text
//! leader: no batch is under way --Renew--> B hangs up the link to C, dials it again --Renewed--> leader hangs up and dials its own two
//! ```
//!
//! A leader that never asks changes nothing: each node hangs up by itself what has been up for half as long again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::connection::Connection;
use super::unavailable::PeerUnavailable;
use super::{Links, Peers};
use crate::party::Party;
use crate::wire::peer::v1 as wire;
use crate::wire::v1::Node;
use wire::frame::Kind;

/// The helper that dials the other one.
pub(super) const BETWEEN_HELPERS: Party = Party::B;

/// For how long what needs the links waits for them to be up again, from the moment when one went down.
pub const RECONNECT: Duration = Duration::from_secs(2);

/// How long a link may take to be up again.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a node waits for runs to end before it hangs up by itself.
const IDLE: Duration = Duration::from_mins(1);

/// Between two looks whether they have.
const LOOK: Duration = Duration::from_millis(100);

/// What was asked for and told of renewals.
#[derive(Default)]
pub(super) struct Renewals {
    asked: Notify,
    told: watch::Sender<()>,
    under_way: AtomicBool,
}

/// While it lives, the leader shakes the links anew.
struct UnderWay<'a>(&'a AtomicBool);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Renewals {
    pub(super) fn ask(&self) {
        self.asked.notify_one();
    }

    pub(super) fn tell(&self) {
        self.told.send_replace(());
    }
}

impl Peers {
    /// At the leader, while no batch is under way: shakes all three links anew, and returns when they are up, or take too long.
    pub async fn renew(&self) {
        self.renewals.under_way.store(true, Ordering::Relaxed);
        let _until_the_end = UnderWay(&self.renewals.under_way);
        let mut told = self.renewals.told.subscribe();
        if let Ok(helper) = self.link(BETWEEN_HELPERS)
            && helper.say(Kind::Renew(wire::Renew {})).await.is_ok()
        {
            // A helper that does not tell has hung up, or will by itself.
            let _ = timeout(PATIENCE, told.changed()).await;
        }
        let [one, other] = &self.remotes;
        let both = tokio::join!(self.shake(one.party), self.shake(other.party));
        if both != (true, true) || timeout(PATIENCE, self.ready()).await.is_err() {
            tracing::warn!("the links are still down after the renewal");
        }
    }

    /// Whether links that go down now are shaken anew as far as this node knows. The leader does that, so it knows; a helper does not.
    pub fn may_be_shaken(&self) -> bool {
        self.own.party != Party::LEADER || self.renewals.under_way.load(Ordering::Relaxed)
    }

    /// Hangs up the link to a party that this one dials. True when another one is up, false if that takes too long.
    async fn shake(&self, party: Party) -> bool {
        let Ok(old) = self.link(party) else { return false };
        let mut up = self.up[party.index()].subscribe();
        old.hang_up();
        let is_new = |link: &Option<Arc<Connection>>| link.as_ref().is_some_and(|link| !Arc::ptr_eq(link, &old));
        timeout(PATIENCE, up.wait_for(is_new)).await.is_ok_and(|up| up.is_ok())
    }

    /// At the helper that dials the other one, until closed: shakes that link anew whenever the leader asks.
    pub(super) async fn renew_when_asked(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.renewals.asked.notified() => {}
                () = self.closed() => return,
            }
            let Some(third) = self.remotes.iter().find(|remote| remote.party != Party::LEADER) else { return };
            if self.shake(third.party).await
                && let Ok(leader) = self.link(Party::LEADER)
            {
                // A leader that is gone shakes its links anew all the same.
                let _ = leader.say(Kind::Renewed(wire::Renewed {})).await;
            }
        }
    }

    /// Returns when a link has been up for so long that it is hung up without being asked, and nothing runs on it any more.
    pub(super) async fn aged(&self, connection: &Connection) {
        sleep(self.own.link_life * 3 / 2).await;
        let idle = async {
            while connection.is_busy() {
                sleep(LOOK).await;
            }
        };
        let _ = timeout(IDLE, idle).await;
        tracing::info!(peer = %connection.peer, "the link is renewed because of its age");
    }

    /// Both links, as [`links`](Self::links) has them; where one went down a moment ago, once they are up again.
    ///
    /// # Errors
    /// [`PeerUnavailable::Gone`] while one is down.
    pub async fn links_soon(&self) -> Result<Links, PeerUnavailable> {
        self.soon().await;
        self.links()
    }

    /// The keys for clients, as [`nodes`](Self::nodes) has them; where a link went down a moment ago, once it is up again.
    pub async fn nodes_soon(&self) -> Option<Vec<Node>> {
        self.soon().await;
        self.living_nodes().await
    }

    /// Returns when all three links are up, or one has been down for longer than it takes to shake it anew.
    pub async fn soon(&self) {
        let parted = *self.parted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = parted {
            let _ = timeout(RECONNECT.saturating_sub(since.elapsed()), self.ready()).await;
        }
    }
}
