//! The queue against a real Redis, with a toy handler.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod client;
mod drain;
mod enqueue;
mod faults;
mod harness;
mod lane;
mod permits;
#[path = "../support/redis.rs"]
mod test_redis;
