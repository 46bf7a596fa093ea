//! Chunks: a series cut into rows that a reader of a range can skip.

use jiff::{SignedDuration, Timestamp};

use crate::model::record::{SampleTimes, Series, SeriesType};

use super::{
    encoding::{Encoded, encode},
    fingerprint::{Fingerprint, Hash},
};

/// The most samples of a chunk: four hours at 1 Hz, so that a row stays well below 100 kB.
const SAMPLES_MAX: usize = 14_400;

/// The longest time between a chunk's first and last sample. `timeseries_between` relies on it, and
/// the table checks it. A day's hourly samples stay together, be it the longest day of the year.
const SPAN_MAX_MS: i64 = 26 * 60 * 60 * 1_000;

/// The same, for those who look for chunks.
pub(in crate::store) const SPAN_MAX: SignedDuration = SignedDuration::from_millis(SPAN_MAX_MS);

/// A chunk, as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    pub(super) series: SeriesType,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    pub(super) utc_offset_minutes: Option<i16>,
    pub(super) times: SampleTimes,
    pub(super) encoded: Encoded,
    pub(super) content_hash: Hash,
}

/// The chunks of every series, in order.
pub(super) fn chunks<'a>(series: impl IntoIterator<Item = &'a Series>) -> Vec<Chunk> {
    series
        .into_iter()
        .flat_map(|series| match &series.times {
            SampleTimes::Regular { interval_ms } => regular(series, *interval_ms),
            SampleTimes::Offsets(offsets_ms) => scattered(series, offsets_ms),
        })
        .collect()
}

/// The hash of all chunks of a record.
pub(super) fn hash_of(chunks: &[Chunk]) -> Hash {
    hash_of_hashes(chunks.iter().map(|chunk| chunk.content_hash.as_slice()))
}

/// The same of the hashes of all chunks, in order.
pub(super) fn hash_of_hashes<'a>(hashes: impl IntoIterator<Item = &'a [u8]>) -> Hash {
    let all = hashes
        .into_iter()
        .fold(Fingerprint::default(), Fingerprint::with);
    all.finish()
}

fn regular(series: &Series, interval_ms: i32) -> Vec<Chunk> {
    let step_ms = i64::from(interval_ms).max(1);
    let within_span = usize::try_from(SPAN_MAX_MS / step_ms + 1).unwrap_or(SAMPLES_MAX);
    let length = within_span.min(SAMPLES_MAX);
    let mut at_ms = 0;
    series
        .values
        .chunks(length)
        .map(|values| {
            let steps = i64::try_from(values.len()).unwrap_or_default();
            let chunk = Place {
                from_ms: at_ms,
                to_ms: at_ms + (steps - 1) * step_ms,
            };
            at_ms += steps * step_ms;
            let times = SampleTimes::Regular {
                interval_ms: interval_ms.max(1),
            };
            chunk.holding(series, times, values)
        })
        .collect()
}

fn scattered(series: &Series, offsets_ms: &[i32]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut rest = offsets_ms.get(..series.values.len()).unwrap_or(offsets_ms);
    let mut values = series.values.as_slice();
    while let Some(first) = rest.first() {
        let mut place = Place::at(*first);
        let length = rest
            .iter()
            .take(SAMPLES_MAX)
            .take_while(|offset_ms| place.reach(**offset_ms))
            .count();
        let (here, later) = rest.split_at(length);
        let (held, values_later) = values.split_at(length);
        chunks.push(place.holding(series, place.relative(here), held));
        (rest, values) = (later, values_later);
    }
    chunks
}

/// Where a chunk lies, in milliseconds from the start of its series.
#[derive(Debug, Clone, Copy)]
struct Place {
    from_ms: i64,
    to_ms: i64,
}

impl Place {
    fn at(offset_ms: i32) -> Self {
        Self {
            from_ms: offset_ms.into(),
            to_ms: offset_ms.into(),
        }
    }

    /// Extends the chunk to this offset, unless it would become too long.
    fn reach(&mut self, offset_ms: i32) -> bool {
        let from_ms = self.from_ms.min(offset_ms.into());
        let to_ms = self.to_ms.max(offset_ms.into());
        let fits = to_ms - from_ms <= SPAN_MAX_MS;
        if fits {
            *self = Self { from_ms, to_ms };
        }
        fits
    }

