//! Who waits at the leader for the requests of a batch. Whoever is refused is answered at once, and is nobody's audience from then on.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::lead::Answered;
use super::refusal::Refusal;
use super::stopwatch::Stopwatch;
use crate::request::Progress;

/// One who waits.
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
}

/// All who wait, by the place of their request in the batch. Nobody at a helper.
#[derive(Default)]
pub(super) struct Audience(Vec<Option<Waiter>>);

impl Audience {
    /// One more, for the next place.
    pub(super) fn join(&mut self, waiter: Waiter) {
        self.0.push(Some(waiter));
    }

    /// Answers who waits for a place, unless that was done before.
    pub(super) fn answer(&mut self, place: usize, answer: Result<Answered, Refusal>) {
        if let Some(waiter) = self.0.get_mut(place).and_then(Option::take) {
            waiter.answer(answer);
        }
    }

    /// The progress of all who still wait.
    pub(super) fn watchers(&self) -> Vec<watch::Sender<Progress>> {
        self.0.iter().flatten().map(|waiter| waiter.watch.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::entry::Reason;
    use crate::party::Party;

    #[tokio::test]
    async fn who_is_refused_hears_so_at_once_and_watches_nobody() {
        let mut audience = Audience::default();
        let mut waits = Vec::new();
        for _ in 0..2 {
            let (reply, answer) = oneshot::channel();
            let (watch, progress) = watch::channel(Progress::default());
            audience.join(Waiter { reply, watch, stopwatch: Arc::new(Stopwatch::new()) });
            waits.push((answer, progress));
        }
        let refusal = Refusal::new(Party::B, const { Reason::fixed("SUBJECT_UNKNOWN") });
        audience.answer(0, Err(refusal));
        let (mut other, others_progress) = waits.pop().unwrap();
        let (refused, mut progress) = waits.pop().unwrap();
        assert_eq!(refused.await.unwrap().unwrap_err().node, Party::B);
        // Nothing holds its progress any more: it hears of nobody else's, and its end is no matter to the run.
        assert!(progress.changed().await.is_err());
        let watchers = audience.watchers();
        assert_eq!(watchers.len(), 1);
        watchers[0].send_replace(Progress { blocks_done: 1, blocks: 2 });
        assert_eq!(others_progress.borrow().blocks_done, 1);
        assert!(other.try_recv().is_err(), "the other one waits");
        drop(others_progress);
        watchers[0].closed().await;
    }
}
