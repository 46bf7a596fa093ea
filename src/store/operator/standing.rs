//! An operator stops a connection, or has it looked at again.

use super::super::{StoreError, Tx, request::texts};
use crate::model::{ConnectionId, ConnectionState, Kind};

impl Tx {
    /// Locks a live connection; its state, or `None` when it has ended meanwhile.
    pub async fn lock_connection(
        &mut self,
        connection: ConnectionId,
    ) -> Result<Option<ConnectionState>, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT state AS "state: ConnectionState" FROM polar_sync.connection
               WHERE connection_id = $1 AND ended_at IS NULL FOR UPDATE"#,
            connection.0
        )
        .fetch_optional(self.db())
        .await
        .map_err(StoreError::while_doing("lock a connection"))
    }

    /// Gives a connection the state that an operator wants it to have.
    pub async fn put_state(
        &mut self,
        connection: ConnectionId,
        state: ConnectionState,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.connection
             SET state = $2, state_reason = $3, state_since = t, recheck_at = NULL,
                 suspect_since = CASE WHEN $2 = 'suspect' THEN t END
             FROM polar_sync.now() t WHERE connection_id = $1",
            connection.0,
            state.as_str(),
            reason
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("set a connection's state"))?;
        Ok(())
    }

    /// Has a connection's state looked at again by its next run.
    pub async fn recheck_now(&mut self, connection: ConnectionId) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.connection SET recheck_at = polar_sync.now() WHERE connection_id = $1",
            connection.0
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("have a connection looked at again"))?;
        Ok(())
    }

    /// Makes every kind of a connection due at once.
    pub async fn make_all_due(&mut self, connection: ConnectionId) -> Result<(), StoreError> {
        let all: Vec<_> = Kind::ALL.to_vec();
        self.make_due(connection, &all).await
    }

    /// Makes these kinds of a connection due at once.
    pub async fn make_due(
        &mut self,
        connection: ConnectionId,
        kinds: &[Kind],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.kind_state SET next_due_at = polar_sync.now()
             WHERE connection_id = $1 AND kind = ANY ($2)",
            connection.0,
            &texts(kinds)
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("make kinds due"))?;
        Ok(())
    }

    /// Makes the kinds due at once that Polar does not allow, so that it is asked again.
    pub async fn make_unconsented_due(
        &mut self,
        connection: ConnectionId,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.kind_state SET next_due_at = polar_sync.now()
             WHERE connection_id = $1 AND NOT consent",
            connection.0
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("make kinds without a consent due"))?;
        Ok(())
    }

    /// Makes the kinds due at once that wait for something else than their schedule; which ones.
    pub async fn make_waiting_due(
        &mut self,
        connection: ConnectionId,
    ) -> Result<Vec<Kind>, StoreError> {
        sqlx::query_scalar!(
            r#"UPDATE polar_sync.kind_state SET next_due_at = polar_sync.now()
               WHERE connection_id = $1 AND (due_cause <> 'schedule' OR attempts > 0 OR NOT consent)
               RETURNING kind AS "kind: Kind""#,
            connection.0
        )
        .fetch_all(self.db())
        .await
        .map_err(StoreError::while_doing("make waiting kinds due"))
    }
}
