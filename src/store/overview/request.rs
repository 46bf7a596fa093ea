//! Requests, and what came of them.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde::Serialize;
use uuid::Uuid;

use super::{
    super::{Store, StoreError, event::Counts, request::words},
    instant,
};
use crate::model::{Cause, ConnectionId, Detail, Kind, Lane, RunId, RunOutcome, TaskId, UserId};

/// Later than any task.
const END_OF_TIME: &str = "9999-01-01T00:00:00Z";

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

/// The run of a row that joins one, if it has one.
macro_rules! served {
    ($row:ident) => {
        $row.run_id
            .zip($row.outcome)
            .map(|(run_id, outcome)| Served {
                run_id,
                outcome,
                error_class: $row.error_class,
                error: $row.error,
                counts: Counts {
                    new: $row.items_new.unwrap_or_default(),
                    changed: $row.items_changed.unwrap_or_default(),
                    same: $row.items_same.unwrap_or_default(),
                },
            })
    };
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

/// A request with the run that served it last: everything that its asker may want to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its id.
    pub task_id: TaskId,
    /// The id that the asker gave.
    pub request_id: Option<String>,
    /// What made it.
    pub cause: Cause,
    /// The kinds asked for; empty for all.
    pub kinds: Vec<Kind>,
    /// What the asker must see stored.
    pub include: Vec<Detail>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was finished.
    pub finished_at: Option<Timestamp>,
    /// Where it stands.
    pub followed: Followed,
}

/// The columns of a task, with those of the run that served it last.
macro_rules! tasks {
    ($($from:literal)+; $($arg:expr),+) => {
        sqlx::query!(
            r#"SELECT q.task_id AS "task_id!: TaskId", q.request_id, q.cause AS "cause!: Cause", q.kinds AS "kinds!",
                      q.include AS "include!", q.created_at AS "created_at!: jiff_sqlx::Timestamp",
                      q.finished_at AS "finished_at: jiff_sqlx::Timestamp",
                      q.state AS "state!: RequestState", q.not_before AS "not_before: jiff_sqlx::Timestamp",
                      r.run_id AS "run_id?: RunId", r.outcome AS "outcome?: RunOutcome", r.error_class,
                      r.error, r.items_new AS "items_new?", r.items_changed AS "items_changed?",
                      r.items_same AS "items_same?"
               FROM "# $(+ $from)+,
            $($arg),+
        )
    };
}

/// A task of a row.
macro_rules! task {
    ($row:ident) => {
        Ok::<_, StoreError>(Task {
            task_id: $row.task_id,
            request_id: $row.request_id,
            cause: $row.cause,
            kinds: words(&$row.kinds)?,
            include: words(&$row.include)?,
            created_at: $row.created_at.to_jiff(),
            finished_at: instant($row.finished_at),
            followed: Followed {
                state: $row.state,
                not_before: instant($row.not_before),
                run: served!($row),
            },
        })
    };
}

// Of each connection the next ones by the index, and of those the next of all.
macro_rules! slice_of_tasks {
    ($beyond:literal, $direction:literal, $user:expr, $at:expr, $id:expr, $limit:expr) => {
        tasks!(
            "polar_sync.connection c
            CROSS JOIN LATERAL (
                SELECT * FROM polar_sync.sync_request
                WHERE connection_id = c.connection_id AND (created_at, task_id) " $beyond " ($2, $3)
                ORDER BY created_at " $direction ", task_id " $direction " LIMIT $4
            ) q
            LEFT JOIN polar_sync.sync_run r ON r.connection_id = q.connection_id AND r.run_id = q.run_id
                AND r.finished_at IS NOT NULL
            WHERE c.user_id = $1
            ORDER BY q.created_at " $direction ", q.task_id " $direction " LIMIT $4";
            $user,
            $at as _,
            $id,
            $limit
        )
    };
}

impl Store {
    /// Up to `limit` tasks of a user, the latest first, from the newest or after one of them.
    pub async fn tasks_older_than(
        &self,
        user_id: &UserId,
        than: Option<(Timestamp, TaskId)>,
        limit: i64,
    ) -> Result<Vec<Task>, StoreError> {
        // No task is made in the year 9999.
        let (at, id) = than.map_or(
            (END_OF_TIME.parse().unwrap_or(Timestamp::MAX), Uuid::max()),
            |(at, id)| (at, id.0),
        );
        let at = at.to_sqlx();
        let rows = slice_of_tasks!("<", "DESC", user_id.as_str(), at, id, limit);
        let rows = rows.fetch_all(self.pool()).await;
        let rows = rows.map_err(StoreError::while_doing("read the tasks of a user"))?;
        rows.into_iter().map(|row| task!(row)).collect()
    }

    /// Up to `limit` tasks of a user, the latest first: those before one of them in that order.
    pub async fn tasks_newer_than(
        &self,
        user_id: &UserId,
        (at, id): (Timestamp, TaskId),
        limit: i64,
    ) -> Result<Vec<Task>, StoreError> {
        let at = at.to_sqlx();
        let rows = slice_of_tasks!(">", "ASC", user_id.as_str(), at, id.0, limit);
        let rows = rows.fetch_all(self.pool()).await;
        let rows = rows.map_err(StoreError::while_doing("read the tasks of a user"))?;
        rows.into_iter().rev().map(|row| task!(row)).collect()
    }

    /// One task of a user.
    pub async fn task(&self, user_id: &UserId, task: TaskId) -> Result<Option<Task>, StoreError> {
        let row = tasks!(
            "polar_sync.connection c JOIN polar_sync.sync_request q USING (connection_id)
            LEFT JOIN polar_sync.sync_run r ON r.connection_id = q.connection_id AND r.run_id = q.run_id
                AND r.finished_at IS NOT NULL
            WHERE c.user_id = $1 AND q.task_id = $2";
            user_id.as_str(),
            task.0
        );
        let row = row.fetch_optional(self.pool()).await;
        let row = row.map_err(StoreError::while_doing("read a task of a user"))?;
        row.map(|row| task!(row)).transpose()
    }

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
            run: served!(row),
        })
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("follow a request"))
    }
}
