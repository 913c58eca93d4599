//! The public gRPC service: what comes in becomes one question to the leader, what comes out one message or one status.
//!
//! The one place where a refusal becomes a [`Status`]: its reason's code and fixed sentence, never an error's own text.

mod audit;
mod budget;
mod gate;
pub mod host;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::MetadataMap;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

pub use audit::AuditEndpoint;
pub use gate::{Gate, MAX_SMALL};

use crate::engine::refusal::Cause as _;
use crate::engine::{Authorizer, Leader, Refusal};
use crate::log::receipt::Outcome;
use crate::name::Deployment;
use crate::party::Party;
use crate::peer::Peers;
use crate::reason::Reason;
use crate::request::Progress;
use crate::timings::{self, Timings};
use crate::token::Token;
use crate::wire::peer::v1::{Relayed, relayed};
use crate::wire::{MOST_SAMPLES, receipt_to, sha256, v1};
use v1::matching_service_server::MatchingService;
use v1::search_gallery_response::Step;

/// Domain of all reason codes.
pub const DOMAIN: &str = "tumar.v1";

/// Largest request, in bytes: three envelopes of a full set of rows for each of [`MOST_SAMPLES`], which are 602 kB, and names.
pub const MAX_REQUEST: usize = 640 * 1024;

fn status(refusal: &Refusal) -> Status {
    let mut metadata = HashMap::from([("node".to_owned(), refusal.node.to_string())]);
    if let Some(field) = refusal.field {
        metadata.insert("field".to_owned(), field.to_owned());
    }
    if let Some(claim) = refusal.claim {
        metadata.insert("claim".to_owned(), claim.to_owned());
    }
    if !refusal.links.is_empty() {
        let links: Vec<_> = refusal.links.iter().map(ToString::to_string).collect();
        metadata.insert("link".to_owned(), links.join(","));
    }
    if let Some(check) = refusal.links.iter().find_map(|link| link.check) {
        metadata.insert("check".to_owned(), check.to_string());
    }
    let mut details = ErrorDetails::with_error_info(refusal.reason.code(), DOMAIN, metadata);
    if let Some(wait) = refusal.retry_after_ms {
        details.set_retry_info(Some(Duration::from_millis(wait)));
    }
    Status::with_error_details(refusal.reason.status(), refusal.reason.text(), details)
}

fn refuse(own: Party, reason: Reason) -> Status {
    status(&Refusal::new(own, reason))
}

/// The service of one node. Only the leader's answers more than [`GetCommittee`](v1::GetCommitteeRequest).
pub struct Matching {
    leader: Arc<Leader>,
    /// Whose policy and models clients are told of.
    authorizer: Arc<Authorizer>,
    peers: Arc<Peers>,
    deployment: Deployment,
}

impl Matching {
    /// The service of this node and its links.
    #[must_use]
    pub const fn new(
        leader: Arc<Leader>,
        authorizer: Arc<Authorizer>,
        peers: Arc<Peers>,
        deployment: Deployment,
    ) -> Self {
        Self { leader, authorizer, peers, deployment }
    }

    /// Takes a request with its token and proof through the three nodes.
    async fn submit<T>(
        &self,
        request: Request<T>,
        wrap: fn(T) -> relayed::Request,
        expected: &[Outcome],
    ) -> Result<(Outcome, Vec<v1::Receipt>, Timings), Status> {
        let relayed = self.relayed(request, wrap)?;
        let answered = self.leader.submit(relayed).await.map_err(|refusal| status(&refusal))?;
        if !expected.contains(&answered.outcome) {
            return Err(refuse(self.leader.party(), Reason::AnswerMissing));
        }
        Ok((answered.outcome, answered.receipts.iter().map(receipt_to).collect(), answered.timings))
    }

    /// That there is no committee to be named, and which nodes do not work together.
    fn incomplete(&self) -> Status {
        let refusal = Refusal::new(self.leader.party(), Reason::CommitteeIncomplete);
        status(&Refusal { links: self.peers.parted(), ..refusal })
    }

