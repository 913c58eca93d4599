//! A search of one gallery: everybody's first sample is enrolled, and all others are looked for.
//!
//! Terms are those of ISO/IEC 19795-1. A *mated* search is for somebody enrolled; the same sample makes a *non-mated* search when
//! its person is left out of the gallery. As the nodes do, a search names everybody whose score reaches the threshold, in no order.

use serde::Serialize;

use super::crowd::Crowd;
use super::parallel;
use super::rates::TARGETS;
use crate::template::model::Fmr;

/// Target false-positive identification rates.
const FPIRS: [f64; 2] = [1e-1, 1e-2];

/// What searches by one comparator find.
#[derive(Clone, Debug, Serialize)]
pub struct Searches {
    /// What compares: `fr512`.
    pub name: String,
    /// People enrolled, each with one sample.
    pub gallery: usize,
    /// Searches, each of them once mated and once not.
    pub searches: usize,
    /// Share of mated searches whose person scores higher than everybody else: the true-positive identification rate at rank 1.
    pub rank_one: f64,
    /// The false-negative identification rate at each target false-positive one.
    pub at_fpir: Vec<AtFpir>,
    /// At the thresholds of the table of models.
    pub at_fmr: Vec<AtFmr>,
}

/// At the least threshold with no more than a target of false-positive identifications.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtFpir {
    /// The target.
    pub fpir: f64,
    /// The threshold, in levels.
    pub level: i32,
    /// Share of mated searches that do not name their person.
    pub fnir: f64,
}

/// At a threshold of the table of models.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtFmr {
    /// The false match rate that it stands for.
    pub fmr: f64,
    /// The threshold, in levels.
    pub level: i32,
    /// Share of mated searches that do not name their person.
    pub fnir: f64,
    /// Share of non-mated searches that name anybody.
    pub fpir: f64,
    /// Candidates that a search names wrongly, on average: the selectivity of non-mated searches.
    pub false_candidates: f64,
}

/// What one search found.
struct Found {
    mate: i32,
    /// The highest score of another.
    best: i32,
    /// Others who reach each threshold.
    others: [usize; 3],
}

impl Searches {
    /// Looks for everybody; `score(reference, probe)` is given two places in the crowd. All databases make one gallery.
    ///
    /// # Panics
    /// When `score` does.
    #[must_use]
    pub fn measure(
        name: impl Into<String>,
        crowd: &Crowd,
        thresholds: [i32; 3],
        score: impl Fn(usize, usize) -> i32 + Sync,
    ) -> Self {
        let (mut references, mut probes) = (Vec::with_capacity(crowd.people()), Vec::new());
        for sample in 0..crowd.samples() {
            // People are counted in the order of their first samples.
            let first = crowd.person(sample) == references.len();
            if first { references.push(sample) } else { probes.push(sample) }
        }
        let found = parallel::map(probes.len(), |place| {
            let (probe, own) = (probes[place], crowd.person(probes[place]));
            let mut found = Found { mate: i32::MIN, best: i32::MIN, others: [0; 3] };
            for (person, &reference) in references.iter().enumerate() {
                let level = score(reference, probe);
                if person == own {
                    found.mate = level;
                    continue;
                }
                found.best = found.best.max(level);
                for (count, threshold) in found.others.iter_mut().zip(thresholds) {
                    *count += usize::from(level >= threshold);
                }
            }
            found
        });
        Self::of(name.into(), references.len(), thresholds, &found)
    }

    fn of(name: String, gallery: usize, thresholds: [i32; 3], found: &[Found]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "counts of searches and candidates")]
        let per_search = |count: usize| count as f64 / found.len().max(1) as f64;
        let share = |holds: &dyn Fn(&Found) -> bool| per_search(found.iter().filter(|found| holds(found)).count());
        let mut best: Vec<i32> = found.iter().map(|found| found.best).collect();
        best.sort_unstable_by(|a, b| b.cmp(a));
        let at_fpir = FPIRS.into_iter().filter_map(|fpir| {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "as above"
            )]
            let allowed = (fpir * best.len() as f64).floor() as usize;
            let level = best.get(allowed)?.saturating_add(1);
            Some(AtFpir { fpir, level, fnir: share(&|found| found.mate < level) })
        });
        let at_fmr = thresholds.into_iter().enumerate().map(|(place, level)| AtFmr {
            fmr: TARGETS[place + 1],
            level,
            fnir: share(&|found| found.mate < level),
            fpir: share(&|found| found.others[place] > 0),
            false_candidates: per_search(found.iter().map(|found| found.others[place]).sum()),
        });
        let rank_one = share(&|found| found.mate > found.best);
        let (at_fpir, at_fmr) = (at_fpir.collect(), at_fmr.collect());
        Self { name, gallery, searches: found.len(), rank_one, at_fpir, at_fmr }
    }
}

/// The least scores that match at each rate, of a threshold that depends on the rate alone.
#[must_use]
pub fn levels(threshold: impl Fn(Fmr) -> i16) -> [i32; 3] {
    Fmr::ALL.map(|rate| i32::from(threshold(rate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_searches_are_those_counted_by_hand() {
        // Three people in two sets; the references are 0, 1 and 4, the probes 2, 3 and 5.
        let labels = [("x", "a"), ("y", "b"), ("x", "a"), ("y", "b"), ("x", "c"), ("x", "c")];
        let crowd = Crowd::of(labels);
        let score = |reference, probe| match (reference, probe) {
            (0, 2) => 50,
            (1, 2) => 10,
            (4, 2) => 30,
            (0 | 1, 3) => 40,
            (4, 3) => 5,
            (0, 5) => 12,
            (1, 5) => 13,
            (4, 5) => 20,
            other => panic!("{other:?} is not compared"),
        };
        let searches = Searches::measure("x", &crowd, [13, 30, 45], score);
        assert_eq!((searches.gallery, searches.searches), (3, 3));
        let third = |count: f64| count / 3.0;
        // The second is no higher than the first person's.
        assert!((searches.rank_one - third(2.0)).abs() < 1e-12);
        // No false positive is allowed: above 40.
        let at = AtFpir { fpir: 0.1, level: 41, fnir: third(2.0) };
        assert_eq!(searches.at_fpir, [at, AtFpir { fpir: 0.01, ..at }]);
        let at = |fmr, level, fnir, fpir, others| AtFmr { fmr, level, fnir, fpir, false_candidates: others };
        assert_eq!(
            searches.at_fmr,
            [
                at(1e-3, 13, 0.0, 1.0, 1.0),
                at(1e-4, 30, third(1.0), third(2.0), third(2.0)),
                at(1e-5, 45, third(2.0), 0.0, 0.0)
            ]
        );
    }
}
