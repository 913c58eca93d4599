//! A weighted sum as if a face said nothing of a finger: every pair of faces with every pair of fingers.
//!
//! Chimeric people have too few impostor pairs for the rates that a search needs. Face and finger of a chimeric person are
//! independent by construction, so the sum's scores are spread like those of all pairs of faces, each with all pairs of fingers:
//! the convolution of two histograms, which has as many pairs as the product of both.

use std::num::NonZeroU16;

use super::rates::{Level, Rates, Totals, trade_off};
use super::report::Rule;
use super::scores::{Histogram, Scores};
use crate::template::model::Fusion;

/// Target false match rates: those of the table of models, and two that are for searches of many people.
const TARGETS: [f64; 5] = [1e-3, 1e-4, 1e-5, 1e-6, 1e-7];

/// Scores of all pairs of faces, and of all pairs of fingers.
#[derive(Debug)]
pub struct Independent {
    /// Genuine and impostor; of each the face's and the finger's.
    genuine: [Histogram; 2],
    impostor: [Histogram; 2],
}

/// How often each weighted sum comes up, from the lowest.
struct Sums {
    least: i64,
    counts: Vec<u64>,
}

fn convolve([face, finger]: &[Histogram; 2], [by_face, by_finger]: [u16; 2]) -> Sums {
    let weighted = |histogram: &Histogram, weight: u16| {
        let levels = histogram.descending().map(|(level, count)| (i64::from(weight) * i64::from(level), count));
        levels.collect::<Vec<_>>()
    };
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
    /// Of these faces and fingers.
    #[must_use]
    pub fn of(faces: &Scores, fingers: &Scores) -> Self {
        let genuine = [faces, fingers].map(|scores| {
            let mut histogram = Histogram::default();
            scores.genuine().iter().for_each(|pair| histogram.add(pair.level, 1));
            histogram
        });
        Self { genuine, impostor: [faces, fingers].map(|scores| scores.impostor().clone()) }
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
        let [genuine, impostor] = [&self.genuine, &self.impostor].map(|side| convolve(side, weights));
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

    /// Of all weights that fit vectors of these many components, those with the lowest FNMR at FMR 1e-5.
    #[must_use]
    pub fn fit(&self, fusion: &Fusion, [face, finger]: [usize; 2]) -> Fusion {
        let coprime =
            |a: u16, b: u16| (2..=a.min(b)).all(|factor| !(a.is_multiple_of(factor) && b.is_multiple_of(factor)));
        let fit = |weights: &(u16, u16)| {
            coprime(weights.0, weights.1) && Fusion::vectors_fit([(face, weights.0), (finger, weights.1)])
        };
        let tried = (1..=30).flat_map(|face| (1..=30).map(move |finger| (face, finger))).filter(fit);
        let missed = |(face, finger): (u16, u16)| self.rates([face, finger])[2].1.fnmr;
        let best = tried.map(|weights| (missed(weights), weights)).min_by(|a, b| a.0.total_cmp(&b.0));
        let weights = best.and_then(|(_, (face, finger))| NonZeroU16::new(face).zip(NonZeroU16::new(finger)));
        weights.map_or_else(|| fusion.clone(), |(face, finger)| fusion.clone().with_weights(face, finger))
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
