//! The lease that makes runs of a connection exclusive: claim, fence, renew, release.
//!
//! The token decides who may write, not the time: taking over increments it, and every Postgres
//! transaction of a run begins by locking the row with its token.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Store, StoreError, Tx,
    connection::ConnectionRow,
    remote::{Doubt, Phase, Remote},
    request::{RawRequest, TakenRequest, texts},
};
use crate::model::{Cause, ConnectionId, DueCause, Kind, Lane, RunId, TaskId};

/// How long a lease lasts without being renewed.
pub const LEASE: Duration = Duration::from_secs(10);

/// How often leases are renewed.
pub const LEASE_RENEWAL: Duration = Duration::from_secs(3);

/// The right to work on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Whose data.
    pub connection_id: ConnectionId,
    /// The run that holds it.
    pub run_id: RunId,
    /// The fence.
    pub token: i64,
}

/// What a claim gave.
#[derive(Debug)]
pub enum Claim {
    /// The lease, with what has to be done.
    Claimed(Box<Claimed>),
    /// Another run holds the lease; it is given up at the latest then, unless it is renewed.
    Busy {
        /// Until when the lease lasts.
        until: Timestamp,
    },
    /// Nobody wants anything.
    NothingToDo,
    /// The connection has another state or other tokens than the caller knows.
    Changed,
}

/// A lease with what has to be done.
#[derive(Debug)]
pub struct Claimed {
    /// The lease.
    pub lease: Lease,
    /// The requests that the run serves; at least one.
    pub requests: Vec<TakenRequest>,
    /// The kinds as the ledger knows them.
    pub kinds: Vec<KindRow>,
}

impl Claimed {
    /// The ids that the askers gave.
    pub fn request_ids(&self) -> Vec<String> {
        let ids = self.requests.iter();
        ids.filter_map(|request| request.request_id.clone())
            .collect()
    }
}

/// A kind of a connection as the ledger knows it.
#[derive(Debug, Clone)]
pub struct KindRow {
    /// The kind.
    pub kind: Kind,
    /// When it is due.
    pub next_due_at: Option<Timestamp>,
    /// Why it is due then.
    pub due_cause: DueCause,
    /// Failures in a row.
    pub attempts: i32,
    /// Whether Polar allows it, as far as we know.
    pub consent: bool,
    /// When an earlier transaction may be open.
    pub doubt: Option<Doubt>,
    /// The transaction that is not over.
    pub remote: Option<Remote>,
}

/// A request that came while a run was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How urgent it is.
    pub lane: Lane,
    /// What made it.
    pub cause: Cause,
    /// Its id.
    pub task_id: TaskId,
}

