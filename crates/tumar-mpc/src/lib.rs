//! The arithmetic of Tumar: templates, their shares, and what three parties compute on them. No socket, no clock, no service.
//!
//! Without the feature `protocol`, which is on unless turned off, there is what a terminal needs: templates and their shares.
//!
//! `tumar` re-exports every module, and its map in `src/lib.rs` has their floors.

pub mod ed25519;
pub mod form;
pub mod hex;
pub mod name;
#[cfg(feature = "protocol")]
pub mod net;
pub mod party;
#[cfg(feature = "protocol")]
pub mod protocol;
#[cfg(feature = "protocol")]
pub mod prss;
pub mod share;
pub mod template;
