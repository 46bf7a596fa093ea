//! Connections: rows of `polar_sync.connection`.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{Store, StoreError, Tx};
use crate::model::{ConnectionId, ConnectionState, UserId};

/// A connection as the ledger knows it. Tokens are sealed.
#[derive(Debug, Clone)]
pub struct ConnectionRow {
    /// Our id; also the member id at Polar.
    pub connection_id: ConnectionId,
    /// The platform's id.
    pub user_id: UserId,
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
    /// When we registered the user, if we did.
    pub registered_at: Option<Timestamp>,
    /// The sealed tokens.
    pub tokens: SealedTokens,
    /// Counts the token sets; an answer means something only for the generation that was sent.
    pub token_generation: i64,
    /// Since when its token is refused.
    pub suspect_since: Option<Timestamp>,
    /// When its state is looked at again.
    pub recheck_at: Option<Timestamp>,
}

/// A token set as it is stored.
#[derive(Debug, Clone)]
pub struct SealedTokens {
    /// The key that seals both.
    pub key_id: String,
    /// The access token.
    pub access_token: Vec<u8>,
    /// The refresh token, for servers that have them.
    pub refresh_token: Option<Vec<u8>>,
    /// When the access token says that it ends.
    pub expires_at: Option<Timestamp>,
}

/// A change of state, guarded by the token generation that was used to learn of it.
#[derive(Debug, Clone)]
pub struct StateChange {
    /// The new state.
    pub state: ConnectionState,
    /// A stable word that says why.
    pub reason: Option<&'static str>,
    /// When to look again.
    pub recheck_at: Option<Timestamp>,
}

/// What became of a change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// The connection has another state than before.
    Other,
    /// It was in that state already; reason and re-check are the new ones.
    Same,
    /// It has other tokens by now, or an operator stopped it: what was learned is not true of it.
    Overtaken,
}

macro_rules! connection_rows {
    ($tail:literal, $($arg:expr),*) => {
        sqlx::query_as!(
            RawConnection,
            r#"SELECT connection_id, user_id, polar_user_id, state AS "state: ConnectionState", state_reason,
                      state_since AS "state_since: jiff_sqlx::Timestamp",
                      connected_at AS "connected_at: jiff_sqlx::Timestamp",
                      registered_at AS "registered_at: jiff_sqlx::Timestamp",
                      key_id, access_token, refresh_token,
                      token_expires_at AS "token_expires_at: jiff_sqlx::Timestamp", token_generation,
                      suspect_since AS "suspect_since: jiff_sqlx::Timestamp",
                      recheck_at AS "recheck_at: jiff_sqlx::Timestamp"
               FROM polar_sync.connection "# + $tail,
            $($arg),*
        )
    };
}

struct RawConnection {
    connection_id: uuid::Uuid,
    user_id: String,
    polar_user_id: i64,
    state: ConnectionState,
    state_reason: Option<String>,
    state_since: jiff_sqlx::Timestamp,
    connected_at: jiff_sqlx::Timestamp,
    registered_at: Option<jiff_sqlx::Timestamp>,
    key_id: Option<String>,
    access_token: Option<Vec<u8>>,
    refresh_token: Option<Vec<u8>>,
    token_expires_at: Option<jiff_sqlx::Timestamp>,
    token_generation: i64,
    suspect_since: Option<jiff_sqlx::Timestamp>,
    recheck_at: Option<jiff_sqlx::Timestamp>,
}

impl TryFrom<RawConnection> for ConnectionRow {
    type Error = StoreError;

    fn try_from(raw: RawConnection) -> Result<Self, StoreError> {
        let user_id = UserId::try_from(raw.user_id)
            .map_err(|error| StoreError::decoding("a user id of the connection table", error))?;
        Ok(Self {
            connection_id: ConnectionId(raw.connection_id),
            user_id,
            polar_user_id: raw.polar_user_id,
            state: raw.state,
            state_reason: raw.state_reason,
            state_since: raw.state_since.to_jiff(),
            connected_at: raw.connected_at.to_jiff(),
            registered_at: raw.registered_at.map(jiff_sqlx::Timestamp::to_jiff),
            tokens: SealedTokens {
                key_id: raw.key_id.unwrap_or_default(),
                access_token: raw.access_token.unwrap_or_default(),
                refresh_token: raw.refresh_token,
                expires_at: raw.token_expires_at.map(jiff_sqlx::Timestamp::to_jiff),
            },
            token_generation: raw.token_generation,
            suspect_since: raw.suspect_since.map(jiff_sqlx::Timestamp::to_jiff),
            recheck_at: raw.recheck_at.map(jiff_sqlx::Timestamp::to_jiff),
        })
    }
}

impl Store {
    /// The live connection of a user.
    pub async fn connection_of_user(
        &self,
        user: &UserId,
    ) -> Result<Option<ConnectionRow>, StoreError> {
        connection_rows!(
            "WHERE user_id = $1 AND ended_at IS NULL AND state <> 'erased'",
            user.as_str()
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("read the connection of a user"))?
        .map(TryInto::try_into)
        .transpose()
    }

