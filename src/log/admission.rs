//! Who is admitted: the part of the door that only the ledger can answer, in the order of DESIGN 6.
//!
//! request id -> proof -> envelopes -> token -> rate -> subject, all in the transaction that also takes the log entry. So what is refused
//! is logged as well, and what was spent stays spent.

use std::collections::HashMap;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::oneshot;

use crate::name::RelyingParty;
use crate::request::Method;
use crate::token::policy::Limits;
use crate::token::purpose::{Spends, Terms, Use};

use super::access::{Closing, LogError, Ticket};
use super::entry::{Draft, Event, Minute, Reason};
use super::half::{Half, Place};
use super::ledger::{Answer, Asked, Course, LedgerFault, Match, Position, RecordId, Rows, Standing};
use super::work::{Admitted, Outcome, Touch, Work};

/// Seconds that this node's clock may be off; an id is kept that much longer than its token is good.
pub const SKEW_SECONDS: u64 = 30;

/// Seconds for which a request id is remembered at least: as long as what it changed, and longer than an envelope of it opens.
pub const REQUEST_SECONDS: u64 = 7 * 86_400;

/// Seconds for which a match shows that the person is there.
const MATCH_SECONDS: u64 = 300;

/// A genuine grant that was not admitted, or need not be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The same request was answered before: this is that answer. No new use, no new entry.
    #[error("the same request was answered before")]
    Answered(Answer),
    /// The same request is being worked on. Wait for its answer.
    #[error("the same request is being worked on")]
    RequestInFlight,
    /// The request id stands for another request of this relying party.
    #[error("the request id stands for another request")]
    RequestIdReused,
    /// The same request was answered so long ago that the answer is no longer kept. It is not done again.
    #[error("the same request was answered, and the answer is no longer kept")]
    AnswerExpired,
    /// One of the node's own envelopes came with another request, or with this one before it was answered.
    #[error("an envelope was used before")]
    EnvelopeSpent,
    /// The proof was used before.
    #[error("the proof was used before")]
    ProofReplayed,
    /// The token allows no more uses.
    #[error("the token is used up")]
    TokenSpent,
    /// The relying party asks too often.
    #[error("too many requests of this relying party")]
    RateLimited {
        /// Milliseconds after which one more request would be in the rate.
        retry_after_ms: u64,
    },
    /// To be enrolled, but enrolled already or just being enrolled.
    #[error("the subject is enrolled already")]
    SubjectExists,
    /// Never enrolled, erased or expired: which, is not told.
    #[error("there is no such subject")]
    SubjectUnknown,
    /// Locked by somebody or by too many attempts.
    #[error("the subject is locked")]
    SubjectLocked,
    /// The earlier request that this one names has not matched this subject for this purpose in the last five minutes.
    #[error("no comparison has just matched")]
    MatchMissing,
    /// The log takes nothing more in, since it does not know what it holds. The node must be started again.
    #[error("the access log is halted")]
    Halted,
}

impl NotAdmitted {
    /// The reason code that entries and answers give; none where nothing was refused or nothing could be logged.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Answered(_) | Self::Halted => return None,
            Self::RequestInFlight => const { Reason::fixed("REQUEST_IN_FLIGHT") },
            Self::RequestIdReused => const { Reason::fixed("REQUEST_ID_REUSED") },
            Self::AnswerExpired => const { Reason::fixed("ANSWER_EXPIRED") },
            Self::EnvelopeSpent => const { Reason::fixed("ENVELOPE_SPENT") },
            Self::ProofReplayed => const { Reason::fixed("PROOF_REPLAYED") },
            Self::TokenSpent => const { Reason::fixed("TOKEN_SPENT") },
            Self::RateLimited { .. } => const { Reason::fixed("RATE_LIMITED") },
            Self::SubjectExists => const { Reason::fixed("SUBJECT_EXISTS") },
            Self::SubjectUnknown => const { Reason::fixed("SUBJECT_UNKNOWN") },
            Self::SubjectLocked => const { Reason::fixed("SUBJECT_LOCKED") },
            Self::MatchMissing => const { Reason::fixed("MATCH_MISSING") },
        })
    }
}

/// The system gives no randomness, so no entry can be salted.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no randomness")]
struct NoRandomness;

/// What is left of a relying party's burst, in requests. In memory: a restart fills it again.
struct Bucket {
    level: u64,
    at: u64,
}

