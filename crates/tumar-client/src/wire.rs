//! The generated types, and the way from them to ours: parsed once, here, and valid from then on.
//!
//! What prost decodes is not wiped: shares cross it only inside envelopes.

mod saved;

use std::ops::RangeInclusive;

use ring::digest::{SHA256, digest};

use crate::log::note::{SigningKey, is_signed};
use crate::log::receipt::{Found, Outcome, Receipt, ReceiptBody};
use crate::log::shard::{EntryId, Shard};
use crate::name::{Deployment, Modality, NameError, Subject};
use crate::party::Party;
use crate::request::{Case, Exhibit, MOST_CANDIDATES, Method, Minute, RequestInfo, RequestTarget, Sample};
use crate::template::model::Encoding;
use crate::token::Part;
use peer::v1::Kept;
use peer::v1::relayed::Request;
use prost::Message as _;
pub use saved::{committee_from_bytes, message_to_bytes, request_from_bytes, request_to_bytes};

/// `tumar.v1`: what clients call.
#[allow(missing_docs, unreachable_pub, clippy::pedantic)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/tumar.v1.rs"));
}

/// What the nodes say to each other.
pub mod peer {
    /// `tumar.peer.v1`.
    #[allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::large_enum_variant)]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/tumar.peer.v1.rs"));
    }
}

/// Descriptors of `tumar.v1`, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Most samples of one enrolment: ten fingers in three captures, and two faces.
pub const MOST_SAMPLES: usize = 32;

/// Most approvals that are looked at: one more than a search needs, so that too many have their own reason.
const MOST_APPROVALS: usize = 3;

/// How many samples a call takes.
#[must_use]
pub const fn samples_taken(method: Method) -> RangeInclusive<usize> {
    match method {
        Method::Enroll => 1..=MOST_SAMPLES,
        Method::Verify | Method::Search => 1..=2,
        Method::Erase | Method::Lock | Method::Unlock | Method::OpenEvidence | Method::ListUses | Method::ReadLog => {
            0..=0
        }
    }
}

/// A request that is not well formed. The client's fault, found before anything about the subject is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A name without its form.
    #[error(transparent)]
    Name(#[from] NameError),
    /// More or fewer samples than the call takes.
    #[error(
        "samples must be 1 to {MOST_SAMPLES} at an enrolment, 1 or 2 at a verification or search, and none elsewhere"
    )]
    Samples,
    /// Not the digest of a case.
    #[error("case_digest must be 32 bytes")]
    Case,
    /// None, or too many.
    #[error("max_candidates must be 1 to {MOST_CANDIDATES}")]
    Candidates,
    /// More than a search needs, or longer than an approval is.
    #[error("approvals must be at most {MOST_APPROVALS}")]
    Approvals,
    /// A modality that this version does not know.
    #[error("modality must be face or finger")]
    Modality,
    /// Not half a year.
    #[error("half must be written as YYYYh1 or YYYYh2")]
    Half,
    /// A part that this version does not know.
    #[error("part must be token, proof, or one of two approvals")]
    Part,
    /// Not the digest of a request.
    #[error("request_digest must be 32 bytes, or empty")]
    Digest,
    /// No request in the frame.
    #[error("the request is missing")]
    Absent,
}

impl RequestError {
    /// The field at fault.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Name(name) => name.kind,
            Self::Samples => "samples",
            Self::Case => "case_digest",
            Self::Candidates => "max_candidates",
            Self::Approvals => "approvals",
            Self::Modality => "modality",
            Self::Half => "half",
            Self::Part => "part",
            Self::Digest => "request_digest",
            Self::Absent => "request",
        }
    }
}

/// Whom a request names.
enum Named<'a> {
    Subject(&'a str),
    Case(&'a v1::SearchGalleryRequest),
}

/// The fields that every request has.
struct Common<'a> {
    client: &'a str,
    request_id: &'a str,
    gallery: &'a str,
    about: Named<'a>,
    purpose: &'a str,
    amount_kzt: u64,
    capture_minute: u32,
    samples: &'a [v1::Sample],
}

macro_rules! common {
    ($request:expr) => {
        Common {
            client: &$request.client,
            request_id: &$request.request_id,
            gallery: &$request.gallery,
            about: Named::Subject(&$request.subject),
            purpose: &$request.purpose,
            amount_kzt: 0,
            capture_minute: 0,
            samples: &[],
        }
    };
}