    /// A request with its token and proof, as the helpers will see it.
    fn relayed<T>(&self, request: Request<T>, wrap: fn(T) -> relayed::Request) -> Result<Relayed, Status> {
        let token = proven(self.leader.party(), &request)?;
        Ok(Relayed {
            token: token.access().to_owned(),
            proof: token.proof().to_owned(),
            client_certificate: token.certificate().map(|digest| digest.to_vec()).unwrap_or_default(),
            position: 0,
            request: Some(wrap(request.into_inner())),
        })
    }
}

/// Token, proof, and the certificate that the caller showed.
fn proven<T>(own: Party, request: &Request<T>) -> Result<Token, Status> {
    let access = metadata(request, "authorization").and_then(|value| credentials(value, "DPoP"));
    let access = access.ok_or_else(|| refuse(own, Reason::TokenAbsent))?;
    let proof = metadata(request, "dpop").ok_or_else(|| refuse(own, Reason::ProofAbsent))?;
    let tls = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    let certificate = tls.and_then(TlsConnectInfo::peer_certs).and_then(|chain| chain.first().cloned());
    Ok(Token::new(access, proof, certificate.map(|der| sha256(&der))))
}

/// A token without a proof.
fn bearer<T>(request: &Request<T>) -> Option<&str> {
    metadata(request, "authorization").and_then(|value| credentials(value, "Bearer"))
}

/// What follows a scheme, whose name has no case (RFC 9110 11.1).
fn credentials<'v>(value: &'v str, wanted: &str) -> Option<&'v str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then_some(token)
}

fn metadata<'r, T>(request: &'r Request<T>, name: &str) -> Option<&'r str> {
    single(request.metadata().as_ref(), name)
}

/// The one value that a head has of a name.
fn single<'h>(head: &'h http::HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = head.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    // Twice is never: which of the two counts would be a matter of taste.
    if values.next().is_some() { None } else { Some(value) }
}

#[tonic::async_trait]
impl MatchingService for Matching {
    async fn enroll_subject(
        &self,
        request: Request<v1::EnrollSubjectRequest>,
    ) -> Result<Response<v1::EnrollSubjectResponse>, Status> {
        let (_, receipts, timings) = self.submit(request, relayed::Request::Enroll, &[Outcome::Enrolled]).await?;
        Ok(timed(v1::EnrollSubjectResponse { receipts }, &timings))
    }

    async fn verify_subject(
        &self,
        request: Request<v1::VerifySubjectRequest>,
    ) -> Result<Response<v1::VerifySubjectResponse>, Status> {
        let bits = [Outcome::Match, Outcome::NoMatch];
        let (outcome, receipts, timings) = self.submit(request, relayed::Request::Verify, &bits).await?;
        let decision = if outcome == Outcome::Match { v1::Decision::Match } else { v1::Decision::NoMatch };
        Ok(timed(v1::VerifySubjectResponse { decision: decision.into(), receipts }, &timings))
    }

    async fn erase_subject(
        &self,
        request: Request<v1::EraseSubjectRequest>,
    ) -> Result<Response<v1::EraseSubjectResponse>, Status> {
        let (_, receipts, timings) = self.submit(request, relayed::Request::Erase, &[Outcome::Erased]).await?;
        Ok(timed(v1::EraseSubjectResponse { receipts }, &timings))
    }

    async fn lock_subject(
        &self,
        request: Request<v1::LockSubjectRequest>,
    ) -> Result<Response<v1::LockSubjectResponse>, Status> {
        let (_, receipts, timings) = self.submit(request, relayed::Request::Lock, &[Outcome::Locked]).await?;
        Ok(timed(v1::LockSubjectResponse { receipts }, &timings))
    }

