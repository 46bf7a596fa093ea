//! Who is due: the statements of the scheduler.

use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{Store, StoreError, Tx, request::texts};
use crate::model::{
    Cause, ConnectionId, ConnectionState, Kind, Lane, TaskId, TransactionalKind, UserId,
};

/// A request that is durable and has yet to be put on its lane.
#[derive(Debug, Clone)]
pub struct ToWake {
    /// Whose it is.
    pub connection: ConnectionId,
    /// The platform's id.
    pub user_id: UserId,
    /// Its lane.
    pub lane: Lane,
    /// What made it.
    pub cause: Cause,
    /// Its id.
    pub task_id: TaskId,
    /// The entry that is thought to be on the lane.
    pub entry: Option<String>,
}

/// A request that a notification led to.
#[derive(Debug, Clone)]
pub struct Notified {
    /// The request.
    pub to_wake: ToWake,
    /// Whether it is news of which no webhook's event told.
    pub is_unannounced: bool,
}

/// How often kinds are polled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaceRow {
    /// The factor on safety intervals; at least 1.
    pub stretch: f64,
    /// How long Polar's notifications have been failing; none while they work.
    pub notifications_failing_for: Option<Duration>,
    /// How long ago the notifications were last read.
    pub notifications_read_before: Option<Duration>,
    /// Whether Polar's webhook tells of new data: events have come, and none was missed. Only the notifications
    /// show what was missed: while they fail, an event must have come since.
    pub webhook_works: bool,
}

struct RawToWake {
    connection_id: Uuid,
    user_id: String,
    lane: Lane,
    cause: Cause,
    task_id: Uuid,
    queued_entry: Option<String>,
}

impl TryFrom<RawToWake> for ToWake {
    type Error = StoreError;

    fn try_from(raw: RawToWake) -> Result<Self, StoreError> {
        Ok(Self {
            connection: ConnectionId(raw.connection_id),
            user_id: UserId::try_from(raw.user_id)
                .map_err(|error| StoreError::decoding("a user id", error))?,
            lane: raw.lane,
            cause: raw.cause,
            task_id: TaskId(raw.task_id),
            entry: raw.queued_entry,
        })
    }
}

fn to_wake(rows: Vec<RawToWake>) -> Result<Vec<ToWake>, StoreError> {
    rows.into_iter().map(TryInto::try_into).collect()
}

