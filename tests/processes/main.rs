//! Nodes and commands as processes of their own: `tumar` as scripts and operators see it, nodes made by `tumar init`, each with ports
//! and a clock of its own, what must not happen whoever calls them, and how they end.

#![allow(clippy::unwrap_used)]

mod attempts;
mod banks;
mod captures;
mod cli;
mod clock;
mod clocks;
mod crash;
mod disk;
mod eval_command;
mod links;
mod no_leak;
mod nodes;
mod outsiders;
mod proofs;
mod refusals;
mod reload;
mod restored;
#[path = "../support/mod.rs"]
mod support;
