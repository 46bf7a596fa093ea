//! Which encryption keys are in use, each with a proof that an id stands for one key only.

use super::{Store, StoreError};
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
                None => self.add_key(key_id, &keyring.prove(key_id)?).await?,
            }
        }
        Ok(())
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
