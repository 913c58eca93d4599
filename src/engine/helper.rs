//! A helper's part: checks, admits and runs what the leader proposes, and signs how each request ended.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::authorize::Authorizer;
use super::batch::{Batch, draw};
use super::compare::Load;
use super::item::{Ended, Item, Open};
use super::journal::Journal;
use super::limits::Limits;
use super::links::NodeLinks;
use super::refusal::{Cause as _, Mixed, Refusal, overloaded};
use super::request::Checked;
use super::runner::{Runner, refused};
use crate::clocks::Clocks;
use crate::log::receipt::Found;
use crate::party::Party;
use crate::peer::{BatchId, Connection, PeerUnavailable, Proposed};
use crate::request::Method;
use crate::wire::peer::v1 as wire;
use crate::wire::peer::v1::frame::Kind;
use crate::wire::receipt_to;

/// Joins in the batches that the leader proposes. Nothing is proposed to a leader.
pub struct Helper {
    pub(super) journal: Arc<Journal>,
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) runner: Arc<Runner>,
    pub(super) links: NodeLinks,
    pub(super) clocks: Arc<Clocks>,
    pub(super) limits: Limits,
}

impl Helper {
    /// Serves what the leader proposes, until the links are gone.
    pub async fn serve(self: Arc<Self>, mut proposals: mpsc::Receiver<Proposed>) {
        let slots = Arc::new(Semaphore::new(4 * self.limits.in_flight));
        while let Some(proposed) = proposals.recv().await {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let helper = Arc::clone(&self);
            tokio::spawn(async move {
                helper.help(proposed).await;
                drop(slot);
            });
        }
    }

    /// A helper's whole part in a batch.
    async fn help(&self, proposed: Proposed) {
        let Proposed { leader, proposal } = proposed;
        let own = self.journal.party;
        let Ok(id) = BatchId::try_from(proposal.batch.as_slice()) else {
            return leader.hang_up();
        };
        let Ok(peers) = self.links.peers() else { return };
        let links = peers.links_soon().await.map_err(|no_word| no_word.at(own));
        let ready = links.and_then(|links| {
            self.links.in_step(&proposal.requests)?;
            let now = self.clocks.now().map_err(|doubt| doubt.at(own))?;
            Ok((links, now))
        });
        let (links, now) = match ready {
            Ok(ready) => ready,
            // The leader may well hear the node that is not heard here: it need not run out of time.
            Err(refusal) => return self.decline(&leader, &proposal, &refusal).await,
        };
        let mail = peers.mailbox(id, &links);
        let mut batch = Batch::new(id, self.links.clone(), (links, mail), now);
        if proposal.requests.len() > self.limits.batch {
            return leader.hang_up();
        }
        let items = self.check_all(proposal.requests.into_iter().map(Item::proposed).collect(), now).await;
        let (method, items) = of_one_kind(own, items);
        let items = self.authorizer.admit_all(of_bounded_load(own, items), now).await;
        let ended = self.runner.run(&mut batch, method, items).await;
        let mut endings = Vec::with_capacity(ended.len());
        for item in ended {
            endings.push(self.end(item, now).await);
        }
        // A leader that is gone gets no receipts; the logs hold what happened.
        let _ = leader.say(Kind::Outcomes(wire::Outcomes { batch: id.to_vec(), endings })).await;
    }

    /// Checks all at once: what is refused shares the log's next write, and nobody waits for another's.
    async fn check_all(&self, items: Vec<Item<()>>, now: u64) -> Vec<Item<Checked>> {
        let gone = || PeerUnavailable::Gone(self.journal.party).at(self.journal.party);
        let start = |mut item: Item<()>| {
            let (authorizer, relayed) = (Arc::clone(&self.authorizer), item.relayed.take().unwrap_or_default());
            item.and_then(|()| Ok(tokio::spawn(async move { authorizer.check(&relayed, now).await })))
        };
        let started: Vec<_> = items.into_iter().map(start).collect();
        let mut checked = Vec::with_capacity(started.len());
        for item in started {
            checked.push(item.then(|task| async { task.await.unwrap_or_else(|_| Err(gone())) }).await);
        }
        checked
    }

    /// Refuses a whole batch before anything of it is looked at.
    async fn decline(&self, leader: &Connection, proposal: &wire::Proposal, refusal: &Refusal) {
        let refused = refused(refusal);
        let verdicts = proposal.requests.iter().map(|_| refused.clone()).collect();
        let (batch, nonce) = (proposal.batch.clone(), draw::<16>().to_vec());
        let ready = wire::Ready { batch, nonce, verdicts, now: self.clocks.known() };
        // The other helper may have no link that is down, and wait for this word as well. A leader that is gone knows as much.
        let other = if self.journal.party == Party::B { Party::C } else { Party::B };
        let other = self.links.linked().and_then(|peers| peers.link(other).ok());
        let _ = leader.say(Kind::Ready(ready.clone())).await;
        if let Some(other) = other {
            let _ = other.say(Kind::Ready(ready)).await;
        }
    }

    /// Closes a request at a helper, and signs how it ended.
    async fn end(&self, item: Item<Open<Ended>>, now: u64) -> wire::Ending {
        let receipt = match item.state {
            Ok(open) => {
                let (open, ended) = open.split();
                let request_digest = open.ask.request_digest();
                self.journal.close(open.ticket, ended.closing(), None, now).await;
                self.journal.receipt(ended.outcome, ended.found.as_ref().map(Found::digest), open.place, request_digest)
            }
            Err(refusal) => Err(refusal),
        };
        match receipt {
            Ok(receipt) => wire::Ending { failure: String::new(), receipt: Some(receipt_to(&receipt)) },
            Err(refusal) => wire::Ending { failure: refusal.reason.code().to_owned(), receipt: None },
        }
    }
}

/// A batch has one kind: a leader that mixes them gets nothing.
fn of_one_kind(own: Party, items: Vec<Item<Checked>>) -> (Method, Vec<Item<Checked>>) {
    let mut kinds = items.iter().filter_map(Item::live).map(Checked::kind);
    let first = kinds.next();
    let method = first.as_ref().map_or(Method::Verify, |(method, ..)| *method);
    if first.is_none_or(|first| kinds.all(|other| other == first)) {
        return (method, items);
    }
    let mixed = |item: Item<Checked>| item.and_then(|_| Err(Mixed.at(own)));
    (method, items.into_iter().map(mixed).collect())
}

/// A batch is no larger than this node would make it: what is beyond is refused.
fn of_bounded_load(own: Party, items: Vec<Item<Checked>>) -> Vec<Item<Checked>> {
    let mut load = Load::default();
    let mut bounded = |checked: Checked| {
        load = load.with(checked.load).ok_or_else(|| overloaded(own))?;
        Ok(checked)
    };
    items.into_iter().map(|item| item.and_then(&mut bounded)).collect()
}
