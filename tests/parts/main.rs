//! The parts of a node, one at a time: tokens, the access log, the store, witnesses, and what auditors make of a log.

mod access_log;
mod approvals;
mod audit;
mod audit_command;
mod backlog;
mod client_vectors;
mod cosigning;
mod crash_matrix;
mod halves;
mod http;
mod log_formats;
mod log_tiles;
mod memory;
mod other_tools;
mod scrub;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod third_party;
mod tokens;
mod troubles;
mod witness;
