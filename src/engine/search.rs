//! A search: probes of one batch against everybody in a gallery, in one run of the protocol.
//!
//! ```text
//! the latest of the three clocks --> who stands here then --Roll, to and from both--> the same people, or who must catch up
//! probes: input check, lengths        --> weighted shares; what is no template is refused at once
//! unit after unit: scanned on a thread of its own, while the one before it is compared --> one opened bit of each lane
//! who matches and stands here, unlocked --Eligible, to and from both--> who does so at all three --logged--> named
//! ```
//!
//! Changes wait from the proposal until all three rolls are known, for a few milliseconds; they go on while the search runs. A roll
//! holds the rows as they stood then, so that all three nodes compare with the same people to the end. Who is erased meanwhile is in
//! the roll and, at the end, not eligible. Whoever is not takes nobody's place among those who may be named.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use zeroize::Zeroizing;

use super::batch::Batch;
use super::counters::Counters;
use super::item::{Ended, Item, Open, hand_out, take_inputs, watchers};
use super::journal::Journal;
use super::links::NodeLinks;
use super::references::References;
use super::refusal::{Cancelled, Cause, OutOfStep, Refusal};
use super::request::{Permitted, SearchQuery};
use super::scan::{Probe, Scan};
use super::scanner::Scanner;
use crate::gallery::{GallerySnapshot, ROWS};
use crate::log::access::Permit;
use crate::log::ledger::Position;
use crate::log::receipt::{Found, Outcome};
use crate::name::ModelId;
use crate::net::{Cause as Over, Lost, SessionId, Step};
use crate::party::Party;
use crate::peer::BatchMessage;
use crate::protocol::{self, Invalid, ProtocolError, Session};
use crate::request::{Progress, RequestInfo};
use crate::share::PointShare;
use crate::store::{Candidate, Store};
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

/// An admitted search on its way.
struct Entered {
    permit: Permit<Search>,
    /// Most people that may be named.
    most: usize,
}

/// A search whose probe was compared with everybody.
struct Searched {
    permit: Permit<Search>,
    /// Most people that may be named.
    most: usize,
    hits: Hits,
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

/// Additive shares of scores, on their way from the thread that scans.
type Scanned = oneshot::Receiver<Zeroizing<Vec<u16>>>;

/// Searches the references of a gallery, on threads of its own.
pub(super) struct Searcher {
    pub(super) journal: Arc<Journal>,
    pub(super) links: NodeLinks,
    pub(super) references: References,
    /// Who of those that match is enrolled and not locked.
    pub(super) store: Store,
    /// The threads that scan.
    pub(super) scanner: Arc<Scanner>,
    /// The thread that runs the searches' part of the protocol.
    pub(super) runs: Scanner,
    /// How long another node may take for each of its words.
    pub(super) patience: Duration,
    pub(super) counters: Arc<Counters>,
}

impl Searcher {
    /// Runs a batch of searches, all of one gallery and by the same models.
    pub(super) async fn search(
        self: &Arc<Self>,
        batch: &mut Batch,
        session: SessionId,
        moment: u64,
        items: Vec<Item<Open<Permitted>>>,
    ) -> Vec<Item<Open<Ended>>> {
        let search = |permitted| {
            if let Permitted::Search(permit, query) = permitted { Some((permit, query)) } else { None }
        };
        let items = self.journal.of_kind(items, search, batch.now).await;
        let (mut items, queries) = take_inputs(items, |open| {
            let (open, (permit, query)) = open.split();
            (open.with(Entered { permit, most: query.most }), query)
        });
        let ask = items.iter().find_map(Item::live).map(|open| open.ask.clone());
        // Without any there is nothing to be failed.
        let Some(ask) = ask else { return self.journal.fail_all(items, OutOfStep.at(self.own()), batch.now).await };
        match self.find(batch, session, (moment, &ask), (&mut items, queries)).await {
            Ok(hits) => self.name_all(batch, moment, hand_out(items, hits)).await,
            Err(refusal) => self.journal.fail_all(items, refusal, batch.now).await,
        }
    }

    fn own(&self) -> Party {
        self.journal.party
    }

