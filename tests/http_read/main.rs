//! The calls that read, over a real Postgres: what is written as records comes out as JSON.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod bad_input;
mod changes;
mod events;
#[path = "../store_records/fixtures.rs"]
#[expect(
    dead_code,
    reason = "made for the tests of the store, which use all of it"
)]
mod fixtures;
mod harness;
mod summaries;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/redis.rs"]
#[expect(
    dead_code,
    reason = "made for the tests of the queue, which use all of it"
)]
mod test_redis;
mod timeseries;
mod workout;
