//! The whole product from outside: real processes, Postgres, Redis and the AccessLink simulator.
//! After each test the simulator's ledger and Postgres must agree.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod audit;
mod audit_rows;
mod audit_tries;
mod authorize;
mod canary;
mod crash;
mod database;
mod erase;
mod export;
mod faults;
mod http;
mod keys;
mod life_cycle;
mod odd;
mod operators;
mod processes;
mod queue;
mod quota;
mod refresh;
mod reload;
mod roles;
mod standing;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/redis.rs"]
mod test_redis;
mod trouble;
mod world;
