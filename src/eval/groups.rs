//! Rates of each demographic group at one threshold for all, and how far apart they are (ISO/IEC 19795-10).
//!
//! ```text
//! labels with a column `group` --Groups::measure--> at each threshold: FMR and FNMR of each group, the worst ratio of two
//! ```
//!
//! A deployment has one threshold. An extractor that is blind to a group lets its members pass for each other there, and the rates
//! of everybody together may hardly show it. Comparisons are within a group: impostors of two groups are told apart more easily.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::bootstrap::replicates;
use super::crowd::Crowd;
use super::curve::{Estimate, Resampling, estimate};
use super::rates::Support;
use super::scores::Scores;
use super::text::{in_per_cent, sign};
use super::thresholds::Threshold;

/// All groups of a labelled set.
#[derive(Clone, Debug, Serialize)]
pub struct Groups {
    /// What compares: `fr512`.
    pub name: String,
    /// In the order of their names.
    pub groups: Vec<Group>,
    /// At each threshold.
    pub at: Vec<AtThreshold>,
}

/// One group.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// As the labels name it.
    pub name: String,
    /// People (fingers, for fingerprints).
    pub people: usize,
    /// Samples that gave a template.
    pub samples: usize,
    /// Genuine comparisons.
    pub genuine: u64,
    /// Impostor comparisons, of two of the group.
    pub impostor: u64,
}

/// All groups at one threshold.
#[derive(Clone, Debug, Serialize)]
pub struct AtThreshold {
    /// Which.
    pub threshold: Threshold,
    /// In the order of the groups.
    pub rates: Vec<GroupRates>,
    /// The worst ratio of two groups' false match rates; `None` where too few errors were seen to tell one.
    pub fmr_ratio: Option<Ratio>,
    /// The same of false non-match rates.
    pub fnmr_ratio: Option<Ratio>,
}

/// One group at one threshold.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct GroupRates {
    /// False match rate; `None` without impostor comparisons.
    pub fmr: Option<Estimate>,
    /// Whether there are comparisons enough for the threshold's target.
    pub support: Support,
    /// False non-match rate; `None` without genuine comparisons.
    pub fnmr: Option<Estimate>,
}

/// How much higher one group's rate is than another's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The higher rate over the lower one.
    pub value: f64,
    /// Whether no error was seen in the lower group: then the value is over the upper end of its interval.
    pub at_least: bool,
    /// The group with the higher rate.
    pub higher: String,
    /// The one with the lower.
    pub lower: String,
}

impl Ratio {
    /// The worst of any two groups; over nothing it is unknown, over an upper end it counts only if that is below the other rate.
    fn worst(groups: &[Group], rates: &[Option<Estimate>]) -> Option<Self> {
        let known = || groups.iter().zip(rates).filter_map(|(group, rate)| Some((group, (*rate)?)));
        let ratio = |higher: (&Group, Estimate), lower: (&Group, Estimate)| {
            let at_least = lower.1.value <= 0.0;
            let below = if at_least { lower.1.interval?.high } else { lower.1.value };
            let value = higher.1.value / below;
            let names = [higher.0, lower.0].map(|group| group.name.clone());
            let [higher, lower] = names;
            (value >= 1.0).then_some(Self { value, at_least, higher, lower })
        };
        let pairs = known().enumerate().flat_map(|(place, one)| {
            known().enumerate().filter(move |(other, _)| *other != place).map(move |(_, other)| (one, other))
        });
        let all = pairs.filter_map(|(higher, lower)| ratio(higher, lower));
        all.max_by(|a, b| a.value.total_cmp(&b.value))
    }
}

