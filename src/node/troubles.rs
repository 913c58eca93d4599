//! A node that can not write its log serves nothing, and says so to the two others.

use std::sync::Arc;

use tokio::sync::watch;

use super::stopped;
use crate::log::trouble::Troubles;
use crate::peer::Peers;

/// Until the node stops.
pub(super) async fn tell(mut troubles: watch::Receiver<Troubles>, peers: Arc<Peers>, stopping: watch::Receiver<bool>) {
    let stopped = stopped(stopping);
    tokio::pin!(stopped);
    loop {
        let trouble = troubles.borrow_and_update().worst();
        peers.set_trouble(trouble);
        tokio::select! {
            changed = troubles.changed() => if changed.is_err() { return },
            () = &mut stopped => return,
        }
    }
}
