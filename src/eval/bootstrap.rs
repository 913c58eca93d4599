//! How far another draw of people could have moved the rates: a bootstrap over people.
//!
//! Comparisons that share a person are not independent, so people are drawn, not comparisons: in each set as many as it has,
//! with replacement. A person drawn w times counts w times: its genuine pairs w times each, an impostor pair of people drawn
//! v and w times v w times, and nobody is an impostor to their own copy. No approximation is made for the impostors: all that
//! can matter stand in the scores' tail with their two people. (Bolle, Ratha, Pankanti 2004: subsets bootstrap; Davison, Hinkley
//! 1997: percentile intervals.)

use super::draw::Draw;
use super::parallel;
use super::rates::{Level, Summary, Totals, summarise, trade_off};
use super::scores::Scores;

/// An interval that a rate lies in with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Interval {
    /// The 2.5th percentile of the replicates.
    pub low: f64,
    /// The 97.5th.
    pub high: f64,
}

impl Interval {
    /// From what the replicates gave; `None` when there are none, or when one of them could not tell.
    pub fn of(replicates: impl IntoIterator<Item = Option<f64>>) -> Option<Self> {
        let mut sorted = replicates.into_iter().collect::<Option<Vec<f64>>>().filter(|all| !all.is_empty())?;
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        // In fortieths: 1 of 40 is left out at either end.
        Some(Self { low: sorted[last / 40], high: sorted[last - last / 40] })
    }
}

/// The distinct levels of the genuine scores and the tail, and where each score stands among them.
struct Ladder {
    levels: Vec<i32>,
    /// Rung and person.
    genuine: Vec<(u32, u32)>,
    /// Rung and people.
    tail: Vec<(u32, [u32; 2])>,
}

impl Ladder {
    fn of(scores: &Scores) -> Self {
        let genuine = || scores.genuine().iter().filter(|score| score.level >= scores.cut());
        let tail = scores.tail();
        let mut levels: Vec<i32> = genuine().map(|score| score.level).chain(tail.iter().map(|s| s.level)).collect();
        levels.sort_unstable_by(|a, b| b.cmp(a));
        levels.dedup();
        let rung = |level: i32| {
            let place = levels.binary_search_by(|probe| level.cmp(probe)).expect("every level is on the ladder");
            u32::try_from(place).expect("levels are 32 bits")
        };
        let genuine = genuine().map(|score| (rung(score.level), score.person)).collect();
        let tail = tail.iter().map(|score| (rung(score.level), score.people)).collect();
        Self { levels, genuine, tail }
    }

    fn weighed(&self, weights: &[u32], rungs: &mut [(u64, u64)]) {
        rungs.fill((0, 0));
        for &(rung, person) in &self.genuine {
            rungs[rung as usize].0 += u64::from(weights[person as usize]);
        }
        for &(rung, [one, other]) in &self.tail {
            rungs[rung as usize].1 += u64::from(weights[one as usize] * weights[other as usize]);
        }
    }
}

/// Draws people `count` times over and reads each draw's rates; `fixed` as for [`summarise`].
///
/// A draw without an impostor pair is passed over, and one without a genuine pair if the set has any. The same seed gives the same summaries, in the same order.
#[must_use]
pub fn replicates(scores: &Scores, fixed: [Option<i32>; 4], count: usize, seed: u64) -> Vec<Summary> {
    let (ladder, crowd) = (Ladder::of(scores), scores.crowd());
    let strata = crowd.strata();
    let mut genuine_of = vec![0_u64; crowd.people()];
    scores.genuine().iter().for_each(|score| genuine_of[score.person as usize] += 1);
    let state = || (vec![0_u32; crowd.people()], vec![(0, 0); ladder.levels.len()], Vec::new());
    let parts = parallel::fold(count, state, |(weights, rungs, found), replicate| {
        // Each replicate has a generator of its own, so that threads change nothing.
        let mut draw = Draw::from_seed(Draw::from_seed(seed ^ replicate as u64).word());
        resample(&strata, &mut draw, weights);
        let genuine = genuine_of.iter().zip(&*weights).map(|(pairs, &weight)| pairs * u64::from(weight)).sum();
        let totals = Totals { genuine, impostor: crowd.impostor_pairs(weights) };
        if (totals.genuine > 0 || scores.genuine().is_empty()) && totals.impostor > 0 {
            ladder.weighed(weights, rungs);
            let levels = ladder.levels.iter().zip(&*rungs);
            let levels = levels.map(|(&level, &(genuine, impostor))| Level { level, genuine, impostor });
            found.push((replicate, summarise(trade_off(levels, totals), fixed)));
        }
    });
    let mut found: Vec<(usize, Summary)> = parts.into_iter().flat_map(|(_, _, found)| found).collect();
    found.sort_by_key(|(replicate, _)| *replicate);
    found.into_iter().map(|(_, summary)| summary).collect()
}