/// Somebody else holds the lease now: nothing may be written any more.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// The lease is lost.
    #[error("the lease is lost to another run")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tx {
    /// Claims the lease of a connection for a run, if it still stands as `row` says, somebody wants
    /// something, and nobody works on it. Takes over what a run that stopped without a word had taken.
    pub async fn claim(&mut self, row: &ConnectionRow, worker: &str) -> Result<Claim, StoreError> {
        let (connection, run_id) = (row.connection_id, RunId::new());
        let rows = sqlx::query!(
            r#"WITH lease AS (
                   UPDATE polar_sync.sync_state
                   SET lease_token = lease_token + 1, lease_owner = $2,
                       lease_until = polar_sync.now() + $3::float8 * interval '1 second',
                       queued_lane = NULL, queued_entry = NULL, queued_at = NULL
                   WHERE connection_id = $1 AND (lease_until IS NULL OR lease_until <= polar_sync.now())
                     AND EXISTS (SELECT FROM polar_sync.connection
                                 WHERE connection_id = $1 AND ended_at IS NULL AND state = $5
                                   AND token_generation = $6)
                     AND EXISTS (SELECT FROM polar_sync.sync_request
                                 WHERE connection_id = $1 AND (state = 'running'
                                     OR state = 'open' AND (not_before IS NULL OR not_before <= polar_sync.now())))
                   RETURNING lease_token
               ), taken AS (
                   UPDATE polar_sync.sync_request r SET state = 'running', run_id = $4 FROM lease
                   WHERE r.connection_id = $1 AND r.state IN ('open', 'running')
                   RETURNING r.task_id, r.request_id, r.include, r.kinds, r.lane, r.cause, r.traceparent
               )
               SELECT lease_token, task_id, request_id, include, kinds, lane AS "lane: Lane",
                      cause AS "cause: Cause", traceparent
               FROM lease, taken"#,
            connection.0,
            worker,
            LEASE.as_secs_f64(),
            run_id.0,
            row.state.as_str(),
            row.token_generation
        )
        .fetch_all(self.db())
        .await
        .map_err(StoreError::while_doing("claim a connection"))?;
        let Some(token) = rows.first().map(|row| row.lease_token) else {
            return self.why_not_claimed(row).await;
        };
        let requests = rows
            .into_iter()
            .map(|row| {
                RawRequest {
                    task_id: row.task_id,
                    request_id: row.request_id,
                    include: row.include,
                    kinds: row.kinds,
                    lane: row.lane,
                    cause: row.cause,
                    traceparent: row.traceparent,
                }
                .try_into()
            })
            .collect::<Result<Vec<TakenRequest>, _>>()?;
        let lease = Lease {
            connection_id: connection,
            run_id,
            token,
        };
        let kinds = self.begin_run(&lease, worker, &requests).await?;
        Ok(Claim::Claimed(Box::new(Claimed {
            lease,
            requests,
            kinds,
        })))
    }

    async fn why_not_claimed(&mut self, row: &ConnectionRow) -> Result<Claim, StoreError> {
        let found = sqlx::query!(
            r#"SELECT CASE WHEN s.lease_until > polar_sync.now() THEN s.lease_until END
                          AS "busy_until: jiff_sqlx::Timestamp",
                      c.ended_at IS NULL AND c.state = $2 AND c.token_generation = $3 AS "is_as_known!"
               FROM polar_sync.sync_state s JOIN polar_sync.connection c USING (connection_id)
               WHERE connection_id = $1"#,
            row.connection_id.0,
            row.state.as_str(),
            row.token_generation
        )
        .fetch_optional(self.db())
        .await
        .map_err(StoreError::while_doing("read a lease"))?;
        Ok(match found {
            Some(found) if !found.is_as_known => Claim::Changed,
            Some(found) => found
                .busy_until
                .map_or(Claim::NothingToDo, |until| Claim::Busy {
                    until: until.to_jiff(),
                }),
            None => Claim::Changed,
        })
    }

    /// Writes the run down, closes the book on one that stopped without a word, and reads what is
    /// known of every kind.
    async fn begin_run(
        &mut self,
        lease: &Lease,
        worker: &str,
        requests: &[TakenRequest],
    ) -> Result<Vec<KindRow>, StoreError> {
        let most_urgent = requests.iter().min_by_key(|request| request.lane);
        let request_ids = texts(
            requests
                .iter()
                .filter_map(|request| request.request_id.as_ref()),
        );
        sqlx::query!(
            r#"WITH abandoned AS (
                   UPDATE polar_sync.sync_run
                   SET finished_at = polar_sync.now(), outcome = 'failed', error_class = 'abandoned',
                       error = 'its worker stopped without a word, and another run took over'
                   WHERE connection_id = $1 AND finished_at IS NULL
               ), run AS (
                   INSERT INTO polar_sync.sync_run
                       (connection_id, run_id, lease_token, worker, lane, cause, request_ids, started_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, polar_sync.now())
               )
               SELECT k.kind AS "kind: Kind", k.next_due_at AS "next_due_at: jiff_sqlx::Timestamp",
                      k.due_cause AS "due_cause: DueCause", k.attempts, k.consent,
                      coalesce(k.doubted_since, k.distrust_empty_until - interval '1 day')
                          AS "doubted_since: jiff_sqlx::Timestamp",
                      k.distrust_empty_until AS "distrust_empty_until: jiff_sqlx::Timestamp",
                      r.remote_id AS "remote_id?", r.phase AS "phase?: Phase", r.polar_transaction_id,
                      r.created_at AS "created_at?: jiff_sqlx::Timestamp",
                      r.last_create_at AS "last_create_at?: jiff_sqlx::Timestamp", r.items AS "items?",
                      r.accepted_loss AS "accepted_loss?"
               FROM polar_sync.kind_state k
               LEFT JOIN polar_sync.remote_transaction r ON r.connection_id = k.connection_id
                   AND r.kind = k.kind AND r.phase IN ('opening', 'open', 'durable', 'committing', 'blocked')
               WHERE k.connection_id = $1"#,
            lease.connection_id.0,
            lease.run_id.0,
            lease.token,
            worker,
            most_urgent.map_or(Lane::Periodic, |request| request.lane).as_str(),
            most_urgent.map_or(Cause::Retry, |request| request.cause).as_str(),
            &request_ids
        )
        .map(|row| KindRow {
            kind: row.kind,
            next_due_at: row.next_due_at.map(jiff_sqlx::Timestamp::to_jiff),
            due_cause: row.due_cause,
            attempts: row.attempts,
            consent: row.consent,
            doubt: row.doubted_since.zip(row.distrust_empty_until).map(|(since, until)| Doubt {
                since: since.to_jiff(),
                until: until.to_jiff(),
            }),
            remote: row.remote_id.zip(row.phase).zip(row.created_at.zip(row.last_create_at)).map(
                |((remote_id, phase), (created_at, last_create_at))| Remote {
                    remote_id,
                    phase,
                    transaction_id: row.polar_transaction_id,
                    created_at: created_at.to_jiff(),
                    last_create_at: last_create_at.to_jiff(),
                    items: row.items.unwrap_or_default(),
                    accepted_loss: row.accepted_loss.unwrap_or_default(),
                },
            ),
        })
        .fetch_all(self.db())
        .await
        .map_err(StoreError::while_doing("begin a run"))
    }
}

