//! What a node signs for a request: the outcome, and the place of the request's entry in the node's log.
//!
//! [`ReceiptBody`] --[`ReceiptBody::sign`]--> [`Receipt`] --[`Receipt::verify`] with [`NodeKeys`]--> [`Checkpoint`]
//!
//! A client that holds three of them, one from each node, knows that all three logs show its request.

use ring::digest::{Context, SHA256, digest};

use crate::log::merkle::{self, MerkleError};
use crate::log::note::{Checkpoint, NoteError, SigningKey, VerifierKey, is_signed};
use crate::name::{Deployment, Subject};
use crate::party::Party;

/// Longest inclusion proof there is, in hashes: a tree of 2^64 leaves has 64 levels.
pub const MAX_PROOF: usize = 64;

/// Why a receipt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It speaks for another node than the keys'.
    #[error("the receipt is of another node")]
    Party,
    /// The node's identity key did not sign this, for this deployment.
    #[error("the receipt is not signed by the node's identity key")]
    Signature,
    /// The checkpoint is not one that the node's log signed.
    #[error("the receipt's checkpoint is not the node's")]
    Checkpoint(#[from] NoteError),
    /// The entry is not shown to stand in the log of that checkpoint.
    #[error("the receipt does not show its entry in the log")]
    Inclusion(#[from] MerkleError),
}

/// What came of a request. The same at all three nodes, but of an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The probe matches the reference.
    Match,
    /// It does not, or there is no reference: both are told alike.
    NoMatch,
    /// A reference was taken in.
    Enrolled,
    /// The references are destroyed.
    Erased,
    /// Of an erasure: nothing of the subject was here. At another node there was.
    HadNone,
    /// The subject is locked.
    Locked,
    /// The lock is ended.
    Unlocked,
    /// The gallery was searched: [`Found`].
    Searched,
    /// The entry stands in the log; no word on what came of its request.
    Logged,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Match,
        Self::NoMatch,
        Self::Enrolled,
        Self::Erased,
        Self::HadNone,
        Self::Locked,
        Self::Unlocked,
        Self::Searched,
        Self::Logged,
    ];

    /// The word that is signed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::NoMatch => "no_match",
            Self::Enrolled => "enrolled",
            Self::Erased => "erased",
            Self::HadNone => "had_none",
            Self::Locked => "locked",
            Self::Unlocked => "unlocked",
            Self::Searched => "searched",
            Self::Logged => "logged",
        }
    }
}

impl Outcome {
    /// Whether two nodes may say this and that of one request: the same, but of an erasure, which is made where there is anything.
    #[must_use]
    pub fn goes_with(self, other: Self) -> bool {
        let of_erasure = |outcome| matches!(outcome, Self::Erased | Self::HadNone);
        self == other || (of_erasure(self) && of_erasure(other))
    }

    /// What all three say, in one word; none if they do not go together, or nobody had anything to erase.
    #[must_use]
    pub fn of_all(all: [Self; 3]) -> Option<Self> {
        let [first, ..] = all;
        if all.contains(&Self::HadNone) {
            let is_erasure = all.iter().all(|outcome| first.goes_with(*outcome));
            return (is_erasure && all.contains(&Self::Erased)).then_some(Self::Erased);
        }
        all.iter().all(|outcome| *outcome == first).then_some(first)
    }
}

/// What a search came to. The same at all three nodes, and signed by each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Who matches, in the order of their enrolment.
    pub candidates: Vec<Subject>,
    /// There may be more: the search ended when it had as many as it may name.
    pub truncated: bool,
}

impl Found {
    /// SHA-256 over all of it, each field with its length in front: what a receipt signs.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Context::new(&SHA256);
        let mut field = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        field(b"tumar found v1");
        field(&[u8::from(self.truncated)]);
        self.candidates.iter().for_each(|subject| field(subject.as_str().as_bytes()));
        let mut out = [0; 32];
        out.copy_from_slice(hash.finish().as_ref());
        out
    }
}

