//! The operator commands as a shell sees them: the real executable on a private Postgres and Redis.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod dead;
mod desk;
mod doctor;
mod enqueue;
mod explain;
mod export;
mod import;
mod keys;
mod reach;
mod status;
#[path = "../support/mod.rs"]
mod support;
mod transactions;
mod users;
