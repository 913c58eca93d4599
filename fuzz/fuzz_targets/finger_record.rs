//! Finger minutiae records from anyone: read, and encoded where they read.
//!
//! `cargo +nightly fuzz run finger_record -- -max_len=4096`, from the crate's root. The same target runs on stable, from a seed, in
//! `tests/parts/fuzz_records.rs`.
#![no_main]

#[path = "../../tests/support/fingerprints/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::read_and_encode(bytes));
