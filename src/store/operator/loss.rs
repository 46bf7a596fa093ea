//! An operator gives up items of a blocked transaction.

use uuid::Uuid;

use super::super::{StoreError, Tx, remote::Phase};
use crate::model::{ConnectionId, ConnectionState, TransactionalKind, UserId};

/// A transaction that an operator wants to have committed all the same, locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedTransaction {
    /// Whose it is.
    pub connection: ConnectionId,
    /// The platform's id.
    pub user_id: UserId,
    /// The state of that connection.
    pub state: ConnectionState,
    /// Its kind.
    pub kind: TransactionalKind,
    /// Where it stands; only a blocked one can be helped so.
    pub phase: Phase,
    /// The items that are not stored.
    pub items: Vec<String>,
    /// Items that were given up before.
    pub accepted_loss: Vec<String>,
}

impl Tx {
    /// Locks a transaction of a live connection.
    pub async fn lock_transaction(
        &mut self,
        id: Uuid,
    ) -> Result<Option<BlockedTransaction>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT t.connection_id AS "connection_id: ConnectionId", c.user_id,
                      c.state AS "state: ConnectionState",
                      t.kind AS "kind: TransactionalKind", t.phase AS "phase: Phase", t.items, t.accepted_loss
               FROM polar_sync.remote_transaction t JOIN polar_sync.connection c USING (connection_id)
               WHERE t.remote_id = $1 AND c.ended_at IS NULL FOR UPDATE OF t"#,
            id
        )
        .fetch_optional(self.db())
        .await
        .map_err(StoreError::while_doing("lock an AccessLink transaction"))?;
        row.map(|row| {
            let user_id = UserId::try_from(row.user_id)
                .map_err(|error| StoreError::decoding("a user id", error))?;
            Ok(BlockedTransaction {
                connection: row.connection_id,
                user_id,
                state: row.state,
                kind: row.kind,
                phase: row.phase,
                items: row.items,
                accepted_loss: row.accepted_loss,
            })
        })
        .transpose()
    }

    /// Notes that an operator gives items up: they no longer keep the transaction from being committed.
    pub async fn accept_loss(&mut self, id: Uuid, items: &[String]) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.remote_transaction
             SET accepted_loss = ARRAY(SELECT DISTINCT unnest(accepted_loss || $2::text[]) ORDER BY 1)
             WHERE remote_id = $1",
            id,
            items
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("note an accepted loss"))?;
        Ok(())
    }
}
