//! Crafted vectors: means of many people, and climbs from these to where more of them match.

use super::super::draw::Draw;
use super::super::parallel;
use super::super::quick::{Quick, dot};
use super::round::{round, some_of, squared_length};
use super::{Crafted, Stranger};
use crate::template::Shape;

/// Samples whose neighbours' mean is tried, and climbed from.
const STARTS: usize = 40;
/// Shares of a threshold from which on a sample is near another.
const NEAR: [f64; 3] = [0.4, 0.6, 0.8];
/// How soft the threshold is while a mean is drawn to where many come near it, in cosines; then again with the next.
const SOFTNESS: [f64; 4] = [0.12, 0.07, 0.04, 0.025];
/// Means of each softness.
const MEANS: usize = 8;
/// The best starts, from which means are drawn on.
const DRAWN: usize = 32;
/// The best of the climbs from means that are climbed on with, component by component.
const CLIMBED: usize = 6;
/// Moves of a climb that are tried.
const MOVES: usize = 8_000;

/// What is crafted on: everybody's samples, of which each counts by its person's share.
struct Targets<'a> {
    shape: Shape,
    samples: Vec<&'a Quick>,
    weights: Vec<f64>,
    /// Component by component, of every sample.
    columns: Vec<Vec<i16>>,
}

/// A vector, and what it scores with every target.
struct Vector {
    components: Vec<i8>,
    scores: Vec<i32>,
}

