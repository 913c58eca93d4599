//! What tests and benches share: `mod support;` in the root of each.
//!
//! From the arithmetic upwards: [`rng`] and [`datasets`]; three parties in one process ([`mpc_sim`]); records of fingers
//! ([`fingerprints`]) and a model to encode them by ([`own_model`]); tokens, right and wrong ([`grants`], [`token_fixtures`]); three whole nodes ([`cluster`]).
#![allow(dead_code, reason = "each root takes what it needs")]

pub(crate) mod cluster;
pub(crate) mod datasets;
pub(crate) mod fingerprints;
pub(crate) mod grants;
pub(crate) mod mpc_sim;
pub(crate) mod own_model;
pub(crate) mod ports;
pub(crate) mod rng;
pub(crate) mod token_fixtures;
