//! Workouts whose parts a request wants and nobody stored yet.

use jiff::Timestamp;

use crate::model::{ConnectionId, Detail, Details, RecordId};

use super::{
    super::{Store, StoreError},
    part::PartState,
};

/// The most workouts that are told at once, the newest first; the rest is told when these are done.
const LACKING_MAX: i64 = 200;

/// A workout that lacks parts which Polar may still have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The workout.
    pub record_id: RecordId,
    /// Its id at `/v3/exercises`; `None` until that interface has told of it.
    pub polar_hashed_id: Option<String>,
    /// The wanted parts that are neither stored nor gone.
    pub missing: Details,
}

/// The workouts uploaded since an instant that lack any of the wanted parts.
pub async fn workouts_lacking(
    store: &Store,
    connection: ConnectionId,
    wanted: Details,
    uploaded_since: Timestamp,
) -> Result<Vec<Lacking>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT record_id AS "record_id: RecordId", polar_hashed_id,
            samples_state AS "samples_state: PartState", zones_state AS "zones_state: PartState",
            route_state AS "route_state: PartState", has_route
        FROM polar_sync.workout
        WHERE connection_id = $1 AND uploaded_at >= $2
            AND ($3 AND samples_state IN ('not_requested', 'absent')
                OR $4 AND zones_state IN ('not_requested', 'absent')
                OR $5 AND route_state IN ('not_requested', 'absent') AND has_route)
        ORDER BY uploaded_at DESC LIMIT $6"#,
        connection.0,
        jiff_sqlx::Timestamp::from(uploaded_since) as _,
        wanted.contains(Detail::Samples),
        wanted.contains(Detail::Zones),
        wanted.contains(Detail::Route),
        LACKING_MAX,
    )
    .fetch_all(store.pool())
    .await
    .map_err(StoreError::while_doing("look up missing parts"))?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let is_missing = |detail: &Detail| match detail {
                Detail::Samples => row.samples_state.may_come(),
                Detail::Zones => row.zones_state.may_come(),
                Detail::Route => row.route_state.may_come() && row.has_route,
            };
            Lacking {
                record_id: row.record_id,
                missing: wanted.iter().filter(is_missing).collect(),
                polar_hashed_id: row.polar_hashed_id,
            }
        })
        .collect())
}
