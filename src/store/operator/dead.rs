//! An operator takes up again what was given up, or forgets it.

use uuid::Uuid;

use super::super::{StoreError, Tx};
use crate::model::{ConnectionId, ConnectionState, Kind, UserId};

/// Something that was given up, locked, with the connection that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buried {
    /// Whose it is; none when that connection has ended.
    pub connection: Option<(ConnectionId, UserId, ConnectionState)>,
    /// The kind that failed too often; none for a stream entry.
    pub kind: Option<Kind>,
}

impl Tx {
    /// Locks a row of what was given up.
    pub async fn lock_dead(&mut self, id: Uuid) -> Result<Option<Buried>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT d.kind AS "kind: Kind", c.connection_id AS "connection_id?: ConnectionId",
                      c.user_id AS "user_id?", c.state AS "state?: ConnectionState"
               FROM polar_sync.dead d
               LEFT JOIN polar_sync.connection c ON c.connection_id = d.connection_id AND c.ended_at IS NULL
                   AND c.state <> 'erased'
               WHERE d.dead_id = $1 FOR UPDATE OF d"#,
            id
        )
        .fetch_optional(self.db())
        .await
        .map_err(StoreError::while_doing("lock what was given up"))?;
        let Some(row) = row else { return Ok(None) };
        let connection = match (row.connection_id, row.user_id, row.state) {
            (Some(id), Some(user_id), Some(state)) => {
                let user_id = UserId::try_from(user_id)
                    .map_err(|error| StoreError::decoding("a user id", error))?;
                Some((id, user_id, state))
            }
            _ => None,
        };
        Ok(Some(Buried {
            connection,
            kind: row.kind,
        }))
    }

    /// Forgets what was given up.
    pub async fn delete_dead(&mut self, id: Uuid) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM polar_sync.dead WHERE dead_id = $1", id)
            .execute(self.db())
            .await
            .map_err(StoreError::while_doing("forget what was given up"))?;
        Ok(())
    }

    /// Lets a kind begin anew: without failures, and due at once.
    pub async fn revive_kind(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.kind_state
             SET attempts = 0, next_due_at = polar_sync.now(), due_cause = 'retry'
             WHERE connection_id = $1 AND kind = $2",
            connection.0,
            kind.as_str()
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("let a kind begin anew"))?;
        Ok(())
    }
}
