//! AccessLink transactions, of one connection or of all.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::super::{Store, StoreError, remote::Phase};
use crate::model::{ConnectionId, TransactionalKind};

/// An AccessLink transaction, as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TransactionSummary {
    /// Our id.
    pub id: Uuid,
    /// The platform's id of the user.
    pub user_id: String,
    /// Its kind.
    pub kind: TransactionalKind,
    /// Where it stands.
    pub phase: Phase,
    /// Polar's id, once it is known.
    pub polar_transaction_id: Option<i64>,
    /// When its first create was sent.
    pub created_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
    /// The items that it was frozen with; of a blocked one, those that are not stored.
    pub items: Vec<String>,
    /// Items that an operator gave up.
    pub accepted_loss: Vec<String>,
}

impl Store {
    /// Up to `limit` transactions of one connection or of all, the oldest first: those that somebody
    /// may have to look at, or with `all` also those that ended well.
    pub async fn transactions(
        &self,
        connection: Option<ConnectionId>,
        all: bool,
        limit: i64,
    ) -> Result<Vec<TransactionSummary>, StoreError> {
        sqlx::query!(
            r#"SELECT t.remote_id, c.user_id, t.kind AS "kind: TransactionalKind", t.phase AS "phase: Phase",
                      t.polar_transaction_id, t.created_at AS "created_at: jiff_sqlx::Timestamp",
                      t.updated_at AS "updated_at: jiff_sqlx::Timestamp", t.items, t.accepted_loss
               FROM polar_sync.remote_transaction t JOIN polar_sync.connection c USING (connection_id)
               WHERE (t.connection_id = $1 OR $1 IS NULL)
                 AND ($2 OR t.phase IN ('opening', 'open', 'durable', 'committing', 'blocked', 'unconfirmed'))
               ORDER BY t.created_at, t.remote_id LIMIT $3"#,
            connection.map(|connection| connection.0),
            all,
            limit
        )
        .map(|row| TransactionSummary {
            id: row.remote_id,
            user_id: row.user_id,
            kind: row.kind,
            phase: row.phase,
            polar_transaction_id: row.polar_transaction_id,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
            items: row.items,
            accepted_loss: row.accepted_loss,
        })
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("list AccessLink transactions"))
    }
}
