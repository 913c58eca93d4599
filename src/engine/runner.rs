//! What all three nodes do with a batch that each of them admitted: agree on it, and run it.
//!
//! ```text
//! Open<Permitted> --Ready, to and from both--> agreed: admitted at all three, session id from all three
//!                                                 |
//!   Verify: input check, dots, compare, join, open one bit;  Search: search.rs;  Enroll: input check;  Erase, Lock, Unlock: nothing
//!                      |                                     |                                  |
//!                      v                                     v                         two-phase change (changes.rs)
//!                 Open<Ended>  <-----------------------------+----------------------------------+
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::batch::{Batch, draw};
use super::changes::{Changes, Prepared};
use super::compare::Comparison;
use super::counters::Counters;
use super::item::{Ended, Item, Open, hand_out, take_inputs};
use super::journal::{Failure, Journal};
use super::links::NodeLinks;
use super::refusal::{Cause, OutOfStep, Refusal};
use super::request::{Incoming, Permitted, SUBJECT_KEY};
use super::search::Searcher;
use crate::clocks::APART;
use crate::log::access::Permit;
use crate::log::ledger::Position;
use crate::log::receipt::Outcome;
use crate::net::SessionId;
use crate::party::Party;
use crate::peer::{BatchId, BatchMessage, PeerUnavailable};
use crate::protocol::{self, Invalid, Mark, ProtocolError};
use crate::reason::Reason;
use crate::request::Method;
use crate::share::{InputShares, PointShare};
use crate::store::{Change, Enrolment, Reference, StoreError};
use crate::timings::Phase;
use crate::token::purpose::Enroll;
use crate::wire::peer::v1 as wire;
use crate::wire::peer::v1::frame::Kind;

/// Runs batches together with the two other nodes.
pub(super) struct Runner {
    pub(super) journal: Arc<Journal>,
    pub(super) links: NodeLinks,
    pub(super) searcher: Arc<Searcher>,
    pub(super) changes: Arc<Changes>,
    /// How long another node may take for each of its words.
    pub(super) patience: Duration,
    pub(super) counters: Arc<Counters>,
}

/// What the three nodes have agreed on.
#[derive(Clone, Copy)]
struct Agreement {
    session: SessionId,
    /// The latest of the three clocks.
    moment: u64,
}

/// A run that broke, and whether another node may have seen bits of the probes.
struct Broken {
    error: ProtocolError,
    opened: bool,
}

impl Runner {
    /// Runs a batch of what was admitted here. Each request ends for itself; all of them end the same way at all three nodes,
    /// unless a link breaks.
    ///
    /// The items are in the leader's order, with the positions that the leader gives.
    pub(super) async fn run(
        &self,
        batch: &mut Batch,
        method: Method,
        items: Vec<Item<Open<Permitted>>>,
    ) -> Vec<Item<Open<Ended>>> {
        let begin = Instant::now();
        let (Agreement { session, moment }, mut items) = match self.agree(batch, items).await {
            Ok(agreed) => agreed,
            Err((refusal, items)) => {
                batch.leave();
                let mut failed = self.journal.fail_all(items, refusal, batch.now).await;
                batch.stopwatch.since(Phase::Agree, begin);
                failed.iter_mut().for_each(Item::answer_refused);
                return failed;
            }
        };
        let begin = batch.stopwatch.since(Phase::Agree, begin);
        // Nobody waits for the others of the batch with an answer that is known.
        items.iter_mut().for_each(Item::answer_refused);
        match method {
            Method::Verify => self.verify(batch, session, items).await,
            Method::Search => {
                let ended = self.searcher.search(batch, session, moment, items).await;
                batch.stopwatch.since(Phase::Compare, begin);
                ended
            }
            Method::Enroll => {
                let taken = self.take_in(batch, session, items).await;
                let begin = batch.stopwatch.since(Phase::Intake, begin);
                let ended = self.changes.make(batch, taken).await;
                batch.stopwatch.since(Phase::Change, begin);
                ended
            }
            Method::Erase | Method::Lock | Method::Unlock => {
                let change = |open: Open<Permitted>| {
                    let (open, permitted) = open.split();
                    let change = Prepared::of(&permitted, &open.ask);
                    Ok(open.with(change))
                };
                let changes = items.into_iter().map(|item| item.and_then(change)).collect();
                let ended = self.changes.make(batch, changes).await;
                batch.stopwatch.since(Phase::Change, begin);
                ended
            }
            Method::OpenEvidence | Method::ListUses | Method::ReadLog => {
                unreachable!("what a node answers alone is in no batch: no relayed request is of these calls")
            }
        }
    }

