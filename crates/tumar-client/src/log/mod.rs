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

pub mod access;
pub mod admission;
mod attempts;
pub mod continuity;
pub mod copy;
pub mod cosign;
mod denials;
mod early;
pub mod entry;
mod error;
pub mod ledger;
pub mod merkle;
pub mod note;
pub mod outcome;
mod publisher;
mod rates;
pub mod receipt;
pub mod scrub;
pub mod shard;
mod state;
pub mod tiles;
pub mod trouble;
pub mod witness;
pub mod work;
mod writer;