    async fn unlock_subject(
        &self,
        request: Request<v1::UnlockSubjectRequest>,
    ) -> Result<Response<v1::UnlockSubjectResponse>, Status> {
        let (_, receipts, timings) = self.submit(request, relayed::Request::Unlock, &[Outcome::Unlocked]).await?;
        Ok(timed(v1::UnlockSubjectResponse { receipts }, &timings))
    }

    type SearchGalleryStream = Pin<Box<dyn Stream<Item = Result<v1::SearchGalleryResponse, Status>> + Send + 'static>>;

    async fn search_gallery(
        &self,
        request: Request<v1::SearchGalleryRequest>,
    ) -> Result<Response<Self::SearchGalleryStream>, Status> {
        let relayed = self.relayed(request, relayed::Request::Search)?;
        let (watched, progress) = watch::channel(Progress::default());
        let queued = self.leader.enqueue(relayed, watched).await.map_err(|refusal| status(&refusal))?;
        let progress = WatchStream::from_changes(progress).map(|Progress { blocks_done, blocks }| {
            Ok(said(Step::Progress(v1::SearchProgress { blocks_done, blocks })))
        });
        let own = self.leader.party();
        let (took, timings) = oneshot::channel();
        let result = async move {
            let answered = queued.answer().await.map_err(|refusal| status(&refusal))?;
            let found = answered.found.ok_or_else(|| refuse(own, Reason::AnswerMissing))?;
            // The stream reads it next, or is gone.
            let _ = took.send(answered.timings);
            Ok(said(Step::Result(v1::SearchResult {
                candidates: found.candidates.into_iter().map(String::from).collect(),
                truncated: found.truncated,
                receipts: answered.receipts.iter().map(receipt_to).collect(),
            })))
        };
        let result = tokio_stream::once(result).then(|result| result);
        // The stream's end, and no error: what it took is known when the answer's head has long gone.
        let end = async move { timings.await.ok().map(|timings| Err(ended(&timings))) };
        let end = tokio_stream::once(end).then(|end| end).filter_map(|end| end);
        // Nobody tells of progress any more when the answer comes. Who drops the stream ends the search.
        Ok(Response::new(Box::pin(progress.chain(result).chain(end))))
    }

    async fn get_committee(
        &self,
        _: Request<v1::GetCommitteeRequest>,
    ) -> Result<Response<v1::GetCommitteeResponse>, Status> {
        let nodes = self.peers.nodes_soon().await.ok_or_else(|| match self.peers.unwritable() {
            Some(why) => status(&why.at(self.leader.party())),
            None => self.incomplete(),
        })?;
        let models = self.authorizer.models().iter().map(|model| v1::Model {
            id: model.id().to_string(),
            modality: v1::Modality::from(model.modality()).into(),
            dimension: u32::try_from(model.dimension()).unwrap_or(u32::MAX),
            encoding: v1::Encoding::from(model.encoding()).into(),
        });
        Ok(Response::new(v1::GetCommitteeResponse {
            deployment: self.deployment.to_string(),
            nodes,
            models: models.collect(),
            limits: Some(v1::Limits {
                max_request_bytes: u32::try_from(MAX_REQUEST).unwrap_or(u32::MAX),
                max_samples: u32::try_from(MOST_SAMPLES).unwrap_or(u32::MAX),
                request_retention_seconds: self.authorizer.policy().limits().request_retention_seconds,
            }),
        }))
    }
}

/// An answer, with what it took.
fn timed<T>(message: T, timings: &Timings) -> Response<T> {
    Response::from_parts(metadata_of(timings), message, tonic::Extensions::default())
}

/// The end of a stream of answers, with what they took.
fn ended(timings: &Timings) -> Status {
    Status::with_metadata(Code::Ok, "", metadata_of(timings))
}

fn metadata_of(timings: &Timings) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    let text = timings.to_string();
    if !text.is_empty()
        && let Ok(text) = text.parse()
    {
        metadata.insert(timings::METADATA, text);
    }
    metadata
}

const fn said(step: Step) -> v1::SearchGalleryResponse {
    v1::SearchGalleryResponse { step: Some(step) }
}
