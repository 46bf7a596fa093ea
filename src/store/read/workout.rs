//! Workouts and their zones.

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    super::{Store, StoreError},
    Slice,
};
use crate::model::{ConnectionId, UserId};

/// A workout.
#[derive(Debug, Clone, PartialEq)]
pub struct Workout {
    /// The connection that brought it.
    pub connection_id: ConnectionId,
    /// Its id.
    pub record_id: Uuid,
    /// The common workout type.
    pub workout_type: String,
    /// Polar's code of the sport.
    pub polar_sport: Option<String>,
    /// Start.
    pub start_at: Timestamp,
    /// End.
    pub end_at: Timestamp,
    /// Local time minus UTC.
    pub utc_offset_minutes: Option<i16>,
    /// Seconds.
    pub duration_s: f64,
    /// Metres.
    pub distance_m: Option<f64>,
    /// Kilocalories.
    pub calories_kcal: Option<i32>,
    /// Beats a minute.
    pub heart_rate_avg_bpm: Option<i16>,
    /// Beats a minute.
    pub heart_rate_max_bpm: Option<i16>,
    /// Polar's training load.
    pub training_load: Option<f64>,
    /// Polar's running index.
    pub running_index: Option<i32>,
    /// Product name of the device.
    pub device: Option<String>,
    /// Id of the device.
    pub device_id: Option<String>,
    /// What is known of its samples.
    pub samples_state: String,
    /// What is known of its zones.
    pub zones_state: String,
    /// What is known of its route.
    pub route_state: String,
    /// From 1.
    pub revision: i32,
    /// When this revision was stored.
    pub updated_at: Timestamp,
}

/// A heart-rate zone of a workout.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkoutZone {
    /// Rank by lower bound, from 1.
    pub zone_index: i16,
    /// Beats a minute.
    pub lower_bpm: i16,
    /// Beats a minute.
    pub upper_bpm: i16,
    /// Seconds.
    pub in_zone_s: f64,
}

macro_rules! workouts {
    ($($from:literal)+; $($arg:expr),+) => {
        sqlx::query_as!(
            Workout,
            r#"SELECT w.connection_id AS "connection_id!: ConnectionId", w.record_id AS "record_id!",
                w.type AS "workout_type!", w.polar_sport, w.start_at AS "start_at!: jiff_sqlx::Timestamp",
                w.end_at AS "end_at!: jiff_sqlx::Timestamp", w.utc_offset_minutes,
                w.duration_s AS "duration_s!", w.distance_m, w.calories_kcal, w.heart_rate_avg_bpm,
                w.heart_rate_max_bpm, w.training_load, w.running_index, w.device, w.device_id,
                w.samples_state AS "samples_state!", w.zones_state AS "zones_state!",
                w.route_state AS "route_state!", w.revision AS "revision!",
                w.updated_at AS "updated_at!: jiff_sqlx::Timestamp"
            FROM polar_sync.connection c "# $(+ $from)+,
            $($arg),+
        )
    };
}

// The newest or the oldest of each connection, by its index, and of those the first of all.
macro_rules! slice {
    ($direction:literal, $user_id:expr, $slice:expr, $workout_type:expr) => {
        workouts!(
            "CROSS JOIN LATERAL (
                SELECT * FROM polar_sync.workout w
                WHERE w.connection_id = c.connection_id
                    AND (w.start_at, w.record_id) > ($2, $3) AND (w.start_at, w.record_id) < ($4, $5)
                    AND (w.type = $6 OR $6 IS NULL)
                ORDER BY w.start_at " $direction ", w.record_id " $direction " LIMIT $7
            ) w
            WHERE c.user_id = $1
            ORDER BY w.start_at " $direction ", w.record_id " $direction " LIMIT $7";
            $user_id.as_str(),
            jiff_sqlx::Timestamp::from($slice.after.0) as _,
            $slice.after.1,
            jiff_sqlx::Timestamp::from($slice.before.0) as _,
            $slice.before.1,
            $workout_type,
            $slice.limit
        )
    };
}

impl Store {
    /// A slice of a user's workouts in the order of their starts, of this type only.
    pub async fn workouts(
        &self,
        user_id: &UserId,
        slice: &Slice<Timestamp>,
        workout_type: Option<&str>,
    ) -> Result<Vec<Workout>, StoreError> {
        let failed = StoreError::while_doing("list workouts");
        if slice.newest_first {
            let found = slice!("DESC", user_id, slice, workout_type);
            return found.fetch_all(self.pool()).await.map_err(failed);
        }
        let found = slice!("ASC", user_id, slice, workout_type);
        found.fetch_all(self.pool()).await.map_err(failed)
    }

    /// How many workouts of this type a user has that start between two instants, the first included.
    pub async fn count_workouts(
        &self,
        user_id: &UserId,
        from: Timestamp,
        until: Timestamp,
        workout_type: Option<&str>,
    ) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM polar_sync.connection c
            JOIN polar_sync.workout w USING (connection_id)
            WHERE c.user_id = $1 AND w.start_at >= $2 AND w.start_at < $3 AND (w.type = $4 OR $4 IS NULL)"#,
            user_id.as_str(),
            jiff_sqlx::Timestamp::from(from) as _,
            jiff_sqlx::Timestamp::from(until) as _,
            workout_type
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("count workouts"))
    }

    /// One workout of a user.
    pub async fn workout(
        &self,
        user_id: &UserId,
        record_id: Uuid,
    ) -> Result<Option<Workout>, StoreError> {
        workouts!(
            "JOIN polar_sync.workout w USING (connection_id) WHERE c.user_id = $1 AND w.record_id = $2";
            user_id.as_str(),
            record_id
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("read a workout"))
    }

    /// The heart-rate zones of a workout, in their order.
    pub async fn zones_of(&self, workout: &Workout) -> Result<Vec<WorkoutZone>, StoreError> {
        sqlx::query_as!(
            WorkoutZone,
            "SELECT zone_index, lower_bpm, upper_bpm, in_zone_s FROM polar_sync.workout_zone
            WHERE connection_id = $1 AND record_id = $2 ORDER BY zone_index",
            workout.connection_id.0,
            workout.record_id
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read the zones of a workout"))
    }
}
