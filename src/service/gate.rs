//! What is looked at before a request's body is read, and how much of bodies is held.
//!
//! ```text
//! head --> Matching: token and proof are there, the token is genuine --> room for the body, also of its relying party --+
//!     \--> small calls: a few KiB; who comes when all places are taken has that of the one who waits longest ----------+--> body
//!     \--> streams that stay open: so many, and so many of one address                                       in 10 s    |    read
//!                                                                                                                       v
//!                                                                                                                  the service
//! ```
//!
//! Who has no token gets no byte of a body read, and holds no more memory than the windows of one connection.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower_service::Service as _;

use super::budget::{Budget, Taken};
use super::{MAX_REQUEST, credentials, refuse, single, status};
use crate::engine::{Authorizer, Refusal};
use crate::guests::{Guest, Origin, Room};
use crate::name::RelyingParty;
use crate::party::Party;
use crate::reason::Reason;
use crate::wire::v1::matching_service_server::SERVICE_NAME as MATCHING;

/// Largest message of every call but those of the Matching service that bear samples, in bytes.
pub const MAX_SMALL: usize = 4 * 1024;

/// Bytes of bodies of requests with a genuine token that are being read, in all.
const BODIES: usize = 32 << 20;

/// The same of one relying party.
const BODIES_OF_ONE: usize = BODIES / 2;

/// Small calls whose body is being read: with their heads, 10 MiB at most.
const SMALL_CALLS: usize = 512;

/// Streams that stay open for as long as the caller likes: health that is watched, reflection.
const OPEN_STREAMS: usize = 256;

/// The same from one address.
const OPEN_STREAMS_OF_ONE: usize = OPEN_STREAMS / 8;

/// How long a body may take.
const BODY: Duration = Duration::from_secs(10);

/// In front of each gRPC message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// What every request passes on its way to a service.
pub struct Gate {
    authorizer: Arc<Authorizer>,
    bodies: Arc<Budget<RelyingParty>>,
    small: Arc<Room>,
    open: Arc<Budget<Origin>>,
}

/// Room for one of the streams that stay open.
pub(super) type OpenStream = Taken<Origin>;

/// How much of a request is read before it is known who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Nothing: token and proof stand in its head.
    Matching,
    /// All, for there is not much.
    Small,
    /// It has no end.
    Open,
}

impl Kind {
    fn of(path: &str) -> Self {
        let call = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        match call {
            Some((MATCHING, call)) if call != "GetCommittee" => Self::Matching,
            Some(("grpc.health.v1.Health", "Watch")) => Self::Open,
            Some((service, _)) if service.starts_with("grpc.reflection.") => Self::Open,
            Some(_) | None => Self::Small,
        }
    }
}

/// Why a body was not taken.
enum Fault {
    /// Longer than the call takes, in bytes.
    Length { found: usize, most: usize },
    /// More than one message.
    More,
    /// No room.
    Full,
    /// It broke off.
    Gone,
}

impl Gate {
    /// Before the services of this node.
    #[must_use]
    pub fn new(authorizer: Arc<Authorizer>) -> Arc<Self> {
        Arc::new(Self {
            authorizer,
            bodies: Budget::new(BODIES, BODIES_OF_ONE),
            small: Room::new(SMALL_CALLS, SMALL_CALLS),
            open: Budget::new(OPEN_STREAMS, OPEN_STREAMS_OF_ONE),
        })
    }

    /// What a service, or the gate, answers. With it, what the answer holds for as long as it is not given out.
    pub(super) async fn answer<B>(
        &self,
        request: http::Request<B>,
        mut routes: Routes,
        guest: &Guest,
    ) -> (http::Response<Body>, Option<OpenStream>)
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let mut taken = None;
        let body = match Kind::of(head.uri.path()) {
            Kind::Matching => self.matching(&head.headers, body, guest).await,
            Kind::Small => self.small(&head.headers, body, guest).await,
            Kind::Open => {
                taken = self.open.take(&guest.origin(), 1);
                if taken.is_some() { Ok(Body::new(body)) } else { Err(self.overloaded()) }
            }
        };
        match body {
            Ok(body) => {
                let answered: Result<_, Infallible> = routes.call(http::Request::from_parts(head, body)).await;
                let Ok(response) = answered;
                (response, taken)
            }
            Err(status) => (status.into_http(), None),
        }
    }

    /// In the order in which the leader and its helpers check.
    async fn matching<B>(&self, head: &http::HeaderMap, body: B, guest: &Guest) -> Result<Body, Status>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        if self.authorizer.party() != Party::LEADER {
            return Err(refuse(self.authorizer.party(), Reason::NotLeader));
        }
        let access = single(head, "authorization").and_then(|value| credentials(value, "DPoP"));
        let access = access.ok_or_else(|| refuse(self.authorizer.party(), Reason::TokenAbsent))?;
        let proof = single(head, "dpop").ok_or_else(|| refuse(self.authorizer.party(), Reason::ProofAbsent))?;
        let whose = self.authorizer.glance(access, Some(proof)).map_err(|refusal| status(&refusal))?;
        guest.set_known();
        self.read(body, MAX_REQUEST, |length| self.bodies.take(&whose, length)).await
    }

    async fn small<B>(&self, head: &http::HeaderMap, body: B, guest: &Guest) -> Result<Body, Status>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        // Before anything is read: a body that never comes has a place as well, until others want it.
        let place = self.small.enter_from(guest.origin()).await.ok_or_else(|| self.overloaded())?;
        if self.reader(head).is_some() {
            guest.set_known();
        }
        tokio::select! {
            read = self.read(body, MAX_SMALL, |_| Some(())) => read,
            () = place.told_to_leave() => Err(self.overloaded()),
        }
    }

    /// On whose behalf a call is made that may be made without a token as well.
    fn reader(&self, head: &http::HeaderMap) -> Option<RelyingParty> {
        let value = single(head, "authorization")?;
        let access = credentials(value, "Bearer").or_else(|| credentials(value, "DPoP"))?;
        self.authorizer.glance(access, None).ok()
    }

    fn overloaded(&self) -> Status {
        let refusal = Refusal::new(self.authorizer.party(), Reason::Overloaded);
        status(&Refusal { retry_after_ms: Some(1000), ..refusal })
    }

    /// The whole body, as soon as there is room for what its first bytes announce.
    async fn read<B, T>(&self, body: B, most: usize, room: impl FnMut(usize) -> Option<T>) -> Result<Body, Status>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        T: Send + Unpin + 'static,
    {
        let read = tokio::time::timeout(BODY, message(body, most, room)).await;
        let read = read.map_err(|_| refuse(self.authorizer.party(), Reason::RequestSlow))?;
        read.map(Body::new).map_err(|fault| match fault {
            Fault::Length { found, most } => {
                tracing::debug!(found, most, "a request is too large");
                refuse(self.authorizer.party(), Reason::RequestTooLarge)
            }
            Fault::More => refuse(self.authorizer.party(), Reason::RequestInvalid),
            Fault::Full => self.overloaded(),
            Fault::Gone => Status::cancelled("the request was cut off"),
        })
    }
}

