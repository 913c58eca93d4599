//! Tumar matches faces and fingerprints for ATMs among three parties of which none ever holds a template.
//!
//! The map, from the top floor down; arrows only point down. What needs no service is a crate of its own and re-exported here:
//! `tumar-mpc` has ed25519, form, hex, name, net, party, protocol, prss, share and template; `tumar-client`, which is built on it, has
//! client, guests, log, pem, prepare, reason, request, seal, timings, tls, token and wire. `tumar-terminal` is a library in C of the latter,
//! for terminals.
//!
//! ```text
//! 9  main.rs, cli/   demo load init node token enroll verify erase audit eval: arguments in, text out; the clock
//! 8  node.rs         config -> wired parts; listen, drain
//! 7  service.rs      public gRPC, the way in      audit_server/  logs for auditors, a witness, a page
//!    issuer/         a bank's token service: assertion, proof and rules in, access token out
//!    abi.rs          a terminal's functions, as C calls them
//! 6  engine/         enrol, verify, erase, lock; takes only Permits   peer/    links over gRPC and mutual TLS
//!    client/         what a terminal and a backend do: prepare, sign, call, check receipts   cosigning.rs  asks witnesses
//!    desk.rs         what such a function does                           keeper.rs  pinned.rs  what a terminal holds, whom it believes
//!    fault.rs  layout.rs  spans.rs  errors, structures and memory of such a function
//!    audit/          what outsiders verify: mirrors of the three logs, held against rules and each other
//!    eval/           error rates, wolves, groups, thresholds and plots of labelled sets; three parties in one process
//! 5  gallery.rs      references in fixed ndarray blocks               protocol/ Session; input check, compare, open
//!    prepare/        what a terminal does: nodes checked, templates split, shares sealed: requests
//!    wire.rs         generated types, and the way from them to ours      web.rs    plain HTTP calls to others
//! 4  store/          sealed records, spent ids, positions             seal/    envelopes, boxes at rest
//!    prss.rs  handshake.rs  shared randomness, agreed anew at every connect      tls.rs   TLS 1.3, pinned
//! 3  log/            entry merkle tiles note: AccessLog, Receipt, Permit<P>   share.rs  XOR, replicated and point shares
//! 2  clocks.rs       what a node knows of time: Clocks, Doubt
//!    guests.rs       who may be connected, and who goes for a newcomer
//!    net.rs          Frame, Pipe, Step, Lost                          token/   jws proof purpose policy: Token, Verified, Grant<P>
//!    request.rs      what is asked for, and its digest              timings.rs  how long an answer took, phase by phase
//! 1  drawing/        plots and pages of reports
//!    reason.rs  why a node refuses   party.rs  name.rs  hex.rs  ed25519.rs  form.rs  pem.rs  template/   embeddings and minutiae in, small integers out; models; the
//!                    clear-text oracle
//! ```

pub mod audit;
pub mod audit_server;
pub mod clocks;
pub mod cosigning;
pub mod drawing;
pub mod engine;
pub mod eval;
pub mod gallery;
pub mod handshake;
pub mod issuer;
pub mod node;
pub mod peer;
pub mod service;
pub mod store;
pub mod web;

pub use tumar_client::{client, guests, log, pem, prepare, reason, request, seal, timings, tls, token, wire};
pub use tumar_mpc::{ed25519, form, hex, name, net, party, protocol, prss, share, template};
