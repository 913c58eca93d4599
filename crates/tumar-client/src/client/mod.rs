//! What a terminal and a backend do: split a template, seal the shares, sign, call, and believe nothing but three receipts.
//!
//! ```text
//! Template --prepare--> Prepared --prove--> proof --call--> Answer
//! (clear)   split,       request    key,     one     leader, and all three receipts checked
//!           seal         to repeat  token    time
//! ```
//!
//! | file | what |
//! |---|---|
//! | `config` | [`ClientConfig`]: whom to call, and the keys that are pinned |
//! | `keeping` | requests that are kept before they are sent, so that nothing is lost that was made |
//! | `node` | [`NodeClient`]: one node, about its own log |
//! | `patience` | the very same request again, while a node is away for a moment |
//! | `receipts` | [`Receipts`], [`ErasureCertificate`]: what is believed of an answer |
//! | `error` | [`ClientError`] |
//!
//! What needs no connection is in [`prepare`](crate::prepare), and named here too. Not wiped: the embedding that the caller read, and the
//! copies that TLS buffers make of envelopes, which are sealed.

mod config;
mod error;
mod health;
mod keeping;
mod node;
mod patience;
mod receipts;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tonic::Status;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::transport::Channel;

use crate::log::receipt::{Found, Outcome};
use crate::name::{Deployment, RequestId, Subject};
use crate::party::Party;
use crate::request::{Method, Minute, Progress, RequestInfo};
use crate::timings::{self, Timings};
use crate::token::{Narrowing, ProofKey};
use crate::wire::peer::v1::relayed::Request;
use crate::wire::v1;
use crate::wire::v1::matching_service_client::MatchingServiceClient;

pub use crate::prepare::{
    Capture, Committee, CommitteeFault, InputError, NodePin, Prepared, Search, ServedModel, SubjectKey,
    SubjectKeyError, Target,
};
pub use config::{ClientConfig, ConfigError, NodeEndpoint};
pub use error::{ClientError, Refusal};
pub use health::is_serving;
pub use node::{Exhibit, NodeClient, Opened, OwnEntry};
pub use receipts::{CertificateError, ErasureCertificate, ReceiptFault, Receipts};

use patience::Patience;

/// How long a call may take before both sides give it up.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// How long a search may take.
pub const SEARCH_DEADLINE: Duration = Duration::from_mins(5);

/// Seconds before the end of a node's envelope key from which on the committee is asked for anew: far longer than a request is on its
/// way and clocks differ.
const REFRESH_SECONDS: u64 = 600;

/// Reads the time, in Unix seconds: a proof says when it was made.
pub type Clock = fn() -> u64;

/// What came of a request, on the word of all three nodes.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The same in all three receipts.
    pub outcome: Outcome,
    /// Of a search, what all three receipts sign.
    pub found: Option<Found>,
    /// Checked.
    pub receipts: Receipts,
    /// What it took, by the leader's account alone.
    pub timings: Timings,
}

/// A reference was taken in.
#[derive(Debug)]
pub struct Enrolled {
    /// Checked.
    pub receipts: Receipts,
    /// What it took, by the leader's account alone.
    pub timings: Timings,
    /// For the person, and kept by nobody else: it finds their entries in the access logs.
    pub subject_key: SubjectKey,
}

/// A comparison was made.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The request's id.
    pub request_id: RequestId,
    /// The opened bit.
    pub matched: bool,
    /// Checked.
    pub receipts: Receipts,
    /// What it took, by the leader's account alone.
    pub timings: Timings,
}

/// A gallery was searched.
#[derive(Clone, Debug)]
pub struct Searched {
    /// Who matches.
    pub found: Found,
    /// Checked.
    pub receipts: Receipts,
    /// What it took, by the leader's account alone.
    pub timings: Timings,
}

/// A connection to the leader, and the keys of a committee that was checked.
pub struct Client {
    rpc: MatchingServiceClient<Channel>,
    config: Arc<ClientConfig>,
    committee: RwLock<Arc<Committee>>,
    clock: Clock,
}

/// Prints whom it calls.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({} as {})", self.config.address, self.config.relying_party)
    }
}

impl Client {
    /// Connects to the leader, asks who the nodes are, and checks all three against the pinned keys.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], [`ClientError::Tls`] or [`ClientError::Committee`].
    pub fn connect(
        config: ClientConfig,
        clock: Clock,
    ) -> Pin<Box<dyn Future<Output = Result<Self, ClientError>> + Send>> {
        Box::pin(Self::connected(config, clock))
    }

