//! Whole searches at the client with everything on, against three nodes that are processes of their own on this machine: how long
//! they take, what they cost one-to-one requests meanwhile, and how much memory a reference takes.
//!
//! `cargo bench --bench search [-- ROWS ..]`, 100 000 and 1 000 000 rows by default. The galleries are written straight into the stores.
//! Prints one line for each size, and fails if a search names anyone but the person it looks for.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::cluster::{Files, GALLERY, face_of, now, target, template};
use tokio::runtime::Runtime;
use tumar::client::Client;
use tumar::log::ledger::Position;
use tumar::node::{Config, Keys};
use tumar::party::Party;
use tumar::request::Method;
use tumar::share::Replicated;
use tumar::store::{Enrolment, Reference, Store};
use tumar::template::{Shape, Template};
use zeroize::Zeroizing;

/// Different faces among those that are only searched through.
const FACES: u64 = 2048;
/// One-to-one requests that are timed, alone and during searches.
const VERIFICATIONS: usize = 400;

/// Nothing that must be secret.
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn face(seed: u64) -> Template {
    let word = |place: u64| f32::from(u16::try_from(mixed(seed * 512 + place) >> 48).unwrap()) - 32_767.5;
    template(&(0..512).map(word).collect::<Vec<_>>())
}

/// A node's share of a face: of three summands, the one of that party and the next.
fn share(party: Party, row: u64, face: &Template) -> Reference {
    let nibble = |nibble: u8| if nibble < 8 { u16::from(nibble) } else { u16::from(nibble).wrapping_sub(16) };
    let components: Vec<u16> = face.pack().iter().flat_map(|both| [nibble(both & 15), nibble(both >> 4)]).collect();
    let words = |of: u64| -> Vec<u16> {
        (0..128)
            .flat_map(|place| mixed((row * 2 + of) * 128 + place).to_le_bytes())
            .collect::<Vec<u8>>()
            .chunks(2)
            .map(|two| u16::from_le_bytes([two[0], two[1]]))
            .collect()
    };
    let (a, b) = (words(0), words(1));
    let c = components.iter().zip(a.iter().zip(&b)).map(|(x, (a, b))| x.wrapping_sub(*a).wrapping_sub(*b)).collect();
    let summands = [a, b, c];
    let of = |party: Party| summands[party.index()].clone().into_boxed_slice();
    let shares = Replicated::new(Shape::vector(512).unwrap(), of(party), of(party.next())).unwrap();
    Reference { model: "fr512".parse().unwrap(), share: shares.to_point(party) }
}

async fn fill(config: Config, rows: u64) {
    let keys = Keys::read(&config.path(&config.keys)).unwrap();
    let data = config.path(&config.data);
    std::fs::create_dir_all(&data).unwrap();
    let path = data.join("store.sqlite");
    let store = Store::open(&path, config.deployment.clone(), config.party, keys.store).await.unwrap();
    let faces: Vec<Template> = (0..FACES).map(face).collect();
    let now = now();
    let party = config.party;
    let enrolments = (0..rows).map(move |row| Enrolment {
        gallery: GALLERY.parse().unwrap(),
        subject: format!("row-{row}").parse().unwrap(),
        position: Position(row),
        expires: now + 86_400,
        references: vec![share(party, row, &faces[usize::try_from(row % FACES).unwrap()])],
        subject_key: Box::new(Zeroizing::new([0; 32])),
    });
    store.import(enrolments, now).await.unwrap();
    store.close().await.unwrap();
}

