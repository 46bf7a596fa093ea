//! `status`: everything at a glance, and what needs somebody.

mod gather;
mod text;

pub(super) use gather::{checkpoint, gather, instant};
pub(super) use text::needs;

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::{Output, reach};
use crate::{
    config::{Config, Duration},
    model::{ConnectionState, Kind, Lane},
    store::{
        overview::{LeaderSummary, Needs, RunRate},
        webhook::WebhookRow,
    },
};

/// Runs that ended within so many minutes are counted.
const RUNS_MIN: i32 = 5;

/// What is shown.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub(super) at: Timestamp,
    /// Why Redis cannot be asked; what comes from there is missing then.
    redis_error: Option<String>,
    pub(super) lanes: Option<Vec<LaneStatus>>,
    runs_within_min: i32,
    runs: Vec<RunRate>,
    connections: Vec<StateCount>,
    quota: Option<Quota>,
    /// The factor by which the scheduler stretches the configured intervals.
    stretch: f64,
    /// How long Polar's notifications have been failing; none while they work.
    notifications_failing_s: Option<f64>,
    /// Polar's webhook, if there is one.
    webhook: Option<WebhookRow>,
    intervals: Vec<Interval>,
    pub(super) leaders: Vec<LeaderSummary>,
    needs: Needs,
    /// Some of the users with a body in quarantine.
    quarantined_users: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct LaneStatus {
    pub(super) lane: Lane,
    /// Waiting and running ones.
    pub(super) entries: u64,
    /// Running ones.
    pub(super) pending: u64,
    /// Age of the oldest entry.
    pub(super) oldest_s: Option<f64>,
}

#[derive(Debug, Serialize)]
struct StateCount {
    state: ConnectionState,
    count: i64,
}

#[derive(Debug, Serialize)]
struct Quota {
    /// When this was so: now, or when the last checkpoint was kept in Postgres.
    at: Timestamp,
    windows: [WindowStatus; 2],
    /// Polar answered 429: nobody asks before.
    closed_until: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct WindowStatus {
    window: &'static str,
    used: u32,
    limit: u32,
    /// None before it began.
    resets_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Interval {
    kind: Kind,
    configured: Duration,
    effective_s: f64,
}

/// Runs the command.
pub async fn run(config: &Config, output: &mut Output<impl Write>) -> anyhow::Result<()> {
    let needs = config.for_queue("status")?;
    let store = reach::connect_postgres(needs.database_url, 1).await?;
    let status = gather(config, &store, needs.redis_url).await?;
    output.show(&status, text::write)?;
    Ok(())
}
