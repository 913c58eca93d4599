//! The arithmetic: templates, shares, and three parties that compute in one process, without a network.

mod cheating;
mod cost;
mod eval;
mod faces;
mod finger_shares;
mod fingers;
mod fuzz_records;
mod malformed_shares;
mod records;
mod sets;
#[path = "../support/mod.rs"]
mod support;
mod uniformity;
mod vectors;
