//! Who works on a connection, and what runs did.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    super::{Store, StoreError},
    instant,
};
use crate::model::{Cause, ConnectionId, Lane, RunId, RunOutcome};

/// Who works on a connection, and what stands for it on a lane.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SyncSummary {
    /// The process that holds the lease.
    pub lease_owner: Option<String>,
    /// Until when it lasts; none or past while nobody works on it.
    pub lease_until: Option<Timestamp>,
    /// The lane of the last wake-up.
    pub queued_lane: Option<Lane>,
    /// When that was put there.
    pub queued_at: Option<Timestamp>,
    /// When a sync last succeeded.
    pub last_success_at: Option<Timestamp>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// Its id.
    pub run_id: RunId,
    /// Its lane.
    pub lane: Lane,
    /// What made it.
    pub cause: Cause,
    /// The ids that the askers gave.
    pub request_ids: Vec<String>,
    /// Start.
    pub started_at: Timestamp,
    /// End; none while it runs.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
    /// The class of the error that decided the outcome.
    pub error_class: Option<String>,
    /// That error.
    pub error: Option<String>,
    /// New items.
    pub items_new: i32,
    /// Changed items.
    pub items_changed: i32,
    /// Items that were stored already.
    pub items_same: i32,
}

impl Store {
    /// Who works on a connection, and what stands for it on a lane.
    pub async fn sync_of(&self, connection: ConnectionId) -> Result<SyncSummary, StoreError> {
        sqlx::query!(
            r#"SELECT lease_owner, lease_until AS "lease_until: jiff_sqlx::Timestamp",
                      queued_lane AS "queued_lane: Lane", queued_at AS "queued_at: jiff_sqlx::Timestamp",
                      last_success_at AS "last_success_at: jiff_sqlx::Timestamp"
               FROM polar_sync.sync_state WHERE connection_id = $1"#,
            connection.0
        )
        .map(|row| SyncSummary {
            lease_owner: row.lease_owner,
            lease_until: instant(row.lease_until),
            queued_lane: row.queued_lane,
            queued_at: instant(row.queued_at),
            last_success_at: instant(row.last_success_at),
        })
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("read the lease of a connection"))
    }

    /// The last runs of a connection, the latest first.
    pub async fn runs_of(
        &self,
        connection: ConnectionId,
        limit: i64,
    ) -> Result<Vec<RunSummary>, StoreError> {
        sqlx::query!(
            r#"SELECT run_id AS "run_id: RunId", lane AS "lane: Lane", cause AS "cause: Cause", request_ids,
                      started_at AS "started_at: jiff_sqlx::Timestamp",
                      finished_at AS "finished_at: jiff_sqlx::Timestamp", outcome AS "outcome: RunOutcome",
                      error_class, error, items_new, items_changed, items_same
               FROM polar_sync.sync_run WHERE connection_id = $1
               ORDER BY started_at DESC, run_id DESC LIMIT $2"#,
            connection.0,
            limit
        )
        .map(|row| RunSummary {
            run_id: row.run_id,
            lane: row.lane,
            cause: row.cause,
            request_ids: row.request_ids,
            started_at: row.started_at.to_jiff(),
            finished_at: instant(row.finished_at),
            outcome: row.outcome,
            error_class: row.error_class,
            error: row.error,
            items_new: row.items_new,
            items_changed: row.items_changed,
            items_same: row.items_same,
        })
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read the runs of a connection"))
    }
}
