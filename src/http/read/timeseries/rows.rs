//! The rows of a call: samples, or buckets of them, one after the other.

use super::bucket::Buckets;
use crate::{
    model::Resolution,
    store::{
        Store,
        read::series::{Direction, ReadError, Sample, SampleKey, SampleReader, Selection},
    },
};

/// The rows between two others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) after: Option<SampleKey>,
    pub(super) before: Option<SampleKey>,
}

impl Span {
    fn contains(&self, key: &SampleKey) -> bool {
        self.after.is_none_or(|after| *key > after)
            && self.before.is_none_or(|before| *key < before)
    }
}

/// Reads rows.
#[derive(Debug)]
pub(super) struct Rows {
    reader: SampleReader,
    buckets: Option<Buckets>,
    span: Span,
    is_read: bool,
}

impl Rows {
    pub(super) fn new(
        store: &Store,
        selection: Selection,
        resolution: Resolution,
        span: Span,
        direction: Direction,
    ) -> Self {
        Self {
            reader: SampleReader::new(store.clone(), selection, direction),
            buckets: Buckets::of(resolution, direction),
            span,
            is_read: false,
        }
    }

    /// The next row.
    pub(super) async fn next(&mut self) -> Result<Option<Sample>, ReadError> {
        let Some(buckets) = &mut self.buckets else {
            return self.reader.next().await;
        };
        loop {
            while let Some(row) = buckets.next() {
                if self.span.contains(&row.key) {
                    return Ok(Some(row));
                }
            }
            if self.is_read {
                return Ok(None);
            }
            if let Some(sample) = self.reader.next().await? {
                buckets.add(sample);
            } else {
                buckets.close();
                self.is_read = true;
            }
        }
    }

    /// How many rows there are from here on.
    pub(super) async fn count(mut self) -> Result<i64, ReadError> {
        let mut count = 0;
        while self.next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}