impl Groups {
    /// Measures each group by itself at these thresholds.
    ///
    /// * `labels`: of each sample its set, its person and its group. `score(reference, probe)` is given two places in it.
    /// * `None` where no sample has a group. One without a group is left out.
    #[must_use]
    pub fn measure(
        name: &str,
        labels: &[(&str, &str, Option<&str>)],
        score: impl Fn(usize, usize) -> i32 + Sync,
        thresholds: &[Threshold],
        by: Resampling,
    ) -> Option<Self> {
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, (_, _, group)) in labels.iter().enumerate() {
            if let Some(group) = group {
                places.entry(group).or_default().push(place);
            }
        }
        if places.is_empty() {
            return None;
        }
        let (mut groups, mut rates) = (Vec::new(), Vec::new());
        for (group, places) in places {
            let crowd = Crowd::of(places.iter().map(|place| (labels[*place].0, labels[*place].1)));
            let scores =
                Scores::of_all_pairs(crowd, |reference, probe| score(places[reference], places[probe]), |_| ());
            groups.push(Group {
                name: group.to_owned(),
                people: scores.crowd().people(),
                samples: places.len(),
                genuine: scores.genuine().len() as u64,
                impostor: scores.impostor().total(),
            });
            rates.push(at_each(&scores, thresholds, by));
        }
        let at = thresholds.iter().enumerate().map(|(place, threshold)| {
            let rates: Vec<GroupRates> = rates.iter().map(|of_group| of_group[place]).collect();
            let of = |rate: fn(&GroupRates) -> Option<Estimate>| rates.iter().map(rate).collect::<Vec<_>>();
            let of_matches = Ratio::worst(&groups, &of(|rates| rates.fmr));
            let of_misses = Ratio::worst(&groups, &of(|rates| rates.fnmr));
            AtThreshold { threshold: threshold.clone(), rates, fmr_ratio: of_matches, fnmr_ratio: of_misses }
        });
        let at = at.collect();
        Some(Self { name: name.to_owned(), groups, at })
    }
}

impl Groups {
    /// Head and rows: at each threshold every group, and the worst ratio of two.
    #[must_use]
    pub fn table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let head = ["threshold for", "group", "people", "FMR", "FNMR"].map(str::to_owned).to_vec();
        let rate = |rate: Option<Estimate>| rate.map_or_else(|| "-".to_owned(), in_per_cent);
        let of = |at: &AtThreshold| {
            let name = format!("FMR {}", at.threshold.heading());
            let each = self.groups.iter().zip(&at.rates).map(|(group, rates)| {
                let fmr = format!("{}{}", rate(rates.fmr), sign(rates.support));
                vec![name.clone(), group.name.clone(), group.people.to_string(), fmr, rate(rates.fnmr)]
            });
            let ratio = |ratio: &Option<Ratio>| ratio.as_ref().map_or_else(|| "-".to_owned(), Ratio::to_string);
            let worst = [ratio(&at.fmr_ratio), ratio(&at.fnmr_ratio)];
            let worst = [name.clone(), "worst ratio".to_owned(), String::new()].into_iter().chain(worst).collect();
            each.chain([worst]).collect::<Vec<Vec<String>>>()
        };
        (head, self.at.iter().flat_map(of).collect())
    }

    /// What the table is of.
    #[must_use]
    pub fn note(&self) -> String {
        format!(
            "{} groups by the labels' column `group`, each with impostors of its own alone, all at the same threshold (ISO/IEC 19795-10). \
             The worst ratio is of the highest rate to the lowest; over a group without an error it is at least what is said, by the \
             upper end of that group's interval. Thresholds marked `here` are this set's own.",
            self.groups.len()
        )
    }
}

/// `12.3 (a over b)`, or `at least 12.3 (a over b)`.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, at_least, higher, lower } = self;
        let at_least = if *at_least { "at least " } else { "" };
        write!(f, "{at_least}{value:.1} ({higher} over {lower})")
    }
}

/// The rates at each threshold, four a run of the bootstrap.
fn at_each(scores: &Scores, thresholds: &[Threshold], by: Resampling) -> Vec<GroupRates> {
    let independent = scores.crowd().independent();
    let mut all = Vec::with_capacity(thresholds.len());
    for four in thresholds.chunks(4) {
        let mut fixed = [None; 4];
        fixed.iter_mut().zip(four).for_each(|(fixed, threshold)| *fixed = Some(threshold.level));
        let replicates = replicates(scores, fixed, by.replicates, by.seed);
        for (place, threshold) in four.iter().enumerate() {
            let genuine = scores.genuine().iter().filter(|pair| pair.level < threshold.level).count() as u64;
            let impostors = scores.impostor().descending().take_while(|(level, _)| *level >= threshold.level);
            let impostor = impostors.map(|(_, count)| count).sum();
            let [of_genuine, of_impostors] = [scores.genuine().len() as u64, scores.impostor().total()];
            let matches = share(impostor, of_impostors).map(|value| {
                estimate(value, independent.impostor, &replicates, |summary| Some(summary.fixed[place]?.fmr))
            });
            let misses = share(genuine, of_genuine).map(|value| {
                estimate(value, independent.genuine, &replicates, |summary| Some(summary.fixed[place]?.fnmr))
            });
            let support = Support::of(threshold.target, of_impostors);
            all.push(GroupRates { fmr: matches, support, fnmr: misses });
        }
    }
    all
}

