//! Rounds and bytes are exact, so they are asserted, not measured.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::{Arc, Mutex};

use crate::support::mpc_sim::{
    Passage, Trial, World, enrol_all, enrol_shapes, meters, model_of, verify_all, verify_trials,
};
use tumar::net::Step;
use tumar::party::Party;
use tumar::protocol::{FusionRule, check_inputs, compare, enrol_intake, points, verify};
use tumar::template::{Shape, face::quantise, model::Models};

/// Bytes that each party sends to take in a set of 40 rows, and to compare it with another: lanes are dealt out by words of 64, not quite
/// evenly.
const OF_A_SET: [[u64; 3]; 2] = [[23_036, 22_922, 23_012], [42_008, 41_894, 41_717]];

#[tokio::test]
async fn a_comparison_takes_eight_rounds_and_six_and_three_eighths_bytes_a_lane_and_a_digest() {
    let mut world = World::new(1);
    for lanes in [192, 1920, 192 * 64] {
        let sessions = world.sessions();
        let cost = meters(&sessions);
        let thresholds = vec![5_i16; lanes];
        // Lane l has the score l % 11, all of it with A.
        let bits = World::run(sessions, async |mut session| {
            let whole = u16::from(session.own() == Party::A);
            let scores: Vec<u16> = (0..lanes).map(|lane| whole * u16::try_from(lane % 11).unwrap()).collect();
            let outcome = compare(&mut session, &scores, &thresholds).await;
            session.settle(outcome).unwrap()
        })
        .await;
        for (bits, cost) in bits.iter().zip(&cost) {
            assert!(bits.iter().enumerate().all(|(lane, &bit)| bit == (lane % 11 >= 5)));
            assert_eq!((cost.rounds(), cost.bytes()), (8, 51 * lanes as u64 / 8 + 16));
        }
    }
}

#[tokio::test]
async fn every_score_near_every_threshold_compares_right_in_any_number_of_lanes() {
    let mut world = World::new(2);
    for lanes in [1, 2, 3, 7, 63, 64, 65, 127, 191, 200, 1000] {
        let scores: Vec<i16> = (0..lanes).map(|_| i16::try_from(world.dice.below(6267)).unwrap() - 3133).collect();
        let thresholds: Vec<i16> = scores.iter().map(|s| s + i16::try_from(world.dice.below(5)).unwrap() - 2).collect();
        let masks: Vec<[u16; 2]> =
            (0..lanes).map(|_| [(); 2].map(|()| u16::try_from(world.dice.word() & 0xffff).unwrap())).collect();
        let bits = World::run(world.sessions(), async |mut session| {
            let summand = |(score, [a, b]): (&i16, &[u16; 2])| match session.own() {
                Party::A => *a,
                Party::B => *b,
                Party::C => score.cast_unsigned().wrapping_sub(*a).wrapping_sub(*b),
            };
            let shares: Vec<u16> = scores.iter().zip(&masks).map(summand).collect();
            let outcome = compare(&mut session, &shares, &thresholds).await;
            session.settle(outcome).unwrap()
        })
        .await;
        let truth: Vec<bool> = scores.iter().zip(&thresholds).map(|(score, threshold)| score >= threshold).collect();
        assert_eq!(bits, [(); 3].map(|()| truth.clone()), "{lanes} lanes");
    }
}

#[tokio::test]
async fn intake_takes_two_rounds_and_four_bytes_a_component_and_four_hashes() {
    let mut world = World::new(3);
    // 3 * 512 components, so that thirds are whole.
    let mut shares: [Vec<_>; 3] = Default::default();
    for _ in 0..3 {
        let packed = world.dice.bytes(256);
        for (list, summands) in shares.iter_mut().zip(world.dice.split(&packed)) {
            list.push(summands);
        }
    }
    let sessions = world.sessions();
    let cost = meters(&sessions);
    let [a, b, c] = shares;
    let mut shares = [Some(a), Some(b), Some(c)];
    let taken = World::run(sessions, |mut session| {
        let batch = shares[session.own().index()].take().unwrap();
        async move {
            let outcome = check_inputs(&mut session, &batch).await;
            session.settle(outcome).unwrap()
        }
    })
    .await;
    for (taken, cost) in taken.iter().zip(&cost) {
        assert!(taken.iter().all(|taken| taken.consistent));
        assert_eq!((cost.rounds(), cost.bytes()), (2, 4 * 3 * 512 + 3 * 64));
    }
}

/// As `engine/search.rs` does it: the probe is taken in once, then unit after unit of its dots with the rows is compared.
#[tokio::test]
async fn a_search_takes_eight_rounds_a_unit_and_less_than_seven_bytes_and_a_tenth_a_row() {
    const UNIT: usize = 8 * 4096;
    let mut world = World::new(6);
    let models = Models::built_in();
    let model = models.find(&"fr512".parse().unwrap()).unwrap();
    let packed = quantise(&world.dice.embedding(512), model).unwrap().pack();
    for units in [1_u32, 3] {
        let sessions = world.sessions();
        let cost = meters(&sessions);
        let mut shares = world.dice.split(&packed).map(Some);
        World::run(sessions, |mut session| {
            let probe = vec![vec![shares[session.own().index()].take().unwrap()]];
            async move {
                let taken = points(&mut session, probe).await.unwrap().pop().unwrap();
                assert_eq!(taken.unwrap().len(), 1);
                for _ in 0..units {
                    let reached = compare(&mut session, &vec![0; UNIT], &vec![1018; UNIT]).await.unwrap();
                    assert!(reached.iter().all(|reached| !reached));
                }
                session.settle(Ok(())).unwrap();
            }
        })
        .await;
        for cost in &cost {
            assert_eq!(cost.rounds(), 10 + 8 * u64::from(units));
            let rows = u64::from(units) * UNIT as u64;
            assert!(10 * cost.bytes() <= 71 * rows, "{} bytes for {rows} rows", cost.bytes());
        }
    }
}

