//! How many entries a second the access log takes, durable in SQLite with every commit synchronised, while readers fetch tiles and
//! bundles over HTTP from the same node.
//!
//! `cargo bench --bench log [-- ENTRIES]`, 40 000 by default. Prints one line without readers and one with them.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::grants::{Bank, LIMITS, NOW};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, oneshot};
use tumar::audit_server::{NodeKeys, Parts, Server};
use tumar::log::access::{AccessLog, Completion};
use tumar::log::cosign::CosignerKey;
use tumar::log::note::{NoteSigner, SigningKey};
use tumar::log::shard::Shard;
use tumar::party::Party;
use tumar::seal::StoreKey;
use tumar::store::Store;
use tumar::token::policy::Limits;
use tumar::token::purpose::{Enroll, Grant};
use tumar::web::HttpClient;
use zeroize::Zeroizing;

/// Requests that are under way at a time: what three nodes have in flight under load.
const AT_ONCE: usize = 256;
const READERS: usize = 4;

/// Admits and closes each grant: two entries each. Entries a second.
async fn append(log: &AccessLog, grants: Vec<Grant<Enroll>>) -> f64 {
    let (room, entries, begun) = (Arc::new(Semaphore::new(AT_ONCE)), grants.len() * 2, Instant::now());
    for grant in grants {
        let (permit, log) = (Arc::clone(&room).acquire_owned().await.unwrap(), log.clone());
        tokio::spawn(async move {
            let admitted = log.admit(grant, NOW).await.unwrap();
            log.close(admitted.ticket(), Completion::Completed, None, NOW).await.unwrap();
            drop(permit);
        });
    }
    drop(room.acquire_many(u32::try_from(AT_ONCE).unwrap()).await.unwrap());
    f64::from(u32::try_from(entries).unwrap()) / begun.elapsed().as_secs_f64()
}

/// Reads what is there, file after file, until told to stop.
fn read(address: &str, size: &AtomicU64, stop: &AtomicBool, read: &AtomicU64) {
    let node = HttpClient::new(address, None, Duration::from_secs(5)).unwrap();
    let log = format!("/a/{}", Shard::of(NOW));
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let full = size.load(Ordering::Relaxed) / 256;
        let paths = [format!("{log}/checkpoint"), format!("{log}/tile/0/{:03}", number % full.max(1))];
        let bundle = format!("{log}/tile/entries/{:03}", number % full.max(1));
        for path in paths.iter().chain([&bundle]) {
            let answer = node.get(path, Some("token")).unwrap();
            read.fetch_add(answer.body.len() as u64, Ordering::Relaxed);
        }
        number += 1;
    }
}

async fn measure(entries: usize) {
    let directory = tempfile::tempdir().unwrap();
    let key = StoreKey::from_bytes(&Zeroizing::new([7; 32]));
    let store =
        Store::open(&directory.path().join("store.db"), "kz-test".parse().unwrap(), Party::A, key).await.unwrap();
    let limits = Limits { requests_per_second: 1_000_000, burst: 1_000_000, ..LIMITS };
    let signer = NoteSigner::new("kz-test.tumar.test/a".parse().unwrap(), SigningKey::from_seed(&[9; 32]));
    let log_key = signer.verifier().clone();
    let log = AccessLog::open(store.clone(), limits, signer, &directory.path().join("log"), NOW).await.unwrap();
    let bank = Bank::new();
    let grants =
        |turn: usize| (0..entries / 2).map(|number| bank.fresh::<Enroll>(&format!("c-{turn}-{number}"), NOW)).collect();
    let alone = append(&log, grants(0)).await;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let cosigner = CosignerKey::new("witness.test".parse().unwrap(), [1; 32]);
    let server = Server::new(Parts {
        party: Party::A,
        deployment: "kz-test".parse().unwrap(),
        keys: [(); 3].map(|()| NodeKeys { log: log_key.clone(), cosigner: cosigner.clone() }),
        witnesses: Vec::new(),
        logs: log.directory().to_owned(),
        peers: Vec::new(),
        witness: None,
        readers: Arc::new(|_| true),
        clock: Arc::new(|| Some(NOW)),
        room: tumar::guests::Room::new(256, 256),
    });
    let (stop_server, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(listener, None, async { drop(stopped.await) }));
    let (size, stop, bytes) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    size.store(log.head().0.index, Ordering::Relaxed);
    log.settle().await.unwrap();
    let grants = grants(1);
    let begun = Instant::now();
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (address, size, stop, bytes) =
                (address.clone(), Arc::clone(&size), Arc::clone(&stop), Arc::clone(&bytes));
            std::thread::spawn(move || read(&address, &size, &stop, &bytes))
        })
        .collect();
    let read = append(&log, grants).await;
    let megabytes =
        f64::from(u32::try_from(bytes.load(Ordering::Relaxed) >> 20).unwrap()) / begun.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    drop(stop_server);
    serving.await.unwrap();
    log.shutdown().await;
    store.close().await.unwrap();
    println!("entries={entries} durable_a_second={alone:.0} while_read={read:.0} read_mib_a_second={megabytes:.1}");
}

fn main() {
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    Runtime::new().unwrap().block_on(measure(asked.unwrap_or(40_000)));
}
