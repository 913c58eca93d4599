//! What was measured: counts that add up, latencies in histograms, and both over time.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use tumar::timings::{Phase, Timings};

use super::mix::Action;

/// Bins over time, at most.
const MOST_BINS: u32 = 240;
/// The longest latency that is told from longer ones: two minutes, in microseconds.
const LONGEST: u64 = 120_000_000;

/// Which arrivals count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// What is due before this is not counted.
    pub(super) warm_up: Duration,
    /// From then on, until no more arrivals are due.
    pub(super) length: Duration,
}

impl Window {
    /// How long a bin over time is: whole seconds.
    pub(super) fn bin(self) -> Duration {
        let seconds = self.length.as_secs().div_ceil(u64::from(MOST_BINS));
        Duration::from_secs(seconds.max(1))
    }

    /// How many bins arrivals are due in.
    pub(super) fn bins(self) -> usize {
        let bins = self.length.as_millis().div_ceil(self.bin().as_millis());
        usize::try_from(bins).unwrap_or(usize::MAX)
    }

    /// In which bin a time since the warm-up lies.
    fn bin_of(self, time: Duration) -> usize {
        usize::try_from(time.as_secs() / self.bin().as_secs()).unwrap_or(usize::MAX)
    }
}

/// Latencies of answered calls: whole microseconds, to so many digits.
#[derive(Clone, Debug)]
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    fn new(digits: u8) -> Self {
        Self(Histogram::new_with_max(LONGEST, digits).expect("the longest is above 2, and digits are one to five"))
    }

    fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LONGEST);
        self.0.saturating_record(micros.clamp(1, LONGEST));
    }

    /// Milliseconds that this part of all latencies stays within; nothing if there are none.
    pub(super) fn quantile(&self, part: f64) -> Option<f64> {
        let micros = self.0.value_at_quantile(part).min(self.0.max());
        (!self.0.is_empty()).then(|| float(micros) / 1000.0)
    }

    /// The longest, in milliseconds.
    pub(super) fn max(&self) -> Option<f64> {
        self.quantile(1.0)
    }

    /// How many are at most this long.
    fn within(&self, bound: Duration) -> u64 {
        let micros = u64::try_from(bound.as_micros()).unwrap_or(LONGEST);
        if self.0.is_empty() { 0 } else { self.0.count_between(0, micros.min(LONGEST)) }
    }
}

/// Arrivals and what became of them: `offered = answered + errors`, once all have ended.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    pub(super) offered: u64,
    pub(super) answered: u64,
    pub(super) errors: u64,
    pub(super) latencies: Latencies,
}

impl Counts {
    fn new(digits: u8) -> Self {
        Self { offered: 0, answered: 0, errors: 0, latencies: Latencies::new(digits) }
    }

    fn answered(&mut self, latency: Duration) {
        self.answered += 1;
        self.latencies.record(latency);
    }
}

/// One stretch of time. Arrivals are counted where they were due, with their answers and errors.
#[derive(Clone, Debug)]
pub(super) struct Bin {
    pub(super) counts: Counts,
    /// Answers that came in this stretch, whenever they were due.
    pub(super) came: u64,
}

/// Attempts of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) answered: u64,
    pub(super) matches: u64,
}

/// An opened bit, and what it must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    /// Whether the person was there, and not another in their name.
    pub(super) genuine: bool,
    pub(super) matched: bool,
    /// The plain comparison's.
    pub(super) expected: bool,
}

/// What an answer says, and whether it is right.
#[derive(Clone, Copy, Debug)]
pub(super) enum Says {
    /// No more than that it is done.
    Done,
    Bit(Verdict),
    /// The people whom a search named.
    Names {
        /// Whether these are the plain comparison's.
        right: bool,
    },
}

/// An answer whose receipts hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) says: Says,
    /// By the leader's account.
    pub(super) timings: Timings,
}

/// Of each phase that the leader tells of, and of what is left: the way there and back, and what the client does.
const PHASES: usize = Phase::ALL.len() + 1;

/// Where the time of one kind of call goes.
#[derive(Clone, Debug)]
pub(super) struct Phases([Latencies; PHASES]);

impl Phases {
    fn new() -> Self {
        Self(std::array::from_fn(|_| Latencies::new(2)))
    }

    fn record(&mut self, latency: Duration, timings: &Timings) {
        let mut left = latency;
        for (phase, took) in timings.iter() {
            self.0[phase as usize].record(took);
            left = left.saturating_sub(took);
        }
        // A leader that tells nothing leaves nothing to compare with.
        if timings.iter().next().is_some() {
            self.0[PHASES - 1].record(left);
        }
    }

