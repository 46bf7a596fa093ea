//! Heads of chunks: all of a chunk but its arrays.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    super::super::{Store, StoreError, records::SPAN_MAX},
    Direction, Selection, Subject, TAGGED_CHUNKS_MAX,
    key::instant,
};
use crate::model::{ConnectionId, UserId, record::SeriesType};

/// A chunk without its arrays.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkHead {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The record.
    pub record_id: Uuid,
    /// The place among the record's chunks.
    pub position: i32,
    /// What is measured.
    pub series: SeriesType,
    /// The instant of the first sample.
    pub started_at: Timestamp,
    /// The instant of the last sample.
    pub ended_at: Timestamp,
    /// Local time minus UTC.
    pub utc_offset_minutes: Option<i16>,
    /// Milliseconds between samples, where they stand in even distances.
    pub interval_ms: Option<i32>,
    /// What stored values are divided by.
    pub divisor: f64,
    /// The hash of all that is stored of it.
    pub content_hash: Vec<u8>,
    /// The device that measured: its name, else its id.
    pub device: Option<String>,
    /// The name of the device.
    pub device_name: Option<String>,
}

/// Which heads are read next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a> {
    /// The last one that was read.
    pub(super) last: Option<&'a ChunkHead>,
    pub(super) direction: Direction,
    pub(super) limit: i64,
}

/// Where heads are looked for: chunks that begin within the bounds and reach `ended_from`, between two keys of the
/// order of their begins.
struct Bounds {
    started_from: jiff_sqlx::Timestamp,
    started_to: jiff_sqlx::Timestamp,
    ended_from: jiff_sqlx::Timestamp,
    /// The begin, the record and the position of the head that the next ones come after, in their direction.
    last: (jiff_sqlx::Timestamp, Uuid, i32),
}

impl Bounds {
    fn of(selection: &Selection, batch: &Batch<'_>) -> Self {
        let first = earliest(instant(selection.range.first_us()));
        let started_from = earliest(first.checked_sub(SPAN_MAX).unwrap_or(first));
        let started_to = instant(selection.range.last_us());
        let last = match (batch.last, batch.direction) {
            (Some(head), _) => (head.started_at, head.record_id, head.position),
            // Before and after everything.
            (None, Direction::Forward) => (started_from, Uuid::nil(), -1),
            (None, Direction::Backward) => (started_to, Uuid::max(), i32::MAX),
        };
        Self {
            started_from: started_from.into(),
            started_to: started_to.into(),
            ended_from: first.into(),
            last: (last.0.into(), last.1, last.2),
        }
    }
}

/// An instant that Postgres has too.
fn earliest(at: Timestamp) -> Timestamp {
    const YEARS: SignedDuration = SignedDuration::from_hours(-24 * 365 * 4_000);
    let earliest = Timestamp::UNIX_EPOCH
        .checked_add(YEARS)
        .unwrap_or(Timestamp::UNIX_EPOCH);
    at.max(earliest)
}

macro_rules! heads {
    ($($from:literal)+; $($arg:expr),+) => {
        sqlx::query_as!(
            ChunkHead,
            r#"SELECT s.connection_id AS "connection_id!: ConnectionId", s.record_id AS "record_id!",
                s.position AS "position!", s.series AS "series!: SeriesType",
                s.started_at AS "started_at!: jiff_sqlx::Timestamp",
                s.ended_at AS "ended_at!: jiff_sqlx::Timestamp", s.utc_offset_minutes, s.interval_ms,
                s.divisor AS "divisor!", s.content_hash AS "content_hash!",
                COALESCE(w.device, w.device_id, n.device_id) AS device, w.device AS "device_name?"
            FROM "# $(+ $from)+,
            $($arg),+
        )
    };
}

// Of each connection and type the next ones by the index, and of those the next of all.
macro_rules! user_heads {
    ($direction:literal, $beyond:literal, $user_id:expr, $types:expr, $bounds:expr, $limit:expr) => {
        heads!(
            "polar_sync.connection c
            CROSS JOIN unnest($2::text[]) AS wanted (series)
            CROSS JOIN LATERAL (
                SELECT s.connection_id, s.record_id, s.position, s.series, s.started_at, s.ended_at,
                    s.utc_offset_minutes, s.interval_ms, s.divisor, s.content_hash
                FROM polar_sync.series s
                WHERE s.connection_id = c.connection_id AND s.series = wanted.series
                    AND s.started_at >= $3 AND s.started_at <= $4 AND s.ended_at >= $5
                    AND (s.started_at, s.record_id, s.position) " $beyond " ($6, $7, $8)
                ORDER BY s.started_at " $direction ", s.record_id " $direction ", s.position " $direction "
                LIMIT $9
            ) s
            LEFT JOIN polar_sync.workout w ON w.connection_id = s.connection_id AND w.record_id = s.record_id
            LEFT JOIN polar_sync.sleep n ON n.connection_id = s.connection_id AND n.record_id = s.record_id
            WHERE c.user_id = $1
            ORDER BY s.started_at " $direction ", s.record_id " $direction ", s.position " $direction " LIMIT $9";
            $user_id.as_str(),
            $types as _,
            $bounds.started_from as _,
            $bounds.started_to as _,
            $bounds.ended_from as _,
            $bounds.last.0 as _,
            $bounds.last.1,
            $bounds.last.2,
            $limit
        )
    };
}

