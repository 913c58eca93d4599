//! Callers' connections: each with its place among the guests, and cut when it takes nothing of what is written.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::{Acceptor, HANDSHAKE};
use crate::guests::{Busy, Guest, Room};

/// How long a caller may take for [`ENOUGH`] bytes, or for all that is there to be written, before it is cut off.
const STALL: Duration = Duration::from_secs(15);

/// Bytes that count as progress: who takes one now and then does not read.
const ENOUGH: usize = 16 * 1024;

/// How long to wait where the system has no descriptor left: some will close.
const NO_DESCRIPTOR: Duration = Duration::from_millis(50);

/// A caller's connection below TLS, with its seat.
pub struct Seated<S = TcpStream> {
    stream: S,
    guest: Guest,
    /// Since when it takes too little of what is written.
    stalled: Option<Pin<Box<Sleep>>>,
    taken: usize,
    kept: Option<Busy>,
}

/// A caller's connection over TLS.
pub type Secured = TlsStream<Seated>;

impl<S> Seated<S> {
    /// A connection of a guest.
    #[must_use]
    pub const fn new(stream: S, guest: Guest) -> Self {
        Self { stream, guest, stalled: None, taken: 0, kept: None }
    }

    /// Whose it is.
    #[must_use]
    pub const fn guest(&self) -> &Guest {
        &self.guest
    }

    /// It is nobody's to send away: who calls has shown who it is, and stays.
    pub fn keep(&mut self) {
        self.guest.set_known();
        self.kept = Some(self.guest.busy());
    }

    /// What was written of `offered` bytes, unless the other side takes too little for too long.
    fn progress(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        offered: usize,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            let count = written?;
            self.taken += count;
            if count == offered || self.taken >= ENOUGH {
                self.taken = 0;
                self.stalled = None;
            }
            return Poll::Ready(Ok(count));
        }
        ready!(self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL))).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Seated<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Seated<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.progress(cx, written, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        let offered = bufs.iter().map(|buf| buf.len()).sum();
        self.progress(cx, written, offered)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Connected for Seated {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

/// The next connection for which there is room. Never fails: where the system has no descriptor left, somebody is sent away.
pub async fn next(listener: &TcpListener, room: &Arc<Room>) -> Seated {
    loop {
        let seat = room.seat().await;
        match listener.accept().await {
            Ok((stream, from)) => {
                // Latency is in rounds of small messages: Nagle's algorithm would add 40 ms to each. A caller for whom there is no
                // room, or that has gone already, is hung up on.
                if let (Some(guest), Ok(())) = (room.enter(from.ip(), seat), stream.set_nodelay(true)) {
                    return Seated::new(stream, guest);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                room.make_way();
                sleep(NO_DESCRIPTOR).await;
            }
        }
    }
}

/// Accepts TCP and TLS; a caller whose handshake fails or dawdles holds up nobody else.
pub fn accept(listener: TcpListener, acceptor: Acceptor, room: Arc<Room>) -> ReceiverStream<io::Result<Secured>> {
    let (ready, incoming) = mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let seated = tokio::select! {
                seated = next(&listener, &room) => seated,
                () = ready.closed() => return,
            };
            let (acceptor, ready, guest) = (acceptor.clone(), ready.clone(), seated.guest().clone());
            tokio::spawn(async move {
                let shaken = tokio::select! {
                    shaken = tokio::time::timeout(HANDSHAKE, acceptor.now().accept(seated)) => shaken,
                    () = guest.told_to_leave() => return,
                };
                drop(guest);
                if let Ok(Ok(stream)) = shaken {
                    // An error means that the server is gone.
                    let _ = ready.send(Ok(stream)).await;
                }
            });
        }
    });
    ReceiverStream::new(incoming)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;

    /// A connection with room for 1 KiB on its way, and its other end.
    async fn seated() -> (Seated<DuplexStream>, DuplexStream) {
        let room = Room::new(2, 2);
        let seat = room.seat().await;
        let (near, far) = duplex(1024);
        (Seated::new(near, room.enter([127, 0, 0, 1].into(), seat).unwrap()), far)
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_or_a_byte_now_and_then_is_cut_off() {
        for trickles in [false, true] {
            let (mut near, mut far) = seated().await;
            let reading = tokio::spawn(async move {
                while trickles && far.read_u8().await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
                sleep(Duration::from_hours(1)).await;
                drop(far);
            });
            let began = Instant::now();
            let cut = near.write_all(&vec![0; 64 * 1024]).await.unwrap_err();
            assert_eq!(cut.kind(), io::ErrorKind::TimedOut);
            assert_eq!(began.elapsed().as_secs(), STALL.as_secs(), "trickles: {trickles}");
            reading.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_its_time_and_takes_all_is_not() {
        let (mut near, mut far) = seated().await;
        let reading = tokio::spawn(async move {
            let mut chunk = [0; 4096];
            for _ in 0..64 {
                sleep(STALL / 5).await;
                far.read_exact(&mut chunk).await.unwrap();
            }
            far
        });
        near.write_all(&vec![0; 64 * 4096]).await.unwrap();
        drop(reading.await.unwrap());
    }
}
