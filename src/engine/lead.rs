//! The leader's part: queue, batch, propose, and gather the three signed ends. A helper's part: run what is proposed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::Engine;
use super::audience::Waiter;
use super::batch::{Batch, Ended, verdict};
use super::compare::Load;
use super::door::{Admitted, Checked};
use super::refusal::{Cause as _, Mixed, Refusal};
use super::turns::Turns;
use crate::log::access::Closing;
use crate::log::ledger::{Answer, Position};
use crate::log::receipt::{Found, Outcome, Receipt};
use crate::party::Party;
use crate::peer::{BatchId, Connection, NoWord, Note, Proposed};
use crate::request::{Method, Progress};
use crate::store::StoreError;
use crate::timings::{Phase, Timings};
use crate::wire::peer::v1 as wire;
use crate::wire::peer::v1::frame::Kind;
use crate::wire::{answer_bytes, answer_from, receipt_from, receipt_to};

/// What came of a request, signed by all three nodes.
#[derive(Debug)]
pub struct Answered {
    /// The same in all three receipts; of an erasure, each says what its node had.
    pub outcome: Outcome,
    /// Of a search.
    pub found: Option<Found>,
    /// In the order A, B, C.
    pub receipts: [Receipt; 3],
    /// What it took at the leader. Of an answer that was given before, nothing.
    pub timings: Timings,
}

/// KiB that may wait at the leader: 64 MiB, so that a crowd of large enrolments does not fill its memory.
pub(super) const ROOM: usize = 64 * 1024;

/// A request that waits for a batch.
pub(super) struct Waiting {
    relayed: wire::Relayed,
    checked: Checked,
    /// When it was put into its queue.
    since: Instant,
    /// Given back when a batch takes it.
    _room: OwnedSemaphorePermit,
    /// How far a search is.
    watch: watch::Sender<Progress>,
    reply: oneshot::Sender<Result<Answered, Refusal>>,
}

/// A request that waits for its batch, or for its answer.
#[must_use = "a request whose answer nobody waits for is not worked for"]
pub struct Queued {
    own: Party,
    answer: oneshot::Receiver<Result<Answered, Refusal>>,
}

impl Queued {
    /// What came of it.
    ///
    /// # Errors
    /// [`Refusal`], with the reason and the node of whoever refused first.
    pub async fn answer(self) -> Result<Answered, Refusal> {
        let absent = || NoWord::Gone(self.own).at(self.own);
        match self.answer.await.unwrap_or_else(|_| Err(absent())) {
            Err(Refusal { answer: Some(stored), .. }) => {
                let (receipts, found) = answer_from(&stored.0).ok_or_else(absent)?;
                let outcome = Outcome::of_all(outcomes(&receipts)).ok_or_else(absent)?;
                Ok(Answered { outcome, found, receipts, timings: Timings::default() })
            }
            other => other,
        }
    }
}

impl Engine {
    /// Takes a client's request through all three nodes. At the leader only.
    ///
    /// # Errors
    /// [`Refusal`], with the reason and the node of whoever refused first.
    pub async fn submit(self: &Arc<Self>, relayed: wire::Relayed) -> Result<Answered, Refusal> {
        self.enqueue(relayed, watch::Sender::default()).await?.answer().await
    }

    /// Checks a client's request and puts it in its queue. `watch` hears how far a search is: one that nobody watches any more
    /// ends at all three nodes.
    ///
    /// Its place is taken before anything is checked: where there is none left, saying so costs next to nothing.
    ///
    /// # Errors
    /// [`Refusal`], of this node.
    pub async fn enqueue(
        self: &Arc<Self>,
        relayed: wire::Relayed,
        watch: watch::Sender<Progress>,
    ) -> Result<Queued, Refusal> {
        if self.party != Party::LEADER {
            return Err(Refusal::new(self.party, super::refusal::NOT_LEADER));
        }
        if self.stopping.load(Ordering::Relaxed) {
            return Err(super::refusal::stopping(self.party));
        }
        self.in_step([&relayed])?;
        let (place, room) = self.place_for(&relayed).ok_or_else(|| {
            self.counters.overloaded();
            self.overloaded()
        })?;
        let checked = self.check(&relayed, self.now()?).await?;
        let (reply, answer) = oneshot::channel();
        place.send(Waiting { relayed, checked, since: Instant::now(), watch, reply, _room: room });
        Ok(Queued { own: self.party, answer })
    }

