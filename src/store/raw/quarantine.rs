//! Quarantine: complete bodies that could not be understood. They are durable, hold nothing up, and
//! are never swept, so that a later version can read them.

use jiff::Timestamp;

use crate::model::{ConnectionId, Kind};

use super::{
    super::{Store, StoreError, Tx},
    RawKey,
};

/// The most quarantined parts that are listed at once.
const QUARANTINE_LIST_MAX: i64 = 1_000;

/// A complete body that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Whose it is.
    pub connection: ConnectionId,
    /// Its kind.
    pub kind: Kind,
    /// Which answer it is.
    pub key: RawKey,
    /// The SHA-256 of the body.
    pub sha256: Vec<u8>,
    /// Why it could not be understood; never a value out of it.
    pub reason: String,
    /// Since when.
    pub quarantined_at: Timestamp,
}

/// Puts a body into quarantine, or corrects the reason of one that is there.
pub async fn quarantine_put(tx: &mut Tx, body: &Quarantined) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO polar_sync.quarantine AS stored
            (connection_id, kind, item, version, part, sha256, reason, quarantined_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (connection_id, kind, item, version, part) DO UPDATE SET
            sha256 = excluded.sha256, reason = excluded.reason
        WHERE (stored.sha256, stored.reason) IS DISTINCT FROM (excluded.sha256, excluded.reason)",
        body.connection.0,
        body.kind.as_str(),
        body.key.item,
        body.key.version,
        body.key.part,
        body.sha256,
        body.reason,
        jiff_sqlx::Timestamp::from(body.quarantined_at) as _,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("quarantine a body"))?;
    Ok(())
}

/// Takes a body out of quarantine: it has been understood. Tells whether it was there.
pub async fn quarantine_resolve(
    tx: &mut Tx,
    connection: ConnectionId,
    kind: Kind,
    key: &RawKey,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM polar_sync.quarantine
        WHERE connection_id = $1 AND kind = $2 AND item = $3 AND version = $4 AND part = $5",
        connection.0,
        kind.as_str(),
        key.item,
        key.version,
        key.part,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("resolve a quarantined body"))?;
    Ok(done.rows_affected() > 0)
}

/// The quarantined bodies of one connection or of all, the longest there first.
pub async fn quarantine_list(
    store: &Store,
    connection: Option<ConnectionId>,
) -> Result<Vec<Quarantined>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT connection_id AS "connection_id: ConnectionId", kind AS "kind: Kind", item, version,
            part, sha256, reason, quarantined_at AS "quarantined_at: jiff_sqlx::Timestamp"
        FROM polar_sync.quarantine
        WHERE connection_id = $1 OR $1 IS NULL
        ORDER BY quarantined_at LIMIT $2"#,
        connection.map(|connection| connection.0),
        QUARANTINE_LIST_MAX,
    )
    .fetch_all(store.pool())
    .await
    .map_err(StoreError::while_doing("list quarantined bodies"))?;
    Ok(rows
        .into_iter()
        .map(|row| Quarantined {
            connection: row.connection_id,
            kind: row.kind,
            key: RawKey {
                item: row.item,
                version: row.version,
                part: row.part,
            },
            sha256: row.sha256,
            reason: row.reason,
            quarantined_at: row.quarantined_at.to_jiff(),
        })
        .collect())
}
