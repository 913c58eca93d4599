//! From a grant to a line that anyone can check later, and to the proof that the line is there.
//!
//! ```text
//! Grant<P> --access::AccessLog::admit--> admission (the ledger's part of the door) --ledger::Ledger, durable--> Permit<P>
//!
//! Use ------> entry::Draft --finish(handle)--> canonical bytes --merkle::leaf_hash--> merkle::Tree
//! (token)     who, what for,  at most 1 KiB,    one durable                            root, proofs
//!             under a salt    no name in it     row                                          |
//!                                                    note::Checkpoint (origin, size, root) <-+
//!                                                        | signed by note::NoteSigner        |
//!                                                        v                                   v
//!                                        tiles::Writer: checkpoint, tile/...        receipt::Receipt
//!                                        static files that other tools verify       this node's answer and its place
//! ```
//!
//! The formats are C2SP's (tlog-tiles, tlog-checkpoint, signed-note) over RFC 6962 trees and RFC 8785 JSON; none is our own
//! but the fields of an entry and the words that a receipt signs.

#[cfg(feature = "net")]
pub mod access;
#[cfg(feature = "net")]
pub mod admission;
#[cfg(feature = "net")]
mod attempts;
#[cfg(feature = "net")]
pub mod continuity;
#[cfg(feature = "net")]
pub mod copy;
#[cfg(feature = "net")]
pub mod cosign;
#[cfg(feature = "net")]
mod denials;
#[cfg(feature = "net")]
mod early;
pub mod entry;
#[cfg(feature = "net")]
mod error;
#[cfg(feature = "net")]
pub mod ledger;
pub mod merkle;
pub mod note;
#[cfg(feature = "net")]
pub mod outcome;
#[cfg(feature = "net")]
mod publisher;
#[cfg(feature = "net")]
mod rates;
pub mod receipt;
#[cfg(feature = "net")]
pub mod scrub;
pub mod shard;
#[cfg(feature = "net")]
mod state;
#[cfg(feature = "net")]
pub mod tiles;
#[cfg(feature = "net")]
pub mod trouble;
#[cfg(feature = "net")]
pub mod witness;
#[cfg(feature = "net")]
pub mod work;
#[cfg(feature = "net")]
mod writer;