    /// Offsets from the start of the series as offsets from the start of the chunk.
    fn relative(self, offsets_ms: &[i32]) -> SampleTimes {
        let relative = |offset_ms: &i32| {
            // Within the span, which an i32 holds.
            i32::try_from(i64::from(*offset_ms) - self.from_ms).unwrap_or_default()
        };
        SampleTimes::Offsets(offsets_ms.iter().map(relative).collect())
    }

    fn holding(self, series: &Series, times: SampleTimes, values: &[Option<f64>]) -> Chunk {
        let started_at = plus_ms(series.started_at, self.from_ms);
        let encoded = encode(series.series, values);
        let hash = Fingerprint::default()
            .with(series.series.as_str())
            .with(&started_at)
            .with(&series.utc_offset_minutes);
        let hash = match &times {
            SampleTimes::Regular { interval_ms } => hash.with(interval_ms),
            SampleTimes::Offsets(offsets_ms) => hash.with(offsets_ms),
        };
        Chunk {
            series: series.series,
            started_at,
            ended_at: plus_ms(series.started_at, self.to_ms),
            utc_offset_minutes: series.utc_offset_minutes,
            times,
            content_hash: hash.with(&encoded).finish(),
            encoded,
        }
    }
}

/// The instant `ms` after `at`, or the last one of the calendar.
fn plus_ms(at: Timestamp, ms: i64) -> Timestamp {
    let end = if ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    at.checked_add(SignedDuration::from_millis(ms))
        .unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(times: SampleTimes, length: usize) -> Series {
        Series {
            series: SeriesType::HeartRate,
            started_at: Timestamp::UNIX_EPOCH,
            utc_offset_minutes: Some(60),
            times,
            values: vec![Some(60.0); length],
        }
    }

    /// The instants of all samples, in milliseconds.
    fn instants(chunks: &[Chunk]) -> Vec<i64> {
        let of = |chunk: &Chunk| -> Vec<i64> {
            let from = chunk.started_at.as_millisecond();
            match &chunk.times {
                SampleTimes::Regular { interval_ms } => {
                    let last = chunk.ended_at.as_millisecond();
                    let step = usize::try_from(*interval_ms).unwrap();
                    (from..=last).step_by(step).collect()
                }
                SampleTimes::Offsets(offsets) => {
                    offsets.iter().map(|o| from + i64::from(*o)).collect()
                }
            }
        };
        chunks.iter().flat_map(of).collect()
    }

    fn is_bounded(chunk: &Chunk) -> bool {
        let span = chunk.ended_at.duration_since(chunk.started_at).as_millis();
        (0..=i128::from(SPAN_MAX_MS)).contains(&span)
    }

    #[test]
    fn nine_hours_at_one_hertz_are_three_chunks() {
        let chunks = chunks(&[series(SampleTimes::Regular { interval_ms: 1_000 }, 32_400)]);
        assert_eq!(chunks.len(), 3);
        assert_eq!(
            instants(&chunks),
            (0..32_400).map(|s| s * 1_000).collect::<Vec<_>>()
        );
    }

    #[test]
    fn an_interval_of_nothing_is_taken_as_the_shortest() {
        let chunks = chunks(&[series(SampleTimes::Regular { interval_ms: 0 }, 3)]);
        assert_eq!(instants(&chunks), [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn no_sample_moves_and_no_chunk_is_too_long(
            offsets in proptest::collection::vec(any::<i32>(), 1..40),
            sorted in any::<bool>(),
        ) {
            let mut offsets = offsets;
            if sorted {
                offsets.sort_unstable();
            }
            let expected: Vec<_> = offsets.iter().map(|o| i64::from(*o)).collect();
            let chunks = chunks(&[series(SampleTimes::Offsets(offsets), expected.len())]);
            prop_assert!(chunks.iter().all(is_bounded));
            prop_assert_eq!(instants(&chunks), expected);
        }

        #[test]
        fn no_regular_sample_moves_either(interval_ms in 1..200_000_000, length in 1_usize..60) {
            let chunks = chunks(&[series(SampleTimes::Regular { interval_ms }, length)]);
            let expected: Vec<_> = (0..length)
                .map(|place| i64::try_from(place).unwrap() * i64::from(interval_ms))
                .collect();
            prop_assert!(chunks.iter().all(is_bounded));
            prop_assert_eq!(instants(&chunks), expected);
        }
    }
}
