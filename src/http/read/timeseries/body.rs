//! The bodies of answers: a page, and lines.

use super::{
    super::{
        super::{
            error::Answered,
            page::{Metadata, Pagination, Place},
        },
        pieces::{PIECE_BYTES, Pieces},
    },
    SampleWriter, append,
    query::Query,
    rows::{Rows, Span},
};
use crate::store::{
    Store,
    read::series::{Direction, ReadError, SampleKey},
};

/// Writes all rows, each as a line.
pub(super) struct LinesBody {
    rows: Rows,
    writer: SampleWriter,
}

impl LinesBody {
    pub(super) fn new(rows: Rows) -> Self {
        Self {
            rows,
            writer: SampleWriter::default(),
        }
    }
}

impl Pieces for LinesBody {
    async fn write(&mut self, out: &mut Vec<u8>) -> Answered<bool> {
        while out.len() < PIECE_BYTES {
            let Some(sample) = self.rows.next().await? else {
                return Ok(false);
            };
            self.writer.write(out, &sample)?;
            out.push(b'\n');
        }
        Ok(true)
    }
}

/// Writes a page.
pub(super) struct PageBody {
    query: Query,
    rows: Rows,
    writer: SampleWriter,
    has_previous: bool,
    total: Option<i64>,
    written: usize,
    first: Option<SampleKey>,
    last: Option<SampleKey>,
    is_begun: bool,
}

impl PageBody {
    /// Finds where the page begins.
    pub(super) async fn begin(store: &Store, query: Query) -> Answered<Self> {
        let total = if query.is_counted {
            Some(query.rows(store).count().await?)
        } else {
            None
        };
        let (span, has_previous) = match &query.place {
            None => (Span::default(), false),
            Some(Place::After(key)) => {
                let span = Span {
                    after: Some(*key),
                    before: None,
                };
                (span, true)
            }
            Some(Place::Before(key)) => {
                let after = before_page(store, &query, *key).await?;
                let span = Span {
                    after,
                    before: Some(*key),
                };
                (span, after.is_some())
            }
        };
        Ok(Self {
            rows: query.rows_of(store, span, Direction::Forward),
            query,
            writer: SampleWriter::default(),
            has_previous,
            total,
            written: 0,
            first: None,
            last: None,
            is_begun: false,
        })
    }

    async fn write_end(&mut self, out: &mut Vec<u8>) -> Answered<()> {
        let has_more = match self.query.place {
            Some(Place::Before(_)) => true,
            _ => self.written == self.query.limit && self.rows.next().await?.is_some(),
        };
        let next = self.last.filter(|_| has_more);
        let previous = self.first.filter(|_| self.has_previous);
        let pagination = Pagination {
            next_cursor: next.map(|key| self.query.cursor(&Place::After(key))),
            previous_cursor: previous.map(|key| self.query.cursor(&Place::Before(key))),
            has_more: next.is_some(),
            total_count: self.total,
        };
        let metadata = Metadata {
            resolution: Some(self.query.resolution.as_str()),
            sample_count: self.written,
            start_time: Some(self.query.range.from),
            end_time: self.query.range.until,
        };
        out.extend(b"],\"pagination\":");
        append(out, &pagination)?;
        out.extend(b",\"metadata\":");
        append(out, &metadata)?;
        out.push(b'}');
        Ok(())
    }
}

impl Pieces for PageBody {
    async fn write(&mut self, out: &mut Vec<u8>) -> Answered<bool> {
        if !self.is_begun {
            out.extend(b"{\"data\":[");
            self.is_begun = true;
        }
        while out.len() < PIECE_BYTES {
            let row = if self.written < self.query.limit {
                self.rows.next().await?
            } else {
                None
            };
            let Some(row) = row else {
                self.write_end(out).await?;
                return Ok(false);
            };
            if self.written > 0 {
                out.push(b',');
            }
            self.writer.write(out, &row)?;
            self.first.get_or_insert(row.key);
            self.last = Some(row.key);
            self.written += 1;
        }
        Ok(true)
    }
}

/// The row that comes before the page that ends before `key`; `None` when the page is the first one.
async fn before_page(
    store: &Store,
    query: &Query,
    key: SampleKey,
) -> Result<Option<SampleKey>, ReadError> {
    let span = Span {
        after: None,
        before: Some(key),
    };
    let mut rows = query.rows_of(store, span, Direction::Backward);
    for _ in 0..query.limit {
        if rows.next().await?.is_none() {
            return Ok(None);
        }
    }
    Ok(rows.next().await?.map(|row| row.key))
}
