//! (being built)

pub mod purpose;
