//! The leader: takes requests, batches them, proposes each batch, and gathers the three signed ends.
//!
//! ```text
//! enqueue: check --> a place in the relying party's line --dispatch--> begin --> admit --> propose --> run --> gather --> answer
//!          (authorize.rs)             (queue.rs)                         (authorize.rs)       (runner.rs)
//! ```

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, RwLock, RwLockReadGuard, Semaphore, oneshot, watch};
use tokio::time::timeout;

use super::authorize::Authorizer;
use super::batch::{Batch, draw};
use super::changes::{Changes, HELPERS};
use super::compare::Load;
use super::counters::Counters;
use super::item::{Answered, Ended, Item, Open, Waiter};
use super::journal::Journal;
use super::limits::Limits;
use super::links::NodeLinks;
use super::queue::{Queue, Room, Waits};
use super::refusal::{Cause as _, Refusal, overloaded, stopping};
use super::request::{Checked, Permitted};
use super::runner::Runner;
use super::turns::{Turns, Whom};
use crate::clocks::Clocks;
use crate::log::ledger::{Answer, Position};
use crate::log::receipt::{Found, Outcome, Receipt};
use crate::party::Party;
use crate::peer::{BatchMessage, Links, PeerUnavailable, Peers, RECONNECT};
use crate::reason::Reason;
use crate::request::{Method, Progress};
use crate::store::StoreError;
use crate::timings::{Phase, Timings};
use crate::wire::peer::v1 as wire;
use crate::wire::peer::v1::frame::Kind;
use crate::wire::{answer_bytes, answer_from, receipt_from};

/// How long new batches are held back for those under way to end, so that the links can be shaken anew: a search may take longer.
const BETWEEN_BATCHES: Duration = Duration::from_secs(2);

/// A request that waits for a batch.
struct Waiting {
    relayed: wire::Relayed,
    checked: Checked,
    waiter: Waiter,
    /// When it was put into its queue.
    since: Instant,
    /// Given back when a batch takes it.
    _room: OwnedSemaphorePermit,
}

impl Waits for Waiting {
    fn is_gone(&self) -> bool {
        self.waiter.is_gone()
    }
}

impl Waiting {
    /// As a batch takes it.
    fn into_item(self) -> Item<Checked> {
        let Self { relayed, checked, waiter, since, .. } = self;
        checked.stopwatch.since(Phase::Queue, since);
        Item { relayed: Some(relayed), given: Position(0), waiter: Some(waiter), state: Ok(checked) }
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
        let absent = || PeerUnavailable::Gone(self.own).at(self.own);
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

/// All that waits for a batch.
pub(super) struct Lines {
    one_to_one: Queue<Waiting>,
    searches: Queue<Waiting>,
    /// For what waits in both.
    room: Room,
    /// Whose change is under way.
    turns: Arc<Turns>,
}

impl Lines {
    /// With so many places for each relying party.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            one_to_one: Queue::new(limits.waiting),
            searches: Queue::new(limits.searches),
            room: Room::new(),
            turns: Arc::default(),
        }
    }
}

/// Takes clients' requests through all three nodes. Those of a helper are refused.
pub struct Leader {
    pub(super) journal: Arc<Journal>,
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) runner: Arc<Runner>,
    pub(super) changes: Arc<Changes>,
    pub(super) links: NodeLinks,
    pub(super) clocks: Arc<Clocks>,
    pub(super) lines: Lines,
    pub(super) limits: Limits,
    /// Read by each batch under way, written by who shakes the links anew or lets a helper go.
    pub(super) under_way: Arc<RwLock<()>>,
    /// Nothing more is taken in.
    pub(super) stopping: AtomicBool,
    pub(super) counters: Arc<Counters>,
}

/// What a batch under way holds.
struct Held<'e> {
    /// The links are shaken anew, and a helper is let go, while nobody holds it.
    _under_way: RwLockReadGuard<'e, ()>,
    /// Of changes: from before the proposal to after the decision, see `Settle::decide`.
    _deciding: Option<RwLockReadGuard<'e, ()>>,
}

impl Leader {
    /// Which party this is.
    #[must_use]
    pub fn party(&self) -> Party {
        self.journal.party
    }