    async fn connected(config: ClientConfig, clock: Clock) -> Result<Self, ClientError> {
        let mut patience = Patience::new(config.retry, Method::Verify);
        let (rpc, committee) = loop {
            match Self::reached(&config).await {
                Ok(reached) => break reached,
                Err(error) => patience.wait(error).await?,
            }
        };
        Ok(Self { rpc, config: Arc::new(config), committee: RwLock::new(Arc::new(committee)), clock })
    }

    async fn reached(config: &ClientConfig) -> Result<(MatchingServiceClient<Channel>, Committee), ClientError> {
        let mut rpc = MatchingServiceClient::new(config.dialler()?.dial(&config.address).await?);
        let committee = ask_committee(&mut rpc, config).await?;
        Ok((rpc, committee))
    }

    /// A connection to one node, about its own log.
    ///
    /// # Errors
    /// As [`NodeClient::connect`].
    pub async fn node(&self, party: Party) -> Result<NodeClient, ClientError> {
        NodeClient::connect(Arc::clone(&self.config), party, self.clock).await
    }

    /// The committee in use.
    #[must_use]
    pub fn committee(&self) -> Arc<Committee> {
        Arc::clone(&self.committee.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// The deployment.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.config.deployment
    }

    /// The minute it is.
    fn now(&self) -> Minute {
        Minute::of((self.clock)())
    }

    /// Enrols a person with 1 to 32 references, captured just now, all of them or none: splits each, seals the shares together with
    /// what each node needs to blind its log entries.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn enroll(
        &self,
        access: &str,
        target: &Target,
        references: &[Capture<'_>],
    ) -> Result<Enrolled, ClientError> {
        let subject_key = SubjectKey::generate()?;
        let captured = self.now();
        let prepared = self.prepare_enrolment(target, references, captured, &subject_key).await?;
        let answer = match self.send(access, &prepared).await {
            Err(error) if error.wants_new_keys() => {
                self.refresh().await?;
                let again = self.prepare_enrolment(target, references, captured, &subject_key).await?;
                self.send(access, &again).await
            }
            first => first,
        }?;
        Ok(Enrolled { receipts: answer.receipts, timings: answer.timings, subject_key })
    }

    /// Compares one probe, or two of different modalities, captured just now, with a person's references. `amount_kzt` is whole
    /// tenge; 0 where none are at stake. What was captured earlier: [`Prepared::verify`] and [`send`](Self::send).
    ///
    /// # Errors
    /// [`ClientError`]. A probe that does not match is none.
    pub async fn verify(
        &self,
        access: &str,
        target: &Target,
        probes: &[Capture<'_>],
        amount_kzt: u64,
    ) -> Result<Verified, ClientError> {
        let captured = self.now();
        let mut prepared =
            Prepared::verify(&*self.config, &*self.current().await, target, probes, amount_kzt, captured)?;
        let answer = match self.send(access, &prepared).await {
            Err(error) if error.wants_new_keys() => {
                let committee = self.refresh().await?;
                prepared = Prepared::verify(&*self.config, &committee, target, probes, amount_kzt, captured)?;
                self.send(access, &prepared).await
            }
            first => first,
        }?;
        let Answer { outcome, receipts, timings, .. } = answer;
        let request_id = prepared.ask().request_id;
        Ok(Verified { request_id, matched: outcome == Outcome::Match, receipts, timings })
    }

    /// Compares one vector, or a face and a finger together, with everybody in a gallery, and tells `watch` how far it is.
    /// Dropping the future ends the search at all three nodes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn search(
        &self,
        access: &str,
        search: &Search,
        probes: &[Capture<'_>],
        watch: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Searched, ClientError> {
        let captured = self.now();
        let prepared = Prepared::search(&*self.config, &*self.current().await, search, probes, captured)?;
        let answer = match self.send_watching(access, &prepared, watch).await {
            Err(error) if error.wants_new_keys() => {
                let committee = self.refresh().await?;
                let again = Prepared::search(&*self.config, &committee, search, probes, captured)?;
                self.send_watching(access, &again, watch).await
            }
            first => first,
        }?;
        let found = answer.found.ok_or(ReceiptFault::Decision)?;
        Ok(Searched { found, receipts: answer.receipts, timings: answer.timings })
    }

    /// Destroys a person's references.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn erase(&self, access: &str, target: &Target) -> Result<ErasureCertificate, ClientError> {
        let prepared = self.prepare_erasure(target)?;
        let answer = self.send(access, &prepared).await?;
        Ok(self.certificate(&prepared, &answer).ok_or(ReceiptFault::Decision)?)
    }

    /// Stops every use of a person's reference.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn lock(&self, access: &str, target: &Target) -> Result<Receipts, ClientError> {
        Ok(self.send(access, &Prepared::lock(&*self.config, target)?).await?.receipts)
    }

    /// Ends a lock, and forgets the non-matches counted so far.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn unlock(&self, access: &str, target: &Target) -> Result<Receipts, ClientError> {
        Ok(self.send(access, &Prepared::unlock(&*self.config, target)?).await?.receipts)
    }

