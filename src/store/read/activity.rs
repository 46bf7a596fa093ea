//! Days of activity, with the time in zones summed up.

use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::{
    super::{Store, StoreError},
    Slice,
};
use crate::model::UserId;

/// A day.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// Its id.
    pub record_id: Uuid,
    /// The device's local day.
    pub date: Date,
    /// Steps and step equivalents.
    pub steps: Option<i32>,
    /// Kilocalories with basal metabolic rate.
    pub calories_kcal: Option<i32>,
    /// Kilocalories without basal metabolic rate.
    pub active_calories_kcal: Option<i32>,
    /// Seconds.
    pub active_s: Option<f64>,
    /// Seconds; none where no zones are stored, as for the other zones.
    pub sedentary_s: Option<f64>,
    /// Seconds.
    pub light_s: Option<f64>,
    /// Seconds.
    pub moderate_s: Option<f64>,
    /// Seconds.
    pub vigorous_s: Option<f64>,
    /// From 1.
    pub revision: i32,
    /// When this revision was stored.
    pub updated_at: Timestamp,
}

macro_rules! slice {
    ($direction:literal, $user_id:expr, $slice:expr) => {
        sqlx::query_as!(
            Activity,
            r#"SELECT d.record_id AS "record_id!", d.date AS "date!: jiff_sqlx::Date", d.steps, d.calories_kcal,
                d.active_calories_kcal, d.active_s, z.sedentary_s AS "sedentary_s?", z.light_s AS "light_s?",
                z.moderate_s AS "moderate_s?", z.vigorous_s AS "vigorous_s?", d.revision AS "revision!",
                d.updated_at AS "updated_at!: jiff_sqlx::Timestamp"
            FROM polar_sync.connection c
            CROSS JOIN LATERAL (
                SELECT * FROM polar_sync.daily_activity d
                WHERE d.connection_id = c.connection_id
                    AND (d.date, d.record_id) > ($2, $3) AND (d.date, d.record_id) < ($4, $5)
                ORDER BY d.date "# + $direction + ", d.record_id " + $direction + " LIMIT $6
            ) d
            LEFT JOIN LATERAL (
                SELECT sum(p.in_zone_s) FILTER (WHERE p.zone = 'sedentary') AS sedentary_s,
                    sum(p.in_zone_s) FILTER (WHERE p.zone = 'light') AS light_s,
                    sum(p.in_zone_s) FILTER (WHERE p.zone = 'moderate') AS moderate_s,
                    sum(p.in_zone_s) FILTER (WHERE p.zone = 'vigorous') AS vigorous_s
                FROM polar_sync.activity_zone_sample a
                CROSS JOIN LATERAL unnest(a.zones, a.in_zone_s) AS p (zone, in_zone_s)
                WHERE a.connection_id = d.connection_id AND a.record_id = d.record_id
            ) z ON true
            WHERE c.user_id = $1
            ORDER BY d.date " + $direction + ", d.record_id " + $direction + " LIMIT $6",
            $user_id.as_str(),
            jiff_sqlx::Date::from($slice.after.0) as _,
            $slice.after.1,
            jiff_sqlx::Date::from($slice.before.0) as _,
            $slice.before.1,
            $slice.limit
        )
    };
}

impl Store {
    /// A slice of a user's days in their order.
    pub async fn activities(
        &self,
        user_id: &UserId,
        slice: &Slice<Date>,
    ) -> Result<Vec<Activity>, StoreError> {
        let failed = StoreError::while_doing("list days");
        if slice.newest_first {
            let found = slice!("DESC", user_id, slice);
            return found.fetch_all(self.pool()).await.map_err(failed);
        }
        let found = slice!("ASC", user_id, slice);
        found.fetch_all(self.pool()).await.map_err(failed)
    }

    /// How many days a user has between two dates, the first included.
    pub async fn count_activities(
        &self,
        user_id: &UserId,
        from: Date,
        until: Date,
    ) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM polar_sync.connection c
            JOIN polar_sync.daily_activity d USING (connection_id)
            WHERE c.user_id = $1 AND d.date >= $2 AND d.date < $3"#,
            user_id.as_str(),
            jiff_sqlx::Date::from(from) as _,
            jiff_sqlx::Date::from(until) as _
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("count days"))
    }
}
