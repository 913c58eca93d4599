//! What one node receives, is given and stores looks like noise, whatever the template, and never the same noise twice.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs)]

use crate::support::mpc_sim;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use crate::support::mpc_sim::{
    Dice, Passage, Trial, World, enrol, enrol_all, enrol_shapes, model_of, verify_all, verify_trials,
};
use tumar::net::Step;
use tumar::party::Party;
use tumar::protocol::{Came, FusionRule, ModalityInput, ReferenceInput, Round, VerifyInput, compare};
use tumar::template::face::quantise;
use tumar::template::{Levels, ROW, Shape};
use zeroize::Zeroizing;

const DIMENSION: usize = 512;
/// Three lanes each: whole words for every host.
const ITEMS: usize = 128;

/// All bytes of one kind that one party sees.
type View = BTreeMap<String, Vec<u8>>;

/// Adds the bytes of one message to a party's view, one kind for each step and side.
fn recording(views: &Arc<Mutex<[View; 3]>>) -> impl FnMut(mpc_sim::Message<'_>) -> Passage + Send + 'static {
    let views = Arc::clone(views);
    move |m| {
        let side = if m.from == m.to.next() { "next" } else { "prev" };
        let mut body = &m.frame.body[..];
        if m.frame.step == Step::Inject {
            // Both peers tell their hash of the summand that both hold: the same 16 bytes twice is what they are there for.
            let (hashes, shared) = body.split_at(32 * ITEMS);
            body = shared;
            add(&views, m.to, &format!("hashes from {side}"), hashes);
        }
        add(&views, m.to, &format!("{:?} from {side}", m.frame.step), body);
        Passage::On(m.frame)
    }
}

fn add(views: &Arc<Mutex<[View; 3]>>, party: Party, kind: &str, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    views.lock().unwrap()[party.index()].entry(kind.to_owned()).or_default().extend_from_slice(bytes);
}

/// Enrols and verifies `ITEMS` times one template; returns all that each party saw or kept.
async fn views(world: &mut World, packed: &[u8], split_seed: u64) -> [View; 3] {
    let seen = Arc::new(Mutex::new([View::new(), View::new(), View::new()]));
    let references: Vec<Vec<u8>> = vec![world.dice.packed(&model_of(DIMENSION))];
    let points = enrol(world, &references).await;
    let split = |dice: &mut Dice| -> Vec<_> { (0..ITEMS).map(|_| dice.split(packed)).collect() };
    let mut dice = Dice(split_seed);
    let (probes, subjects) = (split(&mut dice), split(&mut dice));
    for summands in probes.iter().chain(&subjects) {
        for (party, summands) in Party::ALL.into_iter().zip(summands) {
            add(&seen, party, "summands", summands.for_envelope());
        }
    }
    let sessions = world.tampered(recording(&seen));
    let outcomes = verify_all(sessions, probes, &points, &[0; ITEMS], &[0; ITEMS]).await;
    assert!(outcomes.iter().all(Result::is_ok));

    let stored = enrol_all(world.tampered(recording(&seen)), subjects).await;
    for (party, stored) in Party::ALL.into_iter().zip(stored) {
        for share in stored.unwrap().into_iter().flatten() {
            add(&seen, party, "stored", &share.to_bytes_for_sealing());
        }
    }
    let views = seen.lock().unwrap();
    views.clone()
}

/// Chi-squared against uniform, as standard deviations from its mean: over bytes, or over nibbles where there are few.
fn deviation(bytes: &[u8]) -> f64 {
    let symbols: Vec<u8> =
        if bytes.len() < 256 * 8 { bytes.iter().flat_map(|b| [b & 15, b >> 4]).collect() } else { bytes.to_vec() };
    let bins = if bytes.len() < 256 * 8 { 16 } else { 256 };
    let mut counts = vec![0.0; bins];
    for symbol in &symbols {
        counts[usize::from(*symbol)] += 1.0;
    }
    let mean = symbols.len() as f64 / bins as f64;
    let statistic: f64 = counts.iter().map(|count: &f64| (count - mean).powi(2) / mean).sum();
    let freedom = (bins - 1) as f64;
    (statistic - freedom) / (2.0 * freedom).sqrt()
}

/// A template that is all one component, a lopsided one, a random one and an honest one.
fn templates(dice: &mut Dice) -> Vec<(&'static str, Vec<u8>)> {
    let half = DIMENSION / 2;
    let lopsided = (0..half).map(|byte| if byte % 3 == 0 { 0x71 } else { 0x02 }).collect();
    vec![
        ("zero", vec![0; half]),
        ("all seven", vec![0x77; half]),
        ("all minus one", vec![0xff; half]),
        ("lopsided", lopsided),
        ("honest", dice.packed(&model_of(DIMENSION))),
    ]
}

#[tokio::test]
async fn all_that_one_node_receives_and_stores_is_uniform_whatever_the_template() {
    let mut world = World::new(31);
    let mut dice = world.dice.clone();
    for (name, packed) in templates(&mut dice) {
        for (party, view) in Party::ALL.into_iter().zip(views(&mut world, &packed, 41).await) {
            // Six kinds of messages and more come to everyone: an empty view must not pass.
            assert!(view.len() > 12, "{party}: {:?}", view.keys());
            assert_eq!(view.contains_key("stored"), name == "honest");
            for (kind, bytes) in &view {
                let deviation = deviation(bytes);
                // Some 300 such tests: the chance that noise is beyond 6 in one of them is below 1 in 10 000.
                assert!(deviation.abs() < 6.0, "{name}: {kind} at {party}, {} bytes: {deviation}", bytes.len());
            }
            let all: Vec<u8> = view.values().flatten().copied().collect();
            assert!(deviation(&all).abs() < 6.0, "{name} at {party}");
        }
    }
}

/// Scores' summands that are no noise of their own: here every mask of a comparison must be there.
#[tokio::test]
async fn a_comparison_hides_even_summands_that_are_all_the_same() {
    const LANES: usize = 64 * 192;
    let mut world = World::new(35);
    let seen = Arc::new(Mutex::new([View::new(), View::new(), View::new()]));
    let sessions = world.tampered(recording(&seen));
    let outcomes = World::run(sessions, async |mut session| {
        let outcome = compare(&mut session, &vec![0; LANES], &vec![0; LANES]).await;
        session.settle(outcome).unwrap()
    })
    .await;
    assert!(outcomes.iter().flatten().all(|&bit| bit));
    for (party, view) in Party::ALL.into_iter().zip(seen.lock().unwrap().iter()) {
        // Carries that one position makes come from both sides, for two thirds of the lanes.
        assert_eq!(view.len(), 2 + 2 + 4 + 2);
        for (kind, bytes) in view.iter().filter(|(_, bytes)| bytes.len() > 16) {
            let deviation = deviation(bytes);
            assert!(deviation.abs() < 6.0, "{kind} at {party}, {} bytes: {deviation}", bytes.len());
        }
    }
}

/// Sets all of whose rows match, none of whose rows match, and zeros: what is told of them is one bit, and nothing else.
#[tokio::test]
async fn all_that_one_node_receives_of_sets_is_uniform_whatever_they_are() {
    const SETS: usize = 24;
    let mut world = World::new(36);
    let (_, reference) = world.dice.packed_set(40, &[]);
    let points = enrol_shapes(&mut world, &[(Shape::set(40).unwrap(), reference.clone())]).await;
    let (_, stranger) = world.dice.packed_set(40, &[]);
    for (name, packed) in [("the same", reference), ("a stranger", stranger), ("zeros", vec![0; 40 * ROW / 2])] {
        let seen = Arc::new(Mutex::new([View::new(), View::new(), View::new()]));
        let requests = (0..SETS).map(|_| {
            let probe = world.dice.split_shape(Shape::set(40).unwrap(), &packed);
            (vec![Trial { probe, against: vec![(0, 11, 1)] }], FusionRule::Any)
        });
        let requests = requests.collect();
        let views = Arc::clone(&seen);
        let sessions = world.tampered(move |m| {
            let side = if m.from == m.to.next() { "next" } else { "prev" };
            // Steps come again: each message is a kind of its own. Hashes in front of the first are left out.
            let from = if m.frame.step == Step::Inject { 32 * SETS } else { 0 };
            let kind = format!("{} {:?} from {side}", m.frame.number, m.frame.step);
            add(&views, m.to, &kind, &m.frame.body[from..]);
            Passage::On(m.frame)
        });
        for outcome in verify_trials(sessions, requests, &points).await {
            assert!(outcome.is_ok());
        }
        for (party, view) in Party::ALL.into_iter().zip(seen.lock().unwrap().iter()) {
            assert!(view.len() > 24, "{party}: {:?}", view.keys());
            for (kind, bytes) in view.iter().filter(|(_, bytes)| bytes.len() >= 80) {
                // Openings carry a digest, or bits that are public anyway under masks: both are short or noise.
                let deviation = deviation(bytes);
                assert!(deviation.abs() < 6.0, "{name}: {kind} at {party}, {} bytes: {deviation}", bytes.len());
            }
        }
    }
}

#[tokio::test]
async fn no_secret_type_prints_its_content() {
    let mut world = World::new(34);
    let model = model_of(64);
    let template = quantise(&world.dice.embedding(64), &model).unwrap();
    let packed = template.pack();
    let shares = world.dice.split(&packed);
    let [points, ..] = enrol(&mut world, &[packed.to_vec()]).await;
    let [session, ..] = world.sessions();
    let id = session.id();
    let weighted = points[0].weigh();
    assert_eq!(
        format!("{template:?} {:?} {:?} {weighted:?} {session:?}", shares[0], points[0]),
        format!("Template(1x64) InputShares(1x64) PointShare(A, 1x64) Weighted([64]) Session(A, {id})")
    );
    let [own, ..] = shares;
    let against = ReferenceInput {
        shape: points[0].shape(),
        words: points[0].words(),
        threshold: 5,
        weight: 1,
        levels: Levels::default(),
    };
    let input =
        VerifyInput { sides: vec![ModalityInput { probe: own, references: vec![against] }], joint: FusionRule::Any };
    let round = Round { to_next: vec![0xab; 3], ..Round::default() };
    let came = Came { next: Zeroizing::new(vec![0xab; 4]), prev: Zeroizing::default() };
    assert_eq!(
        format!("{input:?} {round:?} {came:?}"),
        "VerifyInput { sides: [ModalityInput { probe: InputShares(1x64), references: [ReferenceInput(1x64, 5, 1)] }], joint: Any } \
         Round(to [3] [0], from [0] [0]) Came([4] [0])"
    );
}

#[test]
fn the_test_of_uniformity_finds_what_is_not() {
    let mut dice = Dice(1);
    let mut bytes = dice.bytes(100_000);
    assert!(deviation(&bytes).abs() < 6.0);
    for byte in bytes.iter_mut().step_by(20) {
        *byte &= 0x7f;
    }
    assert!(deviation(&bytes) > 6.0);
    assert!(deviation(&[0; 64]) > 6.0);
}

#[tokio::test]
async fn two_runs_on_the_same_template_and_even_the_same_shares_have_nothing_in_common() {
    let mut world = World::new(32);
    let packed = world.dice.packed(&model_of(DIMENSION));
    // The shares are drawn from the same seed both times: what differs is the sessions' randomness alone.
    let first = views(&mut world, &packed, 42).await;
    let second = views(&mut world, &packed, 42).await;
    for (first, second) in first.into_iter().zip(second) {
        assert_eq!(first["summands"], second["summands"]);
        let mut seen = HashSet::new();
        for (kind, bytes) in first.iter().chain(&second).filter(|(kind, _)| *kind != "summands") {
            for eight in bytes.as_chunks::<8>().0 {
                let fresh = seen.insert((*eight, kind.starts_with("hashes").then(|| kind.clone())));
                assert!(fresh, "{kind}: a mask was used twice");
            }
        }
    }
}
