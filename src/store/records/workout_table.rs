//! The statements of workouts and their zones.

use crate::model::{
    ConnectionId, RecordId,
    record::{Workout, WorkoutSource, Zone},
};

use super::{
    super::{StoreError, Tx},
    part::{PartMark, PartState},
    workout_row::{WorkoutPart, WorkoutRow},
};

/// The stored workouts that have the workout's id or start in its second: few.
#[expect(clippy::too_many_lines, reason = "a line a column")]
pub(super) async fn candidates(
    tx: &mut Tx,
    connection: ConnectionId,
    workout: &Workout,
) -> Result<Vec<WorkoutRow>, StoreError> {
    let (polar_id, polar_hashed_id) = match &workout.source {
        WorkoutSource::Transactional(id) => (Some(*id), None),
        WorkoutSource::Hashed(id) => (None, Some(id.as_str())),
    };
    let rows = sqlx::query!(
        r#"SELECT record_id AS "record_id: RecordId", revision, polar_id, polar_hashed_id,
            uploaded_at AS "uploaded_at: jiff_sqlx::Timestamp", type AS workout_type, polar_sport,
            start_at AS "start_at: jiff_sqlx::Timestamp",
            end_at AS "end_at: jiff_sqlx::Timestamp", utc_offset_minutes, duration_s, distance_m,
            calories_kcal, heart_rate_avg_bpm, heart_rate_max_bpm, training_load, running_index,
            device, device_id, has_route, fat_percentage, carbohydrate_percentage,
            protein_percentage, club_id, club_name, cardio_load, muscle_load, perceived_load,
            cardio_load_interpretation, muscle_load_interpretation, perceived_load_interpretation,
            user_rpe, samples_state AS "samples_state: PartState", samples_hash,
            zones_state AS "zones_state: PartState", zones_hash,
            route_state AS "route_state: PartState", route_hash, samples_transactional, zones_transactional,
            route_transactional
        FROM polar_sync.workout
        WHERE connection_id = $1 AND (polar_id = $2 OR polar_hashed_id = $3
            OR (start_at >= date_trunc('second', $4::timestamptz)
                AND start_at < date_trunc('second', $4::timestamptz) + interval '1 second'))"#,
        connection.0,
        polar_id,
        polar_hashed_id,
        jiff_sqlx::Timestamp::from(workout.start_at) as _,
    )
    .fetch_all(tx.db())
    .await
    .map_err(StoreError::while_doing("look up a workout"))?;
    Ok(rows
        .into_iter()
        .map(|row| WorkoutRow {
            record_id: row.record_id,
            revision: row.revision,
            polar_id: row.polar_id,
            polar_hashed_id: row.polar_hashed_id,
            uploaded_at: row.uploaded_at.to_jiff(),
            workout_type: row.workout_type,
            polar_sport: row.polar_sport,
            start_at: row.start_at.to_jiff(),
            end_at: row.end_at.to_jiff(),
            utc_offset_minutes: row.utc_offset_minutes,
            duration_s: row.duration_s,
            distance_m: row.distance_m,
            calories_kcal: row.calories_kcal,
            heart_rate_avg_bpm: row.heart_rate_avg_bpm,
            heart_rate_max_bpm: row.heart_rate_max_bpm,
            training_load: row.training_load,
            running_index: row.running_index,
            device: row.device,
            device_id: row.device_id,
            has_route: row.has_route,
            fat_percentage: row.fat_percentage,
            carbohydrate_percentage: row.carbohydrate_percentage,
            protein_percentage: row.protein_percentage,
            club_id: row.club_id,
            club_name: row.club_name,
            cardio_load: row.cardio_load,
            muscle_load: row.muscle_load,
            perceived_load: row.perceived_load,
            cardio_load_interpretation: row.cardio_load_interpretation,
            muscle_load_interpretation: row.muscle_load_interpretation,
            perceived_load_interpretation: row.perceived_load_interpretation,
            user_rpe: row.user_rpe,
            samples: WorkoutPart {
                mark: PartMark {
                    state: row.samples_state,
                    hash: row.samples_hash,
                },
                is_transactional: row.samples_transactional,
            },
            zones: WorkoutPart {
                mark: PartMark {
                    state: row.zones_state,
                    hash: row.zones_hash,
                },
                is_transactional: row.zones_transactional,
            },
            route: WorkoutPart {
                mark: PartMark {
                    state: row.route_state,
                    hash: row.route_hash,
                },
                is_transactional: row.route_transactional,
            },
        })
        .collect())
}

