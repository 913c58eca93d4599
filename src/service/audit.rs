//! What every node answers about its own log: to anyone, to auditors, and to the person an entry is about.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use super::{bearer, proven, refuse, status};
use crate::engine::{Engine, Filter, OwnUse, Refusal};
use crate::log::half::Place;
use crate::log::tiles::{Reader, TilesError, WIDTH};
use crate::wire::{RequestError, ask_of_evidence, ask_of_uses, receipt_to, v1};
use v1::access_log_service_server::AccessLogService;
use v1::subject_service_server::SubjectService;

/// Who reads a whole log at the same time.
const READERS: usize = 8;

/// Entries that are read ahead of a slow reader.
const AHEAD: usize = 512;

/// One node's log, for all who ask.
pub struct Auditing {
    engine: Arc<Engine>,
    readers: Arc<Semaphore>,
}

impl Auditing {
    /// Of this engine's node.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, readers: Arc::new(Semaphore::new(READERS)) }
    }

    fn half(&self, text: &str) -> Result<crate::log::half::Half, Status> {
        self.engine.half(text).map_err(|refusal| status(&refusal))
    }

    /// What tells of single entries is for holders of a token to read them.
    fn may_read<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let token = bearer(request).ok_or_else(|| refuse(&self.engine, "TOKEN_ABSENT"))?;
        self.engine.may_read(token).map_err(|refusal| status(&refusal))
    }

    /// What an engine answers, who goes on although the client goes away: what is admitted is closed.
    async fn answered<T, F>(&self, asked: F) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let answered = tokio::spawn(asked).await.map_err(|_| refuse(&self.engine, "ANSWER_MISSING"))?;
        answered.map_err(|refusal| status(&refusal))
    }

    fn malformed(&self, error: RequestError) -> Status {
        status(&Refusal::malformed(self.engine.party(), error))
    }
}

type Listed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send + 'static>>;

#[tonic::async_trait]
impl AccessLogService for Auditing {
    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let half = self.half(&request.get_ref().half)?;
        let (checkpoint, halves) = self.engine.checkpoint(half).map_err(|refusal| status(&refusal))?;
        let halves = halves.iter().map(ToString::to_string).collect();
        Ok(Response::new(v1::GetCheckpointResponse { half: half.to_string(), checkpoint, halves }))
    }

    type ListEntriesStream = Listed<v1::ListEntriesResponse>;

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<Self::ListEntriesStream>, Status> {
        self.may_read(&request)?;
        let reader = Arc::clone(&self.readers).try_acquire_owned().map_err(|_| refuse(&self.engine, "OVERLOADED"))?;
        let asked = request.into_inner();
        let filter = filter(&asked).map_err(|error| self.malformed(error))?;
        let (files, size) = self.engine.published(self.half(&asked.half)?).map_err(|refusal| status(&refusal))?;
        let to = if asked.to == 0 { size } else { asked.to.min(size) };
        let (entries, listed) = mpsc::channel(AHEAD);
        let engine = Arc::clone(&self.engine);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = list(&files, size, asked.from..to, &filter, &entries, reader) {
                tracing::error!(error = &error as &dyn std::error::Error, "the published log cannot be read");
                drop(entries.blocking_send(Err(refuse(&engine, "STORE_FAILED"))));
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(listed))))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        let v1::GetInclusionProofRequest { half, index } = request.into_inner();
        let place = Place { half: self.half(&half)?, index };
        let shown = self.engine.inclusion(place).map_err(|refusal| status(&refusal))?;
        Ok(Response::new(v1::GetInclusionProofResponse {
            leaf_hash: shown.leaf.to_vec(),
            proof: hashes(&shown.proof),
            checkpoint: shown.checkpoint,
        }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        let v1::GetConsistencyProofRequest { half, old_size, new_size } = request.into_inner();
        let proof = self.engine.consistency(self.half(&half)?, old_size, new_size);
        let proof = hashes(&proof.map_err(|refusal| status(&refusal))?);
        Ok(Response::new(v1::GetConsistencyProofResponse { proof }))
    }

    async fn get_receipt(
        &self,
        request: Request<v1::GetReceiptRequest>,
    ) -> Result<Response<v1::GetReceiptResponse>, Status> {
        self.may_read(&request)?;
        let v1::GetReceiptRequest { half, index } = request.into_inner();
        let place = Place { half: self.half(&half)?, index };
        let receipt = self.engine.logged(place).await.map_err(|refusal| status(&refusal))?;
        Ok(Response::new(v1::GetReceiptResponse { receipt: Some(receipt_to(&receipt)) }))
    }

    async fn open_evidence(
        &self,
        request: Request<v1::OpenEvidenceRequest>,
    ) -> Result<Response<v1::OpenEvidenceResponse>, Status> {
        let token = proven(&self.engine, &request)?;
        let (ask, place, part) = ask_of_evidence(request.get_ref()).map_err(|error| self.malformed(error))?;
        let engine = Arc::clone(&self.engine);
        let opened = async move { engine.open_evidence(token, &ask, (place, part)).await };
        let (part, digests) = self.answered(opened).await?;
        Ok(Response::new(v1::OpenEvidenceResponse { part, digests: hashes(&digests) }))
    }
}

