//! Crafted sets of rows: copies of popular rows, and greedy sets of real and of mean rows.
//!
//! A *mean row* is the quantised mean of the rows near a popular one, which is far more popular than any real row.

use std::collections::HashSet;

use super::super::draw::Draw;
use super::super::parallel;
use super::super::quick::{Quick, dot};
use super::round::{round, some_of};
use super::sieve::{Row, Sieve};
use super::{Crafted, Stranger};
use crate::template::finger::direction;
use crate::template::model::{Fmr, Model};
use crate::template::{MOST_ROWS, ROW, ROW_BAND, SURROUNDINGS, Shape, band};

/// Rows of a greedy set.
const SIZES: [usize; 6] = [4, 8, 12, 20, 28, 40];
/// Most rows that means are taken of.
const POOL: usize = 16_000;
/// Rows whose neighbours' mean is taken, and real rows that are candidates.
const SEEDS: usize = 1_000;
/// Real rows among the candidates of mean rows.
const REAL_AMONG_MEANS: usize = 200;
/// Prints that a set is made to match.
const TARGETS: usize = 240;
/// Candidates that sets are picked from: the most popular.
const CANDIDATES: usize = 1_000;
/// Popular rows that are copied.
const COPIED: usize = 10;
/// Copies in a set.
const COPIES: [usize; 3] = [12, 20, MOST_ROWS];
/// Times that each of a set's rows is exchanged for a better one, at most.
const ROUNDS: usize = 2;
/// How much less than the lowest level a row may score and yet be near.
const NEARNESS: [i16; 3] = [116, 76, 39];

/// Sets that match many of these prints.
pub(super) fn craft(side: &[&Stranger<'_>], model: &Model, mut draw: Draw, effort: usize) -> Vec<Crafted> {
    let all: Vec<Row> = side.iter().flat_map(|stranger| stranger.sample.rows()).map(row_of).collect();
    let pool = some_of(all, POOL, &mut draw);
    let seeds = some_of(pool.clone(), SEEDS * effort, &mut draw);
    let targets: Vec<&Quick> = side.iter().map(|stranger| stranger.sample).collect();
    let targets = some_of(targets, TARGETS, &mut draw);
    let lowest = model.levels().all()[0];
    let near = |less: i16| lowest - less;
    let once = mean_rows(&seeds, &pool, &NEARNESS.map(near));
    let mut means = mean_rows(&some_of(once.clone(), SEEDS * effort, &mut draw), &pool, &[lowest]);
    means.extend(once);
    means.extend(seeds.iter().take(REAL_AMONG_MEANS));
    let mut known = HashSet::new();
    means.retain(|row| known.insert(*row));
    let mut crafted = Vec::new();
    for (kind, candidates) in [("real", seeds), ("mean", means)] {
        let mut sieve = Sieve::of(candidates, &targets, model.levels());
        sieve.narrow(CANDIDATES * effort);
        for row in sieve.first(COPIED * effort) {
            let copies = COPIES.map(|copies| set(format!("copies of a popular {kind} row"), &vec![*row; copies]));
            crafted.extend(copies);
        }
        for size in SIZES {
            let sets = Fmr::ALL.map(|rate| set(format!("{size} {kind} rows"), &sieve.pick(model, rate, size, ROUNDS)));
            crafted.extend(sets);
        }
    }
    crafted
}

fn row_of(row: &[i16]) -> Row {
    row.try_into().expect("a set's rows have as many")
}

fn set(kind: String, rows: &[Row]) -> Crafted {
    let components = rows.iter().flatten().map(|&x| i8::try_from(x).expect("four bits")).collect();
    Crafted::of(kind, Shape::set(rows.len()), components)
}

/// The quantised means of the pool's rows near each seed, of those whose dot with it is at least so much.
///
/// Each in two ways: with the direction of a minutia, and with whatever direction the mean has: its length may then be anywhere
/// in the row.
fn mean_rows(seeds: &[Row], pool: &[Row], least: &[i16]) -> Vec<Row> {
    let means = parallel::map(seeds.len(), |seed| {
        let mut sums = vec![[0_i32; ROW]; least.len()];
        for row in pool {
            let score = dot(&seeds[seed], row);
            for (sum, &least) in sums.iter_mut().zip(least) {
                if score >= i32::from(least) {
                    sum.iter_mut().zip(row).for_each(|(sum, x)| *sum = sum.wrapping_add(i32::from(*x)));
                }
            }
        }
        sums.iter().flat_map(|sum| [as_a_minutia(sum), as_a_whole(sum)]).flatten().collect::<Vec<Row>>()
    });
    means.into_iter().flatten().collect()
}

fn as_a_minutia(sum: &[i32; ROW]) -> Option<Row> {
    let (around, pointing) = sum.split_at(SURROUNDINGS);
    let around: Vec<f64> = around.iter().map(|&x| f64::from(x)).collect();
    let along = |angle: u8| -> i32 { direction(angle).iter().zip(pointing).map(|(&x, &sum)| i32::from(x) * sum).sum() };
    let angle = (0..=u8::MAX).max_by_key(|&angle| along(angle))?;
    whole(round(&around, band(SURROUNDINGS))?.into_iter().chain(direction(angle)))
}

fn as_a_whole(sum: &[i32; ROW]) -> Option<Row> {
    whole(round(&sum.map(f64::from), ROW_BAND)?)
}

fn whole(components: impl IntoIterator<Item = i8>) -> Option<Row> {
    components.into_iter().map(i16::from).collect::<Vec<_>>().try_into().ok()
}