impl Tx {
    /// Writes requests for up to `limit` of `kinds` that are due, the longest due first, one a
    /// connection. They are due again after `safety`, should the request be lost all the same; what is
    /// not to be synced, or whose connection is not active, is put aside until it is.
    pub async fn ask_for_due(
        &mut self,
        kinds: &[Kind],
        limit: i64,
        safety: Duration,
    ) -> Result<Vec<ToWake>, StoreError> {
        let rows = sqlx::query_as!(
            RawToWake,
            r#"WITH due AS (
                   SELECT k.connection_id, k.kind, k.due_cause,
                          c.state = 'active' AND c.ended_at IS NULL AND k.kind = ANY ($3) AS is_active
                   FROM (SELECT connection_id, kind, due_cause FROM polar_sync.kind_state
                         WHERE next_due_at <= polar_sync.now()
                         ORDER BY next_due_at LIMIT $1 FOR UPDATE SKIP LOCKED) k
                   JOIN polar_sync.connection c USING (connection_id)
               ), planned AS (
                   UPDATE polar_sync.kind_state k
                   SET next_due_at = CASE WHEN due.is_active
                       THEN polar_sync.now() + $2::float8 * interval '1 second' END
                   FROM due WHERE k.connection_id = due.connection_id AND k.kind = due.kind
               ), asked AS (
                   INSERT INTO polar_sync.sync_request (connection_id, task_id, kinds, lane, cause, created_at)
                   SELECT connection_id, gen_random_uuid(), array_agg(kind), 'periodic',
                          CASE WHEN bool_or(due_cause <> 'schedule') THEN 'retry' ELSE 'schedule' END,
                          polar_sync.now()
                   FROM due WHERE is_active GROUP BY connection_id
                   RETURNING connection_id, task_id, lane, cause
               )
               SELECT connection_id, c.user_id, asked.lane AS "lane: Lane", asked.cause AS "cause: Cause",
                      asked.task_id, NULL AS queued_entry
               FROM asked JOIN polar_sync.connection c USING (connection_id)"#,
            limit,
            safety.as_secs_f64(),
            &texts(kinds)
        )
        .fetch_all(self.db())
        .await
        .map_err(StoreError::while_doing("ask for what is due"))?;
        to_wake(rows)
    }

    /// Asks for connections whose state has to be looked at again: the requests that wait for just
    /// that, and a new one where there is none.
    pub async fn ask_for_rechecks(&mut self, limit: i64) -> Result<Vec<ToWake>, StoreError> {
        let rows = sqlx::query_as!(
            RawToWake,
            r#"WITH due AS (
                   SELECT connection_id, user_id FROM polar_sync.connection c
                   WHERE recheck_at <= polar_sync.now() AND state IN ('suspect', 'consent_required')
                     AND ended_at IS NULL
                     AND NOT EXISTS (SELECT FROM polar_sync.sync_request r
                         WHERE r.connection_id = c.connection_id
                           AND (r.state = 'running' OR r.state = 'open' AND r.not_before IS NULL))
                   ORDER BY recheck_at LIMIT $1
               ), waiting AS (
                   UPDATE polar_sync.sync_request r SET not_before = NULL
                   FROM due WHERE r.connection_id = due.connection_id AND r.state = 'open'
                   RETURNING r.connection_id, r.task_id, r.lane, r.cause
               ), asked AS (
                   INSERT INTO polar_sync.sync_request (connection_id, task_id, lane, cause, created_at)
                   SELECT connection_id, gen_random_uuid(), 'periodic', 'retry', polar_sync.now()
                   FROM due
                   WHERE NOT EXISTS (SELECT FROM polar_sync.sync_request r
                       WHERE r.connection_id = due.connection_id AND r.state = 'open')
                   RETURNING connection_id, task_id, lane, cause
               )
               SELECT DISTINCT ON (connection_id) connection_id AS "connection_id!", due.user_id AS "user_id!",
                      woken.lane AS "lane!: Lane", woken.cause AS "cause!: Cause",
                      woken.task_id AS "task_id!", NULL AS queued_entry
               FROM (SELECT * FROM waiting UNION ALL SELECT * FROM asked) woken JOIN due USING (connection_id)
               ORDER BY connection_id, array_position(ARRAY['interactive', 'event', 'periodic'], woken.lane)"#,
            limit
        )
        .fetch_all(self.db())
        .await
        .map_err(StoreError::while_doing("ask for re-checks"))?;
        to_wake(rows)
    }

    /// Takes in Polar's pull notifications, and writes requests for what they newly show; for what
    /// they still show after a good run, at most once in `repeat`. `absent_after` tells from when on an
    /// entry that was not listed counts as new. What an event of the webhook told of within `repeat` is announced.
    pub async fn ask_for_notified(
        &mut self,
        notified: &[(i64, TransactionalKind)],
        absent_after: Duration,
        repeat: Duration,
    ) -> Result<Vec<Notified>, StoreError> {
        let (users, kinds): (Vec<_>, Vec<_>) = notified
            .iter()
            .map(|(user, kind)| (*user, kind.as_str().to_owned()))
            .unzip();
        let rows = sqlx::query!(
            r#"WITH found AS (
                   SELECT c.connection_id, k.kind,
                          k.notified_at IS NULL
                          OR k.notified_at < t - $3::float8 * interval '1 second' AS is_new,
                          k.notified_run_at < t - $4::float8 * interval '1 second'
                          AND k.last_success_at > k.notified_run_at AS is_stuck,
                          k.webhook_at IS NULL
                          OR k.webhook_at < t - $4::float8 * interval '1 second' AS is_unannounced
                   FROM polar_sync.now() t, unnest($1::bigint[], $2::text[]) AS n (polar_user_id, kind)
                   JOIN polar_sync.connection c ON c.polar_user_id = n.polar_user_id
                       AND c.ended_at IS NULL AND c.state = 'active'
                   JOIN polar_sync.kind_state k ON k.connection_id = c.connection_id AND k.kind = n.kind
               ), listed AS (
                   SELECT *, is_new OR is_stuck AS is_asked FROM found
               ), seen AS (
                   UPDATE polar_sync.kind_state k
                   SET notified_at = t, notified_run_at = CASE WHEN listed.is_asked THEN t ELSE k.notified_run_at END
                   FROM polar_sync.now() t, listed
                   WHERE k.connection_id = listed.connection_id AND k.kind = listed.kind
               ), asked AS (
                   INSERT INTO polar_sync.sync_request (connection_id, task_id, kinds, lane, cause, created_at)
                   SELECT connection_id, gen_random_uuid(), array_agg(kind), 'event', 'notification',
                          polar_sync.now()
                   FROM listed WHERE is_asked GROUP BY connection_id
                   RETURNING connection_id, task_id, lane, cause
               )
               SELECT connection_id, c.user_id AS "user_id: UserId", asked.lane AS "lane: Lane",
                      asked.cause AS "cause: Cause", asked.task_id,
                      EXISTS (SELECT FROM listed l WHERE l.connection_id = asked.connection_id
                          AND l.is_new AND l.is_unannounced) AS "is_unannounced!"
               FROM asked JOIN polar_sync.connection c USING (connection_id)"#,
            &users,
            &kinds,
            absent_after.as_secs_f64(),
            repeat.as_secs_f64()
        )
        .fetch_all(self.db())
        .await
        .map_err(StoreError::while_doing("ask for what Polar notifies of"))?;
        let notified = rows.into_iter().map(|row| Notified {
            to_wake: ToWake {
                connection: ConnectionId(row.connection_id),
                user_id: row.user_id,
                lane: row.lane,
                cause: row.cause,
                task_id: TaskId(row.task_id),
                entry: None,
            },
            is_unannounced: row.is_unannounced,
        });
        Ok(notified.collect())
    }
}

