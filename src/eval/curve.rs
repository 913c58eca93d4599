//! One comparator on one set of people: its rates, their intervals, and what is drawn of them.

use serde::Serialize;

use super::bootstrap::{Interval, replicates};
use super::rates::{Level, Rates, Summary, Support, TARGETS, Totals, summarise, trade_off};
use super::scores::{Scores, Unit};

/// Bars of a histogram.
const BARS: u32 = 90;
/// Most points of a drawn trade-off.
const POINTS: usize = 600;

/// How intervals are found.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Resampling {
    /// How often people are drawn anew.
    pub replicates: usize,
    /// Where the draws begin.
    pub seed: u64,
}

/// A rate, and where another draw of people would have put it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Estimate {
    /// On the set as it is.
    pub value: f64,
    /// 95 %; `None` where too few replicates could tell.
    pub interval: Option<Interval>,
}

/// The comparator at a target false match rate.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// The target.
    pub target: f64,
    /// The least level whose FMR is at most the target.
    pub level: i32,
    /// The same for a table of models: scores above it match, scores at it do not. In the curve's unit, four digits or five.
    pub threshold: f64,
    /// FMR at this threshold. Its interval is that of this fixed threshold.
    pub fmr: Estimate,
    /// FNMR at the target. Its interval is that of the whole procedure: each replicate sets its threshold anew.
    pub fnmr: Estimate,
    /// Whether there are enough impostors for the target.
    pub support: Support,
}

/// Shares of pairs by score: both lists have as many bars as lie between the ends.
#[derive(Clone, Debug, Serialize)]
pub struct Bars {
    /// Left edge of the first bar, in the curve's unit.
    pub from: f64,
    /// Width of a bar.
    pub width: f64,
    /// Share of the genuine pairs in each.
    pub genuine: Vec<f64>,
    /// Share of the impostor pairs in each.
    pub impostor: Vec<f64>,
}

/// A sample that gave no template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoTemplate {
    /// Which: its file, with the row if it has several.
    pub sample: String,
    /// Why.
    pub why: String,
}

/// All that a report says of one comparator.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// What compares: `fr512`.
    pub name: String,
    /// What a score is.
    pub unit: &'static str,
    /// People (fingers, for fingerprints).
    pub people: usize,
    /// Databases, which are not compared with each other.
    pub sets: usize,
    /// Samples that gave a template.
    pub samples: usize,
    /// Samples that gave none: failures to enrol, which no other rate counts.
    pub failures: usize,
    /// Genuine comparisons.
    pub genuine: u64,
    /// Impostor comparisons.
    pub impostor: u64,
    /// Equal error rate.
    pub eer: Option<Estimate>,
    /// The targets that the set could be read at.
    pub points: Vec<Point>,
    /// FMR and FNMR of the trade-off, thinned for drawing.
    pub det: Vec<(f64, f64)>,
    /// The scores.
    pub histogram: Bars,
}

impl Curve {
    /// Measures scores, with `failures` samples that gave no template.
    #[must_use]
    pub fn measure(name: impl Into<String>, unit: Unit, scores: &Scores, failures: usize, by: Resampling) -> Self {
        let levels = levels(scores);
        let totals = Totals { genuine: scores.genuine().len() as u64, impostor: scores.impostor().total() };
        let rates: Vec<Rates> = trade_off(levels.iter().copied(), totals).collect();
        let plain = summarise(rates.iter().copied(), [None; 4]);
        let fixed = plain.at.map(|at| at.map(|rates| rates.threshold));
        let replicates = replicates(scores, fixed, by.replicates, by.seed);
        let crowd = scores.crowd();
        let independent = crowd.independent();
        Self {
            name: name.into(),
            unit: unit.name,
            people: crowd.people(),
            sets: crowd.sets(),
            samples: crowd.samples(),
            failures,
            genuine: totals.genuine,
            impostor: totals.impostor,
            eer: plain.eer.map(|value| estimate(value, independent.genuine, &replicates, |summary| summary.eer)),
            points: points(unit, &plain, [totals, independent], &replicates),
            det: thinned(&rates),
            histogram: bars(unit, &levels, totals),
        }
    }
}

/// Where no error was seen, no draw of the same people can show one: then the upper end is the rule of 3's, for so many
/// `independent` trials.
pub(super) fn estimate(
    value: f64,
    independent: u64,
    replicates: &[Summary],
    of: impl Fn(&Summary) -> Option<f64>,
) -> Estimate {
    let mut interval = Interval::of(replicates.iter().map(of));
    if let Some(interval) = interval.as_mut().filter(|_| value <= 0.0) {
        #[expect(clippy::cast_precision_loss, reason = "a count of people or of pairs of them")]
        let unseen = (3.0 / independent.max(1) as f64).min(1.0);
        interval.high = interval.high.max(unseen);
    }
    Estimate { value, interval }
}

fn points(unit: Unit, plain: &Summary, [totals, independent]: [Totals; 2], replicates: &[Summary]) -> Vec<Point> {
    let at = plain.at.iter().zip(TARGETS).enumerate();
    at.filter_map(|(place, (rates, target))| {
        let Rates { threshold, fmr, fnmr } = (*rates)?;
        Some(Point {
            target,
            level: threshold,
            threshold: above(unit, threshold),
            fmr: estimate(fmr, independent.impostor, replicates, |summary| summary.fixed[place].map(|rates| rates.fmr)),
            fnmr: estimate(fnmr, independent.genuine, replicates, |summary| summary.at[place].map(|rates| rates.fnmr)),
            support: Support::of(target, totals.impostor),
        })
    })
    .collect()
}