    /// Who matches, for each search that still stands in turn. Those whose probes are no templates are refused on the way.
    async fn find(
        self: &Arc<Self>,
        batch: &mut Batch,
        session: SessionId,
        (moment, ask): (u64, &RequestInfo),
        (items, queries): (&mut Vec<Item<Open<Entered>>>, Vec<SearchQuery>),
    ) -> Result<Vec<Hits>, Refusal> {
        let own = self.own();
        let roll = self.agreed_roll(batch, ask, moment).await.inspect_err(|_| batch.leave())?;
        // From here on the people of the roll are fixed, whatever changes.
        drop(batch.still.take());
        let mut session = batch.session(session, self.patience).map_err(|error| ProtocolError::from(error).at(own))?;
        self.counters.run();
        let taken = tokio::select! {
            // Dropping the run tells both others, wherever it stands.
            () = gone(watchers(items)) => return Err(Cancelled.at(own)),
            taken = take_in(&mut session, queries) => taken.map_err(|error| self.ended_by(session.fail(error)))?,
        };
        let probes = self.sift(items, taken, batch.now).await;
        // Those alone who are still searched for: nobody else watches the run or keeps it alive.
        let waiting: Vec<_> = watchers(items).into_iter().cloned().collect();
        let searcher = Arc::clone(self);
        let run = async move {
            tokio::select! {
                () = gone(waiting.iter().collect()) => Err(Cancelled.at(own)),
                hits = searcher.compare_all(session, Scan { roll, probes }, &waiting) => {
                    hits.inspect(|_| searcher.links.unbroken()).map_err(|error| searcher.ended_by(error))
                }
            }
        };
        // On a thread of low priority, as the scans are: what others ask one to one goes first.
        let runtime = Handle::current();
        self.runs.run(move || runtime.block_on(run)).await.unwrap_or_else(|_| Err(Cancelled.at(own)))
    }

    /// The probes that are templates. A search with one that is not ends here, in the log and for who waits for it; the batch goes on
    /// without it.
    async fn sift(
        &self,
        items: &mut Vec<Item<Open<Entered>>>,
        taken: Vec<Result<Probe, Invalid>>,
        now: u64,
    ) -> Vec<Probe> {
        let own = self.own();
        let mut sifted = Vec::with_capacity(items.len());
        for item in hand_out(std::mem::take(items), taken) {
            let sift = |(open, probe): (Open<Entered>, _)| async move {
                let refusal = match probe {
                    Some(Ok(probe)) => return Ok((open, probe)),
                    Some(Err(invalid)) => Cause::at(invalid, own),
                    None => OutOfStep.at(own),
                };
                Err(self.journal.fail(open.ticket, refusal, now).await)
            };
            let mut item = item.then(sift).await;
            item.answer_refused();
            sifted.push(item);
        }
        let (still, probes) = take_inputs(sifted, |both| both);
        *items = still;
        probes
    }

    /// Whom all three nodes search, at this moment.
    async fn agreed_roll(
        self: &Arc<Self>,
        batch: &mut Batch,
        ask: &RequestInfo,
        moment: u64,
    ) -> Result<GallerySnapshot, Refusal> {
        let roll = self.call_roll(ask, moment).await?;
        self.same_roll(batch, &roll).await?;
        Ok(roll)
    }

    /// Whom this node would search, at this moment.
    async fn call_roll(self: &Arc<Self>, ask: &RequestInfo, moment: u64) -> Result<GallerySnapshot, Refusal> {
        let (references, gallery) = (self.references.clone(), ask.gallery.clone());
        let models: Vec<ModelId> = ask.samples.iter().map(|sample| sample.model.clone()).collect();
        let called = self.scanner.run(move || {
            let models: Vec<_> = models.iter().collect();
            references.roll(&gallery, &models, moment)
        });
        called.await.map_err(|_| Cancelled.at(self.own()))
    }

    /// Why a run ended: a client that left, as the leader says, or a fault.
    fn ended_by(&self, error: ProtocolError) -> Refusal {
        let cancelled = matches!(error, ProtocolError::Lost(Lost::Aborted { cause: Over::Cancelled, .. }));
        if cancelled { Cancelled.at(self.own()) } else { self.links.broken(&error) }
    }

