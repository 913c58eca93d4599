//! What the access log needs of the place that keeps it: one transaction for many admissions, all or nothing.
//!
//! The log decides ([`admission`](super::admission)), the ledger keeps. So the order of the checks stands in one place, and a
//! test can break any ledger between the decision and the disk.

use std::error::Error;
use std::fmt;
use std::future::Future;

use crate::name::{GalleryName, PurposeName, RelyingParty, RequestId, Subject};
use crate::token::Evidence;
use crate::token::purpose::{ReplayKeys, SpentEnvelope};

use super::shard::{EntryId, Shard};
use super::trouble::Trouble;

/// Place of a reference in its gallery, given out by the leader, the same at all three nodes, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(pub u64);

/// One enrolment of a subject at this node. A subject that is erased and enrolled again has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordId(pub i64);

/// What a ledger knows of a subject that is enrolled, or about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectState {
    /// Which enrolment.
    pub record: RecordId,
    /// Where its reference stands.
    pub position: Position,
    /// False while the three nodes still agree on the enrolment.
    pub live: bool,
    /// Unix seconds from which the record is no more.
    pub expires: u64,
    /// Comparisons since the last match that did not match.
    pub attempts: u32,
    /// Unix seconds until which nothing is compared; 0 is not locked, [`LOCKED`](Self::LOCKED) is until unlocked.
    pub locked_until: u64,
}

impl SubjectState {
    /// `locked_until` of a subject that stays locked until somebody unlocks it. It fits a signed 64-bit column.
    pub const LOCKED: u64 = i64::MAX as u64;
}

/// What a ledger knows of a request id.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who asked, as [`ReplayKeys::client`](crate::token::purpose::ReplayKeys::client) has it.
    pub client: String,
    /// Transcript of the request that came under it.
    pub request_digest: [u8; 32],
    /// What became of that.
    pub course: Course,
    /// Whom it matched, if it was a comparison that matched.
    pub matched: Option<Match>,
}

/// A comparison that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Whom.
    pub record: RecordId,
    /// What for.
    pub purpose: PurposeName,
    /// When, in unix seconds.
    pub at: u64,
}

/// What became of an admitted request.
#[derive(Debug, PartialEq, Eq)]
pub enum Course {
    /// Admitted and not closed.
    Open,
    /// Closed without an answer, or cut off by a restart.
    Ended,
    /// Closed with this answer.
    Answered(Answer),
    /// Closed with an answer that is no longer kept.
    Forgotten,
}

/// Bytes of a stored answer, for the caller who asked and for nobody else: they tell whether it matched.
#[derive(PartialEq, Eq)]
pub struct Answer(pub Box<[u8]>);

/// Prints the length only: `Answer([1200])`.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer([{}])", self.0.len())
    }
}

/// The ledger failed.
#[derive(Debug, thiserror::Error)]
#[error(
    "an operation on the access log's tables{} failed; its write {}",
    place.as_ref().map(|place| format!(" in {place}")).unwrap_or_default(),
    if undone.is_some() { "was not made" } else { "may or may not be durable" }
)]
pub struct LedgerFault {
    /// What is wrong, if nothing of what was being written is durable.
    undone: Option<Trouble>,
    /// The file, if there is one.
    place: Option<String>,
    #[source]
    cause: Box<dyn Error + Send + Sync>,
}

impl LedgerFault {
    /// From whatever went wrong below: what was being committed may be durable.
    pub fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self { undone: None, place: None, cause: Box::new(cause) }
    }

    /// From what went wrong before anything could become durable.
    pub fn undone(trouble: Trouble, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { undone: Some(trouble), place: None, cause: Box::new(cause) }
    }

    /// The same, with the file in which it went wrong.
    #[must_use]
    pub fn at(self, place: impl fmt::Display) -> Self {
        Self { place: Some(place.to_string()), ..self }
    }

    /// What is wrong, if it is certain that nothing of what was being written is durable.
    #[must_use]
    pub const fn trouble(&self) -> Option<Trouble> {
        self.undone
    }
}

