//! Logs as auditors see them: honest ones pass, and each lie is found, with node, entry and rule.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod copies;
mod lies;
pub(crate) mod logs;
mod mirrors;
mod person;
mod report;
mod rules;
pub(crate) mod site;
