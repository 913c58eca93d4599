//! A search: probes of one batch against everybody in a gallery, in one run of the protocol.
//!
//! ```text
//! the latest of the three clocks --> who stands here then --Roll, to and from both--> the same people, or who must catch up
//! probes: intake, lengths        --> weighted shares; what is no template is refused at once
//! unit after unit: scanned on a thread of its own, while the one before it is compared --> one opened bit of each lane
//! who matches and stands here, unlocked --Eligible, to and from both--> who does so at all three --logged--> named
//! ```
//!
//! Changes wait from the proposal until all three rolls are known, for a few milliseconds; they go on while the search runs. A roll
//! holds the rows as they stood then, so that all three nodes compare with the same people to the end. Who is erased meanwhile is in
//! the roll and, at the end, not eligible. Whoever is not takes nobody's place among those who may be named.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use zeroize::Zeroizing;

use super::Engine;
use super::batch::{Batch, Ended};
use super::door::{Admitted, Permitted};
use super::refusal::{Cancelled, Cause as _, Mixed, OutOfStep, Refusal};
use super::scan::{Probe, Scan};
use crate::gallery::{ROWS, Roll};
use crate::log::access::{Permit, Ticket};
use crate::log::half::Place;
use crate::log::ledger::Position;
use crate::log::receipt::{Found, Outcome};
use crate::name::{Modality, ModelId};
use crate::net::{Cause as Over, Lost, SessionId, Step};
use crate::party::Party;
use crate::peer::Note;
use crate::protocol::{self, Invalid, ProtocolError, Session};
use crate::request::{About, Ask, Progress};
use crate::share::{PointShare, Summands};
use crate::store::Candidate;
use crate::token::purpose::Search;
use crate::wire::peer::v1 as wire;
use crate::wire::peer::v1::frame::Kind;

/// Lanes that are compared at a time: what a cancelled search still does, and what others may have to wait for.
const UNIT: usize = 8 * ROWS;

/// Units that are scanned before they can be compared.
const AHEAD: usize = 2;

/// People who match one probe and are looked up, in the order of enrolments: far more than may be named. Where there are more, a
/// search ends early, and says that it did.
const MOST_HITS: usize = 4096;

/// Whom an admitted search looks for.
pub(super) struct Wanted {
    /// This node's two summands of each sample.
    probes: Vec<Summands>,
    /// What each sample's dot is multiplied with.
    weights: Vec<u16>,
    /// What the sum must reach.
    threshold: i16,
    /// Most people that may be named.
    most: usize,
}

/// An admitted search on its way.
struct Entered {
    ask: Ask,
    ticket: Ticket,
    place: Place,
    permit: Permit<Search>,
    /// Most people that may be named.
    most: usize,
}

/// Who matches one probe, as far as is known.
#[derive(Default)]
struct Hits {
    positions: Vec<Position>,
    truncated: bool,
}

impl Hits {
    /// One more, unless it is the one before it again.
    fn push(&mut self, position: Position) {
        if self.positions.last() == Some(&position) {
            return;
        }
        if self.positions.len() < MOST_HITS {
            self.positions.push(position);
        } else {
            self.truncated = true;
        }
    }
}

/// Summands of scores, on their way from the thread that scans.
type Scanned = oneshot::Receiver<Zeroizing<Vec<u16>>>;

impl Engine {
    /// What a permit's probes must reach.
    pub(super) fn wanted(&self, permit: &Permit<Search>, ask: &Ask, probes: Vec<Summands>) -> Result<Wanted, Refusal> {
        let own = self.party;
        let About::Case(case) = &ask.about else { return Err(Mixed.at(own)) };
        let rate = permit.terms().decides.map(|decides| decides.fmr).ok_or_else(|| OutOfStep.at(own))?;
        let most = usize::try_from(case.most).unwrap_or(usize::MAX);
        let bounds = match ask.samples.as_slice() {
            [sample] => self.models.find(&sample.model).map(|model| {
                let shape = probes[0].shape();
                (vec![1], model.threshold(rate, shape, shape))
            }),
            samples => {
                let model = |of| samples.iter().find(|sample| sample.modality == of).map(|sample| &sample.model);
                let models = model(Modality::Face).zip(model(Modality::Finger));
                let fusion = models.and_then(|(face, finger)| self.models.fusion(face, finger));
                fusion.map(|fusion| {
                    let weight = |(sample, probe): (&crate::request::Sample, &Summands)| match sample.modality {
                        Modality::Face => fusion.face_weight(),
                        Modality::Finger => fusion.finger_weight(probe.shape(), probe.shape()),
                    };
                    (samples.iter().zip(&probes).map(weight).collect(), fusion.threshold(rate))
                })
            }
        };
        // The policy granted what the table of models has.
        let (weights, threshold) = bounds.ok_or_else(|| OutOfStep.at(own))?;
        Ok(Wanted { probes, weights, threshold, most })
    }

