//! The normalized records: how they get into Postgres, and what readers see of them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod activities;
mod convergence;
mod damage;
mod feed;
mod fixtures;
mod leader;
mod lost;
mod nights;
mod raw;
mod reading;
#[path = "../support/mod.rs"]
mod support;
mod timeseries;
mod workouts;
