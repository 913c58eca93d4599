//! `libtumar_terminal`: what a terminal does, as a library that C can call.
//!
//! ```text
//! pins, committee --tumar_terminal_open, tumar_committee_check--> whom to seal to
//! embedding, record --tumar_face, tumar_finger--> template --tumar_seal--> request, for the backend to send
//! ```
//!
//! `include/tumar_terminal.h` is written from this source by cbindgen, and says of every function what it takes, gives and refuses. The
//! work is done by `tumar-client`, without its gRPC: what comes from here is byte for byte what any other client makes.
//!
//! | file | what |
//! |---|---|
//! | `abi` | the functions, and all that follows a pointer of the caller |
//! | `spans` | which memory a call reads and writes: no part of it twice |
//! | `layout` | the structures and numbers of the header |
//! | `fault` | what may be wrong: a number, a word and a sentence each |
//! | `desk` | the work, in safe code |
//! | `keeper` | what a terminal holds, behind numbers that the caller holds |
//! | `pinned` | the configuration |
//!
//! **No panic leaves a function**: each runs under `catch_unwind`, and the crate does not compile where a panic would end the process.

#[cfg(not(panic = "unwind"))]
compile_error!("a panic must be caught at the border of this library: build it with panic = \"unwind\"");

pub mod abi;
mod desk;
pub mod fault;
mod keeper;
pub mod layout;
mod pinned;
mod spans;

pub use keeper::Terminal;
