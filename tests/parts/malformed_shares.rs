//! Probes that no honest terminal makes: each is refused for its own fault by all three parties, no match bit of it is opened, and
//! honest probes in the same batch are answered as ever.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, missing_docs)]

use std::sync::{Arc, Mutex};

use crate::support::mpc_sim::{
    Dice, Passage, Trial, World, enrol, enrol_all, enrol_shapes, model_of, verify_all, verify_trials,
};
use proptest::prelude::*;
use tumar::net::Step;
use tumar::protocol::{FusionRule, Invalid};
use tumar::share::{InputShares, PointShare, ShapeError};
use tumar::template::{ROW, Shape, band};
use zeroize::Zeroizing;

const DIMENSION: usize = 128;
const ITEMS: usize = 64;
const CASES: u32 = 160; // times 64 items: 10 240 generated probes, and as many references

/// How a probe is made.
#[derive(Clone, Debug)]
enum Making {
    /// As a terminal does.
    Honest,
    /// Any nibbles, -8 among them.
    Random,
    /// Every component 7 or -7.
    Maximal,
    /// Every component -8, whose square is 64.
    Lowest,
    /// Nothing.
    Zero,
    /// An honest one, with components turned to 7 until it is just too long.
    TooLong,
    /// An honest one, with components turned to 0 until it is just too short.
    TooShort,
    /// An honest one with one bit of one summand changed at one of its two holders.
    Flipped { party: usize, byte: usize, bit: u8 },
    /// Three unrelated strings of random bytes.
    Noise,
}

fn making() -> impl Strategy<Value = Making> {
    prop_oneof![
        1 => Just(Making::Honest),
        2 => Just(Making::Random),
        2 => Just(Making::Maximal),
        1 => Just(Making::Lowest),
        1 => Just(Making::Zero),
        2 => Just(Making::TooLong),
        2 => Just(Making::TooShort),
        3 => (0..3_usize, 0..DIMENSION, 0..8_u8).prop_map(|(party, byte, bit)| Making::Flipped { party, byte, bit }),
        2 => Just(Making::Noise),
    ]
}

fn component(packed: &[u8], place: usize) -> i32 {
    let nibble = i32::from(packed[place / 2] >> (4 * (place % 2)) & 15);
    if nibble < 8 { nibble } else { nibble - 16 }
}

fn set(packed: &mut [u8], place: usize, value: u8) {
    let byte = &mut packed[place / 2];
    *byte = if place.is_multiple_of(2) { *byte & 0xf0 | value } else { *byte & 0x0f | value << 4 };
}

fn dot(a: &[u8], b: &[u8]) -> i32 {
    (0..2 * a.len()).map(|place| component(a, place) * component(b, place)).sum()
}

fn fits(packed: &[u8]) -> bool {
    let (lower, upper) = band(2 * packed.len());
    (i32::from(lower)..=i32::from(upper)).contains(&dot(packed, packed))
}

/// The shares that the parties are sent, and what they join to.
fn make(making: &Making, dice: &mut Dice) -> ([InputShares; 3], Vec<u8>) {
    let honest = dice.packed(&model_of(DIMENSION));
    let bytes = |byte: u8| vec![byte; DIMENSION / 2];
    let turned = |mut packed: Vec<u8>, to: u8| {
        let mut places = 0..DIMENSION;
        while fits(&packed) {
            set(&mut packed, places.next().unwrap(), to);
        }
        packed
    };
    let packed = match making {
        Making::Honest | Making::Flipped { .. } | Making::Noise => honest,
        Making::Random => dice.bytes(DIMENSION / 2),
        Making::Maximal => (0..DIMENSION / 2).map(|_| [0x77, 0x79, 0x97, 0x99][dice.below(4)]).collect(),
        Making::Lowest => bytes(0x88),
        Making::Zero => bytes(0),
        Making::TooLong => turned(honest, 7),
        Making::TooShort => turned(honest, 0),
    };
    let mut shares = dice.split(&packed);
    let summands =
        |bytes| InputShares::from_envelope(Shape::vector(DIMENSION).unwrap(), Zeroizing::new(bytes)).unwrap();
    match making {
        Making::Flipped { party, byte, bit } => {
            let mut bytes = shares[*party].for_envelope().to_vec();
            bytes[*byte] ^= 1 << bit;
            shares[*party] = summands(bytes);
        }
        Making::Noise => shares = [(); 3].map(|()| summands(dice.bytes(DIMENSION))),
        _ => {}
    }
    (shares, packed)
}

fn expected(making: &Making, packed: &[u8]) -> Result<(), Invalid> {
    match making {
        Making::Flipped { .. } | Making::Noise => Err(Invalid::Inconsistent),
        _ if fits(packed) => Ok(()),
        _ => Err(Invalid::Length),
    }
}

struct Batch {
    world: World,
    references: Vec<Vec<u8>>,
    points: [Vec<PointShare>; 3],
}

