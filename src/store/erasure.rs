//! Erasures: everything that is stored of a user is deleted, and one change is left that tells of it.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{Store, StoreError, Tx, overview::instant};
use crate::model::{ConnectionId, UserId};

/// The kind of the change that tells of an erasure.
pub const ERASED_KIND: &str = "user";

/// An erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// The receipt.
    pub erasure_id: Uuid,
    /// The connections that are or were erased.
    #[serde(skip)]
    pub connections: Vec<Uuid>,
    /// When it began.
    pub began_at: Timestamp,
    /// When Polar was told.
    pub deregistered_at: Option<Timestamp>,
    /// When everything was deleted.
    pub erased_at: Option<Timestamp>,
}

/// Erasures of which it is remembered whose they were, each with its user.
macro_rules! erasures {
    ($tail:literal, $($arg:expr),*) => {
        sqlx::query!(
            r#"SELECT user_id AS "user_id!: UserId", erasure_id, connections,
                      began_at AS "began_at: jiff_sqlx::Timestamp",
                      deregistered_at AS "deregistered_at: jiff_sqlx::Timestamp",
                      erased_at AS "erased_at: jiff_sqlx::Timestamp"
               FROM polar_sync.erasure "# + $tail,
            $($arg),*
        )
        .map(|row| {
            let erasure = Erasure {
                erasure_id: row.erasure_id,
                connections: row.connections,
                began_at: row.began_at.to_jiff(),
                deregistered_at: instant(row.deregistered_at),
                erased_at: instant(row.erased_at),
            };
            (row.user_id, erasure)
        })
    };
}

impl Store {
    /// The erasure of a user that is under way, or else the last one, while it is remembered whose it was.
    pub async fn erasure(&self, user: &UserId) -> Result<Option<Erasure>, StoreError> {
        let found = erasures!(
            "WHERE user_id = $1 ORDER BY erased_at DESC NULLS FIRST LIMIT 1",
            user.as_str()
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("read an erasure"))?;
        Ok(found.map(|(_, erasure)| erasure))
    }

    /// Deletes up to `limit` rows of these connections, from whatever table; how many. The connections themselves
    /// stay.
    pub async fn erase_rows(&self, connections: &[Uuid], limit: i64) -> Result<u64, StoreError> {
        let erased = sqlx::query_scalar!(
            r#"SELECT polar_sync.erase_rows($1, $2) AS "erased!""#,
            connections,
            limit
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("erase rows of connections"))?;
        Ok(erased.unsigned_abs())
    }

    /// How many rows there are of these connections, and events of the user: what an erasure must leave at zero.
    pub async fn count_traces(
        &self,
        user: &UserId,
        connections: &[Uuid],
    ) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT polar_sync.count_rows($1)
                   + (SELECT count(*) FROM polar_sync.connection WHERE connection_id = ANY ($1))
                   + (SELECT count(*) FROM polar_sync.event WHERE body::jsonb ->> 'user_id' = $2
                      AND body::jsonb ->> 'type' <> 'connection.erased') AS "traces!""#,
            connections,
            user.as_str()
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("look for traces of a user"))
    }

    /// Notes that Polar was told of an erasure, or did not have to be.
    pub async fn note_deregistered(&self, erasure: Uuid) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.erasure SET deregistered_at = coalesce(deregistered_at, polar_sync.now())
             WHERE erasure_id = $1",
            erasure
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("note that Polar was told"))?;
        Ok(())
    }

    /// Up to `limit` erasures that readers have had `notice` to learn of, each with its user.
    pub async fn noticed_erasures(
        &self,
        notice: Duration,
        limit: i64,
    ) -> Result<Vec<(UserId, Erasure)>, StoreError> {
        erasures!(
            "WHERE user_id IS NOT NULL AND erased_at < polar_sync.now() - $1::float8 * interval '1 second'
             ORDER BY erased_at LIMIT $2",
            notice.as_secs_f64(),
            limit
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read erasures"))
    }
}

impl Tx {
    /// Locks every connection that the user has or had; their ids.
    pub async fn lock_connections_of(
        &mut self,
        user: &UserId,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        let ids = sqlx::query_scalar!(
            "SELECT connection_id FROM polar_sync.connection WHERE user_id = $1
             ORDER BY connection_id FOR UPDATE",
            user.as_str()
        )
        .fetch_all(self.db())
        .await
        .map_err(StoreError::while_doing("lock the connections of a user"))?;
        Ok(ids.into_iter().map(ConnectionId).collect())
    }

