//! Routes, a window of points at a time: a day's route has as many points as the day has seconds.

use jiff::SignedDuration;

use super::{
    super::{Store, StoreError},
    Workout,
};
use crate::model::record::RoutePoint;

/// Points of a window.
const WINDOW_POINTS: i32 = 512;

/// Ten-millionths of a degree, as `records::route` stores them.
const PER_DEGREE: f64 = 1e7;
/// Millimetres, as `records::route` stores them.
const PER_METRE: f64 = 1e3;

/// Some points of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteWindow {
    /// The points, in their order.
    pub points: Vec<RoutePoint>,
    /// Where to go on: the next point, from 1. None at the end.
    pub next: Option<i32>,
}

impl Store {
    /// The points of a workout's route from point `from` on, counted from 1. `None` when the workout has changed
    /// since it was read: its route may be another one.
    pub async fn route_window(
        &self,
        workout: &Workout,
        from: i32,
    ) -> Result<Option<RouteWindow>, StoreError> {
        let to = from.saturating_add(WINDOW_POINTS - 1);
        let row = sqlx::query!(
            r#"SELECT r.started_at AS "started_at?: jiff_sqlx::Timestamp",
                r.offsets_ms[$4:$5] AS "offsets_ms: Vec<Option<i32>>",
                r.latitudes_e7[$4:$5] AS latitudes_e7, r.longitudes_e7[$4:$5] AS longitudes_e7,
                r.altitudes_mm[$4:$5] AS "altitudes_mm: Vec<Option<i32>>"
            FROM polar_sync.workout w
            LEFT JOIN polar_sync.route r USING (connection_id, record_id)
            WHERE w.connection_id = $1 AND w.record_id = $2 AND w.revision = $3"#,
            workout.connection_id.0,
            workout.record_id,
            workout.revision,
            from,
            to
        )
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::while_doing("read a route"))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let started_at = row.started_at.map(jiff_sqlx::Timestamp::to_jiff);
        let at = |offsets: &Option<Vec<Option<i32>>>, place: usize| {
            let offset_ms = nth(offsets.as_deref(), place)?;
            let offset = SignedDuration::from_millis(offset_ms.into());
            started_at?.checked_add(offset).ok()
        };
        let latitudes = row.latitudes_e7.unwrap_or_default();
        let longitudes = row.longitudes_e7.unwrap_or_default();
        let points: Vec<_> = latitudes
            .iter()
            .zip(&longitudes)
            .enumerate()
            .map(|(place, (latitude, longitude))| RoutePoint {
                at: at(&row.offsets_ms, place),
                latitude: f64::from(*latitude) / PER_DEGREE,
                longitude: f64::from(*longitude) / PER_DEGREE,
                altitude_m: nth(row.altitudes_mm.as_deref(), place)
                    .map(|mm| f64::from(mm) / PER_METRE),
            })
            .collect();
        let is_full = i32::try_from(points.len()).is_ok_and(|length| length == WINDOW_POINTS);
        Ok(Some(RouteWindow {
            points,
            next: is_full.then(|| to.saturating_add(1)),
        }))
    }
}

fn nth(column: Option<&[Option<i32>]>, place: usize) -> Option<i32> {
    column?.get(place).copied().flatten()
}

impl RouteWindow {
    /// The first point of a route.
    pub const FIRST: i32 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_may_be_missing_or_have_gaps() {
        assert_eq!(nth(None, 0), None);
        assert_eq!(nth(Some(&[None, Some(2)]), 0), None);
        assert_eq!(nth(Some(&[None, Some(2)]), 1), Some(2));
        assert_eq!(nth(Some(&[None, Some(2)]), 2), None);
    }
}
