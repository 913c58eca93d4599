//! The command line's one clock reading.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix seconds. A clock before 1970 reads 0, and every token is in the future then.
#[expect(
    clippy::disallowed_methods,
    reason = "tokens and proofs that are made here say when; all else is given the time"
)]
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
