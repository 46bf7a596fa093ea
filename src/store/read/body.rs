//! The latest of what a user's body is like.

use jiff::{Timestamp, civil::Date};

use super::super::{Store, StoreError};
use crate::model::UserId;

/// A user's physical information in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// Since when it holds.
    pub recorded_at: Timestamp,
    /// Kilograms.
    pub weight_kg: Option<f64>,
    /// Centimetres.
    pub height_cm: Option<f64>,
    /// Beats a minute.
    pub resting_heart_rate_bpm: Option<i16>,
    /// Beats a minute.
    pub max_heart_rate_bpm: Option<i16>,
    /// Millilitres a kilogram a minute.
    pub vo2_max: Option<i16>,
}

/// The heart-rate variability of some nights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NightlyVariability {
    /// The mean of the nights' means, in milliseconds.
    pub rmssd_ms: Option<f64>,
}

impl Store {
    /// A user's latest physical information.
    pub async fn body(&self, user_id: &UserId) -> Result<Option<Body>, StoreError> {
        sqlx::query_as!(
            Body,
            r#"SELECT p.recorded_at AS "recorded_at: jiff_sqlx::Timestamp", p.weight_kg, p.height_cm,
                p.resting_heart_rate_bpm, p.max_heart_rate_bpm, p.vo2_max
            FROM polar_sync.connection c JOIN polar_sync.physical_information p USING (connection_id)
            WHERE c.user_id = $1 ORDER BY p.recorded_at DESC, p.record_id DESC LIMIT 1"#,
            user_id.as_str()
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("read physical information"))
    }

    /// The variability of a user's nights between two dates, both included.
    pub async fn nightly_variability(
        &self,
        user_id: &UserId,
        from: Date,
        to: Date,
    ) -> Result<NightlyVariability, StoreError> {
        sqlx::query_as!(
            NightlyVariability,
            "SELECT avg(n.hrv_rmssd_ms)::float8 AS rmssd_ms
            FROM polar_sync.connection c JOIN polar_sync.nightly_recharge n USING (connection_id)
            WHERE c.user_id = $1 AND n.date BETWEEN $2 AND $3",
            user_id.as_str(),
            jiff_sqlx::Date::from(from) as _,
            jiff_sqlx::Date::from(to) as _
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("average the variability of nights"))
    }
}