    /// A place in the queue of such requests, and room for this one; both are free again when dropped.
    fn place_for(&self, relayed: &wire::Relayed) -> Option<(mpsc::OwnedPermit<Waiting>, OwnedSemaphorePermit)> {
        let request = relayed.request.as_ref();
        let is_search = matches!(request, Some(wire::relayed::Request::Search(_)));
        let queue = if is_search { &self.searches } else { &self.queue };
        let place = queue.clone().try_reserve_owned().ok()?;
        let size = request.map(Load::of_envelopes).unwrap_or_default().kib();
        let room = Arc::clone(&self.room).try_acquire_many_owned(size).ok()?;
        Some((place, room))
    }

    fn overloaded(&self) -> Refusal {
        Refusal { retry_after_ms: Some(1000), ..Refusal::new(self.party, super::refusal::OVERLOADED) }
    }

    /// Forms batches of what waits in a queue, so many under way at a time: a lone request goes at once, a crowd goes together.
    pub(super) async fn dispatch(self: Arc<Self>, mut queue: mpsc::Receiver<Waiting>, in_flight: usize) {
        let slots = Arc::new(Semaphore::new(in_flight));
        let mut backlog: VecDeque<Waiting> = VecDeque::new();
        loop {
            if backlog.is_empty() {
                match queue.recv().await {
                    Some(first) => backlog.push_back(first),
                    None => return,
                }
            }
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            // No more than a batch or two: what is beyond stays in the queue, which has an end.
            while backlog.len() < 2 * self.limits.batch
                && let Ok(more) = queue.try_recv()
            {
                backlog.push_back(more);
            }
            let group = self.next_group(&mut backlog);
            if group.is_empty() {
                drop(slot);
                if !backlog.is_empty() && !self.await_turn(&mut backlog, &mut queue).await {
                    return;
                }
                continue;
            }
            let turn = Turns::take(&self.turns, group.iter().filter_map(|waiting| waiting.checked.changes()).collect());
            let engine = Arc::clone(&self);
            tokio::spawn(async move {
                engine.lead(group, slot).await;
                drop(turn);
            });
        }
    }

    /// All that waits is about people who are being changed: until one is done, or something else comes. False if the engine ends.
    async fn await_turn(&self, backlog: &mut VecDeque<Waiting>, queue: &mut mpsc::Receiver<Waiting>) -> bool {
        let has_room = backlog.len() < 2 * self.limits.batch;
        tokio::select! {
            () = self.turns.freed() => true,
            more = queue.recv(), if has_room => {
                let goes_on = more.is_some();
                backlog.extend(more);
                goes_on
            }
        }
    }

    /// The oldest request whose turn it is, and what can run with it.
    fn next_group(&self, backlog: &mut VecDeque<Waiting>) -> Vec<Waiting> {
        let mut group: Vec<Waiting> = Vec::new();
        let mut load = Load::default();
        let mut rest = VecDeque::with_capacity(backlog.len());
        // Who has gone away meanwhile is not worked for.
        for waiting in backlog.drain(..).filter(|waiting| !waiting.reply.is_closed()) {
            let fits = group.len() < self.limits.batch
                && group.first().is_none_or(|first| {
                    first.checked.kind() == waiting.checked.kind()
                        // Two requests about one subject take their turns.
                        && !group.iter().any(|other| other.checked.collides_with(&waiting.checked))
                })
                && waiting.checked.changes().is_none_or(|whom| self.turns.is_free(&whom));
            match load.with(waiting.checked.load()).filter(|_| fits) {
                Some(sum) => {
                    load = sum;
                    group.push(waiting);
                }
                None => rest.push_back(waiting),
            }
        }
        *backlog = rest;
        group
    }

