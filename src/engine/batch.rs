//! One batch, as each of the three nodes runs it. This is the way from checked requests to the opened bits.
//!
//! ```text
//! Checked --admit--> Admitted --Ready, to and from both--> agreed: admitted at all three, session id from all three
//!                                                            |
//!   Verify: intake, dots, compare, join, open one bit <------+------->  Enroll: intake;  Erase, Lock, Unlock: nothing
//!                      |                                                          |
//!                      v                                                   two-phase change (changes.rs)
//!                   Ended  <------------------------------------------------------+
//!                      |  closed in the log, receipt signed
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::digest::{Context, SHA256};
use tokio::sync::OwnedRwLockWriteGuard;
use zeroize::Zeroizing;

use super::audience::Audience;
use super::changes::Prepared;
use super::compare::Stopped;
use super::door::{Admitted, Checked, Permitted};
use super::envelopes::Incoming;
use super::refusal::{CLOCK_IN_DOUBT, Cause as _, Mixed, OutOfStep, Refusal};
use super::stopwatch::Stopwatch;
use super::{Engine, changes};
use crate::clocks::APART;
use crate::log::access::{Closing, Ticket};
use crate::log::half::Place;
use crate::log::ledger::Position;
use crate::log::receipt::{Found, Outcome};
use crate::name::Subject;
use crate::net::SessionId;
use crate::party::Party;
use crate::peer::{BatchId, Links, Mailbox, NoWord, Note};
use crate::protocol::{self, Invalid, ProtocolError, Session};
use crate::prss::PrssError;
use crate::request::{Ask, Method};
use crate::share::{PointShare, Summands};
use crate::store::{Change, Enrolment, Reference, StoreError};
use crate::timings::Phase;
use crate::wire::peer::v1 as wire;
use crate::wire::peer::v1::frame::Kind;

/// A batch under way at this node.
pub(super) struct Batch {
    /// Its name: 16 bytes that the leader drew.
    pub(super) id: BatchId,
    /// The links it runs over, from beginning to end.
    pub(super) links: Links,
    /// What the others say of it.
    pub(super) mail: Mailbox,
    /// Unix seconds when it came in.
    pub(super) now: u64,
    /// The least of the three nodes' clocks when it came in; this node's own until the others have told. Nobody has expired who has
    /// not by this, and what is enrolled expires at one moment everywhere.
    pub(super) least: u64,
    /// At the leader of a search: no change is under way.
    pub(super) still: Option<OwnedRwLockWriteGuard<()>>,
    /// At the leader: who waits for each request.
    pub(super) audience: Audience,
    /// What all of its requests wait for together.
    pub(super) stopwatch: Stopwatch,
}

impl Batch {
    /// One that is about to begin.
    pub(super) fn new(id: BatchId, links: Links, mail: Mailbox, now: u64) -> Self {
        Self {
            id,
            links,
            mail,
            now,
            least: now,
            still: None,
            audience: Audience::default(),
            stopwatch: Stopwatch::new(),
        }
    }

    /// The batch's run of the protocol. It ends with the batch of either peer.
    ///
    /// # Errors
    /// [`PrssError`], after which the links connect anew.
    pub(super) fn session(&self, id: SessionId, patience: Duration) -> Result<Session, PrssError> {
        let session = self.links.session(id, patience)?;
        self.mail.tie(&self.links, id);
        Ok(session)
    }

    /// Ends the batch at this node while others may go on in it: so that they do not wait for this one.
    pub(super) fn leave(&self) {
        self.links.leave(self.id);
    }
}

/// A request that ran to its end, and is yet to be closed.
pub(super) struct Ended {
    /// What came of it.
    pub(super) outcome: Outcome,
    /// Of a search: who was found.
    pub(super) found: Option<Found>,
    /// What closes it.
    pub(super) ticket: Ticket,
    /// Place of its entry in the log.
    pub(super) place: Place,
    /// Its transcript.
    pub(super) rq: [u8; 32],
}

