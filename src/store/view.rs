//! All that one batch of the access log reads, read at one go; and all that it writes, written at one go.
//!
//! A statement costs a change of threads there and back, which is more than the statement itself. So a commit takes four of
//! them, however much it commits. The connection is held all the while, so nothing changes beneath the view.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::columns::{Named, fault};
use super::{StoreError, column, number};
use crate::log::entry::blinded_handle;
use crate::log::ledger::{
    Answer, Asked, Course, LedgerFault, LedgerTx, Match, Position, Prefetch, RecordId, SubjectState, Together,
};
use crate::log::shard::EntryId;
use crate::name::{GalleryName, PurposeName, RelyingParty, RequestId, Subject};
use crate::seal::StoreKey;
use crate::token::Evidence;
use crate::token::purpose::SpentEnvelope;

/// A relying party's request id.
type RequestKey = (String, [u8; 16]);

/// A row of `requests`.
struct Request {
    client: String,
    digest: [u8; 32],
    open: bool,
    answer: Option<Vec<u8>>,
    answer_until: Option<i64>,
    until: i64,
    matched: Option<Match>,
    /// How often its answer was given again, as far as that is written down.
    again: u32,
    changed: bool,
}

/// A row of `records`, less its share.
struct Enrolled {
    standing: SubjectState,
    named: Named,
    handles: u64,
    wrapped_key: Vec<u8>,
    subject_key: Vec<u8>,
    changed: bool,
}

/// What a batch sees. `None` is read and not there; what was not read is a fault, never taken for not there.
pub(super) struct View<'k> {
    key: &'k StoreKey,
    requests: HashMap<RequestKey, Option<Request>>,
    /// Whether it is spent, and until when to keep it if this batch spends it.
    proofs: HashMap<[u8; 32], (bool, Option<u64>)>,
    /// Uses so far, and until when to keep it if this batch uses it.
    tokens: HashMap<[u8; 32], (u32, Option<u64>)>,
    /// Which request spent it, and whether that was in this batch.
    envelopes: HashMap<SpentEnvelope, (Option<[u8; 32]>, bool)>,
    names: HashMap<(GalleryName, Subject), Option<i64>>,
    records: HashMap<i64, Option<Enrolled>>,
    entries: BTreeMap<EntryId, Vec<u8>>,
    evidence: Vec<Exhibit>,
}

/// A row of `evidence`.
struct Exhibit {
    request_digest: [u8; 32],
    digest: [u8; 32],
    gallery: GalleryName,
    sealed: Box<[u8]>,
    until: i64,
}

/// The log asked for what its batch had not named.
#[derive(Debug, thiserror::Error)]
#[error("the row was not prefetched")]
struct NotRead;

fn not_read() -> LedgerFault {
    LedgerFault::new(NotRead)
}

impl<'k> View<'k> {
    /// Everything that `batch` touches.
    pub(super) async fn read(
        connection: &mut SqliteConnection,
        batch: &impl Together,
        key: &'k StoreKey,
    ) -> Result<Self, StoreError> {
        let mut view = Self {
            key,
            requests: HashMap::new(),
            proofs: HashMap::new(),
            tokens: HashMap::new(),
            envelopes: HashMap::new(),
            names: HashMap::new(),
            records: HashMap::new(),
            entries: BTreeMap::new(),
            evidence: Vec::new(),
        };
        batch.touches().for_each(|touch| view.expect(touch));
        let rows = view.question().build().fetch_all(connection).await?;
        for row in &rows {
            view.take(row)?;
        }
        Ok(view)
    }

    fn expect(&mut self, Prefetch { request, after, spends, subject, records }: Prefetch<'_>) {
        if let Some((relying_party, id)) = request {
            for id in [Some(id), after].into_iter().flatten() {
                self.requests.insert((relying_party.to_string(), *id.as_bytes()), None);
            }
        }
        if let Some(spends) = spends {
            self.proofs.insert(spends.proof, (false, None));
            self.tokens.insert(spends.token, (0, None));
            self.envelopes.extend(spends.envelopes.iter().map(|envelope| (*envelope, (None, false))));
        }
        self.records.extend(records.iter().map(|RecordId(record)| (*record, None)));
        if let Some((gallery, subject)) = subject {
            self.names.insert((gallery.clone(), subject.clone()), None);
        }
    }

