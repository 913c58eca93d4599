//! Who is admitted: the part of the door that only the ledger can answer, in the order of DESIGN 6.
//!
//! request id -> proof -> spent envelopes -> token -> faulty envelopes -> subject, all in the transaction that also takes the log
//! entry. So what is refused is logged as well, and what was spent stays spent.

mod telling;

use crate::reason::Reason;
use crate::request::Method;
use crate::token::policy::Limits;
use crate::token::purpose::{AccessRecord, PolicyTerms, ReplayKeys};
use ring::rand::{SecureRandom, SystemRandom};

use super::attempts::{UnderWay, settle};
use super::denials::Owed;
use super::early::{Shared, early};
use super::entry::{Draft, Event, Minute};
use super::ledger::{
    Answer, Asked, Course, LedgerFault, LedgerTx, Match, Position, Prefetch, RecordId, SubjectState, Together,
};
use super::outcome::{Completion, NotAdmitted, OpenRequest};
use super::rates::Buckets;
use super::shard::{EntryId, Shard};
use super::work::{Outcome, WriteOp};

/// Seconds that this node's clock may be off; an id is kept that much longer than its token is good.
pub const SKEW_SECONDS: u64 = 30;

/// Seconds for which a request id is remembered at least: as long as what it changed, and longer than an envelope of it opens.
pub const REQUEST_SECONDS: u64 = 7 * 86_400;
/// How a request ends whose envelopes are not what a client makes: counted against that client, and never against the person.
const ENVELOPE_FAULTS: [Reason; 2] = [Reason::EnvelopeInvalid, Reason::TemplateInconsistent];

/// Seconds for which a match shows that the person is there.
const MATCH_SECONDS: u64 = 300;

/// How often an answer that is given again leaves an entry.
const AGAIN: u32 = 3;

/// What was not admitted, and whether its proof was spent by this.
struct Refused {
    cause: NotAdmitted,
    fresh: bool,
}

/// The system gives no randomness, so no entry can be salted.
#[derive(Debug, thiserror::Error)]
#[error("the operating system's random number generator failed")]
struct NoRandomness;

/// Admissions and closings that are committed together. A [`Ledger`](super::ledger::Ledger) runs it inside its transaction.
pub struct Batch {
    works: Vec<WriteOp>,
    outcomes: Vec<Outcome>,
    entries: Vec<(EntryId, Vec<u8>)>,
    next: EntryId,
    /// Nothing was ever logged.
    blank: bool,
    limits: Limits,
    early: Shared,
    /// Of each client: envelopes that may yet fail to open.
    envelopes: Buckets<String>,
    under_way: UnderWay,
    /// When work was last done, in unix seconds.
    newest: u64,
    /// What was so before the transaction that is not known to be durable yet: it may come to nothing.
    before: Option<(UnderWay, EntryId, bool)>,
    random: SystemRandom,
}

impl Together for Batch {
    fn latest(&self) -> Option<u64> {
        self.works.iter().map(WriteOp::now).max()
    }

    fn touches(&self) -> impl Iterator<Item = Prefetch<'_>> {
        self.works.iter().map(WriteOp::touches)
    }

    async fn run<R: LedgerTx>(&mut self, rows: &mut R) -> Result<(), LedgerFault> {
        self.outcomes.clear();
        self.entries.clear();
        self.before = Some((self.under_way.clone(), self.next, self.blank));
        let works = std::mem::take(&mut self.works);
        let done = self.run_all(rows, &works).await;
        // Whoever waits is told in any case.
        self.works = works;
        done
    }
}

impl Batch {
    pub(super) fn new(limits: Limits, early: Shared, next: EntryId, blank: bool) -> Self {
        Self {
            works: Vec::new(),
            outcomes: Vec::new(),
            entries: Vec::new(),
            next,
            blank,
            limits,
            early,
            envelopes: Buckets::per_minute(limits.envelope_faults_per_minute),
            under_way: UnderWay::default(),
            newest: 0,
            before: None,
            random: SystemRandom::new(),
        }
    }

