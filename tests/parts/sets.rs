//! Sets of rows, and decisions over several templates, among three parties: the bits of the plain integers, at their cost.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

use crate::support::mpc_sim::{Dice, Trial, World, enrol_shapes, meters, model_of, verify_trials};
use proptest::prelude::*;
use tumar::net::Step;
use tumar::party::Party;
use tumar::protocol::{Bits, FusionRule, Invalid, ProtocolError, Tree, bits_to_words, climb, open, verify};
use tumar::share::PointShare;
use tumar::template::{LEVELS, ROW, Shape};
use zeroize::Zeroizing;

/// Bytes of a packed row.
const PACKED: usize = ROW / 2;

fn set(rows: usize) -> Shape {
    Shape::set(rows).unwrap()
}

/// Rows of small integers, from packed nibbles.
fn rows_of(packed: &[u8]) -> Vec<Vec<i32>> {
    let component = |nibble: u8| i32::from((nibble << 4).cast_signed() >> 4);
    let all: Vec<i32> = packed.iter().flat_map(|byte| [component(byte & 15), component(byte >> 4)]).collect();
    all.chunks(ROW).map(<[i32]>::to_vec).collect()
}

fn dot(a: &[i32], b: &[i32]) -> i32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// How many levels the rows of the one set reach in the other, written once more and without the crate's own oracle.
fn reached(rows: &[u8], others: &[u8]) -> i16 {
    let others = rows_of(others);
    let best = |row: &Vec<i32>| others.iter().map(|other| dot(row, other)).max().unwrap();
    let rows = rows_of(rows);
    let reached = rows.iter().map(best).flat_map(|best| LEVELS.map(|level| best >= i32::from(level)));
    reached.filter(|reached| *reached).count().try_into().unwrap()
}

/// The smaller of both counts.
fn count(probe: &[u8], reference: &[u8]) -> i16 {
    reached(probe, reference).min(reached(reference, probe))
}

/// Shares bits among the three parties in a way that only a test can: slots from dice.
fn share_bits(dice: &mut Dice, bits: &[bool]) -> [Bits; 3] {
    let words = |dice: &mut Dice| (0..bits.len().div_ceil(64)).map(|_| dice.word()).collect::<Vec<_>>();
    let (a, b) = (words(dice), words(dice));
    let bit = |lane: usize| u64::from(bits.get(lane) == Some(&true));
    let value = |place: usize| (0..64).fold(0, |word, lane| word | bit(64 * place + lane) << lane);
    let c: Vec<u64> = (0..a.len()).map(|place| value(place) ^ a[place] ^ b[place]).collect();
    let slots = [a, b, c];
    Party::ALL.map(|party| {
        let slot = |of: Party| Zeroizing::new(slots[of.index()].clone());
        Bits::from_slots(slot(party), slot(party.next()), bits.len())
    })
}

async fn opened(session: &mut tumar::protocol::Session, bits: &Bits) -> Result<Vec<bool>, ProtocolError> {
    open(session, Step::Open, bits, &(0..bits.lanes()).collect::<Vec<_>>()).await
}