/// Keeps log entries and everything that admissions use up.
///
/// One writer at a time: whoever opens an access log on a ledger is the only one who commits to it.
pub trait Ledger: Send + 'static {
    /// Called once, before anything else: every request that is still open was cut off by a restart, and is ended.
    ///
    /// # Errors
    /// [`LedgerFault`] if that is not known to be durable.
    fn resume(&mut self) -> impl Future<Output = Result<(), LedgerFault>> + Send;

    /// The half-years that have had entries, in order, each with the index of the first entry that is still kept.
    ///
    /// # Errors
    /// [`LedgerFault`] if they cannot be read.
    fn halves(&mut self) -> impl Future<Output = Result<Vec<(Shard, u64)>, LedgerFault>> + Send;

    /// Durable log entries of one half-year from a place on, in order: some of them, and none only if there are none.
    ///
    /// # Errors
    /// [`LedgerFault`] if they cannot be read, or one between them is missing.
    fn entries(&mut self, from: EntryId) -> impl Future<Output = Result<Vec<Vec<u8>>, LedgerFault>> + Send;

    /// Destroys the entries of one half-year before a place, which is the first that is kept from then on.
    ///
    /// # Errors
    /// [`LedgerFault`] if that is not known to be durable.
    fn prune(&mut self, before: EntryId) -> impl Future<Output = Result<(), LedgerFault>> + Send;

    /// Begins a transaction, lets [`Together::run`] work in it once, and makes it durable. `Ok` means durable.
    ///
    /// # Errors
    /// [`LedgerFault`] if it failed or may have failed. If it [certainly](LedgerFault::trouble) did, the log tries to
    /// [`recover`](Self::recover); else it stops until it is opened again.
    fn commit<T: Together>(&mut self, batch: &mut T) -> impl Future<Output = Result<(), LedgerFault>> + Send;

    /// After a commit that failed: opens what is durable anew, and shows that something can be made durable.
    ///
    /// # Errors
    /// [`LedgerFault`] if it can not: it is asked again after a while.
    fn recover(&mut self) -> impl Future<Output = Result<(), LedgerFault>> + Send;
}

/// What one piece of waiting work is about.
#[derive(Clone, Copy, Debug)]
pub struct Prefetch<'a> {
    /// A relying party's request id.
    pub request: Option<(&'a RelyingParty, RequestId)>,
    /// An earlier request of the same relying party.
    pub after: Option<RequestId>,
    /// A token, a proof and envelopes.
    pub spends: Option<&'a ReplayKeys>,
    /// A subject, by name.
    pub subject: Option<(&'a GalleryName, &'a Subject)>,
    /// Subjects, by record.
    pub records: &'a [RecordId],
}

/// What is committed together: decided on inside a transaction of a [`Ledger`], which does not know the rules.
pub trait Together: Send + Sync {
    /// The latest time that any of it acts on, in unix seconds.
    fn latest(&self) -> Option<u64>;

    /// What it will ask [`LedgerTx`] for, and nothing else: for a ledger that would rather read it all at once.
    fn touches(&self) -> impl Iterator<Item = Prefetch<'_>>;

    /// Decides on all of it, and writes what comes of it through `rows`.
    ///
    /// # Errors
    /// Those of `rows`, at once: the transaction must not be committed then.
    fn run<R: LedgerTx>(&mut self, rows: &mut R) -> impl Future<Output = Result<(), LedgerFault>> + Send;
}

/// One transaction of a [`Ledger`], as the admission rules see it. Each method sees what the ones before it wrote.
pub trait LedgerTx: Send {
    /// What came under this relying party's request id.
    fn asked(
        &mut self,
        relying_party: &RelyingParty,
        id: RequestId,
    ) -> impl Future<Output = Result<Option<Asked>, LedgerFault>> + Send;

