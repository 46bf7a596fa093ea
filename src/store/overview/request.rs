//! Requests, and what came of them.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    super::{Store, StoreError, event::Counts, request::words},
    instant,
};
use crate::model::{Cause, ConnectionId, Detail, Kind, Lane, RunId, RunOutcome, TaskId};

/// Open requests of one connection that are shown.
const REQUESTS_MAX: i64 = 100;

crate::model::vocabulary! {
    /// Where a request stands.
    RequestState, "state of a request" {
        /// It waits for a run.
        Open = "open",
        /// A run serves it.
        Running = "running",
        /// It is served.
        Done = "done",
        /// It could not be served; what is missing is tried again by itself.
        Failed = "failed",
        /// The connection's state forbids it.
        Refused = "refused",
    }
}

/// Where a request stands, with the run that served it last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Followed {
    /// Where it stands.
    pub state: RequestState,
    /// It waits for quota or for an outage to end, until then.
    pub not_before: Option<Timestamp>,
    /// The run that served it last, if it ended.
    pub run: Option<Served>,
}

/// What a run did for a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Served {
    /// The run.
    pub run_id: RunId,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The class of the error that decided the outcome.
    pub error_class: Option<String>,
    /// That error.
    pub error: Option<String>,
    /// Numbers of items.
    pub counts: Counts,
}

/// A request that is not finished.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenRequest {
    /// Its id.
    pub task_id: TaskId,
    /// The id that the asker gave.
    pub request_id: Option<String>,
    /// How urgent it is.
    pub lane: Lane,
    /// What made it.
    pub cause: Cause,
    /// The kinds asked for; empty for all.
    pub kinds: Vec<Kind>,
    /// What the asker must see stored.
    pub include: Vec<Detail>,
    /// Whether a run serves it now.
    pub running: bool,
    /// Since when it waits.
    pub created_at: Timestamp,
    /// It waits for quota or for an outage to end, until then.
    pub not_before: Option<Timestamp>,
}

impl Store {
    /// The requests of a connection that are not finished, the oldest first.
    pub async fn open_requests_of(
        &self,
        connection: ConnectionId,
    ) -> Result<Vec<OpenRequest>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT task_id AS "task_id: TaskId", request_id, lane AS "lane: Lane", cause AS "cause: Cause",
                      kinds, include, state = 'running' AS "running!",
                      created_at AS "created_at: jiff_sqlx::Timestamp",
                      not_before AS "not_before: jiff_sqlx::Timestamp"
               FROM polar_sync.sync_request WHERE connection_id = $1 AND state IN ('open', 'running')
               ORDER BY created_at LIMIT $2"#,
            connection.0,
            REQUESTS_MAX
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read the open requests of a connection"))?;
        rows.into_iter()
            .map(|row| {
                Ok(OpenRequest {
                    task_id: row.task_id,
                    request_id: row.request_id,
                    lane: row.lane,
                    cause: row.cause,
                    kinds: words(&row.kinds)?,
                    include: words(&row.include)?,
                    running: row.running,
                    created_at: row.created_at.to_jiff(),
                    not_before: instant(row.not_before),
                })
            })
            .collect()
    }

    /// Where a request stands; `None` when there is no such request (any more).
    pub async fn follow_request(
        &self,
        connection: ConnectionId,
        task: TaskId,
    ) -> Result<Option<Followed>, StoreError> {
        sqlx::query!(
            r#"SELECT q.state AS "state: RequestState", q.not_before AS "not_before: jiff_sqlx::Timestamp",
                      r.run_id AS "run_id?: RunId", r.outcome AS "outcome?: RunOutcome", r.error_class,
                      r.error, r.items_new AS "items_new?", r.items_changed AS "items_changed?",
                      r.items_same AS "items_same?"
               FROM polar_sync.sync_request q
               LEFT JOIN polar_sync.sync_run r ON r.connection_id = q.connection_id AND r.run_id = q.run_id
                   AND r.finished_at IS NOT NULL
               WHERE q.connection_id = $1 AND q.task_id = $2"#,
            connection.0,
            task.0
        )
        .map(|row| Followed {
            state: row.state,
            not_before: instant(row.not_before),
            run: row.run_id.zip(row.outcome).map(|(run_id, outcome)| Served {
                run_id,
                outcome,
                error_class: row.error_class,
                error: row.error,
                counts: Counts {
                    new: row.items_new.unwrap_or_default(),
                    changed: row.items_changed.unwrap_or_default(),
                    same: row.items_same.unwrap_or_default(),
                },
            }),
        })
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("follow a request"))
    }
}
