//! The scan: probes against rows of point shares, on one core, beside two floors of the same run: a plain read of the same bytes,
//! and a plain search of the same vectors in the clear.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{Array2, ArrayView2};
use tumar::protocol::dot::scan_many;
use tumar::protocol::kernel::Kernel;

const DIMENSION: usize = 512;

/// 10 MB, in the cache of a server; 102 MB; 410 MB; 1.02 GB.
const ROWS: [usize; 4] = [10_000, 100_000, 400_000, 1_000_000];

const PROBES: [usize; 4] = [1, 4, 8, 16];

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

/// Each kernel of this processor, with one probe and with eight.
fn bench_kernels(criterion: &mut Criterion, words: &[u16], probes: &[&[u16]], rows: usize) {
    let mut group = criterion.benchmark_group(format!("kernel/face512/n={rows}"));
    group.throughput(Throughput::Elements(rows as u64)).sample_size(10);
    for kernel in Kernel::available() {
        for count in [1, 8] {
            let mut out = vec![0; count * rows];
            group.bench_function(format!("{}/probes={count}", kernel.name()), |b| {
                b.iter(|| kernel.products(black_box(words), black_box(&probes[..count]), &mut out));
            });
        }
    }
}

fn bench(criterion: &mut Criterion) {
    let most = ROWS.into_iter().max().unwrap();
    let probes: Vec<Vec<u16>> = (0..16).map(|shift| noise(DIMENSION + shift)[shift..].to_vec()).collect();
    let probes: Vec<&[u16]> = probes.iter().map(Vec::as_slice).collect();
    // One block for all sizes, as long as the longest.
    let block = Array2::from_shape_vec((most, DIMENSION), noise(most * DIMENSION)).unwrap();
    let words = block.as_slice().unwrap();
    bench_kernels(criterion, &words[..ROWS[0] * DIMENSION], &probes, ROWS[0]);
    for rows in ROWS {
        let words = &words[..rows * DIMENSION];
        let block = ArrayView2::from_shape((rows, DIMENSION), words).unwrap();
        let mut group = criterion.benchmark_group(format!("scan/face512/n={rows}"));
        group.throughput(Throughput::Elements(rows as u64)).sample_size(10);
        group.bench_function("plain_read", |b| b.iter(|| read(black_box(words))));
        for count in PROBES {
            let mut out = vec![0; count * rows];
            group.bench_function(format!("probes={count}"), |b| {
                b.iter(|| scan_many(black_box(block), black_box(&probes[..count]), &mut out));
            });
        }
        let floats: Vec<f32> = words.iter().map(|&word| f32::from(word)).collect();
        let float_probe: Vec<f32> = probes[0].iter().map(|&word| f32::from(word)).collect();
        let mut out = vec![0.0; rows];
        group.bench_function("clear_f32", |b| {
            b.iter(|| scan_floats(black_box(&floats), black_box(&float_probe), &mut out));
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
