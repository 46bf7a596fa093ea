//! Polar's webhook: its row in `polar_sync.webhook`, and the events that came by it lately.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Store, StoreError, Tx,
    overview::instant,
    request::{NewRequest, texts},
};
use crate::{
    model::{ConnectionId, Kind},
    secret::Sealed,
};

/// Events of a webhook that was deleted may be on their way for so long.
pub const SECRET_GRACE: Duration = Duration::from_hours(1);

/// The data that binds a sealed secret to its row.
pub fn secret_aad(webhook_id: &str) -> Vec<u8> {
    format!("polar-sync/webhook/{webhook_id}/secret").into_bytes()
}

/// A webhook that was just made at Polar.
#[derive(Debug)]
pub struct NewWebhook<'a> {
    /// Polar's id.
    pub webhook_id: &'a str,
    /// Where events are sent.
    pub url: &'a str,
    /// Which events.
    pub events: &'a [&'static str],
    /// The sealed secret.
    pub secret: &'a [u8],
    /// The key that sealed it.
    pub key_id: &'a str,
}

/// The webhook in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookRow {
    /// Polar's id.
    pub webhook_id: String,
    /// Where events are sent.
    pub url: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When an event last came.
    pub last_event_at: Option<Timestamp>,
    /// Since when notifications show data that no event told of.
    pub unannounced_since: Option<Timestamp>,
    /// Since when it counts as silent.
    pub silent_since: Option<Timestamp>,
    /// When it was last activated again.
    pub activated_at: Option<Timestamp>,
}

/// A secret that may sign events.
#[derive(Debug, Clone)]
pub struct SealedSecret {
    /// Polar's id of its webhook.
    pub webhook_id: String,
    /// The key that seals it.
    pub key_id: String,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
}

/// Whether an event says anything new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// It does.
    New,
    /// The same event came before.
    Repeated,
    /// Another event about the same thing came a moment ago.
    Echo,
}

impl Store {
    /// The webhook in use.
    pub async fn webhook(&self) -> Result<Option<WebhookRow>, StoreError> {
        sqlx::query!(
            r#"SELECT webhook_id, url, created_at AS "created_at: jiff_sqlx::Timestamp",
                      last_event_at AS "last_event_at: jiff_sqlx::Timestamp",
                      unannounced_since AS "unannounced_since: jiff_sqlx::Timestamp",
                      silent_since AS "silent_since: jiff_sqlx::Timestamp",
                      activated_at AS "activated_at: jiff_sqlx::Timestamp"
               FROM polar_sync.webhook WHERE ended_at IS NULL"#
        )
        .map(|row| WebhookRow {
            webhook_id: row.webhook_id,
            url: row.url,
            created_at: row.created_at.to_jiff(),
            last_event_at: instant(row.last_event_at),
            unannounced_since: instant(row.unannounced_since),
            silent_since: instant(row.silent_since),
            activated_at: instant(row.activated_at),
        })
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("read the webhook"))
    }

    /// The secrets that may sign events: of the webhook in use, and of those that ended within [`SECRET_GRACE`].
    pub async fn webhook_secrets(&self) -> Result<Vec<SealedSecret>, StoreError> {
        sqlx::query_as!(
            SealedSecret,
            "SELECT webhook_id, key_id, secret AS bytes FROM polar_sync.webhook
             WHERE ended_at IS NULL OR ended_at > polar_sync.now() - $1::float8 * interval '1 second'
             ORDER BY created_at DESC",
            SECRET_GRACE.as_secs_f64()
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read the secrets of webhooks"))
    }

    /// Notes that the webhook is silent if data has been without an event for `patience`; true when it was
    /// not noted before.
    pub async fn note_silence(&self, patience: Duration) -> Result<bool, StoreError> {
        let noted = sqlx::query!(
            "UPDATE polar_sync.webhook SET silent_since = polar_sync.now()
             WHERE ended_at IS NULL AND silent_since IS NULL
               AND unannounced_since <= polar_sync.now() - $1::float8 * interval '1 second'",
            patience.as_secs_f64()
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("note that the webhook is silent"))?;
        Ok(noted.rows_affected() > 0)
    }

    /// Claims the next activation of a silent webhook, at most one in `every`; true when it is this
    /// caller's to do.
    pub async fn claim_activation(&self, every: Duration) -> Result<bool, StoreError> {
        let claimed = sqlx::query!(
            "UPDATE polar_sync.webhook SET activated_at = polar_sync.now()
             WHERE ended_at IS NULL AND silent_since IS NOT NULL
               AND (activated_at IS NULL OR activated_at <= polar_sync.now() - $1::float8 * interval '1 second')",
            every.as_secs_f64()
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("claim an activation"))?;
        Ok(claimed.rows_affected() > 0)
    }

    /// Notes that a webhook works: an event came by it.
    pub async fn note_webhook_works(&self, webhook_id: &str) -> Result<(), StoreError> {
        // Not at every event: all of them touch this one row.
        sqlx::query!(
            "UPDATE polar_sync.webhook
             SET last_event_at = polar_sync.now(), unannounced_since = NULL, silent_since = NULL
             WHERE webhook_id = $1
               AND (last_event_at IS NULL OR last_event_at < polar_sync.now() - interval '10 seconds'
                    OR unannounced_since IS NOT NULL OR silent_since IS NOT NULL)",
            webhook_id
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("note that the webhook works"))?;
        Ok(())
    }

    /// Removes up to `limit` events that came so long ago; how many.
    pub async fn sweep_webhook_events(&self, age: Duration, limit: i64) -> Result<u64, StoreError> {
        let swept = sqlx::query!(
            "DELETE FROM polar_sync.webhook_event WHERE body_hash IN (
                 SELECT body_hash FROM polar_sync.webhook_event
                 WHERE received_at < polar_sync.now() - $1::float8 * interval '1 second' LIMIT $2)",
            age.as_secs_f64(),
            limit
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("remove old events"))?;
        Ok(swept.rows_affected())
    }
}

