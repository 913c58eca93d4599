//! The leader's part: batch, propose, and gather the three signed ends. A helper's part: run what is proposed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::Engine;
use super::audience::Waiter;
use super::batch::{Batch, Ended, verdict};
use super::changes::HELPERS;
use super::compare::Load;
use super::door::{Admitted, Checked};
use super::queue::{Queue, Waits};
use super::refusal::{Cause as _, Mixed, Refusal};
use super::turns::{Turns, Whom};
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

impl Waits for Waiting {
    fn is_gone(&self) -> bool {
        self.reply.is_closed()
    }
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

    /// Checks a client's request and puts it in its relying party's line. `watch` hears how far a search is: one that nobody watches any
    /// more ends at all three nodes.
    ///
    /// Who asks is known before a place is taken: so nobody takes another's.
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
        let now = self.now()?;
        let checked = self.check(&relayed, now).await?;
        self.unspent(&checked, now).await?;
        let of = checked.relying_party().clone();
        let size = relayed.request.as_ref().map(Load::of_envelopes).unwrap_or_default().kib();
        let queue = if checked.method() == Method::Search { &self.searches } else { &self.queue };
        let (reply, answer) = oneshot::channel();
        let has_place = self.room.take(&of, size).is_some_and(|room| {
            queue.push(&of, Waiting { relayed, checked, since: Instant::now(), watch, reply, _room: room })
        });
        if !has_place {
            self.counters.overloaded();
            return Err(self.overloaded());
        }
        self.counters.queued();
        Ok(Queued { own: self.party, answer })
    }

    fn overloaded(&self) -> Refusal {
        Refusal { retry_after_ms: Some(1000), ..Refusal::new(self.party, super::refusal::OVERLOADED) }
    }

    /// Forms batches of what waits in a queue, so many under way at a time: a lone request goes at once, a crowd goes together.
    pub(super) async fn dispatch(self: Arc<Self>, of: fn(&Self) -> &Queue<Waiting>, in_flight: usize) {
        let slots = Arc::new(Semaphore::new(in_flight));
        let queue = of(&self);
        loop {
            queue.some().await;
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let group = self.next_group(queue);
            if group.is_empty() {
                drop(slot);
                if !queue.is_empty() {
                    // All that waits is about people who are being changed: until one is done, or something else comes.
                    tokio::select! {
                        () = self.turns.freed() => {}
                        () = queue.came() => {}
                    }
                }
                continue;
            }
            self.counters.batch();
            let turn = Turns::take(&self.turns, group.iter().filter_map(|waiting| waiting.checked.changes()).collect());
            let engine = Arc::clone(&self);
            tokio::spawn(async move {
                engine.lead(group, slot).await;
                drop(turn);
            });
        }
    }

    /// What goes next, all of one kind.
    fn next_group(&self, queue: &Queue<Waiting>) -> Vec<Waiting> {
        let mut load = Load::default();
        // Whose change was passed over: a later one of the same subject does not overtake it.
        let mut held: HashSet<Whom> = HashSet::new();
        queue.batch(self.limits.batch, |group, waiting| {
            let (checked, whom) = (&waiting.checked, waiting.checked.changes());
            let fits = group.first().is_none_or(|first| {
                first.checked.kind() == checked.kind()
                    // Two requests about one subject take their turns.
                    && !group.iter().any(|other| other.checked.collides_with(checked))
            }) && whom.as_ref().is_none_or(|whom| !held.contains(whom) && self.turns.is_free(whom));
            let sum = load.with(checked.load()).filter(|_| fits);
            match sum {
                Some(sum) => load = sum,
                None => held.extend(whom),
            }
            sum.is_some()
        })
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
        // Without a helper that hears it, the batch runs into a link that is gone, and says so.
        let _ = batch.links.say(Kind::Proposal(proposal), self.limits.patience).await;
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
        for (helper, other) in HELPERS.into_iter().filter(|_| ran) {
            let outcomes = batch.mail.take((helper, Some(other)), self.limits.patience, Note::outcomes);
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
        let mail = peers.mailbox(id, &links);
        let mut batch = Batch::new(id, links, mail, now);
        if proposal.requests.len() > self.limits.batch {
            return leader.hang_up();
        }
        let positions: Vec<_> = proposal.requests.iter().map(|request| Position(request.position)).collect();
        let items = self.check_all(proposal.requests, now).await;
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

    /// Checks all at once: what is refused shares the log's next write, and nobody waits for another's.
    async fn check_all(self: &Arc<Self>, requests: Vec<wire::Relayed>, now: u64) -> Vec<Result<Checked, Refusal>> {
        let check = |request: wire::Relayed| {
            let engine = Arc::clone(self);
            tokio::spawn(async move { engine.check(&request, now).await })
        };
        let tasks: Vec<_> = requests.into_iter().map(check).collect();
        let mut items = Vec::with_capacity(tasks.len());
        for task in tasks {
            items.push(task.await.unwrap_or_else(|_| Err(NoWord::Gone(self.party).at(self.party))));
        }
        items
    }

    /// Refuses a whole batch before anything of it is looked at.
    async fn decline(&self, leader: &Connection, proposal: &wire::Proposal, refusal: Refusal) {
        let refused = verdict(&Err(refusal), Position(0));
        let verdicts = proposal.requests.iter().map(|_| refused.clone()).collect();
        let (batch, nonce) = (proposal.batch.clone(), self.draw::<16>().to_vec());
        let ready = wire::Ready { batch, nonce, verdicts, now: self.clocks.known() };
        // The other helper may have no link that is down, and wait for this word as well. A leader that is gone knows as much.
        let other = if self.party == Party::B { Party::C } else { Party::B };
        let other = self.peers().ok().and_then(|peers| peers.link(other).ok());
        let _ = leader.say(Kind::Ready(ready.clone())).await;
        if let Some(other) = other {
            let _ = other.say(Kind::Ready(ready)).await;
        }
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