impl Store {
    /// The heads that come next in a selection, in the order of their begins.
    pub(super) async fn chunk_heads(
        &self,
        selection: &Selection,
        batch: &Batch<'_>,
    ) -> Result<Vec<ChunkHead>, StoreError> {
        let failed = StoreError::while_doing("read heads of series");
        let types = words(&selection.types);
        let bounds = Bounds::of(selection, batch);
        match (&selection.subject, batch.direction) {
            (Subject::User(user_id), Direction::Forward) => {
                user_heads!("ASC", ">", user_id, types, bounds, batch.limit)
                    .fetch_all(self.pool())
                    .await
                    .map_err(failed)
            }
            (Subject::User(user_id), Direction::Backward) => {
                user_heads!("DESC", "<", user_id, types, bounds, batch.limit)
                    .fetch_all(self.pool())
                    .await
                    .map_err(failed)
            }
            (Subject::Record(connection_id, record_id), _) => {
                self.heads_of_record(*connection_id, *record_id, &types, batch)
                    .await
            }
        }
    }

    /// The heads of one record, in the order of their begins: records are only read forward.
    async fn heads_of_record(
        &self,
        connection_id: ConnectionId,
        record_id: Uuid,
        types: &[&str],
        batch: &Batch<'_>,
    ) -> Result<Vec<ChunkHead>, StoreError> {
        let last = batch.last.map(|head| (head.started_at, head.position));
        let (started_at, position) = last.unwrap_or((earliest(Timestamp::MIN), -1));
        heads!(
            "polar_sync.series s
            LEFT JOIN polar_sync.workout w ON w.connection_id = s.connection_id AND w.record_id = s.record_id
            LEFT JOIN polar_sync.sleep n ON n.connection_id = s.connection_id AND n.record_id = s.record_id
            WHERE s.connection_id = $1 AND s.record_id = $2 AND s.series = ANY ($3)
                AND (s.started_at, s.position) > ($4, $5)
            ORDER BY s.started_at, s.position LIMIT $6";
            connection_id.0,
            record_id,
            types as _,
            jiff_sqlx::Timestamp::from(started_at) as _,
            position,
            batch.limit
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read heads of a record's series"))
    }

    /// A hash of all that a reader of a selection sees, without reading samples. `None` where that is more than
    /// [`TAGGED_CHUNKS_MAX`] chunks.
    pub async fn samples_tag(
        &self,
        user_id: &UserId,
        selection: &Selection,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let first = Batch {
            last: None,
            direction: Direction::Forward,
            limit: TAGGED_CHUNKS_MAX,
        };
        let bounds = Bounds::of(selection, &first);
        let row = sqlx::query!(
            r#"SELECT count(*) AS "count!",
                sha256(string_agg(s.content_hash || uuid_send(s.record_id) || int4send(s.position)
                    || convert_to(jsonb_build_array(w.device, w.device_id, n.device_id)::text, 'UTF8'), ''
                    ORDER BY s.started_at, s.record_id, s.position)) AS hash
            FROM (
                SELECT s.connection_id, s.record_id, s.position, s.started_at, s.content_hash
                FROM polar_sync.connection c JOIN polar_sync.series s USING (connection_id)
                WHERE c.user_id = $1 AND s.series = ANY ($2)
                    AND s.started_at >= $3 AND s.started_at <= $4 AND s.ended_at >= $5
                LIMIT $6
            ) s
            LEFT JOIN polar_sync.workout w ON w.connection_id = s.connection_id AND w.record_id = s.record_id
            LEFT JOIN polar_sync.sleep n ON n.connection_id = s.connection_id AND n.record_id = s.record_id"#,
            user_id.as_str(),
            words(&selection.types) as _,
            bounds.started_from as _,
            bounds.started_to as _,
            bounds.ended_from as _,
            TAGGED_CHUNKS_MAX + 1
        )
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("tag samples"))?;
        let is_covered = row.count <= TAGGED_CHUNKS_MAX;
        Ok(is_covered.then(|| row.hash.unwrap_or_default()))
    }
}

fn words(types: &[SeriesType]) -> Vec<&'static str> {
    types.iter().map(|series| series.as_str()).collect()
}