impl Tx {
    /// Notes that notifications show data that no event told of, unless events have just come.
    pub async fn note_unannounced(&mut self) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.webhook SET unannounced_since = polar_sync.now()
             WHERE ended_at IS NULL AND unannounced_since IS NULL
               AND (last_event_at IS NULL OR last_event_at < polar_sync.now() - interval '1 minute')"
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("note data that no event told of"))?;
        Ok(())
    }

    /// Makes this the webhook in use.
    pub async fn insert_webhook(&mut self, webhook: &NewWebhook<'_>) -> Result<(), StoreError> {
        let events: Vec<String> = texts(webhook.events);
        sqlx::query!(
            "INSERT INTO polar_sync.webhook (webhook_id, url, events, secret, key_id, created_at)
             VALUES ($1, $2, $3, $4, $5, polar_sync.now())",
            webhook.webhook_id,
            webhook.url,
            &events,
            webhook.secret,
            webhook.key_id
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("store a webhook"))?;
        Ok(())
    }

    /// Notes that the webhook in use was deleted at Polar; its secret is believed for a while yet.
    pub async fn end_webhook(&mut self) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.webhook SET ended_at = polar_sync.now() WHERE ended_at IS NULL"
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("end a webhook"))?;
        Ok(())
    }

    /// Replaces a sealed secret by the same one, sealed anew; false when somebody else was faster.
    pub async fn put_resealed_secret(
        &mut self,
        before: &SealedSecret,
        after: &Sealed,
    ) -> Result<bool, StoreError> {
        let replaced = sqlx::query!(
            "UPDATE polar_sync.webhook SET key_id = $3, secret = $4 WHERE webhook_id = $1 AND secret = $2",
            before.webhook_id,
            before.bytes,
            after.key_id,
            after.bytes
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("store a secret that was sealed anew"))?;
        Ok(replaced.rows_affected() > 0)
    }

    /// Takes an event in, once for all; one that comes at the same time waits for this transaction's end.
    /// An event about the same thing within `echo` is an echo.
    pub async fn take_webhook_event(
        &mut self,
        body_hash: &[u8],
        subject_hash: &[u8],
        echo: Duration,
    ) -> Result<Novelty, StoreError> {
        let is_echo = sqlx::query_scalar!(
            r#"INSERT INTO polar_sync.webhook_event (body_hash, subject_hash, received_at)
               VALUES ($1, $2, polar_sync.now())
               ON CONFLICT (body_hash) DO NOTHING
               RETURNING EXISTS (SELECT FROM polar_sync.webhook_event e
                   WHERE e.subject_hash = $2 AND e.body_hash <> $1
                     AND e.received_at > polar_sync.now() - $3::float8 * interval '1 second') AS "is_echo!""#,
            body_hash,
            subject_hash,
            echo.as_secs_f64()
        )
        .fetch_optional(self.db())
        .await
        .map_err(StoreError::while_doing("take a webhook's event in"))?;
        Ok(match is_echo {
            None => Novelty::Repeated,
            Some(true) => Novelty::Echo,
            Some(false) => Novelty::New,
        })
    }

    /// Notes that an event told of these kinds of a connection.
    pub async fn note_told(
        &mut self,
        connection: ConnectionId,
        kinds: &[Kind],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.kind_state SET webhook_at = polar_sync.now()
             WHERE connection_id = $1 AND kind = ANY ($2)",
            connection.0,
            &texts(kinds)
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("note what an event told of"))?;
        Ok(())
    }

    /// Writes a request down that is to be served after `wait`, unless one like it waits already: of webhooks,
    /// for these kinds.
    pub async fn insert_deferred_request(
        &mut self,
        connection: ConnectionId,
        request: &NewRequest,
        wait: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO polar_sync.sync_request (connection_id, task_id, kinds, lane, cause, created_at, not_before)
             SELECT $1, $2, $3, $4, $5, t, t + $6::float8 * interval '1 second'
             FROM polar_sync.now() t
             WHERE NOT EXISTS (SELECT FROM polar_sync.sync_request r
                 WHERE r.connection_id = $1 AND r.state = 'open' AND r.cause = $5 AND r.kinds = $3
                   AND r.not_before > t)",
            connection.0,
            request.task_id.0,
            &texts(&request.kinds),
            request.lane.as_str(),
            request.cause.as_str(),
            wait.as_secs_f64()
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("write a deferred request down"))?;
        Ok(())
    }
}
