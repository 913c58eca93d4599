//! What a node answers alone, about its own log: to auditors, and to the person an entry is about.
//!
//! ```text
//! OpenEvidence, ListUses --token, proof, purpose--> Grant --AccessLog::admit--> Permit --> vault, published entries --> close
//! ListEntries            --token-----------------------------------------------------------> published entries
//! ```

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::authorize::Authorizer;
use super::journal::Journal;
use super::refusal::{Cause as _, Refusal};
use super::scanner::Scanner;
use crate::clocks::Clocks;
use crate::log::access::{Completion, Inclusion, LogError, Permit};
use crate::log::entry::{Entry, blinded_handle};
use crate::log::receipt::{Outcome, Receipt};
use crate::log::shard::{EntryId, Shard};
use crate::log::tiles::{Reader, TilesError, WIDTH};
use crate::name::{PurposeName, RelyingParty};
use crate::party::Party;
use crate::reason::Reason;
use crate::request::RequestInfo;
use crate::store::Store;
use crate::token::purpose::{For, ListUses, OpenEvidence};
use crate::token::{Evidence, Part, Token};

/// Which entries somebody wants.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this relying party.
    pub relying_party: Option<RelyingParty>,
    /// Only of this purpose.
    pub purpose: Option<PurposeName>,
    /// Only of the request with this digest.
    pub request_digest: Option<[u8; 32]>,
}

impl Filter {
    /// Whether these bytes are an entry that is wanted.
    #[must_use]
    pub fn takes(&self, bytes: &[u8]) -> bool {
        let Self { relying_party, purpose, request_digest } = self;
        if relying_party.is_none() && purpose.is_none() && request_digest.is_none() {
            return true;
        }
        Entry::parse(bytes).is_ok_and(|entry| {
            relying_party.as_ref().is_none_or(|wanted| *wanted == entry.relying_party)
                && purpose.as_ref().is_none_or(|wanted| *wanted == entry.purpose)
                && request_digest.is_none_or(|wanted| wanted == entry.request_digest)
        })
    }
}

/// An entry about somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnUse {
    /// Its bytes.
    pub entry: Vec<u8>,
    /// That it stands in the log.
    pub inclusion: Inclusion,
}

/// Answers about this node's own log.
pub struct Auditing {
    pub(super) journal: Arc<Journal>,
    pub(super) authorizer: Arc<Authorizer>,
    /// What requests presented, and the keys that people's entries are found by.
    pub(super) store: Store,
    pub(super) clocks: Arc<Clocks>,
    /// The threads that read whole logs.
    pub(super) scanner: Arc<Scanner>,
    /// How long the log's disk is waited for.
    pub(super) patience: Duration,
}

impl Auditing {
    /// Whose log.
    #[must_use]
    pub fn party(&self) -> Party {
        self.journal.party
    }

    /// The half that is meant: the current one where none is named.
    ///
    /// # Errors
    /// [`Refusal`] if it is not the text of one.
    pub fn half(&self, text: &str) -> Result<Shard, Refusal> {
        match text {
            "" => Ok(self.journal.log.head().0.half),
            text => text.parse().map_err(|_| Refusal::new(self.party(), Reason::NoSuchEntry)),
        }
    }

    /// The checkpoint that is published of a half, with the signatures that have come, and all halves.
    ///
    /// # Errors
    /// [`Refusal`] if there is none.
    pub fn checkpoint(&self, half: Shard) -> Result<(String, Vec<Shard>), Refusal> {
        let note = self.journal.log.checkpoint(half).ok_or(Refusal::new(self.party(), Reason::NoSuchEntry))?;
        Ok((note, self.journal.log.halves()))
    }

    /// That an entry stands in the log.
    ///
    /// # Errors
    /// [`Refusal`] if it does not.
    pub fn inclusion(&self, place: EntryId) -> Result<Inclusion, Refusal> {
        self.journal.log.inclusion(place).map_err(|error| self.absent(&error))
    }

    /// That the log of one size continues that of another.
    ///
    /// # Errors
    /// [`Refusal`] if these are no sizes that it had.
    pub fn consistency(&self, half: Shard, old: u64, new: u64) -> Result<Vec<[u8; 32]>, Refusal> {
        self.journal.log.consistency(half, old, new).map_err(|error| self.absent(&error))
    }

    /// This node's signed word that an entry stands in its log.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such published entry.
    pub async fn logged(&self, place: EntryId) -> Result<Receipt, Refusal> {
        let entry = self.entry(place).await?;
        self.journal.receipt(Outcome::Logged, None, place, entry.request_digest)
    }

