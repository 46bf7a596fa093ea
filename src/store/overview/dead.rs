//! What was given up for now.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::super::{Store, StoreError};
use crate::model::{ConnectionId, Kind, Lane};

/// Something that was given up, as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadSummary {
    /// Its id.
    pub id: Uuid,
    /// The platform's id of the user.
    pub user_id: Option<String>,
    /// The kind that failed too often; none for a stream entry.
    pub kind: Option<Kind>,
    /// The lane of the stream entry that was delivered too often.
    pub lane: Option<Lane>,
    /// That entry.
    pub entry: Option<String>,
    /// A stable word.
    pub error_class: String,
    /// What happened.
    pub error: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was given up.
    pub died_at: Timestamp,
}

impl Store {
    /// Up to `limit` rows of one connection or of all, the longest dead first.
    pub async fn dead(
        &self,
        connection: Option<ConnectionId>,
        limit: i64,
    ) -> Result<Vec<DeadSummary>, StoreError> {
        sqlx::query!(
            r#"SELECT dead_id, user_id, kind AS "kind: Kind", lane AS "lane: Lane", entry, error_class, error,
                      attempts, died_at AS "died_at: jiff_sqlx::Timestamp"
               FROM polar_sync.dead WHERE connection_id = $1 OR $1 IS NULL
               ORDER BY died_at, dead_id LIMIT $2"#,
            connection.map(|connection| connection.0),
            limit
        )
        .map(|row| DeadSummary {
            id: row.dead_id,
            user_id: row.user_id,
            kind: row.kind,
            lane: row.lane,
            entry: row.entry,
            error_class: row.error_class,
            error: row.error,
            attempts: row.attempts,
            died_at: row.died_at.to_jiff(),
        })
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("list what was given up"))
    }
}