/// Inserts the row, or puts it in the place of its former revision.
#[expect(clippy::too_many_lines, reason = "a line a column")]
pub(super) async fn put(
    tx: &mut Tx,
    connection: ConnectionId,
    row: &WorkoutRow,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO polar_sync.workout
            (connection_id, record_id, revision, polar_id, polar_hashed_id,
            uploaded_at, type, polar_sport, start_at, end_at, utc_offset_minutes, duration_s,
            distance_m, calories_kcal, heart_rate_avg_bpm, heart_rate_max_bpm, training_load,
            running_index, device, device_id, has_route, fat_percentage, carbohydrate_percentage,
            protein_percentage, club_id, club_name, cardio_load, muscle_load, perceived_load,
            cardio_load_interpretation, muscle_load_interpretation, perceived_load_interpretation,
            user_rpe, samples_state, samples_hash, zones_state, zones_hash, route_state,
            route_hash, samples_transactional, zones_transactional, route_transactional, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
            $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36,
            $37, $38, $39, $40, $41, $42, polar_sync.now())
        ON CONFLICT (connection_id, record_id) DO UPDATE SET
            revision = excluded.revision, polar_id = excluded.polar_id, polar_hashed_id = excluded.polar_hashed_id,
            uploaded_at = excluded.uploaded_at, type = excluded.type,
            polar_sport = excluded.polar_sport, start_at = excluded.start_at,
            end_at = excluded.end_at, utc_offset_minutes = excluded.utc_offset_minutes,
            duration_s = excluded.duration_s, distance_m = excluded.distance_m,
            calories_kcal = excluded.calories_kcal,
            heart_rate_avg_bpm = excluded.heart_rate_avg_bpm,
            heart_rate_max_bpm = excluded.heart_rate_max_bpm,
            training_load = excluded.training_load, running_index = excluded.running_index,
            device = excluded.device, device_id = excluded.device_id,
            has_route = excluded.has_route, fat_percentage = excluded.fat_percentage,
            carbohydrate_percentage = excluded.carbohydrate_percentage,
            protein_percentage = excluded.protein_percentage, club_id = excluded.club_id,
            club_name = excluded.club_name, cardio_load = excluded.cardio_load,
            muscle_load = excluded.muscle_load, perceived_load = excluded.perceived_load,
            cardio_load_interpretation = excluded.cardio_load_interpretation,
            muscle_load_interpretation = excluded.muscle_load_interpretation,
            perceived_load_interpretation = excluded.perceived_load_interpretation,
            user_rpe = excluded.user_rpe, samples_state = excluded.samples_state,
            samples_hash = excluded.samples_hash, zones_state = excluded.zones_state,
            zones_hash = excluded.zones_hash, route_state = excluded.route_state,
            route_hash = excluded.route_hash,
            samples_transactional = excluded.samples_transactional,
            zones_transactional = excluded.zones_transactional,
            route_transactional = excluded.route_transactional, updated_at = excluded.updated_at",
        connection.0,
        row.record_id.0,
        row.revision,
        row.polar_id,
        row.polar_hashed_id.as_deref(),
        jiff_sqlx::Timestamp::from(row.uploaded_at) as _,
        row.workout_type,
        row.polar_sport.as_deref(),
        jiff_sqlx::Timestamp::from(row.start_at) as _,
        jiff_sqlx::Timestamp::from(row.end_at) as _,
        row.utc_offset_minutes,
        row.duration_s,
        row.distance_m,
        row.calories_kcal,
        row.heart_rate_avg_bpm,
        row.heart_rate_max_bpm,
        row.training_load,
        row.running_index,
        row.device.as_deref(),
        row.device_id.as_deref(),
        row.has_route,
        row.fat_percentage,
        row.carbohydrate_percentage,
        row.protein_percentage,
        row.club_id,
        row.club_name.as_deref(),
        row.cardio_load,
        row.muscle_load,
        row.perceived_load,
        row.cardio_load_interpretation.as_deref(),
        row.muscle_load_interpretation.as_deref(),
        row.perceived_load_interpretation.as_deref(),
        row.user_rpe.as_deref(),
        row.samples.mark.state.as_str(),
        row.samples.mark.hash.as_deref(),
        row.zones.mark.state.as_str(),
        row.zones.mark.hash.as_deref(),
        row.route.mark.state.as_str(),
        row.route.mark.hash.as_deref(),
        row.samples.is_transactional,
        row.zones.is_transactional,
        row.route.is_transactional,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("store a workout"))?;
    Ok(())
}

/// Makes `zones` the zones of the workout, and touches none that is equal.
pub(super) async fn replace_zones(
    tx: &mut Tx,
    connection: ConnectionId,
    record: RecordId,
    zones: &[Zone],
) -> Result<(), StoreError> {
    let indexes: Vec<_> = zones.iter().map(|zone| zone.zone_index).collect();
    let lower: Vec<_> = zones.iter().map(|zone| zone.lower_bpm).collect();
    let upper: Vec<_> = zones.iter().map(|zone| zone.upper_bpm).collect();
    let seconds: Vec<_> = zones.iter().map(|zone| zone.in_zone_s).collect();
    sqlx::query!(
        "WITH gone AS (
            DELETE FROM polar_sync.workout_zone
            WHERE connection_id = $1 AND record_id = $2 AND zone_index <> ALL ($3)
        )
        INSERT INTO polar_sync.workout_zone AS stored
            (connection_id, record_id, zone_index, lower_bpm, upper_bpm, in_zone_s)
        SELECT $1, $2, given.*
        FROM unnest($3::int2[], $4::int2[], $5::int2[], $6::float8[]) AS given
        ON CONFLICT (connection_id, record_id, zone_index) DO UPDATE SET
            lower_bpm = excluded.lower_bpm, upper_bpm = excluded.upper_bpm,
            in_zone_s = excluded.in_zone_s
        WHERE (stored.lower_bpm, stored.upper_bpm, stored.in_zone_s)
            IS DISTINCT FROM (excluded.lower_bpm, excluded.upper_bpm, excluded.in_zone_s)",
        connection.0,
        record.0,
        &indexes,
        &lower,
        &upper,
        &seconds,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("store heart-rate zones"))?;
    Ok(())
}