impl Store {
    /// Requests that wait for a worker, and were last known to be on a lane at `before` or earlier.
    pub async fn waiting_requests(
        &self,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<ToWake>, StoreError> {
        let rows = sqlx::query_as!(
            RawToWake,
            r#"SELECT DISTINCT ON (connection_id) connection_id, c.user_id, r.lane AS "lane: Lane",
                      r.cause AS "cause: Cause", r.task_id, s.queued_entry
               FROM polar_sync.now() t, polar_sync.sync_request r
               JOIN polar_sync.sync_state s USING (connection_id)
               JOIN polar_sync.connection c USING (connection_id)
               WHERE r.state IN ('open', 'running') AND (r.not_before IS NULL OR r.not_before <= t)
                 AND r.created_at <= $1
                 AND (s.lease_until IS NULL OR s.lease_until <= t)
                 AND (s.queued_at IS NULL OR s.queued_at <= $1)
                 AND c.ended_at IS NULL AND (c.state = 'active' OR c.recheck_at <= t)
               ORDER BY connection_id, array_position(ARRAY['interactive', 'event', 'periodic'], r.lane)
               LIMIT $2"#,
            before.to_sqlx() as _,
            limit
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read waiting requests"))?;
        to_wake(rows)
    }

    /// Notes the entries that stand for requests on their lanes.
    pub async fn note_queued(
        &self,
        queued: &[(ConnectionId, Lane, String)],
    ) -> Result<(), StoreError> {
        let ids: Vec<_> = queued.iter().map(|(connection, ..)| connection.0).collect();
        let lanes: Vec<_> = queued
            .iter()
            .map(|(_, lane, _)| lane.as_str().to_owned())
            .collect();
        let entries: Vec<_> = queued.iter().map(|(.., entry)| entry.clone()).collect();
        sqlx::query!(
            "UPDATE polar_sync.sync_state s
             SET queued_lane = q.lane, queued_entry = q.entry, queued_at = polar_sync.now()
             FROM unnest($1::uuid[], $2::text[], $3::text[]) AS q (connection_id, lane, entry)
             WHERE s.connection_id = q.connection_id
               AND (s.lease_until IS NULL OR s.lease_until <= polar_sync.now())",
            &ids,
            &lanes,
            &entries
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("note what is queued"))?;
        Ok(())
    }

    /// How many connections are active.
    pub async fn active_connections(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM polar_sync.connection
               WHERE ended_at IS NULL AND state = 'active'"#
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("count active connections"))
    }

    /// Notes whether Polar's notifications work: when they were last read, and since when they fail.
    pub async fn note_notifications(&self, work: bool) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.pace
             SET notifications_failing_since =
                     CASE WHEN NOT $1 THEN coalesce(notifications_failing_since, polar_sync.now()) END,
                 notifications_read_at = CASE WHEN $1 THEN polar_sync.now() ELSE notifications_read_at END",
            work
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("note whether notifications work"))?;
        Ok(())
    }

    /// Sets how far safety intervals are stretched.
    pub async fn set_stretch(&self, stretch: f64) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.pace SET stretch = $1 WHERE stretch IS DISTINCT FROM $1",
            stretch
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("set the pace"))?;
        Ok(())
    }

    /// How often kinds are polled.
    pub async fn pace(&self) -> Result<PaceRow, StoreError> {
        sqlx::query!(
            r#"SELECT stretch, extract(epoch FROM polar_sync.now() - notifications_failing_since)::float8
                   AS failing_s,
                   extract(epoch FROM polar_sync.now() - notifications_read_at)::float8 AS read_s,
                   EXISTS (SELECT FROM polar_sync.webhook w WHERE ended_at IS NULL AND silent_since IS NULL
                       AND (w.last_event_at > p.notifications_failing_since
                           OR p.notifications_failing_since IS NULL AND w.last_event_at IS NOT NULL))
                       AS "webhook_works!"
               FROM polar_sync.pace p"#
        )
        .map(|row| {
            let since = |seconds: Option<f64>| Duration::try_from_secs_f64(seconds?).ok();
            PaceRow {
                stretch: row.stretch,
                webhook_works: row.webhook_works,
                notifications_failing_for: since(row.failing_s),
                notifications_read_before: since(row.read_s),
            }
        })
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("read the pace"))
    }

    /// Brings up to `limit` safety polls of a kind forward that are further than `furthest` away, each to this part of
    /// its wait, so that they stay spread; how many.
    pub async fn bring_forward(
        &self,
        kind: Kind,
        furthest: Duration,
        factor: f64,
        limit: i64,
    ) -> Result<u64, StoreError> {
        let moved = sqlx::query!(
            "UPDATE polar_sync.kind_state k
             SET next_due_at = t + least((k.next_due_at - t) * $3::float8, $2::float8 * interval '1 second')
             FROM polar_sync.now() t
             WHERE (k.connection_id, k.kind) IN (
                 SELECT connection_id, kind FROM polar_sync.kind_state
                 WHERE kind = $1 AND due_cause = 'schedule'
                   AND next_due_at > polar_sync.now() + $2::float8 * interval '1 second'
                 LIMIT $4)",
            kind.as_str(),
            furthest.as_secs_f64(),
            factor,
            limit
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("bring safety polls forward"))?;
        Ok(moved.rows_affected())
    }

    /// Makes up to `limit` kinds due that have no time though their connection is active: one that was
    /// added to `sync.kinds`, or that was put aside in the moment when its connection came back.
    pub async fn plan_forgotten(&self, kinds: &[Kind], limit: i64) -> Result<u64, StoreError> {
        let planned = sqlx::query!(
            "UPDATE polar_sync.kind_state SET next_due_at = polar_sync.now(), due_cause = 'schedule'
             WHERE (connection_id, kind) IN (
                 SELECT k.connection_id, k.kind FROM polar_sync.kind_state k
                 JOIN polar_sync.connection c USING (connection_id)
                 WHERE k.next_due_at IS NULL AND k.kind = ANY ($1) AND c.state = 'active'
                   AND c.ended_at IS NULL
                 LIMIT $2)",
            &texts(kinds),
            limit
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("plan kinds that have no time"))?;
        Ok(planned.rows_affected())
    }

    /// Keeps the last known use of Polar's windows.
    pub async fn save_quota(&self, checkpoint: &serde_json::Value) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO polar_sync.quota (checkpoint, updated_at) VALUES ($1, polar_sync.now())
             ON CONFLICT (only_row) DO UPDATE SET checkpoint = excluded.checkpoint,
                 updated_at = excluded.updated_at",
            checkpoint
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("keep the use of the quota"))?;
        Ok(())
    }

    /// The last known use of Polar's windows.
    pub async fn quota(&self) -> Result<Option<serde_json::Value>, StoreError> {
        sqlx::query_scalar!("SELECT checkpoint FROM polar_sync.quota")
            .fetch_optional(self.pool())
            .await
            .map_err(StoreError::while_doing("read the use of the quota"))
    }

    /// Removes finished requests and runs older than `age`, up to `limit` of each; how many.
    pub async fn sweep_history(&self, age: Duration, limit: i64) -> Result<u64, StoreError> {
        let requests = sqlx::query!(
            "DELETE FROM polar_sync.sync_request WHERE (connection_id, task_id) IN (
                 SELECT connection_id, task_id FROM polar_sync.sync_request
                 WHERE finished_at < polar_sync.now() - $1::float8 * interval '1 second' LIMIT $2)",
            age.as_secs_f64(),
            limit
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("remove old requests"))?;
        let runs = sqlx::query!(
            "DELETE FROM polar_sync.sync_run WHERE (connection_id, run_id) IN (
                 SELECT connection_id, run_id FROM polar_sync.sync_run
                 WHERE started_at < polar_sync.now() - $1::float8 * interval '1 second'
                   AND finished_at IS NOT NULL LIMIT $2)",
            age.as_secs_f64(),
            limit
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("remove old runs"))?;
        Ok(requests.rows_affected() + runs.rows_affected())
    }
}

impl Store {
    /// How many connections are in each state.
    pub async fn connections_by_state(&self) -> Result<Vec<(ConnectionState, i64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT state AS "state: ConnectionState", count(*) AS "count!"
               FROM polar_sync.connection WHERE ended_at IS NULL GROUP BY state"#
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("count connections by state"))?;
        Ok(rows.into_iter().map(|row| (row.state, row.count)).collect())
    }
}
