//! One test at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by a test as long as it runs.
pub(crate) struct Turn(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

/// Waits until no other test of this process has it. A test that failed has left nothing behind.
pub(crate) fn turn() -> Turn {
    static ONE: Mutex<()> = Mutex::new(());
    Turn(ONE.lock().unwrap_or_else(PoisonError::into_inner))
}
