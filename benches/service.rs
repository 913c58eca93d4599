//! One verification at the client with everything on (TLS 1.3, X-Wing envelopes, token and proof, durable log, three real nodes
//! in this process, receipts checked): alone, and 64 at once.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::cluster::{Trio, face_of, target, template};
use tokio::runtime::Runtime;
use tumar::request::Method;

/// Verifications under way in the crowd.
const CROWD: u64 = 64;

fn subject(number: u64) -> String {
    format!("person-{}", number % CROWD)
}

fn face(number: u64) -> tumar::template::Template {
    let seed = number % CROWD;
    let word = |place: u64| {
        let mixed = (seed * 512 + place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        f32::from(u16::try_from((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 48).unwrap()) - 32_767.5
    };
    template(&(0..512).map(word).collect::<Vec<_>>())
}

async fn verify(trio: &Trio, token: &str, number: u64) {
    let asked = target(&subject(number), "cash_withdrawal");
    let verified = trio.client.verify(token, &asked, &[face_of(&face(number))], 40_000).await.unwrap();
    assert!(verified.matched);
}

/// Tokens are the bank's work, and made before the clock starts.
fn tokens(trio: &Trio, count: u64) -> Vec<String> {
    (0..count).map(|_| trio.files.token("cash_withdrawal", Method::Verify)).collect()
}

async fn crowd(trio: &Arc<Trio>, count: u64) -> Duration {
    let tokens = tokens(trio, count);
    let lanes: Vec<Vec<(u64, String)>> = (0..CROWD)
        .map(|lane| (0..count).zip(&tokens).filter(|(n, _)| n % CROWD == lane).map(|(n, t)| (n, t.clone())).collect())
        .collect();
    let begun = Instant::now();
    let lanes: Vec<_> = lanes
        .into_iter()
        .map(|lane| {
            let trio = Arc::clone(trio);
            tokio::spawn(async move {
                for (number, token) in lane {
                    verify(&trio, &token, number).await;
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.unwrap();
    }
    begun.elapsed()
}

fn service(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let trio = runtime.block_on(async {
        let trio = Arc::new(Trio::start().await);
        for number in 0..CROWD {
            let token = trio.files.token("enrolment", Method::Enroll);
            let asked = target(&subject(number), "enrolment");
            trio.client.enroll(&token, &asked, &[face_of(&face(number))]).await.unwrap();
        }
        trio
    });
    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::Elements(1)).sample_size(20).measurement_time(Duration::from_secs(10));
    group.bench_function("face/alone", |bencher| {
        bencher.iter_custom(|count| {
            let tokens = tokens(&trio, count);
            runtime.block_on(async {
                let begun = Instant::now();
                for (number, token) in (0..).zip(&tokens) {
                    verify(&trio, token, number).await;
                }
                begun.elapsed()
            })
        });
    });
    group.bench_function(format!("face/{CROWD} at once"), |bencher| {
        bencher.iter_custom(|count| {
            // Whole rounds of the crowd, counted down to one verification.
            let rounds = count.div_ceil(CROWD) * CROWD;
            let taken = runtime.block_on(crowd(&trio, rounds));
            taken.mul_f64(f64::from(u32::try_from(count).unwrap()) / f64::from(u32::try_from(rounds).unwrap()))
        });
    });
    group.finish();
    let trio = Arc::into_inner(trio).unwrap();
    drop(runtime.block_on(trio.stop()));
}

criterion_group!(benches, service);
criterion_main!(benches);