#[tokio::test]
async fn trees_of_groups_of_any_size_give_their_or_and_their_and() {
    let mut world = World::new(71);
    for sizes in [vec![1], vec![2], vec![1, 1, 1], vec![40; 120], vec![3, 1, 64, 65, 7, 2, 128, 1], vec![5; 77]] {
        let lanes: usize = sizes.iter().sum();
        // Sparse, dense and in between, so that both trees have both outcomes.
        let one_in = [2, 3, 40][world.dice.below(3)];
        let sparse: Vec<bool> = (0..lanes).map(|_| world.dice.below(one_in) == 0).collect();
        let dense: Vec<bool> = sparse.iter().map(|bit| !bit).collect();
        let [sparse_shares, dense_shares] = [&sparse, &dense].map(|bits| share_bits(&mut world.dice, bits).map(Some));
        let (mut sparse_shares, mut dense_shares) = (sparse_shares, dense_shares);
        let sessions = world.sessions();
        let cost = meters(&sessions);
        let got = World::run(sessions, |mut session| {
            let own = session.own().index();
            let (some, most) = (sparse_shares[own].take().unwrap(), dense_shares[own].take().unwrap());
            let sizes = sizes.clone();
            async move {
                let every: Vec<usize> = (0..some.lanes()).collect();
                let (any, all) = (Tree::or(session.own(), &some, &every, &sizes), Tree::and(&most, &every, &sizes));
                let any = climb(&mut session, Step::Tree, any, &mut Tree::none()).await.unwrap();
                let all = climb(&mut session, Step::Tree, all, &mut Tree::none()).await.unwrap();
                let outcome = (opened(&mut session, &any).await, opened(&mut session, &all).await);
                session.settle(Ok(outcome)).unwrap()
            }
        })
        .await;
        let mut start = 0;
        let groups: Vec<_> = sizes
            .iter()
            .map(|size| {
                start += size;
                start - size..start
            })
            .collect();
        let any: Vec<bool> = groups.iter().map(|group| sparse[group.clone()].contains(&true)).collect();
        let all: Vec<bool> = groups.iter().map(|group| !dense[group.clone()].contains(&false)).collect();
        for (any_got, all_got) in got {
            assert_eq!((any_got.unwrap(), all_got.unwrap()), (any.clone(), all.clone()), "{sizes:?}");
        }
        let levels = u64::from(sizes.iter().max().unwrap().next_power_of_two().ilog2());
        let gates: usize = sizes.iter().map(|size| size - 1).sum();
        for cost in &cost {
            assert_eq!(cost.rounds(), 2 * levels + 2);
            let of_trees = cost.bytes() - 2 * (sizes.len().div_ceil(8) as u64 + 16);
            let least = 2 * gates.div_ceil(8) as u64;
            assert!((least..=least + 2 * levels).contains(&of_trees), "{of_trees} bytes for {gates} gates twice");
        }
    }
}

#[tokio::test]
async fn a_tree_that_goes_along_is_done_in_the_same_rounds_or_goes_on_where_it_came_to() {
    let mut world = World::new(70);
    for (long, short) in [(40, 40), (40, 5), (5, 40), (1, 40), (64, 65)] {
        let sizes = [vec![long; 3], vec![short; 3]];
        let bits =
            [long, short].map(|size| (0..3 * size).map(|lane| lane % size != 1 || lane < size).collect::<Vec<_>>());
        let mut shares = bits.each_ref().map(|bits| share_bits(&mut world.dice, bits).map(Some));
        let sessions = world.sessions();
        let cost = meters(&sessions);
        let got = World::run(sessions, |mut session| {
            let own = session.own().index();
            let [first, along] = shares.each_mut().map(|shares| shares[own].take().unwrap());
            let [of_first, of_along] = sizes.clone();
            async move {
                let tree =
                    |bits: &Bits, sizes: &[usize]| Tree::and(bits, &(0..bits.lanes()).collect::<Vec<_>>(), sizes);
                let (first, mut along) = (tree(&first, &of_first), tree(&along, &of_along));
                let first = climb(&mut session, Step::Tree, first, &mut along).await.unwrap();
                let along = climb(&mut session, Step::Tree, along, &mut Tree::none()).await.unwrap();
                let both = (opened(&mut session, &first).await, opened(&mut session, &along).await);
                session.settle(Ok(both)).unwrap()
            }
        })
        .await;
        // Of groups of one there is no second lane to be wrong.
        let expected = |size: usize| vec![true, size == 1, size == 1];
        for (first, along) in got {
            assert_eq!((first.unwrap(), along.unwrap()), (expected(long), expected(short)), "{long} and {short}");
        }
        let levels = u64::from(long.max(short).next_power_of_two().ilog2());
        assert!(cost.iter().all(|cost| cost.rounds() == levels + 2));
    }
}

