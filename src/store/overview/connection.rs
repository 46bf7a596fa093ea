//! Connections and their kinds.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    super::{Store, StoreError},
    instant,
};
use crate::model::{ConnectionId, ConnectionState, DueCause, Kind};

/// A connection, as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConnectionSummary {
    /// The platform's id.
    pub user_id: String,
    /// Polar's id.
    pub polar_user_id: i64,
    /// Its state.
    pub state: ConnectionState,
    /// Why it is in that state.
    pub state_reason: Option<String>,
    /// Since when it is in that state.
    pub state_since: Timestamp,
    /// When it was made.
    pub connected_at: Timestamp,
    /// When a sync last succeeded.
    pub last_success_at: Option<Timestamp>,
    /// When the first of its kinds is due.
    pub next_due_at: Option<Timestamp>,
}

/// One kind of a connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindSummary {
    /// The kind.
    pub kind: Kind,
    /// When it is due; none while the connection's state forbids syncs.
    pub next_due_at: Option<Timestamp>,
    /// Why then.
    pub due_cause: DueCause,
    /// Failures in a row.
    pub attempts: i32,
    /// When it last had its turn.
    pub last_run_at: Option<Timestamp>,
    /// When it was last in step.
    pub last_success_at: Option<Timestamp>,
    /// When something new or changed was last found.
    pub last_found_at: Option<Timestamp>,
    /// The class of its last error.
    pub error_class: Option<String>,
    /// Its last error.
    pub error: Option<String>,
    /// Whether Polar allows it.
    pub consent: bool,
}

impl Store {
    /// Up to `limit` live connections, in the order of their user ids, after `after`.
    pub async fn connections(
        &self,
        state: Option<ConnectionState>,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<ConnectionSummary>, StoreError> {
        sqlx::query!(
            r#"SELECT c.user_id, c.polar_user_id, c.state AS "state: ConnectionState", c.state_reason,
                      c.state_since AS "state_since: jiff_sqlx::Timestamp",
                      c.connected_at AS "connected_at: jiff_sqlx::Timestamp",
                      s.last_success_at AS "last_success_at: jiff_sqlx::Timestamp",
                      (SELECT min(k.next_due_at) FROM polar_sync.kind_state k
                       WHERE k.connection_id = c.connection_id) AS "next_due_at: jiff_sqlx::Timestamp"
               FROM polar_sync.connection c JOIN polar_sync.sync_state s USING (connection_id)
               WHERE c.ended_at IS NULL AND c.state <> 'erased' AND (c.state = $1 OR $1 IS NULL)
                 AND (c.user_id > $2 OR $2 IS NULL)
               ORDER BY c.user_id LIMIT $3"#,
            state.map(ConnectionState::as_str),
            after,
            limit
        )
        .map(|row| ConnectionSummary {
            user_id: row.user_id,
            polar_user_id: row.polar_user_id,
            state: row.state,
            state_reason: row.state_reason,
            state_since: row.state_since.to_jiff(),
            connected_at: row.connected_at.to_jiff(),
            last_success_at: instant(row.last_success_at),
            next_due_at: instant(row.next_due_at),
        })
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("list connections"))
    }

    /// Every kind of a connection.
    pub async fn kinds_of(&self, connection: ConnectionId) -> Result<Vec<KindSummary>, StoreError> {
        let mut kinds = sqlx::query!(
            r#"SELECT kind AS "kind: Kind", next_due_at AS "next_due_at: jiff_sqlx::Timestamp",
                      due_cause AS "due_cause: DueCause", attempts,
                      last_run_at AS "last_run_at: jiff_sqlx::Timestamp",
                      last_success_at AS "last_success_at: jiff_sqlx::Timestamp",
                      last_found_at AS "last_found_at: jiff_sqlx::Timestamp", error_class, error, consent
               FROM polar_sync.kind_state WHERE connection_id = $1"#,
            connection.0
        )
        .map(|row| KindSummary {
            kind: row.kind,
            next_due_at: instant(row.next_due_at),
            due_cause: row.due_cause,
            attempts: row.attempts,
            last_run_at: instant(row.last_run_at),
            last_success_at: instant(row.last_success_at),
            last_found_at: instant(row.last_found_at),
            error_class: row.error_class,
            error: row.error,
            consent: row.consent,
        })
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read the kinds of a connection"))?;
        kinds.sort_by_key(|kind| kind.kind);
        Ok(kinds)
    }
}
