//! Requests: rows of `polar_sync.sync_request`, somebody's wish for a sync.

use super::{Store, StoreError, Tx};
use crate::model::{Cause, ConnectionId, Detail, Details, Kind, Lane, TaskId};

/// A wish for a sync, not yet in the ledger.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// Our id, which the public contract calls the task id.
    pub task_id: TaskId,
    /// The asker's id, echoed in runs, events and logs.
    pub request_id: Option<String>,
    /// What the asker must see stored.
    pub include: Details,
    /// The kinds asked for; empty for all.
    pub kinds: Vec<Kind>,
    /// How urgent it is.
    pub lane: Lane,
    /// What made it.
    pub cause: Cause,
    /// The asker's own words.
    pub reason: Option<String>,
    /// The asker's trace.
    pub traceparent: Option<String>,
    /// The stream entry that brought it, `lane/id`.
    pub entry: Option<String>,
}

/// A request that a run has taken.
#[derive(Debug, Clone)]
pub struct TakenRequest {
    /// Its id.
    pub task_id: TaskId,
    /// The asker's id.
    pub request_id: Option<String>,
    /// What the asker must see stored.
    pub include: Details,
    /// The kinds asked for; empty for all.
    pub kinds: Vec<Kind>,
    /// How urgent it is.
    pub lane: Lane,
    /// What made it.
    pub cause: Cause,
    /// The asker's trace.
    pub traceparent: Option<String>,
}

impl TakenRequest {
    /// Whether it asks for this kind.
    pub fn asks_for(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// The columns of a taken request, as they are stored.
pub(super) struct RawRequest {
    pub(super) task_id: uuid::Uuid,
    pub(super) request_id: Option<String>,
    pub(super) include: Vec<String>,
    pub(super) kinds: Vec<String>,
    pub(super) lane: Lane,
    pub(super) cause: Cause,
    pub(super) traceparent: Option<String>,
}

impl TryFrom<RawRequest> for TakenRequest {
    type Error = StoreError;

    fn try_from(raw: RawRequest) -> Result<Self, StoreError> {
        Ok(Self {
            task_id: TaskId(raw.task_id),
            request_id: raw.request_id,
            include: words::<Detail>(&raw.include)?.into(),
            kinds: words(&raw.kinds)?,
            lane: raw.lane,
            cause: raw.cause,
            traceparent: raw.traceparent,
        })
    }
}

/// Reads the words of a text array.
pub(super) fn words<T>(words: &[String]) -> Result<Vec<T>, StoreError>
where
    T: std::str::FromStr<Err = crate::model::UnknownWord>,
{
    words
        .iter()
        .map(|word| {
            word.parse()
                .map_err(|error| StoreError::decoding("a word", error))
        })
        .collect()
}

/// The words of a set, for a text array.
pub(super) fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

impl Tx {
    /// Writes a request down. The same stream entry, delivered again, is not a second request.
    pub async fn insert_request(
        &mut self,
        connection: ConnectionId,
        request: &NewRequest,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO polar_sync.sync_request
                 (connection_id, task_id, request_id, include, kinds, lane, cause, reason, traceparent, entry,
                  created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, polar_sync.now())
             ON CONFLICT (connection_id, entry) WHERE entry IS NOT NULL DO NOTHING",
            connection.0,
            request.task_id.0,
            request.request_id,
            &texts(request.include.iter()),
            &texts(&request.kinds),
            request.lane.as_str(),
            request.cause.as_str(),
            request.reason,
            request.traceparent,
            request.entry
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("write a request down"))?;
        Ok(())
    }

    /// Ties a request to its asker's idempotency key; [`StoreError::is_conflict`] when an earlier one has it.
    pub async fn tie_request(
        &mut self,
        connection: ConnectionId,
        task: TaskId,
        idempotency_key: &str,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.sync_request SET idempotency_key = $3
             WHERE connection_id = $1 AND task_id = $2",
            connection.0,
            task.0,
            idempotency_key
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing(
            "tie a request to its idempotency key",
        ))?;
        Ok(())
    }

    /// Refuses every request of a connection whose state forbids a sync, those of a run that stopped
    /// without a word among them; the ids that the askers gave.
    pub async fn refuse_requests(
        &mut self,
        connection: ConnectionId,
    ) -> Result<Vec<Option<String>>, StoreError> {
        sqlx::query_scalar!(
            "UPDATE polar_sync.sync_request r SET state = 'refused', finished_at = polar_sync.now()
             FROM polar_sync.sync_state s
             WHERE r.connection_id = $1 AND s.connection_id = $1
               AND (r.state = 'open' OR r.state = 'running'
                   AND (s.lease_until IS NULL OR s.lease_until <= polar_sync.now()))
             RETURNING r.request_id",
            connection.0
        )
        .fetch_all(self.db())
        .await
        .map_err(StoreError::while_doing("refuse requests"))
    }
}

impl Store {
    /// The request that an idempotency key is tied to, with what it wants to see stored.
    pub async fn request_tied_to(
        &self,
        connection: ConnectionId,
        idempotency_key: &str,
    ) -> Result<Option<(TaskId, Details)>, StoreError> {
        let row = sqlx::query!(
            "SELECT task_id, include FROM polar_sync.sync_request
             WHERE connection_id = $1 AND idempotency_key = $2",
            connection.0,
            idempotency_key
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("look for an idempotency key"))?;
        row.map(|row| Ok((TaskId(row.task_id), words::<Detail>(&row.include)?.into())))
            .transpose()
    }

    /// Whether a request with this id is one of the connection's.
    pub async fn has_request(
        &self,
        connection: ConnectionId,
        task: TaskId,
    ) -> Result<bool, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM polar_sync.sync_request
                 WHERE connection_id = $1 AND task_id = $2) AS "exists!""#,
            connection.0,
            task.0
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("look for a request"))
    }

    /// The state and run of a request.
    pub async fn request_state(
        &self,
        connection: ConnectionId,
        task: TaskId,
    ) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar!(
            "SELECT state FROM polar_sync.sync_request WHERE connection_id = $1 AND task_id = $2",
            connection.0,
            task.0
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("read a request"))
    }
}
