//! What a terminal, a bank or an auditor needs, without a node: requests and their digests, tokens and proofs, envelopes, the formats of
//! the log, receipts, and the calls to the three nodes. No SQL, no web server, no command line.
//!
//! `tumar` re-exports every module, and its map in `src/lib.rs` has their floors. [`client::Client`] is where to begin. Without the feature
//! `net`, which is on unless turned off, there is what needs no connection: no gRPC, no TLS, no runtime.

#[cfg(feature = "net")]
pub mod client;
#[cfg(feature = "net")]
pub mod guests;
pub mod log;
pub mod pem;
pub mod prepare;
pub mod reason;
pub mod request;
pub mod seal;
pub mod timings;
#[cfg(feature = "net")]
pub mod tls;
pub mod token;
pub mod wire;

pub use tumar_mpc::{ed25519, form, hex, name, party, share, template};
#[cfg(feature = "net")]
pub use tumar_mpc::{net, protocol, prss};