    /// Six statements in one. The small table of what is asked for leads each join, so each answer is found by an index.
    fn question(&self) -> QueryBuilder<Sqlite> {
        const RECORD: &str = "r.record, r.gallery, r.subject, r.contents, r.position, r.live, r.expires, r.attempts,
            r.locked_until, r.handles, r.wrapped_key, r.subject_key";
        let mut ask = QueryBuilder::new("");
        if !self.requests.is_empty() {
            ask.push("SELECT 'request' AS kind, r.* FROM (");
            ask.push_values(&self.requests, |mut row, ((relying_party, id), _)| {
                row.push_bind(relying_party.clone()).push_bind(id.to_vec());
            });
            ask.push(") AS v CROSS JOIN requests AS r ON r.relying_party = v.column1 AND r.request = v.column2;");
        }
        if !self.proofs.is_empty() {
            ask.push("SELECT 'proof' AS kind, r.* FROM (");
            ask.push_values(self.proofs.keys(), |mut row, proof| _ = row.push_bind(proof.to_vec()));
            ask.push(") AS v CROSS JOIN proofs AS r ON r.proof = v.column1;");
            ask.push("SELECT 'token' AS kind, r.* FROM (");
            ask.push_values(self.tokens.keys(), |mut row, token| _ = row.push_bind(token.to_vec()));
            ask.push(") AS v CROSS JOIN tokens AS r ON r.token = v.column1;");
        }
        if !self.envelopes.is_empty() {
            ask.push("SELECT 'envelope' AS kind, r.* FROM (");
            ask.push_values(self.envelopes.keys(), |mut row, SpentEnvelope { key, digest }| {
                row.push_bind(key.to_vec()).push_bind(digest.to_vec());
            });
            ask.push(") AS v CROSS JOIN envelopes AS r ON r.key = v.column1 AND r.envelope = v.column2;");
        }
        if !self.names.is_empty() {
            ask.push("SELECT 'record' AS kind, ").push(RECORD).push(" FROM (");
            ask.push_values(self.names.keys(), |mut row, (gallery, subject)| {
                row.push_bind(gallery.to_string()).push_bind(subject.to_string());
            });
            ask.push(") AS v CROSS JOIN records AS r ON r.gallery = v.column1 AND r.subject = v.column2");
            ask.push(" WHERE r.wrapped_key IS NOT NULL;");
        }
        if !self.records.is_empty() {
            ask.push("SELECT 'record' AS kind, ").push(RECORD).push(" FROM (");
            ask.push_values(self.records.keys(), |mut row, record| _ = row.push_bind(*record));
            ask.push(") AS v CROSS JOIN records AS r ON r.record = v.column1 WHERE r.wrapped_key IS NOT NULL;");
        }
        ask
    }

    fn take(&mut self, row: &SqliteRow) -> Result<(), StoreError> {
        match row.try_get("kind")? {
            "request" => {
                let request = Request {
                    client: row.try_get("client")?,
                    digest: array(row.try_get("transcript")?)?,
                    open: row.try_get("open")?,
                    answer: row.try_get("answer")?,
                    answer_until: row.try_get("answer_until")?,
                    until: row.try_get("until")?,
                    matched: matched(row)?,
                    again: row.try_get("again")?,
                    changed: false,
                };
                let id = array(row.try_get("request")?)?;
                self.requests.insert((row.try_get("relying_party")?, id), Some(request));
            }
            "proof" => _ = self.proofs.insert(array(row.try_get("proof")?)?, (true, None)),
            "envelope" => {
                let (key, digest) = (array(row.try_get("key")?)?, array(row.try_get("envelope")?)?);
                let by = array(row.try_get("transcript")?)?;
                self.envelopes.insert(SpentEnvelope { key, digest }, (Some(by), false));
            }
            "token" => _ = self.tokens.insert(array(row.try_get("token")?)?, (row.try_get("uses")?, None)),
            "record" => {
                let (record, named): (i64, _) = (row.try_get("record")?, Named::read(row)?);
                self.names.insert((named.gallery.clone(), named.subject.clone()), Some(record));
                let enrolled = Enrolled {
                    standing: standing(row)?,
                    handles: number(row.try_get("handles")?),
                    wrapped_key: row.try_get("wrapped_key")?,
                    subject_key: row.try_get("subject_key")?,
                    changed: false,
                    named,
                };
                self.records.insert(record, Some(enrolled));
            }
            _ => return Err(StoreError::Form),
        }
        Ok(())
    }