    /// Where waiting work is put before a commit.
    pub(super) const fn works(&mut self) -> &mut Vec<WriteOp> {
        &mut self.works
    }

    async fn run_all<R: LedgerTx>(&mut self, rows: &mut R, works: &[WriteOp]) -> Result<(), LedgerFault> {
        self.newest = works.iter().map(WriteOp::now).max().unwrap_or(self.newest);
        self.tell_denials(rows).await?;
        for work in works {
            let outcome = match work {
                WriteOp::Admit { spends, record, terms, now, .. } => {
                    self.admit(rows, spends, record, terms, *now).await
                }
                WriteOp::Deny { record, spends, reason, now, .. } => {
                    self.deny(rows, record, spends, *reason, *now).await
                }
                WriteOp::Close { ticket, closing, answer, now, .. } => {
                    self.close(rows, ticket, closing, answer.as_ref(), *now).await
                }
                WriteOp::Name { record, request_digest, candidates, now, .. } => {
                    self.name(rows, record, *request_digest, candidates, *now).await
                }
            }?;
            self.outcomes.push(outcome);
        }
        Ok(())
    }

    /// Whether the log is to be told something that no waiting work tells, at a moment in unix seconds.
    pub(super) fn owes(&mut self, now: u64) -> bool {
        self.newest = now;
        early(&self.early).denials.owes(now)
    }

    /// The same when no work comes any more.
    pub(super) fn owes_at_the_end(&mut self) -> bool {
        early(&self.early).denials.owes_at_the_end()
    }

    /// One entry for all refusals of a token in a minute that have none of their own. It is about the first of them, and about nobody.
    async fn tell_denials<R: LedgerTx>(&mut self, rows: &mut R) -> Result<(), LedgerFault> {
        let owed = {
            let denials = &mut early(&self.early).denials;
            denials.owes(self.newest);
            denials.take()
        };
        for Owed { record, request_digest, count } in owed {
            let until = self.newest.saturating_add(u64::from(self.limits.evidence_days) * 86_400);
            rows.keep_evidence(&request_digest, &record.gallery, &record.evidence, until).await?;
            self.append(rows, None, &record, request_digest, Event::Unlogged(count), self.newest).await?;
        }
        Ok(())
    }

    /// A denied request uses its proof up: sent again, it leaves no second entry. One of very many does not come here.
    async fn deny<R: LedgerTx>(
        &mut self,
        rows: &mut R,
        record: &AccessRecord,
        spends: &ReplayKeys,
        reason: Reason,
        now: u64,
    ) -> Result<Outcome, LedgerFault> {
        if !rows.spend_proof(&spends.proof, spends.proof_until.saturating_add(SKEW_SECONDS)).await? {
            return Ok(Outcome::NotOpen);
        }
        self.keep_evidence(rows, record, spends, now).await?;
        let event = Event::Denied(reason.into());
        self.append_named(rows, record, spends.request_digest, event, now).await.map(Outcome::Written)
    }

    async fn admit<R: LedgerTx>(
        &mut self,
        rows: &mut R,
        spends: &ReplayKeys,
        record: &AccessRecord,
        terms: &PolicyTerms,
        now: u64,
    ) -> Result<Outcome, LedgerFault> {
        let why = match self.judge(rows, spends, record, terms, now).await? {
            Ok(subject) => {
                self.keep_evidence(rows, record, spends, now).await?;
                let kept = self.limits.request_retention_seconds.max(REQUEST_SECONDS);
                let until = spends.token_until.max(now.saturating_add(kept)).saturating_add(SKEW_SECONDS);
                let request = (spends.client.as_str(), &spends.request_digest);
                rows.open_request(&record.relying_party, spends.request_id, request, until).await?;
                for envelope in &spends.envelopes {
                    rows.spend_envelope(envelope, &spends.request_digest).await?;
                }
                let of = subject.map(|(record, _)| record);
                let place = self.append(rows, of, record, spends.request_digest, Event::Admitted, now).await?;
                return Ok(Outcome::Admitted { place, subject });
            }
            Err(refused) => refused,
        };
        let event = match (&why.cause, why.cause.reason()) {
            (NotAdmitted::Answered(_), _) => {
                rows.answer_again(&record.relying_party, spends.request_id, AGAIN).await?.map(Event::Again)
            }
            (_, Some(reason)) if why.fresh && early(&self.early).denials.has_entry(record, spends, now) => {
                Some(Event::Denied(reason.into()))
            }
            // The very same bytes have their entry, or so many of one token that the rest is counted.
            _ => None,
        };
        if let Some(event) = event {
            self.keep_evidence(rows, record, spends, now).await?;
            self.append_named(rows, record, spends.request_digest, event, now).await?;
        }
        Ok(Outcome::Refused(why.cause))
    }

