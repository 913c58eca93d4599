//! Error rates of a comparator, in the terms of ISO/IEC 19795-1.
//!
//! A pair matches when its level is at least the threshold. FMR is the share of impostor comparisons that match, FNMR the share
//! of genuine comparisons that do not. *At FMR x* means: at the least threshold whose FMR is at most x.

/// Target false match rates, the most lenient first.
pub const TARGETS: [f64; 4] = [1e-2, 1e-3, 1e-4, 1e-5];

/// How often a level came up on either side. Counts of pairs, or of pairs weighed by their people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The score.
    pub level: i32,
    /// Genuine comparisons.
    pub genuine: u64,
    /// Impostor comparisons.
    pub impostor: u64,
}

/// What an evaluation divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Genuine comparisons.
    pub genuine: u64,
    /// Impostor comparisons.
    pub impostor: u64,
}

/// FMR and FNMR at one threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// The least level that matches.
    pub threshold: i32,
    /// Share of impostors that match.
    pub fmr: f64,
    /// Share of genuine ones that do not.
    pub fnmr: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of pairs, far below 2^52")]
fn share(part: u64, of: u64) -> f64 {
    part as f64 / of as f64
}

/// The detection error trade-off: FMR and FNMR at every threshold where one of them changes, the strictest first.
///
/// `levels` come highest first and need not go to the end: rates at each threshold depend on what is above it only. The first
/// point is a threshold above all scores: no match at all.
pub fn trade_off(levels: impl IntoIterator<Item = Level>, totals: Totals) -> impl Iterator<Item = Rates> {
    let mut levels = levels.into_iter().peekable();
    let above = levels.peek().map_or(0, |highest| highest.level + 1);
    let mut matched = Totals { genuine: 0, impostor: 0 };
    let points = levels.map(move |Level { level, genuine, impostor }| {
        matched.genuine += genuine;
        matched.impostor += impostor;
        let fnmr = 1.0 - share(matched.genuine, totals.genuine);
        Rates { threshold: level, fmr: share(matched.impostor, totals.impostor), fnmr }
    });
    std::iter::once(Rates { threshold: above, fmr: 0.0, fnmr: 1.0 }).chain(points)
}

/// What is read off a trade-off. `None` where it ends too early.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Equal error rate: the mean of FMR and FNMR at the threshold where they are nearest to each other.
    pub eer: Option<f64>,
    /// The rates at each of [`TARGETS`].
    pub at: [Option<Rates>; 4],
    /// The rates at thresholds that were given.
    pub fixed: [Option<Rates>; 4],
}

/// Reads a trade-off once, from its strict end.
///
/// `fixed` are thresholds to read the rates at, in rising order of FMR (so falling); `None` is passed over.
pub fn summarise(points: impl Iterator<Item = Rates>, fixed: [Option<i32>; 4]) -> Summary {
    let mut summary = Summary::default();
    let mut last: Option<Rates> = None;
    for point in points {
        if let Some(last) = last {
            if summary.eer.is_none() && point.fmr >= point.fnmr {
                let nearest = if point.fmr - point.fnmr <= last.fnmr - last.fmr { point } else { last };
                summary.eer = Some(f64::midpoint(nearest.fmr, nearest.fnmr));
            }
            for (at, target) in summary.at.iter_mut().zip(TARGETS) {
                if at.is_none() && point.fmr > target {
                    // Every level above this point's passes: the least threshold is the next whole one.
                    *at = Some(Rates { threshold: point.threshold + 1, ..last });
                }
            }
            for (read, threshold) in summary.fixed.iter_mut().zip(fixed) {
                if let Some(threshold) = threshold.filter(|threshold| read.is_none() && point.threshold < *threshold) {
                    *read = Some(Rates { threshold, ..last });
                }
            }
        }
        last = Some(point);
    }
    summary
}

/// How well the number of comparisons supports a rate, were they all independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// At least 30 false matches are expected: within 30 % at 90 % confidence (Doddington's rule of 30).
    Thirty,
    /// Fewer than 30 are expected: the order of magnitude is known, no more.
    Few,
    /// Fewer than 3 are expected: none at all would be no evidence at 95 % (rule of 3).
    Unsupported,
}