/// Reads one message with its prefix. What does not come whole is left for the service to refuse.
async fn message<B, T>(mut body: B, most: usize, mut room: impl FnMut(usize) -> Option<T>) -> Result<Whole<T>, Fault>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let (mut bytes, mut taken, mut end) = (BytesMut::new(), None, usize::MAX);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Fault::Gone)?.into_data() else { break };
        // Copied: a frame of one byte would hold on to all that came with it.
        bytes.extend_from_slice(&data);
        if taken.is_none()
            && let Some(prefix) = bytes.first_chunk::<PREFIX>()
        {
            let [_, length @ ..] = *prefix;
            let found = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            if found > most {
                return Err(Fault::Length { found, most });
            }
            end = PREFIX + found;
            taken = Some(room(end).ok_or(Fault::Full)?);
        }
        if bytes.len() > end {
            return Err(Fault::More);
        }
    }
    Ok(Whole { bytes: Some(bytes.freeze()).filter(|bytes| !bytes.is_empty()), _taken: taken })
}

/// A body that is here, and the room that it takes until a service has read it.
struct Whole<T> {
    bytes: Option<Bytes>,
    _taken: Option<T>,
}

impl<T: Unpin> http_body::Body for Whole<T> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A body that comes in pieces, and then ends.
    struct Pieces(VecDeque<Bytes>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|bytes| Ok(http_body::Frame::data(bytes))))
        }
    }

    fn framed(length: u32, body: &[u8]) -> Vec<u8> {
        [&[0], &length.to_be_bytes()[..], body].concat()
    }

    fn pieces(bytes: &[u8], of: usize) -> Pieces {
        Pieces(bytes.chunks(of).map(Bytes::copy_from_slice).collect())
    }

    #[tokio::test]
    async fn a_message_is_read_whole_however_it_is_cut_and_room_is_asked_for_what_it_announces() {
        let (budget, bytes) = (Budget::new(15, 15), framed(10, b"0123456789"));
        for of in [1, 3, 5, 6, 100] {
            let whole = message(pieces(&bytes, of), 10, |length| budget.take(&(), length)).await;
            let whole = whole.unwrap_or_else(|_| panic!("in pieces of {of}"));
            assert!(budget.take(&(), 1).is_none(), "all is held");
            assert_eq!(whole.collect().await.unwrap().to_bytes(), bytes);
        }
        assert!(budget.take(&(), 15).is_some(), "and given back");
    }

    #[tokio::test]
    async fn what_announces_too_much_or_is_longer_than_it_announces_is_not_read() {
        let budget = Budget::new(100, 100);
        let read = async |bytes: &[u8], most| message(pieces(bytes, 4), most, |length| budget.take(&(), length)).await;
        assert!(matches!(read(&framed(11, b""), 10).await, Err(Fault::Length { found: 11, most: 10 })));
        assert!(matches!(read(&framed(u32::MAX, b""), 10).await, Err(Fault::Length { .. })));
        assert!(matches!(read(&framed(2, b"012"), 10).await, Err(Fault::More)));
        assert!(matches!(read(&framed(96, b""), 1000).await, Err(Fault::Full)));
        // What is cut off is the service's to refuse.
        assert!(read(&framed(4, b"01"), 10).await.is_ok());
        assert!(read(b"", 10).await.is_ok_and(|whole| http_body::Body::is_end_stream(&whole)));
    }

    #[test]
    fn only_calls_that_bear_samples_may_be_large_and_only_known_streams_have_no_end() {
        for (path, kind) in [
            ("/tumar.v1.MatchingService/VerifySubject", Kind::Matching),
            ("/tumar.v1.MatchingService/NoSuchCall", Kind::Matching),
            ("/tumar.v1.MatchingService/GetCommittee", Kind::Small),
            ("/tumar.v1.SubjectService/ListUses", Kind::Small),
            ("/tumar.v1.AccessLogService/ListEntries", Kind::Small),
            ("/grpc.health.v1.Health/Check", Kind::Small),
            ("/grpc.health.v1.Health/Watch", Kind::Open),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Kind::Open),
            ("/no.such.Service/Call", Kind::Small),
            ("", Kind::Small),
        ] {
            assert_eq!(Kind::of(path), kind, "{path}");
        }
    }
}