    /// Runs a batch of searches, all of one gallery and by the same models.
    pub(super) async fn search(
        self: &Arc<Self>,
        batch: &mut Batch,
        session: SessionId,
        moment: u64,
        agreed: Vec<Result<Admitted, Refusal>>,
    ) -> Vec<Result<Ended, Refusal>> {
        let (mut items, mut wanted) = (Vec::with_capacity(agreed.len()), Vec::new());
        for item in agreed {
            items.push(match item {
                Ok(Admitted { ask, ticket, place, permitted: Permitted::Search(permit, probes) }) => {
                    let most = probes.most;
                    wanted.push(probes);
                    Ok(Entered { ask, ticket, place, permit, most })
                }
                Ok(other) => Err(self.fail(other.ticket, Mixed.at(self.party), batch.now).await),
                Err(refusal) => Err(refusal),
            });
        }
        let Some(first) = items.iter().find_map(|item| item.as_ref().ok()) else { return refused(items) };
        let ask = first.ask.clone();
        match self.find(batch, session, moment, &ask, (&mut items, wanted)).await {
            Ok(hits) => self.name_all(batch, moment, items, hits).await,
            Err(refusal) => {
                let mut failed = Vec::with_capacity(items.len());
                for item in items {
                    failed.push(Err(match item {
                        Ok(entered) => self.fail(entered.ticket, refusal.clone(), batch.now).await,
                        Err(refusal) => refusal,
                    }));
                }
                failed
            }
        }
    }

    /// Who matches, for each search that still stands in turn. Those whose probes are no templates are refused on the way.
    async fn find(
        self: &Arc<Self>,
        batch: &mut Batch,
        session: SessionId,
        moment: u64,
        ask: &Ask,
        (items, wanted): (&mut [Result<Entered, Refusal>], Vec<Wanted>),
    ) -> Result<Vec<Hits>, Refusal> {
        let own = self.party;
        let roll = self.agreed_roll(batch, ask, moment).await.inspect_err(|_| batch.leave())?;
        // From here on the people of the roll are fixed, whatever changes.
        drop(batch.still.take());
        let mut session =
            batch.session(session, self.limits.patience).map_err(|error| ProtocolError::from(error).at(own))?;
        self.counters.run();
        let watchers = batch.audience.watchers();
        let taken = tokio::select! {
            // Dropping the run tells both others, wherever it stands.
            () = gone(&watchers) => return Err(Cancelled.at(own)),
            taken = take_in(&mut session, wanted) => taken.map_err(|error| self.ended_by(session.fail(error)))?,
        };
        let mut probes = Vec::with_capacity(taken.len());
        let standing = items.iter_mut().enumerate().filter(|(_, item)| item.is_ok());
        for ((place, item), probe) in standing.zip(taken) {
            match probe {
                Ok(probe) => probes.push(probe),
                Err(invalid) => self.refuse_now(batch, place, item, invalid).await,
            }
        }
        let (engine, watchers) = (Arc::clone(self), batch.audience.watchers());
        let run = async move {
            tokio::select! {
                () = gone(&watchers) => Err(Cancelled.at(own)),
                hits = engine.compare_all(session, Scan { roll, probes }, &watchers) => {
                    hits.inspect(|_| engine.unbroken()).map_err(|error| engine.ended_by(error))
                }
            }
        };
        // On a thread of low priority, as the scans are: what others ask one to one goes first.
        let runtime = Handle::current();
        self.searcher.run(move || runtime.block_on(run)).await.unwrap_or_else(|_| Err(Cancelled.at(own)))
    }

    /// Whom all three nodes search, at this moment.
    async fn agreed_roll(self: &Arc<Self>, batch: &mut Batch, ask: &Ask, moment: u64) -> Result<Roll, Refusal> {
        let roll = self.call_roll(ask, moment).await?;
        self.same_roll(batch, &roll).await?;
        Ok(roll)
    }

    /// Whom this node would search, at this moment.
    async fn call_roll(self: &Arc<Self>, ask: &Ask, moment: u64) -> Result<Roll, Refusal> {
        let (engine, gallery) = (Arc::clone(self), ask.gallery.clone());
        let models: Vec<ModelId> = ask.samples.iter().map(|sample| sample.model.clone()).collect();
        let called = self.scanner.run(move || {
            let models: Vec<_> = models.iter().collect();
            let galleries = engine.galleries.read().unwrap_or_else(PoisonError::into_inner);
            galleries.roll(&gallery, &models, moment)
        });
        called.await.map_err(|_| Cancelled.at(self.party))
    }

    /// Why a run ended: a client that left, as the leader says, or a fault.
    fn ended_by(&self, error: ProtocolError) -> Refusal {
        let cancelled = matches!(error, ProtocolError::Lost(Lost::Aborted { cause: Over::Cancelled, .. }));
        if cancelled { Cancelled.at(self.party) } else { self.broken(&error) }
    }

