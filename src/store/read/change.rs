//! The change feed.

use jiff::Timestamp;
use uuid::Uuid;

use super::super::{Store, StoreError};

/// A change of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// Its number.
    pub seq: i64,
    /// The user.
    pub user_id: String,
    /// The record.
    pub record_id: Uuid,
    /// What kind of record it is; `user` when everything of the user was deleted.
    pub kind: String,
    /// `added`, `updated` or `deleted`.
    pub change: String,
    /// The revision that it made.
    pub revision: i32,
    /// When it was stored.
    pub at: Timestamp,
}

impl Store {
    /// Up to `limit` changes with a number above `after`, in their order.
    pub async fn changes_after(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<ChangeRow>, StoreError> {
        sqlx::query_as!(
            ChangeRow,
            r#"SELECT seq, user_id, record_id, kind, change, revision,
                changed_at AS "at: jiff_sqlx::Timestamp"
            FROM polar_sync.change WHERE seq > $1 ORDER BY seq LIMIT $2"#,
            after,
            limit
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read changes"))
    }
}