    /// Those that happened, in order: name, and how long.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Latencies)> {
        let names = Phase::ALL.iter().map(|phase| phase.as_str()).chain(["elsewhere"]);
        names.zip(&self.0).filter(|(_, latencies)| latencies.max().is_some())
    }
}

/// All of one measurement.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) window: Window,
    pub(super) all: Counts,
    /// In the order of [`Action::ALL`].
    pub(super) actions: [Counts; Action::ALL.len()],
    pub(super) phases: [Phases; Action::ALL.len()],
    /// Errors by reason code.
    pub(super) reasons: BTreeMap<String, u64>,
    pub(super) bins: Vec<Bin>,
    pub(super) genuine: Tally,
    pub(super) impostor: Tally,
    /// Answers other than the plain comparison's, the warm-up's too.
    pub(super) wrong_bits: u64,
    /// Searches that named others than the plain comparison's, the warm-up's too.
    pub(super) wrong_searches: u64,
    /// When the last answer came, since the warm-up.
    last: Duration,
}

impl Figures {
    pub(super) fn new(window: Window) -> Self {
        Self {
            window,
            all: Counts::new(3),
            actions: Action::ALL.map(|_| Counts::new(3)),
            phases: Action::ALL.map(|_| Phases::new()),
            reasons: BTreeMap::new(),
            bins: Vec::new(),
            genuine: Tally::default(),
            impostor: Tally::default(),
            wrong_bits: 0,
            wrong_searches: 0,
            last: Duration::ZERO,
        }
    }

    fn bin(&mut self, time: Duration) -> &mut Bin {
        let place = self.window.bin_of(time);
        while self.bins.len() <= place {
            self.bins.push(Bin { counts: Counts::new(2), came: 0 });
        }
        &mut self.bins[place]
    }

    /// An arrival that is due then, since the beginning.
    pub(super) fn offered(&mut self, due: Duration, action: Action) {
        let Some(time) = due.checked_sub(self.window.warm_up) else { return };
        self.all.offered += 1;
        self.actions[action as usize].offered += 1;
        self.bin(time).counts.offered += 1;
    }

    /// Its answer.
    pub(super) fn answered(&mut self, due: Duration, latency: Duration, action: Action, answer: &Answer) {
        match answer.says {
            Says::Done => {}
            Says::Bit(verdict) => self.wrong_bits += u64::from(verdict.matched != verdict.expected),
            Says::Names { right } => self.wrong_searches += u64::from(!right),
        }
        let Some(time) = due.checked_sub(self.window.warm_up) else { return };
        self.all.answered(latency);
        self.actions[action as usize].answered(latency);
        self.phases[action as usize].record(latency, &answer.timings);
        self.bin(time).counts.answered(latency);
        self.bin(time + latency).came += 1;
        self.last = self.last.max(time + latency);
        if let Says::Bit(Verdict { genuine, matched, .. }) = answer.says {
            let tally = if genuine { &mut self.genuine } else { &mut self.impostor };
            tally.answered += 1;
            tally.matches += u64::from(matched);
        }
    }

    /// There is no answer, or none to believe.
    pub(super) fn failed(&mut self, due: Duration, action: Action, reason: &str) {
        let Some(time) = due.checked_sub(self.window.warm_up) else { return };
        self.all.errors += 1;
        self.actions[action as usize].errors += 1;
        self.bin(time).counts.errors += 1;
        *self.reasons.entry(reason.to_owned()).or_default() += 1;
    }

    /// Answers other than the plain comparison's.
    pub(super) const fn wrong(&self) -> u64 {
        self.wrong_bits + self.wrong_searches
    }

    /// Answers a second, from the end of the warm-up to the last answer, or to `now` while it still runs.
    pub(super) fn achieved(&self, now: Option<Duration>) -> f64 {
        let until = now.map_or(self.last.max(self.window.length), |now| now.saturating_sub(self.window.warm_up));
        if until.is_zero() { 0.0 } else { float(self.all.answered) / until.as_secs_f64() }
    }

    /// Whether 99 % of all arrivals were answered within the bound: an error is an answer that never came.
    pub(super) fn holds(&self, bound: Duration) -> bool {
        self.all.offered > 0 && self.all.latencies.within(bound) * 100 >= self.all.offered * 99
    }
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts and microseconds stay far below 2^52")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    const DONE: Answer = Answer { says: Says::Done, timings: Timings::NONE };