    /// A proof that the holder of the proof key wants `ask`, now.
    ///
    /// # Errors
    /// [`InputError::Randomness`].
    pub fn prove(&self, access: &str, ask: &RequestInfo, narrowing: Option<&Narrowing>) -> Result<String, ClientError> {
        let key: &ProofKey = &self.config.proof_key;
        key.prove(access, ask, &self.config.base, narrowing, (self.clock)()).map_err(|_| InputError::Randomness.into())
    }

    /// Calls with a proof that was made before, and checks all three receipts.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn call(&self, access: &str, proof: &str, prepared: &Prepared) -> Result<Answer, ClientError> {
        self.call_watching(access, proof, prepared, &mut |_| {}).await
    }

    /// A boxed future: a call is compiled here once, and not in everything that makes one.
    fn call_watching<'a>(
        &'a self,
        access: &'a str,
        proof: &'a str,
        prepared: &'a Prepared,
        watch: &'a mut (dyn FnMut(Progress) + Send),
    ) -> Pin<Box<dyn Future<Output = Result<Answer, ClientError>> + Send + 'a>> {
        Box::pin(self.called(access, proof, prepared, watch))
    }

    async fn called(
        &self,
        access: &str,
        proof: &str,
        prepared: &Prepared,
        watch: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Answer, ClientError> {
        let authorization = metadata(&format!("DPoP {access}"))?;
        let proof = metadata(proof)?;
        let Exchanged { said, receipts, timings } =
            self.exchange(authorization, proof, prepared.request().clone(), watch).await?;
        let receipts = Receipts::check(&receipts, prepared.ask(), &self.config)?;
        let outcome = receipts.outcome();
        let (fits, found) = match said {
            Said::Nothing => (true, None),
            Said::Decision(v1::Decision::Match) => (outcome == Outcome::Match, None),
            Said::Decision(v1::Decision::NoMatch) => (outcome == Outcome::NoMatch, None),
            Said::Decision(v1::Decision::Unspecified) => (false, None),
            Said::Found(found) => (receipts.found() == Some(found.digest()), Some(found)),
        };
        if fits { Ok(Answer { outcome, found, receipts, timings }) } else { Err(ReceiptFault::Decision.into()) }
    }

    /// Asks anew who the nodes are.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn refresh(&self) -> Result<Arc<Committee>, ClientError> {
        let committee = Arc::new(ask_committee(&mut self.rpc.clone(), &self.config).await?);
        *self.committee.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&committee);
        Ok(committee)
    }

    /// The committee in use, or a newer one where its keys are about to end.
    async fn current(&self) -> Arc<Committee> {
        let committee = self.committee();
        if (self.clock)().saturating_add(REFRESH_SECONDS) < committee.until() {
            return committee;
        }
        // Where that fails, the nodes may still take what they told of last; if not, they say so.
        self.refresh().await.unwrap_or(committee)
    }

    async fn exchange(
        &self,
        authorization: MetadataValue<Ascii>,
        proof: MetadataValue<Ascii>,
        request: Request,
        watch: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Exchanged, ClientError> {
        /// The request with its two metadata entries and the deadline.
        fn dressed<T>(
            message: T,
            authorization: MetadataValue<Ascii>,
            proof: MetadataValue<Ascii>,
        ) -> tonic::Request<T> {
            let mut request = tonic::Request::new(message);
            request.metadata_mut().insert("authorization", authorization);
            request.metadata_mut().insert("dpop", proof);
            request.set_timeout(DEADLINE);
            request
        }
        let mut rpc = self.rpc.clone();
        Ok(match request {
            Request::Enroll(m) => {
                let answer = rpc.enroll_subject(dressed(m, authorization, proof)).await?;
                Exchanged::of(answer, |m| (Said::Nothing, m.receipts))
            }
            Request::Verify(m) => {
                let answer = rpc.verify_subject(dressed(m, authorization, proof)).await?;
                Exchanged::of(answer, |m| (Said::Decision(m.decision()), m.receipts))
            }
            Request::Erase(m) => {
                let answer = rpc.erase_subject(dressed(m, authorization, proof)).await?;
                Exchanged::of(answer, |m| (Said::Nothing, m.receipts))
            }
            Request::Lock(m) => {
                let answer = rpc.lock_subject(dressed(m, authorization, proof)).await?;
                Exchanged::of(answer, |m| (Said::Nothing, m.receipts))
            }
            Request::Unlock(m) => {
                let answer = rpc.unlock_subject(dressed(m, authorization, proof)).await?;
                Exchanged::of(answer, |m| (Said::Nothing, m.receipts))
            }
            Request::Search(m) => {
                let mut request = dressed(m, authorization, proof);
                request.set_timeout(SEARCH_DEADLINE);
                let steps = rpc.search_gallery(request).await?.into_inner();
                // The call's own deadline ends with the head of its answer.
                let last = tokio::time::timeout(SEARCH_DEADLINE, last_of(steps, watch)).await;
                last.unwrap_or_else(|_| Err(Status::deadline_exceeded("the search took too long").into()))?
            }
        })
    }
}

