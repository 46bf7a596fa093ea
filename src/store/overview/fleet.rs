//! All connections together.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    super::{Store, StoreError},
    instant,
};
use crate::model::RunOutcome;

/// How many runs ended lately, by outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRate {
    /// The outcome.
    pub outcome: RunOutcome,
    /// Runs.
    pub runs: i64,
}

/// What somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// Rows of `dead list`.
    pub dead: i64,
    /// Bodies in quarantine.
    pub quarantined: i64,
    /// AccessLink transactions with an item that cannot be fetched whole.
    pub blocked_transactions: i64,
    /// Suspects that the mass guard holds.
    pub held: i64,
    /// Erasures that have begun and not ended.
    pub erasing: i64,
    /// Requests that wait or run.
    pub open_requests: i64,
    /// Kinds whose time has come and that the scheduler has not taken up yet.
    pub due_kinds: i64,
    /// Since when the first of them is due.
    pub due_since: Option<Timestamp>,
    /// Changes that have no number yet.
    pub unnumbered_changes: i64,
}

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaderSummary {
    /// The office: `scheduler` or `sequencer`.
    pub office: String,
    /// The process; none when nobody leads.
    pub owner: Option<String>,
    /// Until when, unless it is renewed.
    pub until: Option<Timestamp>,
}

/// A count is not taken further: more of them are too many in any case.
const COUNTED_MAX: i64 = 100_000;

/// Runs that started earlier than this many minutes before are not looked for: the index is on the
/// start.
const LONGEST_RUN_MIN: f64 = 60.0;

impl Store {
    /// Runs that ended within the last `minutes`, by outcome.
    pub async fn runs_ended(&self, minutes: i32) -> Result<Vec<RunRate>, StoreError> {
        sqlx::query_as!(
            RunRate,
            r#"SELECT outcome AS "outcome!: RunOutcome", count(*) AS "runs!"
               FROM polar_sync.sync_run
               WHERE started_at > polar_sync.now() - $2::float8 * interval '1 minute'
                 AND finished_at > polar_sync.now() - $1::float8 * interval '1 minute'
               GROUP BY outcome ORDER BY outcome"#,
            f64::from(minutes),
            f64::from(minutes) + LONGEST_RUN_MIN
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("count runs"))
    }

    /// What somebody should look at.
    pub async fn needs(&self) -> Result<Needs, StoreError> {
        sqlx::query!(
            r#"SELECT
                (SELECT count(*) FROM polar_sync.dead) AS "dead!",
                (SELECT count(*) FROM polar_sync.quarantine) AS "quarantined!",
                (SELECT count(*) FROM polar_sync.remote_transaction WHERE phase = 'blocked')
                    AS "blocked_transactions!",
                (SELECT count(*) FROM polar_sync.connection WHERE state = 'suspect' AND state_reason = 'held'
                    AND ended_at IS NULL) AS "held!",
                (SELECT count(*) FROM polar_sync.erasure WHERE erased_at IS NULL) AS "erasing!",
                (SELECT count(*) FROM (SELECT FROM polar_sync.sync_request WHERE state IN ('open', 'running')
                    LIMIT $1) r) AS "open_requests!",
                (SELECT count(*) FROM (SELECT FROM polar_sync.kind_state WHERE next_due_at <= polar_sync.now()
                    LIMIT $1) k) AS "due_kinds!",
                (SELECT min(next_due_at) FROM polar_sync.kind_state WHERE next_due_at <= polar_sync.now())
                    AS "due_since: jiff_sqlx::Timestamp",
                (SELECT count(*) FROM (SELECT FROM polar_sync.outbox LIMIT $1) o) AS "unnumbered_changes!""#,
            COUNTED_MAX
        )
        .map(|row| Needs {
            dead: row.dead,
            quarantined: row.quarantined,
            blocked_transactions: row.blocked_transactions,
            held: row.held,
            erasing: row.erasing,
            open_requests: row.open_requests,
            due_kinds: row.due_kinds,
            due_since: instant(row.due_since),
            unnumbered_changes: row.unnumbered_changes,
        })
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("count what needs somebody"))
    }

    /// Up to `limit` users with a body in quarantine.
    pub async fn quarantined_users(&self, limit: i64) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar!(
            "SELECT user_id FROM polar_sync.connection c
             WHERE EXISTS (SELECT FROM polar_sync.quarantine q WHERE q.connection_id = c.connection_id)
             ORDER BY user_id LIMIT $1",
            limit
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("look for users with a body in quarantine"))
    }

    /// Who leads.
    pub async fn leaders(&self) -> Result<Vec<LeaderSummary>, StoreError> {
        sqlx::query!(
            r#"SELECT name, CASE WHEN until > polar_sync.now() THEN owner END AS owner,
                      until AS "until: jiff_sqlx::Timestamp"
               FROM polar_sync.leader ORDER BY name"#
        )
        .map(|row| LeaderSummary {
            office: row.name,
            owner: row.owner,
            until: instant(row.until),
        })
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read who leads"))
    }
}
