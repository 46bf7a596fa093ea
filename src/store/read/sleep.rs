//! Nights, with their stages and what the nightly recharge tells of them.

use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::{
    super::{Store, StoreError},
    Slice,
};
use crate::model::{ConnectionId, UserId, record::SleepStage};

/// A night.
#[derive(Debug, Clone, PartialEq)]
pub struct Sleep {
    /// The connection that brought it.
    pub connection_id: ConnectionId,
    /// Its id.
    pub record_id: Uuid,
    /// The date of waking up.
    pub date: Date,
    /// Begin.
    pub start_at: Timestamp,
    /// End.
    pub end_at: Timestamp,
    /// Local time minus UTC.
    pub utc_offset_minutes: Option<i16>,
    /// Seconds.
    pub light_s: Option<i32>,
    /// Seconds.
    pub deep_s: Option<i32>,
    /// Seconds.
    pub rem_s: Option<i32>,
    /// Seconds.
    pub unrecognized_s: Option<i32>,
    /// Seconds.
    pub interruption_s: Option<i32>,
    /// 1-100.
    pub score: Option<i16>,
    /// 1.0-5.0.
    pub continuity: Option<f64>,
    /// Number of sleep cycles.
    pub cycles: Option<i16>,
    /// 1-5.
    pub sleep_charge: Option<i16>,
    /// Id of the device.
    pub device_id: Option<String>,
    /// From 1.
    pub revision: i32,
    /// When this revision was stored.
    pub updated_at: Timestamp,
    /// Of the nightly recharge: beats a minute.
    pub heart_rate_avg_bpm: Option<i16>,
    /// Of the nightly recharge: milliseconds.
    pub hrv_rmssd_ms: Option<i32>,
    /// Of the nightly recharge: breaths a minute.
    pub breathing_rate_brpm: Option<f64>,
}

/// An interval of a night.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The night.
    pub record_id: Uuid,
    /// The stage.
    pub stage: SleepStage,
    /// Begin.
    pub start_at: Timestamp,
    /// End.
    pub end_at: Timestamp,
}

macro_rules! slice {
    ($order:literal, $direction:literal, $user_id:expr, $after:expr, $before:expr, $slice:expr) => {
        sqlx::query_as!(
            Sleep,
            r#"SELECT s.connection_id AS "connection_id!: ConnectionId", s.record_id AS "record_id!",
                s.date AS "date!: jiff_sqlx::Date", s.start_at AS "start_at!: jiff_sqlx::Timestamp",
                s.end_at AS "end_at!: jiff_sqlx::Timestamp", s.utc_offset_minutes, s.light_s, s.deep_s, s.rem_s,
                s.unrecognized_s, s.interruption_s, s.score, s.continuity, s.cycles, s.sleep_charge, s.device_id,
                s.revision AS "revision!", s.updated_at AS "updated_at!: jiff_sqlx::Timestamp",
                n.heart_rate_avg_bpm AS "heart_rate_avg_bpm?", n.hrv_rmssd_ms AS "hrv_rmssd_ms?",
                n.breathing_rate_brpm AS "breathing_rate_brpm?"
            FROM polar_sync.connection c
            CROSS JOIN LATERAL (
                SELECT * FROM polar_sync.sleep s
                WHERE s.connection_id = c.connection_id
                    AND (s."# + $order + ", s.record_id) > ($2, $3) AND (s." + $order + ", s.record_id) < ($4, $5)
                ORDER BY s." + $order + " " + $direction + ", s.record_id " + $direction + " LIMIT $6
            ) s
            LEFT JOIN polar_sync.nightly_recharge n ON n.connection_id = s.connection_id AND n.date = s.date
            WHERE c.user_id = $1
            ORDER BY s." + $order + " " + $direction + ", s.record_id " + $direction + " LIMIT $6",
            $user_id.as_str(),
            $after as _,
            $slice.after.1,
            $before as _,
            $slice.before.1,
            $slice.limit
        )
    };
}

impl Store {
    /// A slice of a user's nights in the order of their begins.
    pub async fn sleeps(
        &self,
        user_id: &UserId,
        slice: &Slice<Timestamp>,
    ) -> Result<Vec<Sleep>, StoreError> {
        let failed = StoreError::while_doing("list nights");
        let [after, before] = [slice.after.0, slice.before.0].map(jiff_sqlx::Timestamp::from);
        if slice.newest_first {
            let found = slice!("start_at", "DESC", user_id, after, before, slice);
            return found.fetch_all(self.pool()).await.map_err(failed);
        }
        let found = slice!("start_at", "ASC", user_id, after, before, slice);
        found.fetch_all(self.pool()).await.map_err(failed)
    }

    /// A slice of a user's nights in the order of their dates.
    pub async fn sleeps_by_date(
        &self,
        user_id: &UserId,
        slice: &Slice<Date>,
    ) -> Result<Vec<Sleep>, StoreError> {
        let failed = StoreError::while_doing("list nights by date");
        let [after, before] = [slice.after.0, slice.before.0].map(jiff_sqlx::Date::from);
        if slice.newest_first {
            let found = slice!("date", "DESC", user_id, after, before, slice);
            return found.fetch_all(self.pool()).await.map_err(failed);
        }
        let found = slice!("date", "ASC", user_id, after, before, slice);
        found.fetch_all(self.pool()).await.map_err(failed)
    }

    /// How many nights a user has that begin between two instants, the first included.
    pub async fn count_sleeps(
        &self,
        user_id: &UserId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM polar_sync.connection c JOIN polar_sync.sleep s USING (connection_id)
            WHERE c.user_id = $1 AND s.start_at >= $2 AND s.start_at < $3"#,
            user_id.as_str(),
            jiff_sqlx::Timestamp::from(from) as _,
            jiff_sqlx::Timestamp::from(until) as _
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("count nights"))
    }

    /// How many nights a user has between two dates, the first included.
    pub async fn count_sleeps_by_date(
        &self,
        user_id: &UserId,
        from: Date,
        until: Date,
    ) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM polar_sync.connection c JOIN polar_sync.sleep s USING (connection_id)
            WHERE c.user_id = $1 AND s.date >= $2 AND s.date < $3"#,
            user_id.as_str(),
            jiff_sqlx::Date::from(from) as _,
            jiff_sqlx::Date::from(until) as _
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("count nights by date"))
    }

    /// The stages of some nights: a night's own in their order.
    pub async fn stages_of(&self, nights: &[Sleep]) -> Result<Vec<Stage>, StoreError> {
        let connections: Vec<_> = nights.iter().map(|night| night.connection_id.0).collect();
        let records: Vec<_> = nights.iter().map(|night| night.record_id).collect();
        sqlx::query_as!(
            Stage,
            r#"SELECT s.record_id, s.stage AS "stage: SleepStage", s.start_at AS "start_at: jiff_sqlx::Timestamp",
                s.end_at AS "end_at: jiff_sqlx::Timestamp"
            FROM unnest($1::uuid[], $2::uuid[]) AS night (connection_id, record_id)
            JOIN polar_sync.sleep_stage s USING (connection_id, record_id)
            ORDER BY s.record_id, s.position"#,
            &connections,
            &records
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read the stages of nights"))
    }
}
