//! The scan: one probe against rows of point shares, on one core, beside what the memory and a search in the clear can do.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use tumar::protocol::dot::scan;

const DIMENSION: usize = 512;

/// Cached: 4 MiB. RAM-bound: 400 MiB.
const ROWS: [(&str, usize); 2] = [("cached", 4096), ("ram", 409_600)];

/// Words that look like shares.
fn noise(count: usize) -> Vec<u16> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 48).to_le_bytes()
    };
    (0..count).map(|_| next()).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]])).collect()
}

/// A plain read of the same bytes: what the memory gives.
fn read(words: &[u16]) -> u16 {
    let mut sums = [0_u16; 64];
    for chunk in words.as_chunks::<64>().0 {
        for (sum, word) in sums.iter_mut().zip(chunk) {
            *sum ^= word;
        }
    }
    sums.into_iter().fold(0, |sum, word| sum ^ word)
}

/// Cosines in the clear, at twice the bytes a row.
fn scan_floats(rows: &[f32], probe: &[f32], out: &mut [f32]) {
    for (out, row) in out.iter_mut().zip(rows.chunks_exact(probe.len())) {
        let mut sums = [0.0_f32; 32];
        for (a, b) in probe.as_chunks::<32>().0.iter().zip(row.as_chunks::<32>().0) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
        *out = sums.iter().sum();
    }
}

fn bench(criterion: &mut Criterion) {
    let probe = noise(DIMENSION);
    for (place, rows) in ROWS {
        let block = Array2::from_shape_vec((rows, DIMENSION), noise(rows * DIMENSION)).unwrap();
        let words = block.as_slice().unwrap();
        let mut group = criterion.benchmark_group(format!("scan/face512/{place}"));
        group.sample_size(10);

        group.throughput(Throughput::Elements(rows as u64));
        let mut out = vec![0; rows];
        group.bench_function("shares", |b| b.iter(|| scan(black_box(block.view()), black_box(&probe), &mut out)));
        group.throughput(Throughput::Bytes(2 * words.len() as u64));
        group.bench_function("shares_bytes", |b| b.iter(|| scan(black_box(block.view()), black_box(&probe), &mut out)));
        group.bench_function("plain_read", |b| b.iter(|| read(black_box(words))));

        let (floats, float_probe): (Vec<f32>, Vec<f32>) =
            (words.iter().map(|&word| f32::from(word)).collect(), probe.iter().map(|&word| f32::from(word)).collect());
        let mut out = vec![0.0; rows];
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function("floats_in_the_clear", |b| {
            b.iter(|| scan_floats(black_box(&floats), black_box(&float_probe), &mut out));
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
