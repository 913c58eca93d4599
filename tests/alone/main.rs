//! Tests that look at how long something takes, or how much memory: one after the other, and nothing beside them.

mod gallery_memory;
mod load;
mod overload;
mod rolling;
mod stall;
#[path = "../support/mod.rs"]
mod support;
mod turn;
