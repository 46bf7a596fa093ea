//! What was given up for now: rows of `polar_sync.dead`, for an operator to look at.

use uuid::Uuid;

use super::{StoreError, Tx};
use crate::model::{ConnectionId, Kind, UserId};

/// Something that was given up.
#[derive(Debug, Clone)]
pub struct Dead<'a> {
    /// Whose it was.
    pub connection: ConnectionId,
    /// The platform's id.
    pub user_id: &'a UserId,
    /// The kind that failed too often, or `None` for a stream entry.
    pub kind: Option<Kind>,
    /// The stream entry that was delivered too often.
    pub entry: Option<Entry<'a>>,
    /// A stable word.
    pub error_class: &'a str,
    /// What happened.
    pub error: &'a str,
    /// How often it was tried.
    pub attempts: i32,
}

/// A stream entry.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its lane.
    pub lane: crate::model::Lane,
    /// Its id.
    pub id: &'a str,
    /// Its job.
    pub job: Option<&'a str>,
}

impl Tx {
    /// Writes down what is given up.
    pub async fn insert_dead(&mut self, dead: &Dead<'_>) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO polar_sync.dead
                 (dead_id, connection_id, user_id, kind, lane, entry, job, error_class, error, attempts, died_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, polar_sync.now())",
            Uuid::now_v7(),
            dead.connection.0,
            dead.user_id.as_str(),
            dead.kind.map(Kind::as_str),
            dead.entry.map(|entry| entry.lane.as_str()),
            dead.entry.map(|entry| entry.id),
            dead.entry.and_then(|entry| entry.job),
            dead.error_class,
            dead.error,
            dead.attempts
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("write down what is given up"))?;
        Ok(())
    }

    /// Fails the requests of a connection that nobody works on.
    pub async fn fail_requests(
        &mut self,
        connection: ConnectionId,
    ) -> Result<Vec<Option<String>>, StoreError> {
        sqlx::query_scalar!(
            "UPDATE polar_sync.sync_request r SET state = 'failed', finished_at = polar_sync.now()
             FROM polar_sync.sync_state s
             WHERE r.connection_id = $1 AND r.state IN ('open', 'running') AND s.connection_id = $1
               AND (s.lease_until IS NULL OR s.lease_until <= polar_sync.now())
             RETURNING r.request_id",
            connection.0
        )
        .fetch_all(self.db())
        .await
        .map_err(StoreError::while_doing("fail requests"))
    }
}