    /// Takes one batch through all three nodes, and answers whoever waits.
    async fn lead(self: Arc<Self>, group: Vec<Waiting>, _slot: OwnedSemaphorePermit) {
        let mut waiters = Vec::with_capacity(group.len());
        let mut requests = Vec::with_capacity(group.len());
        for Waiting { relayed, checked, since, watch, reply, .. } in group {
            checked.stopwatch().since(Phase::Queue, since);
            waiters.push(Waiter { reply, watch, stopwatch: Arc::clone(checked.stopwatch()) });
            requests.push((relayed, checked));
        }
        match self.begin(&requests).await {
            Ok((batch, method, _held)) => self.lead_batch(batch, method, requests, waiters).await,
            Err(refusal) => waiters.into_iter().for_each(|waiter| waiter.answer(Err(refusal.clone()))),
        }
    }

    async fn lead_batch(
        self: &Arc<Self>,
        mut batch: Batch,
        method: Method,
        requests: Vec<(wire::Relayed, Checked)>,
        waiters: Vec<Waiter>,
    ) {
        let (relayed, checked): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
        // What this node refuses goes no further: it uses nothing up at the others, and stands in no other log.
        let admitted = self.admit_all(checked.into_iter().map(Ok).collect(), batch.now).await;
        let mut entered = Vec::with_capacity(admitted.len());
        let mut proposed = Vec::with_capacity(admitted.len());
        for ((item, relayed), waiter) in admitted.into_iter().zip(relayed).zip(waiters) {
            match item {
                Ok(item) => {
                    entered.push(Ok(item));
                    proposed.push(relayed);
                    batch.audience.join(waiter);
                }
                Err(refusal) => waiter.answer(Err(refusal)),
            }
        }
        if entered.is_empty() {
            return;
        }
        if method == Method::Search {
            let begin = Instant::now();
            batch.still = Some(Arc::clone(&self.deciding).write_owned().await);
            batch.stopwatch.since(Phase::Queue, begin);
        }
        let answers = self.propose(&mut batch, method, proposed, entered).await;
        let timings = batch.stopwatch.timings();
        for (place, answer) in answers.into_iter().enumerate() {
            batch.audience.answer(place, answer.map(|answer| Answered { timings, ..answer }));
        }
    }

    /// Asks the helpers to join in what was admitted here, and runs it with them.
    async fn propose(
        self: &Arc<Self>,
        batch: &mut Batch,
        method: Method,
        mut relayed: Vec<wire::Relayed>,
        admitted: Vec<Result<Admitted, Refusal>>,
    ) -> Vec<Result<Answered, Refusal>> {
        let begin = Instant::now();
        let mut positions = Vec::with_capacity(relayed.len());
        let mut placed = Vec::with_capacity(relayed.len());
        for (request, item) in relayed.iter_mut().zip(admitted) {
            let (item, position) = self.place(method, item, batch.now).await;
            request.position = position.0;
            positions.push(position);
            placed.push(item);
        }
        let proposal = wire::Proposal { batch: batch.id.to_vec(), requests: relayed };
        for helper in [Party::B, Party::C] {
            // Without a helper that hears it, the batch runs into a link that is gone, and says so.
            let _ = batch.links.to(helper).say(Kind::Proposal(proposal.clone())).await;
        }
        drop(proposal);
        batch.stopwatch.since(Phase::Agree, begin);
        let ended = self.run(batch, method, placed, &positions).await;
        let begin = Instant::now();
        let answers = self.gather(batch, ended).await;
        batch.stopwatch.since(Phase::Gather, begin);
        answers
    }

    /// The row that an enrolment is given; never used twice.
    async fn place(
        &self,
        method: Method,
        item: Result<Admitted, Refusal>,
        now: u64,
    ) -> (Result<Admitted, Refusal>, Position) {
        match item {
            Ok(item) if method == Method::Enroll => match self.store.next_position(&item.ask.gallery).await {
                Ok(position) => (Ok(item), position),
                Err(error) => (Err(self.fail(item.ticket, error.at(self.party), now).await), Position(0)),
            },
            other => (other, Position(0)),
        }
    }

