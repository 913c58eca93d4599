//! Three processes of `tumar node`, made by `tumar init`, each with ports and a clock of its own: what must not happen whoever calls
//! them, and whatever their clocks say.

#![allow(clippy::unwrap_used)]

mod attempts;
mod banks;
mod captures;
mod clock;
mod clocks;
mod links;
mod nodes;
mod proofs;
mod refusals;
#[path = "../trio/mod.rs"]
mod trio;
