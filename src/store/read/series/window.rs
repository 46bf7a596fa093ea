//! Windows of chunks: a part of their arrays, as they are stored.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    super::super::{Store, StoreError, records::Values},
    head::ChunkHead,
};

/// A part of a chunk that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Which of the open chunks it belongs to.
    pub(super) slot: usize,
    pub(super) head: Arc<ChunkHead>,
    /// The place of its first sample, from 0.
    pub(super) first: u32,
    /// How many samples it has at most.
    pub(super) length: u32,
}

/// A part of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// The place of its first sample, from 0.
    pub(super) first: u32,
    /// Milliseconds from the begin of the chunk, where samples do not stand in even distances.
    pub(super) offsets_ms: Option<Vec<i32>>,
    pub(super) values: Values,
}

impl Store {
    /// The windows that are wanted, in their order. `None` when a chunk is no longer what its head says.
    pub(super) async fn windows(
        &self,
        wanted: &[Wanted],
    ) -> Result<Option<Vec<Window>>, StoreError> {
        let place = |place: u32| i32::try_from(place).unwrap_or(i32::MAX);
        let connections: Vec<_> = wanted.iter().map(|w| w.head.connection_id.0).collect();
        let records: Vec<Uuid> = wanted.iter().map(|w| w.head.record_id).collect();
        let positions: Vec<_> = wanted.iter().map(|w| w.head.position).collect();
        let hashes: Vec<_> = wanted
            .iter()
            .map(|w| w.head.content_hash.as_slice())
            .collect();
        let firsts: Vec<_> = wanted
            .iter()
            .map(|w| place(w.first).saturating_add(1))
            .collect();
        let lasts: Vec<_> = wanted
            .iter()
            .map(|w| place(w.first.saturating_add(w.length)))
            .collect();
        let rows = sqlx::query!(
            r#"SELECT s.offsets_ms[g.first:g.last] AS "offsets_ms: Vec<i32>",
                s.values_small[g.first:g.last] AS "small: Vec<Option<i16>>",
                s.values_wide[g.first:g.last] AS "wide: Vec<Option<i32>>",
                s.values_single[g.first:g.last] AS "single: Vec<Option<f32>>",
                s.values_double[g.first:g.last] AS "double: Vec<Option<f64>>"
            FROM unnest($1::uuid[], $2::uuid[], $3::int4[], $4::bytea[], $5::int4[], $6::int4[]) WITH ORDINALITY
                AS g (connection_id, record_id, position, content_hash, first, last, place)
            JOIN polar_sync.series s USING (connection_id, record_id, position)
            WHERE s.content_hash = g.content_hash
            ORDER BY g.place"#,
            &connections,
            &records,
            &positions,
            hashes as _,
            &firsts,
            &lasts
        )
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::while_doing("read series"))?;
        if rows.len() != wanted.len() {
            return Ok(None);
        }
        let windows = rows.into_iter().zip(wanted).map(|(row, wanted)| {
            let small = row.small.map(Values::Small);
            let values = small
                .or(row.wide.map(Values::Wide))
                .or(row.single.map(Values::Single))
                .or(row.double.map(Values::Double));
            Window {
                first: wanted.first,
                offsets_ms: row.offsets_ms,
                values: values.unwrap_or(Values::Small(Vec::new())),
            }
        });
        Ok(Some(windows.collect()))
    }
}