#[tokio::test]
async fn runs_may_be_spawned_on_other_threads() {
    let mut world = World::new(5);
    let runs = world.sessions().map(|session| tokio::spawn(verify(session, Vec::new())));
    for run in runs {
        assert_eq!(run.await.unwrap(), Ok(Vec::new()));
    }
    let runs = world.sessions().map(|session| tokio::spawn(enrol_intake(session, Vec::new())));
    for run in runs {
        assert!(run.await.unwrap().unwrap().is_empty());
    }
}

#[tokio::test]
async fn one_face_is_verified_in_eleven_rounds_and_less_than_2200_bytes_and_enrolled_in_ten() {
    let mut world = World::new(4);
    let models = Models::built_in();
    let model = models.find(&"fr512".parse().unwrap()).unwrap();
    let packed = quantise(&world.dice.embedding(512), model).unwrap().pack();

    let sessions = world.sessions();
    let cost = meters(&sessions);
    let mut shares = world.dice.split(&packed).map(Some);
    let points = World::run(sessions, |session| {
        let batch = vec![vec![shares[session.own().index()].take().unwrap()]];
        async { enrol_intake(session, batch).await.unwrap().pop().unwrap().unwrap().pop().unwrap() }
    })
    .await;
    for cost in &cost {
        assert_eq!(cost.rounds(), 10);
        assert!(cost.bytes() < 2200, "{} bytes", cost.bytes());
    }

    let sessions = world.sessions();
    let cost = meters(&sessions);
    let shares = world.dice.split(&packed);
    let outcomes = verify_all(sessions, vec![shares], &points.map(|point| vec![point]), &[0], &[1018]).await;
    for (outcome, cost) in outcomes.into_iter().zip(&cost) {
        assert_eq!(outcome, Ok(vec![Ok(true)]));
        assert_eq!(cost.rounds(), 11);
        assert!(cost.bytes() < 2200, "{} bytes", cost.bytes());
    }
}

#[tokio::test]
async fn one_finger_of_forty_rows_is_verified_in_25_rounds_and_these_bytes_and_enrolled_in_16() {
    let mut world = World::new(7);
    let shape = Shape::set(40).unwrap();
    let (floats, reference) = world.dice.packed_set(40, &[]);
    let (_, probe) = world.dice.packed_set(40, &floats);

    let sessions = world.sessions();
    let cost = meters(&sessions);
    let shares = world.dice.split_shape(shape, &reference);
    let points = enrol_all(sessions, vec![shares]).await.map(|taken| taken.unwrap().pop().unwrap().unwrap());
    // 40 bits become one in six levels.
    assert!(cost.iter().all(|cost| cost.rounds() == 2 + 7 + 6 + 1));
    assert_eq!(cost.map(|cost| cost.bytes()), OF_A_SET[0]);
    let points = points.map(|point| vec![point]);

    let sessions = world.sessions();
    let cost = meters(&sessions);
    let shares = world.dice.split_shape(shape, &probe);
    let request = (vec![Trial { probe: shares, against: vec![(0, 11, 1)] }], FusionRule::Any);
    for outcome in verify_trials(sessions, vec![request], &points).await {
        assert_eq!(outcome.unwrap().len(), 1);
    }
    assert!(cost.iter().all(|cost| cost.rounds() == 2 + 7 + 6 + 2 + 5 + 1 + 1 + 1));
    assert_eq!(cost.map(|cost| cost.bytes()), OF_A_SET[1]);
}

#[tokio::test]
async fn one_bit_of_each_request_says_whether_its_templates_are_some() {
    let mut world = World::new(8);
    let (set, vector) = (Shape::set(40).unwrap(), Shape::vector(64).unwrap());
    let (_, reference) = world.dice.packed_set(40, &[]);
    let face = world.dice.packed(&model_of(64));
    let points = enrol_shapes(&mut world, &[(set, reference.clone()), (vector, face.clone())]).await;
    for requests in [1, 8, 9, 20] {
        let opened = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&opened);
        let sessions = world.tampered(move |message| {
            // To the next party go bits, to the other one a digest.
            if message.frame.step == Step::OpenLength && message.to == message.from.next() {
                record.lock().unwrap().push(message.frame.body.len());
            }
            Passage::On(message.frame)
        });
        let mut batch = Vec::new();
        for _ in 0..requests {
            let finger = Trial { probe: world.dice.split_shape(set, &reference), against: vec![(0, 11, 1)] };
            let face = Trial { probe: world.dice.split_shape(vector, &face), against: vec![(1, 200, 1)] };
            batch.push((vec![finger, face], FusionRule::All));
        }
        for outcome in verify_trials(sessions, batch, &points).await {
            assert_eq!(outcome.unwrap(), vec![Ok(true); requests]);
        }
        assert_eq!(*opened.lock().unwrap(), [requests.div_ceil(8); 3], "82 lengths of {requests} requests");
    }
}