    /// The checks, in order. What one of them spent stays spent if a later one refuses. Whatever refuses, the proof is spent.
    async fn judge<R: LedgerTx>(
        &mut self,
        rows: &mut R,
        spends: &ReplayKeys,
        record: &AccessRecord,
        terms: &PolicyTerms,
        now: u64,
    ) -> Result<Result<Option<(RecordId, Position)>, Refused>, LedgerFault> {
        let asked = rows.asked(&record.relying_party, spends.request_id).await?;
        let again = asked.is_some();
        let earlier = match asked {
            // Two issuers may have named two clients alike: an answer is for the one that asked.
            Some(Asked { client, request_digest, .. })
                if request_digest != spends.request_digest || client != spends.client =>
            {
                Some(NotAdmitted::RequestIdReused)
            }
            Some(Asked { course: Course::Answered(answer), .. }) => {
                return Ok(Err(Refused { cause: NotAdmitted::Answered(answer), fresh: false }));
            }
            Some(Asked { course: Course::Forgotten, .. }) => Some(NotAdmitted::AnswerExpired),
            Some(Asked { course: Course::Open, .. }) => Some(NotAdmitted::RequestInFlight),
            // No answer will come any more: to try again is a new use, with all checks.
            Some(Asked { course: Course::Ended, .. }) | None => None,
        };
        let fresh = rows.spend_proof(&spends.proof, spends.proof_until.saturating_add(SKEW_SECONDS)).await?;
        early(&self.early).spent.proof(spends, now);
        if let Some(cause) = earlier {
            return Ok(Err(Refused { cause, fresh }));
        }
        if !fresh {
            return Ok(Err(Refused { cause: NotAdmitted::ProofReplayed, fresh }));
        }
        // It was let in for its answer's sake alone, and the answer has gone since.
        if terms.answered {
            return Ok(Err(Refused { cause: NotAdmitted::AnswerExpired, fresh }));
        }
        Ok(self.judge_fresh(rows, spends, record, (terms, again), now).await?.map_err(|cause| Refused { cause, fresh }))
    }

    /// The checks of a request that is not under way and was not answered, by a proof that nobody has shown before. `again` says whether
    /// the very same request came before, and came to nothing.
    async fn judge_fresh<R: LedgerTx>(
        &mut self,
        rows: &mut R,
        spends: &ReplayKeys,
        record: &AccessRecord,
        (terms, again): (&PolicyTerms, bool),
        now: u64,
    ) -> Result<Result<Option<(RecordId, Position)>, NotAdmitted>, LedgerFault> {
        for envelope in &spends.envelopes {
            // The very same request, which came to nothing, brings what it brought.
            let spent = rows.spent_by(envelope).await?;
            if spent.is_some_and(|by| !(again && by == spends.request_digest)) {
                return Ok(Err(NotAdmitted::EnvelopeSpent));
            }
        }
        let uses = rows.spend_token(&spends.token, spends.token_until.saturating_add(SKEW_SECONDS)).await?;
        early(&self.early).spent.token(spends, uses, now);
        if uses > spends.max_uses {
            return Ok(Err(NotAdmitted::TokenSpent));
        }
        if !record.modalities.is_empty()
            && let Err(retry_after_ms) = self.envelopes.check(&spends.client, now)
        {
            return Ok(Err(NotAdmitted::EnvelopesRefused { retry_after_ms }));
        }
        // A search is about nobody yet.
        let Some(subject) = &record.subject else { return Ok(Ok(None)) };
        let standing = rows.standing(&record.gallery, subject).await?;
        self.judge_standing(rows, (spends, uses), record, (terms, standing), now).await
    }

