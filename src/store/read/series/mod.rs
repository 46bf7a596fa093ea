//! Samples, read from the arrays of their chunks.
//!
//! Heads of chunks come first: a bounded batch at a time, without arrays. The [`merge`] of the chunks asks for windows
//! of their arrays when it needs them, and gives one sample after the other, in one order for all records, types and
//! connections of a user: by instant, type, record, chunk and place in the chunk. That key is unique and does not
//! change unless the data does, so a page can end anywhere.
//!
//! A connection of the pool is held for the time of one statement only: whoever reads slowly holds none. What changes
//! between two statements is noticed by the hashes of the chunks.

mod head;
mod key;
mod merge;
mod open;
mod window;

pub use head::ChunkHead;
pub use key::{SampleKey, SampleRange};

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::super::{Store, StoreError};
use crate::model::{ConnectionId, UserId, record::SeriesType};
use head::Batch;
use merge::{Merge, Step};

/// Heads of chunks that are read at a time.
const HEADS_BATCH: i64 = 128;

/// The most chunks that a tag covers: a range with more has none.
pub const TAGGED_CHUNKS_MAX: i64 = 4_096;

/// Which way samples are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The oldest first.
    Forward,
    /// The newest first.
    Backward,
}

/// Whose samples are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// All of a user.
    User(UserId),
    /// Those of one record.
    Record(ConnectionId, Uuid),
}

/// Which samples are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Whose.
    pub subject: Subject,
    /// Of these types.
    pub types: Vec<SeriesType>,
    /// Within this range.
    pub range: SampleRange,
}

/// A sample.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its place in the order of all.
    pub key: SampleKey,
    /// The value, in the unit of its type.
    pub value: f64,
    /// The chunk that it is from.
    pub head: Arc<ChunkHead>,
}

impl Sample {
    /// Its instant.
    pub fn at(&self) -> Timestamp {
        self.key.at()
    }
}

/// Samples cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A statement failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sync replaced them meanwhile.
    #[error("the samples changed while they were read")]
    Changed,
}

/// Reads samples one after the other.
#[derive(Debug)]
pub struct SampleReader {
    store: Store,
    selection: Selection,
    direction: Direction,
    merge: Merge,
    last_head: Option<Arc<ChunkHead>>,
}

impl SampleReader {
    /// A reader of these samples. Nothing is read before it is asked.
    pub fn new(store: Store, selection: Selection, direction: Direction) -> Self {
        Self {
            store,
            merge: Merge::new(selection.range, direction),
            selection,
            direction,
            last_head: None,
        }
    }

    /// The next sample.
    pub async fn next(&mut self) -> Result<Option<Sample>, ReadError> {
        loop {
            match self.merge.step() {
                Step::Sample(sample) => return Ok(Some(sample)),
                Step::End => return Ok(None),
                Step::NeedsHeads => self.read_heads().await?,
                Step::NeedsWindows(wanted) => {
                    let windows = self.store.windows(&wanted).await?;
                    let windows = windows.ok_or(ReadError::Changed)?;
                    self.merge.add_windows(&wanted, windows);
                }
            }
        }
    }

    async fn read_heads(&mut self) -> Result<(), ReadError> {
        let batch = Batch {
            last: self.last_head.as_deref(),
            direction: self.direction,
            limit: HEADS_BATCH,
        };
        let heads = self.store.chunk_heads(&self.selection, &batch).await?;
        let is_last = i64::try_from(heads.len()).is_ok_and(|length| length < HEADS_BATCH);
        let heads: Vec<_> = heads.into_iter().map(Arc::new).collect();
        self.last_head = heads.last().cloned().or(self.last_head.take());
        self.merge.add_heads(heads, is_last);
        Ok(())
    }
}