    /// Begins to form batches of what waits.
    pub(super) fn start(self: &Arc<Self>) {
        tokio::spawn(Arc::clone(self).dispatch(|lines| &lines.one_to_one, self.limits.in_flight));
        // One at a time: those that come meanwhile share the next pass.
        tokio::spawn(Arc::clone(self).dispatch(|lines| &lines.searches, 1));
    }

    /// Takes a client's request through all three nodes.
    ///
    /// # Errors
    /// [`Refusal`], with the reason and the node of whoever refused first.
    pub async fn submit(&self, relayed: wire::Relayed) -> Result<Answered, Refusal> {
        self.enqueue(relayed, watch::Sender::default()).await?.answer().await
    }

    /// Checks a client's request and puts it in its relying party's line. `watch` hears how far a search is: one that nobody watches any
    /// more ends at all three nodes.
    ///
    /// Who asks is known before a place is taken: so nobody takes another's.
    ///
    /// # Errors
    /// [`Refusal`], of this node.
    pub async fn enqueue(&self, relayed: wire::Relayed, watch: watch::Sender<Progress>) -> Result<Queued, Refusal> {
        let own = self.party();
        if own != Party::LEADER {
            return Err(Refusal::new(own, Reason::NotLeader));
        }
        if self.stopping.load(Ordering::Relaxed) {
            return Err(stopping(own));
        }
        self.links.in_step([&relayed])?;
        let now = self.now()?;
        let checked = self.authorizer.check(&relayed, now).await?;
        self.authorizer.unspent(&checked, now).await?;
        let of = checked.relying_party().clone();
        let size = relayed.request.as_ref().map(Load::of_envelopes).unwrap_or_default().kib();
        let queue = if checked.method() == Method::Search { &self.lines.searches } else { &self.lines.one_to_one };
        let (reply, answer) = oneshot::channel();
        let waiter = Waiter { reply, watch, stopwatch: Arc::clone(&checked.stopwatch) };
        let has_place = self.lines.room.take(&of, size).is_some_and(|room| {
            queue.push(&of, Waiting { relayed, checked, waiter, since: Instant::now(), _room: room })
        });
        if !has_place {
            self.counters.overloaded();
            return Err(overloaded(own));
        }
        self.counters.queued();
        Ok(Queued { own, answer })
    }

    /// The time, if there is no doubt about it.
    fn now(&self) -> Result<u64, Refusal> {
        self.clocks.now().map_err(|doubt| doubt.at(self.party()))
    }

