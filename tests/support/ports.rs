//! Ports for nodes in tests, as `tumar init` lays them out.
#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// The first of nine that are free: three, three a hundred above, and three two hundred above. All lie below those that the system gives to
/// callers: a node that is started again must find its own port free. So each process goes round 96 places of its own: a place comes
/// again when whoever had it has long ended.
pub(crate) fn free_ports() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let place = (process::id() / 12 + NEXT.fetch_add(1, Ordering::Relaxed)) % 96;
        let base = 20_000 + process::id() % 12 * 900 + place / 32 * 300 + place % 32 * 3;
        let base = u16::try_from(base).unwrap();
        let ports = (base..base + 3).chain(base + 100..base + 103).chain(base + 200..base + 203);
        if ports.map(|port| TcpListener::bind(("127.0.0.1", port))).all(|bound| bound.is_ok()) {
            return base;
        }
    }
}
