//! Strays: rows of a record whose own row is lost. Where the record is stored again, it takes the id that
//! they have, and they are its own again; under another id, readers would see them twice.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{
    super::{Store, StoreError, Tx},
    Revision,
    chunk::Chunk,
    route::Track,
};
use crate::model::{ConnectionId, RecordId, record::Zone};

/// By what the rows of a record are known, whatever its id.
#[derive(Debug, Default)]
pub(super) struct Traces<'a> {
    pub(super) chunks: &'a [Chunk],
    pub(super) zones: &'a [Zone],
    pub(super) route: Option<&'a Track>,
    /// When the first stage of a night begins.
    pub(super) first_stage: Option<Timestamp>,
    /// When the first zone sample of a day was.
    pub(super) first_zone: Option<Timestamp>,
}

impl Traces<'_> {
    fn is_none(&self) -> bool {
        self.chunks.is_empty()
            && self.zones.is_empty()
            && self.route.is_none()
            && self.first_stage.is_none()
            && self.first_zone.is_none()
    }
}

impl Revision {
    /// The revision under the id that rows of the lost record still have, if this is a first one of a
    /// transaction that adopts them.
    pub(super) async fn adopted(
        self,
        tx: &mut Tx,
        connection: ConnectionId,
        traces: &Traces<'_>,
    ) -> Result<Self, StoreError> {
        if self.number != 1 || traces.is_none() {
            return Ok(self);
        }
        let Some(at) = tx.adopts_at() else {
            return Ok(self);
        };
        let stray = find(tx, connection, traces).await?;
        Ok(stray.map_or(self, |record_id| Self {
            record_id,
            number: later_than_any(at),
        }))
    }
}

/// A revision that is later than any of a lost row, which is not known: no record has as many as there
/// are minutes since 1970.
fn later_than_any(at: Timestamp) -> i32 {
    i32::try_from(at.as_second() / 60).unwrap_or(i32::MAX)
}

/// The stray that has most in common with the record: what begins when it does, else nothing but equal
/// zones.
async fn find(
    tx: &mut Tx,
    connection: ConnectionId,
    traces: &Traces<'_>,
) -> Result<Option<RecordId>, StoreError> {
    let chunks = traces.chunks.iter();
    let (series, starts): (Vec<_>, Vec<_>) = chunks
        .map(|chunk| (chunk.series.as_str().to_owned(), chunk.started_at.to_sqlx()))
        .unzip();
    let zones = traces.zones.iter();
    let (lower, seconds): (Vec<_>, Vec<_>) =
        zones.map(|zone| (zone.lower_bpm, zone.in_zone_s)).unzip();
    let (latitudes, longitudes) = traces.route.map(Track::places).unzip();
    sqlx::query_scalar!(
        r#"SELECT record_id AS "record_id!: RecordId" FROM (
            SELECT record_id, 1 AS rank FROM polar_sync.series
            WHERE connection_id = $1 AND (series, started_at) IN (
                SELECT * FROM unnest($2::text[], $3::timestamptz[]))
            UNION ALL
            SELECT record_id, 1 FROM polar_sync.sleep_stage
            WHERE connection_id = $1 AND position = 0 AND start_at = $4
            UNION ALL
            SELECT record_id, 1 FROM polar_sync.activity_zone_sample
            WHERE connection_id = $1 AND starts_at[1] = $5
            UNION ALL
            SELECT record_id, 1 FROM polar_sync.route
            WHERE connection_id = $1 AND latitudes_e7 = $6 AND longitudes_e7 = $7
            UNION ALL
            SELECT record_id, 2 FROM polar_sync.workout_zone WHERE connection_id = $1
            GROUP BY record_id
            HAVING array_agg(lower_bpm ORDER BY zone_index) = $8::int2[]
                AND array_agg(in_zone_s ORDER BY zone_index) = $9::float8[]
                AND record_id NOT IN (SELECT record_id FROM polar_sync.series WHERE connection_id = $1
                    UNION ALL SELECT record_id FROM polar_sync.route WHERE connection_id = $1)
        ) AS alike
        WHERE record_id NOT IN (
            SELECT record_id FROM polar_sync.workout WHERE connection_id = $1
            UNION ALL SELECT record_id FROM polar_sync.sleep WHERE connection_id = $1
            UNION ALL SELECT record_id FROM polar_sync.nightly_recharge WHERE connection_id = $1
            UNION ALL SELECT record_id FROM polar_sync.daily_activity WHERE connection_id = $1)
        GROUP BY record_id ORDER BY min(rank), count(*) DESC, record_id LIMIT 1"#,
        connection.0,
        &series,
        &starts as _,
        traces.first_stage.map(ToSqlx::to_sqlx) as _,
        traces.first_zone.map(ToSqlx::to_sqlx) as _,
        latitudes as _,
        longitudes as _,
        &lower,
        &seconds,
    )
    .fetch_optional(tx.db())
    .await
    .map_err(StoreError::while_doing("look for rows of a lost record"))
}

impl Store {
    /// How many lost records still have rows: samples, zones, stages or a route of nobody.
    pub async fn strays(&self, connection: ConnectionId) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM (
                SELECT record_id FROM polar_sync.series WHERE connection_id = $1
                UNION SELECT record_id FROM polar_sync.workout_zone WHERE connection_id = $1
                UNION SELECT record_id FROM polar_sync.route WHERE connection_id = $1
                UNION SELECT record_id FROM polar_sync.sleep_stage WHERE connection_id = $1
                UNION SELECT record_id FROM polar_sync.activity_zone_sample WHERE connection_id = $1
            ) AS rows
            WHERE record_id NOT IN (
                SELECT record_id FROM polar_sync.workout WHERE connection_id = $1
                UNION ALL SELECT record_id FROM polar_sync.sleep WHERE connection_id = $1
                UNION ALL SELECT record_id FROM polar_sync.nightly_recharge WHERE connection_id = $1
                UNION ALL SELECT record_id FROM polar_sync.daily_activity WHERE connection_id = $1)"#,
            connection.0,
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("look for rows of lost records"))
    }
}