    /// The live connection of a Polar account.
    pub async fn connection_of_polar_user(
        &self,
        polar_user_id: i64,
    ) -> Result<Option<ConnectionRow>, StoreError> {
        connection_rows!(
            "WHERE polar_user_id = $1 AND ended_at IS NULL AND state <> 'erased'",
            polar_user_id
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing(
            "read the connection of a Polar account",
        ))?
        .map(TryInto::try_into)
        .transpose()
    }

    /// Up to `limit` active connections, in the order of their ids, after `after`.
    pub async fn connections_to_audit(
        &self,
        after: uuid::Uuid,
        limit: i64,
    ) -> Result<Vec<ConnectionRow>, StoreError> {
        connection_rows!(
            "WHERE state = 'active' AND ended_at IS NULL AND connection_id > $1
             ORDER BY connection_id LIMIT $2",
            after,
            limit
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read active connections"))?
        .into_iter()
        .map(TryInto::try_into)
        .collect()
    }

    /// Up to `limit` other connections that are in good standing, at random: witnesses for the question
    /// whether a refused token is one user's matter or everybody's.
    pub async fn witnesses(
        &self,
        not: ConnectionId,
        limit: i64,
    ) -> Result<Vec<ConnectionRow>, StoreError> {
        connection_rows!(
            "WHERE state = 'active' AND ended_at IS NULL AND connection_id <> $1
             ORDER BY random() LIMIT $2",
            not.0,
            limit
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read witnesses"))?
        .into_iter()
        .map(TryInto::try_into)
        .collect()
    }

    /// How connections stand, seen from a suspect: how many are active, and how many became suspect
    /// within the 15 minutes before it did, or since; before now, if it is none.
    pub async fn standing(&self, of: &ConnectionRow) -> Result<Standing, StoreError> {
        sqlx::query_as!(
            Standing,
            r#"SELECT count(*) FILTER (WHERE state = 'active') AS "active!",
                      count(*) FILTER (WHERE state = 'suspect' AND suspect_since >= since.at) AS "suspect_lately!",
                      count(*) FILTER (WHERE state = 'revoked') AS "deregistered_lately!",
                      count(*) FILTER (WHERE connection_id <> $1 AND state <> 'revoked') AS "others!"
               FROM polar_sync.connection,
                   (SELECT coalesce($2::timestamptz, polar_sync.now()) - interval '15 minutes' AS at) since
               WHERE ended_at IS NULL AND (state IN ('active', 'suspect')
                   OR state = 'revoked' AND state_reason = 'deregistered' AND state_since >= since.at)"#,
            of.connection_id.0,
            of.suspect_since.map(ToSqlx::to_sqlx) as _
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("count connections by standing"))
    }

    /// Notes that the user is registered with our client at Polar.
    pub async fn set_registered(&self, connection: ConnectionId) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.connection SET registered_at = coalesce(registered_at, polar_sync.now())
             WHERE connection_id = $1",
            connection.0
        )
        .execute(self.pool())
        .await
        .map_err(StoreError::while_doing("note a registration"))?;
        Ok(())
    }
}

/// The numbers that the mass guard weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Active connections.
    pub active: i64,
    /// Connections that became suspect within the 15 minutes before the one in question, or since.
    pub suspect_lately: i64,
    /// Connections that were revoked meanwhile since Polar does not know their users.
    pub deregistered_lately: i64,
    /// Active and suspect ones beside the one in question.
    pub others: i64,
}

