//! Nightly recharges, with the sleep of their nights.

use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::{
    super::{Store, StoreError},
    Slice,
};
use crate::model::UserId;

/// A night's recovery.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    /// Its id.
    pub record_id: Uuid,
    /// The date of waking up.
    pub date: Date,
    /// Milliseconds.
    pub hrv_rmssd_ms: Option<i32>,
    /// -10.0 to +10.0.
    pub ans_charge: Option<f64>,
    /// 1 (very poor) to 6 (very good).
    pub status: Option<i16>,
    /// Of the night's sleep, as all that follows but the revision: begin and end.
    pub slept: Option<(Timestamp, Timestamp)>,
    /// Seconds of light, deep, REM and unrecognized sleep.
    pub stages_s: [Option<i32>; 4],
    /// Id of the device.
    pub device_id: Option<String>,
    /// From 1.
    pub revision: i32,
    /// When this revision was stored.
    pub updated_at: Timestamp,
}

macro_rules! slice {
    ($direction:literal, $user_id:expr, $slice:expr) => {
        sqlx::query!(
            r#"SELECT n.record_id AS "record_id!", n.date AS "date!: jiff_sqlx::Date", n.hrv_rmssd_ms, n.ans_charge,
                n.status, n.revision AS "revision!", n.updated_at AS "updated_at!: jiff_sqlx::Timestamp",
                s.start_at AS "start_at?: jiff_sqlx::Timestamp", s.end_at AS "end_at?: jiff_sqlx::Timestamp",
                s.light_s AS "light_s?", s.deep_s AS "deep_s?", s.rem_s AS "rem_s?",
                s.unrecognized_s AS "unrecognized_s?", s.device_id AS "device_id?"
            FROM polar_sync.connection c
            CROSS JOIN LATERAL (
                SELECT * FROM polar_sync.nightly_recharge n
                WHERE n.connection_id = c.connection_id
                    AND (n.date, n.record_id) > ($2, $3) AND (n.date, n.record_id) < ($4, $5)
                ORDER BY n.date "# + $direction + ", n.record_id " + $direction + " LIMIT $6
            ) n
            LEFT JOIN polar_sync.sleep s ON s.connection_id = n.connection_id AND s.date = n.date
            WHERE c.user_id = $1
            ORDER BY n.date " + $direction + ", n.record_id " + $direction + " LIMIT $6",
            $user_id.as_str(),
            jiff_sqlx::Date::from($slice.after.0) as _,
            $slice.after.1,
            jiff_sqlx::Date::from($slice.before.0) as _,
            $slice.before.1,
            $slice.limit
        )
        .map(|row| Recovery {
            record_id: row.record_id,
            date: row.date.to_jiff(),
            hrv_rmssd_ms: row.hrv_rmssd_ms,
            ans_charge: row.ans_charge,
            status: row.status,
            slept: row.start_at.zip(row.end_at).map(|(from, to)| (from.to_jiff(), to.to_jiff())),
            stages_s: [row.light_s, row.deep_s, row.rem_s, row.unrecognized_s],
            device_id: row.device_id,
            revision: row.revision,
            updated_at: row.updated_at.to_jiff(),
        })
    };
}

impl Store {
    /// A slice of a user's nightly recharges in the order of their dates.
    pub async fn recoveries(
        &self,
        user_id: &UserId,
        slice: &Slice<Date>,
    ) -> Result<Vec<Recovery>, StoreError> {
        let failed = StoreError::while_doing("list nightly recharges");
        if slice.newest_first {
            let found = slice!("DESC", user_id, slice);
            return found.fetch_all(self.pool()).await.map_err(failed);
        }
        let found = slice!("ASC", user_id, slice);
        found.fetch_all(self.pool()).await.map_err(failed)
    }

    /// How many nightly recharges a user has between two dates, the first included.
    pub async fn count_recoveries(
        &self,
        user_id: &UserId,
        from: Date,
        until: Date,
    ) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM polar_sync.connection c
            JOIN polar_sync.nightly_recharge n USING (connection_id)
            WHERE c.user_id = $1 AND n.date >= $2 AND n.date < $3"#,
            user_id.as_str(),
            jiff_sqlx::Date::from(from) as _,
            jiff_sqlx::Date::from(until) as _
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("count nightly recharges"))
    }
}
