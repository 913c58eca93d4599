//! What a terminal does, without a connection: check who the nodes are, split a template, seal its shares to them.
//!
//! ```text
//! GetCommitteeResponse --Committee::check, by Pins--> Committee
//! anyone's bytes         signed by who is pinned      keys to seal to
//!
//! Template --Prepared::enroll, verify, search; by a Requester, for a Committee--> Prepared
//! (clear)    split, seal                                                          request to send, and to repeat
//! ```
//!
//! A template is in the clear here and nowhere else. What is wiped: packed templates, masks, shares, subject keys.

mod committee;
mod fault;
mod input;
mod pins;
mod request;
mod subject_key;

pub use committee::{Committee, ServedModel};
pub use fault::CommitteeFault;
pub use input::InputError;
pub use pins::{NodePin, Pins, Requester};
pub use request::{Capture, Prepared, Search, Target};
pub use subject_key::{SubjectKey, SubjectKeyError};
