//! Real faces, where they are at hand: the protocol opens what plain integers say, and quantising costs no accuracy.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs)]

use crate::support::mpc_sim::data::{Faces, faces};
use crate::support::mpc_sim::{Dice, World, enrol, verify_all};
use tumar::protocol::ProtocolError;
use tumar::share::PointShare;
use tumar::template::Template;
use tumar::template::face::quantise;
use tumar::template::model::{Fmr, Model, Models};

const BATCH: usize = 1024;
/// Two processors are what we ask for.
const WORKERS: usize = 2;

fn model() -> Model {
    Models::built_in().find(&"fr512".parse().unwrap()).unwrap().clone()
}

fn templates(faces: &Faces) -> Vec<Template> {
    let model = model();
    faces.embeddings.rows().into_iter().map(|row| quantise(row.as_slice().unwrap(), &model).unwrap()).collect()
}

/// Pairs of different rows, drawn without order: so many of one person, so many of two.
fn draw_pairs(people: &[u32], genuine_pairs: usize, impostor_pairs: usize, dice: &mut Dice) -> Vec<(usize, usize)> {
    let mut genuine: Vec<(usize, usize)> = (0..people.len())
        .flat_map(|a| (a + 1..people.len()).map(move |b| (a, b)))
        .filter(|&(a, b)| people[a] == people[b])
        .collect();
    assert!(genuine.len() >= genuine_pairs);
    let mut pairs: Vec<_> = (0..genuine_pairs).map(|_| genuine.swap_remove(dice.below(genuine.len()))).collect();
    while pairs.len() < genuine_pairs + impostor_pairs {
        let (a, b) = (dice.below(people.len()), dice.below(people.len()));
        if people[a] != people[b] {
            pairs.push((a, b));
        }
    }
    pairs
}

/// Runs pairs through the three parties; returns how many matched, after checking each against plain integers.
async fn run_pairs(
    templates: &[Template],
    points: &[Vec<PointShare>; 3],
    pairs: &[(usize, usize)],
    seed: u64,
) -> usize {
    let (mut world, model, shape) = (World::new(seed), model(), templates[0].shape());
    let limits: Vec<i16> =
        Fmr::ALL.map(|rate| model.threshold(rate, shape, shape)).into_iter().cycle().take(BATCH).collect();
    let mut matches = 0;
    for batch in pairs.chunks(BATCH) {
        let probes = batch.iter().map(|&(probe, _)| world.dice.split(&templates[probe].pack())).collect();
        let rows: Vec<usize> = batch.iter().map(|&(_, reference)| reference).collect();
        let outcomes = verify_all(world.sessions(), probes, points, &rows, &limits).await;
        let truth: Vec<_> = batch
            .iter()
            .zip(&limits)
            .map(|(&(a, b), &limit)| Ok(templates[a].matches_vartime(&templates[b], limit)))
            .collect();
        matches += truth.iter().filter(|outcome| **outcome == Ok(true)).count();
        for outcome in outcomes {
            assert!(outcome == Ok::<_, ProtocolError>(truth.clone()), "a wrong bit");
        }
    }
    matches
}

/// Compares so many pairs of one person and so many of two on two processors.
fn every_bit_is_right(genuine_pairs: usize, impostor_pairs: usize) {
    let Some(faces) = faces("lfw_dev", "fr512") else { return };
    let templates = templates(&faces);
    let mut world = World::new(51);
    let pairs = draw_pairs(&faces.people, genuine_pairs, impostor_pairs, &mut world.dice);
    let packed: Vec<Vec<u8>> = templates.iter().map(|template| template.pack().to_vec()).collect();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut points = [Vec::new(), Vec::new(), Vec::new()];
    for batch in packed.chunks(BATCH) {
        let more = runtime().block_on(enrol(&mut world, batch));
        points.iter_mut().zip(more).for_each(|(points, more)| points.extend(more));
    }
    let (points, templates) = (&points, &templates);
    let matches: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = pairs
            .chunks(pairs.len().div_ceil(WORKERS))
            .zip(100..)
            .map(|(part, seed)| scope.spawn(move || runtime().block_on(run_pairs(templates, points, part, seed))))
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    // Nearly all genuine pairs and nearly no impostors: the bits are not all one way.
    let expected = genuine_pairs * 9 / 10..genuine_pairs + impostor_pairs / 100;
    assert!(expected.contains(&matches), "{matches} matches");
    println!("{genuine_pairs} genuine and {impostor_pairs} impostor pairs, {matches} matches, no wrong bit");
}

#[test]
fn the_opened_bit_is_that_of_plain_integers_for_some_pairs_of_real_faces() {
    every_bit_is_right(500, 5_000);
}

#[test]
#[ignore = "slow: half a minute"]
fn the_opened_bit_is_that_of_plain_integers_for_220_000_pairs_of_real_faces() {
    every_bit_is_right(20_000, 200_000);
}

/// Share of genuine scores above the threshold that lets this share of the impostors through.
fn acceptance(genuine: &[f32], impostor: &mut [f32], rate: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of pairs")]
    let allowed = (rate * impostor.len() as f64) as usize;
    let (_, threshold, _) = impostor.select_nth_unstable_by(allowed, |a, b| b.total_cmp(a));
    genuine.iter().filter(|score| *score > threshold).count() as f64 / genuine.len() as f64
}

fn float_dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

#[test]
#[ignore = "slow: 19 million pairs"]
fn quantised_templates_tell_people_apart_as_well_as_float_cosines() {
    let Some(faces) = faces("lfw_dev", "fr512") else { return };
    let templates = templates(&faces);
    let (mut genuine, mut impostor) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for a in 0..faces.people.len() {
        let row = faces.embeddings.row(a);
        for b in a + 1..faces.people.len() {
            let lists = if faces.people[a] == faces.people[b] { &mut genuine } else { &mut impostor };
            lists[0].push(float_dot(row.as_slice().unwrap(), faces.embeddings.row(b).as_slice().unwrap()));
            lists[1].push(templates[a].score_vartime(&templates[b]) as f32);
        }
    }
    // What the set's description says that it holds.
    assert_eq!((genuine[0].len(), impostor[0].len()), (59_325, 18_941_205));
    for rate in [1e-3, 1e-4] {
        let [float, quantised] = [0, 1].map(|path| acceptance(&genuine[path], &mut impostor[path], rate));
        println!("TAR at FAR {rate:e}: float {:.3} %, quantised {:.3} %", 100.0 * float, 100.0 * quantised);
        assert!((float - quantised).abs() <= 0.001, "{float} against {quantised}");
    }
}