    /// Whether what is asked goes with how its subject stands here: the checks after everything that a request spends.
    async fn judge_standing<R: LedgerTx>(
        &mut self,
        rows: &mut R,
        (spends, uses): (&ReplayKeys, u32),
        record: &AccessRecord,
        (terms, standing): (&PolicyTerms, Option<SubjectState>),
        now: u64,
    ) -> Result<Result<Option<(RecordId, Position)>, NotAdmitted>, LedgerFault> {
        let known = standing.filter(|standing| standing.live && standing.expires > now);
        match (record.method, known) {
            (Method::Enroll, _) if standing.is_some_and(|standing| !standing.live) => {
                Ok(Err(NotAdmitted::SubjectExists))
            }
            (Method::Enroll, Some(_)) => Ok(Err(NotAdmitted::SubjectExists)),
            // Another node may hold what this one does not: an erasure reaches it.
            (Method::Enroll | Method::Erase, None) => Ok(Ok(None)),
            (
                Method::Verify
                | Method::Lock
                | Method::Unlock
                | Method::Search
                | Method::OpenEvidence
                | Method::ListUses
                | Method::ReadLog,
                None,
            ) => Ok(Err(NotAdmitted::SubjectUnknown)),
            (Method::Verify, Some(known)) => {
                match terms.attempts.map(|allowed| self.under_way.reserve(&known, &allowed, now)) {
                    Some(Err(refused)) => {
                        if matches!(refused, NotAdmitted::AttemptsInFlight { .. }) {
                            // It may come again by the same token.
                            rows.give_token_back(&spends.token).await?;
                            early(&self.early).spent.token(spends, uses - 1, now);
                        }
                        Ok(Err(refused))
                    }
                    Some(Ok(())) | None => Ok(Ok(Some((known.record, known.position)))),
                }
            }
            (Method::ListUses, Some(known)) => {
                let earlier = match terms.after {
                    Some(after) => rows.asked(&record.relying_party, after).await?,
                    None => None,
                };
                // What another client saw is not this one's to build on.
                let earlier = earlier.filter(|asked| asked.client == spends.client);
                let fresh = earlier.and_then(|asked| asked.matched).is_some_and(|matched| {
                    matched.record == known.record
                        && matched.purpose == record.purpose
                        && now.saturating_sub(matched.at) <= MATCH_SECONDS
                });
                Ok(fresh.then_some(Some((known.record, known.position))).ok_or(NotAdmitted::MatchMissing))
            }
            (
                Method::Erase | Method::Lock | Method::Unlock | Method::Search | Method::OpenEvidence | Method::ReadLog,
                Some(known),
            ) => Ok(Ok(Some((known.record, known.position)))),
        }
    }

    /// Settles the attempt that was reserved, and writes the entry. Once for each ticket, whoever asks.
    async fn close<R: LedgerTx>(
        &mut self,
        rows: &mut R,
        ticket: &OpenRequest,
        closing: &Completion,
        answer: Option<&Answer>,
        now: u64,
    ) -> Result<Outcome, LedgerFault> {
        let matched = match (closing, ticket.subject) {
            (Completion::Matched, Some(record)) => {
                Some(Match { record, purpose: ticket.record.purpose.clone(), at: now })
            }
            _ => None,
        };
        let kept = now.saturating_add(self.limits.request_retention_seconds);
        let answer = answer.map(|answer| (answer, kept));
        let relying_party = &ticket.record.relying_party;
        if !rows.close_request(relying_party, ticket.request_id, answer, matched.as_ref()).await? {
            return Ok(Outcome::NotOpen);
        }
        if let Some((record, allowed)) = ticket.attempt() {
            self.under_way.release(record);
            let settled = rows.standing_of(record).await?.and_then(|known| settle(&known, &allowed, closing, now));
            if let Some((attempts, locked_until)) = settled {
                rows.set_attempts(record, attempts, locked_until).await?;
            }
        }
        let event = match closing {
            Completion::Matched | Completion::NotMatched | Completion::Completed => Event::Completed,
            Completion::Failed(reason) | Completion::Broken(reason) => {
                if ENVELOPE_FAULTS.contains(reason) {
                    // Whether there was one to take makes no difference: there is none left.
                    let _ = self.envelopes.take(&ticket.client, now);
                }
                Event::Failed((*reason).into())
            }
        };
        let place = match ticket.subject {
            None => self.append_named(rows, &ticket.record, ticket.request_digest, event, now).await?,
            of => self.append(rows, of, &ticket.record, ticket.request_digest, event, now).await?,
        };
        Ok(Outcome::Written(place))
    }

