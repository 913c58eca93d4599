//! Three whole nodes in this process, with their real ports, logs and stores, and clients of them.

mod auditing;
mod captures;
mod client;
mod clocks;
mod links;
mod lost_store;
mod modalities;
mod model;
#[allow(clippy::module_inception, reason = "the nodes with real faces and fingers")]
mod nodes;
mod own_model;
mod receipts;
mod refusals;
mod rotation;
mod search;
#[path = "../support/mod.rs"]
mod support;
