//! Nights: the summary, its stages and its heart rate, replaced as a whole.

use jiff::{Timestamp, civil::Date};

use crate::model::{
    ConnectionId, Kind, RecordId, UserId,
    record::{Sleep, SleepStageInterval},
};

use super::{
    super::{Store, StoreError, Tx},
    Head, Revision, Upserted, Verdict, chunk,
    fingerprint::{Fingerprint, Hash},
    judge, series,
    stray::Traces,
};

/// Stores a night. Its version is `fetched_at`, when the fetch of it began.
pub async fn upsert_sleep(
    tx: &mut Tx,
    connection: ConnectionId,
    user: &UserId,
    sleep: &Sleep,
    fetched_at: Timestamp,
) -> Result<Upserted, StoreError> {
    let chunks = chunk::chunks(&sleep.heart_rate);
    let content_hash = fingerprint(sleep, &chunk::hash_of(&chunks));
    let stored = head(tx, connection, sleep.date).await?;
    let revision = match judge(stored.as_ref(), fetched_at, &content_hash) {
        Verdict::Leave(upserted) => return Ok(upserted),
        Verdict::Write(revision) => revision,
    };
    let traces = Traces {
        first_stage: sleep.stages.first().map(|stage| stage.start_at),
        chunks: &chunks,
        ..Traces::default()
    };
    let revision = revision.adopted(tx, connection, &traces).await?;
    put(tx, connection, revision, sleep, fetched_at, &content_hash).await?;
    replace_stages(tx, connection, revision.record_id, &sleep.stages).await?;
    series::replace(tx, connection, revision.record_id, &chunks).await?;
    revision.announce(tx, connection, user, Kind::Sleep).await
}

fn fingerprint(sleep: &Sleep, heart_rate: &Hash) -> Hash {
    let summary = Fingerprint::default()
        .with(&sleep.date)
        .with(&sleep.start_at)
        .with(&sleep.end_at)
        .with(&sleep.utc_offset_minutes)
        .with(&sleep.light_s)
        .with(&sleep.deep_s)
        .with(&sleep.rem_s)
        .with(&sleep.unrecognized_s)
        .with(&sleep.interruption_s)
        .with(&sleep.short_interruption_s)
        .with(&sleep.long_interruption_s)
        .with(&sleep.score)
        .with(&sleep.continuity)
        .with(&sleep.continuity_class)
        .with(&sleep.cycles)
        .with(&sleep.sleep_charge)
        .with(&sleep.rating)
        .with(&sleep.goal_s)
        .with(&sleep.duration_score)
        .with(&sleep.solidity_score)
        .with(&sleep.regeneration_score)
        .with(&sleep.device_id)
        .with(heart_rate.as_slice());
    let with_stages = sleep.stages.iter().fold(summary, |hash, stage| {
        hash.with(stage.stage.as_str())
            .with(&stage.start_at)
            .with(&stage.end_at)
    });
    with_stages.finish()
}

/// The dates of nights of which stages or samples are lost: what is stored has another fingerprint
/// than what was.
pub(in crate::store) async fn damaged_sleeps(
    store: &Store,
    connection: ConnectionId,
) -> Result<Vec<(RecordId, Date)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT record_id AS "record_id: RecordId", date AS "date: jiff_sqlx::Date",
            start_at AS "start_at: jiff_sqlx::Timestamp", end_at AS "end_at: jiff_sqlx::Timestamp",
            utc_offset_minutes, light_s, deep_s, rem_s, unrecognized_s, interruption_s,
            short_interruption_s, long_interruption_s, score, continuity, continuity_class, cycles,
            sleep_charge, rating, goal_s, duration_score, solidity_score, regeneration_score, device_id,
            content_hash,
            ARRAY(SELECT p.stage FROM polar_sync.sleep_stage p WHERE p.connection_id = r.connection_id
                AND p.record_id = r.record_id ORDER BY p.position) AS "stages!",
            ARRAY(SELECT p.start_at FROM polar_sync.sleep_stage p WHERE p.connection_id = r.connection_id
                AND p.record_id = r.record_id ORDER BY p.position) AS "stage_starts!: Vec<jiff_sqlx::Timestamp>",
            ARRAY(SELECT p.end_at FROM polar_sync.sleep_stage p WHERE p.connection_id = r.connection_id
                AND p.record_id = r.record_id ORDER BY p.position) AS "stage_ends!: Vec<jiff_sqlx::Timestamp>",
            ARRAY(SELECT p.content_hash FROM polar_sync.series p WHERE p.connection_id = r.connection_id
                AND p.record_id = r.record_id ORDER BY p.position) AS "chunks!"
        FROM polar_sync.sleep r WHERE connection_id = $1 ORDER BY date"#,
        connection.0,
    )
    .fetch_all(store.pool())
    .await
    .map_err(StoreError::while_doing("look for nights that lost something"))?;
    let mut damaged = Vec::new();
    for row in rows {
        let intervals = row
            .stages
            .iter()
            .zip(row.stage_starts.iter().zip(&row.stage_ends));
        let stages = intervals.map(|(stage, (start_at, end_at))| {
            let stage = stage.parse();
            Ok(SleepStageInterval {
                stage: stage.map_err(|error| StoreError::decoding("a sleep stage", error))?,
                start_at: start_at.to_jiff(),
                end_at: end_at.to_jiff(),
            })
        });
        let sleep = Sleep {
            date: row.date.to_jiff(),
            start_at: row.start_at.to_jiff(),
            end_at: row.end_at.to_jiff(),
            utc_offset_minutes: row.utc_offset_minutes,
            light_s: row.light_s,
            deep_s: row.deep_s,
            rem_s: row.rem_s,
            unrecognized_s: row.unrecognized_s,
            interruption_s: row.interruption_s,
            short_interruption_s: row.short_interruption_s,
            long_interruption_s: row.long_interruption_s,
            score: row.score,
            continuity: row.continuity,
            continuity_class: row.continuity_class,
            cycles: row.cycles,
            sleep_charge: row.sleep_charge,
            rating: row.rating,
            goal_s: row.goal_s,
            duration_score: row.duration_score,
            solidity_score: row.solidity_score,
            regeneration_score: row.regeneration_score,
            device_id: row.device_id,
            stages: stages.collect::<Result<_, StoreError>>()?,
            heart_rate: None,
        };
        let chunks = row.chunks.iter().map(Vec::as_slice);
        if row.content_hash != fingerprint(&sleep, &chunk::hash_of_hashes(chunks)) {
            damaged.push((row.record_id, sleep.date));
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
        FROM polar_sync.sleep WHERE connection_id = $1 AND date = $2"#,
        connection.0,
        jiff_sqlx::Date::from(date) as _,
    )
    .fetch_optional(tx.db())
    .await
    .map_err(StoreError::while_doing("look up a night"))
}

