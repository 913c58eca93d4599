//! The parts, one at a time and without a network: the arithmetic of three parties, tokens, the access log, the store, witnesses, and what
//! auditors make of a log.

mod access_log;
mod approvals;
mod audit;
mod audit_command;
mod backlog;
mod cheating;
mod client_vectors;
mod cosigning;
mod cost;
mod crash_matrix;
mod eval;
mod faces;
mod finger_shares;
mod fingers;
mod fuzz_records;
mod halves;
mod http;
mod issuer;
mod log_formats;
mod log_tiles;
mod malformed_shares;
mod memory;
mod other_tools;
mod reasons;
mod records;
mod scrub;
mod sets;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod third_party;
mod tokens;
mod troubles;
mod uniformity;
mod vectors;
mod witness;
