//! What the three parties compute together, over links within one process: arithmetic, randomness and tags of all three on one
//! core, without a network.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use support::mpc_sim::{Trial, World, by_party, enrol, enrol_shapes, model_of, verify_all, verify_trials};
use tokio::runtime::{Builder, Runtime};
use tumar::protocol::{FusionRule, check_inputs, compare};
use tumar::template::Shape;

const DIMENSION: usize = 512;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn bench_intake(criterion: &mut Criterion) {
    let (runtime, mut world, model) = (runtime(), World::new(1), model_of(DIMENSION));
    let mut group = criterion.benchmark_group("intake/face512");
    for count in [1, 64, 1024] {
        let packed: Vec<_> = (0..count).map(|_| world.dice.packed(&model)).collect();
        let shares = by_party(packed.iter().map(|packed| world.dice.split(packed)).collect());
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("templates={count}"), |b| {
            b.iter_batched(
                || world.sessions(),
                |sessions| {
                    runtime.block_on(World::run(sessions, async |mut session| {
                        let own = session.own().index();
                        let outcome = check_inputs(&mut session, &shares[own]).await;
                        session.settle(outcome).unwrap()
                    }))
                },
                BatchSize::SmallInput,
            );
        });
    }
}

fn bench_compare(criterion: &mut Criterion) {
    let (runtime, mut world) = (runtime(), World::new(2));
    let mut group = criterion.benchmark_group("compare");
    for lanes in [1, 1000, 100_000, 1_000_000] {
        let (scores, thresholds) = (vec![7_u16; lanes], vec![1018_i16; lanes]);
        group.throughput(Throughput::Elements(lanes as u64));
        if lanes >= 100_000 {
            group.sample_size(10);
        }
        group.bench_function(format!("lanes={lanes}"), |b| {
            b.iter_batched(
                || world.sessions(),
                |sessions| {
                    runtime.block_on(World::run(sessions, async |mut session| {
                        let outcome = compare(&mut session, &scores, &thresholds).await;
                        session.settle(outcome).unwrap()
                    }))
                },
                BatchSize::SmallInput,
            );
        });
    }
}

fn bench_verify(criterion: &mut Criterion) {
    let (runtime, mut world, model) = (runtime(), World::new(3), model_of(DIMENSION));
    let mut group = criterion.benchmark_group("verify/face512");
    let packed: Vec<_> = (0..64).map(|_| world.dice.packed(&model)).collect();
    let points = runtime.block_on(enrol(&mut world, &packed));
    for count in [1, 8, 64] {
        let (rows, thresholds) = ((0..count).collect::<Vec<_>>(), vec![1018; count]);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("probes={count}"), |b| {
            b.iter_batched(
                || {
                    let probes = packed[..count].iter().map(|packed| world.dice.split(packed)).collect();
                    (world.sessions(), probes)
                },
                |(sessions, probes)| runtime.block_on(verify_all(sessions, probes, &points, &rows, &thresholds)),
                BatchSize::SmallInput,
            );
        });
    }
}

/// Forty rows against forty: 4800 comparisons, and what follows from them.
fn bench_sets(criterion: &mut Criterion) {
    let (runtime, mut world) = (runtime(), World::new(4));
    let mut group = criterion.benchmark_group("verify/finger40x40");
    let shape = Shape::set(40).unwrap();
    let packed: Vec<_> = (0..16).map(|_| (shape, world.dice.packed_set(40, &[]).1)).collect();
    let points = runtime.block_on(enrol_shapes(&mut world, &packed));
    for count in [1, 4, 16] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("probes={count}"), |b| {
            b.iter_batched(
                || {
                    let trial = |(place, (shape, packed)): (usize, &(Shape, Vec<u8>))| {
                        let probe = world.dice.split_shape(*shape, packed);
                        (vec![Trial { probe, against: vec![(place, 11, 1)] }], FusionRule::Any)
                    };
                    let requests = packed[..count].iter().enumerate().map(trial).collect();
                    (world.sessions(), requests)
                },
                |(sessions, requests)| runtime.block_on(verify_trials(sessions, requests, &points)),
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, bench_intake, bench_compare, bench_verify, bench_sets);
criterion_main!(benches);