#[expect(clippy::cast_precision_loss, reason = "counts of pairs, far below 2^52")]
fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::thresholds::Source;

    const BY: Resampling = Resampling { replicates: 30, seed: 1 };

    fn at(level: i32) -> Threshold {
        Threshold { target: 1e-3, source: Source::Table, level }
    }

    #[test]
    fn each_group_has_the_rates_of_its_own_pairs_at_the_one_threshold() {
        // Two people with two samples each in x and in y, and somebody without a group whose scores would change everything.
        let people = ["a", "a", "b", "b", "c", "c", "d", "d", "e", "e"];
        let group = |place: usize| [Some("x"), Some("y"), None][place / 4];
        let labels: Vec<_> = people.iter().enumerate().map(|(place, person)| ("", *person, group(place))).collect();
        let score = |reference: usize, probe: usize| match (reference, probe) {
            // Genuine of x: 9 and 5. Its impostors: 9, 1, 1, 1. Of y: genuine 9 and 9, impostors 9, 9, 9, 1.
            (0, 1) | (1, 2) | (4, 5..=7) | (6, 7) | (5, 6) => 9,
            (2, 3) => 5,
            (a, b) if a < 8 && b < 8 && a / 4 == b / 4 => 1,
            other => panic!("{other:?} are of two groups, or of none"),
        };
        let groups = Groups::measure("x", &labels, score, &[at(9), at(4), at(1)], BY).unwrap();
        let names: Vec<_> =
            groups.groups.iter().map(|g| (g.name.as_str(), g.people, g.samples, g.genuine, g.impostor)).collect();
        assert_eq!(names, [("x", 2, 4, 2, 4), ("y", 2, 4, 2, 4)]);
        let rates = |place: usize| {
            groups.at[place]
                .rates
                .iter()
                .map(|rates| [rates.fmr.unwrap().value, rates.fnmr.unwrap().value])
                .collect::<Vec<_>>()
        };
        assert_eq!(
            [rates(0), rates(1), rates(2)],
            [[[0.25, 0.5], [0.75, 0.0]], [[0.25, 0.0], [0.75, 0.0]], [[1.0, 0.0], [1.0, 0.0]]]
        );
        let fmr = groups.at[0].fmr_ratio.as_ref().unwrap();
        assert_eq!(fmr.to_string(), "3.0 (y over x)");
        // Nobody of y is missed among two people: that says nothing, the upper end is 1.
        assert_eq!(groups.at[0].fnmr_ratio, None);
        assert!((groups.at[2].fmr_ratio.as_ref().unwrap().value - 1.0).abs() < 1e-12);
        let (head, rows) = groups.table();
        assert_eq!((rows.len(), rows.iter().all(|row| row.len() == head.len())), (9, true));
    }

    #[test]
    fn a_ratio_over_a_group_without_an_error_is_over_the_upper_end_of_its_interval() {
        let group = |name: &str| Group { name: name.to_owned(), people: 9, samples: 9, genuine: 9, impostor: 9 };
        let rate =
            |value, high| Some(Estimate { value, interval: Some(crate::eval::bootstrap::Interval { low: 0.0, high }) });
        let groups = [group("a"), group("b"), group("c"), group("d")];
        let worst = |rates: [Option<Estimate>; 4]| Ratio::worst(&groups, &rates).map(|ratio| ratio.to_string());
        assert_eq!(worst([rate(0.5, 1.0), rate(0.0, 0.1), rate(0.0, 0.02), None]).unwrap(), "at least 25.0 (a over c)");
        assert_eq!(worst([rate(0.5, 1.0), rate(0.0, 0.1), rate(0.01, 0.02), None]).unwrap(), "50.0 (a over c)");
        assert_eq!(worst([rate(0.0, 0.1), rate(0.0, 0.1), None, None]), None);
        assert_eq!(worst([rate(0.05, 0.1), rate(0.0, 0.1), None, None]), None);
    }

    #[test]
    fn labels_without_a_group_have_no_rates_by_group() {
        assert!(Groups::measure("x", &[("", "a", None), ("", "b", None)], |_, _| 0, &[at(1)], BY).is_none());
    }
}