#[tokio::test]
async fn bits_become_words_that_add_up_in_two_rounds_and_two_bytes_each() {
    let mut world = World::new(72);
    for lanes in [1_usize, 2, 3, 63, 64, 120, 192, 999] {
        let bits: Vec<bool> = (0..lanes).map(|_| world.dice.below(3) == 0).collect();
        let mut shares = share_bits(&mut world.dice, &bits).map(Some);
        let sessions = world.sessions();
        let cost = meters(&sessions);
        let groups = lanes.div_ceil(7);
        let words = World::run(sessions, |mut session| {
            let bits = shares[session.own().index()].take().unwrap();
            async move {
                let outcome = bits_to_words(&mut session, &bits).await;
                session.settle(outcome).unwrap().sum(groups, |lane| lane / 7)
            }
        })
        .await;
        for (group, seven) in bits.chunks(7).enumerate() {
            let sum = words.iter().fold(0_u16, |sum, words| sum.wrapping_add(words.summands()[group]));
            assert_eq!(usize::from(sum), seven.iter().filter(|bit| **bit).count());
        }
        let total: u64 = cost.iter().map(|cost| cost.bytes()).sum();
        assert_eq!((cost[0].rounds(), total), (2, 3 * 2 * lanes as u64));
    }
}

/// What all parties got, once it is seen to be the same.
fn same(outcomes: [Result<Vec<Result<bool, Invalid>>, ProtocolError>; 3]) -> Vec<Result<bool, Invalid>> {
    let [a, b, c] = outcomes.map(Result::unwrap);
    assert!(a == b && b == c);
    a
}

#[tokio::test]
async fn sets_of_all_sizes_open_the_bit_of_the_plain_count_on_either_side_of_the_threshold() {
    let mut world = World::new(73);
    let mut references = Vec::new();
    let mut floats = Vec::new();
    for rows in [4, 5, 17, 39, 40] {
        let (rows_of_it, packed) = world.dice.packed_set(rows, &[]);
        references.push((set(rows), packed));
        floats.push(rows_of_it);
    }
    let points = enrol_shapes(&mut world, &references).await;
    let (mut requests, mut truth, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for (place, (_, reference)) in references.iter().enumerate() {
        for rows in [4, 6, 23, 40] {
            let (_, probe) = world.dice.packed_set(rows, &floats[place]);
            let count = count(&probe, reference);
            for threshold in [count - 1, count, count + 1].into_iter().filter(|threshold| *threshold >= 0) {
                let probe = world.dice.split_shape(set(rows), &probe);
                requests.push((vec![Trial { probe, against: vec![(place, threshold, 1)] }], FusionRule::Any));
                truth.push(Ok(count >= threshold));
            }
            counts.push(count);
        }
    }
    assert!(counts.iter().max().unwrap() > &20 && counts.iter().min().unwrap() < &5, "{counts:?}");
    assert_eq!(same(verify_trials(world.sessions(), requests, &points).await), truth);
}

/// Rows of which some repeat, some are near each other, and some near nobody's: either count may be the smaller one.
fn lopsided(dice: &mut Dice, rows: usize, pool: &[Vec<f32>]) -> Vec<u8> {
    let distinct = 1 + dice.below(rows);
    let (_, packed) = dice.packed_set(distinct, pool);
    let all = (0..rows).map(|row| if row < distinct { row } else { dice.below(distinct) });
    all.flat_map(|row| packed[PACKED * row..PACKED * (row + 1)].to_vec()).collect()
}

#[test]
fn both_ways_count_as_plain_integers_do_whatever_the_sets_are() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let smaller = std::cell::RefCell::new([0_usize; 2]);
    proptest!(config, |(sizes in prop::collection::vec((4_usize..=40, 4_usize..=40), 1..8), seed: u64)| {
        runtime.block_on(async {
            let mut world = World::new(seed);
            let (pool, _) = world.dice.packed_set(12, &[]);
            let pairs: Vec<[Vec<u8>; 2]> = sizes
                .iter()
                .map(|&(probe, reference)| [probe, reference].map(|rows| lopsided(&mut world.dice, rows, &pool)))
                .collect();
            let references: Vec<_> = pairs.iter().map(|[_, other]| (set(other.len() / PACKED), other.clone())).collect();
            let points = enrol_shapes(&mut world, &references).await;
            let (mut requests, mut truth) = (Vec::new(), Vec::new());
            for (place, [probe, reference]) in pairs.iter().enumerate() {
                let ways = [reached(probe, reference), reached(reference, probe)];
                smaller.borrow_mut()[0] += usize::from(ways[0] < ways[1]);
                smaller.borrow_mut()[1] += usize::from(ways[1] < ways[0]);
                // At and above each of both counts.
                for threshold in ways.into_iter().flat_map(|count| [count, count + 1]) {
                    let probe = world.dice.split_shape(set(probe.len() / PACKED), probe);
                    requests.push((vec![Trial { probe, against: vec![(place, threshold, 1)] }], FusionRule::Any));
                    truth.push(Ok(ways.iter().all(|count| *count >= threshold)));
                }
            }
            assert_eq!(same(verify_trials(world.sessions(), requests, &points).await), truth);
        });
    });
    assert!(smaller.borrow().iter().all(|often| *often > 10), "both were the smaller one: {smaller:?}");
}