impl Bucket {
    fn full(limits: &Limits, now: u64) -> Self {
        Self { level: u64::from(limits.burst), at: now }
    }

    fn take(&mut self, limits: &Limits, now: u64) -> Result<(), NotAdmitted> {
        let flow = u64::from(limits.requests_per_second).saturating_mul(now.saturating_sub(self.at));
        self.level = self.level.saturating_add(flow).min(u64::from(limits.burst));
        self.at = self.at.max(now);
        // Time comes in whole seconds, and in the next one there is room: no limit is below one a second.
        self.level = self.level.checked_sub(1).ok_or(NotAdmitted::RateLimited { retry_after_ms: 1000 })?;
        Ok(())
    }
}

/// Admissions and closings that are committed together. A [`Ledger`](super::ledger::Ledger) runs it inside its transaction.
pub struct Batch {
    works: Vec<Work>,
    outcomes: Vec<Outcome>,
    entries: Vec<(Place, Vec<u8>)>,
    next: Place,
    /// Nothing was ever logged.
    blank: bool,
    limits: Limits,
    buckets: HashMap<RelyingParty, Bucket>,
    random: SystemRandom,
}

impl Batch {
    pub(super) fn new(limits: Limits, next: Place, blank: bool) -> Self {
        Self {
            works: Vec::new(),
            outcomes: Vec::new(),
            entries: Vec::new(),
            next,
            blank,
            limits,
            buckets: HashMap::new(),
            random: SystemRandom::new(),
        }
    }

    /// Where waiting work is put before a commit.
    pub(super) const fn works(&mut self) -> &mut Vec<Work> {
        &mut self.works
    }

    /// The latest time that any of the waiting work acts on, in unix seconds.
    #[must_use]
    pub fn latest(&self) -> Option<u64> {
        self.works.iter().map(Work::now).max()
    }