/// How often each person is drawn.
fn resample(strata: &[Vec<usize>], draw: &mut Draw, weights: &mut [u32]) {
    weights.fill(0);
    for people in strata {
        for _ in people {
            weights[people[draw.below(people.len())]] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::crowd::Crowd;

    /// People with samples around a mean of their own on a line: a pair scores the nearer the higher.
    fn scores(people: usize, draw: &mut Draw) -> Scores {
        let mut normal = || (0..12).map(|_| f64::from((draw.word() >> 40) as u32) / 16_777_216.0).sum::<f64>() - 6.0;
        let (mut labels, mut places) = (Vec::new(), Vec::new());
        for person in 0..people {
            let mean = 10.0 * normal();
            for _ in 0..4 {
                labels.push(person.to_string());
                places.push(mean + 0.7 * normal());
            }
        }
        let crowd = Crowd::of(labels.iter().map(|label| ("", label.as_str())));
        #[expect(clippy::cast_possible_truncation, reason = "a small number")]
        let level = |a: usize, b: usize| (-100.0 * f64::abs(places[a] - places[b])) as i32;
        Scores::of_all_pairs(crowd, level, |_| ())
    }

    fn levels(scores: &Scores) -> Vec<Level> {
        let genuine = scores.genuine().iter().map(|score| Level { level: score.level, genuine: 1, impostor: 0 });
        let impostor = scores.impostor().descending();
        let impostor = impostor.map(|(level, impostor)| Level { level, genuine: 0, impostor });
        let mut all: Vec<Level> = genuine.chain(impostor).collect();
        all.sort_by_key(|level| -level.level);
        all
    }

    fn eer(scores: &Scores) -> f64 {
        let totals = Totals { genuine: scores.genuine().len() as u64, impostor: scores.impostor().total() };
        summarise(trade_off(levels(scores), totals), [None; 4]).eer.unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_replicates_and_another_seed_others() {
        let scores = scores(30, &mut Draw::from_seed(1));
        let run = |seed| replicates(&scores, [Some(-100), None, None, None], 50, seed);
        assert_eq!(run(7).len(), 50);
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn intervals_cover_the_truth_about_as_often_as_they_say() {
        // The truth: the rate over very many people.
        let truth = eer(&scores(700, &mut Draw::from_seed(99)));
        let mut draw = Draw::from_seed(5);
        let covered = (0..100).filter(|seed| {
            let scores = scores(40, &mut draw);
            let all = replicates(&scores, [None; 4], 200, *seed);
            let Interval { low, high } = Interval::of(all.iter().map(|summary| summary.eer)).unwrap();
            low <= truth && truth <= high
        });
        let covered = covered.count();
        assert!((85..=100).contains(&covered), "{covered} of 100 intervals cover {truth}");
    }

    #[test]
    fn an_interval_leaves_one_of_forty_out_at_either_end() {
        let interval = Interval::of((0..=1000).rev().map(|place| Some(f64::from(place)))).unwrap();
        assert_eq!(interval, Interval { low: 25.0, high: 975.0 });
        assert_eq!(Interval::of([Some(1.0), None]), None);
        assert_eq!(Interval::of([]), None);
    }
}