    /// Ends one search of a batch that goes on without it: in the log, and for who waits for it.
    async fn refuse_now(&self, batch: &mut Batch, place: usize, item: &mut Result<Entered, Refusal>, invalid: Invalid) {
        let refusal = invalid.at(self.party);
        if let Ok(Entered { ticket, .. }) = std::mem::replace(item, Err(refusal.clone())) {
            batch.audience.answer(place, Err(self.fail(ticket, refusal, batch.now).await));
        }
    }

    /// Whether all three nodes would search the same people; if not, who must catch up.
    async fn same_roll(&self, batch: &mut Batch, roll: &Roll) -> Result<(), Refusal> {
        let own = self.party;
        let lanes = roll.lanes() as u64;
        let mine = wire::Roll { batch: batch.id.to_vec(), lanes, digest: roll.digest().to_vec() };
        let patience = self.limits.patience;
        batch.links.say(Kind::Roll(mine.clone()), patience).await.map_err(|no_word| no_word.at(own))?;
        let next = batch.mail.take((own.next(), Some(own.prev())), patience, Note::roll).await;
        let prev = batch.mail.take((own.prev(), Some(own.next())), patience, Note::roll).await;
        let (next, prev) = (next.map_err(|no_word| no_word.at(own))?, prev.map_err(|no_word| no_word.at(own))?);
        match (next == mine, prev == mine, next == prev) {
            (true, true, _) => Ok(()),
            (true, false, _) => Err(OutOfStep.at(own.prev())),
            (false, true, _) => Err(OutOfStep.at(own.next())),
            (false, false, true) => Err(OutOfStep.at(own)),
            // All three differ: the helpers follow the leader.
            (false, false, false) => Err(OutOfStep.at(if own == Party::LEADER { own.next() } else { own })),
        }
    }

    async fn compare_all(
        self: &Arc<Self>,
        mut session: Session,
        scan: Scan,
        watchers: &[watch::Sender<Progress>],
    ) -> Result<Vec<Hits>, ProtocolError> {
        let outcome = self.compare_each(&mut session, Arc::new(scan), watchers).await;
        session.settle(outcome)
    }