    /// Tells the others what was admitted here, hears what was there, and keeps what all three admitted.
    ///
    /// The session id comes from all three: no two of them can make the third use one again. Beside it, the latest of the three
    /// clocks: whoever has expired by any of them has expired by it. Nothing runs where the clocks are apart.
    ///
    /// # Errors
    /// [`Refusal`], which is that of all, and the items as they were.
    async fn agree(
        &self,
        batch: &mut Batch,
        items: Vec<Item<Open<Permitted>>>,
    ) -> Result<(Agreement, Vec<Item<Open<Permitted>>>), (Refusal, Vec<Item<Open<Permitted>>>)> {
        let own = self.journal.party;
        let heard = self.hear(batch, items.iter().map(verdict).collect()).await.map_err(|no_word| no_word.at(own));
        let ready = match heard.and_then(|ready| together(batch.now, ready)) {
            Ok(ready) => ready,
            Err(refusal) => return Err((refusal, items)),
        };
        let mut agreed = Vec::with_capacity(items.len());
        for (place, item) in items.into_iter().enumerate() {
            let keep = |open: Open<Permitted>| async {
                match objection(own, &ready, place, open.ask.method) {
                    None => Ok(open),
                    Some(refusal) => Err(self.journal.fail(open.ticket, refusal, batch.now).await),
                }
            };
            agreed.push(item.then(keep).await);
        }
        batch.least = ready.iter().map(|ready| ready.now).fold(batch.now, u64::min);
        let moment = ready.iter().map(|ready| ready.now).fold(batch.now, u64::max);
        let places: Vec<_> = agreed.iter().map(|item| item.live().map(|open| open.ask.request_digest())).collect();
        Ok((Agreement { session: session_id(&batch.id, &ready, &places), moment }, agreed))
    }

    /// All three parties' words, in the order A, B, C.
    async fn hear(&self, batch: &mut Batch, verdicts: Vec<wire::Verdict>) -> Result<[wire::Ready; 3], PeerUnavailable> {
        let nonce = draw::<16>().to_vec();
        let count = verdicts.len();
        let own = wire::Ready { batch: batch.id.to_vec(), nonce, verdicts, now: batch.now };
        let (next, prev) = (self.journal.party.next(), self.journal.party.prev());
        batch.links.say(Kind::Ready(own.clone()), self.patience).await?;
        let mut all = [own.clone(), own.clone(), own];
        for (party, other) in [(next, prev), (prev, next)] {
            let ready = batch.mail.take((party, Some(other)), self.patience, BatchMessage::ready).await?;
            if ready.verdicts.len() != count || ready.nonce.len() != 16 {
                return Err(PeerUnavailable::Gone(party));
            }
            all[party.index()] = ready;
        }
        Ok(all)
    }

    /// Compares all probes in one run of the protocol: one bit of each request.
    async fn verify(
        &self,
        batch: &Batch,
        session: SessionId,
        items: Vec<Item<Open<Permitted>>>,
    ) -> Vec<Item<Open<Ended>>> {
        let comparison =
            |permitted| if let Permitted::Verify(_, comparison) = permitted { Some(comparison) } else { None };
        let items = self.journal.of_kind(items, comparison, batch.now).await;
        let (items, comparisons) = take_inputs(items, Open::split);
        let bits = match self.compare(batch, session, comparisons).await {
            Ok(bits) => bits,
            Err(Broken { error, opened }) => {
                let refusal = self.links.broken(&error);
                // Another node may have seen bits of the probe before the run broke.
                let failure = if opened { Failure::counted(refusal) } else { refusal.into() };
                return self.journal.fail_all(items, failure, batch.now).await;
            }
        };
        let mut ended = Vec::with_capacity(items.len());
        for item in hand_out(items, bits) {
            let end = |(open, bit): (Open<()>, _)| async move {
                let failure = match bit {
                    Some(Ok(true)) => return Ok(open.with(Ended::with(Outcome::Match))),
                    Some(Ok(false)) => return Ok(open.with(Ended::with(Outcome::NoMatch))),
                    Some(Err(invalid)) => not_a_template(self.journal.party, invalid),
                    None => OutOfStep.at(self.journal.party).into(),
                };
                Err(self.journal.fail(open.ticket, failure, batch.now).await)
            };
            ended.push(item.then(end).await);
        }
        ended
    }

    async fn compare(
        &self,
        batch: &Batch,
        session: SessionId,
        mut comparisons: Vec<Comparison>,
    ) -> Result<Vec<Result<bool, Invalid>>, Broken> {
        if comparisons.is_empty() {
            return Ok(Vec::new());
        }
        let session = batch.session(session, self.patience);
        let session = session.map_err(|error| Broken { error: error.into(), opened: false })?;
        self.counters.run();
        let (mut begin, mut opened) = (Instant::now(), false);
        let mut tell = |mark| match mark {
            Mark::TakenIn => begin = batch.stopwatch.since(Phase::Intake, begin),
            Mark::Opening => opened = true,
        };
        let inputs = comparisons.iter_mut().map(Comparison::as_input).collect();
        let compared = protocol::verify_watching(session, inputs, &mut tell).await;
        batch.stopwatch.since(Phase::Compare, begin);
        compared.inspect(|_| self.links.unbroken()).map_err(|error| Broken { error, opened })
    }

