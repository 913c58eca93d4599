//! What a terminal, a bank or an auditor needs, without a node: requests and their digests, tokens and proofs, envelopes, the formats of
//! the log, receipts, and the calls to the three nodes. No SQL, no web server, no command line.
//!
//! `tumar` re-exports every module, and its map in `src/lib.rs` has their floors. [`client::Client`] is where to begin.

pub mod client;
pub mod guests;
pub mod log;
pub mod pem;
pub mod reason;
pub mod request;
pub mod seal;
pub mod timings;
pub mod tls;
pub mod token;
pub mod wire;

pub use tumar_mpc::{ed25519, form, hex, name, net, party, protocol, prss, share, template};
