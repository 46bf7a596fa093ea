//! The platform's users, connected or not: rows of `polar_sync.platform_user`.

use jiff::Timestamp;

use super::{Store, StoreError, Tx, overview::instant};
use crate::model::{ConnectionState, UserId};

/// What a platform tells of a user. All of it is optional and only repeated to whoever may read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The address.
    pub email: Option<String>,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The platform's id.
    pub user_id: UserId,
    /// What the platform told.
    pub profile: Profile,
    /// When we first heard of the user.
    pub created_at: Timestamp,
    /// When a sync last succeeded.
    pub last_success_at: Option<Timestamp>,
    /// The state of the user's connection, if there is one.
    pub connection: Option<ConnectionState>,
}

macro_rules! users {
    ($tail:literal, $($arg:expr),*) => {
        sqlx::query!(
            r#"SELECT u.user_id AS "user_id: UserId", u.email, u.first_name, u.last_name,
                      u.created_at AS "created_at: jiff_sqlx::Timestamp",
                      s.last_success_at AS "last_success_at?: jiff_sqlx::Timestamp",
                      c.state AS "state?: ConnectionState"
               FROM polar_sync.platform_user u
               LEFT JOIN polar_sync.connection c ON c.user_id = u.user_id AND c.ended_at IS NULL
                   AND c.state <> 'erased'
               LEFT JOIN polar_sync.sync_state s ON s.connection_id = c.connection_id "# + $tail,
            $($arg),*
        )
        .map(|row| User {
            user_id: row.user_id,
            profile: Profile {
                email: row.email,
                first_name: row.first_name,
                last_name: row.last_name,
            },
            created_at: row.created_at.to_jiff(),
            last_success_at: instant(row.last_success_at),
            connection: row.state,
        })
    };
}

impl Store {
    /// The user with this id.
    pub async fn user(&self, user_id: &UserId) -> Result<Option<User>, StoreError> {
        users!("WHERE u.user_id = $1", user_id.as_str())
            .fetch_optional(self.pool())
            .await
            .map_err(StoreError::while_doing("read a user"))
    }

    /// Whether we know of a user with this id.
    pub async fn has_user(&self, user_id: &UserId) -> Result<bool, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM polar_sync.platform_user WHERE user_id = $1) AS "exists!""#,
            user_id.as_str()
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("look for a user"))
    }

    /// Whether an authorization has begun for a user of this id that is not ended yet.
    pub async fn is_authorizing(&self, user_id: &UserId) -> Result<bool, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM polar_sync.oauth_state WHERE user_id = $1) AS "exists!""#,
            user_id.as_str()
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("look for open authorizations"))
    }

    /// Up to `limit` users in the order of their ids, after one of them.
    pub async fn users_after(
        &self,
        after: Option<&str>,
        email: Option<&str>,
        limit: i64,
    ) -> Result<Vec<User>, StoreError> {
        // No id is empty: all come after the empty one.
        let after = after.unwrap_or_default();
        let found = match email {
            None => {
                users!(
                    "WHERE u.user_id > $1 ORDER BY u.user_id LIMIT $2",
                    after,
                    limit
                )
                .fetch_all(self.pool())
                .await
            }
            Some(email) => {
                users!(
                    "WHERE u.email = $3 AND u.user_id > $1 ORDER BY u.user_id LIMIT $2",
                    after,
                    limit,
                    email
                )
                .fetch_all(self.pool())
                .await
            }
        };
        found.map_err(StoreError::while_doing("list users"))
    }

    /// Up to `limit` users in the order of their ids, the last ones before one of them.
    pub async fn users_before(
        &self,
        before: &str,
        email: Option<&str>,
        limit: i64,
    ) -> Result<Vec<User>, StoreError> {
        let found = match email {
            None => {
                users!(
                    "WHERE u.user_id < $1 ORDER BY u.user_id DESC LIMIT $2",
                    before,
                    limit
                )
                .fetch_all(self.pool())
                .await
            }
            Some(email) => {
                users!(
                    "WHERE u.email = $3 AND u.user_id < $1 ORDER BY u.user_id DESC LIMIT $2",
                    before,
                    limit,
                    email
                )
                .fetch_all(self.pool())
                .await
            }
        };
        let mut found = found.map_err(StoreError::while_doing("list users"))?;
        found.reverse();
        Ok(found)
    }

    /// How many users there are, with this address only.
    pub async fn count_users(&self, email: Option<&str>) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM polar_sync.platform_user WHERE email = $1 OR $1 IS NULL"#,
            email
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("count users"))
    }

    /// Writes a user down; [`StoreError::is_conflict`] when the id is taken.
    pub async fn insert_user(&self, user_id: &UserId, profile: &Profile) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO polar_sync.platform_user (user_id, email, first_name, last_name, created_at)
             VALUES ($1, $2, $3, $4, polar_sync.now())",
            user_id.as_str(),
            profile.email,
            profile.first_name,
            profile.last_name
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("write a user down"))?;
        Ok(())
    }
}

impl Tx {
    /// Writes a user down of whom nothing but the id is known, unless that is done already.
    pub(super) async fn note_user(&mut self, user_id: &UserId) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO polar_sync.platform_user (user_id, created_at) VALUES ($1, polar_sync.now())
             ON CONFLICT (user_id) DO NOTHING",
            user_id.as_str()
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("note a user"))?;
        Ok(())
    }
}
