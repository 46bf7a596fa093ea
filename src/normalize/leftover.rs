//! What of a record stays in its raw body only.

use super::Unreadable;
use crate::model::record::SeriesType;

/// A record, and what of its bodies could not be brought into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalized<T> {
    /// The record.
    pub record: T,
    /// To be reported; the record is good without them.
    pub leftovers: Vec<Leftover>,
}

/// A piece of a body that is kept raw, because no record has a place for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Leftover {
    /// A sample type that is not known here.
    #[error("sample type {id} is not known: a newer release may read it from the raw body")]
    UnknownSampleType {
        /// Polar's id of it.
        id: u16,
    },
    /// A series without a recording rate: nobody knows where its samples stand in time.
    #[error(
        "{series} has no recording rate, so its samples have no time: they stay in the raw body"
    )]
    NoRecordingRate {
        /// What is measured.
        series: SeriesType,
    },
    /// A piece that does not have the known form.
    #[error("{0}: it stays in the raw body")]
    Unreadable(#[from] Unreadable),
}
