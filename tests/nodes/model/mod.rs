//! Three real nodes and two banks, held against a model of what the documents say: people are enrolled, compared, locked and
//! erased, old requests come again, nodes stop, die and have wrong clocks, and whatever three receipts say must be so.
//!
//! ```text
//! proptest --steps--> run --requests--> three nodes (TLS, gRPC, SQLite, logs)
//!                      |  <--receipts--
//!                      +--> rules: can that be heard now?     stores, accounts: does what lies on disk say the same?
//! ```
//!
//! `TUMAR_MODEL_STEPS` says how many steps (.ci/run: 400, .ci/full: 10 000), `TUMAR_MODEL_SEED` which; without it, others each time. A run
//! that fails prints its seed and the few steps that it takes.

#![allow(
    clippy::similar_names,
    clippy::wildcard_enum_match_arm,
    clippy::unused_self,
    reason = "a test that reads like its table of steps"
)]
#![allow(clippy::unwrap_used)]

mod accounts;
mod again;
mod clocks;
mod desks;
mod minimal;
mod nodes;
mod people;
mod rules;
mod run;
mod slow;
mod steps;
mod stores;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::support::rng::Dice;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use run::{Run, Tally};
use steps::Step;

/// Steps if nothing is said.
const STEPS: usize = 40;

/// Steps with one set of nodes.
const OF_ONE_RUN: usize = 400;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// The steps of one run, each with its number.
fn draw(seed: u64, count: usize) -> Vec<(usize, Step)> {
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &Dice(seed).bytes(32)));
    let steps = prop::collection::vec(steps::step(), count).new_tree(&mut runner).unwrap().current();
    steps.into_iter().enumerate().collect()
}

/// Takes the steps. What is wrong, with the number of steps that were taken.
fn play(steps: &[(usize, Step)]) -> Result<Tally, (usize, String)> {
    let mut taken = 0;
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut run = Run::new()?;
        for (number, step) in steps {
            run.take(*number, step)?;
            taken += 1;
        }
        run.end()
    }));
    match played {
        Ok(result) => result.map_err(|why| (taken, why)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            Err((taken, text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default()))
        }
    }
}

/// The few steps that it takes to fail in the same way: as the text says up to its first colon.
fn shortest(steps: &[(usize, Step)], taken: usize, first: &str) -> String {
    let upto = steps[..steps.len().min(taken + 1)].to_vec();
    let kind = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    let mut why = first.to_owned();
    let few = minimal::minimal(upto, |steps| match play(steps) {
        Err((_, text)) if kind(&text) == kind(first) => {
            why = text;
            true
        }
        Ok(_) | Err(_) => false,
    });
    let lines: Vec<String> = few.iter().map(|(number, step)| format!("  {number:4}  {step:?}")).collect();
    format!("{}\n  then: {why}", lines.join("\n"))
}

#[test]
fn what_receipts_say_is_so() {
    let count = setting("TUMAR_MODEL_STEPS").map_or(STEPS, |steps| usize::try_from(steps).unwrap());
    let seed = setting("TUMAR_MODEL_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("TUMAR_MODEL_SEED={seed} TUMAR_MODEL_STEPS={count}");
    let begin = Instant::now();
    let mut heard: BTreeMap<String, u32> = BTreeMap::new();
    let mut left = count;
    for round in 0.. {
        if left == 0 {
            break;
        }
        let steps = draw(seed.wrapping_add(round), left.min(OF_ONE_RUN));
        left -= steps.len();
        match play(&steps) {
            Ok(Tally(of_run)) => of_run.into_iter().for_each(|(what, times)| *heard.entry(what).or_default() += times),
            Err((taken, why)) => {
                let told =
                    format!("TUMAR_MODEL_SEED={seed} TUMAR_MODEL_STEPS={count}: step {taken} of round {round}: {why}");
                // Before the few minutes in which a shorter way to it is looked for.
                println!("{told}");
                panic!("{told}\nAs few steps as were found:\n{}", shortest(&steps, taken, &why));
            }
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("{count} steps in {seconds:.1} s");
    for (what, times) in &heard {
        println!("{times:6}  {what}");
    }
}
