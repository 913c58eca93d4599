//! What every node answers about its own log: to anyone, to auditors, and to the person an entry is about.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use super::{bearer, proven, refuse, status};
use crate::engine::{Auditing, Filter, OwnUse, Refusal};
use crate::log::shard::EntryId;
use crate::log::tiles::{Reader, TilesError, WIDTH};
use crate::reason::Reason;
use crate::wire::{RequestError, ask_of_evidence, ask_of_uses, receipt_to, v1};
use v1::access_log_service_server::AccessLogService;
use v1::subject_service_server::SubjectService;

/// Who reads a whole log at the same time.
const READERS: usize = 8;

/// Entries that are read ahead of a slow reader.
const AHEAD: usize = 512;

/// How long a reader may take none: then somebody else may read.
const PATIENCE: Duration = Duration::from_secs(30);

/// One node's log, for all who ask.
pub struct AuditEndpoint {
    auditing: Arc<Auditing>,
    readers: Arc<Semaphore>,
}

impl AuditEndpoint {
    /// Of this node's log.
    #[must_use]
    pub fn new(auditing: Arc<Auditing>) -> Self {
        Self { auditing, readers: Arc::new(Semaphore::new(READERS)) }
    }

    fn half(&self, text: &str) -> Result<crate::log::shard::Shard, Status> {
        self.auditing.half(text).map_err(|refusal| status(&refusal))
    }

    /// What tells of single entries is for holders of a token to read them.
    fn may_read<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let token = bearer(request).ok_or_else(|| refuse(self.auditing.party(), Reason::TokenAbsent))?;
        self.auditing.may_read(token).map_err(|refusal| status(&refusal))
    }

    /// Room for one more who reads a whole log.
    fn reader(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.readers).try_acquire_owned().map_err(|_| refuse(self.auditing.party(), Reason::Overloaded))
    }

    /// The answer. It goes on although the client goes away: what is admitted is closed.
    async fn answered<T, F>(&self, asked: F) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let answered = tokio::spawn(asked).await.map_err(|_| refuse(self.auditing.party(), Reason::AnswerMissing))?;
        answered.map_err(|refusal| status(&refusal))
    }

    fn malformed(&self, error: RequestError) -> Status {
        status(&Refusal::malformed(self.auditing.party(), error))
    }
}

type Listed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send + 'static>>;

#[tonic::async_trait]
impl AccessLogService for AuditEndpoint {
    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let half = self.half(&request.get_ref().half)?;
        let (checkpoint, halves) = self.auditing.checkpoint(half).map_err(|refusal| status(&refusal))?;
        let halves = halves.iter().map(ToString::to_string).collect();
        Ok(Response::new(v1::GetCheckpointResponse { half: half.to_string(), checkpoint, halves }))
    }

    type ListEntriesStream = Listed<v1::ListEntriesResponse>;

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<Self::ListEntriesStream>, Status> {
        self.may_read(&request)?;
        let reader = self.reader()?;
        let asked = request.into_inner();
        let filter = filter(&asked).map_err(|error| self.malformed(error))?;
        let (files, size) = self.auditing.published(self.half(&asked.half)?).map_err(|refusal| status(&refusal))?;
        let to = if asked.to == 0 { size } else { asked.to.min(size) };
        let (entries, listed) = mpsc::channel(AHEAD);
        let (end, ended) = oneshot::channel();
        let own = self.auditing.party();
        let wanted = Wanted { files, size, range: asked.from..to, filter };
        tokio::spawn(async move {
            let cut = list(Arc::new(wanted), entries).await;
            drop(reader);
            if let Err(cut) = cut {
                if let Cut::Files(error) = &cut {
                    tracing::error!(error = error as &dyn std::error::Error, "the published log can not be read");
                }
                // Who has gone away is told nothing.
                let _ = end.send(refuse(own, cut.reason()));
            }
        });
        // A list that was cut off does not look like one that is whole.
        let end = tokio_stream::once(ended).then(|ended| ended).filter_map(|ended| ended.ok().map(Err));
        Ok(Response::new(Box::pin(ReceiverStream::new(listed).map(Ok).chain(end))))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        let v1::GetInclusionProofRequest { half, index } = request.into_inner();
        let place = EntryId { half: self.half(&half)?, index };
        let shown = self.auditing.inclusion(place).map_err(|refusal| status(&refusal))?;
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
        let proof = self.auditing.consistency(self.half(&half)?, old_size, new_size);
        let proof = hashes(&proof.map_err(|refusal| status(&refusal))?);
        Ok(Response::new(v1::GetConsistencyProofResponse { proof }))
    }

    async fn get_receipt(
        &self,
        request: Request<v1::GetReceiptRequest>,
    ) -> Result<Response<v1::GetReceiptResponse>, Status> {
        self.may_read(&request)?;
        let v1::GetReceiptRequest { half, index } = request.into_inner();
        let place = EntryId { half: self.half(&half)?, index };
        let receipt = self.auditing.logged(place).await.map_err(|refusal| status(&refusal))?;
        Ok(Response::new(v1::GetReceiptResponse { receipt: Some(receipt_to(&receipt)) }))
    }

    async fn open_evidence(
        &self,
        request: Request<v1::OpenEvidenceRequest>,
    ) -> Result<Response<v1::OpenEvidenceResponse>, Status> {
        let token = proven(self.auditing.party(), &request)?;
        let (ask, place, part) =
            ask_of_evidence(request.get_ref(), self.auditing.party()).map_err(|error| self.malformed(error))?;
        let auditing = Arc::clone(&self.auditing);
        let opened = async move { auditing.open_evidence(token, &ask, (place, part)).await };
        let (part, digests) = self.answered(opened).await?;
        Ok(Response::new(v1::OpenEvidenceResponse { part, digests: hashes(&digests) }))
    }
}