    /// Forms batches of what waits in a queue, so many under way at a time: a lone request goes at once, a crowd goes together.
    async fn dispatch(self: Arc<Self>, of: fn(&Lines) -> &Queue<Waiting>, in_flight: usize) {
        let slots = Arc::new(Semaphore::new(in_flight));
        let (queue, turns) = (of(&self.lines), &self.lines.turns);
        loop {
            queue.some().await;
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let group = self.next_group(queue);
            if group.is_empty() {
                drop(slot);
                if !queue.is_empty() {
                    // All that waits is about people who are being changed: until one is done, or something else comes.
                    tokio::select! {
                        () = turns.freed() => {}
                        () = queue.came() => {}
                    }
                }
                continue;
            }
            self.counters.batch();
            let turn = Turns::take(turns, group.iter().filter_map(|waiting| waiting.checked.changes()).collect());
            let leader = Arc::clone(&self);
            tokio::spawn(async move {
                leader.lead(group).await;
                drop((slot, turn));
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
            }) && whom.as_ref().is_none_or(|whom| !held.contains(whom) && self.lines.turns.is_free(whom));
            let sum = load.with(checked.load).filter(|_| fits);
            match sum {
                Some(sum) => load = sum,
                None => held.extend(whom),
            }
            sum.is_some()
        })
    }

    /// Takes one batch through all three nodes, and answers whoever waits.
    async fn lead(&self, group: Vec<Waiting>) {
        let method = group.first().map_or(Method::Verify, |waiting| waiting.checked.method());
        let items: Vec<_> = group.into_iter().map(Waiting::into_item).collect();
        let (mut batch, _held) = match self.begin(method).await {
            Ok(begun) => begun,
            Err(refusal) => {
                return items.into_iter().for_each(|item| item.refuse(&refusal));
            }
        };
        // What this node refuses goes no further: it uses nothing up at the others, and stands in no other log.
        let mut items = self.authorizer.admit_all(items, batch.now).await;
        items.iter_mut().for_each(Item::answer_refused);
        items.retain(|item| item.live().is_some());
        if items.is_empty() {
            return;
        }
        if method == Method::Search {
            let begin = Instant::now();
            batch.still = Some(self.changes.still().await);
            batch.stopwatch.since(Phase::Queue, begin);
        }
        let items = self.propose(&mut batch, method, items).await;
        let ended = self.runner.run(&mut batch, method, items).await;
        let begin = Instant::now();
        let answered = self.gather(&mut batch, ended).await;
        batch.stopwatch.since(Phase::Gather, begin);
        let timings = batch.stopwatch.timings();
        for item in answered {
            item.answer(|answered| Answered { timings, ..answered });
        }
    }

    /// A batch with links to run it over, and what is held as long as it is under way.
    async fn begin(&self, method: Method) -> Result<(Batch, Held<'_>), Refusal> {
        let begin = Instant::now();
        let id = draw();
        let peers = self.links.peers()?;
        let (links, held) = self.hold(&peers, method).await?;
        let mail = peers.mailbox(id, &links);
        let batch = Batch::new(id, self.links.clone(), (links, mail), self.now()?);
        batch.stopwatch.since(Phase::Queue, begin);
        Ok((batch, held))
    }

    /// Links, once they are up, and what keeps them so. Nothing is held while they are waited for: who shakes them anew, settles what a
    /// helper was left with, or lets a helper go, must not wait for who waits.
    async fn hold(&self, peers: &Peers, method: Method) -> Result<(Links, Held<'_>), Refusal> {
        let changes = !matches!(method, Method::Verify | Method::Search);
        let mut lost = None;
        for _ in 0..2 {
            peers.soon().await;
            let under_way = self.turn(peers).await?;
            let deciding = if changes { Some(self.changes.deciding().await) } else { None };
            match peers.links() {
                Ok(links) => return Ok((links, Held { _under_way: under_way, _deciding: deciding })),
                // One that is just being lost is waited for once.
                Err(no_word) => lost = Some(no_word),
            }
        }
        Err(lost.unwrap_or(PeerUnavailable::Gone(self.party())).at(self.party()))
    }

    /// The right to begin a batch. While a helper is waited for that is being stopped, nobody has it for long.
    async fn turn(&self, peers: &Peers) -> Result<RwLockReadGuard<'_, ()>, Refusal> {
        if let Ok(turn) = timeout(RECONNECT, self.under_way.read()).await {
            return Ok(turn);
        }
        match peers.leaving() {
            Some(party) => Err(PeerUnavailable::Leaving(party).at(self.party())),
            None => Ok(self.under_way.read().await),
        }
    }

    /// Asks the helpers to join in what was admitted here, with a position for each enrolment.
    async fn propose(
        &self,
        batch: &mut Batch,
        method: Method,
        items: Vec<Item<Open<Permitted>>>,
    ) -> Vec<Item<Open<Permitted>>> {
        let begin = Instant::now();
        let mut placed = Vec::with_capacity(items.len());
        let mut requests = Vec::with_capacity(items.len());
        for item in items {
            let mut item = if method == Method::Enroll { self.place(item, batch.now).await } else { item };
            requests.extend(item.relayed.take().map(|relayed| wire::Relayed { position: item.given.0, ..relayed }));
            placed.push(item);
        }
        let proposal = wire::Proposal { batch: batch.id.to_vec(), requests };
        // Without a helper that hears it, the batch runs into a link that is gone, and says so.
        let _ = batch.links.say(Kind::Proposal(proposal), self.limits.patience).await;
        batch.stopwatch.since(Phase::Agree, begin);
        placed
    }

    /// Gives an enrolment its row.
    async fn place(&self, mut item: Item<Open<Permitted>>, now: u64) -> Item<Open<Permitted>> {
        let Some(open) = item.live() else { return item };
        match self.changes.next_position(&open.ask.gallery).await {
            Ok(position) => {
                item.given = position;
                item
            }
            Err(error) => {
                let refusal = error.at(self.party());
                item.then(|open| async { Err(self.journal.fail(open.ticket, refusal, now).await) }).await
            }
        }
    }

    /// The helpers' signed ends beside our own.
    async fn gather(&self, batch: &mut Batch, ended: Vec<Item<Open<Ended>>>) -> Vec<Item<Answered>> {
        let mut theirs = Vec::new();
        // Where nothing ran, there is nothing to wait for.
        let ran = ended.iter().any(|item| item.live().is_some());
        for (helper, other) in HELPERS.into_iter().filter(|_| ran) {
            let outcomes = batch.mail.take((helper, Some(other)), self.limits.patience, BatchMessage::outcomes);
            theirs.push((helper, outcomes.await));
        }
        let mut answers = Vec::with_capacity(ended.len());
        for (place, item) in ended.into_iter().enumerate() {
            let theirs = theirs.iter().map(|(party, endings)| (*party, ending(endings, place)));
            answers.push(item.then(|open| self.answer(open, theirs.collect(), batch.now)).await);
        }
        answers
    }

    /// Closes a request at the leader; with all three receipts, the answer is kept for who asks the same again.
    async fn answer(
        &self,
        open: Open<Ended>,
        helpers: Vec<(Party, Result<&wire::Ending, PeerUnavailable>)>,
        now: u64,
    ) -> Result<Answered, Refusal> {
        let (open, ended) = open.split();
        let (receipts, closing) = (self.receipts(&open, &ended, helpers), ended.closing());
        let found = ended.found;
        let stored = receipts.as_ref().ok().map(|(_, receipts)| Answer(answer_bytes(receipts, found.as_ref()).into()));
        self.journal.close(open.ticket, closing, stored, now).await;
        receipts.map(|(outcome, receipts)| Answered { outcome, found, receipts, timings: Timings::default() })
    }

    /// The three nodes' receipts, and the outcome that they say together.
    fn receipts(
        &self,
        open: &Open<()>,
        Ended { outcome, found }: &Ended,
        helpers: Vec<(Party, Result<&wire::Ending, PeerUnavailable>)>,
    ) -> Result<(Outcome, [Receipt; 3]), Refusal> {
        let digest = found.as_ref().map(Found::digest);
        let mut receipts = vec![self.journal.receipt(*outcome, digest, open.place, open.ask.request_digest())?];
        for (party, ending) in helpers {
            let ending = ending.map_err(|no_word| no_word.at(self.party()))?;
            let absent = || Refusal::from_peer(party, &ending.failure);
            let receipt = ending.receipt.as_ref().and_then(receipt_from).ok_or_else(absent)?;
            let body = &receipt.body;
            if (body.found, body.party) != (digest, party) || !body.outcome.goes_with(*outcome) {
                return Err(absent());
            }
            receipts.push(receipt);
        }
        let receipts =
            <[Receipt; 3]>::try_from(receipts).map_err(|_| PeerUnavailable::Gone(self.party()).at(self.party()))?;
        // Whoever was to be erased was swept at each node meanwhile.
        let said = Outcome::of_all(outcomes(&receipts)).ok_or_else(|| StoreError::SubjectUnknown.at(self.party()))?;
        Ok((said, receipts))
    }

    /// Shakes the links anew between two batches. False if a batch was under way for too long; what waited goes on then.
    pub async fn renew_links(&self) -> bool {
        let Some(peers) = self.links.linked() else { return true };
        let between = timeout(BETWEEN_BATCHES, self.under_way.write()).await;
        if between.is_ok() {
            peers.renew().await;
        }
        between.is_ok()
    }

    /// Takes nothing more in: whoever calls is told to ask again.
    pub fn stop_taking(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Once nothing more is taken in: returns when nothing is under way any more. A helper asks the leader for it.
    pub async fn rest(&self, peers: &Peers) {
        if self.party() == Party::LEADER {
            drop(self.under_way.write().await);
        } else {
            peers.leave().await;
        }
    }
}

fn ending(
    endings: &Result<Vec<wire::Ending>, PeerUnavailable>,
    place: usize,
) -> Result<&wire::Ending, PeerUnavailable> {
    match endings {
        Ok(endings) => endings.get(place).ok_or(PeerUnavailable::Gone(Party::LEADER)),
        Err(no_word) => Err(*no_word),
    }
}

/// What A, B and C say.
fn outcomes(receipts: &[Receipt; 3]) -> [Outcome; 3] {
    receipts.each_ref().map(|receipt| receipt.body.outcome)
}