/// Vectors that match many of these people, for each of these thresholds in levels, with the rates that they stand for.
pub(super) fn craft(side: &[&Stranger<'_>], thresholds: &[(f64, i32)], mut draw: Draw, effort: usize) -> Vec<Crafted> {
    let Some(targets) = Targets::of(side) else { return Vec::new() };
    let made = |kind: &str, vector: Vec<i8>| Crafted::of(kind, Some(targets.shape), vector);
    let mut crafted = Vec::new();
    let whole = targets.mean(|_| 1.0);
    crafted.extend(whole.iter().map(|mean| made("the mean", mean.components.clone())));
    let places = some_of((0..targets.samples.len()).collect(), STARTS * effort, &mut draw);
    let Some(&(_, middle)) = thresholds.get(1).or(thresholds.first()) else { return crafted };
    let near = parallel::map(places.len(), |place| targets.near(places[place], middle));
    let starts: Vec<Vector> = near.into_iter().flatten().collect();
    crafted.extend(starts.iter().map(|start| made("means of neighbours", start.components.clone())));
    for &(rate, level) in thresholds {
        let mut starts: Vec<&Vector> = whole.iter().chain(&starts).collect();
        let worth = |start: &&Vector| targets.matched(&start.scores, level, SOFTNESS[1] * targets.one());
        starts.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
        starts.truncate(DRAWN * effort);
        let mut drawn = parallel::map(starts.len(), |place| targets.draw_on(starts[place], level));
        drawn.sort_by(|a, b| b.0.total_cmp(&a.0));
        drawn.truncate(CLIMBED * effort);
        let seeds: Vec<u64> = drawn.iter().map(|_| draw.word()).collect();
        let climbed =
            parallel::map(drawn.len(), |place| targets.climb(&drawn[place].1, level, Draw::from_seed(seeds[place])));
        let kind = format!("climbed, for FMR {rate:e}");
        crafted.extend(climbed.into_iter().map(|components| made(&kind, components)));
    }
    crafted
}

impl<'a> Targets<'a> {
    fn of(side: &[&Stranger<'a>]) -> Option<Self> {
        let samples: Vec<&Quick> = side.iter().map(|stranger| stranger.sample).collect();
        let shape = samples.first()?.shape();
        let most = side.iter().map(|stranger| stranger.person).max()?;
        let mut counts = vec![0_u32; most + 1];
        for stranger in side {
            counts[stranger.person] += 1;
        }
        let people = counts.iter().filter(|count| **count > 0).count();
        #[expect(clippy::cast_precision_loss, reason = "a count of people")]
        let weights = side.iter().map(|stranger| 1.0 / (f64::from(counts[stranger.person]) * people as f64)).collect();
        let mut columns = vec![Vec::with_capacity(samples.len()); shape.columns()];
        for sample in &samples {
            let row = sample.rows().next()?;
            columns.iter_mut().zip(row).for_each(|(column, component)| column.push(*component));
        }
        Some(Self { shape, samples, weights, columns })
    }

    fn vector(&self, components: Vec<i8>) -> Vector {
        let wide: Vec<i16> = components.iter().map(|&x| i16::from(x)).collect();
        let scores = self.samples.iter().flat_map(|sample| sample.rows()).map(|row| dot(&wide, row)).collect();
        Vector { components, scores }
    }

    /// The quantised mean, each sample by its person's share times this.
    fn mean(&self, weight: impl Fn(usize) -> f64) -> Option<Vector> {
        let weights: Vec<f64> = self.weights.iter().enumerate().map(|(place, own)| own * weight(place)).collect();
        let mut mean = vec![0.0; self.shape.columns()];
        let heaviest = weights.iter().copied().fold(0.0, f64::max);
        for (sample, &weight) in self.samples.iter().zip(&weights) {
            // What weighs next to nothing would only take time.
            if weight > 1e-6 * heaviest {
                let row = sample.rows().flatten();
                mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * f64::from(*x));
            }
        }
        round(&mean, self.shape.band()).map(|components| self.vector(components))
    }

    /// Means of those near a sample, and of those near that mean.
    fn near(&self, place: usize, level: i32) -> Vec<Vector> {
        let scores: Vec<i32> = self.samples.iter().map(|sample| self.samples[place].score(sample)).collect();
        let around = |scores: &[i32], share: f64| {
            self.mean(|other| f64::from(u8::from(f64::from(scores[other]) >= share * f64::from(level))))
        };
        let first = NEAR.iter().filter_map(|&share| Some((share, around(&scores, share)?)));
        first.flat_map(|(share, mean)| around(&mean.scores, share).into_iter().chain([mean])).collect()
    }

    /// How many of the levels make a cosine of 1.
    fn one(&self) -> f64 {
        f64::from(u16::midpoint(self.shape.band().0, self.shape.band().1))
    }

    /// From a start to where many come near the threshold: each mean weighs samples by how much a little more would help.
    fn draw_on(&self, start: &Vector, level: i32) -> (f64, Vector) {
        let mut best = (f64::MIN, None);
        let mut now = None;
        for soft in SOFTNESS.map(|cosine| cosine * self.one()) {
            for _ in 0..MEANS {
                let scores = now.as_ref().map_or(&start.scores, |vector: &Vector| &vector.scores);
                let next = self.mean(|place| {
                    let passed = passed(scores[place], level, soft);
                    passed * (1.0 - passed)
                });
                let Some(next) = next else { break };
                let sharp = self.matched(&next.scores, level, 0.02 * self.one());
                if sharp > best.0 {
                    best = (sharp, Some(next.components.clone()));
                }
                now = Some(next);
            }
        }
        let components = best.1.unwrap_or_else(|| start.components.clone());
        (best.0, self.vector(components))
    }

    /// The share of people who match, of a threshold this soft.
    fn matched(&self, scores: &[i32], level: i32, soft: f64) -> f64 {
        scores.iter().zip(&self.weights).map(|(&score, weight)| weight * passed(score, level, soft)).sum()
    }

    /// Changes one component or two at a time while more people match, always within the band.
    fn climb(&self, start: &Vector, level: i32, mut draw: Draw) -> Vec<i8> {
        let (lower, upper) = self.shape.band();
        let band = u32::from(lower)..=u32::from(upper);
        let most = 64 * i32::try_from(self.shape.columns()).expect("a vector's columns");
        // What each score counts, looked up: there are as many scores as samples at every move.
        let worth: Vec<f64> = (-most..=most).map(|score| passed(score, level, 0.015 * self.one())).collect();
        let worth = |score: i32| worth[usize::try_from(score + most).expect("no score is below")];
        let (mut now, mut scores) = (start.components.clone(), start.scores.clone());
        let value = |scores: &mut dyn Iterator<Item = i32>| -> f64 {
            scores.zip(&self.weights).map(|(score, weight)| weight * worth(score)).sum()
        };
        let mut best = value(&mut scores.iter().copied());
        for _ in 0..MOVES {
            let places = [draw.below(now.len()), draw.below(now.len())];
            let by = [[-1, 1][draw.below(2)], [-1, 0, 1][draw.below(3)]];
            let mut next = now.clone();
            next[places[0]] += by[0];
            next[places[1]] += by[1];
            if !places.iter().all(|&place| (-8..=7).contains(&next[place])) || !band.contains(&squared_length(&next)) {
                continue;
            }
            let [one, other] = places.map(|place| &self.columns[place]);
            let [by, by_other] = by.map(i32::from);
            let columns = one.iter().zip(other).map(|(one, other)| by * i32::from(*one) + by_other * i32::from(*other));
            let moved = || scores.iter().zip(columns.clone()).map(|(score, more)| score + more);
            let found = value(&mut moved());
            if found > best {
                let moved: Vec<i32> = moved().collect();
                (best, now, scores) = (found, next, moved);
            }
        }
        now
    }
}

/// Of a threshold this soft: 0 far below, one half at it, 1 far above.
fn passed(score: i32, level: i32, soft: f64) -> f64 {
    1.0 / (1.0 + (f64::from(level - score) / soft).exp())
}