async fn put(
    tx: &mut Tx,
    connection: ConnectionId,
    revision: Revision,
    sleep: &Sleep,
    fetched_at: Timestamp,
    content_hash: &Hash,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO polar_sync.sleep
            (connection_id, record_id, date, fetched_at, start_at, end_at, utc_offset_minutes,
            light_s, deep_s, rem_s, unrecognized_s, interruption_s, short_interruption_s,
            long_interruption_s, score, continuity, continuity_class, cycles, sleep_charge, rating,
            goal_s, duration_score, solidity_score, regeneration_score, device_id, content_hash,
            revision, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
            $20, $21, $22, $23, $24, $25, $26, $27, polar_sync.now())
        ON CONFLICT (connection_id, record_id) DO UPDATE SET
            fetched_at = excluded.fetched_at, start_at = excluded.start_at, end_at = excluded.end_at,
            utc_offset_minutes = excluded.utc_offset_minutes, light_s = excluded.light_s,
            deep_s = excluded.deep_s, rem_s = excluded.rem_s,
            unrecognized_s = excluded.unrecognized_s, interruption_s = excluded.interruption_s,
            short_interruption_s = excluded.short_interruption_s,
            long_interruption_s = excluded.long_interruption_s, score = excluded.score,
            continuity = excluded.continuity, continuity_class = excluded.continuity_class,
            cycles = excluded.cycles, sleep_charge = excluded.sleep_charge,
            rating = excluded.rating, goal_s = excluded.goal_s,
            duration_score = excluded.duration_score, solidity_score = excluded.solidity_score,
            regeneration_score = excluded.regeneration_score, device_id = excluded.device_id,
            content_hash = excluded.content_hash, revision = excluded.revision,
            updated_at = excluded.updated_at",
        connection.0,
        revision.record_id.0,
        jiff_sqlx::Date::from(sleep.date) as _,
        jiff_sqlx::Timestamp::from(fetched_at) as _,
        jiff_sqlx::Timestamp::from(sleep.start_at) as _,
        jiff_sqlx::Timestamp::from(sleep.end_at) as _,
        sleep.utc_offset_minutes,
        sleep.light_s,
        sleep.deep_s,
        sleep.rem_s,
        sleep.unrecognized_s,
        sleep.interruption_s,
        sleep.short_interruption_s,
        sleep.long_interruption_s,
        sleep.score,
        sleep.continuity,
        sleep.continuity_class,
        sleep.cycles,
        sleep.sleep_charge,
        sleep.rating,
        sleep.goal_s,
        sleep.duration_score,
        sleep.solidity_score,
        sleep.regeneration_score,
        sleep.device_id,
        content_hash,
        revision.number,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("store a night"))?;
    Ok(())
}

/// Makes `stages` the stages of the night, and touches none that is equal.
async fn replace_stages(
    tx: &mut Tx,
    connection: ConnectionId,
    record: RecordId,
    stages: &[SleepStageInterval],
) -> Result<(), StoreError> {
    let names: Vec<_> = stages.iter().map(|stage| stage.stage.as_str()).collect();
    let starts: Vec<_> = stages
        .iter()
        .map(|stage| jiff_sqlx::Timestamp::from(stage.start_at))
        .collect();
    let ends: Vec<_> = stages
        .iter()
        .map(|stage| jiff_sqlx::Timestamp::from(stage.end_at))
        .collect();
    sqlx::query!(
        "WITH gone AS (
            DELETE FROM polar_sync.sleep_stage
            WHERE connection_id = $1 AND record_id = $2 AND position >= cardinality($3::text[])
        )
        INSERT INTO polar_sync.sleep_stage AS stored
            (connection_id, record_id, position, stage, start_at, end_at)
        SELECT $1, $2, given.place - 1, given.stage, given.start_at, given.end_at
        FROM unnest($3::text[], $4::timestamptz[], $5::timestamptz[]) WITH ORDINALITY
            AS given (stage, start_at, end_at, place)
        ON CONFLICT (connection_id, record_id, position) DO UPDATE SET
            stage = excluded.stage, start_at = excluded.start_at, end_at = excluded.end_at
        WHERE (stored.stage, stored.start_at, stored.end_at)
            IS DISTINCT FROM (excluded.stage, excluded.start_at, excluded.end_at)",
        connection.0,
        record.0,
        names as _,
        starts as _,
        ends as _,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("store sleep stages"))?;
    Ok(())
}