fn common(request: &Request) -> Common<'_> {
    match request {
        Request::Enroll(r) => Common { samples: &r.samples, capture_minute: r.capture_minute, ..common!(r) },
        Request::Verify(r) => {
            Common { samples: &r.samples, amount_kzt: r.amount_kzt, capture_minute: r.capture_minute, ..common!(r) }
        }
        Request::Erase(r) => common!(r),
        Request::Lock(r) => common!(r),
        Request::Unlock(r) => common!(r),
        Request::Search(r) => Common {
            client: &r.client,
            request_id: &r.request_id,
            gallery: &r.gallery,
            about: Named::Case(r),
            purpose: &r.purpose,
            amount_kzt: 0,
            capture_minute: r.capture_minute,
            samples: &r.samples,
        },
    }
}

/// Which call a request is of.
#[must_use]
pub const fn method_of(request: &Request) -> Method {
    match request {
        Request::Enroll(_) => Method::Enroll,
        Request::Verify(_) => Method::Verify,
        Request::Erase(_) => Method::Erase,
        Request::Lock(_) => Method::Lock,
        Request::Unlock(_) => Method::Unlock,
        Request::Search(_) => Method::Search,
    }
}

/// What a request asks for, in our own types.
///
/// # Errors
/// [`RequestError`], naming the field at fault.
pub fn ask_of(request: &Request) -> Result<RequestInfo, RequestError> {
    let method = method_of(request);
    let common = common(request);
    if !samples_taken(method).contains(&common.samples.len()) {
        return Err(RequestError::Samples);
    }
    Ok(RequestInfo {
        method,
        client: common.client.parse()?,
        request_id: common.request_id.parse()?,
        gallery: common.gallery.parse()?,
        about: match common.about {
            Named::Subject(subject) => RequestTarget::Subject(subject.parse()?),
            Named::Case(search) => RequestTarget::Case(case_of(search)?),
        },
        purpose: common.purpose.parse()?,
        amount_kzt: common.amount_kzt,
        captured: Minute::from_number(common.capture_minute),
        samples: common.samples.iter().map(sample_of).collect::<Result<_, _>>()?,
    })
}

/// What a request to a node for a part of the evidence behind its own log asks for.
///
/// # Errors
/// [`RequestError`], naming the field at fault.
pub fn ask_of_evidence(
    request: &v1::OpenEvidenceRequest,
    node: Party,
) -> Result<(RequestInfo, EntryId, Part), RequestError> {
    let half: Shard = request.half.parse().map_err(|_| RequestError::Half)?;
    let part = match request.part() {
        v1::EvidencePart::Token => Part::Token,
        v1::EvidencePart::Proof => Part::Proof,
        v1::EvidencePart::FirstApproval => Part::Approval(0),
        v1::EvidencePart::SecondApproval => Part::Approval(1),
        v1::EvidencePart::Unspecified => return Err(RequestError::Part),
    };
    let number = u8::try_from(part.place()).map_err(|_| RequestError::Part)?;
    let ask = RequestInfo {
        method: Method::OpenEvidence,
        client: request.client.parse()?,
        request_id: request.request_id.parse()?,
        gallery: request.gallery.parse()?,
        about: RequestTarget::Evidence(Exhibit {
            node,
            half: request.half.clone(),
            index: request.index,
            part: number,
        }),
        purpose: request.purpose.parse()?,
        amount_kzt: 0,
        captured: Minute::default(),
        samples: Vec::new(),
    };
    Ok((ask, EntryId { half, index: request.index }, part))
}

/// What a request to a node for a person's entries in its own log asks for.
///
/// # Errors
/// [`RequestError`], naming the field at fault.
pub fn ask_of_uses(request: &v1::ListUsesRequest, node: Party) -> Result<RequestInfo, RequestError> {
    Ok(RequestInfo {
        method: Method::ListUses,
        client: request.client.parse()?,
        request_id: request.request_id.parse()?,
        gallery: request.gallery.parse()?,
        about: RequestTarget::Matched(request.subject.parse()?, request.verified_request_id.parse()?, node),
        purpose: request.purpose.parse()?,
        amount_kzt: 0,
        captured: Minute::default(),
        samples: Vec::new(),
    })
}

