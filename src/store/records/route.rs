//! Routes: one row each, the points as arrays.

use jiff::Timestamp;

use crate::model::{ConnectionId, RecordId, record::RoutePoint};

use super::{
    super::{StoreError, Tx},
    fingerprint::{Fingerprint, Hash},
};

/// Ten-millionths of a degree: about a centimetre.
const PER_DEGREE: f64 = 1e7;
/// Millimetres.
const PER_METRE: f64 = 1e3;

/// A route, as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Track {
    started_at: Option<Timestamp>,
    offsets_ms: Option<Vec<Option<i32>>>,
    latitudes_e7: Vec<i32>,
    longitudes_e7: Vec<i32>,
    altitudes_mm: Option<Vec<Option<i32>>>,
}

impl Track {
    pub(super) fn of(points: &[RoutePoint]) -> Self {
        let started_at = points.iter().find_map(|point| point.at);
        // A point 24 days from the first one keeps its place and loses its time.
        let offset_ms = |point: &RoutePoint| {
            let offset = point.at?.duration_since(started_at?);
            i32::try_from(offset.as_millis()).ok()
        };
        let altitude_mm = |point: &RoutePoint| point.altitude_m.map(|m| fixed(m, PER_METRE));
        Self {
            started_at,
            offsets_ms: unless_empty(points.iter().map(offset_ms).collect()),
            latitudes_e7: points
                .iter()
                .map(|p| fixed(p.latitude, PER_DEGREE))
                .collect(),
            longitudes_e7: points
                .iter()
                .map(|p| fixed(p.longitude, PER_DEGREE))
                .collect(),
            altitudes_mm: unless_empty(points.iter().map(altitude_mm).collect()),
        }
    }

    /// Where its points lie: latitudes and longitudes.
    pub(super) fn places(&self) -> (&[i32], &[i32]) {
        (&self.latitudes_e7, &self.longitudes_e7)
    }

    pub(super) fn hash(&self) -> Hash {
        Fingerprint::default()
            .with(&self.started_at)
            .with(&self.offsets_ms)
            .with(&self.latitudes_e7)
            .with(&self.longitudes_e7)
            .with(&self.altitudes_mm)
            .finish()
    }

    /// Makes this the route of the workout.
    pub(super) async fn store(
        &self,
        tx: &mut Tx,
        connection: ConnectionId,
        record: RecordId,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO polar_sync.route
                (connection_id, record_id, started_at, offsets_ms, latitudes_e7, longitudes_e7, altitudes_mm)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (connection_id, record_id) DO UPDATE SET
                started_at = excluded.started_at, offsets_ms = excluded.offsets_ms,
                latitudes_e7 = excluded.latitudes_e7, longitudes_e7 = excluded.longitudes_e7,
                altitudes_mm = excluded.altitudes_mm",
            connection.0,
            record.0,
            self.started_at.map(jiff_sqlx::Timestamp::from) as _,
            self.offsets_ms.as_deref() as _,
            &self.latitudes_e7,
            &self.longitudes_e7,
            self.altitudes_mm.as_deref() as _,
        )
        .execute(tx.db())
        .await
        .map_err(StoreError::while_doing("store a route"))?;
        Ok(())
    }
}

/// A column of points, or none where no point has it.
fn unless_empty(column: Vec<Option<i32>>) -> Option<Vec<Option<i32>>> {
    column.iter().any(Option::is_some).then_some(column)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates beyond what is on Earth"
)]
fn fixed(value: f64, per_unit: f64) -> i32 {
    (value * per_unit).round() as i32
}
