//! The tokens of connections: claimed for a refresh, replaced, sealed anew, forgotten.

use std::time::Duration;

use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{Store, StoreError, Tx, connection::SealedTokens};
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

/// The sealed tokens of a connection.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Whose they are.
    pub connection_id: ConnectionId,
    /// The platform's id of the user.
    pub user_id: String,
    /// The tokens.
    pub tokens: SealedTokens,
}

macro_rules! token_rows {
    ($tail:literal, $($arg:expr),*) => {
        sqlx::query!(
            r#"SELECT connection_id, user_id, key_id AS "key_id!", access_token AS "access_token!", refresh_token,
                      token_expires_at AS "expires_at: jiff_sqlx::Timestamp"
               FROM polar_sync.connection "# + $tail,
            $($arg),*
        )
        .map(|row| TokenRow {
            connection_id: ConnectionId(row.connection_id),
            user_id: row.user_id,
            tokens: SealedTokens {
                key_id: row.key_id,
                access_token: row.access_token,
                refresh_token: row.refresh_token,
                expires_at: row.expires_at.map(jiff_sqlx::Timestamp::to_jiff),
            },
        })
    };
}

impl Store {
    /// The tokens of up to `limit` connections after `after`, by id.
    pub async fn tokens_after(
        &self,
        after: ConnectionId,
        limit: i64,
    ) -> Result<Vec<TokenRow>, StoreError> {
        token_rows!(
            "WHERE connection_id > $1 AND access_token IS NOT NULL ORDER BY connection_id LIMIT $2",
            after.0,
            limit
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read tokens"))
    }

    /// How many connections have tokens that another key than `key_id` seals.
    pub async fn count_sealed_otherwise(&self, key_id: &str) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM polar_sync.connection
               WHERE access_token IS NOT NULL AND key_id <> $1"#,
            key_id
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("count tokens by key"))
    }
}

impl Tx {
    /// Tokens that another key than `key_id` seals, of up to `limit` connections after `after`, by id. Nobody
    /// replaces them before this transaction ends.
    pub async fn lock_sealed_otherwise(
        &mut self,
        key_id: &str,
        after: ConnectionId,
        limit: i64,
    ) -> Result<Vec<TokenRow>, StoreError> {
        token_rows!(
            "WHERE connection_id > $2 AND access_token IS NOT NULL AND key_id <> $1
             ORDER BY connection_id LIMIT $3 FOR UPDATE",
            key_id,
            after.0,
            limit
        )
        .fetch_all(self.db())
        .await
        .map_err(StoreError::while_doing("read tokens by key"))
    }

    /// Stores tokens that were sealed anew. They are the same tokens, so their generation stays.
    pub async fn put_resealed(
        &mut self,
        resealed: &[(ConnectionId, SealedTokens)],
    ) -> Result<(), StoreError> {
        let column = |of: fn(&SealedTokens) -> Option<Vec<u8>>| -> Vec<Option<Vec<u8>>> {
            resealed.iter().map(|(_, tokens)| of(tokens)).collect()
        };
        let connections: Vec<_> = resealed.iter().map(|(id, _)| id.0).collect();
        let keys: Vec<_> = resealed.iter().map(|(_, t)| t.key_id.clone()).collect();
        sqlx::query!(
            "UPDATE polar_sync.connection c
             SET key_id = n.key_id, access_token = n.access_token, refresh_token = n.refresh_token
             FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[])
                 AS n (connection_id, key_id, access_token, refresh_token)
             WHERE c.connection_id = n.connection_id",
            &connections,
            &keys,
            &column(|tokens| Some(tokens.access_token.clone())) as _,
            &column(|tokens| tokens.refresh_token.clone()) as _
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing(
            "store tokens that were sealed anew",
        ))?;
        Ok(())
    }
}