impl Support {
    /// Of a rate by so many comparisons.
    #[must_use]
    pub fn of(rate: f64, comparisons: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a count of pairs, far below 2^52")]
        let expected = rate * comparisons as f64;
        match expected {
            _ if expected >= 30.0 => Self::Thirty,
            _ if expected >= 3.0 => Self::Few,
            _ => Self::Unsupported,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(list: &[(i32, u64, u64)]) -> (Vec<Level>, Totals) {
        let levels: Vec<Level> =
            list.iter().map(|&(level, genuine, impostor)| Level { level, genuine, impostor }).collect();
        let sum = |of: fn(&Level) -> u64| levels.iter().map(of).sum();
        let totals = Totals { genuine: sum(|l| l.genuine), impostor: sum(|l| l.impostor) };
        (levels, totals)
    }

    fn summary(list: &[(i32, u64, u64)], fixed: [Option<i32>; 4]) -> Summary {
        let (levels, totals) = levels(list);
        summarise(trade_off(levels, totals), fixed)
    }

    #[test]
    fn ten_genuine_and_a_thousand_impostors_give_the_rates_counted_by_hand() {
        // From 50 on: 5 genuine. From 40 on: 8 genuine, 1 impostor. From 30 on: 9 and 11. From 20 on: 10 and 100.
        let list = [(50, 5, 0), (40, 3, 1), (30, 1, 10), (20, 1, 89), (10, 0, 900)];
        let summary = summary(&list, [Some(40), Some(39), None, Some(15)]);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        let at = |place: usize| summary.at[place].unwrap();
        // 1e-2 allows 10: the 11 from 30 on are too many, so 31 is the least threshold, which 8 genuine pass.
        assert_eq!(at(0).threshold, 31);
        close(at(0).fmr, 0.001);
        close(at(0).fnmr, 0.2);
        // 1e-3 allows exactly one.
        assert_eq!(at(1).threshold, 31);
        // Below, none.
        assert_eq!((at(2).threshold, at(2).fmr), (41, 0.0));
        close(at(3).fnmr, 0.5);
        assert_eq!(summary.fixed[0].unwrap(), Rates { threshold: 40, ..at(0) });
        assert_eq!(summary.fixed[1].unwrap(), Rates { threshold: 39, ..at(0) });
        assert_eq!(summary.fixed[2], None);
        close(summary.fixed[3].unwrap().fmr, 0.1);
        // From 30 on they are .011 and .1, from 20 on .1 and 0: nearer in the former.
        close(summary.eer.unwrap(), 0.0555);
    }

    #[test]
    fn ties_pass_together_or_not_at_all() {
        let summary = summary(&[(7, 50, 50), (6, 50, 50)], [None; 4]);
        assert_eq!(summary.at.map(|rates| rates.unwrap().threshold), [8; 4]);
        assert_eq!(summary.eer, Some(0.5));
    }

    #[test]
    fn a_perfect_comparator_has_no_errors_and_one_upside_down_has_nothing_else() {
        let perfect = summary(&[(9, 4, 0), (1, 0, 4)], [None; 4]);
        assert_eq!(perfect.eer, Some(0.0));
        assert_eq!(perfect.at[3], Some(Rates { threshold: 2, fmr: 0.0, fnmr: 0.0 }));
        assert_eq!(summary(&[(9, 0, 4), (1, 4, 0)], [None; 4]).eer, Some(1.0));
    }

    #[test]
    fn nothing_gives_nothing() {
        let nothing = summarise(trade_off([], Totals { genuine: 0, impostor: 0 }), [Some(1); 4]);
        assert_eq!(nothing, Summary::default());
    }

    #[test]
    fn rates_are_supported_by_the_errors_that_can_be_expected() {
        let of = |rate| Support::of(rate, 300_000);
        assert_eq!(TARGETS.map(of), [Support::Thirty, Support::Thirty, Support::Thirty, Support::Few]);
        assert_eq!(Support::of(1e-5, 299_999), Support::Unsupported);
    }
}
