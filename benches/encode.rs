//! What a terminal does with a finger before anything is sent: a record becomes a set of rows, or a vector for searches.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::fingerprints::{Dice, capture, prints, sketch};
use tumar::template::finger::record::{Record, Standard, Wanted};
use tumar::template::finger::{Minutiae, encode_fixed, encode_rows};

fn minutiae(record: &[u8]) -> Minutiae {
    Record::read(record).unwrap().view(Wanted::default()).unwrap().minutiae()
}

fn bench_made_up(criterion: &mut Criterion) {
    let mut dice = Dice(3);
    for count in [20, 40, 60, 90, 255] {
        let record = sketch(Standard::Iso19794, vec![capture(&mut dice, 1, 0, count)]).bytes();
        let minutiae = minutiae(&record);
        let mut group = criterion.benchmark_group(format!("encode/minutiae={count}"));
        group.throughput(Throughput::Elements(1));
        group.bench_function("rows", |b| b.iter(|| encode_rows(black_box(&minutiae))));
        group.bench_function("vector", |b| b.iter(|| encode_fixed(black_box(&minutiae))));
    }
}

/// Real prints one by one, where they are at hand: how long most of them take, and the slowest.
fn time_real(_: &mut Criterion) {
    let Some(prints) = prints() else { return };
    let mut times: Vec<_> = prints
        .iter()
        .map(|print| {
            let begun = Instant::now();
            black_box(encode_rows(&minutiae(&print.bytes)).unwrap());
            begun.elapsed()
        })
        .collect();
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!("{} prints, record to rows: p50 {:?}, p95 {:?}, slowest {:?}", times.len(), at(50), at(95), at(100));
}

criterion_group!(benches, bench_made_up, time_real);
criterion_main!(benches);