/// A receipt before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptBody {
    /// Who signs.
    pub party: Party,
    /// What came of the request.
    pub outcome: Outcome,
    /// Of a search, [`Found::digest`]; none of other calls.
    pub found: Option<[u8; 32]>,
    /// Transcript of the request, as its log entry has it.
    pub request_digest: [u8; 32],
    /// Index of the entry in the node's log.
    pub index: u64,
    /// RFC 6962 leaf hash of the entry.
    pub leaf: [u8; 32],
    /// Inclusion proof of that leaf in the tree of the checkpoint, lowest hash first.
    pub inclusion: Vec<[u8; 32]>,
    /// Signed note of the node's log: says size and root.
    pub checkpoint: String,
}

impl ReceiptBody {
    /// Signs with the node's identity key.
    #[must_use]
    pub fn sign(self, key: &SigningKey, deployment: &Deployment) -> Receipt {
        let signature = key.sign(&self.transcript(deployment));
        Receipt { body: self, signature }
    }

    /// The bytes that are signed: every field with its length in front. The inclusion proof is not among them; it proves
    /// itself against the checkpoint, which is.
    fn transcript(&self, deployment: &Deployment) -> Vec<u8> {
        let checkpoint = digest(&SHA256, self.checkpoint.as_bytes());
        let index = self.index.to_be_bytes();
        let found = self.found.as_ref().map_or(&[][..], |digest| digest);
        let fields: [&[u8]; 9] = [
            b"tumar receipt v1",
            deployment.as_str().as_bytes(),
            self.party.as_str().as_bytes(),
            self.outcome.as_str().as_bytes(),
            &self.request_digest,
            &index,
            &self.leaf,
            checkpoint.as_ref(),
            found,
        ];
        let mut out = Vec::new();
        for field in fields {
            out.extend((field.len() as u64).to_be_bytes());
            out.extend(field);
        }
        out
    }
}

/// The public keys of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeKeys {
    /// Whose they are.
    pub party: Party,
    /// Ed25519 public key that signs receipts.
    pub identity: [u8; 32],
    /// Key of its log, and the name of which each half-year's begins with.
    pub log: VerifierKey,
}

/// A signed receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What is signed.
    pub body: ReceiptBody,
    /// Ed25519, by the node's identity key.
    pub signature: [u8; 64],
}

impl Receipt {
    /// Checks signature, checkpoint and inclusion, and returns the checkpoint, which a careful client remembers to ask for
    /// consistency later.
    ///
    /// Whether request and outcome are those that the caller expects, the caller compares.
    ///
    /// # Errors
    /// [`ReceiptError`], by what does not hold.
    pub fn verify(&self, keys: &NodeKeys, deployment: &Deployment) -> Result<Checkpoint, ReceiptError> {
        let body = &self.body;
        if body.party != keys.party {
            return Err(ReceiptError::Party);
        }
        if !is_signed(&keys.identity, &body.transcript(deployment), &self.signature) {
            return Err(ReceiptError::Signature);
        }
        let (_half, checkpoint) = Checkpoint::open_half(&body.checkpoint, &keys.log)?;
        if body.inclusion.len() > MAX_PROOF {
            return Err(MerkleError::Length.into());
        }
        merkle::verify_inclusion(&body.leaf, body.index, checkpoint.size, &body.inclusion, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_words_are_one_where_they_are_the_same_or_of_an_erasure_that_somebody_made() {
        use Outcome::{Enrolled, Erased, HadNone, Locked};
        for (all, one) in [
            ([Erased, Erased, Erased], Some(Erased)),
            ([Erased, HadNone, Erased], Some(Erased)),
            ([HadNone, HadNone, Erased], Some(Erased)),
            ([HadNone, HadNone, HadNone], None),
            ([HadNone, Erased, Locked], None),
            ([Locked, HadNone, Locked], None),
            ([Enrolled, Enrolled, Enrolled], Some(Enrolled)),
            ([Enrolled, Enrolled, Locked], None),
        ] {
            assert_eq!(Outcome::of_all(all), one, "{all:?}");
        }
    }
}
