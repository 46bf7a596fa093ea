//! Raw bodies: what Polar sent, byte for byte.
//!
//! A body is addressed by its hash within its connection, so the same body twice is one row; items
//! point to bodies by (kind, item, version, part). Writers hold their connection's ledger row, as
//! every transaction of a run does, and the sweep takes the same row: it cannot remove a body that
//! is just being pointed to.

mod quarantine;
mod sweep;

pub use quarantine::{Quarantined, quarantine_list, quarantine_put, quarantine_resolve};
pub use sweep::{Swept, sweep};

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

use crate::model::{ConnectionId, Kind};

use super::{Store, StoreError, Tx};

/// A level of zstd that costs less than the network: about 400 MB/s.
const ZSTD_LEVEL: i32 = 1;

/// A complete body, compressed and hashed before the transaction that stores it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBody {
    sha256: Vec<u8>,
    compressed: Vec<u8>,
    length_bytes: i32,
}

/// A body cannot be kept, or cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// The body is beyond what a row holds; the client's limit is far below.
    #[error("a body of {length_bytes} bytes is too long to be kept")]
    TooLong {
        /// Its length.
        length_bytes: usize,
    },
    /// Compression failed, or what is stored is damaged.
    #[error("zstd failed on a body")]
    Zstd(#[source] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RawBody {
    /// Compresses and hashes a body.
    pub fn new(body: &[u8]) -> Result<Self, RawError> {
        let length_bytes = i32::try_from(body.len()).map_err(|_| RawError::TooLong {
            length_bytes: body.len(),
        })?;
        Ok(Self {
            sha256: digest(&SHA256, body).as_ref().to_vec(),
            compressed: zstd::bulk::compress(body, ZSTD_LEVEL).map_err(RawError::Zstd)?,
            length_bytes,
        })
    }

    /// The SHA-256 of the body.
    pub fn sha256(&self) -> &[u8] {
        &self.sha256
    }
}

/// What Polar answered for one part of one version of an item.
#[derive(Debug, Clone)]
pub struct RawPart {
    /// The item's id at Polar.
    pub item: String,
    /// The item's version, in the words of its kind.
    pub version: String,
    /// The part, for example `summary`, `zones` or `samples/0`.
    pub part: String,
    /// The body; `None`: Polar answered that there is none.
    pub body: Option<RawBody>,
    /// When it was asked for.
    pub fetched_at: Timestamp,
}

impl RawPart {
    /// Which answer it is.
    pub fn key(&self) -> RawKey {
        RawKey {
            item: self.item.clone(),
            version: self.version.clone(),
            part: self.part.clone(),
        }
    }
}

/// Which answer: unique within a connection and kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RawKey {
    /// The item's id at Polar.
    pub item: String,
    /// The item's version.
    pub version: String,
    /// The part.
    pub part: String,
}

/// What is kept of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Its body.
    Body,
    /// That there was none.
    Nothing,
}

/// Keeps answers, in one statement. A body is never replaced by the answer that there is none. Of
/// answers with the same key, the last one with a body is kept.
pub async fn put(
    tx: &mut Tx,
    connection: ConnectionId,
    kind: Kind,
    parts: &[RawPart],
) -> Result<(), StoreError> {
    let parts = distinct(parts);
    let bodies = || parts.iter().map(|part| part.body.as_ref());
    let items: Vec<_> = parts.iter().map(|part| part.item.as_str()).collect();
    let versions: Vec<_> = parts.iter().map(|part| part.version.as_str()).collect();
    let names: Vec<_> = parts.iter().map(|part| part.part.as_str()).collect();
    let fetched_at: Vec<jiff_sqlx::Timestamp> =
        parts.iter().map(|part| part.fetched_at.into()).collect();
    let hashes: Vec<_> = bodies().map(|body| body.map(RawBody::sha256)).collect();
    let compressed: Vec<_> = bodies()
        .map(|body| body.map(|body| body.compressed.as_slice()))
        .collect();
    let lengths: Vec<_> = bodies()
        .map(|body| body.map(|body| body.length_bytes))
        .collect();
    sqlx::query!(
        "WITH given AS MATERIALIZED (
            SELECT * FROM unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[],
                $7::bytea[], $8::bytea[], $9::int4[])
                AS given (item, version, part, fetched_at, sha256, body, length_bytes)
        ), bodies AS (
            INSERT INTO polar_sync.raw_body (connection_id, sha256, body, length_bytes)
            SELECT $1, sha256, body, length_bytes FROM given WHERE sha256 IS NOT NULL
            ON CONFLICT (connection_id, sha256) DO NOTHING
        )
        INSERT INTO polar_sync.raw_item AS stored
            (connection_id, kind, item, version, part, sha256, fetched_at)
        SELECT $1, $2, item, version, part, sha256, fetched_at FROM given
        ON CONFLICT (connection_id, kind, item, version, part) DO UPDATE SET
            sha256 = excluded.sha256, fetched_at = excluded.fetched_at
        WHERE excluded.sha256 IS NOT NULL AND stored.sha256 IS DISTINCT FROM excluded.sha256",
        connection.0,
        kind.as_str(),
        items as _,
        versions as _,
        names as _,
        fetched_at as _,
        hashes as _,
        compressed as _,
        lengths as _,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("keep raw bodies"))?;
    Ok(())
}

