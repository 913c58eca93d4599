//! Cosignatures over the links: a node asks another here as it would at its port for auditors, and no reader comes in between.
//!
//! ```text
//! Peers::ask_to_cosign --Cosign--> Cosigner of the other node --Cosigned--> status and body, as C2SP tlog-witness has them
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use super::{Connection, Peers};
use crate::party::Party;
use crate::wire::peer::v1 as wire;
use wire::frame::Kind;

/// How long a peer may take for its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Requests of one peer that are worked on at a time: it has one log that is written and one that ended last.
const AT_ONCE: usize = 4;

/// HTTP status and body of an answer.
type Answer = (u16, Vec<u8>);

/// Who waits for which answer of whom.
type Asked = HashMap<(Party, u64), oneshot::Sender<Answer>>;

/// What cosigns: the body of a request in; status and body of the answer out. Blocks.
pub type Cosigner = Arc<dyn Fn(&str) -> (u16, Vec<u8>) + Send + Sync>;

/// What this node was asked to cosign, and what it asked others.
pub(super) struct Cosigning {
    cosigner: OnceLock<Cosigner>,
    working: [Arc<Semaphore>; 3],
    next: AtomicU64,
    asked: Mutex<Asked>,
}

impl Default for Cosigning {
    fn default() -> Self {
        let working = Party::ALL.map(|_| Arc::new(Semaphore::new(AT_ONCE)));
        Self { cosigner: OnceLock::new(), working, next: AtomicU64::new(0), asked: Mutex::default() }
    }
}

impl Cosigning {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link is down: nobody waits for an answer over it.
    pub(super) fn gone(&self, peer: Party) {
        self.asked().retain(|(of, _), _| *of != peer);
    }
}

impl Peers {
    /// From now on, peers' checkpoints are cosigned by this. Without it, none is.
    pub fn cosign_by(&self, cosigner: Cosigner) {
        // A second one would be a second wiring of one node: the first stays.
        let _ = self.cosigning.cosigner.set(cosigner);
    }

    /// Asks a peer to cosign: status and body of its answer; none if the link is down, goes down, or stays silent for ten seconds.
    pub async fn ask_to_cosign(&self, peer: Party, request: String) -> Option<(u16, Vec<u8>)> {
        let link = self.link(peer).ok()?;
        let number = self.cosigning.next.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        self.cosigning.asked().insert((peer, number), tell);
        let answered = async {
            link.say(Kind::Cosign(wire::Cosign { number, request })).await.ok()?;
            tokio::select! {
                told = told => told.ok(),
                () = self.closed() => None,
            }
        };
        let answered = tokio::time::timeout(PATIENCE, answered).await;
        self.cosigning.asked().remove(&(peer, number));
        answered.ok().flatten()
    }

    /// A peer asks.
    pub(super) fn cosign(&self, from: &Arc<Connection>, wire::Cosign { number, request }: wire::Cosign) {
        // Who asks more than an honest peer would is not answered.
        let Ok(working) = Arc::clone(&self.cosigning.working[from.peer.index()]).try_acquire_owned() else { return };
        let (link, cosigner) = (Arc::clone(from), self.cosigning.cosigner.get().cloned());
        tokio::spawn(async move {
            let answer = match cosigner {
                // As of a node that has no port for auditors.
                None => (404, Vec::new()),
                Some(cosigner) => {
                    let made = tokio::task::spawn_blocking(move || cosigner(&request)).await;
                    made.unwrap_or((500, Vec::new()))
                }
            };
            let (status, body) = (answer.0.into(), answer.1);
            // A link that is down by now is asked over again.
            let _ = link.say(Kind::Cosigned(wire::Cosigned { number, status, body })).await;
            drop(working);
        });
    }

    /// A peer has answered. What nobody waits for any more is dropped.
    pub(super) fn cosigned(&self, peer: Party, wire::Cosigned { number, status, body }: wire::Cosigned) {
        if let Some(tell) = self.cosigning.asked().remove(&(peer, number)) {
            let _ = tell.send((u16::try_from(status).unwrap_or(500), body));
        }
    }
}
