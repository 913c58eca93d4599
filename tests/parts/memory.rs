//! A ledger in memory that breaks when told to, before or after it has persisted.
#![allow(clippy::unwrap_used, dead_code, reason = "shared by several test crates; each uses a part")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tumar::log::ledger::{
    Answer, Asked, Course, Ledger, LedgerFault, LedgerTx, Match, RecordId, SubjectState, Together,
};
use tumar::log::shard::{EntryId, Shard};
use tumar::log::trouble::Trouble;
use tumar::name::{GalleryName, RelyingParty, RequestId, Subject};
use tumar::token::Evidence;
use tumar::token::purpose::SpentEnvelope;

/// Which commit fails, from 0, and whether what it wrote is there all the same.
#[derive(Clone, Copy)]
pub(crate) struct Break {
    pub(crate) at: usize,
    pub(crate) persisted: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("broken on purpose")]
struct Broken;

/// Nobody is enrolled here: what breaks is the same for all.
#[derive(Clone, Default)]
struct State {
    requests: HashMap<(RelyingParty, RequestId), (String, [u8; 32], bool)>,
    proofs: HashSet<[u8; 32]>,
    tokens: HashMap<[u8; 32], u32>,
    envelopes: HashMap<SpentEnvelope, [u8; 32]>,
    /// Of each half-year, how many were destroyed, and those after them.
    entries: BTreeMap<Shard, (u64, Vec<Vec<u8>>)>,
}

/// Clones are the same ledger, as two opens of one file.
#[derive(Clone)]
pub(crate) struct Memory {
    disk: Arc<Mutex<State>>,
    commits: usize,
    breaks: Option<Break>,
    /// While it is, nothing can be written, and nothing is.
    pub(crate) full: Arc<AtomicBool>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self { disk: Arc::default(), commits: 0, breaks: None, full: Arc::default() }
    }

    pub(crate) fn breaking(breaks: Break) -> Self {
        Self { breaks: Some(breaks), ..Self::new() }
    }

    /// The same disk after a restart, in order again.
    pub(crate) fn mended(&self) -> Self {
        Self { disk: Arc::clone(&self.disk), ..Self::new() }
    }

    /// A copy of the disk, tampered with.
    pub(crate) fn with_entries(&self, tamper: impl FnOnce(&mut Vec<Vec<u8>>)) -> Self {
        let mut state = self.disk.lock().unwrap().clone();
        tamper(&mut state.entries.values_mut().next_back().unwrap().1);
        Self { disk: Arc::new(Mutex::new(state)), ..Self::new() }
    }
}

impl Ledger for Memory {
    async fn resume(&mut self) -> Result<(), LedgerFault> {
        self.disk.lock().unwrap().requests.values_mut().for_each(|(_, _, open)| *open = false);
        Ok(())
    }

    async fn halves(&mut self) -> Result<Vec<(Shard, u64)>, LedgerFault> {
        Ok(self.disk.lock().unwrap().entries.iter().map(|(half, (first, _))| (*half, *first)).collect())
    }

    async fn entries(&mut self, from: EntryId) -> Result<Vec<Vec<u8>>, LedgerFault> {
        let state = self.disk.lock().unwrap();
        let Some((first, entries)) = state.entries.get(&from.half) else { return Ok(Vec::new()) };
        Ok(entries.iter().skip(usize::try_from(from.index - first).unwrap()).cloned().collect())
    }

    async fn prune(&mut self, before: EntryId) -> Result<(), LedgerFault> {
        let mut state = self.disk.lock().unwrap();
        let (first, entries) = state.entries.get_mut(&before.half).unwrap();
        entries.drain(..usize::try_from(before.index - *first).unwrap());
        *first = before.index;
        Ok(())
    }