#[tonic::async_trait]
impl SubjectService for Auditing {
    type ListUsesStream = Listed<v1::ListUsesResponse>;

    async fn list_uses(&self, request: Request<v1::ListUsesRequest>) -> Result<Response<Self::ListUsesStream>, Status> {
        let token = proven(&self.engine, &request)?;
        let ask = ask_of_uses(request.get_ref()).map_err(|error| self.malformed(error))?;
        let engine = Arc::clone(&self.engine);
        let uses = self.answered(async move { engine.list_uses(token, &ask).await }).await?;
        let listed = tokio_stream::iter(uses).map(|OwnUse { entry, inclusion }| {
            Ok(v1::ListUsesResponse {
                half: inclusion.place.half.to_string(),
                index: inclusion.place.index,
                entry,
                inclusion_proof: hashes(&inclusion.proof),
                checkpoint: inclusion.checkpoint,
            })
        });
        Ok(Response::new(Box::pin(listed)))
    }
}

fn hashes(hashes: &[[u8; 32]]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.to_vec()).collect()
}

fn filter(asked: &v1::ListEntriesRequest) -> Result<Filter, RequestError> {
    let given = |text: &str| (!text.is_empty()).then_some(());
    Ok(Filter {
        relying_party: given(&asked.relying_party).map(|()| asked.relying_party.parse()).transpose()?,
        purpose: given(&asked.purpose).map(|()| asked.purpose.parse()).transpose()?,
        rq: match asked.request_digest.as_slice() {
            [] => None,
            digest => Some(digest.try_into().map_err(|_| RequestError::Digest)?),
        },
    })
}

/// Reads bundle after bundle, as fast as they are taken; a reader that goes away ends it. Bundles that were destroyed are passed over.
fn list(
    files: &Reader,
    size: u64,
    range: std::ops::Range<u64>,
    filter: &Filter,
    to: &mpsc::Sender<Result<v1::ListEntriesResponse, Status>>,
    _reader: OwnedSemaphorePermit,
) -> Result<(), TilesError> {
    let mut bundle = range.start / WIDTH * WIDTH;
    while bundle < range.end {
        let entries = match files.entries(bundle, size) {
            Err(TilesError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            entries => entries?,
        };
        for (index, entry) in (bundle..).zip(entries).filter(|(index, _)| range.contains(index)) {
            if filter.takes(&entry) && to.blocking_send(Ok(v1::ListEntriesResponse { index, entry })).is_err() {
                return Ok(());
            }
        }
        bundle += WIDTH;
    }
    Ok(())
}
