//! The arithmetic against vectors that an independent script made: `tests/vectors/make.py`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashMap;

use crate::support::mpc_sim::{Trial, World, by_party, enrol_shapes, model_of, verify_trials};
use tumar::net::Step;
use tumar::party::Party;
use tumar::protocol::dot::dot;
use tumar::protocol::{
    Bits, Bounds, FusionRule, Group, Tree, Width, bits_to_words, check_inputs, climb, compare, msb, open,
    reshare_to_two,
};
use tumar::share::{LAGRANGE, Masks, Replicated, inverse, mul, split};
use tumar::template::Shape;
use tumar::template::face::{TemplateError, quantise};
use tumar::template::model::{Fmr, Models};
use zeroize::Zeroizing;

type Case = HashMap<String, String>;

/// The cases of a file: lines of `key = value`, an empty line between cases, `#` for words to the reader.
fn cases(text: &str) -> Vec<Case> {
    let lines = |block: &str| -> Case {
        let pairs = block.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once(" = ").unwrap());
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let cases: Vec<Case> = text.split("\n\n").map(lines).filter(|case| !case.is_empty()).collect();
    assert!(!cases.is_empty());
    cases
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap()).collect()
}

fn words(hex: &str) -> Vec<u16> {
    bytes(hex).as_chunks::<2>().0.iter().map(|two| u16::from_le_bytes(*two)).collect()
}

fn element(hex: &str) -> [u16; 2] {
    words(hex).try_into().unwrap()
}

fn vector(columns: usize) -> Shape {
    Shape::vector(columns).unwrap()
}

/// A key for each party: `x_a`, `x_b`, `x_c`.
fn of_all(case: &Case, key: &str) -> [Vec<u16>; 3] {
    ["a", "b", "c"].map(|party| words(&case[&format!("{key}_{party}")]))
}

#[test]
fn embeddings_become_these_templates_or_are_refused_for_these_reasons() {
    for case in cases(include_str!("../vectors/quantise.txt")) {
        let embedding: Vec<f32> =
            bytes(&case["embedding"]).as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        let got = quantise(&embedding, &model_of(case["dimension"].parse().unwrap()));
        match case.get("FAILS").map(String::as_str) {
            None => {
                let template = got.unwrap();
                assert_eq!(*template.pack(), bytes(&case["packed"]).into_boxed_slice());
                assert_eq!(template.score_vartime(&template).to_string(), case["norm"]);
            }
            Some("NOT_FINITE") => assert_eq!(got.unwrap_err(), TemplateError::NotFinite),
            Some("ZERO") => assert_eq!(got.unwrap_err(), TemplateError::Zero),
            Some("SPARSE") => assert_eq!(got.unwrap_err(), TemplateError::Sparse),
            Some("DIMENSION") => assert!(matches!(got.unwrap_err(), TemplateError::Dimension { .. })),
            Some(other) => panic!("{other} is not known"),
        }
    }
}

#[test]
fn the_ring_multiplies_inverts_and_weighs_as_the_vectors_say() {
    for case in cases(include_str!("../vectors/ring.txt")) {
        if case.contains_key("lagrange_a") {
            assert_eq!(of_all(&case, "lagrange").map(|words| [words[0], words[1]]), LAGRANGE);
            continue;
        }
        let (a, b) = (element(&case["a"]), element(&case["b"]));
        assert_eq!(mul(a, b), element(&case["product"]));
        match case.get("FAILS").map(String::as_str) {
            None => assert_eq!(inverse(a), element(&case["inverse"])),
            Some(reason) => {
                assert_eq!(reason, "NOT_A_UNIT");
                assert!(std::panic::catch_unwind(|| inverse(a)).is_err());
            }
        }
    }
}