    async fn commit<T: Together>(&mut self, batch: &mut T) -> Result<(), LedgerFault> {
        let mut state = self.disk.lock().unwrap().clone();
        batch.run(&mut state).await?;
        if self.full.load(Ordering::SeqCst) {
            return Err(LedgerFault::undone(Trouble::Full, Broken));
        }
        let broken = self.breaks.filter(|breaks| breaks.at == self.commits);
        self.commits += 1;
        if broken.is_none_or(|breaks| breaks.persisted) {
            *self.disk.lock().unwrap() = state;
        }
        if broken.is_some() { Err(LedgerFault::new(Broken)) } else { Ok(()) }
    }

    async fn recover(&mut self) -> Result<(), LedgerFault> {
        if self.full.load(Ordering::SeqCst) { Err(LedgerFault::undone(Trouble::Full, Broken)) } else { Ok(()) }
    }
}

impl LedgerTx for State {
    async fn asked(&mut self, relying_party: &RelyingParty, id: RequestId) -> Result<Option<Asked>, LedgerFault> {
        Ok(self.requests.get(&(relying_party.clone(), id)).map(|(client, transcript, open)| Asked {
            client: client.clone(),
            request_digest: *transcript,
            course: if *open { Course::Open } else { Course::Ended },
            matched: None,
        }))
    }

    async fn open_request(
        &mut self,
        relying_party: &RelyingParty,
        id: RequestId,
        (client, transcript): (&str, &[u8; 32]),
        _: u64,
    ) -> Result<(), LedgerFault> {
        self.requests.insert((relying_party.clone(), id), (client.to_owned(), *transcript, true));
        Ok(())
    }

    async fn close_request(
        &mut self,
        relying_party: &RelyingParty,
        id: RequestId,
        _: Option<(&Answer, u64)>,
        _: Option<&Match>,
    ) -> Result<bool, LedgerFault> {
        let known = self.requests.get_mut(&(relying_party.clone(), id));
        Ok(known.is_some_and(|(_, _, open)| std::mem::take(open)))
    }

    async fn spent_by(&mut self, envelope: &SpentEnvelope) -> Result<Option<[u8; 32]>, LedgerFault> {
        Ok(self.envelopes.get(envelope).copied())
    }

    async fn spend_envelope(&mut self, envelope: &SpentEnvelope, transcript: &[u8; 32]) -> Result<(), LedgerFault> {
        self.envelopes.insert(*envelope, *transcript);
        Ok(())
    }

    async fn answer_again(&mut self, _: &RelyingParty, _: RequestId, _: u32) -> Result<Option<u32>, LedgerFault> {
        Ok(None)
    }

    async fn spend_proof(&mut self, proof: &[u8; 32], _: u64) -> Result<bool, LedgerFault> {
        Ok(self.proofs.insert(*proof))
    }

    async fn spend_token(&mut self, token: &[u8; 32], _: u64) -> Result<u32, LedgerFault> {
        let uses = self.tokens.entry(*token).or_default();
        *uses += 1;
        Ok(*uses)
    }

    async fn give_token_back(&mut self, token: &[u8; 32]) -> Result<(), LedgerFault> {
        *self.tokens.get_mut(token).unwrap() -= 1;
        Ok(())
    }

    async fn standing(&mut self, _: &GalleryName, _: &Subject) -> Result<Option<SubjectState>, LedgerFault> {
        Ok(None)
    }

    async fn standing_of(&mut self, _: RecordId) -> Result<Option<SubjectState>, LedgerFault> {
        Ok(None)
    }

    async fn set_attempts(&mut self, _: RecordId, _: u32, _: u64) -> Result<(), LedgerFault> {
        Ok(())
    }

    async fn next_handle(&mut self, _: RecordId) -> Result<Option<[u8; 32]>, LedgerFault> {
        Ok(None)
    }

    async fn keep_evidence(&mut self, _: &[u8; 32], _: &GalleryName, _: &Evidence, _: u64) -> Result<(), LedgerFault> {
        Ok(())
    }

    async fn append(&mut self, place: EntryId, entry: &[u8]) -> Result<(), LedgerFault> {
        let (first, entries) = self.entries.entry(place.half).or_default();
        assert_eq!(place.index, *first + entries.len() as u64);
        entries.push(entry.to_vec());
        Ok(())
    }
}