impl Tx {
    /// Inserts a connection with its ledger rows. Its first sync is a request of the caller's; every
    /// kind is due in an hour, should that request be refused or given up.
    pub async fn insert_connection(&mut self, row: &NewConnection<'_>) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH connection AS (
                 INSERT INTO polar_sync.connection
                     (connection_id, user_id, polar_user_id, state, state_since, connected_at, registered_at,
                      access_token, refresh_token, key_id, token_expires_at)
                 SELECT $1, $2, $3, 'active', t, t, CASE WHEN $4 THEN t END, $5, $6, $7, $8
                 FROM polar_sync.now() t
             ), ledger AS (
                 INSERT INTO polar_sync.sync_state (connection_id) VALUES ($1)
             )
             INSERT INTO polar_sync.kind_state (connection_id, kind, next_due_at)
             SELECT $1, unnest($9::text[]), polar_sync.now() + interval '1 hour'",
            row.connection_id.0,
            row.user_id.as_str(),
            row.polar_user_id,
            row.registered,
            row.tokens.access_token,
            row.tokens.refresh_token.as_deref(),
            row.tokens.key_id,
            row.tokens.expires_at.map(ToSqlx::to_sqlx) as _,
            &crate::model::Kind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect::<Vec<_>>()
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("insert a connection"))?;
        self.note_user(row.user_id).await
    }

    /// Gives an existing connection a new token set and makes it active; false when it has ended, or is being
    /// erased.
    pub async fn reconnect(
        &mut self,
        connection: ConnectionId,
        registered: bool,
        tokens: &SealedTokens,
    ) -> Result<bool, StoreError> {
        let reconnected = sqlx::query!(
            "UPDATE polar_sync.connection c
             SET state = 'active', state_reason = NULL, suspect_since = NULL, recheck_at = NULL,
                 state_since = CASE WHEN c.state = 'active' THEN c.state_since ELSE t END,
                 registered_at = CASE WHEN $2 THEN coalesce(c.registered_at, t) ELSE c.registered_at END,
                 access_token = $3, refresh_token = $4, key_id = $5, token_expires_at = $6,
                 token_generation = token_generation + 1
             FROM polar_sync.now() t
             WHERE connection_id = $1 AND ended_at IS NULL AND state NOT IN ('erasing', 'erased')",
            connection.0,
            registered,
            tokens.access_token,
            tokens.refresh_token.as_deref(),
            tokens.key_id,
            tokens.expires_at.map(ToSqlx::to_sqlx) as _
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("reconnect a connection"))?;
        if reconnected.rows_affected() == 0 {
            return Ok(false);
        }
        self.plan_unplanned(connection).await?;
        Ok(true)
    }

    /// Ends a connection in favour of another one of the same user.
    pub async fn end_connection(&mut self, connection: ConnectionId) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH ended AS (
                 UPDATE polar_sync.connection
                 SET ended_at = polar_sync.now(), recheck_at = NULL, access_token = NULL, refresh_token = NULL
                 WHERE connection_id = $1
             ), fenced AS (
                 UPDATE polar_sync.sync_state SET lease_token = lease_token + 1, lease_until = NULL,
                     queued_lane = NULL, queued_entry = NULL, queued_at = NULL
                 WHERE connection_id = $1
             )
             UPDATE polar_sync.kind_state SET next_due_at = NULL WHERE connection_id = $1",
            connection.0
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("end a connection"))?;
        Ok(())
    }

    /// Takes the lease of a connection from whoever has it, and gives it to nobody: a run under way can write
    /// nothing more.
    pub async fn fence(&mut self, connection: ConnectionId) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.sync_state SET lease_token = lease_token + 1, lease_owner = NULL,
                 lease_until = NULL, queued_lane = NULL, queued_entry = NULL, queued_at = NULL
             WHERE connection_id = $1",
            connection.0
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("fence a connection"))?;
        Ok(())
    }

    /// Changes a connection's state if its tokens are still those of `generation`.
    pub async fn change_state(
        &mut self,
        connection: ConnectionId,
        generation: i64,
        change: &StateChange,
    ) -> Result<Changed, StoreError> {
        let before = sqlx::query_scalar!(
            r#"UPDATE polar_sync.connection c
               SET state = $3, state_reason = $4, recheck_at = $5,
                   state_since = CASE WHEN c.state = $3 THEN c.state_since ELSE t END,
                   suspect_since = CASE WHEN $3 = 'suspect' THEN coalesce(c.suspect_since, t) END
               FROM polar_sync.now() t, (SELECT state FROM polar_sync.connection WHERE connection_id = $1) old
               WHERE connection_id = $1 AND token_generation = $2 AND c.ended_at IS NULL
                 AND c.state NOT IN ('erasing', 'erased', 'paused')
               RETURNING old.state AS "state!: ConnectionState""#,
            connection.0,
            generation,
            change.state.as_str(),
            change.reason,
            change.recheck_at.map(ToSqlx::to_sqlx) as _
        )
        .fetch_optional(self.db())
        .await
        .map_err(StoreError::while_doing("change a connection's state"))?;
        let changed = match before {
            None => Changed::Overtaken,
            Some(before) if before == change.state => Changed::Same,
            Some(_) => Changed::Other,
        };
        if changed == Changed::Other && change.state == ConnectionState::Active {
            self.plan_unplanned(connection).await?;
        }
        Ok(changed)
    }
}

impl Tx {
    /// Makes every kind due at once that the planner had put aside with the connection.
    pub async fn plan_unplanned(&mut self, connection: ConnectionId) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.kind_state SET next_due_at = polar_sync.now(), due_cause = 'schedule'
             WHERE connection_id = $1 AND next_due_at IS NULL",
            connection.0
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("make kinds due"))?;
        Ok(())
    }
}

/// What a new connection begins with.
#[derive(Debug, Clone)]
pub struct NewConnection<'a> {
    /// Our id; also the member id at Polar.
    pub connection_id: ConnectionId,
    /// The platform's id.
    pub user_id: &'a UserId,
    /// Polar's id.
    pub polar_user_id: i64,
    /// Whether the user is registered with our client.
    pub registered: bool,
    /// The sealed tokens.
    pub tokens: &'a SealedTokens,
}