/// A face and a finger of somebody, several times over, and what they are compared with.
struct Person {
    faces: Vec<Vec<u8>>,
    fingers: Vec<Vec<u8>>,
    own_face: Vec<f32>,
    own_rows: Vec<Vec<f32>>,
}

const FACE: usize = 64;

fn face(dice: &mut Dice, near: Option<&[f32]>) -> (Vec<f32>, Vec<u8>) {
    let mut face = dice.embedding(FACE);
    if let Some(near) = near {
        face.iter_mut().zip(near).for_each(|(x, near)| *x += 4.0 * near);
    }
    let packed = tumar::template::face::quantise(&face, &model_of(FACE)).unwrap().pack().to_vec();
    (face, packed)
}

impl Person {
    fn new(dice: &mut Dice, faces: usize, fingers: usize) -> Self {
        let (own_face, first) = face(dice, None);
        let (own_rows, finger) = dice.packed_set(9, &[]);
        let mut person = Self { faces: vec![first], fingers: vec![finger], own_face, own_rows };
        // The others are of nobody: what matches is in one place of the list.
        (1..faces).for_each(|_| person.faces.insert(0, face(dice, None).1));
        (1..fingers).for_each(|place| person.fingers.insert(0, dice.packed_set(4 + place, &[]).1));
        person
    }
}