    /// Writes down that an erasure begins, or goes on, of these connections.
    pub async fn begin_erasure(
        &mut self,
        user: &UserId,
        connections: &[ConnectionId],
    ) -> Result<Erasure, StoreError> {
        let ids: Vec<_> = connections.iter().map(|id| id.0).collect();
        sqlx::query!(
            r#"INSERT INTO polar_sync.erasure (erasure_id, user_id, connections, began_at)
               VALUES ($1, $2, $3, polar_sync.now())
               ON CONFLICT (user_id) WHERE erased_at IS NULL DO UPDATE
               SET connections = ARRAY(SELECT DISTINCT unnest(erasure.connections || excluded.connections))
               RETURNING erasure_id, connections, began_at AS "began_at: jiff_sqlx::Timestamp",
                   deregistered_at AS "deregistered_at: jiff_sqlx::Timestamp""#,
            Uuid::now_v7(),
            user.as_str(),
            &ids
        )
        .map(|row| Erasure {
            erasure_id: row.erasure_id,
            connections: row.connections,
            began_at: row.began_at.to_jiff(),
            deregistered_at: instant(row.deregistered_at),
            erased_at: None,
        })
        .fetch_one(self.db())
        .await
        .map_err(StoreError::while_doing("write an erasure down"))
    }

    /// Deletes the connections themselves and what names the user beside them, and leaves the one change that tells
    /// of it. Of the tables of connections only what came in at the last moment is left to be deleted. `false` when
    /// another call ended it meanwhile: then nothing is deleted, since the user may have come back.
    pub async fn end_erasure(
        &mut self,
        user: &UserId,
        erasure: &Erasure,
    ) -> Result<bool, StoreError> {
        let ended = sqlx::query!(
            "UPDATE polar_sync.erasure SET erased_at = polar_sync.now()
             WHERE erasure_id = $1 AND erased_at IS NULL",
            erasure.erasure_id
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("end an erasure"))?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        self.erase_connections(&erasure.connections).await?;
        sqlx::query!(
            "WITH states AS (DELETE FROM polar_sync.oauth_state WHERE user_id = $1),
                  dead AS (DELETE FROM polar_sync.dead WHERE user_id = $1),
                  events AS (DELETE FROM polar_sync.event WHERE body::jsonb ->> 'user_id' = $1)
             DELETE FROM polar_sync.platform_user WHERE user_id = $1",
            user.as_str()
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("erase what names a user"))?;
        sqlx::query!(
            "INSERT INTO polar_sync.outbox
                 (connection_id, user_id, record_id, kind, change, revision, changed_at)
             VALUES ($1, $2, $1, $3, 'deleted', 1, polar_sync.now())",
            erasure.erasure_id,
            user.as_str(),
            ERASED_KIND
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("leave the notice of an erasure"))?;
        Ok(true)
    }

    /// Deletes every row of these connections, and themselves.
    async fn erase_connections(&mut self, connections: &[Uuid]) -> Result<(), StoreError> {
        sqlx::query_scalar!(
            r#"SELECT polar_sync.erase_rows($1, $2) AS "erased!""#,
            connections,
            i64::MAX
        )
        .fetch_one(self.db())
        .await
        .map_err(StoreError::while_doing("erase rows of connections"))?;
        sqlx::query!(
            "DELETE FROM polar_sync.connection WHERE connection_id = ANY ($1)",
            connections
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("erase connections"))?;
        Ok(())
    }

    /// Forgets whose an erasure was: its change goes, and what a straggler may have written since. The receipt stays.
    pub async fn forget_erased(&mut self, erasure: &Erasure) -> Result<(), StoreError> {
        sqlx::query!("SELECT polar_sync.erase_stragglers($1)", erasure.erasure_id)
            .execute(self.db())
            .await
            .map_err(StoreError::while_doing("erase what came in late"))?;
        sqlx::query!(
            "WITH change AS (DELETE FROM polar_sync.change WHERE connection_id = $1),
                  outbox AS (DELETE FROM polar_sync.outbox WHERE connection_id = $1)
             UPDATE polar_sync.erasure SET user_id = NULL, connections = '{}' WHERE erasure_id = $1",
            erasure.erasure_id
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("forget whose an erasure was"))?;
        Ok(())
    }
}