fn case_of(search: &v1::SearchGalleryRequest) -> Result<Case, RequestError> {
    let digest = search.case_digest.as_slice().try_into().map_err(|_| RequestError::Case)?;
    if !(1..=MOST_CANDIDATES).contains(&search.max_candidates) {
        return Err(RequestError::Candidates);
    }
    if search.approvals.len() > MOST_APPROVALS {
        return Err(RequestError::Approvals);
    }
    Ok(Case { digest, most: search.max_candidates, approvals: search.approvals.clone() })
}

fn sample_of(sample: &v1::Sample) -> Result<Sample, RequestError> {
    Ok(Sample {
        modality: sample.modality().try_into()?,
        model: sample.model.parse()?,
        envelopes: envelopes_of(sample).map(sha256),
    })
}

/// The samples that came with a request, in its order.
#[must_use]
pub fn samples_of(request: &Request) -> &[v1::Sample] {
    common(request).samples
}

/// A sample's envelopes, for A, B and C.
#[must_use]
pub fn envelopes_of(sample: &v1::Sample) -> [&[u8]; 3] {
    [&sample.envelope_a, &sample.envelope_b, &sample.envelope_c]
}

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

impl From<Party> for v1::Party {
    fn from(party: Party) -> Self {
        match party {
            Party::A => Self::A,
            Party::B => Self::B,
            Party::C => Self::C,
        }
    }
}

impl TryFrom<v1::Party> for Party {
    type Error = RequestError;

    fn try_from(party: v1::Party) -> Result<Self, RequestError> {
        match party {
            v1::Party::A => Ok(Self::A),
            v1::Party::B => Ok(Self::B),
            v1::Party::C => Ok(Self::C),
            v1::Party::Unspecified => Err(RequestError::Absent),
        }
    }
}

impl From<Modality> for v1::Modality {
    fn from(modality: Modality) -> Self {
        match modality {
            Modality::Face => Self::Face,
            Modality::Finger => Self::Finger,
        }
    }
}

impl TryFrom<v1::Modality> for Modality {
    type Error = RequestError;

    fn try_from(modality: v1::Modality) -> Result<Self, RequestError> {
        match modality {
            v1::Modality::Face => Ok(Self::Face),
            v1::Modality::Finger => Ok(Self::Finger),
            v1::Modality::Unspecified => Err(RequestError::Modality),
        }
    }
}

impl From<Encoding> for v1::Encoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Vector => Self::Vector,
            Encoding::Rows => Self::Rows,
        }
    }
}

/// How a model's templates are encoded; `None` if it does not say.
#[must_use]
pub const fn encoding_from(encoding: v1::Encoding) -> Option<Encoding> {
    match encoding {
        v1::Encoding::Vector => Some(Encoding::Vector),
        v1::Encoding::Rows => Some(Encoding::Rows),
        v1::Encoding::Unspecified => None,
    }
}

/// A node's keys for clients are not signed by the identity that they claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node's keys are not signed by its pinned identity")]
pub struct NodeError;

/// What a node signs of its keys: every field with its length in front, after a label that nothing else begins with.
fn node_transcript(node: &v1::Node, deployment: &Deployment) -> Vec<u8> {
    let mut transcript = Vec::new();
    let mut field = |bytes: &[u8]| {
        transcript.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        transcript.extend_from_slice(bytes);
    };
    field(b"tumar node v2");
    field(deployment.as_str().as_bytes());
    field(&node.party.to_be_bytes());
    field(&node.identity_key);
    field(node.log_key.as_bytes());
    for key in &node.envelope_keys {
        field(&key.id);
        field(&key.public_key);
        field(&key.until.to_be_bytes());
    }
    field(node.suite.as_bytes());
    field(&node.context_digest);
    transcript
}

/// Signs a node's keys in place.
pub fn sign_node(node: &mut v1::Node, deployment: &Deployment, identity: &SigningKey) {
    node.signature = identity.sign(&node_transcript(node, deployment)).to_vec();
}

/// Whether a node's keys are those of this party, signed by its pinned identity for this deployment.
///
/// # Errors
/// [`NodeError`] if not.
pub fn verify_node(
    node: &v1::Node,
    party: Party,
    deployment: &Deployment,
    identity: &[u8; 32],
) -> Result<(), NodeError> {
    if node.party != v1::Party::from(party) as i32 || node.identity_key != identity {
        return Err(NodeError);
    }
    if is_signed(identity, &node_transcript(node, deployment), &node.signature) { Ok(()) } else { Err(NodeError) }
}