#[tokio::test]
async fn any_all_and_weighted_sums_over_several_references_open_one_bit_that_is_right() {
    let mut world = World::new(75);
    let people: Vec<Person> = [(1, 1), (1, 3), (2, 1), (3, 5), (4, 2)]
        .into_iter()
        .map(|(faces, fingers)| Person::new(&mut world.dice, faces, fingers))
        .collect();
    let rows = |packed: &[u8]| 2 * packed.len() / ROW;
    let mut enrolled = Vec::new();
    let mut places = Vec::new();
    for person in &people {
        let start = enrolled.len();
        enrolled.extend(person.faces.iter().map(|face| (Shape::vector(FACE).unwrap(), face.clone())));
        enrolled.extend(person.fingers.iter().map(|finger| (set(rows(finger)), finger.clone())));
        places.push(start);
    }
    let points = enrol_shapes(&mut world, &enrolled).await;
    let (mut requests, mut truth) = (Vec::new(), Vec::new());
    for (person, start) in people.iter().zip(places) {
        for (own_face, own_finger) in [(true, true), (true, false), (false, true), (false, false)] {
            for joint in [FusionRule::Any, FusionRule::All, FusionRule::Sum(500)] {
                let dice = &mut world.dice;
                let (_, face) = face(dice, own_face.then_some(&person.own_face[..]));
                let near = if own_finger { &person.own_rows[..] } else { &[] };
                let (_, finger) = dice.packed_set(12, near);
                let dots = person.faces.iter().map(|other| dot(&rows_of_vector(&face), &rows_of_vector(other)));
                let dots: Vec<i32> = dots.collect();
                let counts: Vec<i16> = person.fingers.iter().map(|other| count(&finger, other)).collect();
                let weights: Vec<u16> = (0..counts.len()).map(|place| 30 + 7 * place as u16).collect();
                let faces = (0..dots.len()).map(|place| (start + place, 200, 2)).collect();
                let fingers = (0..counts.len()).map(|place| (start + dots.len() + place, 6, weights[place])).collect();
                let (by_face, by_finger) = (dots.iter().any(|dot| *dot >= 200), counts.iter().any(|c| *c >= 6));
                let sum = |dot: &i32| {
                    let added = counts.iter().zip(&weights).map(|(c, weight)| i32::from(*c) * i32::from(*weight));
                    added.map(|added| 2 * dot + added).max().unwrap()
                };
                truth.push(Ok(match joint {
                    FusionRule::Any => by_face || by_finger,
                    FusionRule::All => by_face && by_finger,
                    FusionRule::Sum(threshold) => dots.iter().map(sum).max().unwrap() >= i32::from(threshold),
                }));
                let face = Trial { probe: dice.split_shape(Shape::vector(FACE).unwrap(), &face), against: faces };
                let finger = Trial { probe: dice.split_shape(set(12), &finger), against: fingers };
                let sides = if dice.below(2) == 0 { vec![face, finger] } else { vec![finger, face] };
                requests.push((sides, joint));
            }
        }
    }
    assert!(truth.contains(&Ok(true)) && truth.contains(&Ok(false)));
    assert_eq!(same(verify_trials(world.sessions(), requests, &points).await), truth);
}

fn rows_of_vector(packed: &[u8]) -> Vec<i32> {
    let component = |nibble: u8| i32::from((nibble << 4).cast_signed() >> 4);
    packed.iter().flat_map(|byte| [component(byte & 15), component(byte >> 4)]).collect()
}

#[tokio::test]
async fn a_weighted_sum_of_two_vectors_is_exact_at_its_threshold_and_takes_the_rounds_of_one_vector_and_its_lengths() {
    let mut world = World::new(79);
    let lengths = [FACE, FACE, 1024, 1024, 1024];
    let enrolled = lengths.map(|length| (Shape::vector(length).unwrap(), world.dice.packed(&model_of(length))));
    let points = enrol_shapes(&mut world, &enrolled).await;
    let (mut requests, mut truth) = (Vec::new(), Vec::new());
    for (own, faces, fingers) in [(true, 0..1, 2..3), (false, 0..1, 2..3), (true, 0..2, 2..5), (false, 0..2, 2..5)] {
        let [face, finger] = [1, 4].map(|place| {
            let (shape, packed) = &enrolled[place];
            if own { packed.clone() } else { world.dice.packed(&model_of(shape.columns())) }
        });
        let weights = |place: usize| 1 + place as u16 % 3;
        let score = |probe: &[u8], place: usize| {
            i32::from(weights(place)) * dot(&rows_of_vector(probe), &rows_of_vector(&enrolled[place].1))
        };
        let best =
            |probe: &[u8], places: std::ops::Range<usize>| places.map(|place| score(probe, place)).max().unwrap();
        let sum = i16::try_from(best(&face, faces.clone()) + best(&finger, fingers.clone())).unwrap();
        for threshold in [sum - 1, sum, sum + 1] {
            let side = |packed: &[u8], places: std::ops::Range<usize>, dice: &mut Dice| Trial {
                probe: dice.split_shape(Shape::vector(2 * packed.len()).unwrap(), packed),
                against: places.map(|place| (place, 0, weights(place))).collect(),
            };
            let dice = &mut world.dice;
            let sides = vec![side(&face, faces.clone(), dice), side(&finger, fingers.clone(), dice)];
            requests.push((sides, FusionRule::Sum(threshold)));
            truth.push(Ok(threshold <= sum));
        }
    }
    let alone = requests.drain(..6).collect();
    let sessions = world.sessions();
    let cost = meters(&sessions);
    assert_eq!(same(verify_trials(sessions, alone, &points).await), truth[..6]);
    for cost in &cost {
        // A face's one length and a long vector's three become one bit in two levels.
        assert_eq!(cost.rounds(), 11 + 2);
    }
    assert_eq!(same(verify_trials(world.sessions(), requests, &points).await), truth[6..]);
}

