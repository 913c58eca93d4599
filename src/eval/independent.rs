//! A weighted sum as if a face said nothing of a finger: every pair of faces with every pair of fingers.
//!
//! Chimeric people have too few impostor pairs for the rates that a search needs. Face and finger of a chimeric person are
//! independent by construction, so the sum's scores are spread like those of all pairs of faces, each with all pairs of fingers:
//! the convolution of two histograms, which has as many pairs as the product of both.
//!
//! A finger's rows count by the numbers of rows; here their part of the sum is their level times the weight, rounded up.

use std::num::NonZeroU16;

use super::compare::{table_level, unit};
use super::parallel;
use super::rates::{Level, Rates, Totals, trade_off};
use super::report::Rule;
use super::scores::{Histogram, Scores};
use crate::template::model::{Encoding, Fmr, Fusion, Model};

/// Weights of a finger's rows that are tried, this many for each doubling.
const TRIES_PER_DOUBLING: i32 = 4;

/// Target false match rates: those of the table of models, and two that are for searches of many people.
const TARGETS: [f64; 5] = [1e-3, 1e-4, 1e-5, 1e-6, 1e-7];

/// Scores of all pairs of faces, and of all pairs of fingers.
#[derive(Debug)]
pub struct Independent {
    /// Genuine and impostor; of each the face's and the finger's.
    genuine: [Histogram; 2],
    impostor: [Histogram; 2],
    /// Levels of a finger that add its weight to the sum: 1 of a vector.
    levels: f64,
}

/// How often each weighted sum comes up, from the lowest.
struct Sums {
    least: i64,
    counts: Vec<u64>,
}

/// A histogram's levels times a weight, rounded up, the highest first.
fn weighted(histogram: &Histogram, weight: f64) -> Vec<(i64, u64)> {
    let mut all: Vec<(i64, u64)> = Vec::new();
    for (level, count) in histogram.descending() {
        #[expect(clippy::cast_possible_truncation, reason = "a 16-bit weight of at most 2^20 levels")]
        let sum = (weight * f64::from(level) - 1e-9).ceil() as i64;
        match all.last_mut() {
            Some((last, counted)) if *last == sum => *counted += count,
            _ => all.push((sum, count)),
        }
    }
    all
}

fn convolve([face, finger]: &[Histogram; 2], [by_face, by_finger]: [f64; 2]) -> Sums {
    let (faces, fingers) = (weighted(face, by_face), weighted(finger, by_finger));
    let end = |levels: &[(i64, u64)]| levels.first().zip(levels.last()).map(|(most, least)| (least.0, most.0));
    let Some(((least, most), (other_least, other_most))) = end(&faces).zip(end(&fingers)) else {
        return Sums { least: 0, counts: Vec::new() };
    };
    let least = least + other_least;
    let mut counts = vec![0; usize::try_from(most + other_most - least).map_or(0, |width| width + 1)];
    for (face, times) in faces {
        for (finger, other) in &fingers {
            let place = usize::try_from(face + finger - least).expect("the least was taken off");
            counts[place] += times * other;
        }
    }
    Sums { least, counts }
}

impl Independent {
    /// Of these faces and fingers, the fingers by this model.
    ///
    /// A model of rows may have been learned on the very fingers that it is measured on, and then strangers score lower than they will
    /// elsewhere: where this set's threshold for a rate is below the table's, its strangers' scores are stretched to the table's.
    #[must_use]
    pub fn of(faces: &Scores, fingers: &Scores, model: &Model) -> Self {
        let genuine = [faces, fingers].map(|scores| {
            let mut histogram = Histogram::default();
            scores.genuine().iter().for_each(|pair| histogram.add(pair.level, 1));
            histogram
        });
        let impostor = [faces, fingers].map(|scores| scores.impostor().clone());
        match (model.encoding(), impostor) {
            (Encoding::Vector, impostor) => Self { genuine, impostor, levels: 1.0 },
            (Encoding::Rows, [face, finger]) => {
                Self { genuine, impostor: [face, stretched(&finger, model)], levels: unit(model).levels }
            }
        }
    }