    /// Everything that has changed.
    pub(super) async fn write(self, connection: &mut SqliteConnection) -> Result<(), LedgerFault> {
        let mut tell = QueryBuilder::new("");
        self.tell_requests(&mut tell);
        self.tell_spent(&mut tell);
        for Enrolled { standing, handles, .. } in self.records.values().flatten().filter(|row| row.changed) {
            tell.push("UPDATE records SET attempts = ").push_bind(standing.attempts);
            tell.push(", locked_until = ").push_bind(column(standing.locked_until));
            tell.push(", handles = ").push_bind(column(*handles));
            tell.push(" WHERE record = ").push_bind(standing.record.0).push(";");
        }
        self.tell_log(&mut tell);
        if !tell.sql().as_str().is_empty() {
            tell.build().execute(connection).await.map_err(fault)?;
        }
        Ok(())
    }

    fn tell_requests(&self, tell: &mut QueryBuilder<Sqlite>) {
        let requests: Vec<_> = self
            .requests
            .iter()
            .filter_map(|(key, row)| Some((key, row.as_ref().filter(|row| row.changed)?)))
            .collect();
        if !requests.is_empty() {
            tell.push(
                "INSERT INTO requests (relying_party, request, client, transcript, open, answer, answer_until, until,
                    matched_record, matched_purpose, matched_at, again) ",
            );
            tell.push_values(requests, |mut row, ((relying_party, id), request)| {
                row.push_bind(relying_party.clone()).push_bind(id.to_vec()).push_bind(request.client.clone());
                row.push_bind(request.digest.to_vec()).push_bind(request.open).push_bind(request.answer.clone());
                row.push_bind(request.answer_until).push_bind(request.until);
                let matched = request.matched.as_ref();
                row.push_bind(matched.map(|matched| matched.record.0));
                row.push_bind(matched.map(|matched| matched.purpose.to_string()));
                row.push_bind(matched.map(|matched| column(matched.at)));
                row.push_bind(request.again);
            });
            tell.push(" ON CONFLICT (relying_party, request) DO UPDATE");
            tell.push(" SET open = excluded.open, answer = excluded.answer, answer_until = excluded.answer_until,");
            tell.push(" until = excluded.until,");
            tell.push(" matched_record = excluded.matched_record, matched_purpose = excluded.matched_purpose,");
            tell.push(" matched_at = excluded.matched_at, again = excluded.again;");
        }
    }

    /// Proofs, tokens and envelopes that have been used.
    fn tell_spent(&self, tell: &mut QueryBuilder<Sqlite>) {
        let proofs: Vec<_> = self.proofs.iter().filter_map(|(proof, (_, until))| Some((proof, (*until)?))).collect();
        if !proofs.is_empty() {
            tell.push("INSERT INTO proofs (proof, until) ");
            tell.push_values(proofs, |mut row, (proof, until)| {
                row.push_bind(proof.to_vec()).push_bind(column(until));
            });
            tell.push(";");
        }
        let tokens: Vec<_> =
            self.tokens.iter().filter_map(|(token, (uses, until))| Some((token, *uses, (*until)?))).collect();
        if !tokens.is_empty() {
            tell.push("INSERT INTO tokens (token, uses, until) ");
            tell.push_values(tokens, |mut row, (token, uses, until)| {
                row.push_bind(token.to_vec()).push_bind(uses).push_bind(column(until));
            });
            tell.push(" ON CONFLICT (token) DO UPDATE SET uses = excluded.uses;");
        }
        let envelopes: Vec<_> =
            self.envelopes.iter().filter_map(|(envelope, (by, new))| Some((envelope, by.filter(|_| *new)?))).collect();
        if !envelopes.is_empty() {
            tell.push("INSERT INTO envelopes (key, envelope, transcript) ");
            tell.push_values(envelopes, |mut row, (SpentEnvelope { key, digest }, by)| {
                row.push_bind(key.to_vec()).push_bind(digest.to_vec()).push_bind(by.to_vec());
            });
            tell.push(";");
        }
    }

    /// Evidence and entries.
    fn tell_log(self, tell: &mut QueryBuilder<Sqlite>) {
        if !self.evidence.is_empty() {
            tell.push("INSERT INTO evidence (rq, digest, gallery, sealed, until) ");
            tell.push_values(self.evidence, |mut row, Exhibit { request_digest, digest, gallery, sealed, until }| {
                row.push_bind(request_digest.to_vec()).push_bind(digest.to_vec()).push_bind(gallery.to_string());
                row.push_bind(sealed.into_vec()).push_bind(until);
            });
            tell.push(" ON CONFLICT (rq, digest) DO NOTHING;");
        }
        if !self.entries.is_empty() {
            let halves: BTreeSet<_> = self.entries.keys().map(|place| place.half.number()).collect();
            tell.push("INSERT INTO halves (half, first) ");
            tell.push_values(halves, |mut row, half| _ = row.push_bind(half).push_bind(0));
            tell.push(" ON CONFLICT DO NOTHING; INSERT INTO entries (half, place, entry) ");
            tell.push_values(self.entries, |mut row, (place, entry)| {
                row.push_bind(place.half.number()).push_bind(column(place.index)).push_bind(entry);
            });
            tell.push(";");
        }
    }

    fn enrolled(&mut self, RecordId(record): RecordId) -> Result<Option<&mut Enrolled>, LedgerFault> {
        Ok(self.records.get_mut(&record).ok_or_else(not_read)?.as_mut())
    }
}

