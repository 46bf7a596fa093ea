//! Nightly Recharge: the summary and its two series, replaced as a whole.

use jiff::{Timestamp, civil::Date};

use crate::model::{ConnectionId, Kind, RecordId, UserId, record::NightlyRecharge};

use super::{
    super::{StoreError, Tx},
    Head, Revision, Upserted, Verdict,
    chunk::{self, Chunk},
    fingerprint::{Fingerprint, Hash},
    judge, series,
};

/// Stores a night's recovery. Its version is `fetched_at`, when the fetch of it began.
pub async fn upsert_nightly_recharge(
    tx: &mut Tx,
    connection: ConnectionId,
    user: &UserId,
    recharge: &NightlyRecharge,
    fetched_at: Timestamp,
) -> Result<Upserted, StoreError> {
    let chunks = chunk::chunks(recharge.hrv.iter().chain(&recharge.breathing));
    let content_hash = fingerprint(recharge, &chunks);
    let stored = head(tx, connection, recharge.date).await?;
    let revision = match judge(stored.as_ref(), fetched_at, &content_hash) {
        Verdict::Leave(upserted) => return Ok(upserted),
        Verdict::Write(revision) => revision,
    };
    put(
        tx,
        connection,
        revision,
        recharge,
        fetched_at,
        &content_hash,
    )
    .await?;
    series::replace(tx, connection, revision.record_id, &chunks).await?;
    revision
        .announce(tx, connection, user, Kind::NightlyRecharge)
        .await
}

fn fingerprint(recharge: &NightlyRecharge, chunks: &[Chunk]) -> Hash {
    Fingerprint::default()
        .with(&recharge.date)
        .with(&recharge.utc_offset_minutes)
        .with(&recharge.hrv_rmssd_ms)
        .with(&recharge.breathing_rate_brpm)
        .with(&recharge.heart_rate_avg_bpm)
        .with(&recharge.beat_to_beat_avg_ms)
        .with(&recharge.ans_charge)
        .with(&recharge.ans_charge_status)
        .with(&recharge.status)
        .with(chunk::hash_of(chunks).as_slice())
        .finish()
}

async fn head(
    tx: &mut Tx,
    connection: ConnectionId,
    date: Date,
) -> Result<Option<Head>, StoreError> {
    sqlx::query_as!(
        Head,
        r#"SELECT record_id AS "record_id: RecordId", fetched_at AS "version: jiff_sqlx::Timestamp",
            content_hash, revision
        FROM polar_sync.nightly_recharge WHERE connection_id = $1 AND date = $2"#,
        connection.0,
        jiff_sqlx::Date::from(date) as _,
    )
    .fetch_optional(tx.db())
    .await
    .map_err(StoreError::while_doing("look up a night's recovery"))
}

async fn put(
    tx: &mut Tx,
    connection: ConnectionId,
    revision: Revision,
    recharge: &NightlyRecharge,
    fetched_at: Timestamp,
    content_hash: &Hash,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO polar_sync.nightly_recharge
            (connection_id, record_id, date, fetched_at, utc_offset_minutes, hrv_rmssd_ms,
            breathing_rate_brpm, heart_rate_avg_bpm, beat_to_beat_avg_ms, ans_charge,
            ans_charge_status, status, content_hash, revision, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, polar_sync.now())
        ON CONFLICT (connection_id, record_id) DO UPDATE SET
            fetched_at = excluded.fetched_at, utc_offset_minutes = excluded.utc_offset_minutes,
            hrv_rmssd_ms = excluded.hrv_rmssd_ms,
            breathing_rate_brpm = excluded.breathing_rate_brpm,
            heart_rate_avg_bpm = excluded.heart_rate_avg_bpm,
            beat_to_beat_avg_ms = excluded.beat_to_beat_avg_ms, ans_charge = excluded.ans_charge,
            ans_charge_status = excluded.ans_charge_status, status = excluded.status,
            content_hash = excluded.content_hash, revision = excluded.revision,
            updated_at = excluded.updated_at",
        connection.0,
        revision.record_id.0,
        jiff_sqlx::Date::from(recharge.date) as _,
        jiff_sqlx::Timestamp::from(fetched_at) as _,
        recharge.utc_offset_minutes,
        recharge.hrv_rmssd_ms,
        recharge.breathing_rate_brpm,
        recharge.heart_rate_avg_bpm,
        recharge.beat_to_beat_avg_ms,
        recharge.ans_charge,
        recharge.ans_charge_status,
        recharge.status,
        content_hash,
        revision.number,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("store a night's recovery"))?;
    Ok(())
}
