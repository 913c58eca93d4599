//! One request of a batch, carried whole from its check to its answer: what is relayed of it, the position that it is given, who waits
//! for its answer, and how far it has come.
//!
//! ```text
//! Item<()> --check--> Item<Checked> --admit--> Item<Open<Permitted>> --run, change--> Item<Open<Ended>>
//! ```
//!
//! A request that goes no further keeps its place in the batch, since all three nodes count by places, and says why.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::refusal::Refusal;
use super::stopwatch::Stopwatch;
use crate::log::access::{Completion, OpenRequest};
use crate::log::ledger::Position;
use crate::log::receipt::{Found, Outcome, Receipt};
use crate::log::shard::EntryId;
use crate::request::{Progress, RequestInfo};
use crate::timings::Timings;
use crate::wire::peer::v1 as wire;

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

/// One who waits at the leader for an answer.
pub(super) struct Waiter {
    /// Where the answer goes.
    pub(super) reply: oneshot::Sender<Result<Answered, Refusal>>,
    /// Where the progress of a search goes.
    pub(super) watch: watch::Sender<Progress>,
    /// What this request alone waited for.
    pub(super) stopwatch: Arc<Stopwatch>,
}

impl Waiter {
    /// Answers. A client that went away does not hear what came of its request; the logs tell.
    pub(super) fn answer(self, answer: Result<Answered, Refusal>) {
        let Self { reply, watch, stopwatch } = self;
        // The stream of progress ends before the answer comes.
        drop(watch);
        let timed = |answer: Answered| Answered { timings: answer.timings.and(&stopwatch.timings()), ..answer };
        drop(reply.send(answer.map(timed)));
    }

    /// Whether the client went away.
    pub(super) fn is_gone(&self) -> bool {
        self.reply.is_closed()
    }
}

/// A request in its place of a batch.
pub(super) struct Item<S> {
    /// As it is relayed: taken by the leader's proposal, and by a helper's check.
    pub(super) relayed: Option<wire::Relayed>,
    /// The position that the leader gives, should it be an enrolment.
    pub(super) given: Position,
    /// Who waits for its answer. Nobody at a helper, and nobody any more once there is one.
    pub(super) waiter: Option<Waiter>,
    /// How far it has come, or why it goes no further.
    pub(super) state: Result<S, Refusal>,
}

impl Item<()> {
    /// One that the leader proposes to this node.
    pub(super) fn proposed(relayed: wire::Relayed) -> Self {
        Self { given: Position(relayed.position), relayed: Some(relayed), waiter: None, state: Ok(()) }
    }
}

impl<S> Item<S> {
    /// Goes one step further, unless it goes no further.
    pub(super) fn and_then<T>(self, step: impl FnOnce(S) -> Result<T, Refusal>) -> Item<T> {
        let Self { relayed, given, waiter, state } = self;
        Item { relayed, given, waiter, state: state.and_then(step) }
    }

    /// The same, for a step that takes its time.
    pub(super) async fn then<T, F>(self, step: impl FnOnce(S) -> F) -> Item<T>
    where
        F: Future<Output = Result<T, Refusal>>,
    {
        let Self { relayed, given, waiter, state } = self;
        let state = match state {
            Ok(state) => step(state).await,
            Err(refusal) => Err(refusal),
        };
        Item { relayed, given, waiter, state }
    }

    /// What it has come to, while it goes on.
    pub(super) fn live(&self) -> Option<&S> {
        self.state.as_ref().ok()
    }

    /// Answers who waits, if it goes no further. Who was refused watches nothing from then on, and no run goes on for them.
    pub(super) fn answer_refused(&mut self) {
        if let Err(refusal) = &self.state
            && let Some(waiter) = self.waiter.take()
        {
            waiter.answer(Err(refusal.clone()));
        }
    }

    /// Answers who waits that it goes no further.
    pub(super) fn refuse(self, refusal: &Refusal) {
        if let Some(waiter) = self.waiter {
            waiter.answer(Err(refusal.clone()));
        }
    }

    /// Answers who waits, unless that was done before.
    pub(super) fn answer(self, answer: impl FnOnce(S) -> Answered) {
        if let Some(waiter) = self.waiter {
            waiter.answer(self.state.map(answer));
        }
    }
}

/// The progress of all who still wait for one of these. Borrowed: a copy that outlived a refusal would keep who was refused waiting for
/// the others' run.
pub(super) fn watchers<S>(items: &[Item<S>]) -> Vec<&watch::Sender<Progress>> {
    items.iter().filter_map(|item| item.waiter.as_ref()).map(|waiter| &waiter.watch).collect()
}

