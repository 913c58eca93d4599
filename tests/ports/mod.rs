//! Ports for nodes in tests, as `tumar init` lays them out.
#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// The first of nine that are free: three, three a hundred above, and three two hundred above. All lie below those that the system gives to
/// callers: a node that is started again must find its own port free.
pub(crate) fn free_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let step = NEXT.fetch_add(4, Ordering::Relaxed);
        let base = 20_000 + u16::try_from(std::process::id() % 38).unwrap() * 300 + step % 96;
        let ports = (base..base + 3).chain(base + 100..base + 103).chain(base + 200..base + 203);
        if ports.map(|port| TcpListener::bind(("127.0.0.1", port))).all(|bound| bound.is_ok()) {
            return base;
        }
    }
}
