//! Users on their way to the consent page and back: rows of `polar_sync.oauth_state`.

use std::time::Duration;

use super::{Store, StoreError};
use crate::model::UserId;

/// Whom a state was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traveller {
    /// The platform's id.
    pub user_id: UserId,
    /// Where the platform wants the user back; none for our own page.
    pub redirect_uri: Option<String>,
}

impl Store {
    /// Keeps a state, by its hash, for so long.
    pub async fn insert_oauth_state(
        &self,
        state_hash: &[u8],
        traveller: &Traveller,
        life: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO polar_sync.oauth_state (state_hash, user_id, redirect_uri, created_at, expires_at)
             SELECT $1, $2, $3, t, t + $4::float8 * interval '1 second' FROM polar_sync.now() t",
            state_hash,
            traveller.user_id.as_str(),
            traveller.redirect_uri,
            life.as_secs_f64()
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("keep an OAuth state"))?;
        Ok(())
    }

    /// Takes a state, and with it the code that came back, each once for all: of those who come at the same
    /// time one gets it. `None` when nobody was sent with the state, its time is over, it was taken before, or
    /// the code came with another one. A user who refused comes without a code.
    pub async fn take_oauth_state(
        &self,
        state_hash: &[u8],
        code_hash: Option<&[u8]>,
    ) -> Result<Option<Traveller>, StoreError> {
        let taken = sqlx::query!(
            "UPDATE polar_sync.oauth_state SET taken_at = polar_sync.now(), code_hash = $2
             WHERE state_hash = $1 AND taken_at IS NULL AND expires_at > polar_sync.now()
             RETURNING user_id, redirect_uri",
            state_hash,
            code_hash
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("take an OAuth state"));
        let row = match taken {
            // The code came with another state.
            Err(error) if error.is_conflict() => None,
            taken => taken?,
        };
        row.map(|row| {
            Ok(Traveller {
                user_id: UserId::try_from(row.user_id).map_err(|error| {
                    StoreError::decoding("the user id of an OAuth state", error)
                })?,
                redirect_uri: row.redirect_uri,
            })
        })
        .transpose()
    }

    /// Removes up to `limit` states whose time was over so long ago; how many.
    pub async fn sweep_oauth_states(&self, age: Duration, limit: i64) -> Result<u64, StoreError> {
        let swept = sqlx::query!(
            "DELETE FROM polar_sync.oauth_state WHERE state_hash IN (
                 SELECT state_hash FROM polar_sync.oauth_state
                 WHERE expires_at < polar_sync.now() - $1::float8 * interval '1 second' LIMIT $2)",
            age.as_secs_f64(),
            limit
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("remove old OAuth states"))?;
        Ok(swept.rows_affected())
    }
}
