//! The rows of series: all chunks of a record in one statement.

use crate::model::{ConnectionId, RecordId, record::SampleTimes};

use super::{
    super::{StoreError, Tx},
    chunk::Chunk,
    encoding::Values,
};

/// Makes `chunks` the chunks of the record: writes those that differ, removes those that are gone,
/// and touches no others.
pub(super) async fn replace(
    tx: &mut Tx,
    connection: ConnectionId,
    record: RecordId,
    chunks: &[Chunk],
) -> Result<(), StoreError> {
    let columns = Columns::of(chunks);
    sqlx::query!(
        "WITH gone AS (
            DELETE FROM polar_sync.series
            WHERE connection_id = $1 AND record_id = $2 AND position >= cardinality($3::text[])
        )
        INSERT INTO polar_sync.series AS stored
            (connection_id, record_id, position, series, started_at, ended_at, utc_offset_minutes,
            interval_ms, offsets_ms, divisor, values_small, values_wide, values_single,
            values_double, content_hash)
        SELECT $1, $2, given.place - 1, given.series, given.started_at, given.ended_at,
            given.utc_offset_minutes, given.interval_ms,
            ($4::int4[])[given.offsets_from : given.offsets_from + given.length - 1], given.divisor,
            ($5::int2[])[given.small_from : given.small_from + given.length - 1],
            ($6::int4[])[given.wide_from : given.wide_from + given.length - 1],
            ($7::float4[])[given.single_from : given.single_from + given.length - 1],
            ($8::float8[])[given.double_from : given.double_from + given.length - 1],
            given.content_hash
        FROM unnest($3::text[], $9::timestamptz[], $10::timestamptz[], $11::int2[], $12::int4[],
                $13::float8[], $14::int4[], $15::int4[], $16::int4[], $17::int4[], $18::int4[],
                $19::int4[], $20::bytea[]) WITH ORDINALITY
            AS given (series, started_at, ended_at, utc_offset_minutes, interval_ms, divisor, length,
                offsets_from, small_from, wide_from, single_from, double_from, content_hash, place)
        ON CONFLICT (connection_id, record_id, position) DO UPDATE SET
            series = excluded.series, started_at = excluded.started_at,
            ended_at = excluded.ended_at, utc_offset_minutes = excluded.utc_offset_minutes,
            interval_ms = excluded.interval_ms, offsets_ms = excluded.offsets_ms,
            divisor = excluded.divisor, values_small = excluded.values_small,
            values_wide = excluded.values_wide, values_single = excluded.values_single,
            values_double = excluded.values_double, content_hash = excluded.content_hash
        WHERE stored.content_hash <> excluded.content_hash",
        connection.0,
        record.0,
        columns.series as _,
        &columns.offsets_ms,
        columns.small as _,
        columns.wide as _,
        columns.single as _,
        columns.double as _,
        columns.started_at as _,
        columns.ended_at as _,
        columns.utc_offset_minutes as _,
        columns.interval_ms as _,
        &columns.divisor,
        &columns.length,
        columns.offsets_from as _,
        columns.small_from as _,
        columns.wide_from as _,
        columns.single_from as _,
        columns.double_from as _,
        columns.content_hash as _,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("store series"))?;
    Ok(())
}

/// The chunks as one array a column. Postgres has no arrays of arrays of different lengths: the
/// samples of all chunks stand one after the other, and each chunk tells from where (from 1) and
/// how many are its own.
#[derive(Default)]
struct Columns<'a> {
    series: Vec<&'static str>,
    started_at: Vec<jiff_sqlx::Timestamp>,
    ended_at: Vec<jiff_sqlx::Timestamp>,
    utc_offset_minutes: Vec<Option<i16>>,
    interval_ms: Vec<Option<i32>>,
    divisor: Vec<f64>,
    length: Vec<i32>,
    content_hash: Vec<&'a [u8]>,
    offsets_from: Vec<Option<i32>>,
    offsets_ms: Vec<i32>,
    small_from: Vec<Option<i32>>,
    small: Vec<Option<i16>>,
    wide_from: Vec<Option<i32>>,
    wide: Vec<Option<i32>>,
    single_from: Vec<Option<i32>>,
    single: Vec<Option<f32>>,
    double_from: Vec<Option<i32>>,
    double: Vec<Option<f64>>,
}

impl<'a> Columns<'a> {
    fn of(chunks: &'a [Chunk]) -> Self {
        let mut columns = Self::default();
        for chunk in chunks {
            columns.push(chunk);
        }
        columns
    }

    fn push(&mut self, chunk: &'a Chunk) {
        self.series.push(chunk.series.as_str());
        self.started_at.push(chunk.started_at.into());
        self.ended_at.push(chunk.ended_at.into());
        self.utc_offset_minutes.push(chunk.utc_offset_minutes);
        self.content_hash.push(&chunk.content_hash);
        let (interval_ms, offsets_ms) = match &chunk.times {
            SampleTimes::Regular { interval_ms } => (Some(*interval_ms), None),
            SampleTimes::Offsets(offsets_ms) => (None, Some(offsets_ms.as_slice())),
        };
        self.interval_ms.push(interval_ms);
        self.offsets_from
            .push(append(&mut self.offsets_ms, offsets_ms));
        self.divisor.push(chunk.encoded.divisor);
        self.push_values(&chunk.encoded.values);
    }

    fn push_values(&mut self, values: &'a Values) {
        let (mut small, mut wide, mut single, mut double) = (None, None, None, None);
        let length = match values {
            Values::Small(values) => small.insert(values.as_slice()).len(),
            Values::Wide(values) => wide.insert(values.as_slice()).len(),
            Values::Single(values) => single.insert(values.as_slice()).len(),
            Values::Double(values) => double.insert(values.as_slice()).len(),
        };
        self.length.push(count(length));
        self.small_from.push(append(&mut self.small, small));
        self.wide_from.push(append(&mut self.wide, wide));
        self.single_from.push(append(&mut self.single, single));
        self.double_from.push(append(&mut self.double, double));
    }
}

/// Appends what there is, and tells where it begins.
fn append<T: Copy>(all: &mut Vec<T>, more: Option<&[T]>) -> Option<i32> {
    let from = count(all.len() + 1);
    all.extend_from_slice(more?);
    Some(from)
}

/// A number of samples. One record has far fewer than an `i32` holds: a body of 64 MiB ends before.
fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}