    /// Notes a request as open, by its client and digest, in place of one that ended. It may be forgotten after `until`, in unix
    /// seconds.
    fn open_request(
        &mut self,
        relying_party: &RelyingParty,
        id: RequestId,
        request: (&str, &[u8; 32]),
        until: u64,
    ) -> impl Future<Output = Result<(), LedgerFault>> + Send;

    /// Closes an open request as ended, or with an answer for those who ask again, which is kept until a moment in unix seconds.
    /// False if none was open.
    fn close_request(
        &mut self,
        relying_party: &RelyingParty,
        id: RequestId,
        answer: Option<(&Answer, u64)>,
        matched: Option<&Match>,
    ) -> impl Future<Output = Result<bool, LedgerFault>> + Send;

    /// Transcript of the request that spent an envelope. None if it is not spent.
    fn spent_by(
        &mut self,
        envelope: &SpentEnvelope,
    ) -> impl Future<Output = Result<Option<[u8; 32]>, LedgerFault>> + Send;

    /// Spends an envelope for a request, for as long as the envelope's key is there.
    fn spend_envelope(
        &mut self,
        envelope: &SpentEnvelope,
        request_digest: &[u8; 32],
    ) -> impl Future<Output = Result<(), LedgerFault>> + Send;

    /// Counts that an answered request was asked again, and says for which time, up to `most`; none from then on.
    fn answer_again(
        &mut self,
        relying_party: &RelyingParty,
        id: RequestId,
        most: u32,
    ) -> impl Future<Output = Result<Option<u32>, LedgerFault>> + Send;

    /// Inserts the id of a proof, to be kept until `until`. False if it is there already.
    fn spend_proof(&mut self, proof: &[u8; 32], until: u64) -> impl Future<Output = Result<bool, LedgerFault>> + Send;

    /// Counts a use of a token, to be kept until `until`, and returns how many there are now.
    fn spend_token(&mut self, token: &[u8; 32], until: u64) -> impl Future<Output = Result<u32, LedgerFault>> + Send;

    /// Takes back the use of a token that [`spend_token`](Self::spend_token) just counted.
    fn give_token_back(&mut self, token: &[u8; 32]) -> impl Future<Output = Result<(), LedgerFault>> + Send;

    /// The subject's record, live or pending, expired or not. None if it was never there or its key is destroyed.
    fn standing(
        &mut self,
        gallery: &GalleryName,
        subject: &Subject,
    ) -> impl Future<Output = Result<Option<SubjectState>, LedgerFault>> + Send;

    /// The same by record, for who closes what was admitted earlier.
    fn standing_of(
        &mut self,
        record: RecordId,
    ) -> impl Future<Output = Result<Option<SubjectState>, LedgerFault>> + Send;

    /// Writes attempts and lock of a record; nothing if it is gone.
    fn set_attempts(
        &mut self,
        record: RecordId,
        attempts: u32,
        locked_until: u64,
    ) -> impl Future<Output = Result<(), LedgerFault>> + Send;

    /// The next blinded handle under the record's subject key, which no entry has yet. None if the key is gone.
    fn next_handle(&mut self, record: RecordId) -> impl Future<Output = Result<Option<[u8; 32]>, LedgerFault>> + Send;

    /// Keeps what a request presented, sealed, until a moment in unix seconds. `request_digest` is of the request; there may be more
    /// than one of it.
    fn keep_evidence(
        &mut self,
        request_digest: &[u8; 32],
        gallery: &GalleryName,
        evidence: &Evidence,
        until: u64,
    ) -> impl Future<Output = Result<(), LedgerFault>> + Send;

    /// Appends a log entry. An entry that stands there already is a fault.
    fn append(&mut self, place: EntryId, entry: &[u8]) -> impl Future<Output = Result<(), LedgerFault>> + Send;
}
