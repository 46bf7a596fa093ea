//! How users stand with Polar: every sequence of answers that the design tells apart, played to real workers by an
//! AccessLink with a script for each user. `oracle.rs` says from the design's table what has to come of it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod case;
#[path = "../e2e/database.rs"]
#[expect(dead_code, reason = "made for other tests, which use all of it")]
mod database;
mod oracle;
mod play;
mod polar;
#[path = "../e2e/processes.rs"]
#[expect(dead_code, reason = "made for other tests, which use all of it")]
mod processes;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/redis.rs"]
#[expect(dead_code, reason = "made for other tests, which use all of it")]
mod test_redis;
#[path = "../e2e/world.rs"]
#[expect(dead_code, reason = "made for other tests, which use all of it")]
mod world;