    /// What the waiting work will ask [`Rows`] for, and nothing else: for a ledger that would rather read it all at once.
    pub fn touches(&self) -> impl Iterator<Item = Touch<'_>> {
        self.works.iter().map(Work::touches)
    }

    /// Decides on all that waits, and writes what comes of it through `rows`.
    ///
    /// # Errors
    /// Those of `rows`, at once: the transaction must not be committed then.
    pub async fn run<R: Rows>(&mut self, rows: &mut R) -> Result<(), LedgerFault> {
        self.outcomes.clear();
        self.entries.clear();
        let works = std::mem::take(&mut self.works);
        for work in &works {
            let outcome = match work {
                Work::Admit { spends, record, terms, now, .. } => self.admit(rows, spends, record, terms, *now).await,
                Work::Deny { record, spends, reason, now, .. } => self.deny(rows, record, spends, reason, *now).await,
                Work::Close { ticket, closing, answer, now, .. } => {
                    self.close(rows, ticket, closing, answer.as_ref(), *now).await
                }
                Work::Name { record, transcript, candidates, now, .. } => {
                    self.name(rows, record, *transcript, candidates, *now).await
                }
            }?;
            self.outcomes.push(outcome);
        }
        self.works = works;
        Ok(())
    }

    /// After a durable commit: the new entries for the tree. [`answer`](Self::answer) comes after they are in it.
    pub(super) fn take_entries(&mut self) -> Vec<(Place, Vec<u8>)> {
        std::mem::take(&mut self.entries)
    }

    /// Tells everyone what became of it. What was admitted for who has gone away meanwhile is closed with the next commit.
    pub(super) fn answer(&mut self) {
        for (work, outcome) in std::mem::take(&mut self.works).into_iter().zip(self.outcomes.drain(..)) {
            match (work, outcome) {
                (Work::Admit { spends, record, terms, now, reply }, Outcome::Admitted { place, subject }) => {
                    if let Err(Ok(lost)) = reply.send(Ok(Admitted { spends, record, terms, place, subject })) {
                        self.works.push(cancelled(&lost, now));
                    }
                }
                (Work::Admit { reply, .. }, Outcome::Refused(why)) => drop(reply.send(Err(why))),
                (
                    Work::Deny { reply, .. } | Work::Close { reply, .. } | Work::Name { reply, .. },
                    Outcome::Written(place),
                ) => {
                    drop(reply.send(Ok(place)));
                }
                (Work::Close { reply, .. }, Outcome::NotOpen) => drop(reply.send(Err(LogError::NotOpen))),
                (Work::Deny { reply, .. }, Outcome::NotOpen) => drop(reply.send(Err(LogError::Replayed))),
                (Work::Admit { .. }, Outcome::Written(_) | Outcome::NotOpen)
                | (Work::Name { .. }, Outcome::NotOpen)
                | (
                    Work::Deny { .. } | Work::Close { .. } | Work::Name { .. },
                    Outcome::Admitted { .. } | Outcome::Refused(_),
                ) => {
                    unreachable!("each work has its own outcomes")
                }
            }
        }
    }

    /// A denied request uses its proof up: sent again, it leaves no second entry.
    async fn deny<R: Rows>(
        &mut self,
        rows: &mut R,
        record: &Use,
        spends: &Spends,
        reason: &Reason,
        now: u64,
    ) -> Result<Outcome, LedgerFault> {
        if !rows.spend_proof(&spends.proof, spends.proof_until.saturating_add(SKEW_SECONDS)).await? {
            return Ok(Outcome::NotOpen);
        }
        self.keep_evidence(rows, record, spends, now).await?;
        let event = Event::Denied(reason.clone());
        self.append_named(rows, record, spends.transcript, event, now).await.map(Outcome::Written)
    }

    async fn admit<R: Rows>(
        &mut self,
        rows: &mut R,
        spends: &Spends,
        record: &Use,
        terms: &Terms,
        now: u64,
    ) -> Result<Outcome, LedgerFault> {
        let judged = self.judge(rows, spends, record, terms, now).await?;
        if judged.as_ref().err().is_none_or(|why| why.reason().is_some()) {
            self.keep_evidence(rows, record, spends, now).await?;
        }
        match judged {
            Ok(subject) => {
                let kept = self.limits.request_retention_seconds.max(REQUEST_SECONDS);
                let until = spends.token_until.max(now.saturating_add(kept)).saturating_add(SKEW_SECONDS);
                let request = (spends.client.as_str(), &spends.transcript);
                rows.open_request(&record.relying_party, spends.request_id, request, until).await?;
                for envelope in &spends.envelopes {
                    rows.spend_envelope(envelope, &spends.transcript).await?;
                }
                let of = subject.map(|(record, _)| record);
                let place = self.append(rows, of, record, spends.transcript, Event::Admitted, now).await?;
                Ok(Outcome::Admitted { place, subject })
            }
            Err(why) => {
                if let Some(reason) = why.reason() {
                    self.append_named(rows, record, spends.transcript, Event::Denied(reason), now).await?;
                }
                Ok(Outcome::Refused(why))
            }
        }
    }

    /// The checks, in order. What one of them spent stays spent if a later one refuses.
    async fn judge<R: Rows>(
        &mut self,
        rows: &mut R,
        spends: &Spends,
        record: &Use,
        terms: &Terms,
        now: u64,
    ) -> Result<Result<Option<(RecordId, Position)>, NotAdmitted>, LedgerFault> {
        let asked = rows.asked(&record.relying_party, spends.request_id).await?;
        let again = asked.is_some();
        if let Some(Asked { client, transcript, course, .. }) = asked {
            match course {
                // Two issuers may have named two clients alike: an answer is for the one that asked.
                _ if transcript != spends.transcript || client != spends.client => {
                    return Ok(Err(NotAdmitted::RequestIdReused));
                }
                Course::Answered(answer) => return Ok(Err(NotAdmitted::Answered(answer))),
                Course::Forgotten => return Ok(Err(NotAdmitted::AnswerExpired)),
                Course::Open => return Ok(Err(NotAdmitted::RequestInFlight)),
                // No answer will come any more: to try again is a new use, with all checks.
                Course::Ended => {}
            }
        }
        if !rows.spend_proof(&spends.proof, spends.proof_until.saturating_add(SKEW_SECONDS)).await? {
            return Ok(Err(NotAdmitted::ProofReplayed));
        }
        for envelope in &spends.envelopes {
            // The very same request, which came to nothing, brings what it brought.
            let spent = rows.spent_by(envelope).await?;
            if spent.is_some_and(|by| !(again && by == spends.transcript)) {
                return Ok(Err(NotAdmitted::EnvelopeSpent));
            }
        }
        if rows.spend_token(&spends.token, spends.token_until.saturating_add(SKEW_SECONDS)).await? > spends.max_uses {
            return Ok(Err(NotAdmitted::TokenSpent));
        }
        let bucket = self.buckets.entry(record.relying_party.clone()).or_insert(Bucket::full(&self.limits, now));
        if let Err(limited) = bucket.take(&self.limits, now) {
            return Ok(Err(limited));
        }
        // A search is about nobody yet.
        let Some(subject) = &record.subject else { return Ok(Ok(None)) };
        let standing = rows.standing(&record.gallery, subject).await?;
        let known = standing.filter(|standing| standing.live && standing.expires > now);
        match (record.method, known) {
            (Method::Enroll, _) if standing.is_some_and(|standing| !standing.live) => {
                Ok(Err(NotAdmitted::SubjectExists))
            }
            (Method::Enroll, Some(_)) => Ok(Err(NotAdmitted::SubjectExists)),
            (Method::Enroll, None) => Ok(Ok(None)),
            (
                Method::Verify
                | Method::Erase
                | Method::Lock
                | Method::Unlock
                | Method::Search
                | Method::OpenEvidence
                | Method::ListUses
                | Method::ReadLog,
                None,
            ) => Ok(Err(NotAdmitted::SubjectUnknown)),
            (Method::Verify, Some(known)) => reserve(rows, known, terms, now).await,
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
                Ok(if fresh { Ok(Some((known.record, known.position))) } else { Err(NotAdmitted::MatchMissing) })
            }
            (
                Method::Erase | Method::Lock | Method::Unlock | Method::Search | Method::OpenEvidence | Method::ReadLog,
                Some(known),
            ) => Ok(Ok(Some((known.record, known.position)))),
        }
    }

    /// Settles the attempt that was reserved, and writes the entry. Once for each ticket, whoever asks.
    async fn close<R: Rows>(
        &mut self,
        rows: &mut R,
        ticket: &Ticket,
        closing: &Closing,
        answer: Option<&Answer>,
        now: u64,
    ) -> Result<Outcome, LedgerFault> {
        let matched = match (closing, ticket.subject) {
            (Closing::Matched, Some(record)) => Some(Match { record, purpose: ticket.record.purpose.clone(), at: now }),
            _ => None,
        };
        let kept = now.saturating_add(self.limits.request_retention_seconds);
        let answer = answer.map(|answer| (answer, kept));
        let relying_party = &ticket.record.relying_party;
        if !rows.close_request(relying_party, ticket.request_id, answer, matched.as_ref()).await? {
            return Ok(Outcome::NotOpen);
        }
        if let Some(record) = ticket.subject
            && ticket.limit > 0
            && let Some(standing) = rows.standing_of(record).await?
        {
            let (attempts, locked_until) = settle(&standing, ticket, closing, now);
            rows.set_attempts(record, attempts, locked_until).await?;
        }
        let event = match closing {
            Closing::Matched | Closing::NotMatched | Closing::Completed => Event::Completed,
            Closing::Failed(reason) => Event::Failed(reason.clone()),
        };
        let place = match ticket.subject {
            None => self.append_named(rows, &ticket.record, ticket.transcript, event, now).await?,
            of => self.append(rows, of, &ticket.record, ticket.transcript, event, now).await?,
        };
        Ok(Outcome::Written(place))
    }

    /// One entry for each person that a search is about to name; the place of the first.
    async fn name<R: Rows>(
        &mut self,
        rows: &mut R,
        record: &Use,
        transcript: [u8; 32],
        candidates: &[RecordId],
        now: u64,
    ) -> Result<Outcome, LedgerFault> {
        let mut first = None;
        for &candidate in candidates {
            let place = self.append(rows, Some(candidate), record, transcript, Event::Candidate, now).await?;
            first.get_or_insert(place);
        }
        Ok(Outcome::Written(first.unwrap_or(self.next)))
    }

    /// Keeps what was presented, for auditors.
    async fn keep_evidence<R: Rows>(
        &self,
        rows: &mut R,
        record: &Use,
        spends: &Spends,
        now: u64,
    ) -> Result<(), LedgerFault> {
        let until = now.saturating_add(u64::from(self.limits.evidence_days) * 86_400);
        rows.keep_evidence(&spends.transcript, &record.gallery, &record.evidence, until).await
    }

    /// Appends an entry about whoever bears the subject's name now; about nobody, for a search.
    async fn append_named<R: Rows>(
        &mut self,
        rows: &mut R,
        record: &Use,
        transcript: [u8; 32],
        event: Event,
        now: u64,
    ) -> Result<Place, LedgerFault> {
        let standing = match &record.subject {
            Some(subject) => rows.standing(&record.gallery, subject).await?,
            None => None,
        };
        let of = standing.map(|standing| standing.record);
        self.append(rows, of, record, transcript, event, now).await
    }

    async fn append<R: Rows>(
        &mut self,
        rows: &mut R,
        of: Option<RecordId>,
        record: &Use,
        transcript: [u8; 32],
        event: Event,
        now: u64,
    ) -> Result<Place, LedgerFault> {
        let known = match of {
            Some(of) => rows.next_handle(of).await?,
            None => None,
        };
        let handle = known.map_or_else(|| self.fill(), Ok)?;
        let draft = Draft::new(record, transcript, self.fill()?, Minute::of(now), event);
        let entry = draft.finish(handle);
        let place = self.place_at(now);
        rows.append(place, &entry).await?;
        self.next = Place { index: place.index + 1, ..place };
        self.blank = false;
        self.entries.push((place, entry));
        Ok(place)
    }

    /// A half-year begins, if it is a later one; an earlier one only in place of one without an entry that was the first.
    pub(super) fn begin(&mut self, half: Half) {
        if half > self.next.half || self.blank {
            self.next = Place { half, index: 0 };
        }
    }

    /// Where the next entry stands: in a new half-year, at the beginning of its log. A clock that is set back opens no old log again.
    fn place_at(&mut self, now: u64) -> Place {
        self.begin(Half::of(now));
        self.next
    }

    fn fill<const N: usize>(&self) -> Result<[u8; N], LedgerFault> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).map_err(|_| LedgerFault::new(NoRandomness))?;
        Ok(bytes)
    }
}

