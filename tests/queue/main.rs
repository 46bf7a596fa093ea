//! The queue against a real Redis, with a toy handler.

mod client;
mod drain;
mod enqueue;
mod faults;
mod harness;
mod lane;
mod permits;
