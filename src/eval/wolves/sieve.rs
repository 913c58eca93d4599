//! Which of many candidate rows are best together: the search of a greedy attacker.

use super::super::parallel;
use super::super::quick::{Quick, dot};
use crate::template::model::{Fmr, Model};
use crate::template::{Levels, ROW, Shape};

/// A row's components.
pub(super) type Row = [i16; ROW];

/// Candidates that go over a target's row in one go.
const TOGETHER: usize = 64;

/// The dot of two rows that are nearly the same: of squared lengths up to 1092.
const SAME: i32 = 1000;

/// What every candidate reaches of every target, both ways.
pub(super) struct Sieve {
    candidates: Vec<Row>,
    shapes: Vec<Shape>,
    /// Where each target's rows begin, and where the last one's end.
    starts: Vec<usize>,
    reached: Vec<Reached>,
}

/// What one candidate reaches.
struct Reached {
    /// Of each target: levels of the best dot with any row.
    by_target: Vec<u8>,
    /// Of each row of all targets: levels of the dot.
    by_row: Vec<u8>,
}

/// What the picked ones reach together.
struct Together {
    by_target: Vec<u16>,
    by_row: Vec<u8>,
}

impl Sieve {
    pub(super) fn of(candidates: Vec<Row>, targets: &[&Quick], levels: Levels) -> Self {
        let mut starts = vec![0];
        starts.extend(targets.iter().scan(0, |end, target| {
            *end += target.shape().rows();
            Some(*end)
        }));
        let chunks: Vec<&[Row]> = candidates.chunks(TOGETHER).collect();
        let reached = parallel::map(chunks.len(), |chunk| {
            let rows = *starts.last().unwrap_or(&0);
            let new = |_: &Row| Reached { by_target: vec![0; targets.len()], by_row: Vec::with_capacity(rows) };
            let mut all: Vec<Reached> = chunks[chunk].iter().map(new).collect();
            for (place, target) in targets.iter().enumerate() {
                for row in target.rows() {
                    for (candidate, reached) in chunks[chunk].iter().zip(&mut all) {
                        let found = u8::try_from(levels.reached(dot(candidate, row))).expect("three levels");
                        reached.by_row.push(found);
                        reached.by_target[place] = reached.by_target[place].max(found);
                    }
                }
            }
            all
        });
        let reached = reached.into_iter().flatten().collect();
        Self { shapes: targets.iter().map(|target| target.shape()).collect(), candidates, starts, reached }
    }

    /// The most popular candidates first, by how much they reach of all targets; those go that are nearly the same as a more popular
    /// one, and those beyond so many.
    pub(super) fn narrow(&mut self, most: usize) {
        let reach = |reached: &Reached| reached.by_target.iter().map(|&levels| u32::from(levels)).sum::<u32>();
        let mut all: Vec<(Row, Reached)> = self.candidates.drain(..).zip(self.reached.drain(..)).collect();
        all.sort_by_cached_key(|(_, reached)| std::cmp::Reverse(reach(reached)));
        for (row, reached) in all {
            if self.candidates.len() < most && self.candidates.iter().all(|other| dot(&row, other) < SAME) {
                self.candidates.push(row);
                self.reached.push(reached);
            }
        }
    }

    /// The first candidates.
    pub(super) fn first(&self, count: usize) -> &[Row] {
        &self.candidates[..count.min(self.candidates.len())]
    }

    /// So many candidates that match many targets together: picked one by one, then each exchanged for a better one while there is any.
    pub(super) fn pick(&self, model: &Model, rate: Fmr, size: usize, rounds: usize) -> Vec<Row> {
        let Some(shape) = Shape::set(size) else { return Vec::new() };
        let need: Vec<f32> = self.shapes.iter().map(|&other| f32::from(model.threshold(rate, shape, other))).collect();
        let mut picked: Vec<usize> = Vec::with_capacity(size);
        for _ in 0..size {
            picked.push(self.best(&picked, &need, 2));
        }
        for _ in 0..rounds {
            let before = picked.clone();
            for place in 0..size {
                let mut others = picked.clone();
                others.swap_remove(place);
                picked[place] = self.best(&others, &need, 6);
            }
            if picked == before {
                break;
            }
        }
        picked.into_iter().map(|place| self.candidates[place]).collect()
    }

    fn together(&self, picked: &[usize]) -> Together {
        let mut all =
            Together { by_target: vec![0; self.shapes.len()], by_row: vec![0; *self.starts.last().unwrap_or(&0)] };
        for &place in picked {
            let Reached { by_target, by_row } = &self.reached[place];
            all.by_target.iter_mut().zip(by_target).for_each(|(sum, levels)| *sum += u16::from(*levels));
            all.by_row.iter_mut().zip(by_row).for_each(|(most, levels)| *most = (*most).max(*levels));
        }
        all
    }

    /// The candidate that brings the others nearest to what is needed, by this power of the share of it: a high power holds on to
    /// targets that are nearly there.
    fn best(&self, others: &[usize], need: &[f32], power: i32) -> usize {
        let together = self.together(others);
        let chunks = self.reached.len().div_ceil(TOGETHER);
        let best = parallel::map(chunks, |chunk| {
            let from = chunk * TOGETHER;
            let all = self.reached[from..].iter().take(TOGETHER).enumerate();
            let worth = all.map(|(place, reached)| (self.worth(reached, &together, need, power), from + place));
            worth.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        });
        let best = best.into_iter().flatten().max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        best.map_or(0, |(_, place)| place)
    }

    fn worth(&self, reached: &Reached, together: &Together, need: &[f32], power: i32) -> f32 {
        let ends = self.starts.windows(2).zip(need);
        let each = ends.enumerate().map(|(target, (ends, &need))| {
            let own = f32::from(together.by_target[target] + u16::from(reached.by_target[target]));
            let rows = reached.by_row[ends[0]..ends[1]].iter().zip(&together.by_row[ends[0]..ends[1]]);
            // No more than 120: a byte holds it, and nothing wraps.
            let of_rows = rows.fold(0_u8, |sum, (&one, &other)| sum.wrapping_add(one.max(other)));
            (f32::midpoint(own.min(need), f32::from(of_rows).min(need)) / need).powi(power)
        });
        each.sum()
    }
}