    /// How many genuine and impostor pairs the convolution stands for.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let product = |[face, finger]: &[Histogram; 2]| face.total() * finger.total();
        Totals { genuine: product(&self.genuine), impostor: product(&self.impostor) }
    }

    /// The rates at the least threshold with each target FMR: 1e-3 to 1e-7.
    #[must_use]
    pub fn rates(&self, weights: [u16; 2]) -> Vec<(f64, Rates)> {
        let [face, finger] = weights.map(f64::from);
        let [genuine, impostor] =
            [&self.genuine, &self.impostor].map(|side| convolve(side, [face, finger / self.levels]));
        let levels = |sums: Sums, level: fn(i32, u64) -> Level| {
            let end = sums.least + i64::try_from(sums.counts.len()).unwrap_or(0);
            let at = (sums.least..end).filter_map(|sum| i32::try_from(sum).ok()).zip(sums.counts);
            at.filter(|(_, count)| *count > 0).map(move |(sum, count)| level(sum, count)).collect::<Vec<_>>()
        };
        let mut all = levels(genuine, |level, genuine| Level { level, genuine, impostor: 0 });
        all.extend(levels(impostor, |level, impostor| Level { level, genuine: 0, impostor }));
        all.sort_unstable_by_key(|level| std::cmp::Reverse(level.level));
        let merged = all.chunk_by(|a, b| a.level == b.level).map(|same| Level {
            level: same[0].level,
            genuine: same.iter().map(|level| level.genuine).sum(),
            impostor: same.iter().map(|level| level.impostor).sum(),
        });
        let points: Vec<Rates> = trade_off(merged, self.totals()).collect();
        let at = |target: f64| {
            // FMR rises along the points: the last that is low enough, down to just above the next one.
            let place = points.partition_point(|rates| rates.fmr <= target);
            let threshold = points.get(place).map(|next| next.threshold + 1);
            let last = points[place.saturating_sub(1)];
            (target, Rates { threshold: threshold.unwrap_or(last.threshold), ..last })
        };
        TARGETS.into_iter().map(at).collect()
    }

    /// The weights with the lowest FNMR at FMR 1e-5: of a finger's rows beside the face's weight that the fusion has; of a vector of all
    /// that fit vectors of so many components.
    ///
    /// In-sample: on other people the fused rates are worse than those of the pairs that the weights were chosen on.
    #[must_use]
    pub fn fit(&self, fusion: &Fusion, [face, finger]: [&Model; 2]) -> Fusion {
        let tried = match finger.encoding() {
            Encoding::Vector => weights_of_vectors([face.dimension(), finger.dimension()]),
            Encoding::Rows => weights_of_rows(fusion.face_weight()),
        };
        let missed = parallel::map(tried.len(), |place| self.rates(tried[place].map(NonZeroU16::get))[2].1.fnmr);
        let best = missed.into_iter().zip(tried).min_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or_else(|| fusion.clone(), |(_, [face, finger])| fusion.clone().with_weights(face, finger))
    }

    /// The rates as lines of a report.
    #[must_use]
    pub fn rules(&self, weights: [u16; 2]) -> Vec<Rule> {
        let rule = |(target, Rates { threshold, fmr, fnmr }): (f64, Rates)| Rule {
            name: format!("weighted sum of at least {threshold}, for FMR {target:e}; all faces with all fingers"),
            fmr,
            fnmr,
        };
        self.rates(weights).into_iter().map(rule).collect()
    }

    /// The thresholds as a table of models writes them: a sum above matches.
    #[must_use]
    pub fn thresholds_toml(&self, weights: [u16; 2]) -> String {
        let rates = self.rates(weights).into_iter().take(3);
        let rates: Vec<String> =
            rates.map(|(target, rates)| format!("\"{target:e}\" = {}", rates.threshold - 1)).collect();
        format!("thresholds = {{ {} }}\n", rates.join(", "))
    }
}

/// Weights without a common factor, as far as 16 bits hold the sum.
fn weights_of_vectors([face, finger]: [usize; 2]) -> Vec<[NonZeroU16; 2]> {
    let coprime = |a: u16, b: u16| (2..=a.min(b)).all(|factor| !(a.is_multiple_of(factor) && b.is_multiple_of(factor)));
    let fit = |weights: &(u16, u16)| {
        coprime(weights.0, weights.1) && Fusion::vectors_fit([(face, weights.0), (finger, weights.1)])
    };
    let all = (1..=30).flat_map(|face| (1..=30).map(move |finger| (face, finger))).filter(fit);
    all.filter_map(|(face, finger)| Some([NonZeroU16::new(face)?, NonZeroU16::new(finger)?])).collect()
}

/// From 2^8 to 2^14, in even steps of the logarithm: above, 16 bits do not hold the weight of 40 rows' count.
fn weights_of_rows(face: u16) -> Vec<[NonZeroU16; 2]> {
    let weights = (0..=6 * TRIES_PER_DOUBLING).filter_map(|place| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "2^8 to 2^14")]
        let weight = (256.0 * 2_f64.powf(f64::from(place) / f64::from(TRIES_PER_DOUBLING))).round() as u16;
        Some([NonZeroU16::new(face)?, NonZeroU16::new(weight)?])
    });
    weights.collect()
}