#[tokio::test]
async fn a_crafted_set_matches_no_stranger_and_is_refused_where_it_is_none() {
    let mut world = World::new(76);
    let (_, reference) = world.dice.packed_set(40, &[]);
    let points = enrol_shapes(&mut world, &[(set(40), reference.clone())]).await;
    let mut crafted: Vec<(&str, Vec<u8>, Result<bool, Invalid>)> = Vec::new();
    let (_, one) = world.dice.packed_set(1, &[]);
    crafted.push(("all rows equal", one.repeat(40), Ok(false)));
    crafted.push(("a copy of one reference row, once", [&reference[..PACKED], &one.repeat(39)].concat(), Ok(false)));
    crafted.push(("maximal components", vec![0x77; 40 * PACKED], Err(Invalid::Length)));
    crafted.push(("maximal, with both signs", [0x79, 0x97].repeat(20 * PACKED), Err(Invalid::Length)));
    crafted.push(("zeros", vec![0; 40 * PACKED], Err(Invalid::Length)));
    crafted.push(("minus eights", vec![0x88; 40 * PACKED], Err(Invalid::Length)));
    for bad in [0, 17, 39] {
        let (_, mut long) = world.dice.packed_set(40, &[]);
        long[PACKED * bad..PACKED * (bad + 1)].fill(0x77);
        crafted.push(("one row too long", long.clone(), Err(Invalid::Length)));
        long[PACKED * bad..PACKED * (bad + 1)].fill(0x11);
        crafted.push(("one row too short", long, Err(Invalid::Length)));
    }
    for (_, packed, expected) in &crafted {
        if *expected == Ok(false) {
            assert!(count(packed, &reference) < 11);
        }
    }
    // Counted one way alone, copies of one row that the reference has match it: that is what both ways are for.
    let copies = reference[..PACKED].repeat(40);
    assert_eq!((reached(&copies, &reference), reached(&reference, &copies) < 11), (120, true));
    crafted.push(("copies of one reference row", copies, Ok(false)));
    let few = [&reference[..3 * PACKED], &reference[..PACKED].repeat(37)].concat();
    assert_eq!((reached(&few, &reference), reached(&reference, &few) < 11), (120, true));
    crafted.push(("copies of three reference rows", few, Ok(false)));
    let requests = crafted.iter().map(|(_, packed, _)| {
        let probe = world.dice.split_shape(set(40), packed);
        (vec![Trial { probe, against: vec![(0, 11, 1)] }], FusionRule::Any)
    });
    let requests = requests.collect();
    let got = same(verify_trials(world.sessions(), requests, &points).await);
    for ((name, _, expected), got) in crafted.iter().zip(got) {
        assert_eq!(got, *expected, "{name}");
    }
}

