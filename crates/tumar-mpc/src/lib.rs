//! The arithmetic of Tumar: templates, their shares, and what three parties compute on them. No socket, no clock, no service.
//!
//! `tumar` re-exports every module, and its map in `src/lib.rs` has their floors.

pub mod ed25519;
pub mod form;
pub mod hex;
pub mod name;
pub mod net;
pub mod party;
pub mod protocol;
pub mod prss;
pub mod share;
pub mod template;