/// The number with the fewest decimals that separates this level from the one below: `level` is the first above it.
#[must_use]
pub fn above(unit: Unit, level: i32) -> f64 {
    let (below, at) = (unit.value(level - 1), unit.value(level));
    (2..9)
        .map(|digits| {
            let scale = 10_f64.powi(digits);
            (below * scale - 1e-6).ceil() / scale
        })
        .find(|number| *number < at)
        .unwrap_or(below)
}

/// Genuine and impostor counts by level, the highest first.
fn levels(scores: &Scores) -> Vec<Level> {
    let mut impostor = scores.impostor().descending().peekable();
    let mut genuine = scores.genuine().chunk_by(|a, b| a.level == b.level).peekable();
    let mut all = Vec::new();
    loop {
        let level = match (genuine.peek().map(|same| same[0].level), impostor.peek().map(|(level, _)| *level)) {
            (Some(one), Some(other)) => one.max(other),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return all,
        };
        all.push(Level {
            level,
            genuine: genuine.next_if(|same| same[0].level == level).map_or(0, |same| same.len() as u64),
            impostor: impostor.next_if(|(other, _)| *other == level).map_or(0, |(_, count)| count),
        });
    }
}

/// Points where a drawn line would change: where FNMR has moved by a thousandth of itself, or FMR has.
fn thinned(rates: &[Rates]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let corners: Vec<&Rates> = rates.iter().filter(|rates| rates.fmr > 0.0 && rates.fnmr > 0.0).collect();
    // Even steps of the logarithm of FMR, which is the longer axis.
    let span = corners.last().zip(corners.first()).map_or(0.0, |(last, first)| (last.fmr / first.fmr).ln());
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let step = span / POINTS as f64;
    let mut next = f64::MIN;
    for (place, corner) in corners.iter().enumerate() {
        if corner.fmr.ln() >= next || place + 1 == corners.len() {
            kept.push((corner.fmr, corner.fnmr));
            next = corner.fmr.ln() + step;
        }
    }
    kept
}

fn bars(unit: Unit, levels: &[Level], totals: Totals) -> Bars {
    let (Some(highest), Some(lowest)) = (levels.first(), levels.last()) else {
        return Bars { from: 0.0, width: 1.0, genuine: Vec::new(), impostor: Vec::new() };
    };
    let count = highest.level.abs_diff(lowest.level) + 1;
    // Whole levels to a bar: a bar with more levels than its neighbour would stand out.
    let each = count.div_ceil(BARS);
    let mut found = vec![(0_u64, 0_u64); count.div_ceil(each) as usize];
    for level in levels {
        let bar = &mut found[(level.level.abs_diff(lowest.level) / each) as usize];
        *bar = (bar.0 + level.genuine, bar.1 + level.impostor);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of pairs, far below 2^52")]
    let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    Bars {
        from: unit.value(lowest.level),
        width: f64::from(each) / unit.levels,
        genuine: found.iter().map(|bar| share(bar.0, totals.genuine)).collect(),
        impostor: found.iter().map(|bar| share(bar.1, totals.impostor)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::crowd::Crowd;

    const COSINE: Unit = Unit { name: "cosine", levels: 3072.0 };

    #[test]
    fn a_threshold_has_the_fewest_decimals_that_name_its_level_and_no_other() {
        for level in 1..3072 {
            let threshold = above(COSINE, level);
            #[expect(clippy::cast_possible_truncation, reason = "at most 3072")]
            let first_above = (threshold * 3072.0).floor() as i32 + 1;
            assert_eq!(first_above, level, "{threshold}");
            assert!(threshold.to_string().len() <= 6, "{threshold}");
        }
        let sets = Unit { name: "T", levels: 1e5 };
        assert_eq!([above(sets, 4441), above(sets, 12_481)].map(|t| t.to_string()), ["0.0444", "0.1248"]);
    }

    #[test]
    fn a_curve_of_a_small_set_holds_what_can_be_counted_by_hand() {
        // Two people with two samples each; the score is the product of the samples' numbers.
        let numbers = [3, 5, 7, 2];
        let crowd = Crowd::of([("", "a"), ("", "a"), ("", "b"), ("", "b")]);
        let scores = Scores::of_all_pairs(crowd, |a, b| numbers[a] * numbers[b], |_| ());
        let unit = Unit { name: "product", levels: 1.0 };
        let curve = Curve::measure("toy", unit, &scores, 3, Resampling { replicates: 20, seed: 1 });
        // Genuine 15 and 14; impostors 21, 6, 35, 10.
        assert_eq!((curve.people, curve.samples, curve.failures, curve.genuine, curve.impostor), (2, 4, 3, 2, 4));
        // Every target allows no impostor at all.
        assert!(curve.points.iter().all(|point| (point.level, point.fnmr.value) == (36, 1.0)));
        assert!(curve.points.iter().all(|point| point.support == Support::Unsupported));
        assert!((curve.eer.unwrap().value - 0.5).abs() < 1e-12);
        assert!((curve.histogram.genuine.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((curve.histogram.impostor.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(curve.histogram.genuine.len(), 30);
    }

    #[test]
    fn a_set_without_pairs_has_a_curve_without_points() {
        let scores = Scores::of_all_pairs(Crowd::of([("", "a")]), |_, _| 0, |_| ());
        let curve = Curve::measure("nobody", COSINE, &scores, 0, Resampling { replicates: 20, seed: 1 });
        assert!(curve.eer.is_none() && curve.points.is_empty() && curve.det.is_empty());
    }
}
