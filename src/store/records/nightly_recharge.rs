//! Nightly Recharge: the summary and its two series, replaced as a whole.

use jiff::{Timestamp, civil::Date};

use crate::model::{ConnectionId, Kind, RecordId, UserId, record::NightlyRecharge};

use super::{
    super::{Store, StoreError, Tx},
    Head, Revision, Upserted, Verdict, chunk,
    fingerprint::{Fingerprint, Hash},
    judge, series,
    stray::Traces,
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
    let content_hash = fingerprint(recharge, &chunk::hash_of(&chunks));
    let stored = head(tx, connection, recharge.date).await?;
    let revision = match judge(stored.as_ref(), fetched_at, &content_hash) {
        Verdict::Leave(upserted) => return Ok(upserted),
        Verdict::Write(revision) => revision,
    };
    let traces = Traces {
        chunks: &chunks,
        ..Traces::default()
    };
    let revision = revision.adopted(tx, connection, &traces).await?;
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

fn fingerprint(recharge: &NightlyRecharge, series: &Hash) -> Hash {
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
        .with(series.as_slice())
        .finish()
}

/// The dates of recharges of which samples are lost: what is stored has another fingerprint than what
/// was.
pub(in crate::store) async fn damaged_recharges(
    store: &Store,
    connection: ConnectionId,
) -> Result<Vec<(RecordId, Date)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT record_id AS "record_id: RecordId", date AS "date: jiff_sqlx::Date", utc_offset_minutes,
            hrv_rmssd_ms, breathing_rate_brpm, heart_rate_avg_bpm, beat_to_beat_avg_ms, ans_charge,
            ans_charge_status, status, content_hash,
            ARRAY(SELECT p.content_hash FROM polar_sync.series p WHERE p.connection_id = r.connection_id
                AND p.record_id = r.record_id ORDER BY p.position) AS "chunks!"
        FROM polar_sync.nightly_recharge r WHERE connection_id = $1 ORDER BY date"#,
        connection.0,
    )
    .fetch_all(store.pool())
    .await
    .map_err(StoreError::while_doing("look for recharges that lost samples"))?;
    let mut damaged = Vec::new();
    for row in rows {
        let recharge = NightlyRecharge {
            date: row.date.to_jiff(),
            utc_offset_minutes: row.utc_offset_minutes,
            hrv_rmssd_ms: row.hrv_rmssd_ms,
            breathing_rate_brpm: row.breathing_rate_brpm,
            heart_rate_avg_bpm: row.heart_rate_avg_bpm,
            beat_to_beat_avg_ms: row.beat_to_beat_avg_ms,
            ans_charge: row.ans_charge,
            ans_charge_status: row.ans_charge_status,
            status: row.status,
            hrv: None,
            breathing: None,
        };
        let chunks = row.chunks.iter().map(Vec::as_slice);
        if row.content_hash != fingerprint(&recharge, &chunk::hash_of_hashes(chunks)) {
            damaged.push((row.record_id, recharge.date));
        }
    }
    Ok(damaged)
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