impl LedgerTx for View<'_> {
    async fn asked(&mut self, relying_party: &RelyingParty, id: RequestId) -> Result<Option<Asked>, LedgerFault> {
        let key = (relying_party.to_string(), *id.as_bytes());
        Ok(self.requests.get(&key).ok_or_else(not_read)?.as_ref().map(|request| Asked {
            client: request.client.clone(),
            request_digest: request.digest,
            matched: request.matched.clone(),
            course: match &request.answer {
                _ if request.open => Course::Open,
                Some(answer) => Course::Answered(Answer(answer.as_slice().into())),
                None if request.answer_until.is_some() => Course::Forgotten,
                None => Course::Ended,
            },
        }))
    }

    async fn open_request(
        &mut self,
        relying_party: &RelyingParty,
        id: RequestId,
        (client, request_digest): (&str, &[u8; 32]),
        until: u64,
    ) -> Result<(), LedgerFault> {
        let row = self.requests.get_mut(&(relying_party.to_string(), *id.as_bytes())).ok_or_else(not_read)?;
        let until = row.as_ref().map_or(0, |before| before.until).max(column(until));
        *row = Some(Request {
            client: client.to_owned(),
            digest: *request_digest,
            open: true,
            answer: None,
            answer_until: None,
            until,
            matched: None,
            again: 0,
            changed: true,
        });
        Ok(())
    }

    async fn close_request(
        &mut self,
        relying_party: &RelyingParty,
        id: RequestId,
        answer: Option<(&Answer, u64)>,
        matched: Option<&Match>,
    ) -> Result<bool, LedgerFault> {
        let row = self.requests.get_mut(&(relying_party.to_string(), *id.as_bytes())).ok_or_else(not_read)?;
        let Some(request) = row.as_mut().filter(|request| request.open) else { return Ok(false) };
        request.open = false;
        request.answer = answer.map(|(Answer(bytes), _)| bytes.to_vec());
        request.answer_until = answer.map(|(_, until)| column(until));
        request.matched = matched.cloned();
        request.changed = true;
        Ok(true)
    }

    async fn spent_by(&mut self, envelope: &SpentEnvelope) -> Result<Option<[u8; 32]>, LedgerFault> {
        Ok(self.envelopes.get(envelope).ok_or_else(not_read)?.0)
    }

    async fn spend_envelope(&mut self, envelope: &SpentEnvelope, request_digest: &[u8; 32]) -> Result<(), LedgerFault> {
        let (by, new) = self.envelopes.get_mut(envelope).ok_or_else(not_read)?;
        if by.is_none() {
            (*by, *new) = (Some(*request_digest), true);
        }
        Ok(())
    }

    async fn answer_again(
        &mut self,
        relying_party: &RelyingParty,
        id: RequestId,
        most: u32,
    ) -> Result<Option<u32>, LedgerFault> {
        let row = self.requests.get_mut(&(relying_party.to_string(), *id.as_bytes())).ok_or_else(not_read)?;
        Ok(row.as_mut().filter(|request| request.again < most).map(|request| {
            (request.again, request.changed) = (request.again + 1, true);
            request.again
        }))
    }

    async fn spend_proof(&mut self, proof: &[u8; 32], until: u64) -> Result<bool, LedgerFault> {
        let (spent, keep) = self.proofs.get_mut(proof).ok_or_else(not_read)?;
        if !*spent {
            *keep = Some(until);
        }
        Ok(!std::mem::replace(spent, true))
    }

    async fn spend_token(&mut self, token: &[u8; 32], until: u64) -> Result<u32, LedgerFault> {
        let (uses, keep) = self.tokens.get_mut(token).ok_or_else(not_read)?;
        *uses = uses.saturating_add(1);
        *keep = Some(until);
        Ok(*uses)
    }

    async fn give_token_back(&mut self, token: &[u8; 32]) -> Result<(), LedgerFault> {
        let (uses, _) = self.tokens.get_mut(token).ok_or_else(not_read)?;
        *uses = uses.saturating_sub(1);
        Ok(())
    }

    async fn standing(
        &mut self,
        gallery: &GalleryName,
        subject: &Subject,
    ) -> Result<Option<SubjectState>, LedgerFault> {
        match *self.names.get(&(gallery.clone(), subject.clone())).ok_or_else(not_read)? {
            Some(record) => self.standing_of(RecordId(record)).await,
            None => Ok(None),
        }
    }

    async fn standing_of(&mut self, record: RecordId) -> Result<Option<SubjectState>, LedgerFault> {
        Ok(self.enrolled(record)?.map(|enrolled| enrolled.standing))
    }

    async fn set_attempts(&mut self, record: RecordId, attempts: u32, locked_until: u64) -> Result<(), LedgerFault> {
        if let Some(enrolled) = self.enrolled(record)? {
            enrolled.standing = SubjectState { attempts, locked_until, ..enrolled.standing };
            enrolled.changed = true;
        }
        Ok(())
    }

    async fn next_handle(&mut self, record: RecordId) -> Result<Option<[u8; 32]>, LedgerFault> {
        let store = self.key;
        let Some(enrolled) = self.enrolled(record)? else { return Ok(None) };
        let key = enrolled.named.place().subject_key(&enrolled.wrapped_key, &enrolled.subject_key, store)?;
        let handle = blinded_handle(&key, enrolled.handles);
        enrolled.handles += 1;
        enrolled.changed = true;
        Ok(Some(handle))
    }

    async fn keep_evidence(
        &mut self,
        request_digest: &[u8; 32],
        gallery: &GalleryName,
        evidence: &Evidence,
        until: u64,
    ) -> Result<(), LedgerFault> {
        let sealed = self.key.seal_evidence(request_digest, &evidence.to_bytes()).map_err(StoreError::from)?;
        let (digest, gallery, until) = (evidence.digest(), gallery.clone(), column(until));
        self.evidence.push(Exhibit { request_digest: *request_digest, digest, gallery, sealed, until });
        Ok(())
    }

    async fn append(&mut self, place: EntryId, entry: &[u8]) -> Result<(), LedgerFault> {
        match self.entries.insert(place, entry.to_vec()) {
            None => Ok(()),
            Some(_) => Err(StoreError::Form.into()),
        }
    }
}

fn standing(row: &SqliteRow) -> Result<SubjectState, sqlx::Error> {
    Ok(SubjectState {
        record: RecordId(row.try_get("record")?),
        position: Position(number(row.try_get("position")?)),
        live: row.try_get("live")?,
        expires: number(row.try_get("expires")?),
        attempts: row.try_get("attempts")?,
        locked_until: number(row.try_get("locked_until")?),
    })
}

/// Whom a request matched, if it did.
fn matched(row: &SqliteRow) -> Result<Option<Match>, StoreError> {
    let Some(record) = row.try_get::<Option<i64>, _>("matched_record")? else { return Ok(None) };
    let purpose: PurposeName = row.try_get::<&str, _>("matched_purpose")?.parse().map_err(|_| StoreError::Form)?;
    Ok(Some(Match { record: RecordId(record), purpose, at: number(row.try_get("matched_at")?) }))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Form)
}