impl Engine {
    /// Runs a batch of what was admitted here. Each request ends for itself; all of them end the same way at all three nodes,
    /// unless a link breaks.
    ///
    /// `admitted` is in the leader's order; `positions` are the rows that the leader gives, should it be enrolments.
    pub(super) async fn run(
        self: &Arc<Self>,
        batch: &mut Batch,
        method: Method,
        admitted: Vec<Result<Admitted, Refusal>>,
        positions: &[Position],
    ) -> Vec<Result<Ended, Refusal>> {
        let begin = Instant::now();
        let (agreement, agreed) = self.agree(batch, admitted, positions).await;
        let begin = batch.stopwatch.since(Phase::Agree, begin);
        // Nobody waits for the others of the batch with an answer that is known.
        for (place, item) in agreed.iter().enumerate() {
            if let Err(refusal) = item {
                batch.audience.answer(place, Err(refusal.clone()));
            }
        }
        let Some((session, moment)) = agreement else {
            return agreed.into_iter().map(|item| item.and_then(|_| Err(OutOfStep.at(self.party)))).collect();
        };
        match method {
            Method::Verify => self.compare(batch, session, agreed).await,
            Method::Search => {
                let ended = self.search(batch, session, moment, agreed).await;
                batch.stopwatch.since(Phase::Compare, begin);
                ended
            }
            Method::Enroll => {
                let taken = self.take_in(batch, session, agreed, positions).await;
                let begin = batch.stopwatch.since(Phase::Intake, begin);
                let ended = self.change(batch, taken).await;
                batch.stopwatch.since(Phase::Change, begin);
                ended
            }
            Method::Erase | Method::Lock | Method::Unlock => {
                let changes = agreed.into_iter().map(|item| item.map(changes::of)).collect();
                let ended = self.change(batch, changes).await;
                batch.stopwatch.since(Phase::Change, begin);
                ended
            }
            Method::OpenEvidence | Method::ListUses | Method::ReadLog => {
                unreachable!("what a node answers alone is in no batch: no relayed request is of these calls")
            }
        }
    }

    /// Admits all at once: they share the log's next write, and their envelopes are opened on all cores.
    pub(super) async fn admit_all(
        self: &Arc<Self>,
        items: Vec<Result<Checked, Refusal>>,
        now: u64,
    ) -> Vec<Result<Admitted, Refusal>> {
        let tasks: Vec<_> = items
            .into_iter()
            .map(|item| {
                item.map(|checked| {
                    let engine = Arc::clone(self);
                    tokio::spawn(async move { engine.admit(checked, now).await })
                })
            })
            .collect();
        let mut admitted = Vec::with_capacity(tasks.len());
        for task in tasks {
            admitted.push(match task {
                Ok(task) => task.await.unwrap_or_else(|_| Err(NoWord::Gone(self.party).at(self.party))),
                Err(refusal) => Err(refusal),
            });
        }
        admitted
    }

    /// Tells the others what was admitted here, hears what was there, and keeps what all three admitted.
    ///
    /// The session id comes from all three: no two of them can make the third use one again. Beside it, the latest of the three
    /// clocks: whoever has expired by any of them has expired by it. Nothing runs where the clocks are apart.
    async fn agree(
        &self,
        batch: &mut Batch,
        admitted: Vec<Result<Admitted, Refusal>>,
        positions: &[Position],
    ) -> (Option<(SessionId, u64)>, Vec<Result<Admitted, Refusal>>) {
        let verdicts: Vec<_> = admitted.iter().zip(positions).map(|(item, &given)| verdict(item, given)).collect();
        let heard = self.hear(batch, verdicts).await.map_err(|no_word| no_word.at(self.party));
        let ready = match heard.and_then(|ready| Self::together(batch.now, ready)) {
            Ok(ready) => ready,
            Err(reason) => {
                batch.leave();
                let mut failed = Vec::new();
                for item in admitted {
                    failed.push(match item {
                        Ok(item) => Err(self.fail(item.ticket, reason.clone(), batch.now).await),
                        Err(refusal) => Err(refusal),
                    });
                }
                return (None, failed);
            }
        };
        let mut agreed = Vec::with_capacity(admitted.len());
        for (place, item) in admitted.into_iter().enumerate() {
            agreed.push(match item {
                Err(refusal) => Err(refusal),
                Ok(item) => match objection(self.party, &ready, place, item.ask.method) {
                    None => Ok(item),
                    Some(refusal) => Err(self.fail(item.ticket, refusal, batch.now).await),
                },
            });
        }
        batch.least = ready.iter().map(|ready| ready.now).fold(batch.now, u64::min);
        let moment = ready.iter().map(|ready| ready.now).fold(batch.now, u64::max);
        let places: Vec<_> = agreed.iter().map(|item| item.as_ref().ok().map(|item| item.ask.transcript())).collect();
        (Some((session_id(&batch.id, &ready, &places), moment)), agreed)
    }

