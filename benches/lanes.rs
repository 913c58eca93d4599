//! A hundred million random lanes through the comparison, at each of its widths, with every bit checked at every party.
//!
//! Prints `lanes=100000000 wrong=0`, and fails if a bit is wrong. Without `--bench`, as in `cargo test --benches`, it is a
//! hundredth of them.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use support::mpc_sim::{Dice, World};
use tokio::runtime::Builder;
use tumar::net::Step;
use tumar::protocol::{Bits, Bounds, Group, Session, Width, msb, open, reshare_to_two};

const LANES: usize = 100_000_000;

/// Lanes of one session.
const BATCH: usize = 65_536;

const SEED: u64 = 100;

/// How far from its bound a score may be in `i16`: these are drawn more often than chance has it.
const EDGES: [i16; 4] = [0, -1, i16::MIN, i16::MAX];

/// Scores of one width as three summands each, with their bounds and what is to come out.
struct Lanes {
    width: Width,
    summands: [Vec<u16>; 3],
    bounds: Vec<i16>,
    reached: Vec<bool>,
}

impl Lanes {
    fn draw(dice: &mut Dice, count: usize, width: Width) -> Self {
        let mut lanes = Self { width, summands: [(); 3].map(|()| vec![0; count]), bounds: vec![], reached: vec![] };
        let [a, b, c] = &mut lanes.summands;
        for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
            let drawn = dice.word().to_le_bytes();
            let [distance, bound, first, second] =
                [0, 2, 4, 6].map(|at| i16::from_le_bytes([drawn[at], drawn[at + 1]]));
            // One lane of 256 is at an edge of its width.
            let edge = if drawn[0] == 0 { EDGES[usize::from(drawn[1] % 4)] } else { distance };
            // A narrower width has the upper bits of the distance.
            let distance = edge >> (16 - width as usize);
            (*a, *b) = (first.cast_unsigned(), second.cast_unsigned());
            *c = bound.wrapping_add(distance).wrapping_sub(first).wrapping_sub(second).cast_unsigned();
            lanes.bounds.push(bound);
            lanes.reached.push(distance >= 0);
        }
        lanes
    }
}

/// What one party finds.
async fn party(mut session: Session, groups: &[Lanes]) -> Vec<bool> {
    let own = session.own().index();
    let summands: Vec<&[u16]> = groups.iter().map(|lanes| &lanes.summands[own][..]).collect();
    let halves = reshare_to_two(&mut session, &summands).await.unwrap();
    let group = |(scores, lanes): (_, &Lanes)| {
        let bounds = Bounds::Each(lanes.bounds.clone());
        Group { scores, bounds, width: lanes.width }
    };
    let groups = halves.into_iter().zip(groups).map(group).collect();
    let reached = Bits::concat(&msb(&mut session, groups).await.unwrap());
    let outcome = open(&mut session, Step::Open, &reached, &(0..reached.lanes()).collect::<Vec<_>>()).await;
    session.settle(outcome).unwrap()
}

/// Half of a batch at sixteen bits and a quarter at each of the others. Returns how many lanes came out wrong at any party.
async fn batch(world: &mut World, dice: &mut Dice, lanes: usize) -> usize {
    let quarter = lanes / 4;
    let widths = [(lanes - 2 * quarter, Width::Sixteen), (quarter, Width::Twelve), (quarter, Width::Eight)];
    let groups = widths.map(|(count, width)| Lanes::draw(dice, count, width));
    let found = World::run(world.sessions(), |session| party(session, &groups)).await;
    let expected: Vec<bool> = groups.into_iter().flat_map(|lanes| lanes.reached).collect();
    assert!(found.iter().all(|found| found.len() == expected.len()), "a bit for each lane");
    (0..expected.len()).filter(|&lane| found.iter().any(|found| found[lane] != expected[lane])).count()
}

fn main() -> ExitCode {
    let all = if std::env::args().any(|argument| argument == "--bench") { LANES } else { LANES / 100 };
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let (mut world, mut dice) = (World::new(SEED), Dice(SEED));
    let (begun, mut done, mut wrong) = (Instant::now(), 0, 0);
    while done < all {
        let lanes = BATCH.min(all - done);
        wrong += runtime.block_on(batch(&mut world, &mut dice, lanes));
        done += lanes;
        eprint!("\r{done} of {all} lanes, {wrong} wrong");
        std::io::stderr().flush().unwrap();
    }
    eprintln!(", {:.0} s", begun.elapsed().as_secs_f64());
    println!("lanes={done} wrong={wrong}");
    ExitCode::from(u8::from(wrong > 0))
}
