//! Hostile input: what a server, a caller or a file may send, in the worst forms that are known.
//!
//! `corpus/urls.jsonl` holds URLs with their verdicts, `corpus/<parser>/` bodies that every run puts through
//! their parser. To add one, add a line or a file: nothing else names them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod api;
mod bodies;
#[path = "../e2e/database.rs"]
#[expect(dead_code, reason = "made for other tests, which use all of it")]
mod database;
mod laws;
mod parsers;
mod polar;
#[path = "../e2e/processes.rs"]
#[expect(dead_code, reason = "made for other tests, which use all of it")]
mod processes;
mod redirects;
mod server;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/redis.rs"]
#[expect(dead_code, reason = "made for other tests, which use all of it")]
mod test_redis;
mod thief;
mod urls;
mod worker;
#[path = "../e2e/world.rs"]
#[expect(dead_code, reason = "made for other tests, which use all of it")]
mod world;