    /// The same words, if the clocks in them go with this node's.
    fn together(now: u64, ready: [wire::Ready; 3]) -> Result<[wire::Ready; 3], Refusal> {
        let apart = Party::ALL.into_iter().find(|party| ready[party.index()].now.abs_diff(now) > APART);
        apart.map_or(Ok(ready), |party| Err(Refusal::new(party, CLOCK_IN_DOUBT)))
    }

    /// All three parties' words, in the order A, B, C.
    async fn hear(&self, batch: &mut Batch, verdicts: Vec<wire::Verdict>) -> Result<[wire::Ready; 3], NoWord> {
        let nonce = self.draw::<16>().to_vec();
        let count = verdicts.len();
        let own = wire::Ready { batch: batch.id.to_vec(), nonce, verdicts, now: batch.now };
        let (next, prev) = (self.party.next(), self.party.prev());
        batch.links.say(Kind::Ready(own.clone()), self.limits.patience).await?;
        let mut all = [own.clone(), own.clone(), own];
        for (party, other) in [(next, prev), (prev, next)] {
            let ready = batch.mail.take((party, Some(other)), self.limits.patience, Note::ready).await?;
            if ready.verdicts.len() != count || ready.nonce.len() != 16 {
                return Err(NoWord::Gone(party));
            }
            all[party.index()] = ready;
        }
        Ok(all)
    }

    /// Compares all probes in one run of the protocol: one bit of each request.
    async fn compare(
        &self,
        batch: &Batch,
        session: SessionId,
        agreed: Vec<Result<Admitted, Refusal>>,
    ) -> Vec<Result<Ended, Refusal>> {
        let mut inputs = Vec::new();
        let mut entered = Vec::new();
        for item in agreed {
            entered.push(match item {
                Err(refusal) => Err(refusal),
                Ok(Admitted { ask, ticket, place, permitted: Permitted::Verify(_, comparison) }) => {
                    inputs.push(comparison);
                    Ok((ticket, place, ask.transcript()))
                }
                Ok(other) => Err(self.fail(other.ticket, Mixed.at(self.party), batch.now).await),
            });
        }
        let outcomes = self.compare_in_session(batch, session, inputs).await;
        let outcomes = outcomes.map_err(|Stopped { error, opened }| (self.broken(&error), opened));
        let mut ended = Vec::with_capacity(entered.len());
        let mut outcomes = outcomes.map(Vec::into_iter);
        for item in entered {
            ended.push(match item {
                Err(refusal) => Err(refusal),
                Ok((ticket, place, rq)) => match &mut outcomes {
                    Ok(outcomes) => match outcomes.next() {
                        Some(Ok(true)) => Ok(Ended { outcome: Outcome::Match, found: None, ticket, place, rq }),
                        Some(Ok(false)) => Ok(Ended { outcome: Outcome::NoMatch, found: None, ticket, place, rq }),
                        Some(Err(invalid)) => Err(self.not_a_template(ticket, invalid, batch.now).await),
                        None => Err(self.fail(ticket, OutOfStep.at(self.party), batch.now).await),
                    },
                    // Another node may have seen bits of the probe before the run broke.
                    Err((refusal, true)) => Err(self.break_off(ticket, refusal.clone(), batch.now).await),
                    Err((refusal, false)) => Err(self.fail(ticket, refusal.clone(), batch.now).await),
                },
            });
        }
        ended
    }

    /// That its lengths are not a template's was read from opened bits of the probe: it counts. That its shares do not belong together
    /// was not.
    async fn not_a_template(&self, ticket: Ticket, invalid: Invalid, now: u64) -> Refusal {
        let refusal = invalid.at(self.party);
        match invalid {
            Invalid::Length => self.break_off(ticket, refusal, now).await,
            Invalid::Inconsistent => self.fail(ticket, refusal, now).await,
        }
    }