    /// The helpers' signed ends beside our own.
    async fn gather(&self, batch: &mut Batch, ended: Vec<Result<Ended, Refusal>>) -> Vec<Result<Answered, Refusal>> {
        let mut theirs = Vec::new();
        // Where nothing ran, there is nothing to wait for.
        let ran = ended.iter().any(Result::is_ok);
        for helper in [Party::B, Party::C].into_iter().filter(|_| ran) {
            let outcomes = batch.mail.take(helper, self.limits.patience, Note::outcomes);
            theirs.push(outcomes.await);
        }
        let mut answers = Vec::with_capacity(ended.len());
        for (place, ended) in ended.into_iter().enumerate() {
            answers.push(match ended {
                Err(refusal) => Err(refusal),
                Ok(ended) => {
                    let [b, c] = [&theirs[0], &theirs[1]].map(|endings| ending(endings, place));
                    self.answer(batch, ended, [(Party::B, b), (Party::C, c)]).await
                }
            });
        }
        answers
    }

    /// Closes a request at the leader; with all three receipts, the answer is kept for who asks the same again.
    async fn answer(
        &self,
        batch: &Batch,
        ended: Ended,
        helpers: [(Party, Result<&wire::Ending, NoWord>); 2],
    ) -> Result<Answered, Refusal> {
        let Ended { outcome, found, ticket, place, rq } = ended;
        let digest = found.as_ref().map(Found::digest);
        let receipts = (|| {
            let own = self.receipt(outcome, digest, place, rq)?;
            let [b, c] = helpers.map(|(party, ending)| {
                let ending = ending.map_err(|no_word| no_word.at(self.party))?;
                let absent = || Refusal::from_peer(party, &ending.failure);
                let receipt = ending.receipt.as_ref().and_then(receipt_from).ok_or_else(absent)?;
                let body = &receipt.body;
                let fits = (body.found, body.party) == (digest, party) && body.outcome.goes_with(outcome);
                if fits { Ok(receipt) } else { Err(absent()) }
            });
            let receipts = [own, b?, c?];
            // Whoever was to be erased was swept at each node meanwhile.
            let said = Outcome::of_all(outcomes(&receipts)).ok_or_else(|| StoreError::SubjectUnknown.at(self.party))?;
            Ok((said, receipts))
        })();
        let stored = receipts.as_ref().ok().map(|(_, receipts)| Answer(answer_bytes(receipts, found.as_ref()).into()));
        self.close(ticket, closing(outcome), stored, batch.now).await;
        receipts.map(|(outcome, receipts)| Answered { outcome, found, receipts, timings: Timings::default() })
    }

    /// A helper's whole part in a batch.
    pub(super) async fn help(self: Arc<Self>, proposed: Proposed) {
        let Proposed { leader, proposal } = proposed;
        let Ok(id) = BatchId::try_from(proposal.batch.as_slice()) else {
            return leader.hang_up();
        };
        let Ok(peers) = self.peers() else { return };
        let links = peers.links_soon().await.map_err(|no_word| no_word.at(self.party));
        let ready = links.and_then(|links| {
            self.in_step(&proposal.requests)?;
            Ok((links, self.now()?))
        });
        let (links, now) = match ready {
            Ok(ready) => ready,
            // The leader may well hear the node that is not heard here: it need not run out of time.
            Err(refusal) => return self.decline(&leader, &proposal, refusal).await,
        };
        let mut batch = Batch::new(id, links, peers.mailbox(id), now);
        if proposal.requests.len() > self.limits.batch {
            return leader.hang_up();
        }
        let positions: Vec<_> = proposal.requests.iter().map(|request| Position(request.position)).collect();
        let mut items = Vec::with_capacity(proposal.requests.len());
        for request in &proposal.requests {
            items.push(self.check(request, now).await);
        }
        drop(proposal);
        let (method, items) = self.of_one_kind(items);
        let items = self.of_bounded_load(items);
        let admitted = self.admit_all(items, now).await;
        let ended = self.run(&mut batch, method, admitted, &positions).await;
        let mut endings = Vec::with_capacity(ended.len());
        for ended in ended {
            endings.push(self.end(ended, now).await);
        }
        // A leader that is gone gets no receipts; the logs hold what happened.
        let _ = leader.say(Kind::Outcomes(wire::Outcomes { batch: id.to_vec(), endings })).await;
    }