/// Waits for nodes that load so many rows, and says so; after a minute, and one more for each million, with what the nodes said.
async fn connected(files: &Files, nodes: &mut [Child; 3], rows: u64) -> Client {
    let begun = Instant::now();
    let patience = Duration::from_secs(60 + 60 * rows / 1_000_000);
    eprintln!("waiting for three nodes that load {rows} rows each, {} s at most", patience.as_secs());
    loop {
        let error = match files.client().await {
            Ok(client) => return client,
            Err(error) => error,
        };
        let ended = nodes.iter_mut().any(|node| node.try_wait().unwrap().is_some());
        if ended || begun.elapsed() > patience {
            for node in nodes.iter_mut() {
                drop(node.kill());
            }
            let said = Party::ALL.map(|party| format!("{party} said: {}", files.said(party)));
            panic!("the nodes do not come up: {error}\n{}", said.join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Bytes of memory that a process holds.
fn resident(process: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

async fn search(files: &Files, client: &Client, person: u64) -> Duration {
    let (token, wanted, probe) = (files.token("case_search", Method::Search), files.search(8), face(person));
    let begun = Instant::now();
    let searched = client.search(&token, &wanted, &[face_of(&probe)], &mut |_| {}).await.unwrap();
    let took = begun.elapsed();
    let named: Vec<String> = searched.found.candidates.into_iter().map(String::from).collect();
    assert_eq!(named, [format!("person-{person}")]);
    took
}

async fn verify(files: &Files, client: &Client, person: u64) -> Duration {
    let (token, probe) = (files.token("cash_withdrawal", Method::Verify), face(person));
    let asked = target(&format!("person-{person}"), "cash_withdrawal");
    let begun = Instant::now();
    assert!(client.verify(&token, &asked, &[face_of(&probe)], 40_000).await.unwrap().matched);
    begun.elapsed()
}

/// Median and 99th percentile.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    (at(50), at(99))
}

async fn measure(rows: u64) {
    let files = Files::new();
    let filling = Party::ALL.map(|party| {
        let config = Config::read(&files.node(party).join("node.toml")).unwrap();
        tokio::spawn(fill(config, rows))
    });
    for one in filling {
        one.await.unwrap();
    }
    let mut nodes = Party::ALL.map(|party| files.spawn(party));
    let files = Arc::new(files);
    let client = Arc::new(connected(&files, &mut nodes, rows).await);
    let people = [90_000, 90_001, 90_002];
    for person in people {
        let token = files.token("enrolment", Method::Enroll);
        let asked = target(&format!("person-{person}"), "enrolment");
        client.enroll(&token, &asked, &[face_of(&face(person))]).await.unwrap();
    }
    search(&files, &client, people[0]).await;
    let mut alone = Vec::new();
    for turn in 0..21 {
        alone.push(search(&files, &client, people[turn % 2]).await);
    }
    let mut calm = Vec::new();
    for _ in 0..VERIFICATIONS {
        calm.push(verify(&files, &client, people[2]).await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let searching = tokio::spawn({
        let (files, client, stop) = (Arc::clone(&files), Arc::clone(&client), Arc::clone(&stop));
        async move {
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                times.push(search(&files, &client, people[0]).await);
            }
            times
        }
    });
    let mut busy = Vec::new();
    for _ in 0..VERIFICATIONS {
        busy.push(verify(&files, &client, people[2]).await);
    }
    stop.store(true, Ordering::Relaxed);
    let during = searching.await.unwrap();
    let memory = nodes.iter().map(|node| resident(node.id())).max().unwrap_or(0);
    for node in &mut nodes {
        node.kill().unwrap();
        node.wait().unwrap();
    }
    let searches = during.len();
    let [(alone, alone_p99), (calm, calm_p99), (busy, busy_p99), (during, _)] =
        [alone, calm, busy, during].map(percentiles);
    println!(
        "rows={rows} search_median_ms={alone:.1} search_p99_ms={alone_p99:.1} bytes_a_row={} verify_p50_ms={calm:.1} \
         verify_p99_ms={calm_p99:.1} verify_during_p50_ms={busy:.1} verify_during_p99_ms={busy_p99:.1} \
         searches_during={searches} search_during_median_ms={during:.1}",
        memory / rows
    );
}

fn main() {
    let asked: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let rows = if asked.is_empty() { vec![100_000, 1_000_000] } else { asked };
    let runtime = Runtime::new().unwrap();
    for rows in rows {
        runtime.block_on(measure(rows));
    }
}
