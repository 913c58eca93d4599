//! What is believed of an answer: three receipts that agree, each shown to stand in its node's log.

use serde::{Deserialize, Serialize};

use super::{ClientConfig, NodePin};
use crate::hex::{hex, unhex};
use crate::log::receipt::{Outcome, Receipt, ReceiptBody, ReceiptError};
use crate::name::{ClientName, Deployment, GalleryName, PurposeName, RequestId, Subject};
use crate::party::Party;
use crate::request::{Method, Minute, RequestInfo, RequestTarget};
use crate::wire::{receipt_from, v1};

/// The receipts do not show what the answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// Not one for each of A, B, C.
    #[error("there must be one receipt of each node")]
    Count,
    /// A field of another length, or an outcome that is none.
    #[error("the receipt of node {0} is malformed")]
    Form(Party),
    /// Signature, checkpoint or inclusion does not hold.
    #[error("that of node {0}: {1}")]
    Untrusted(Party, ReceiptError),
    /// It is of another request.
    #[error("the receipt of node {0} is of another request")]
    OtherRequest(Party),
    /// The call has no such outcome, or the nodes say different things.
    #[error("the receipt of node {0} has another outcome")]
    Outcome(Party),
    /// It signs another result of a search, or one where there is none.
    #[error("the receipt of node {0} has another search result")]
    Found(Party),
    /// The leader's decision is not the one that the nodes signed.
    #[error("the decision is not the one that the nodes signed")]
    Decision,
}

/// Three receipts, in the order A, B, C, that were checked against pinned keys and against one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipts([Receipt; 3]);

impl Receipts {
    /// Checks what came with an answer: each is of its node, in its log, of this request; and all have one outcome.
    ///
    /// # Errors
    /// [`ReceiptFault`]: the first that is found.
    pub fn check(receipts: &[v1::Receipt], ask: &RequestInfo, config: &ClientConfig) -> Result<Self, ReceiptFault> {
        let [a, b, c] = receipts else { return Err(ReceiptFault::Count) };
        let receipts = [parse(Party::A, a)?, parse(Party::B, b)?, parse(Party::C, c)?];
        check(&receipts, &config.nodes, &config.deployment, ask)?;
        Ok(Self(receipts))
    }

    /// What came of the request. Of an erasure, each [says](Self::iter) what its node had: `Erased`, or `HadNone`.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let [first, ..] = outcomes(&self.0);
        Outcome::of_all(outcomes(&self.0)).unwrap_or(first)
    }

    /// Of a search, the digest of its result.
    #[must_use]
    pub const fn found(&self) -> Option<[u8; 32]> {
        self.0[0].body.found
    }

    /// A's, B's and C's.
    pub fn iter(&self) -> impl Iterator<Item = &Receipt> {
        self.0.iter()
    }
}

/// Checks three receipts of one request.
fn check(
    receipts: &[Receipt; 3],
    pins: &[NodePin; 3],
    deployment: &Deployment,
    ask: &RequestInfo,
) -> Result<(), ReceiptFault> {
    let first = receipts[0].body.outcome;
    for (receipt, pin) in receipts.iter().zip(pins) {
        let party = pin.party;
        receipt.verify(pin, deployment).map_err(|error| ReceiptFault::Untrusted(party, error))?;
        if receipt.body.request_digest != ask.request_digest() {
            return Err(ReceiptFault::OtherRequest(party));
        }
        if !receipt.body.outcome.goes_with(first) || !may_come_of(ask.method, receipt.body.outcome) {
            return Err(ReceiptFault::Outcome(party));
        }
        if receipt.body.found != receipts[0].body.found || receipt.body.found.is_some() != (first == Outcome::Searched)
        {
            return Err(ReceiptFault::Found(party));
        }
    }
    // An erasure that nobody made is none.
    Outcome::of_all(outcomes(receipts)).map(drop).ok_or(ReceiptFault::Outcome(Party::A))
}

fn outcomes(receipts: &[Receipt; 3]) -> [Outcome; 3] {
    receipts.each_ref().map(|receipt| receipt.body.outcome)
}

const fn may_come_of(method: Method, outcome: Outcome) -> bool {
    matches!(
        (method, outcome),
        (Method::Enroll, Outcome::Enrolled)
            | (Method::Verify, Outcome::Match | Outcome::NoMatch)
            | (Method::Erase, Outcome::Erased | Outcome::HadNone)
            | (Method::Lock, Outcome::Locked)
            | (Method::Unlock, Outcome::Unlocked)
            | (Method::Search, Outcome::Searched)
    )
}

fn parse(party: Party, receipt: &v1::Receipt) -> Result<Receipt, ReceiptFault> {
    let receipt = receipt_from(receipt).ok_or(ReceiptFault::Form(party))?;
    if receipt.body.party == party { Ok(receipt) } else { Err(ReceiptFault::Count) }
}

/// Why a certificate of erasure proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not the JSON that [`ErasureCertificate::to_json`] writes.
    #[error("not a certificate of erasure")]
    Form,
    /// Another installation than the pinned one.
    #[error("the certificate is of another deployment")]
    Deployment,
    /// Its receipts do not hold.
    #[error("receipt not trusted: {0}")]
    Receipt(#[from] ReceiptFault),
}

