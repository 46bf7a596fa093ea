//! The crash campaign: real processes on real servers are killed, frozen and stopped at random while the simulator
//! spoils every fifth answer and people upload. Nothing may be lost, stored twice or told twice.
//!
//! A campaign follows a plan ([`plan`]), which is a pure function of a seed and a length; it is carried out by
//! [`campaign`], and judged by [`verdict`]. `make chaos` runs a long one, the suite a short one. To add a
//! disturbance: a variant with its weight in [`plan`], and what it does in [`campaign`].

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and a campaign tells what it did"
)]

mod campaign;
mod faults;
mod fleet;
mod plan;
mod reader;
mod recovery;
mod report;
mod verdict;

#[path = "../e2e/database.rs"]
#[expect(dead_code, reason = "shared with the tests of the whole product")]
mod database;
#[path = "../e2e/processes.rs"]
#[expect(dead_code, reason = "shared with the tests of the whole product")]
mod processes;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/redis.rs"]
mod test_redis;
#[path = "../e2e/world.rs"]
#[expect(dead_code, reason = "shared with the tests of the whole product")]
mod world;

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use futures::FutureExt as _;

use plan::Plan;

/// The seed of the suite's campaign, and the first one where none is given.
const SEED: u64 = 7;

/// The length of the suite's campaign.
const SHORT: Duration = Duration::from_secs(55);

/// The length of a campaign where none is given.
const MINUTES: u64 = 5;

#[tokio::test]
async fn a_short_campaign_does_no_harm() {
    let seed = setting("CHAOS_SEED").unwrap_or(SEED);
    let repeat = format!("CHAOS_SEED={seed} cargo test --test chaos a_short -- --nocapture");
    campaign(seed, SHORT, &repeat).await;
}

#[tokio::test]
#[ignore = "takes minutes: make chaos"]
async fn a_long_campaign_does_no_harm() {
    let minutes = setting("CHAOS_MINUTES").unwrap_or(MINUTES);
    let seed = setting("CHAOS_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let repeat = format!("make chaos MINUTES={minutes} SEED={seed}");
    campaign(seed, Duration::from_secs(minutes * 60), &repeat).await;
}

/// Carries a campaign out. Its logs are kept when it fails.
async fn campaign(seed: u64, length: Duration, repeat: &str) {
    let process = std::process::id();
    let logs = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{seed}-{process}"));
    std::fs::create_dir_all(&logs).unwrap();
    let plan = Plan::new(seed, length);
    println!(
        "seed {seed}, {} rounds; to repeat it: {repeat}",
        plan.rounds.len()
    );
    let kept = format!(
        "seed {seed}; the logs are in {}; to repeat it: {repeat}",
        logs.display()
    );
    let run = AssertUnwindSafe(campaign::run(&plan, seed, &logs));
    let report = match Box::pin(run.catch_unwind()).await {
        Ok(report) => report,
        Err(panic) => {
            println!("the campaign broke off: {kept}");
            resume_unwind(panic)
        }
    };
    println!("{report}");
    assert!(report.failures.is_empty(), "the campaign did harm: {kept}");
    std::fs::remove_dir_all(&logs).unwrap();
}

/// A number from the environment.
fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    let number = text.parse().ok();
    assert!(number.is_some(), "{name} is not a number: {text}");
    number
}
