//! The latest of what is kept of an item, for kinds whose versions are hashes of their bodies, and
//! single bodies.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::{Timestamp, civil::Date};

use super::{
    Store, StoreError, Tx,
    raw::{RawError, RawKey, decompress},
};
use crate::model::{ConnectionId, Kind};

/// The version that was fetched last, of every item of a kind.
pub async fn versions(
    store: &Store,
    connection: ConnectionId,
    kind: Kind,
) -> Result<HashMap<String, String>, StoreError> {
    let rows = sqlx::query!(
        "SELECT DISTINCT ON (item) item, version FROM polar_sync.raw_item
         WHERE connection_id = $1 AND kind = $2
         ORDER BY item, fetched_at DESC",
        connection.0,
        kind.as_str()
    )
    .fetch_all(store.pool())
    .await
    .map_err(StoreError::while_doing("look up the latest versions"))?;
    Ok(rows
        .into_iter()
        .map(|row| (row.item, row.version))
        .collect())
}

/// One body, if it is kept.
pub async fn body(
    store: &Store,
    connection: ConnectionId,
    kind: Kind,
    key: &RawKey,
) -> Result<Option<Bytes>, RawError> {
    let row = sqlx::query!(
        "SELECT b.body, b.length_bytes
         FROM polar_sync.raw_item i JOIN polar_sync.raw_body b USING (connection_id, sha256)
         WHERE i.connection_id = $1 AND i.kind = $2 AND i.item = $3 AND i.version = $4 AND i.part = $5",
        connection.0,
        kind.as_str(),
        key.item,
        key.version,
        key.part
    )
    .fetch_optional(store.pool())
    .await
    .map_err(StoreError::while_doing("load a raw body"))?;
    row.map(|row| Ok(decompress(&row.body, row.length_bytes)?.into()))
        .transpose()
}

/// The latest bodies of these items, in a Postgres transaction that has just written others.
pub async fn bodies(
    tx: &mut Tx,
    connection: ConnectionId,
    kind: Kind,
    items: &[String],
) -> Result<Vec<Vec<u8>>, RawError> {
    let rows = sqlx::query!(
        "SELECT DISTINCT ON (i.item) b.body, b.length_bytes
         FROM polar_sync.raw_item i JOIN polar_sync.raw_body b USING (connection_id, sha256)
         WHERE i.connection_id = $1 AND i.kind = $2 AND i.item = ANY ($3)
         ORDER BY i.item, i.fetched_at DESC",
        connection.0,
        kind.as_str(),
        items
    )
    .fetch_all(tx.db())
    .await
    .map_err(StoreError::while_doing("load the latest bodies"))?;
    rows.iter()
        .map(|row| decompress(&row.body, row.length_bytes))
        .collect()
}

/// When a night began, and the offset of local time then.
pub async fn nights(
    tx: &mut Tx,
    connection: ConnectionId,
    dates: &[Date],
) -> Result<HashMap<Date, (Timestamp, Option<i16>)>, StoreError> {
    let dates: Vec<_> = dates
        .iter()
        .copied()
        .map(jiff_sqlx::ToSqlx::to_sqlx)
        .collect();
    let rows = sqlx::query!(
        r#"SELECT date AS "date: jiff_sqlx::Date", start_at AS "start_at: jiff_sqlx::Timestamp",
                  utc_offset_minutes
           FROM polar_sync.sleep WHERE connection_id = $1 AND date = ANY ($2)"#,
        connection.0,
        &dates as _
    )
    .fetch_all(tx.db())
    .await
    .map_err(StoreError::while_doing("read the begin of nights"))?;
    let night = |row: (jiff_sqlx::Date, jiff_sqlx::Timestamp, Option<i16>)| {
        (row.0.to_jiff(), (row.1.to_jiff(), row.2))
    };
    Ok(rows
        .into_iter()
        .map(|row| night((row.date, row.start_at, row.utc_offset_minutes)))
        .collect())
}
