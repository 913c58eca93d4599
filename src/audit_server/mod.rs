//! A node's port for auditors: its log as static files, the others' logs relayed, a witness, and a page to look at.
//!
//! TCP --> room for so many, and so many of one address --> TLS, or none --> at most [`REQUESTS`] --> `routes`
//!
//! ```text
//! GET  /logs.json                    which logs there are, and their keys; `?own` names this node's alone
//! GET  /a/2026h2/checkpoint          C2SP tlog-tiles
//! GET  /a/2026h2/tile/0/000
//! GET  /a/2026h2/tile/entries/000    to readers with a token
//! POST /add-checkpoint               C2SP tlog-witness
//! GET  /cosigned/a                   what this node cosigned last of A's log
//! GET  /, /page/...                  the page
//! ```
//!
//! All that waits here is bounded, and no lock or queue is shared with what matches: readers can keep out each other, not the node's
//! own work.

mod counted;
mod page;
mod place;
mod routes;

pub use page::page_files;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::guests::{Guest, Room};
use crate::log::cosign::CosignerKey;
use crate::log::note::VerifierKey;
use crate::log::witness::Witness;
use crate::name::Deployment;
use crate::party::Party;
use crate::tls::{Seated, WebTls, next};
use crate::web::HttpClient;
use counted::Counted;

/// Requests that are answered at a time; who comes later is told to come again.
pub const REQUESTS: usize = 64;

/// How long a caller may take for the head of a request, and stay silent between two.
const SILENCE: Duration = Duration::from_secs(15);

/// How long a connection is used before its caller must make a new one: nobody holds one for ever by reading slowly.
const LIFE: Duration = Duration::from_mins(3);

/// How long the last answer of a connection may take then, and when the node stops.
const GRACE: Duration = Duration::from_secs(15);

/// Whether the bearer of this token may read entries now.
pub type Readers = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Unix seconds.
pub type Clock = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// The keys of one node, for the index of logs.
#[derive(Clone, Debug)]
pub struct NodeKeys {
    /// Its log's, without a half-year.
    pub log: VerifierKey,
    /// With which it cosigns the others' logs.
    pub cosigner: CosignerKey,
}

/// What the port is made of.
pub struct Parts {
    /// Which node this is.
    pub party: Party,
    /// Which installation.
    pub deployment: Deployment,
    /// Keys of A, B and C.
    pub keys: [NodeKeys; 3],
    /// Outside witnesses of this node's log.
    pub witnesses: Vec<CosignerKey>,
    /// Folder of this node's logs, a folder for each half-year.
    pub logs: PathBuf,
    /// The same port of the other nodes, where it is known: their logs are relayed from there.
    pub peers: Vec<(Party, HttpClient)>,
    /// What cosigns the others' logs; without it, nothing is cosigned here.
    pub witness: Option<Arc<Witness>>,
    /// Who may read entries.
    pub readers: Readers,
    /// The time, to date cosignatures by; none while it is in doubt.
    pub clock: Clock,
    /// Whom there is room for.
    pub room: Arc<Room>,
}

/// The port, before it listens.
pub struct Server {
    router: Router,
    room: Arc<Room>,
}

impl Server {
    /// Anything else that is answered over HTTPS, for whom there is room.
    #[must_use]
    pub const fn of(router: Router, room: Arc<Room>) -> Self {
        Self { router, room }
    }

    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let room = Arc::clone(&parts.room);
        Self { router: routes::router(parts), room }
    }

    /// Answers whoever connects, over TLS if there is an identity for it, until `shutdown` is ready; then lets what is being answered
    /// end, for some seconds.
    pub async fn serve(self, listener: TcpListener, tls: Option<WebTls>, shutdown: impl Future<Output = ()>) {
        let mut open = JoinSet::new();
        let (stop, stopping) = watch::channel(false);
        tokio::pin!(shutdown);
        loop {
            while open.try_join_next().is_some() {}
            let stream = tokio::select! {
                stream = next(&listener, &self.room) => stream,
                () = &mut shutdown => break,
            };
            open.spawn(connection(self.router.clone(), stream, tls.clone(), stopping.clone()));
        }
        stop.send_replace(true);
        // Who is not done by then is cut off: dropping the set ends the tasks.
        let _ = tokio::time::timeout(GRACE, async { while open.join_next().await.is_some() {} }).await;
    }
}

async fn connection(router: Router, stream: Seated, tls: Option<WebTls>, stopping: watch::Receiver<bool>) {
    let guest = stream.guest().clone();
    let answered = async {
        match tls {
            None => talk(router, stream, guest.clone(), stopping).await,
            // What goes wrong here is the caller's doing, and the caller's to notice.
            Some(tls) => {
                if let Ok(stream) = tls.shake(stream).await {
                    talk(router, stream, guest.clone(), stopping).await;
                }
            }
        }
    };
    tokio::select! {
        () = answered => {}
        // For somebody who asks for something, or for another address.
        () = guest.told_to_leave() => {}
    }
}

async fn talk<S>(router: Router, stream: S, guest: Guest, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(SILENCE);
    let talk = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(Counted { router, guest }));
    tokio::pin!(talk);
    tokio::select! {
        _ = talk.as_mut() => return,
        () = tokio::time::sleep(LIFE) => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
    talk.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(GRACE, talk).await;
}