    /// Takes all references in, in one run of the protocol; a request whose references are all valid becomes a change.
    async fn take_in(
        &self,
        batch: &Batch,
        session: SessionId,
        agreed: Vec<Result<Admitted, Refusal>>,
        positions: &[Position],
    ) -> Vec<Result<Prepared, Refusal>> {
        let mut inputs = Vec::new();
        let mut entered = Vec::new();
        for (item, &position) in agreed.into_iter().zip(positions) {
            let subject = item.as_ref().ok().and_then(|item| item.ask.subject().cloned());
            entered.push(match (item, subject) {
                (Err(refusal), _) => Err(refusal),
                (
                    Ok(Admitted { ask, ticket, place, permitted: Permitted::Enroll(permit, incoming) }),
                    Some(subject),
                ) => {
                    let Incoming { summands, subject_key } = incoming;
                    inputs.push(summands);
                    let expires = batch.least.saturating_add(permit.terms().retention_seconds);
                    Ok(Entered { ask, subject, ticket, place, expires, subject_key, position })
                }
                (Ok(other), _) => Err(self.fail(other.ticket, Mixed.at(self.party), batch.now).await),
            });
        }
        let taken = self.take_in_session(batch, session, inputs).await.map_err(|error| self.broken(&error));
        let mut taken = taken.map(Vec::into_iter);
        let mut prepared = Vec::with_capacity(entered.len());
        for item in entered {
            prepared.push(match item {
                Err(refusal) => Err(refusal),
                Ok(entered) => {
                    let shares = match &mut taken {
                        Ok(taken) => match taken.next() {
                            Some(shares) => shares.map_err(|invalid| invalid.at(self.party)),
                            None => Err(OutOfStep.at(self.party)),
                        },
                        Err(refusal) => Err(refusal.clone()),
                    };
                    match shares {
                        Ok(shares) => Ok(entered.into_change(shares)),
                        Err(refusal) => Err(self.fail(entered.ticket, refusal, batch.now).await),
                    }
                }
            });
        }
        prepared
    }

    async fn take_in_session(
        &self,
        batch: &Batch,
        session: SessionId,
        inputs: Vec<Vec<Summands>>,
    ) -> Result<Vec<Result<Vec<PointShare>, Invalid>>, ProtocolError> {
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        let session = batch.session(session, self.limits.patience)?;
        self.counters.run();
        protocol::enrol_intake(session, inputs).await.inspect(|_| self.unbroken())
    }

    /// Closes a request that came to nothing, and of whose probe nothing was opened: it does not count as an attempt.
    pub(super) async fn fail(&self, ticket: Ticket, refusal: Refusal, now: u64) -> Refusal {
        self.close(ticket, Closing::Failed(refusal.reason.clone()), None, now).await;
        refusal
    }

    /// Closes a request that came to nothing after bits of its probe were opened, or may have been: it counts as a non-match.
    async fn break_off(&self, ticket: Ticket, refusal: Refusal, now: u64) -> Refusal {
        self.close(ticket, Closing::Broken(refusal.reason.clone()), None, now).await;
        refusal
    }
}

/// An enrolment whose references are being taken in.
struct Entered {
    ask: Ask,
    subject: Subject,
    ticket: Ticket,
    place: Place,
    expires: u64,
    subject_key: Box<Zeroizing<[u8; 32]>>,
    position: Position,
}

impl Entered {
    /// The change that keeps these shares, one for each sample.
    fn into_change(self, shares: Vec<PointShare>) -> Prepared {
        let Self { ask, subject, ticket, place, expires, subject_key, position } = self;
        let rq = ask.transcript();
        let Ask { gallery, samples, .. } = ask;
        let references =
            samples.into_iter().zip(shares).map(|(sample, share)| Reference { model: sample.model, share });
        let references = references.collect();
        let enrolment = Enrolment { gallery, subject, position, expires, references, subject_key };
        let ended = Ended { outcome: Outcome::Enrolled, found: None, ticket, place, rq };
        Prepared { ended, change: Change::Enroll(Box::new(enrolment)) }
    }
}