#[tonic::async_trait]
impl SubjectService for AuditEndpoint {
    type ListUsesStream = Listed<v1::ListUsesResponse>;

    async fn list_uses(&self, request: Request<v1::ListUsesRequest>) -> Result<Response<Self::ListUsesStream>, Status> {
        let token = proven(self.auditing.party(), &request)?;
        let ask = ask_of_uses(request.get_ref(), self.auditing.party()).map_err(|error| self.malformed(error))?;
        let (auditing, reader) = (Arc::clone(&self.auditing), self.reader()?);
        let uses = async move {
            let uses = auditing.list_uses(token, &ask).await;
            drop(reader);
            uses
        };
        let uses = self.answered(uses).await?;
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
        request_digest: match asked.request_digest.as_slice() {
            [] => None,
            digest => Some(digest.try_into().map_err(|_| RequestError::Digest)?),
        },
    })
}

/// What a reader asked for.
struct Wanted {
    files: Reader,
    size: u64,
    range: Range<u64>,
    filter: Filter,
}

impl Wanted {
    /// Of one bundle. There is nothing of one that was destroyed.
    fn of(&self, bundle: u64) -> Result<Vec<v1::ListEntriesResponse>, TilesError> {
        let entries = match self.files.entries(bundle, self.size) {
            Err(TilesError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            entries => entries?,
        };
        let entries = (bundle..).zip(entries).map(|(index, entry)| v1::ListEntriesResponse { index, entry });
        Ok(entries.filter(|listed| self.range.contains(&listed.index) && self.filter.takes(&listed.entry)).collect())
    }
}

/// Why a list ends before it is whole.
enum Cut {
    /// The reader took nothing for too long.
    Slow,
    /// The published log can not be read.
    Files(TilesError),
}

impl Cut {
    const fn reason(&self) -> Reason {
        match self {
            Self::Slow => Reason::ReaderSlow,
            Self::Files(_) => Reason::StoreFailed,
        }
    }
}

/// Reads bundle after bundle, as fast as they are taken; a reader that goes away ends it.
async fn list(wanted: Arc<Wanted>, to: mpsc::Sender<v1::ListEntriesResponse>) -> Result<(), Cut> {
    let mut bundle = wanted.range.start / WIDTH * WIDTH;
    while bundle < wanted.range.end {
        let here = Arc::clone(&wanted);
        let read = tokio::task::spawn_blocking(move || here.of(bundle)).await;
        let read = read.unwrap_or_else(|error| Err(TilesError::Io(io::Error::other(error))));
        for listed in read.map_err(Cut::Files)? {
            match to.send_timeout(listed, PATIENCE).await {
                Ok(()) => {}
                Err(SendTimeoutError::Timeout(_)) => return Err(Cut::Slow),
                Err(SendTimeoutError::Closed(_)) => return Ok(()),
            }
        }
        bundle += WIDTH;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::merkle::{Tree, leaf_hash};
    use crate::log::note::{Checkpoint, NoteSigner, SigningKey};
    use crate::log::tiles::Writer;

    /// The first 300 entries of a log, which say nothing but their number, and all of which are wanted.
    fn wanted(folder: &std::path::Path) -> Arc<Wanted> {
        let entries: Vec<Vec<u8>> = (0..300_u16).map(|number| number.to_be_bytes().to_vec()).collect();
        let mut tree = Tree::new();
        for entry in &entries {
            tree.push(leaf_hash(entry));
        }
        let signer = NoteSigner::new("log.test".parse().unwrap(), SigningKey::from_seed(&[7; 32]));
        let origin = signer.verifier().name().clone();
        let note = Checkpoint { origin, size: 300, root: tree.root(300).unwrap() }.sign(&signer).unwrap();
        let place = |index| usize::try_from(index).unwrap();
        let of = |span: Range<u64>| Ok(entries[place(span.start)..place(span.end)].to_vec());
        Writer::open(folder).unwrap().write(&tree, of, &note).unwrap();
        Arc::new(Wanted { files: Reader::new(folder), size: 300, range: 10..300, filter: Filter::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_for_too_long_is_cut_off_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let (to, mut listed) = mpsc::channel(1);
        let listing = tokio::spawn(list(wanted(folder.path()), to));
        for index in 10..290 {
            // Slow, and not too slow.
            tokio::time::sleep(PATIENCE / 2).await;
            assert_eq!(listed.recv().await.unwrap().index, index);
        }
        let cut = listing.await.unwrap().unwrap_err();
        assert_eq!(cut.reason(), Reason::ReaderSlow);
    }

    #[tokio::test]
    async fn a_list_is_whole_and_ends_in_silence_only_if_all_could_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = wanted(folder.path());
        let (to, mut listed) = mpsc::channel(300);
        assert!(list(Arc::clone(&wanted), to).await.is_ok());
        let mut indexes = Vec::new();
        while let Some(listed) = listed.recv().await {
            indexes.push(listed.index);
        }
        assert!(indexes.into_iter().eq(10..300));
        std::fs::write(folder.path().join("tile/entries/000"), [0xff; 3]).unwrap();
        let cut = list(wanted, mpsc::channel(300).0).await.unwrap_err();
        assert_eq!(cut.reason(), Reason::StoreFailed);
    }
}