const KIND: &str = "tumar erasure certificate 3";

/// Three nodes' signed word that a person's record key is destroyed, or that the node had none, with the places in their logs. Whoever
/// has the nodes' public keys can check it, now or later, without asking anyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureCertificate {
    kind: String,
    deployment: Deployment,
    client: ClientName,
    request_id: String,
    gallery: GalleryName,
    subject: Subject,
    purpose: PurposeName,
    receipts: [FileReceipt; 3],
}

/// A receipt as JSON: hashes and signature in hex. The request follows from the rest of the certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileReceipt {
    party: Party,
    outcome: FileOutcome,
    log_index: u64,
    leaf_hash: String,
    inclusion_proof: Vec<String>,
    checkpoint: String,
    signature: String,
}

/// What the node had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FileOutcome {
    Erased,
    HadNone,
}

impl From<FileOutcome> for Outcome {
    fn from(outcome: FileOutcome) -> Self {
        match outcome {
            FileOutcome::Erased => Self::Erased,
            FileOutcome::HadNone => Self::HadNone,
        }
    }
}

impl ErasureCertificate {
    /// From receipts that were checked against `ask`.
    pub(super) fn new(deployment: &Deployment, ask: &RequestInfo, subject: &Subject, receipts: &Receipts) -> Self {
        let file = |receipt: &Receipt| FileReceipt {
            party: receipt.body.party,
            outcome: if receipt.body.outcome == Outcome::HadNone { FileOutcome::HadNone } else { FileOutcome::Erased },
            log_index: receipt.body.index,
            leaf_hash: hex(&receipt.body.leaf),
            inclusion_proof: receipt.body.inclusion.iter().map(|hash| hex(hash)).collect(),
            checkpoint: receipt.body.checkpoint.clone(),
            signature: hex(&receipt.signature),
        };
        Self {
            kind: KIND.to_owned(),
            deployment: deployment.clone(),
            client: ask.client.clone(),
            request_id: ask.request_id.to_string(),
            gallery: ask.gallery.clone(),
            subject: subject.clone(),
            purpose: ask.purpose.clone(),
            receipts: receipts.0.each_ref().map(file),
        }
    }

    /// Reads the JSON of a certificate. It proves nothing until it is [verified](Self::verify).
    ///
    /// # Errors
    /// [`CertificateError::Form`].
    pub fn from_json(text: &str) -> Result<Self, CertificateError> {
        let certificate: Self = serde_json::from_str(text).map_err(|_| CertificateError::Form)?;
        if certificate.kind == KIND { Ok(certificate) } else { Err(CertificateError::Form) }
    }

    /// As JSON, to keep.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("names, numbers and text become JSON");
        text.push('\n');
        text
    }

    /// Who was erased.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// From where.
    #[must_use]
    pub const fn gallery(&self) -> &GalleryName {
        &self.gallery
    }

    /// Index of the request's entry in each node's log: A's, B's, C's.
    #[must_use]
    pub fn log_places(&self) -> [u64; 3] {
        self.receipts.each_ref().map(|receipt| receipt.log_index)
    }

    /// The nodes that say that they held nothing of the person. None, unless one of them lost what the others held.
    #[must_use]
    pub fn had_none(&self) -> Vec<Party> {
        let without = self.receipts.iter().filter(|receipt| receipt.outcome == FileOutcome::HadNone);
        without.map(|receipt| receipt.party).collect()
    }

    /// Checks all three signatures and log places, offline.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(&self, pins: &[NodePin; 3], deployment: &Deployment) -> Result<(), CertificateError> {
        if self.deployment != *deployment {
            return Err(CertificateError::Deployment);
        }
        let ask = RequestInfo {
            method: Method::Erase,
            client: self.client.clone(),
            request_id: self.request_id.parse::<RequestId>().map_err(|_| CertificateError::Form)?,
            gallery: self.gallery.clone(),
            about: RequestTarget::Subject(self.subject.clone()),
            purpose: self.purpose.clone(),
            amount_kzt: 0,
            captured: Minute::default(),
            samples: Vec::new(),
        };
        let request_digest = ask.request_digest();
        let [a, b, c] =
            self.receipts.each_ref().map(|receipt| receipt.read(request_digest).ok_or(CertificateError::Form));
        Ok(check(&[a?, b?, c?], pins, deployment, &ask)?)
    }
}

impl FileReceipt {
    fn read(&self, request_digest: [u8; 32]) -> Option<Receipt> {
        let body = ReceiptBody {
            party: self.party,
            outcome: self.outcome.into(),
            found: None,
            request_digest,
            index: self.log_index,
            leaf: unhex(&self.leaf_hash)?,
            inclusion: self.inclusion_proof.iter().map(|hash| unhex(hash)).collect::<Option<_>>()?,
            checkpoint: self.checkpoint.clone(),
        };
        Some(Receipt { body, signature: unhex(&self.signature)? })
    }
}