    /// Whether a bearer may read entries.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn may_read(&self, access: &str) -> Result<(), Refusal> {
        self.authorizer.may_read(access)
    }

    /// The files of a half-year's log, and how many entries are published.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such half.
    pub fn published(&self, half: Shard) -> Result<(Reader, u64), Refusal> {
        self.journal.log.files(half).ok_or(Refusal::new(self.party(), Reason::NoSuchEntry))
    }

    /// A part of what an entry's request presented, and the digests of all parts.
    ///
    /// # Errors
    /// [`Refusal`]; what comes after the admission is closed in the log as an error.
    pub async fn open_evidence(
        &self,
        token: Token,
        ask: &RequestInfo,
        (place, part): (EntryId, Part),
    ) -> Result<(String, Vec<[u8; 32]>), Refusal> {
        let permit = self.authorizer.admit_alone::<OpenEvidence>(token, ask).await?;
        let found = self.exhibit(ask, place).await;
        let shown = found.and_then(|evidence| {
            let shown = evidence.part(part).map(|text| (text.to_owned(), evidence.digests()));
            shown.ok_or(Refusal::new(self.party(), Reason::NoSuchEvidence))
        });
        self.closed(&permit, shown).await
    }

    /// Every published entry about the subject of a request, of all half-years that are kept.
    ///
    /// # Errors
    /// [`Refusal`]; what comes after the admission is closed in the log as an error.
    pub async fn list_uses(&self, token: Token, ask: &RequestInfo) -> Result<Vec<OwnUse>, Refusal> {
        let permit = self.authorizer.admit_alone::<ListUses>(token, ask).await?;
        let found = self.own_uses(&permit).await;
        self.closed(&permit, found).await
    }

    async fn closed<P: For, T>(&self, permit: &Permit<P>, result: Result<T, Refusal>) -> Result<T, Refusal> {
        let closing = match &result {
            Ok(_) => Completion::Completed,
            Err(refusal) => Completion::Failed(refusal.reason),
        };
        self.journal
            .log
            .close(permit.ticket(), closing, None, self.clocks.known())
            .await
            .map_err(|error| error.at(self.party()))?;
        result
    }

    async fn entry(&self, place: EntryId) -> Result<Entry, Refusal> {
        let absent = || Refusal::new(self.party(), Reason::NoSuchEntry);
        let (files, size) = self.published(place.half)?;
        let read = tokio::task::spawn_blocking(move || files.entry(place.index, size)).await;
        let bytes = read.map_err(|_| absent())?.map_err(|_| absent())?;
        Entry::parse(&bytes).map_err(|_| absent())
    }

    /// What stands behind an entry, if it is about the gallery that was asked for.
    async fn exhibit(&self, ask: &RequestInfo, place: EntryId) -> Result<Evidence, Refusal> {
        let entry = self.entry(place).await?;
        let kept = self.store.evidence(&entry.request_digest).await.map_err(|error| error.at(self.party()))?;
        let behind = kept
            .into_iter()
            .find(|(gallery, evidence)| *gallery == ask.gallery && entry.commits_to(&evidence.digest()));
        behind.map(|(_, evidence)| evidence).ok_or(Refusal::new(self.party(), Reason::NoSuchEvidence))
    }

    async fn own_uses(&self, permit: &Permit<ListUses>) -> Result<Vec<OwnUse>, Refusal> {
        // What is durable now is to be among them, this very request too; but for a disk that is full nobody waits for ever.
        if let Ok(settled) = tokio::time::timeout(self.patience, self.journal.log.settle()).await {
            settled.map_err(|error| error.at(self.party()))?;
        }
        let record = permit.subject().ok_or(Refusal::new(self.party(), Reason::NoSuchEntry))?;
        let handles = self.store.handles(record).await.map_err(|error| error.at(self.party()))?;
        let (key, count) = handles.ok_or(Refusal::new(self.party(), Reason::NoSuchEntry))?;
        let logs: Vec<_> = self
            .journal
            .log
            .halves()
            .into_iter()
            .filter_map(|half| Some((half, self.journal.log.files(half)?)))
            .collect();
        let found = self.scanner.run(move || {
            let own: HashSet<[u8; 32]> = (0..count).map(|counter| blinded_handle(&key, counter)).collect();
            let mut found = Vec::new();
            for (half, (files, size)) in logs {
                collect(&files, half, size, &own, &mut found)?;
            }
            Ok::<_, TilesError>(found)
        });
        let found = found.await.map_err(|_| LogError::Halted).and_then(|found| found.map_err(LogError::from));
        let found = found.map_err(|error| error.at(self.party()))?;
        let own = |(place, entry)| Ok(OwnUse { entry, inclusion: self.inclusion(place)? });
        found.into_iter().map(own).collect()
    }

    fn absent(&self, error: &LogError) -> Refusal {
        match error {
            LogError::Halted => LogError::Halted.at(self.party()),
            LogError::Behind => LogError::Behind.at(self.party()),
            LogError::Unwritable(trouble) => LogError::Unwritable(*trouble).at(self.party()),
            LogError::Ledger(_)
            | LogError::Published(_)
            | LogError::Lost { .. }
            | LogError::Forked { .. }
            | LogError::NotOpen
            | LogError::Replayed
            | LogError::Counted
            | LogError::Beyond => Refusal::new(self.party(), Reason::NoSuchEntry),
        }
    }
}

/// Entries of one log whose handle is one of these. Bundles that were destroyed are passed over.
fn collect(
    files: &Reader,
    half: Shard,
    size: u64,
    own: &HashSet<[u8; 32]>,
    found: &mut Vec<(EntryId, Vec<u8>)>,
) -> Result<(), TilesError> {
    for first in (0..size).step_by(usize::try_from(WIDTH).expect("256 is small")) {
        let entries = match files.entries(first, size) {
            Err(TilesError::Io(error)) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for (index, bytes) in (first..).zip(entries) {
            if Entry::parse(&bytes).is_ok_and(|entry| own.contains(&entry.handle)) {
                found.push((EntryId { half, index }, bytes));
            }
        }
    }
    Ok(())
}