/// Strangers' scores, raised where the table of models has higher thresholds for its rates than this set.
fn stretched(impostors: &Histogram, model: &Model) -> Histogram {
    let mut knots = vec![(0.0, 0.0)];
    for (rate, target) in Fmr::ALL.into_iter().zip(TARGETS) {
        let (here, table) = (f64::from(impostors.least(target)), f64::from(table_level(model, rate)));
        // A small set may have one threshold for two rates.
        if knots.last().is_some_and(|&(from, to)| here > from && table.max(here) > to) {
            knots.push((here, table.max(here)));
        }
    }
    let mut raised = Histogram::default();
    // From the lowest: a histogram grows upwards at no cost.
    let levels: Vec<(i32, u64)> = impostors.descending().collect();
    for (level, count) in levels.into_iter().rev() {
        let score = f64::from(level);
        let above = knots.windows(2).find(|two| score < two[1].0);
        let to = match (above, knots.last()) {
            _ if level <= 0 => score,
            (Some(two), _) => two[0].1 + (score - two[0].0) * (two[1].1 - two[0].1) / (two[1].0 - two[0].0),
            (None, Some(&(from, to))) if from > 0.0 => score * to / from,
            (None, _) => score,
        };
        #[expect(clippy::cast_possible_truncation, reason = "a level, and less than twice as much again")]
        raised.add(to.ceil() as i32, count);
    }
    raised
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::model::Models;

    #[test]
    fn a_convolution_counts_every_pair_with_every_pair() {
        let histogram = |levels: &[i32]| {
            let mut histogram = Histogram::default();
            for level in levels {
                histogram.add(*level, 1);
            }
            histogram
        };
        let wave = |count: i32, step: i32, spread: i32| (0..count).map(move |place| place * step % spread - spread / 3);
        let [genuine_faces, genuine_fingers] = [(90, 7, 41), (70, 11, 67)]
            .map(|(count, step, spread)| wave(count, step, spread).map(|level| level + 30).collect::<Vec<_>>());
        let [faces, fingers] =
            [(300, 17, 43), (200, 13, 61)].map(|(count, step, spread)| wave(count, step, spread).collect::<Vec<_>>());
        let both = Independent {
            genuine: [histogram(&genuine_faces), histogram(&genuine_fingers)],
            impostor: [histogram(&faces), histogram(&fingers)],
            levels: 1.0,
        };
        assert_eq!(both.totals(), Totals { genuine: 6300, impostor: 60_000 });
        let share = |faces: &[i32], fingers: &[i32], holds: &dyn Fn(i32) -> bool| {
            let sums = faces.iter().flat_map(|face| fingers.iter().map(move |finger| 3 * face + 2 * finger));
            let count = |count: usize| f64::from(u32::try_from(count).unwrap());
            count(sums.filter(|sum| holds(*sum)).count()) / count(faces.len() * fingers.len())
        };
        for (target, Rates { threshold, fmr, fnmr }) in both.rates([3, 2]) {
            assert!((fmr - share(&faces, &fingers, &|sum| sum >= threshold)).abs() < 1e-12 && fmr <= target);
            assert!(
                share(&faces, &fingers, &|sum| sum >= threshold - 1) > target,
                "{target}: {threshold} is the least"
            );
            assert!((fnmr - share(&genuine_faces, &genuine_fingers, &|sum| sum < threshold)).abs() < 1e-12);
        }
    }

    #[test]
    fn scores_of_strangers_are_raised_to_the_table_s_thresholds_and_never_lowered() {
        let models = Models::built_in();
        let model = models.find(&"leader-rows-3".parse().unwrap()).unwrap();
        let table = Fmr::ALL.map(|rate| table_level(model, rate));
        // A hundred thousand: 100 at 10 000 and more, 10 at 40 000, one at 60 000.
        let mut low = Histogram::default();
        for (level, count) in [(-1, 50_000), (4_000, 49_900), (10_000, 90), (40_000, 9), (60_000, 1)] {
            low.add(level, count);
        }
        // Here 4001, 10 001 and 40 001 hold the rates; the table has 15 001, 25 001 and 35 001. The last is higher here, and stays.
        assert_eq!([1e-3, 1e-4, 1e-5].map(|rate| low.least(rate)), [4_001, 10_001, 40_001]);
        assert_eq!(table, [15_001, 25_001, 35_001]);
        let raised: Vec<_> = stretched(&low, model).descending().collect();
        assert_eq!(raised, [(60_000, 1), (40_001, 9), (25_000, 90), (14_998, 49_900), (-1, 50_000)]);
    }

    #[test]
    fn weights_that_are_tried_fit_sixteen_bits() {
        assert!(
            weights_of_vectors([512, 1024])
                .iter()
                .all(|[face, finger]| Fusion::vectors_fit([(512, face.get()), (1024, finger.get())]))
        );
        let rows = weights_of_rows(4);
        assert_eq!((rows.len(), rows[0][1].get(), rows[24][1].get()), (25, 256, 16_384));
    }
}
