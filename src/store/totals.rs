//! How much is stored, and how much is under way.

use super::{Store, StoreError};

/// How many rows readers see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Connections, in whatever state.
    pub connections: i64,
    /// Training sessions.
    pub workouts: i64,
    /// Samples of training sessions.
    pub workout_samples: i64,
    /// Heart-rate zones of training sessions.
    pub workout_zones: i64,
    /// Points of routes.
    pub route_points: i64,
    /// Nights.
    pub sleeps: i64,
    /// Heart rates of nights.
    pub sleep_samples: i64,
    /// Recoveries.
    pub nightly_recharges: i64,
    /// Heart-rate variability of nights.
    pub variability_samples: i64,
    /// Breathing of nights.
    pub breathing_samples: i64,
    /// Days.
    pub daily_activities: i64,
    /// Steps of days.
    pub step_samples: i64,
    /// States of the body.
    pub physical_information: i64,
}

impl Totals {
    /// Samples of every type.
    pub const fn samples(&self) -> i64 {
        self.workout_samples
            + self.sleep_samples
            + self.variability_samples
            + self.breathing_samples
            + self.step_samples
    }

    /// Rows of every kind of data.
    pub const fn rows(&self) -> i64 {
        self.samples()
            + self.workouts
            + self.workout_zones
            + self.route_points
            + self.sleeps
            + self.nightly_recharges
            + self.daily_activities
            + self.physical_information
    }
}

/// What was done so far, and what is under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Runs that ended.
    pub runs: i64,
    /// Records that are stored, their samples not counted.
    pub records: i64,
    /// Connections that have no sync under way.
    pub settled: i64,
    /// Requests, runs and AccessLink transactions that are not over.
    pub unfinished: i64,
}

impl Store {
    /// Counts every row that readers see. It reads all samples: not for a look every second.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        sqlx::query_as!(
            Totals,
            r#"SELECT
                   (SELECT count(*) FROM api_v1.connections) AS "connections!",
                   (SELECT count(*) FROM api_v1.workouts) AS "workouts!",
                   (SELECT count(*) FROM api_v1.timeseries t
                    JOIN api_v1.workouts w ON w.workout_id = t.record_id) AS "workout_samples!",
                   (SELECT count(*) FROM api_v1.workout_zones) AS "workout_zones!",
                   (SELECT count(*) FROM api_v1.workout_route) AS "route_points!",
                   (SELECT count(*) FROM api_v1.sleeps) AS "sleeps!",
                   (SELECT count(*) FROM api_v1.timeseries t
                    JOIN api_v1.sleeps s ON s.sleep_id = t.record_id) AS "sleep_samples!",
                   (SELECT count(*) FROM api_v1.nightly_recharges) AS "nightly_recharges!",
                   (SELECT count(*) FROM api_v1.timeseries
                    WHERE type = 'heart_rate_variability_rmssd') AS "variability_samples!",
                   (SELECT count(*) FROM api_v1.timeseries
                    WHERE type = 'respiratory_rate') AS "breathing_samples!",
                   (SELECT count(*) FROM api_v1.daily_activities) AS "daily_activities!",
                   (SELECT count(*) FROM api_v1.timeseries WHERE type = 'steps') AS "step_samples!",
                   (SELECT count(*) FROM api_v1.physical_information) AS "physical_information!""#
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("count what is stored"))
    }

    /// How far everything is, from small tables only.
    pub async fn progress(&self) -> Result<Progress, StoreError> {
        sqlx::query_as!(
            Progress,
            r#"SELECT
                   (SELECT count(*) FROM polar_sync.sync_run WHERE finished_at IS NOT NULL) AS "runs!",
                   (SELECT count(*) FROM polar_sync.workout)
                   + (SELECT count(*) FROM polar_sync.sleep)
                   + (SELECT count(*) FROM polar_sync.nightly_recharge)
                   + (SELECT count(*) FROM polar_sync.daily_activity)
                   + (SELECT count(*) FROM polar_sync.physical_information) AS "records!",
                   (SELECT count(*) FROM polar_sync.sync_state s
                    WHERE lease_until IS NULL AND NOT EXISTS (SELECT FROM polar_sync.sync_request r
                        WHERE r.connection_id = s.connection_id AND r.state IN ('open', 'running')))
                       AS "settled!",
                   (SELECT count(*) FROM polar_sync.sync_request WHERE state IN ('open', 'running'))
                   + (SELECT count(*) FROM polar_sync.sync_state WHERE lease_until IS NOT NULL)
                   + (SELECT count(*) FROM polar_sync.remote_transaction
                      WHERE phase IN ('opening', 'open', 'durable', 'committing', 'blocked'))
                       AS "unfinished!""#
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("read how far everything is"))
    }
}
