//! Physical information: each state of it is a record of its own.

use crate::model::{ConnectionId, Kind, RecordId, UserId, record::PhysicalInformation};

use super::{
    super::{StoreError, Tx},
    Head, Revision, Upserted, Verdict,
    fingerprint::{Fingerprint, Hash},
    judge,
};

/// Stores a record of physical information. Its version is when it was recorded.
pub async fn upsert_physical_information(
    tx: &mut Tx,
    connection: ConnectionId,
    user: &UserId,
    physical: &PhysicalInformation,
) -> Result<Upserted, StoreError> {
    let content_hash = fingerprint(physical);
    let stored = head(tx, connection, physical.polar_id).await?;
    let revision = match judge(stored.as_ref(), physical.recorded_at, &content_hash) {
        Verdict::Leave(upserted) => return Ok(upserted),
        Verdict::Write(revision) => revision,
    };
    put(tx, connection, revision, physical, &content_hash).await?;
    revision
        .announce(tx, connection, user, Kind::PhysicalInformation)
        .await
}

fn fingerprint(physical: &PhysicalInformation) -> Hash {
    Fingerprint::default()
        .with(&physical.polar_id)
        .with(&physical.recorded_at)
        .with(&physical.weight_kg)
        .with(&physical.height_cm)
        .with(&physical.resting_heart_rate_bpm)
        .with(&physical.max_heart_rate_bpm)
        .with(&physical.aerobic_threshold_bpm)
        .with(&physical.anaerobic_threshold_bpm)
        .with(&physical.vo2_max)
        .with(&physical.weight_source)
        .finish()
}

async fn head(
    tx: &mut Tx,
    connection: ConnectionId,
    polar_id: i64,
) -> Result<Option<Head>, StoreError> {
    sqlx::query_as!(
        Head,
        r#"SELECT record_id AS "record_id: RecordId", recorded_at AS "version: jiff_sqlx::Timestamp",
            content_hash, revision
        FROM polar_sync.physical_information WHERE connection_id = $1 AND polar_id = $2"#,
        connection.0,
        polar_id,
    )
    .fetch_optional(tx.db())
    .await
    .map_err(StoreError::while_doing("look up physical information"))
}

async fn put(
    tx: &mut Tx,
    connection: ConnectionId,
    revision: Revision,
    physical: &PhysicalInformation,
    content_hash: &Hash,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO polar_sync.physical_information
            (connection_id, record_id, polar_id, recorded_at, weight_kg, height_cm,
            resting_heart_rate_bpm, max_heart_rate_bpm, aerobic_threshold_bpm,
            anaerobic_threshold_bpm, vo2_max, weight_source, content_hash, revision, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, polar_sync.now())
        ON CONFLICT (connection_id, record_id) DO UPDATE SET
            recorded_at = excluded.recorded_at, weight_kg = excluded.weight_kg,
            height_cm = excluded.height_cm,
            resting_heart_rate_bpm = excluded.resting_heart_rate_bpm,
            max_heart_rate_bpm = excluded.max_heart_rate_bpm,
            aerobic_threshold_bpm = excluded.aerobic_threshold_bpm,
            anaerobic_threshold_bpm = excluded.anaerobic_threshold_bpm,
            vo2_max = excluded.vo2_max, weight_source = excluded.weight_source,
            content_hash = excluded.content_hash, revision = excluded.revision,
            updated_at = excluded.updated_at",
        connection.0,
        revision.record_id.0,
        physical.polar_id,
        jiff_sqlx::Timestamp::from(physical.recorded_at) as _,
        physical.weight_kg,
        physical.height_cm,
        physical.resting_heart_rate_bpm,
        physical.max_heart_rate_bpm,
        physical.aerobic_threshold_bpm,
        physical.anaerobic_threshold_bpm,
        physical.vo2_max,
        physical.weight_source,
        content_hash,
        revision.number,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("store physical information"))?;
    Ok(())
}
