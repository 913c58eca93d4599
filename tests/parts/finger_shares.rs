//! Real fingers among three parties, where they are at hand: the opened bit is that of plain integers.
#![allow(clippy::unwrap_used, missing_docs)]

use crate::support::fingerprints;

use std::collections::BTreeMap;

use crate::support::fingerprints::prints;
use crate::support::mpc_sim::{Dice, Trial, World, enrol_shapes, verify_trials};
use tumar::protocol::FusionRule;
use tumar::share::PointShare;
use tumar::template::Template;
use tumar::template::finger::record::{Record, Wanted};
use tumar::template::finger::{encode_fixed, encode_rows};
use tumar::template::model::{Fmr, Model, Models};

const BATCH: usize = 32;
/// Two processors are what we ask for.
const WORKERS: usize = 2;

fn model(id: &str) -> Model {
    Models::built_in().find(&id.parse().unwrap()).unwrap().clone()
}

struct Encoded {
    set: String,
    finger: String,
    rows: Template,
    fixed: Template,
}

fn encoded() -> Option<Vec<Encoded>> {
    let encode = |print: fingerprints::Print| {
        let minutiae = Record::read(&print.bytes).unwrap().view(Wanted::default()).unwrap().minutiae();
        let (rows, fixed) = (encode_rows(&minutiae).unwrap(), encode_fixed(&minutiae).unwrap());
        Encoded { set: print.set, finger: print.finger, rows, fixed }
    };
    Some(prints()?.into_iter().map(encode).collect())
}

/// Which prints are compared, so many of each: any two impressions of a finger, both ways, and of two fingers of one set.
fn draw_pairs(prints: &[Encoded], each: usize, dice: &mut Dice) -> Vec<(usize, usize)> {
    let all = || (0..prints.len()).flat_map(|a| (0..prints.len()).map(move |b| (a, b)));
    let of_one_set = |&(a, b): &(usize, usize)| a != b && prints[a].set == prints[b].set;
    let (mut genuine, mut impostor): (Vec<_>, Vec<_>) =
        all().filter(of_one_set).partition(|&(a, b)| prints[a].finger == prints[b].finger);
    let mut draw = |from: &mut Vec<_>| (0..each).map(|_| from.swap_remove(dice.below(from.len()))).collect::<Vec<_>>();
    [draw(&mut genuine), draw(&mut impostor)].concat()
}

/// Runs pairs through the three parties; returns how many matched, after checking each against plain integers.
async fn run_pairs(
    templates: &[&Template],
    points: &[Vec<PointShare>; 3],
    pairs: &[(usize, usize)],
    model: &Model,
    seed: u64,
) -> usize {
    let mut world = World::new(seed);
    let mut matches = 0;
    for batch in pairs.chunks(BATCH) {
        let (mut requests, mut truth) = (Vec::new(), Vec::new());
        for (&(probe, reference), rate) in batch.iter().zip(Fmr::ALL.into_iter().cycle()) {
            let (probe, other) = (templates[probe], templates[reference]);
            let threshold = model.threshold(rate, probe.shape(), other.shape());
            truth.push(Ok(probe.matches_vartime(other, threshold)));
            let probe = world.dice.split_shape(probe.shape(), &probe.pack());
            requests.push((vec![Trial { probe, against: vec![(reference, threshold, 1)] }], FusionRule::Any));
        }
        for outcome in verify_trials(world.sessions(), requests, points).await {
            assert!(outcome.unwrap() == truth, "a wrong bit");
        }
        matches += truth.iter().filter(|outcome| **outcome == Ok(true)).count();
    }
    matches
}

/// Takes all templates in, and compares the pairs on two processors.
fn compare(templates: &[&Template], pairs: &[(usize, usize)], model: &Model) -> usize {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut world = World::new(81);
    let packed: Vec<_> = templates.iter().map(|template| (template.shape(), template.pack().to_vec())).collect();
    let points = &runtime().block_on(enrol_shapes(&mut world, &packed));
    std::thread::scope(|scope| {
        let workers: Vec<_> = pairs
            .chunks(pairs.len().div_ceil(WORKERS))
            .zip(200..)
            .map(|(part, seed)| {
                scope.spawn(move || runtime().block_on(run_pairs(templates, points, part, model, seed)))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    })
}

fn every_bit_is_right(each: usize) {
    let Some(prints) = encoded() else { return };
    let pairs = draw_pairs(&prints, each, &mut Dice(82));
    let templates: Vec<&Template> = prints.iter().map(|print| &print.rows).collect();
    let matches = compare(&templates, &pairs, &model("leader-rows-3"));
    // Nearly all genuine pairs and nearly no impostors: the bits are not all one way.
    assert!((each * 9 / 10..each + each / 100).contains(&matches), "{matches} matches");
    println!("{each} genuine and {each} impostor pairs of sets, {matches} matches, no wrong bit");
}

#[test]
fn the_opened_bit_is_that_of_plain_integers_for_some_pairs_of_real_fingers() {
    every_bit_is_right(200);
}

#[test]
#[ignore = "slow: half a minute"]
fn the_opened_bit_is_that_of_plain_integers_for_6000_pairs_of_real_fingers() {
    every_bit_is_right(3_000);
}

#[test]
#[ignore = "slow: half a minute"]
fn two_hundred_probes_against_every_enrolled_finger_open_what_plain_vectors_say() {
    let Some(prints) = encoded() else { return };
    let fcj: Vec<&Encoded> = prints.iter().filter(|print| print.set == "fcj2020").collect();
    let mut enrolled: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, print) in fcj.iter().enumerate() {
        enrolled.entry(&print.finger).or_insert(place);
    }
    let probes = (0..fcj.len()).filter(|place| enrolled[fcj[*place].finger.as_str()] != *place);
    let probes: Vec<usize> = probes.step_by(2).take(200).collect();
    assert_eq!((probes.len(), enrolled.len()), (200, 100));
    let pairs: Vec<(usize, usize)> =
        probes.iter().flat_map(|&probe| enrolled.values().map(move |&reference| (probe, reference))).collect();
    let templates: Vec<&Template> = fcj.iter().map(|print| &print.fixed).collect();
    let matches = compare(&templates, &pairs, &model("leader-fixed-1"));
    assert!((100..400).contains(&matches), "{matches} matches");
    println!("200 probes against 100 fingers by their vectors, {matches} matches, no wrong bit");
}