/// Takes out of each item that goes on what a run takes in, in the order of the batch.
pub(super) fn take_inputs<S, T, I>(items: Vec<Item<S>>, split: fn(S) -> (T, I)) -> (Vec<Item<T>>, Vec<I>) {
    let mut inputs = Vec::with_capacity(items.len());
    let mut taken = Vec::with_capacity(items.len());
    for item in items {
        taken.push(item.and_then(|state| {
            let (rest, input) = split(state);
            inputs.push(input);
            Ok(rest)
        }));
    }
    (taken, inputs)
}

/// Hands each item that goes on what the run has for it. `None` is for those that it has nothing for, which is never.
pub(super) fn hand_out<T, O>(items: Vec<Item<T>>, outputs: Vec<O>) -> Vec<Item<(T, Option<O>)>> {
    let mut outputs = outputs.into_iter();
    items.into_iter().map(|item| item.and_then(|state| Ok((state, outputs.next())))).collect()
}

/// A request that stands in this node's log and is yet to be closed there, with what is done for it.
pub(super) struct Open<W> {
    /// What was asked.
    pub(super) ask: RequestInfo,
    /// What closes it.
    pub(super) ticket: OpenRequest,
    /// Place of its entry in the log.
    pub(super) place: EntryId,
    /// What is done for it.
    pub(super) work: W,
}

impl<W> Open<W> {
    /// The same request, and what was done for it.
    pub(super) fn split(self) -> (Open<()>, W) {
        let Self { ask, ticket, place, work } = self;
        (Open { ask, ticket, place, work: () }, work)
    }

    /// The same request, with this done for it.
    pub(super) fn with<T>(self, work: T) -> Open<T> {
        let Self { ask, ticket, place, .. } = self;
        Open { ask, ticket, place, work }
    }
}

/// How a request ended that ran to its end.
pub(super) struct Ended {
    /// What came of it.
    pub(super) outcome: Outcome,
    /// Of a search: who was found.
    pub(super) found: Option<Found>,
}

impl Ended {
    /// With an outcome that says all.
    pub(super) const fn with(outcome: Outcome) -> Self {
        Self { outcome, found: None }
    }

    /// How the log closes it.
    pub(super) const fn closing(&self) -> Completion {
        match self.outcome {
            Outcome::Match => Completion::Matched,
            Outcome::NoMatch => Completion::NotMatched,
            Outcome::Searched
            | Outcome::Enrolled
            | Outcome::Erased
            | Outcome::HadNone
            | Outcome::Locked
            | Outcome::Unlocked
            | Outcome::Logged => Completion::Completed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::party::Party;
    use crate::reason::Reason;

    #[tokio::test]
    async fn who_is_refused_hears_so_at_once_and_watches_nobody() {
        let mut items = Vec::new();
        let mut waits = Vec::new();
        for _ in 0..2 {
            let (reply, answer) = oneshot::channel();
            let (watch, progress) = watch::channel(Progress::default());
            let waiter = Some(Waiter { reply, watch, stopwatch: Arc::new(Stopwatch::new()) });
            items.push(Item { waiter, ..Item::proposed(wire::Relayed::default()) });
            waits.push((answer, progress));
        }
        let refusal = Refusal::new(Party::B, Reason::SubjectUnknown);
        items[0].state = Err(refusal);
        items.iter_mut().for_each(Item::answer_refused);
        let (mut other, others_progress) = waits.pop().unwrap();
        let (refused, mut progress) = waits.pop().unwrap();
        assert_eq!(refused.await.unwrap().unwrap_err().node, Party::B);
        // Nothing holds its progress any more: it hears of nobody else's, and its end is no matter to the run.
        assert!(progress.changed().await.is_err());
        let watchers = watchers(&items);
        assert_eq!(watchers.len(), 1);
        watchers[0].send_replace(Progress { blocks_done: 1, blocks: 2 });
        assert_eq!(others_progress.borrow().blocks_done, 1);
        assert!(other.try_recv().is_err(), "the other one waits");
        drop(others_progress);
        watchers[0].closed().await;
    }

    #[test]
    fn what_a_run_gives_goes_to_who_went_into_it_and_each_keeps_its_place() {
        let refusal = || Refusal::new(Party::C, Reason::SubjectUnknown);
        let items = (0..5_u8).map(|number| {
            let item = Item::proposed(wire::Relayed { position: number.into(), ..wire::Relayed::default() });
            item.and_then(|()| if number % 2 == 1 { Err(refusal()) } else { Ok((number, 10 * number)) })
        });
        let (items, inputs) = take_inputs(items.collect(), |both| both);
        assert_eq!(inputs, [0, 20, 40]);
        let items = hand_out(items, inputs.into_iter().map(u16::from).collect());
        let states: Vec<_> = items.iter().map(|item| (item.given.0, item.live().copied())).collect();
        assert_eq!(
            states,
            [(0, Some((0, Some(0)))), (1, None), (2, Some((2, Some(20)))), (3, None), (4, Some((4, Some(40))))]
        );
    }
}