/// Asks the leader who the nodes are, and checks what it says.
async fn ask_committee(
    rpc: &mut MatchingServiceClient<Channel>,
    config: &ClientConfig,
) -> Result<Committee, ClientError> {
    let mut request = tonic::Request::new(v1::GetCommitteeRequest {});
    request.set_timeout(DEADLINE);
    let answer = rpc.get_committee(request).await?.into_inner();
    Ok(Committee::check(&answer, config)?)
}

/// What came back. Nothing of it is checked yet.
struct Exchanged {
    said: Said,
    receipts: Vec<v1::Receipt>,
    timings: Timings,
}

impl Exchanged {
    fn of<T>(answer: tonic::Response<T>, read: impl FnOnce(T) -> (Said, Vec<v1::Receipt>)) -> Self {
        let timings = timings_of(answer.metadata());
        let (said, receipts) = read(answer.into_inner());
        Self { said, receipts, timings }
    }
}

/// What an answer says besides its receipts.
enum Said {
    Nothing,
    Decision(v1::Decision),
    Found(Found),
}

/// What the leader says that it took; nothing if it does not say, or not in a form that is known.
fn timings_of(metadata: &MetadataMap) -> Timings {
    let text = metadata.get(timings::METADATA).and_then(|value| value.to_str().ok());
    text.map(Timings::parse).unwrap_or_default()
}

/// The result of a search, after all that was said of its progress.
async fn last_of(
    mut steps: tonic::Streaming<v1::SearchGalleryResponse>,
    watch: &mut (dyn FnMut(Progress) + Send),
) -> Result<Exchanged, ClientError> {
    use v1::search_gallery_response::Step;
    while let Some(message) = steps.message().await? {
        match message.step {
            Some(Step::Progress(v1::SearchProgress { blocks_done, blocks })) => watch(Progress { blocks_done, blocks }),
            Some(Step::Result(result)) => {
                let candidates: Result<_, _> = result.candidates.into_iter().map(Subject::try_from).collect();
                let candidates = candidates.map_err(|_| ReceiptFault::Decision)?;
                let said = Said::Found(Found { candidates, truncated: result.truncated });
                let end = steps.trailers().await?;
                let timings = end.as_ref().map(timings_of).unwrap_or_default();
                return Ok(Exchanged { said, receipts: result.receipts, timings });
            }
            None => {}
        }
    }
    Err(ReceiptFault::Count.into())
}

/// Marked as sensitive, so that no HTTP/2 table and no `Debug` of a request keeps it.
fn metadata(text: &str) -> Result<MetadataValue<Ascii>, InputError> {
    let mut value = MetadataValue::try_from(text).map_err(|_| InputError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