/// Closes what nobody holds a permit for: nothing was done with it, and nothing can be.
fn cancelled(lost: &Admitted, now: u64) -> Work {
    const CANCELLED: Reason = Reason::fixed("CANCELLED");
    let (reply, _) = oneshot::channel();
    Work::Close { ticket: Ticket::of(lost), closing: Closing::Failed(CANCELLED), answer: None, now, reply }
}

/// Reserves one of the subject's attempts now: comparisons that run at the same time cannot share the last one.
async fn reserve<R: Rows>(
    rows: &mut R,
    known: Standing,
    terms: &Terms,
    now: u64,
) -> Result<Result<Option<(RecordId, Position)>, NotAdmitted>, LedgerFault> {
    if known.locked_until > now {
        return Ok(Err(NotAdmitted::SubjectLocked));
    }
    // A lock that has run out gives all attempts back.
    let attempts = if known.locked_until == 0 { known.attempts } else { 0 };
    if terms.attempts == 0 {
        return Ok(Ok(Some((known.record, known.position))));
    }
    if attempts >= terms.attempts {
        rows.set_attempts(known.record, attempts, lock_end(now, terms.lock_seconds)).await?;
        return Ok(Err(NotAdmitted::SubjectLocked));
    }
    rows.set_attempts(known.record, attempts + 1, 0).await?;
    Ok(Ok(Some((known.record, known.position))))
}

/// Attempts and lock after a comparison. Where no bit was opened, nobody learned anything, and the attempt is given back.
fn settle(standing: &Standing, ticket: &Ticket, closing: &Closing, now: u64) -> (u32, u64) {
    match closing {
        Closing::Matched => (0, standing.locked_until),
        Closing::NotMatched if standing.attempts >= ticket.limit && standing.locked_until == 0 => {
            (standing.attempts, lock_end(now, ticket.lock_seconds))
        }
        Closing::NotMatched => (standing.attempts, standing.locked_until),
        Closing::Completed | Closing::Failed(_) => (standing.attempts.saturating_sub(1), standing.locked_until),
    }
}

/// Never [`Standing::LOCKED`]: a lock by attempts ends.
fn lock_end(now: u64, seconds: u64) -> u64 {
    now.saturating_add(seconds).min(Standing::LOCKED - 1)
}
