//! Keys to the HTTP interface: rows of `polar_sync.api_key`.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{
    Store, StoreError, Tx,
    overview::instant,
    request::{texts, words},
};
use crate::model::Scope;

/// A key that is about to be stored. The key itself is never.
#[derive(Debug)]
pub struct NewApiKey<'a> {
    /// Its id, which is a part of the key.
    pub key_id: Uuid,
    /// What people call it.
    pub name: &'a str,
    /// SHA-256 of the key.
    pub key_hash: &'a [u8],
    /// What it allows.
    pub scopes: &'a [Scope],
}

/// What decides whether somebody with a key may come in.
#[derive(Debug, Clone)]
pub struct StoredApiKey {
    /// What people call it.
    pub name: String,
    /// SHA-256 of the key.
    pub key_hash: Vec<u8>,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Whether its last use has yet to be noted.
    pub is_use_unnoted: bool,
}

/// A key, as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApiKeySummary {
    /// Its id.
    pub key_id: Uuid,
    /// What people call it.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Store {
    /// The key with this id, if it is in force.
    pub async fn api_key(&self, key_id: Uuid) -> Result<Option<StoredApiKey>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT name, key_hash, scopes,
                      coalesce(last_used_at < polar_sync.now() - interval '1 minute', true) AS "is_use_unnoted!"
               FROM polar_sync.api_key WHERE key_id = $1 AND revoked_at IS NULL"#,
            key_id
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("look for an API key"))?;
        row.map(|row| {
            Ok(StoredApiKey {
                name: row.name,
                key_hash: row.key_hash,
                scopes: words(&row.scopes)?,
                is_use_unnoted: row.is_use_unnoted,
            })
        })
        .transpose()
    }

    /// Notes that a key is used.
    pub async fn note_api_key_use(&self, key_id: Uuid) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.api_key SET last_used_at = polar_sync.now() WHERE key_id = $1",
            key_id
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("note the use of an API key"))?;
        Ok(())
    }

    /// Every key, those in force first, each in the order of making.
    pub async fn api_keys(&self) -> Result<Vec<ApiKeySummary>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT key_id, name, scopes, created_at AS "created_at: jiff_sqlx::Timestamp",
                      last_used_at AS "last_used_at: jiff_sqlx::Timestamp",
                      revoked_at AS "revoked_at: jiff_sqlx::Timestamp"
               FROM polar_sync.api_key ORDER BY revoked_at IS NOT NULL, created_at, key_id"#
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("list API keys"))?;
        rows.into_iter()
            .map(|row| {
                Ok(ApiKeySummary {
                    key_id: row.key_id,
                    name: row.name,
                    scopes: words(&row.scopes)?,
                    created_at: row.created_at.to_jiff(),
                    last_used_at: instant(row.last_used_at),
                    revoked_at: instant(row.revoked_at),
                })
            })
            .collect()
    }
}

impl Tx {
    /// Stores a key; [`StoreError::is_conflict`] when a key of that name is in force.
    pub async fn insert_api_key(&mut self, key: &NewApiKey<'_>) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO polar_sync.api_key (key_id, name, key_hash, scopes, created_at)
             VALUES ($1, $2, $3, $4, polar_sync.now())",
            key.key_id,
            key.name,
            key.key_hash,
            &texts(key.scopes)
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("store an API key"))?;
        Ok(())
    }

    /// Revokes the key of this name or id; its id, if one was in force.
    pub async fn revoke_api_key(&mut self, name_or_id: &str) -> Result<Option<Uuid>, StoreError> {
        sqlx::query_scalar!(
            "UPDATE polar_sync.api_key SET revoked_at = polar_sync.now()
             WHERE revoked_at IS NULL AND (name = $1 OR key_id::text = $1) RETURNING key_id",
            name_or_id
        )
        .fetch_optional(self.db())
        .await
        .map_err(StoreError::while_doing("revoke an API key"))
    }
}