impl Batch {
    async fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let references: Vec<Vec<u8>> = (0..8).map(|_| world.dice.packed(&model_of(DIMENSION))).collect();
        let points = enrol(&mut world, &references).await;
        Self { world, references, points }
    }

    /// Tries a batch as probes; the outcomes must be the expected ones, and nothing else may have been opened.
    async fn try_probes(&mut self, makings: &[Making]) {
        let (shares, packed): (Vec<_>, Vec<_>) = makings.iter().map(|m| make(m, &mut self.world.dice)).unzip();
        let rows: Vec<usize> = (0..makings.len()).map(|_| self.world.dice.below(self.references.len())).collect();
        let truth: Vec<Result<bool, Invalid>> = makings
            .iter()
            .zip(&packed)
            .zip(&rows)
            .map(|((making, packed), &row)| expected(making, packed).map(|()| dot(packed, &self.references[row]) >= 0))
            .collect();
        let opened = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&opened);
        let sessions = self.world.tampered(move |m| {
            if m.frame.step == Step::OpenMatch && m.to == m.from.next() {
                record.lock().unwrap().push(m.frame.body.len());
            }
            Passage::On(m.frame)
        });
        let limits = vec![0; makings.len()];
        let outcomes = verify_all(sessions, shares, &self.points, &rows, &limits).await;
        for outcome in outcomes {
            assert_eq!(outcome.unwrap(), truth);
        }
        let valid = truth.iter().filter(|outcome| outcome.is_ok()).count();
        let lengths = opened.lock().unwrap();
        assert!(lengths.iter().all(|&length| length == valid.div_ceil(8)), "{valid} valid, {lengths:?} bytes opened");
        assert_eq!(lengths.len(), if valid == 0 { 0 } else { 3 });
    }

    /// Tries a batch as references: what is malformed becomes no share at any party.
    async fn try_references(&mut self, makings: &[Making]) {
        let (shares, packed): (Vec<_>, Vec<_>) = makings.iter().map(|m| make(m, &mut self.world.dice)).unzip();
        let outcomes = enrol_all(self.world.sessions(), shares).await;
        for outcome in outcomes {
            for ((outcome, making), packed) in outcome.unwrap().into_iter().zip(makings).zip(&packed) {
                assert_eq!(outcome.map(|_| ()), expected(making, packed));
            }
        }
    }
}

#[test]
fn every_malformed_probe_and_reference_is_refused_for_its_fault_and_opens_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(makings in prop::collection::vec(making(), ITEMS), seed: u64)| {
        runtime.block_on(async {
            let mut batch = Batch::new(seed).await;
            batch.try_probes(&makings).await;
            batch.try_references(&makings).await;
        });
    });
}

#[tokio::test]
async fn a_probe_of_maximal_components_matches_nobody_however_its_signs_stand() {
    let mut batch = Batch::new(21).await;
    batch.try_probes(&vec![Making::Maximal; 1024]).await;
}

proptest! {
    #[test]
    fn bytes_of_another_length_than_the_models_are_no_share(found in 0..2048_usize, half in 32..=256_usize) {
        let dimension = 2 * half;
        let made = InputShares::from_envelope(Shape::vector(dimension).unwrap(), Zeroizing::new(vec![0x5a; found])).map(|_| ());
        let wrong = Err(ShapeError::Length { expected: dimension, found });
        prop_assert_eq!(made, if found == dimension { Ok(()) } else { wrong });
    }
}

/// Rows of a set that is honest but for one row, whose squared length is as given: 4 to 40 rows.
fn set_with_a_row_of(dice: &mut Dice, rows: usize, bad: usize, length: i32) -> Vec<u8> {
    let (_, mut packed) = dice.packed_set(rows, &[]);
    let row = &mut packed[bad * ROW / 2..(bad + 1) * ROW / 2];
    row.fill(0);
    let mut left = length;
    for place in 0..ROW {
        // The largest square that is left, and at most 64.
        let root = (1..=8).rev().find(|root| root * root <= left).unwrap_or(0);
        left -= root * root;
        let negative = u8::try_from(16 - root).unwrap() & 15;
        let sign = dice.below(2) == 0 && root < 8;
        set(row, place, if sign { u8::try_from(root).unwrap() } else { negative });
    }
    assert_eq!((left, dot(row, row)), (0, length));
    packed
}

#[test]
fn a_set_is_refused_for_one_row_outside_its_band_and_taken_up_to_its_ends() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
    let lengths = prop_oneof![
        prop::sample::select(vec![0, 1, 1038, 1039, 1040, 1041, 1065, 1091, 1092, 1093, 1094, 64 * 140]),
        0..64 * 130_i32,
    ];
    proptest!(config, |(asks in prop::collection::vec((4_usize..=40, any::<prop::sample::Index>(), lengths), 1..12), seed: u64)| {
        runtime.block_on(async {
            let mut world = World::new(seed);
            let (_, reference) = world.dice.packed_set(7, &[]);
            let points = enrol_shapes(&mut world, &[(Shape::set(7).unwrap(), reference)]).await;
            let (mut probes, mut references, mut truth) = (Vec::new(), Vec::new(), Vec::new());
            for &(rows, place, length) in &asks {
                let packed = set_with_a_row_of(&mut world.dice, rows, place.index(rows), length);
                let shape = Shape::set(rows).unwrap();
                let trial = Trial { probe: world.dice.split_shape(shape, &packed), against: vec![(0, 0, 1)] };
                probes.push((vec![trial], FusionRule::Any));
                references.push(world.dice.split_shape(shape, &packed));
                truth.push(if (1040..=1092).contains(&length) { Ok(true) } else { Err(Invalid::Length) });
            }
            for outcome in verify_trials(world.sessions(), probes, &points).await {
                assert_eq!(outcome.unwrap(), truth);
            }
            for outcome in enrol_all(world.sessions(), references).await {
                let taken: Vec<Result<bool, Invalid>> =
                    outcome.unwrap().into_iter().map(|taken| taken.map(|_| true)).collect();
                assert_eq!(taken, truth);
            }
        });
    });
}