/// A receipt as it is sent.
#[must_use]
pub fn receipt_to(receipt: &Receipt) -> v1::Receipt {
    let Receipt { body, signature } = receipt;
    v1::Receipt {
        party: v1::Party::from(body.party).into(),
        outcome: outcome_to(body.outcome).into(),
        request_digest: body.request_digest.to_vec(),
        log_index: body.index,
        leaf_hash: body.leaf.to_vec(),
        inclusion_proof: body.inclusion.iter().map(|hash| hash.to_vec()).collect(),
        checkpoint: body.checkpoint.clone(),
        signature: signature.to_vec(),
        found_digest: body.found.map(Vec::from).unwrap_or_default(),
    }
}

/// A receipt as it came; `None` if a field does not have its length. Not verified yet.
#[must_use]
pub fn receipt_from(receipt: &v1::Receipt) -> Option<Receipt> {
    let body = ReceiptBody {
        party: receipt.party().try_into().ok()?,
        outcome: outcome_from(receipt.outcome())?,
        found: match receipt.found_digest.as_slice() {
            [] => None,
            digest => Some(digest.try_into().ok()?),
        },
        request_digest: receipt.request_digest.as_slice().try_into().ok()?,
        index: receipt.log_index,
        leaf: receipt.leaf_hash.as_slice().try_into().ok()?,
        inclusion: receipt.inclusion_proof.iter().map(|hash| hash.as_slice().try_into().ok()).collect::<Option<_>>()?,
        checkpoint: receipt.checkpoint.clone(),
    };
    Some(Receipt { body, signature: receipt.signature.as_slice().try_into().ok()? })
}

const fn outcome_to(outcome: Outcome) -> v1::Outcome {
    match outcome {
        Outcome::Match => v1::Outcome::Match,
        Outcome::NoMatch => v1::Outcome::NoMatch,
        Outcome::Enrolled => v1::Outcome::Enrolled,
        Outcome::Erased => v1::Outcome::Erased,
        Outcome::HadNone => v1::Outcome::HadNone,
        Outcome::Locked => v1::Outcome::Locked,
        Outcome::Unlocked => v1::Outcome::Unlocked,
        Outcome::Searched => v1::Outcome::Searched,
        Outcome::Logged => v1::Outcome::Logged,
    }
}

const fn outcome_from(outcome: v1::Outcome) -> Option<Outcome> {
    match outcome {
        v1::Outcome::Match => Some(Outcome::Match),
        v1::Outcome::NoMatch => Some(Outcome::NoMatch),
        v1::Outcome::Enrolled => Some(Outcome::Enrolled),
        v1::Outcome::Erased => Some(Outcome::Erased),
        v1::Outcome::HadNone => Some(Outcome::HadNone),
        v1::Outcome::Locked => Some(Outcome::Locked),
        v1::Outcome::Unlocked => Some(Outcome::Unlocked),
        v1::Outcome::Searched => Some(Outcome::Searched),
        v1::Outcome::Logged => Some(Outcome::Logged),
        v1::Outcome::Unspecified => None,
    }
}

/// What the leader keeps of an answer: its three receipts, and whom a search named.
#[must_use]
pub fn answer_bytes(receipts: &[Receipt; 3], found: Option<&Found>) -> Vec<u8> {
    let found = found.cloned().unwrap_or_default();
    let candidates = found.candidates.into_iter().map(String::from).collect();
    let receipts = receipts.iter().map(receipt_to).collect();
    Kept { receipts, candidates, truncated: found.truncated }.encode_to_vec()
}

/// The same, of a kept answer.
#[must_use]
pub fn answer_from(bytes: &[u8]) -> Option<([Receipt; 3], Option<Found>)> {
    let Kept { receipts, candidates, truncated } = Kept::decode(bytes).ok()?;
    let receipts: Option<Vec<_>> = receipts.iter().map(receipt_from).collect();
    let receipts: [Receipt; 3] = receipts?.try_into().ok()?;
    let candidates: Result<_, _> = candidates.into_iter().map(Subject::try_from).collect();
    let found = Found { candidates: candidates.ok()?, truncated };
    let searched = receipts[0].body.outcome == Outcome::Searched;
    Some((receipts, searched.then_some(found)))
}