#[test]
fn summands_convert_to_these_points_and_points_dot_to_these_scores() {
    for case in cases(include_str!("../vectors/convert.txt")) {
        let (x, points, references) = (of_all(&case, "x"), of_all(&case, "point"), of_all(&case, "reference"));
        let mut score = 0_u16;
        for party in Party::ALL {
            let slot = |party: Party| x[party.index()].clone().into_boxed_slice();
            let point = Replicated::new(vector(x[0].len()), slot(party), slot(party.next())).unwrap().to_point(party);
            assert_eq!(point.words(), points[party.index()]);
            score = score.wrapping_add(dot(point.weigh().words(), &references[party.index()]));
        }
        assert_eq!(score.to_string(), case["score"]);
    }
}

#[tokio::test]
async fn intake_turns_these_summands_into_these_components() {
    let mut world = World::new(61);
    let cases = cases(include_str!("../vectors/intake.txt"));
    let shares = cases.iter().map(|case| {
        let [a, b, c] = ["s_a", "s_b", "s_c"].map(|key| bytes(&case[key]));
        let packed: Vec<u8> = a.iter().zip(&b).zip(&c).map(|((a, b), c)| a ^ b ^ c).collect();
        split(vector(2 * packed.len()), &packed, Masks::from_random(Zeroizing::new([a, b].concat()))).unwrap()
    });
    let mut lists = by_party(shares.collect()).map(Some);
    let taken = World::run(world.sessions(), |mut session| {
        let batch = lists[session.own().index()].take().unwrap();
        async move {
            let outcome = check_inputs(&mut session, &batch).await;
            session.settle(outcome).unwrap()
        }
    })
    .await;
    for (place, case) in cases.iter().enumerate() {
        let norm = taken.iter().fold(0_u16, |sum, list| sum.wrapping_add(list[place].components.norm_summands()[0]));
        assert_eq!(norm.to_string(), case["norm"]);
        // The value at 0 from the points: component pair k of every party times its weight.
        let points = Party::ALL.map(|party| taken[party.index()][place].components.to_point(party).weigh());
        let sum = |word: usize| points.iter().fold(0_u16, |sum, point| sum.wrapping_add(point.words()[word]));
        let template = words(&case["template"]);
        assert_eq!((0..template.len()).map(sum).collect::<Vec<_>>(), template);
        assert!(taken.iter().all(|list| list[place].consistent));
    }
}

#[tokio::test]
async fn these_scores_compare_with_these_thresholds_as_the_vectors_say() {
    let mut world = World::new(62);
    for case in cases(include_str!("../vectors/compare.txt")) {
        let shares = of_all(&case, "z");
        let thresholds: Vec<i16> = words(&case["thresholds"]).into_iter().map(u16::cast_signed).collect();
        let outcomes = World::run(world.sessions(), async |mut session| {
            let own = session.own().index();
            let outcome = compare(&mut session, &shares[own], &thresholds).await;
            session.settle(outcome).unwrap()
        })
        .await;
        for outcome in outcomes {
            assert_eq!(outcome.iter().map(|&bit| if bit { '1' } else { '0' }).collect::<String>(), case["at_least"]);
        }
    }
}

fn numbers(text: &str) -> Vec<usize> {
    text.split(' ').map(|number| number.parse().unwrap()).collect()
}

fn digits(bits: &[bool]) -> String {
    bits.iter().map(|&bit| if bit { '1' } else { '0' }).collect()
}

