//! Which encryption keys are in use, each with a proof that an id stands for one key only.

use jiff::Timestamp;

use super::{Store, StoreError, webhook::SECRET_GRACE};
use crate::secret::{KeyError, Keyring};

/// A key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It is not the key that its id stood for, or it is missing.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Postgres failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Checks the configured keys against the proofs of earlier starts, and notes new ones.
    pub async fn check_keys(&self, keyring: &Keyring) -> Result<(), KeysError> {
        for key_id in self.verify_keys(keyring).await? {
            self.add_key(key_id, &keyring.prove(key_id)?).await?;
        }
        Ok(())
    }

    /// Checks the configured keys against the proofs of earlier starts; those that have none yet.
    pub async fn verify_keys<'a>(&self, keyring: &'a Keyring) -> Result<Vec<&'a str>, KeysError> {
        let mut unproven = Vec::new();
        for key_id in keyring.ids() {
            let proof = sqlx::query_scalar!(
                "SELECT proof FROM polar_sync.encryption_key WHERE key_id = $1",
                key_id
            )
            .fetch_optional(self.pool())
            .await
            .map_err(StoreError::while_doing("read the proof of a key"))?;
            match proof {
                Some(proof) => keyring.verify(key_id, &proof)?,
                None => unproven.push(key_id),
            }
        }
        Ok(unproven)
    }

    async fn add_key(&self, key_id: &str, proof: &[u8]) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO polar_sync.encryption_key (key_id, proof, added_at)
             VALUES ($1, $2, polar_sync.now()) ON CONFLICT DO NOTHING",
            key_id,
            proof
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("note a key"))?;
        Ok(())
    }
}

/// A key that seals tokens or was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// Its id.
    pub key_id: String,
    /// When its proof was recorded; none for one that never was.
    pub added_at: Option<Timestamp>,
    /// How many connections' tokens it seals.
    pub connections: i64,
    /// How many webhooks' secrets it seals, of those that may still sign events.
    pub webhooks: i64,
}

impl Store {
    /// Every key that was recorded or seals something, by id.
    pub async fn key_uses(&self) -> Result<Vec<KeyUse>, StoreError> {
        sqlx::query!(
            r#"SELECT key_id AS "key_id!", k.added_at AS "added_at?: jiff_sqlx::Timestamp",
                      coalesce(c.connections, 0) AS "connections!", coalesce(w.webhooks, 0) AS "webhooks!"
               FROM polar_sync.encryption_key k FULL JOIN (
                   SELECT key_id, count(*) AS connections FROM polar_sync.connection
                   WHERE access_token IS NOT NULL AND key_id IS NOT NULL GROUP BY key_id) c USING (key_id)
               FULL JOIN (
                   SELECT key_id, count(*) AS webhooks FROM polar_sync.webhook
                   WHERE ended_at IS NULL OR ended_at > polar_sync.now() - $1::float8 * interval '1 second'
                   GROUP BY key_id) w USING (key_id)
               ORDER BY key_id"#,
            SECRET_GRACE.as_secs_f64()
        )
        .map(|row| KeyUse {
            key_id: row.key_id,
            added_at: row.added_at.map(jiff_sqlx::Timestamp::to_jiff),
            connections: row.connections,
            webhooks: row.webhooks,
        })
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read the use of keys"))
    }
}