    /// One entry for each person that a search is about to name; the place of the first.
    async fn name<R: LedgerTx>(
        &mut self,
        rows: &mut R,
        record: &AccessRecord,
        request_digest: [u8; 32],
        candidates: &[RecordId],
        now: u64,
    ) -> Result<Outcome, LedgerFault> {
        let mut first = None;
        for &candidate in candidates {
            let place = self.append(rows, Some(candidate), record, request_digest, Event::Candidate, now).await?;
            first.get_or_insert(place);
        }
        Ok(Outcome::Written(first.unwrap_or(self.next)))
    }

    /// Keeps what was presented, for auditors.
    async fn keep_evidence<R: LedgerTx>(
        &self,
        rows: &mut R,
        record: &AccessRecord,
        spends: &ReplayKeys,
        now: u64,
    ) -> Result<(), LedgerFault> {
        let until = now.saturating_add(u64::from(self.limits.evidence_days) * 86_400);
        rows.keep_evidence(&spends.request_digest, &record.gallery, &record.evidence, until).await
    }

    /// Appends an entry about whoever bears the subject's name now; about nobody, for a search.
    async fn append_named<R: LedgerTx>(
        &mut self,
        rows: &mut R,
        record: &AccessRecord,
        request_digest: [u8; 32],
        event: Event,
        now: u64,
    ) -> Result<EntryId, LedgerFault> {
        let standing = match &record.subject {
            Some(subject) => rows.standing(&record.gallery, subject).await?,
            None => None,
        };
        let of = standing.map(|standing| standing.record);
        self.append(rows, of, record, request_digest, event, now).await
    }

    async fn append<R: LedgerTx>(
        &mut self,
        rows: &mut R,
        of: Option<RecordId>,
        record: &AccessRecord,
        request_digest: [u8; 32],
        event: Event,
        now: u64,
    ) -> Result<EntryId, LedgerFault> {
        let known = match of {
            Some(of) => rows.next_handle(of).await?,
            None => None,
        };
        let handle = known.map_or_else(|| self.fill(), Ok)?;
        let draft = Draft::new(record, request_digest, self.fill()?, Minute::of(now), event);
        let entry = draft.finish(handle);
        let place = self.place_at(now);
        rows.append(place, &entry).await?;
        self.next = EntryId { index: place.index + 1, ..place };
        self.blank = false;
        self.entries.push((place, entry));
        Ok(place)
    }

    /// A half-year begins, if it is a later one; an earlier one only in place of one without an entry that was the first.
    pub(super) fn begin(&mut self, half: Shard) {
        if half > self.next.half || self.blank {
            self.next = EntryId { half, index: 0 };
        }
    }

    /// Where the next entry stands: in a new half-year, at the beginning of its log. A clock that is set back opens no old log again.
    fn place_at(&mut self, now: u64) -> EntryId {
        self.begin(Shard::of(now));
        self.next
    }

    fn fill<const N: usize>(&self) -> Result<[u8; N], LedgerFault> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).map_err(|_| LedgerFault::new(NoRandomness))?;
        Ok(bytes)
    }
}