#[tokio::test]
async fn these_bits_make_these_trees_and_sums() {
    let mut world = World::new(63);
    for case in cases(include_str!("../vectors/trees.txt")) {
        let sizes = numbers(&case["sizes"]);
        let lanes = sizes.iter().sum();
        let slots = ["s_a", "s_b", "s_c"].map(|key| -> Vec<u64> {
            bytes(&case[key]).as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight)).collect()
        });
        let group: Vec<usize> = sizes.iter().enumerate().flat_map(|(k, &size)| std::iter::repeat_n(k, size)).collect();
        let (sizes, group, slots) = (&sizes, &group, &slots);
        let got = World::run(world.sessions(), async |mut session| {
            let slot = |party: Party| Zeroizing::new(slots[party.index()].clone());
            let own = session.own();
            let bits = Bits::from_slots(slot(own), slot(own.next()), lanes);
            let every: Vec<usize> = (0..lanes).collect();
            let or = Tree::or(own, &bits, &every, sizes);
            let or = climb(&mut session, Step::Tree, or, &mut Tree::none()).await.unwrap();
            let and = Tree::and(&bits, &every, sizes);
            let and = climb(&mut session, Step::Tree, and, &mut Tree::none()).await.unwrap();
            let words = bits_to_words(&mut session, &bits).await.unwrap().sum(sizes.len(), |lane| group[lane]);
            let of: Vec<usize> = (0..sizes.len()).collect();
            let or = open(&mut session, Step::Open, &or, &of).await.unwrap();
            let and = open(&mut session, Step::Open, &and, &of).await;
            (or, session.settle(and).unwrap(), words)
        })
        .await;
        for (or, and, _) in &got {
            assert_eq!((digits(or), digits(and)), (case["or"].clone(), case["and"].clone()));
        }
        let sum = |place: usize| got.iter().fold(0_u16, |sum, (_, _, words)| sum.wrapping_add(words.summands()[place]));
        assert_eq!((0..sizes.len()).map(|place| usize::from(sum(place))).collect::<Vec<_>>(), numbers(&case["sum"]));
    }
}

#[tokio::test]
async fn these_scores_reach_these_bounds_at_every_width() {
    let mut world = World::new(64);
    for case in cases(include_str!("../vectors/widths.txt")) {
        let shares = of_all(&case, "z");
        let bounds: Vec<i16> = words(&case["bounds"]).into_iter().map(u16::cast_signed).collect();
        let width = match case["width"].as_str() {
            "8" => Width::Eight,
            "12" => Width::Twelve,
            _ => Width::Sixteen,
        };
        let (shares, bounds) = (&shares, &bounds);
        let outcomes = World::run(world.sessions(), async |mut session| {
            let scores = &shares[session.own().index()];
            let halves = reshare_to_two(&mut session, &[scores]).await.unwrap();
            let group = |scores| Group { scores, bounds: Bounds::All(bounds.clone()), width };
            let reached = msb(&mut session, halves.into_iter().map(group).collect()).await.unwrap();
            let all = Bits::concat(&reached);
            let opened = open(&mut session, Step::Open, &all, &(0..all.lanes()).collect::<Vec<_>>()).await;
            session.settle(opened).unwrap()
        })
        .await;
        let truth: String = (0..bounds.len()).map(|level| case[&format!("reached_{level}")].clone()).collect();
        assert_eq!(outcomes.map(|outcome| digits(&outcome)), [(); 3].map(|()| truth.clone()));
    }
}

#[tokio::test]
async fn these_sets_have_these_counts() {
    let mut world = World::new(65);
    let models = Models::built_in();
    let model = models.find(&"leader-rows-3".parse().unwrap()).unwrap();
    let mut smaller = [0; 2];
    for case in cases(include_str!("../vectors/sets.txt")) {
        let [probe, reference] = ["probe", "reference"].map(|key| {
            let packed = bytes(&case[key]);
            (model.shape(2 * packed.len()).unwrap(), packed)
        });
        let rates =
            [Fmr::E3, Fmr::E4].map(|rate| usize::try_from(model.threshold(rate, probe.0, reference.0)).unwrap());
        assert_eq!(rates.to_vec(), numbers(&case["thresholds"]));
        let counts = numbers(&case["counts"]);
        smaller[usize::from(counts[1] < counts[0])] += usize::from(counts[0] != counts[1]);
        let count = i16::try_from(*counts.iter().min().unwrap()).unwrap();
        let points = enrol_shapes(&mut world, &[reference]).await;
        let requests = [count, count + 1].map(|threshold| {
            let probe = world.dice.split_shape(probe.0, &probe.1);
            (vec![Trial { probe, against: vec![(0, threshold, 1)] }], FusionRule::Any)
        });
        let outcomes = verify_trials(world.sessions(), requests.into(), &points).await;
        assert_eq!(outcomes, [(); 3].map(|()| Ok(vec![Ok(true), Ok(false)])));
    }
    assert!(smaller.iter().all(|often| *often > 0), "either way was the smaller one");
}