    fn figures() -> Figures {
        Figures::new(Window { warm_up: millis(1000), length: millis(10_000) })
    }

    #[test]
    fn quantiles_are_the_latencies_of_the_ranks_to_three_digits() {
        let mut figures = figures();
        for place in 1..=1000 {
            figures.offered(millis(1000 + place), Action::Verify);
            figures.answered(millis(1000 + place), millis(place), Action::Verify, &DONE);
        }
        for (part, wanted) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let found = figures.all.latencies.quantile(part).unwrap();
            assert!((found - wanted).abs() <= wanted / 1000.0 + 0.001, "{part}: {found}");
        }
        assert_eq!(figures.actions[1].latencies.quantile(0.5), None, "nothing has no median");
        assert!(figures.holds(millis(995)) && !figures.holds(millis(980)));
    }

    #[test]
    fn the_warm_up_is_not_counted_but_for_its_wrong_bits() {
        let mut figures = figures();
        let verdict = Verdict { genuine: true, matched: false, expected: true };
        let wrong = Answer { says: Says::Bit(verdict), ..DONE };
        for due in [millis(999), millis(1000)] {
            figures.offered(due, Action::Verify);
            figures.answered(due, millis(5), Action::Verify, &wrong);
            figures.answered(due, millis(5), Action::Search, &Answer { says: Says::Names { right: false }, ..DONE });
            figures.failed(due, Action::Enroll, "OVERLOADED");
        }
        assert_eq!((figures.all.offered, figures.all.answered, figures.all.errors), (1, 2, 1));
        assert_eq!((figures.wrong_bits, figures.wrong_searches, figures.wrong()), (2, 2, 4));
        assert_eq!((figures.wrong_bits, figures.genuine.answered, figures.reasons["OVERLOADED"]), (2, 1, 1));
    }

    #[test]
    fn an_answer_is_counted_where_it_was_due_and_comes_where_it_came() {
        let mut figures = figures();
        figures.offered(millis(1500), Action::Enroll);
        figures.answered(millis(1500), millis(12_000), Action::Enroll, &DONE);
        assert_eq!((figures.bins[0].counts.answered, figures.bins[0].came, figures.bins[12].came), (1, 0, 1));
        // 12.5 s after the warm-up, and so longer than arrivals were due.
        assert!((figures.achieved(None) - 1.0 / 12.5).abs() < 1e-9);
        assert!((figures.achieved(Some(millis(3000))) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn what_the_leader_does_not_tell_of_is_elsewhere() {
        let mut figures = figures();
        let timings = Timings::parse("token;dur=1, compare;dur=5");
        figures.answered(millis(1500), millis(10), Action::Verify, &Answer { timings, ..DONE });
        figures.answered(millis(1500), millis(10), Action::Enroll, &DONE);
        let [verify, enroll, _] = &figures.phases;
        let told: Vec<_> = verify.iter().map(|(name, took)| (name, took.max().unwrap().round())).collect();
        assert_eq!(told, [("token", 1.0), ("compare", 5.0), ("elsewhere", 4.0)]);
        assert_eq!(enroll.iter().count(), 0);
    }

    #[test]
    fn an_error_is_an_answer_that_never_came() {
        let mut figures = figures();
        for place in 0..200 {
            figures.offered(millis(1000 + place), Action::Verify);
            if place < 198 {
                figures.answered(millis(1000 + place), millis(1), Action::Verify, &DONE);
            } else {
                figures.failed(millis(1000 + place), Action::Verify, "SHED");
            }
        }
        assert!(figures.holds(millis(10)), "one in a hundred may");
        figures.offered(millis(1300), Action::Verify);
        figures.failed(millis(1300), Action::Verify, "SHED");
        assert!(!figures.holds(millis(10)));
    }

    #[test]
    fn long_runs_have_longer_bins() {
        let bin = |seconds| Window { warm_up: Duration::ZERO, length: Duration::from_secs(seconds) }.bin().as_secs();
        assert_eq!([1, 240, 241, 600, 3600].map(bin), [1, 1, 2, 3, 15]);
        let bins = |millis| Window { warm_up: Duration::ZERO, length: Duration::from_millis(millis) }.bins();
        assert_eq!([500, 1000, 1001, 240_000, 241_000].map(bins), [1, 1, 2, 240, 121]);
    }
}