    /// Unit after unit: while one is compared, the next ones are scanned.
    async fn compare_each(
        self: &Arc<Self>,
        session: &mut Session,
        scan: Arc<Scan>,
        watchers: &[watch::Sender<Progress>],
    ) -> Result<Vec<Hits>, ProtocolError> {
        let mut hits: Vec<Hits> = scan.probes.iter().map(|_| Hits::default()).collect();
        if hits.is_empty() {
            // None of the probes was a template.
            return Ok(hits);
        }
        let lanes = scan.roll.lanes();
        let blocks = u32::try_from(lanes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let mut units = (0..lanes).step_by(UNIT).map(|first| first..(first + UNIT).min(lanes));
        let mut ahead: VecDeque<(Range<usize>, Scanned)> = VecDeque::new();
        let mut blocks_done = 0;
        loop {
            while ahead.len() < AHEAD
                && let Some(unit) = units.next()
            {
                let (scan, of) = (Arc::clone(&scan), unit.clone());
                ahead.push_back((unit, self.scanner.run(move || scan.scores(&of))));
            }
            let Some((unit, scanned)) = ahead.pop_front() else { return Ok(hits) };
            let scores = scanned.await.map_err(|_| session.fail(Lost::Over { step: Step::HandOn }))?;
            let bounds: Vec<i16> =
                scan.probes.iter().flat_map(|probe| std::iter::repeat_n(probe.threshold, unit.len())).collect();
            let reached = protocol::compare(session, &scores, &bounds).await?;
            for (hits, reached) in hits.iter_mut().zip(reached.chunks(unit.len())) {
                scan.positions(&unit, reached).into_iter().for_each(|position| hits.push(position));
            }
            blocks_done += 1;
            for watcher in watchers {
                watcher.send_replace(Progress { blocks_done, blocks });
            }
            if hits.iter().all(|hits| hits.truncated) {
                return Ok(hits);
            }
        }
    }

    /// Of those that match, names who stands at all three nodes, once that is in this node's log.
    async fn name_all(
        &self,
        batch: &mut Batch,
        moment: u64,
        items: Vec<Result<Entered, Refusal>>,
        hits: Vec<Hits>,
    ) -> Vec<Result<Ended, Refusal>> {
        let mut hits = hits.into_iter();
        let mut searched = Vec::with_capacity(items.len());
        for item in items {
            searched.push(match item {
                Err(refusal) => Err(refusal),
                Ok(entered) => match hits.next() {
                    Some(hits) => Ok((entered, hits)),
                    None => Err(self.fail(entered.ticket, Mixed.at(self.party), batch.now).await),
                },
            });
        }
        let named = self.eligible(batch, moment, &searched).await.inspect_err(|_| batch.leave());
        let mut named = match named {
            Ok(named) => named.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(refusal) => searched.iter().filter(|item| item.is_ok()).map(|_| Err(refusal.clone())).collect(),
        }
        .into_iter();
        let mut ended = Vec::with_capacity(searched.len());
        for item in searched {
            ended.push(match item {
                Err(refusal) => Err(refusal),
                Ok((entered, hits)) => {
                    let named = named.next().unwrap_or_else(|| Err(Mixed.at(self.party)));
                    self.name(batch, entered, hits.truncated, named).await
                }
            });
        }
        ended
    }

    async fn name(
        &self,
        batch: &Batch,
        entered: Entered,
        truncated: bool,
        named: Result<Vec<Candidate>, Refusal>,
    ) -> Result<Ended, Refusal> {
        let Entered { ask, ticket, place, permit, most } = entered;
        let mut truncated = truncated;
        let logged = match named {
            Ok(mut candidates) => {
                // Only now: who may not be named took up no place.
                truncated |= candidates.len() > most;
                candidates.truncate(most);
                let records: Vec<_> = candidates.iter().map(|candidate| candidate.record).collect();
                let written = self.log.name(&permit, &records, batch.now).await;
                written.map(|()| candidates).map_err(|error| error.at(self.party))
            }
            Err(refusal) => Err(refusal),
        };
        match logged {
            Ok(candidates) => {
                let candidates = candidates.into_iter().map(|candidate| candidate.subject).collect();
                let found = Some(Found { candidates, truncated });
                Ok(Ended { outcome: Outcome::Searched, found, ticket, place, rq: ask.transcript() })
            }
            Err(refusal) => Err(self.fail(ticket, refusal, batch.now).await),
        }
    }

    /// For each search: who of its hits is enrolled, neither expired nor locked, at this node and, as they say, at both others.
    async fn eligible(
        &self,
        batch: &mut Batch,
        moment: u64,
        searched: &[Result<(Entered, Hits), Refusal>],
    ) -> Result<Vec<Vec<Candidate>>, Refusal> {
        let own = self.party;
        let mut mine = Vec::new();
        for (entered, hits) in searched.iter().flatten() {
            let candidates = self.store.candidates(&entered.ask.gallery, &hits.positions, moment).await;
            mine.push(candidates.map_err(|error| error.at(own))?);
        }
        let positions = |candidates: &Vec<Candidate>| wire::Positions {
            positions: candidates.iter().map(|candidate| candidate.position.0).collect(),
        };
        let said = wire::Eligible { batch: batch.id.to_vec(), searches: mine.iter().map(positions).collect() };
        batch.links.say(Kind::Eligible(said), self.limits.patience).await.map_err(|no_word| no_word.at(own))?;
        for (party, other) in [(own.next(), own.prev()), (own.prev(), own.next())] {
            let theirs = batch.mail.take((party, Some(other)), self.limits.patience, Note::eligible).await;
            let theirs = theirs.map_err(|no_word| no_word.at(own))?;
            if theirs.len() != mine.len() {
                return Err(OutOfStep.at(party));
            }
            for (mine, theirs) in mine.iter_mut().zip(&theirs) {
                mine.retain(|candidate| theirs.positions.contains(&candidate.position.0));
            }
        }
        Ok(mine)
    }
}

fn refused(items: Vec<Result<Entered, Refusal>>) -> Vec<Result<Ended, Refusal>> {
    items.into_iter().filter_map(Result::err).map(Err).collect()
}

/// Takes all probes in: each becomes one that is scanned with, or is none.
async fn take_in(session: &mut Session, wanted: Vec<Wanted>) -> Result<Vec<Result<Probe, Invalid>>, ProtocolError> {
    let mut probes = Vec::with_capacity(wanted.len());
    let mut terms = Vec::with_capacity(wanted.len());
    for Wanted { probes: summands, weights, threshold, .. } in wanted {
        probes.push(summands);
        terms.push((weights, threshold));
    }
    let taken = protocol::points(session, probes).await?.into_iter().zip(terms);
    let probe = |points: Vec<PointShare>, (weights, threshold)| {
        let weighted = points.iter().map(PointShare::weigh).collect();
        Probe { weighted, weights, threshold }
    };
    Ok(taken.map(|(points, terms)| points.map(|points| probe(points, terms))).collect())
}

/// Returns when nobody waits for any of these searches any more. A helper has nobody who waits: it hears from the leader.
async fn gone(watchers: &[watch::Sender<Progress>]) {
    for watcher in watchers {
        watcher.closed().await;
    }
    if watchers.is_empty() {
        std::future::pending::<()>().await;
    }
}