    /// Refuses a whole batch before anything of it is looked at.
    async fn decline(&self, leader: &Connection, proposal: &wire::Proposal, refusal: Refusal) {
        let refused = verdict(&Err(refusal), Position(0));
        let verdicts = proposal.requests.iter().map(|_| refused.clone()).collect();
        let (batch, nonce) = (proposal.batch.clone(), self.draw::<16>().to_vec());
        let ready = wire::Ready { batch, nonce, verdicts, now: self.clocks.known() };
        // A leader that is gone knows as much.
        let _ = leader.say(Kind::Ready(ready)).await;
    }

    /// A batch has one kind: a leader that mixes them gets nothing.
    fn of_one_kind(&self, items: Vec<Result<Checked, Refusal>>) -> (Method, Vec<Result<Checked, Refusal>>) {
        let mut kinds = items.iter().flat_map(|item| item.as_ref().map(Checked::kind));
        let first = kinds.next();
        let method = first.as_ref().map_or(Method::Verify, |(method, ..)| *method);
        if first.is_none_or(|first| kinds.all(|other| other == first)) {
            return (method, items);
        }
        let mixed = |item: Result<Checked, Refusal>| item.and_then(|_| Err(Mixed.at(self.party)));
        (method, items.into_iter().map(mixed).collect())
    }

    /// A batch is no larger than this node would make it: what is beyond is refused.
    fn of_bounded_load(&self, items: Vec<Result<Checked, Refusal>>) -> Vec<Result<Checked, Refusal>> {
        let mut load = Load::default();
        let mut bounded = |checked: Checked| {
            load = load.with(checked.load()).ok_or_else(|| self.overloaded())?;
            Ok(checked)
        };
        items.into_iter().map(|item| item.and_then(&mut bounded)).collect()
    }

    async fn end(&self, ended: Result<Ended, Refusal>, now: u64) -> wire::Ending {
        let receipt = match ended {
            Ok(Ended { outcome, found, ticket, place, rq }) => {
                self.close(ticket, closing(outcome), None, now).await;
                self.receipt(outcome, found.as_ref().map(Found::digest), place, rq)
            }
            Err(refusal) => Err(refusal),
        };
        match receipt {
            Ok(receipt) => wire::Ending { failure: String::new(), receipt: Some(receipt_to(&receipt)) },
            Err(refusal) => wire::Ending { failure: refusal.reason.as_str().to_owned(), receipt: None },
        }
    }
}

fn ending(endings: &Result<Vec<wire::Ending>, NoWord>, place: usize) -> Result<&wire::Ending, NoWord> {
    match endings {
        Ok(endings) => endings.get(place).ok_or(NoWord::Gone(Party::LEADER)),
        Err(no_word) => Err(*no_word),
    }
}

/// What A, B and C say.
fn outcomes(receipts: &[Receipt; 3]) -> [Outcome; 3] {
    receipts.each_ref().map(|receipt| receipt.body.outcome)
}

const fn closing(outcome: Outcome) -> Closing {
    match outcome {
        Outcome::Match => Closing::Matched,
        Outcome::NoMatch => Closing::NotMatched,
        Outcome::Searched
        | Outcome::Enrolled
        | Outcome::Erased
        | Outcome::HadNone
        | Outcome::Locked
        | Outcome::Unlocked
        | Outcome::Logged => Closing::Completed,
    }
}
