//! The order of samples, and ranges of it.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::record::SeriesType;

/// The place of a sample in the order of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleKey {
    /// The instant, in microseconds since 1970.
    pub at_us: i64,
    /// The type.
    pub series: SeriesType,
    /// The record.
    pub record_id: Uuid,
    /// The chunk among those of the record.
    pub position: i32,
    /// The place in the chunk.
    pub index: u32,
}

impl SampleKey {
    /// The instant.
    pub fn at(&self) -> Timestamp {
        instant(self.at_us)
    }

    /// What is compared, in this order. The word of a type, so that a new type changes no order.
    fn parts(&self) -> (i64, &'static str, Uuid, i32, u32) {
        let Self {
            at_us,
            series,
            record_id,
            position,
            index,
        } = *self;
        (at_us, series.as_str(), record_id, position, index)
    }
}

impl Ord for SampleKey {
    fn cmp(&self, other: &Self) -> Ordering {
        // Most of the time the instant decides.
        self.at_us
            .cmp(&other.at_us)
            .then_with(|| self.parts().cmp(&other.parts()))
    }
}

impl PartialOrd for SampleKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The samples from an instant on until another, and between two keys.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRange {
    /// The first instant, in microseconds since 1970.
    pub from_us: i64,
    /// The first instant that no longer belongs to it.
    pub until_us: i64,
    /// Samples come after this key.
    pub after: Option<SampleKey>,
    /// Samples come before this key.
    pub before: Option<SampleKey>,
}

impl SampleRange {
    /// All samples between two instants, the first included.
    pub fn between(from: Timestamp, until: Timestamp) -> Self {
        Self {
            from_us: from.as_microsecond(),
            until_us: until.as_microsecond(),
            after: None,
            before: None,
        }
    }

    /// All samples of all time.
    pub fn all() -> Self {
        Self::between(Timestamp::MIN, Timestamp::MAX)
    }

    /// Whether a sample belongs to it.
    pub(super) fn contains(&self, key: &SampleKey) -> bool {
        (self.from_us..self.until_us).contains(&key.at_us)
            && self.after.is_none_or(|after| *key > after)
            && self.before.is_none_or(|before| *key < before)
    }

    /// The earliest instant that a sample of it may have.
    pub(super) fn first_us(&self) -> i64 {
        self.after
            .map_or(self.from_us, |after| after.at_us.max(self.from_us))
    }

    /// The latest instant that a sample of it may have.
    pub(super) fn last_us(&self) -> i64 {
        let last_us = self.until_us.saturating_sub(1);
        self.before
            .map_or(last_us, |before| before.at_us.min(last_us))
    }
}

/// An instant within the calendar.
pub(super) fn instant(us: i64) -> Timestamp {
    let end = if us < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_microsecond(us).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(at_us: i64, series: SeriesType, index: u32) -> SampleKey {
        SampleKey {
            at_us,
            series,
            record_id: Uuid::nil(),
            position: 0,
            index,
        }
    }

    #[test]
    fn instants_decide_first_and_words_next() {
        let sorted = [
            key(1, SeriesType::Steps, 0),
            key(2, SeriesType::Cadence, 9),
            key(2, SeriesType::HeartRate, 0),
            key(2, SeriesType::HeartRate, 1),
            key(3, SeriesType::AirPressure, 0),
        ];
        assert!(sorted.is_sorted());
    }

    #[test]
    fn a_range_holds_neither_of_its_keys() {
        let range = SampleRange {
            from_us: 1,
            until_us: 4,
            after: Some(key(2, SeriesType::HeartRate, 0)),
            before: Some(key(3, SeriesType::HeartRate, 2)),
        };
        assert!(!range.contains(&key(1, SeriesType::HeartRate, 0)));
        assert!(!range.contains(&key(2, SeriesType::HeartRate, 0)));
        assert!(range.contains(&key(2, SeriesType::HeartRate, 1)));
        assert!(range.contains(&key(3, SeriesType::HeartRate, 1)));
        assert!(!range.contains(&key(3, SeriesType::HeartRate, 2)));
        assert_eq!((range.first_us(), range.last_us()), (2, 3));
        let whole = SampleRange {
            after: None,
            before: None,
            ..range
        };
        assert!(!whole.contains(&key(4, SeriesType::HeartRate, 0)));
        assert_eq!((whole.first_us(), whole.last_us()), (1, 3));
    }
}