/// Makes a kept answer the latest of its item, as of `fetched_at`: an item may come back to what it was
/// before. Tells whether the answer was kept from an earlier time.
pub async fn make_latest(
    tx: &mut Tx,
    connection: ConnectionId,
    kind: Kind,
    key: &RawKey,
    fetched_at: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE polar_sync.raw_item SET fetched_at = $6
        WHERE connection_id = $1 AND kind = $2 AND item = $3 AND version = $4 AND part = $5
            AND fetched_at < $6",
        connection.0,
        kind.as_str(),
        key.item,
        key.version,
        key.part,
        jiff_sqlx::Timestamp::from(fetched_at) as _,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("make a raw body the latest"))?;
    Ok(done.rows_affected() > 0)
}

/// One answer a key: no statement can write a row twice.
fn distinct(parts: &[RawPart]) -> Vec<&RawPart> {
    let mut places = HashMap::new();
    let mut distinct: Vec<&RawPart> = Vec::with_capacity(parts.len());
    for part in parts {
        let key = (&part.item, &part.version, &part.part);
        let place = *places.entry(key).or_insert(distinct.len());
        match distinct.get_mut(place) {
            Some(known) if part.body.is_some() => *known = part,
            Some(_) => {}
            None => distinct.push(part),
        }
    }
    distinct
}

/// The answers that are kept for one version of an item, by part; `None`: there was no body. One whose
/// body is lost is not kept.
pub async fn load(
    store: &Store,
    connection: ConnectionId,
    kind: Kind,
    item: &str,
    version: &str,
) -> Result<HashMap<String, Option<Vec<u8>>>, RawError> {
    let rows = sqlx::query!(
        r#"SELECT i.part, b.body AS "body?", b.length_bytes AS "length_bytes?"
        FROM polar_sync.raw_item i
        LEFT JOIN polar_sync.raw_body b USING (connection_id, sha256)
        WHERE i.connection_id = $1 AND i.kind = $2 AND i.item = $3 AND i.version = $4
            AND (i.sha256 IS NULL OR b.sha256 IS NOT NULL)"#,
        connection.0,
        kind.as_str(),
        item,
        version,
    )
    .fetch_all(store.pool())
    .await
    .map_err(StoreError::while_doing("load raw bodies"))?;
    rows.into_iter()
        .map(|row| {
            let body = row.body.zip(row.length_bytes);
            let body = body.map(|(body, length_bytes)| decompress(&body, length_bytes));
            Ok((row.part, body.transpose()?))
        })
        .collect()
}

/// What is kept of these items, in any version.
pub async fn have(
    store: &Store,
    connection: ConnectionId,
    kind: Kind,
    items: &[String],
) -> Result<HashMap<RawKey, Held>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT item, version, part, sha256 IS NOT NULL AS "has_body!"
        FROM polar_sync.raw_item
        WHERE connection_id = $1 AND kind = $2 AND item = ANY ($3)"#,
        connection.0,
        kind.as_str(),
        items,
    )
    .fetch_all(store.pool())
    .await
    .map_err(StoreError::while_doing("look up raw bodies"))?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let key = RawKey {
                item: row.item,
                version: row.version,
                part: row.part,
            };
            let held = if row.has_body {
                Held::Body
            } else {
                Held::Nothing
            };
            (key, held)
        })
        .collect())
}

pub(super) fn decompress(body: &[u8], length_bytes: i32) -> Result<Vec<u8>, RawError> {
    let length_bytes = usize::try_from(length_bytes).unwrap_or_default();
    zstd::bulk::decompress(body, length_bytes).map_err(RawError::Zstd)
}