/// What this node says of a request before it runs.
pub(super) fn verdict(item: &Result<Admitted, Refusal>, given: Position) -> wire::Verdict {
    match item {
        Ok(item) => wire::Verdict {
            refusal: String::new(),
            position: item.position().unwrap_or(given).0,
            request: item.ask.transcript().to_vec(),
            retry_after_ms: 0,
            absent: item.ask.method == Method::Erase && item.position().is_none(),
        },
        Err(refusal) => wire::Verdict {
            refusal: refusal.reason.as_str().to_owned(),
            retry_after_ms: refusal.retry_after_ms.unwrap_or(0),
            ..wire::Verdict::default()
        },
    }
}

/// Why a request that was admitted here must not run: another node refuses it, was asked something else, or holds another row. An
/// erasure is made wherever there is anything, and must not run if that is nowhere.
fn objection(own: Party, ready: &[wire::Ready; 3], place: usize, method: Method) -> Option<Refusal> {
    let erases = method == Method::Erase;
    let mine = &ready[own.index()].verdicts[place];
    for party in [own.next(), own.prev()] {
        let theirs = &ready[party.index()].verdicts[place];
        if !theirs.refusal.is_empty() {
            let retry_after_ms = Some(theirs.retry_after_ms).filter(|&wait| wait > 0);
            return Some(Refusal { retry_after_ms, ..Refusal::from_peer(party, &theirs.refusal) });
        }
        if theirs.request != mine.request || (theirs.position != mine.position && !erases) {
            return Some(OutOfStep.at(party));
        }
    }
    let is_nowhere = erases && ready.iter().all(|ready| ready.verdicts[place].absent);
    is_nowhere.then(|| StoreError::SubjectUnknown.at(own))
}

/// Which shares of a record are compared. There is one epoch until shares are refreshed.
const EPOCH: u32 = 0;

/// First 16 bytes of SHA-256 over the batch, all three nonces and clocks, and what runs: for each place of the batch the request's
/// transcript and the epoch of its rows, where it was admitted at all three as far as this node was told.
///
/// A node that tells the two others different things has them in two sessions, and no message of the one is one of the other.
fn session_id(batch: &BatchId, ready: &[wire::Ready; 3], places: &[Option<[u8; 32]>]) -> SessionId {
    let mut hash = Context::new(&SHA256);
    hash.update(b"tumar session v2");
    hash.update(batch);
    for ready in ready {
        hash.update(&ready.nonce);
        hash.update(&ready.now.to_be_bytes());
    }
    for place in places {
        hash.update(&place.unwrap_or_default());
        hash.update(&EPOCH.to_be_bytes());
        hash.update(&[u8::from(place.is_some())]);
    }
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finish().as_ref()[..16]);
    SessionId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_of_one_batch_and_of_what_runs_in_it() {
        let ready = |nonce: u8, now: u64| wire::Ready { nonce: vec![nonce; 16], now, ..wire::Ready::default() };
        let all = [ready(1, 10), ready(2, 11), ready(3, 12)];
        let (one, other) = (Some([1; 32]), Some([2; 32]));
        let mut ids = vec![
            session_id(&[7; 16], &all, &[one, other]),
            session_id(&[8; 16], &all, &[one, other]),
            session_id(&[7; 16], &[ready(1, 10), ready(2, 11), ready(4, 12)], &[one, other]),
            session_id(&[7; 16], &[ready(1, 10), ready(2, 11), ready(3, 13)], &[one, other]),
            // Told different verdicts, two nodes would run as many lanes, and not the same ones.
            session_id(&[7; 16], &all, &[one, None]),
            session_id(&[7; 16], &all, &[None, other]),
            session_id(&[7; 16], &all, &[None, one]),
            session_id(&[7; 16], &all, &[other, one]),
            session_id(&[7; 16], &all, &[one]),
            session_id(&[7; 16], &all, &[None, None]),
        ];
        assert_eq!(ids[0], session_id(&[7; 16], &all, &[one, other]));
        ids.sort_by_key(|id| id.0);
        ids.dedup();
        assert_eq!(ids.len(), 10);
    }
}
