//! The tokens of connections: claimed for a refresh, replaced, forgotten.

use std::time::Duration;

use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{Store, StoreError, connection::SealedTokens};
use crate::model::ConnectionId;

/// What came of a wish to refresh tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshClaim {
    /// It is the caller's turn.
    Claimed,
    /// Somebody else refreshes them, or has done so.
    Elsewhere,
    /// The refresh token was refused a moment ago.
    Refused,
}

impl Store {
    /// Claims the refresh of the tokens that `generation` stands for. The claim holds for `longest`, should
    /// whoever made it be gone.
    pub async fn claim_refresh(
        &self,
        connection: ConnectionId,
        generation: i64,
        claim: Uuid,
        longest: Duration,
    ) -> Result<RefreshClaim, StoreError> {
        let found = sqlx::query!(
            r#"WITH claimed AS (
                   UPDATE polar_sync.connection
                   SET refresh_claim = $3, refresh_generation = $2,
                       refresh_until = polar_sync.now() + $4::float8 * interval '1 second'
                   WHERE connection_id = $1 AND token_generation = $2
                     AND (refresh_generation IS DISTINCT FROM $2 OR refresh_until <= polar_sync.now())
                   RETURNING connection_id
               )
               SELECT EXISTS (SELECT FROM claimed) AS "is_claimed!",
                      EXISTS (SELECT FROM polar_sync.connection
                              WHERE connection_id = $1 AND token_generation = $2 AND refresh_generation = $2
                                AND refresh_claim IS NULL) AS "is_refused!""#,
            connection.0,
            generation,
            claim,
            longest.as_secs_f64()
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("claim a refresh"))?;
        Ok(match (found.is_claimed, found.is_refused) {
            (true, _) => RefreshClaim::Claimed,
            (false, true) => RefreshClaim::Refused,
            (false, false) => RefreshClaim::Elsewhere,
        })
    }

    /// Gives a claim up that led to no tokens; nobody claims the same generation within `pause`.
    pub async fn release_refresh(
        &self,
        connection: ConnectionId,
        claim: Uuid,
        pause: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.connection
             SET refresh_claim = NULL,
                 refresh_until = polar_sync.now() + $3::float8 * interval '1 second'
             WHERE connection_id = $1 AND refresh_claim = $2",
            connection.0,
            claim,
            pause.as_secs_f64()
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("give a refresh up"))?;
        Ok(())
    }

    /// Replaces the tokens that `generation` stands for; `None` when another worker did so first.
    pub async fn replace_tokens(
        &self,
        connection: ConnectionId,
        generation: i64,
        tokens: &SealedTokens,
    ) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar!(
            "UPDATE polar_sync.connection
             SET access_token = $3, refresh_token = $4, key_id = $5, token_expires_at = $6,
                 token_generation = token_generation + 1
             WHERE connection_id = $1 AND token_generation = $2
             RETURNING token_generation",
            connection.0,
            generation,
            tokens.access_token,
            tokens.refresh_token.as_deref(),
            tokens.key_id,
            tokens.expires_at.map(ToSqlx::to_sqlx) as _
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("replace a token set"))
    }

    /// Forgets the tokens that `generation` stands for, and that the user was registered; false when there are
    /// others by now.
    pub async fn forget_tokens(
        &self,
        connection: ConnectionId,
        generation: i64,
    ) -> Result<bool, StoreError> {
        let forgotten = sqlx::query!(
            "UPDATE polar_sync.connection
             SET access_token = NULL, refresh_token = NULL, key_id = NULL, token_expires_at = NULL,
                 registered_at = NULL, token_generation = token_generation + 1
             WHERE connection_id = $1 AND token_generation = $2",
            connection.0,
            generation
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("forget tokens"))?;
        Ok(forgotten.rows_affected() > 0)
    }
}
