//! Events on their way to Redis: rows of `polar_sync.event`, written in the transaction whose effect
//! they tell of, and removed once they are published.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{Store, StoreError, Tx};
use crate::model::{ConnectionState, RunId, RunOutcome, UserId};

/// Something that others may want to know.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// The contract's version.
    pub v: u8,
    /// Tells repetitions apart.
    pub id: Uuid,
    /// What happened, for example `sync.completed`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When.
    pub at: Option<Timestamp>,
    /// To whom.
    pub user_id: UserId,
    /// The run, for `sync.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// The ids that the askers gave.
    pub request_ids: Vec<String>,
    /// The run's outcome, for `sync.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RunOutcome>,
    /// Numbers of items, for `sync.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
}

/// Numbers of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Not stored before.
    pub new: i32,
    /// Different from what was stored.
    pub changed: i32,
    /// Stored already.
    pub same: i32,
}

impl Counts {
    /// Items that were written: new or different.
    pub const fn written(self) -> i32 {
        self.new + self.changed
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.new += other.new;
        self.changed += other.changed;
        self.same += other.same;
    }
}

impl Event {
    /// A connection is active (again).
    pub fn connection_active(user_id: &UserId) -> Self {
        Self::of_user("connection.active", user_id)
    }

    /// A connection came into a state that others want to know of; `None` for the other states.
    pub fn connection_state(state: ConnectionState, user_id: &UserId) -> Option<Self> {
        let kind = match state {
            ConnectionState::Active => "connection.active",
            ConnectionState::Revoked => "connection.revoked",
            ConnectionState::ConsentRequired => "connection.consent_required",
            ConnectionState::Expired => "connection.expired",
            ConnectionState::Erased => "connection.erased",
            ConnectionState::Suspect | ConnectionState::Paused | ConnectionState::Erasing => {
                return None;
            }
        };
        Some(Self::of_user(kind, user_id))
    }

    /// A run ended; `None` for one that only waits.
    pub fn sync_ended(
        user_id: &UserId,
        run_id: Option<RunId>,
        request_ids: Vec<String>,
        outcome: RunOutcome,
        counts: Counts,
    ) -> Option<Self> {
        let kind = match outcome {
            RunOutcome::Ok => "sync.completed",
            RunOutcome::Partial => "sync.partial",
            RunOutcome::Failed | RunOutcome::Refused => "sync.failed",
            RunOutcome::Snoozed => return None,
        };
        Some(Self {
            run_id,
            request_ids,
            outcome: Some(outcome),
            counts: Some(counts),
            ..Self::of_user(kind, user_id)
        })
    }

    fn of_user(kind: &'static str, user_id: &UserId) -> Self {
        Self {
            v: 1,
            id: Uuid::now_v7(),
            kind,
            at: None,
            user_id: user_id.clone(),
            run_id: None,
            request_ids: Vec::new(),
            outcome: None,
            counts: None,
        }
    }
}

/// An event that has yet to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its id.
    pub event_id: Uuid,
    /// Its JSON.
    pub body: String,
}

impl Tx {
    /// Writes an event down, to be published after this transaction.
    pub async fn insert_event(&mut self, event: &Event) -> Result<StoredEvent, StoreError> {
        let body =
            serde_json::to_value(event).map_err(|error| StoreError::decoding("an event", error))?;
        let body = sqlx::query_scalar!(
            r#"INSERT INTO polar_sync.event (event_id, body, created_at)
               SELECT $1, jsonb_set($2, '{at}', to_jsonb(t))::text, t FROM polar_sync.now() t
               RETURNING body"#,
            event.id,
            body
        )
        .fetch_one(self.db())
        .await
        .map_err(StoreError::while_doing("write an event down"))?;
        Ok(StoredEvent {
            event_id: event.id,
            body,
        })
    }
}

impl Store {
    /// Events that were written at least `age_s` seconds ago and are still here: whoever was to
    /// publish them did not.
    pub async fn overdue_events(
        &self,
        age_s: f64,
        limit: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        sqlx::query_as!(
            StoredEvent,
            "SELECT event_id, body FROM polar_sync.event
             WHERE created_at < polar_sync.now() - $1::float8 * interval '1 second'
             ORDER BY event_id LIMIT $2",
            age_s,
            limit
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read overdue events"))
    }

    /// Removes events that are published.
    pub async fn remove_events(&self, ids: &[Uuid]) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM polar_sync.event WHERE event_id = ANY($1)", ids)
            .execute(self.pool())
            .await
            .map_err(StoreError::while_doing("remove published events"))?;
        Ok(())
    }
}