    /// Takes all references in, in one run of the protocol; a request whose references are all valid becomes a change.
    async fn take_in(
        &self,
        batch: &Batch,
        session: SessionId,
        items: Vec<Item<Open<Permitted>>>,
    ) -> Vec<Item<Open<Prepared>>> {
        let own = self.journal.party;
        let incoming = |permitted| {
            if let Permitted::Enroll(permit, incoming) = permitted { Some((permit, incoming)) } else { None }
        };
        let items = self.journal.of_kind(items, incoming, batch.now).await;
        let (items, inputs) = take_inputs(items, |open| {
            let (open, (permit, incoming)) = open.split();
            let Incoming { summands, subject_key } = incoming;
            (open.with((permit, subject_key)), summands)
        });
        let taken = match self.check_inputs(batch, session, inputs).await {
            Ok(taken) => taken,
            Err(error) => return self.journal.fail_all(items, self.links.broken(&error), batch.now).await,
        };
        let mut prepared = Vec::with_capacity(items.len());
        for item in hand_out(items, taken) {
            let given = item.given;
            let change = |(open, shares): (Open<Entered>, _)| async move {
                let refusal = match shares {
                    Some(Ok(shares)) => return Ok(enrolment(open, shares, given, batch.least)),
                    Some(Err(invalid)) => Cause::at(invalid, own),
                    None => OutOfStep.at(own),
                };
                Err(self.journal.fail(open.ticket, refusal, batch.now).await)
            };
            prepared.push(item.then(change).await);
        }
        prepared
    }

    async fn check_inputs(
        &self,
        batch: &Batch,
        session: SessionId,
        inputs: Vec<Vec<InputShares>>,
    ) -> Result<Vec<Result<Vec<PointShare>, Invalid>>, ProtocolError> {
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        let session = batch.session(session, self.patience)?;
        self.counters.run();
        protocol::enrol_intake(session, inputs).await.inspect(|_| self.links.unbroken())
    }
}

/// An enrolment whose references are being taken in: its permit, and this node's subject key.
type Entered = (Permit<Enroll>, Box<Zeroizing<[u8; SUBJECT_KEY]>>);

/// The change that keeps these shares, one for each sample, at the position that the leader gave.
fn enrolment(open: Open<Entered>, shares: Vec<PointShare>, position: Position, least: u64) -> Open<Prepared> {
    let (open, (permit, subject_key)) = open.split();
    let expires = least.saturating_add(permit.terms().retention_seconds);
    let Some(subject) = open.ask.subject().cloned() else { unreachable!("an enrolment is of a subject") };
    let references = open.ask.samples.iter().zip(shares);
    let references = references.map(|(sample, share)| Reference { model: sample.model.clone(), share }).collect();
    let gallery = open.ask.gallery.clone();
    let enrolment = Enrolment { gallery, subject, position, expires, references, subject_key };
    open.with(Prepared { outcome: Outcome::Enrolled, change: Change::Enroll(Box::new(enrolment)) })
}

/// That its lengths are not a template's was read from opened bits of the probe: it counts. That its shares do not belong together
/// was not.
fn not_a_template(own: Party, invalid: Invalid) -> Failure {
    let refusal = invalid.at(own);
    match invalid {
        Invalid::Length => Failure::counted(refusal),
        Invalid::Inconsistent => refusal.into(),
    }
}

/// The same words, if the clocks in them go with this node's.
fn together(now: u64, ready: [wire::Ready; 3]) -> Result<[wire::Ready; 3], Refusal> {
    let apart = Party::ALL.into_iter().find(|party| ready[party.index()].now.abs_diff(now) > APART);
    apart.map_or(Ok(ready), |party| Err(Refusal::new(party, Reason::ClockInDoubt)))
}

/// What this node says of a request before it runs.
fn verdict(item: &Item<Open<Permitted>>) -> wire::Verdict {
    match &item.state {
        Ok(Open { ask, work, .. }) => wire::Verdict {
            refusal: String::new(),
            position: work.position().unwrap_or(item.given).0,
            request: ask.request_digest().to_vec(),
            retry_after_ms: 0,
            absent: ask.method == Method::Erase && work.position().is_none(),
        },
        Err(refusal) => refused(refusal),
    }
}

/// That this node refuses a request.
pub(super) fn refused(refusal: &Refusal) -> wire::Verdict {
    wire::Verdict {
        refusal: refusal.reason.code().to_owned(),
        retry_after_ms: refusal.retry_after_ms.unwrap_or(0),
        ..wire::Verdict::default()
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
/// digest and the epoch of its rows, where it was admitted at all three as far as this node was told.
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