impl Store {
    /// Begins a Postgres transaction of a run by locking its row with its token.
    pub async fn begin_fenced(&self, name: &'static str, lease: &Lease) -> Result<Tx, FenceError> {
        let mut tx = self.begin(name).await?;
        let held = sqlx::query_scalar!(
            "SELECT lease_token FROM polar_sync.sync_state
             WHERE connection_id = $1 AND lease_token = $2 FOR UPDATE",
            lease.connection_id.0,
            lease.token
        )
        .fetch_optional(tx.db())
        .await
        .map_err(StoreError::while_doing("lock a connection with its token"))?;
        if held.is_some() {
            Ok(tx)
        } else {
            Err(FenceError::Lost)
        }
    }

    /// Renews leases; the ones that could be renewed.
    pub async fn renew_leases(&self, leases: &[Lease]) -> Result<Vec<ConnectionId>, StoreError> {
        let (ids, tokens): (Vec<_>, Vec<_>) = leases
            .iter()
            .map(|lease| (lease.connection_id.0, lease.token))
            .unzip();
        let renewed = sqlx::query_scalar!(
            "UPDATE polar_sync.sync_state s
             SET lease_until = polar_sync.now() + $3::float8 * interval '1 second'
             FROM unnest($1::uuid[], $2::bigint[]) AS held (connection_id, token)
             WHERE s.connection_id = held.connection_id AND s.lease_token = held.token
               AND s.lease_until IS NOT NULL
             RETURNING s.connection_id",
            &ids,
            &tokens,
            LEASE.as_secs_f64()
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("renew leases"))?;
        Ok(renewed.into_iter().map(ConnectionId).collect())
    }

    /// The present instant of the database's clock.
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        sqlx::query_scalar!(r#"SELECT polar_sync.now() AS "now!: jiff_sqlx::Timestamp""#)
            .fetch_one(self.pool())
            .await
            .map(jiff_sqlx::Timestamp::to_jiff)
            .map_err(StoreError::while_doing("read the clock"))
    }

    /// Moves the database's clock; for tests.
    pub async fn set_clock_shift(&self, shift: jiff::SignedDuration) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.clock SET shift = $1::float8 * interval '1 second'",
            shift.as_secs_f64()
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("move the clock"))?;
        Ok(())
    }

    /// How far the database's clock is shifted.
    pub async fn clock_shift(&self) -> Result<jiff::SignedDuration, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT extract(epoch FROM shift)::float8 AS "shift!" FROM polar_sync.clock"#
        )
        .fetch_one(self.pool())
        .await
        .map(|seconds| jiff::SignedDuration::try_from_secs_f64(seconds).unwrap_or_default())
        .map_err(StoreError::while_doing("read the clock's shift"))
    }
}

impl Tx {
    /// Gives up the lease. Checking for requests that came meanwhile is part of the same statement:
    /// the most urgent one, which is then noted as queued.
    pub async fn release(
        &mut self,
        lease: &Lease,
        succeeded: bool,
    ) -> Result<Option<Waiting>, FenceError> {
        let released = sqlx::query!(
            r#"UPDATE polar_sync.sync_state s
               SET lease_until = NULL, lease_owner = NULL,
                   last_success_at = CASE WHEN $3 THEN polar_sync.now() ELSE last_success_at END,
                   queued_lane = waiting.lane, queued_entry = NULL,
                   queued_at = CASE WHEN waiting.lane IS NOT NULL THEN polar_sync.now() END
               FROM (SELECT 1) AS always LEFT JOIN LATERAL (
                   SELECT lane, cause, task_id FROM polar_sync.sync_request
                   WHERE connection_id = $1 AND state = 'open'
                     AND (not_before IS NULL OR not_before <= polar_sync.now())
                   ORDER BY array_position(ARRAY['interactive', 'event', 'periodic'], lane) LIMIT 1
               ) AS waiting ON true
               WHERE s.connection_id = $1 AND s.lease_token = $2
               RETURNING waiting.lane AS "lane?: Lane", waiting.cause AS "cause?: Cause",
                         waiting.task_id AS "task_id?""#,
            lease.connection_id.0,
            lease.token,
            succeeded
        )
        .fetch_optional(self.db())
        .await
        .map_err(StoreError::while_doing("give up a lease"))?;
        let row = released.ok_or(FenceError::Lost)?;
        Ok(row
            .lane
            .zip(row.cause)
            .zip(row.task_id)
            .map(|((lane, cause), task_id)| Waiting {
                lane,
                cause,
                task_id: TaskId(task_id),
            }))
    }
}
