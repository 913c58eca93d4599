//! Arrivals that never wait for answers.
//!
//! ```text
//! schedule   |     |     |     |     |      due times, fixed before anything is answered
//! calls      [===]  [==========]  ...       each a task of its own, as many at once as it takes
//! latency    from the due time to the checked answer, so that what a slow answer holds up is counted too
//! ```

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tumar::eval::draw::Draw;

/// How arrivals are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Arrivals {
    /// At even distances
    Even,
    /// At random, independent of each other
    Poisson,
}

/// When arrivals are due, counted from the beginning.
pub(super) struct Schedule {
    arrivals: Arrivals,
    /// A second.
    rate: f64,
    until: f64,
    draw: Draw,
    count: u32,
    last: f64,
}

impl Schedule {
    /// From 0 to `until`.
    pub(super) fn new(arrivals: Arrivals, rate: f64, until: Duration, seed: u64) -> Self {
        Self { arrivals, rate, until: until.as_secs_f64(), draw: Draw::from_seed(seed), count: 0, last: 0.0 }
    }

    /// Above 0, at most 1.
    fn fraction(&mut self) -> f64 {
        let [high, low] = [32, 0].map({
            let word = self.draw.word();
            move |shift| u32::try_from((word >> shift) & 0xffff_ffff).unwrap_or_default()
        });
        (f64::from(high) + (f64::from(low) + 1.0) / 4_294_967_296.0) / 4_294_967_296.0
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.last = match self.arrivals {
            // From the count, so that rounding does not add up.
            Arrivals::Even => f64::from(self.count) / self.rate,
            Arrivals::Poisson => self.last - self.fraction().ln() / self.rate,
        };
        self.count = self.count.checked_add(1)?;
        (self.last < self.until).then(|| Duration::from_secs_f64(self.last))
    }
}

/// What arrives. Each arrival is either started and ends, or is shed.
pub(super) trait Traffic: Send + Sync + 'static {
    /// What comes of a call.
    type Answer: Send;

    /// Makes the call of the arrival that was due then.
    fn start(self: &Arc<Self>, due: Duration) -> impl Future<Output = Self::Answer> + Send + 'static;

    /// The call of that arrival ended, so long after it was due.
    fn ended(&self, due: Duration, latency: Duration, answer: Self::Answer);

    /// As many calls as may be were under way when it was due, so it was not made.
    fn shed(&self, due: Duration);
}

/// Runs the whole schedule, with at most `most` calls under way, and waits for the last answer.
pub(super) async fn run<T: Traffic>(schedule: impl Iterator<Item = Duration>, most: usize, traffic: &Arc<T>) {
    let begin = Instant::now();
    let places = Arc::new(Semaphore::new(most));
    let mut calls = JoinSet::new();
    for due in schedule {
        let instant = begin + due;
        sleep_until(instant).await;
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            traffic.shed(due);
            continue;
        };
        let (traffic, call) = (Arc::clone(traffic), traffic.start(due));
        calls.spawn(async move {
            let answer = call.await;
            traffic.ended(due, instant.elapsed(), answer);
            drop(place);
        });
        while let Some(joined) = calls.try_join_next() {
            expect_no_panic(joined);
        }
    }
    while let Some(joined) = calls.join_next().await {
        expect_no_panic(joined);
    }
}

/// A call that panicked is no answer and no error: the counts would no longer add up.
fn expect_no_panic(joined: Result<(), JoinError>) {
    if let Err(error) = joined
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn even_arrivals_do_not_drift() {
        let due: Vec<Duration> = Schedule::new(Arrivals::Even, 3.0, Duration::from_secs(1000), 1).collect();
        assert_eq!(due.len(), 3000);
        assert_eq!((due[0], due[3], due[2997]), (Duration::ZERO, Duration::from_secs(1), Duration::from_secs(999)));
    }

    #[test]
    fn random_arrivals_have_the_rate_and_the_spread_of_a_poisson_process() {
        let due: Vec<f64> =
            Schedule::new(Arrivals::Poisson, 50.0, Duration::from_secs(400), 7).map(|due| due.as_secs_f64()).collect();
        assert!((19_400..20_600).contains(&due.len()), "{}", due.len());
        let longer = due.windows(2).filter(|pair| pair[1] - pair[0] > 0.02).count();
        // Of exponential gaps, e^-1 are longer than the mean.
        assert!((7_000..7_720).contains(&longer), "{longer}");
        let again = Schedule::new(Arrivals::Poisson, 50.0, Duration::from_secs(400), 7).next().unwrap();
        assert!((again.as_secs_f64() - due[0]).abs() < 1e-9, "a seed gives the same again");
    }

    /// Answers nothing before `opens`, and then at once.
    #[derive(Default)]
    struct Stalled {
        opens: Duration,
        latencies: Mutex<Vec<(Duration, Duration)>>,
        shed: Mutex<Vec<Duration>>,
    }

    impl Traffic for Stalled {
        type Answer = ();

        fn start(self: &Arc<Self>, due: Duration) -> impl Future<Output = ()> + Send + 'static {
            tokio::time::sleep(self.opens.saturating_sub(due))
        }

        fn ended(&self, due: Duration, latency: Duration, (): ()) {
            self.latencies.lock().unwrap().push((due, latency));
        }

        fn shed(&self, due: Duration) {
            self.shed.lock().unwrap().push(due);
        }
    }

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[tokio::test(start_paused = true)]
    async fn what_arrives_during_a_stall_is_counted_from_when_it_was_due() {
        let traffic = Arc::new(Stalled { opens: seconds(5), ..Stalled::default() });
        run(Schedule::new(Arrivals::Even, 1.0, seconds(8), 1), 100, &traffic).await;
        let mut latencies = traffic.latencies.lock().unwrap().clone();
        latencies.sort();
        let expected: Vec<_> = (0..8).map(|due| (seconds(due), seconds(5).saturating_sub(seconds(due)))).collect();
        assert_eq!(latencies, expected);
        assert!(traffic.shed.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_bound_arrivals_are_shed_and_told_of_and_the_rest_goes_on() {
        let traffic = Arc::new(Stalled { opens: Duration::from_millis(4500), ..Stalled::default() });
        run(Schedule::new(Arrivals::Even, 1.0, seconds(8), 1), 2, &traffic).await;
        assert_eq!(*traffic.shed.lock().unwrap(), [seconds(2), seconds(3), seconds(4)]);
        let mut ended: Vec<Duration> = traffic.latencies.lock().unwrap().iter().map(|(due, _)| *due).collect();
        ended.sort();
        assert_eq!(ended, [0, 1, 5, 6, 7].map(seconds));
    }
}