    /// Whether all three nodes would search the same people; if not, who must catch up.
    async fn same_roll(&self, batch: &mut Batch, roll: &GallerySnapshot) -> Result<(), Refusal> {
        let own = self.own();
        let lanes = roll.lanes() as u64;
        let mine = wire::Roll { batch: batch.id.to_vec(), lanes, digest: roll.digest().to_vec() };
        let patience = self.patience;
        batch.links.say(Kind::Roll(mine.clone()), patience).await.map_err(|no_word| no_word.at(own))?;
        let next = batch.mail.take((own.next(), Some(own.prev())), patience, BatchMessage::roll).await;
        let prev = batch.mail.take((own.prev(), Some(own.next())), patience, BatchMessage::roll).await;
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
        items: Vec<Item<(Open<Entered>, Option<Hits>)>>,
    ) -> Vec<Item<Open<Ended>>> {
        let hits = |(open, hits): (Open<Entered>, Option<Hits>)| {
            let (open, Entered { permit, most }) = open.split();
            // Where the run has nothing for a search, nobody is named.
            Ok(open.with(Searched { permit, most, hits: hits.unwrap_or_default() }))
        };
        let items: Vec<_> = items.into_iter().map(|item| item.and_then(hits)).collect();
        let named = match self.eligible(batch, moment, &items).await {
            Ok(named) => named,
            Err(refusal) => {
                batch.leave();
                return self.journal.fail_all(items, refusal, batch.now).await;
            }
        };
        let mut ended = Vec::with_capacity(items.len());
        for item in hand_out(items, named) {
            let name = |(open, named): (_, Option<_>)| self.name(open, named.unwrap_or_default(), batch.now);
            ended.push(item.then(name).await);
        }
        ended
    }

    async fn name(
        &self,
        open: Open<Searched>,
        mut candidates: Vec<Candidate>,
        now: u64,
    ) -> Result<Open<Ended>, Refusal> {
        let (open, Searched { permit, most, hits }) = open.split();
        // Only now: who may not be named took up no place.
        let truncated = hits.truncated || candidates.len() > most;
        candidates.truncate(most);
        let records: Vec<_> = candidates.iter().map(|candidate| candidate.record).collect();
        if let Err(error) = self.journal.log.name(&permit, &records, now).await {
            return Err(self.journal.fail(open.ticket, error.at(self.own()), now).await);
        }
        let candidates = candidates.into_iter().map(|candidate| candidate.subject).collect();
        let found = Some(Found { candidates, truncated });
        Ok(open.with(Ended { outcome: Outcome::Searched, found }))
    }

    /// For each search: who of its hits is enrolled, neither expired nor locked, at this node and, as they say, at both others.
    async fn eligible(
        &self,
        batch: &mut Batch,
        moment: u64,
        searched: &[Item<Open<Searched>>],
    ) -> Result<Vec<Vec<Candidate>>, Refusal> {
        let own = self.own();
        let mut mine = Vec::new();
        for Open { ask, work, .. } in searched.iter().filter_map(Item::live) {
            let candidates = self.store.candidates(&ask.gallery, &work.hits.positions, moment).await;
            mine.push(candidates.map_err(|error| error.at(own))?);
        }
        let positions = |candidates: &Vec<Candidate>| wire::Positions {
            positions: candidates.iter().map(|candidate| candidate.position.0).collect(),
        };
        let said = wire::Eligible { batch: batch.id.to_vec(), searches: mine.iter().map(positions).collect() };
        batch.links.say(Kind::Eligible(said), self.patience).await.map_err(|no_word| no_word.at(own))?;
        for (party, other) in [(own.next(), own.prev()), (own.prev(), own.next())] {
            let theirs = batch.mail.take((party, Some(other)), self.patience, BatchMessage::eligible).await;
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

/// Takes all probes in: each becomes one that is scanned with, or is none.
async fn take_in(
    session: &mut Session,
    queries: Vec<SearchQuery>,
) -> Result<Vec<Result<Probe, Invalid>>, ProtocolError> {
    let mut probes = Vec::with_capacity(queries.len());
    let mut terms = Vec::with_capacity(queries.len());
    for SearchQuery { probes: summands, weights, threshold, .. } in queries {
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
async fn gone(watchers: Vec<&watch::Sender<Progress>>) {
    if watchers.is_empty() {
        std::future::pending::<()>().await;
    }
    for watcher in watchers {
        watcher.closed().await;
    }
}
