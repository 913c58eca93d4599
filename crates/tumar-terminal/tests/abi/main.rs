//! The library as C calls it: the conformance vectors, what a program may do wrong, and whatever bytes there are.

#![allow(clippy::unwrap_used)]

mod calls;
mod misuse;
mod random;
mod vectors;