#[tokio::test]
async fn a_long_vector_is_compared_and_its_segments_are_measured() {
    let mut world = World::new(77);
    let long = |dice: &mut Dice| {
        let table = "[[model]]\nid = \"long\"\nmodality = \"face\"\ndimension = 1024\n\
                     thresholds = { \"1e-3\" = 0.3, \"1e-4\" = 0.4, \"1e-5\" = 0.5 }\n";
        let model = tumar::template::model::Models::parse(table).unwrap().iter().next().unwrap().clone();
        tumar::template::face::quantise(&dice.embedding(1024), &model).unwrap().pack().to_vec()
    };
    let shape = Shape::vector(1024).unwrap();
    let reference = long(&mut world.dice);
    let points = enrol_shapes(&mut world, &[(shape, reference.clone())]).await;
    let stranger = long(&mut world.dice);
    let mut lopsided = reference.clone();
    lopsided[..256].fill(0x77);
    // Both segments so long that their sum comes round into the band: 32 768 + 32 768 + 6144 is 6144.
    let wrapped = [vec![0x88; 512 - 24], vec![0x77; 4], vec![0; 20]].concat();
    let probes = [
        (reference, Ok(true)),
        (stranger, Ok(false)),
        (lopsided, Err(Invalid::Length)),
        (wrapped, Err(Invalid::Length)),
    ];
    let requests = probes.iter().map(|(probe, _)| {
        let probe = world.dice.split_shape(shape, probe);
        (vec![Trial { probe, against: vec![(0, 3000, 1)] }], FusionRule::Any)
    });
    let requests = requests.collect();
    let got = same(verify_trials(world.sessions(), requests, &points).await);
    assert_eq!(got, probes.map(|(_, expected)| expected));
}

/// Of each side its shape, and its references with thresholds and weights.
type Ask = (Vec<(Shape, Vec<(usize, i16, u16)>)>, FusionRule);

#[tokio::test]
async fn what_no_service_would_ask_is_an_error_and_no_panic() {
    let mut world = World::new(78);
    let (_, packed) = world.dice.packed_set(4, &[]);
    let (_, vector) = face(&mut world.dice, None);
    let shapes = [(set(4), packed.clone()), (Shape::vector(FACE).unwrap(), vector.clone())];
    let points: [Vec<PointShare>; 3] = enrol_shapes(&mut world, &shapes).await;
    let asks: Vec<Ask> = vec![
        (vec![], FusionRule::Any),
        (vec![(set(4), vec![])], FusionRule::Any),
        (vec![(set(4), vec![(1, 5, 1)])], FusionRule::Any),
        (vec![(set(4), vec![(0, -1, 1)])], FusionRule::Any),
        (vec![(set(4), vec![(0, 128, 1)])], FusionRule::Any),
        (vec![(set(4), vec![(0, 5, 1)])], FusionRule::Sum(5)),
        (vec![(set(4), vec![(0, 5, 3000)]), (Shape::vector(FACE).unwrap(), vec![(1, 5, 1)])], FusionRule::Sum(5)),
        (vec![(set(4), vec![(0, 5, 1)]), (Shape::vector(FACE).unwrap(), vec![(1, 5, 1)])], FusionRule::Sum(i16::MIN)),
        (vec![(Shape::vector(FACE).unwrap(), vec![(1, i16::MAX, 1)])], FusionRule::Any),
        (vec![(set(4), vec![(0, 5, 1)]), (set(4), vec![(0, 5, 1)])], FusionRule::Sum(5)),
        (vec![(Shape::vector(FACE).unwrap(), vec![(1, 5, 1)])], FusionRule::Sum(5)),
        // 41 times 391 on either side: beyond 2^15 below the threshold, though not above it.
        (vec![(Shape::vector(FACE).unwrap(), vec![(1, 5, 41)]); 2], FusionRule::Sum(1000)),
    ];
    for (sides, joint) in asks {
        let trials = sides.into_iter().map(|(shape, against)| {
            let packed = if shape.is_set() { &packed } else { &vector };
            Trial { probe: world.dice.split_shape(shape, packed), against }
        });
        let trials = trials.collect();
        for outcome in verify_trials(world.sessions(), vec![(trials, joint)], &points).await {
            assert!(matches!(outcome, Err(ProtocolError::Shape(_))), "{outcome:?}");
        }
    }
    let nothing = World::run(world.sessions(), |session| verify(session, Vec::new())).await;
    assert!(nothing.iter().all(|outcome| *outcome == Ok(Vec::new())));
}
