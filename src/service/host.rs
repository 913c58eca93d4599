//! Serves gRPC over connections that are let in: HTTP/2 within bounds, an end to those that ask nothing, and a way out for all.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::{Stream, StreamExt as _};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::{Connected as _, TcpConnectInfo, TlsConnectInfo};

use super::gate::{Gate, OpenStream};
use crate::guests::{Busy, Guest, Held};
use crate::tls::Secured;

/// Calls under way on one connection; whoever has more of them waits on his own side.
pub const MAX_STREAMS: u32 = 256;

/// Bytes that may come on one stream, and on one connection, before anybody has read them.
const WINDOWS: (u32, u32) = (64 << 10, 128 << 10);

/// Bytes of a request's head: a token, a proof, and what goes with them.
const MAX_HEAD: u32 = 16 << 10;

/// Bytes of answers that wait on one stream for a caller to take them.
const UNSENT: usize = 64 << 10;

/// Streams that a caller may have reset before anybody has seen them.
const UNSEEN_RESETS: usize = 20;

/// How long a caller may take for its first call, with HTTP/2's own beginning.
const FIRST: Duration = Duration::from_secs(10);

/// How long a connection may stay without any call.
const SILENCE: Duration = Duration::from_mins(5);

/// How often a caller is asked whether it is still there, and how long it may take to say so.
const ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// How long a connection that is told to end may take to do so.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long calls under way may take when the node stops.
const DRAIN: Duration = Duration::from_secs(30);

/// Serves these connections until `shutdown` is ready; then lets what is under way end.
pub async fn serve<I>(mut incoming: I, gate: Arc<Gate>, routes: Routes, shutdown: impl Future<Output = ()>)
where
    I: Stream<Item = io::Result<Secured>> + Unpin,
{
    let (stop, stopping) = watch::channel(false);
    let (routes, mut open) = (routes.prepare(), JoinSet::new());
    tokio::pin!(shutdown);
    loop {
        while open.try_join_next().is_some() {}
        let next = tokio::select! {
            next = incoming.next() => next,
            () = &mut shutdown => break,
        };
        match next {
            Some(Ok(stream)) => {
                let guest = stream.get_ref().0.guest().clone();
                let info = stream.connect_info();
                let door = Door { gate: Arc::clone(&gate), routes: routes.clone(), guest, info };
                open.spawn(talk(stream, door, stopping.clone()));
            }
            Some(Err(_)) => {}
            None => break,
        }
    }
    // Nobody is let in any more.
    drop(incoming);
    stop.send_replace(true);
    // Who is not done by then is cut off: dropping the set ends the tasks.
    let _ = tokio::time::timeout(DRAIN, async { while open.join_next().await.is_some() {} }).await;
}

async fn talk(stream: Secured, door: Door, mut stopping: watch::Receiver<bool>) {
    let guest = door.guest.clone();
    let mut builder = Builder::new(TokioExecutor::new()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .max_send_buf_size(UNSENT)
        .max_pending_accept_reset_streams(UNSEEN_RESETS)
        .keep_alive_interval(ALIVE.0)
        .keep_alive_timeout(ALIVE.1);
    let talk = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(door));
    tokio::pin!(talk);
    let patience = tokio::select! {
        // What goes wrong on a connection is its caller's to notice.
        _ = talk.as_mut() => return,
        // A stranger's seat is free at once.
        () = guest.told_to_leave() => if guest.is_known() { FAREWELL } else { return },
        () = guest.idle_for(FIRST, SILENCE) => FAREWELL,
        _ = stopping.wait_for(|stop| *stop) => DRAIN,
    };
    talk.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(patience, talk).await;
}

/// What answers the calls of one connection.
#[derive(Clone)]
struct Door {
    gate: Arc<Gate>,
    routes: Routes,
    guest: Guest,
    info: TlsConnectInfo<TcpConnectInfo>,
}

impl<B> tower_service::Service<http::Request<B>> for Door
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = http::Response<Held<Body, (Busy, Option<OpenStream>)>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        let (Self { gate, routes, guest, info }, busy) = (self.clone(), self.guest.busy());
        Box::pin(async move {
            request.extensions_mut().insert(info);
            let (response, taken) = gate.answer(request, routes, &guest).await;
            Ok(response.map(|body| Held::new(body, (busy, taken))))
        })
    }
}
