//! Resolutions: samples put into buckets of time, aligned to UTC. Pure.

use std::{collections::VecDeque, sync::Arc};

use uuid::Uuid;

use super::rows::Span;
use crate::{
    model::{Resolution, record::SeriesType},
    store::read::series::{ChunkHead, Direction, Sample, SampleKey, SampleRange},
};

/// Microseconds of a minute.
const MINUTE_US: i64 = 60 * 1_000_000;

impl Resolution {
    /// How long a bucket is.
    const fn width_us(self) -> Option<i64> {
        match self {
            Self::Raw => None,
            Self::OneMinute => Some(MINUTE_US),
            Self::FiveMinutes => Some(5 * MINUTE_US),
            Self::FifteenMinutes => Some(15 * MINUTE_US),
            Self::OneHour => Some(60 * MINUTE_US),
        }
    }

    /// The samples that the rows of a span are made of.
    pub(super) fn samples_of(self, range: SampleRange, span: Span) -> SampleRange {
        let Some(width_us) = self.width_us() else {
            return SampleRange {
                after: span.after,
                before: span.before,
                ..range
            };
        };
        // Whole buckets: the rows of other types of the same bucket are left out later.
        let from_us = span.after.map_or(i64::MIN, |after| after.at_us);
        let until_us = span
            .before
            .map_or(i64::MAX, |before| before.at_us.saturating_add(width_us));
        SampleRange {
            from_us: range.from_us.max(from_us),
            until_us: range.until_us.min(until_us),
            ..range
        }
    }
}

/// What is known of one type in the bucket that is being filled.
#[derive(Debug)]
struct Tally {
    sum: f64,
    count: f64,
    /// The chunk of the first sample.
    head: Arc<ChunkHead>,
}

/// Buckets that are being filled, and rows of those that are full.
#[derive(Debug)]
pub(super) struct Buckets {
    width_us: i64,
    direction: Direction,
    begin_us: i64,
    tallies: Vec<Tally>,
    rows: VecDeque<Sample>,
}

impl Buckets {
    /// Buckets of a resolution; `None` for samples as they are.
    pub(super) fn of(resolution: Resolution, direction: Direction) -> Option<Self> {
        Some(Self {
            width_us: resolution.width_us()?,
            direction,
            begin_us: i64::MIN,
            tallies: Vec::new(),
            rows: VecDeque::new(),
        })
    }

    /// Adds the next sample, in the order of the direction.
    pub(super) fn add(&mut self, sample: Sample) {
        let begin_us = sample.key.at_us.div_euclid(self.width_us) * self.width_us;
        if begin_us != self.begin_us {
            self.close();
            self.begin_us = begin_us;
        }
        let series = sample.key.series;
        match self.tallies.iter_mut().find(|t| t.head.series == series) {
            Some(tally) => {
                tally.sum += sample.value;
                tally.count += 1.0;
            }
            None => self.tallies.push(Tally {
                sum: sample.value,
                count: 1.0,
                head: sample.head,
            }),
        }
    }

    /// Makes rows of the bucket that is being filled.
    pub(super) fn close(&mut self) {
        self.tallies.sort_by_key(|tally| tally.head.series.as_str());
        if self.direction == Direction::Backward {
            self.tallies.reverse();
        }
        let at_us = self.begin_us;
        self.rows.extend(self.tallies.drain(..).map(|tally| Sample {
            key: SampleKey {
                at_us,
                series: tally.head.series,
                // One row a bucket and type.
                record_id: Uuid::nil(),
                position: 0,
                index: 0,
            },
            value: match tally.head.series {
                SeriesType::Steps => tally.sum,
                _ => tally.sum / tally.count,
            },
            head: tally.head,
        }));
    }

    /// The next row that is complete.
    pub(super) fn next(&mut self) -> Option<Sample> {
        self.rows.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::ConnectionId;

    fn sample(second: i64, series: SeriesType, value: f64) -> Sample {
        let head = ChunkHead {
            connection_id: ConnectionId::new(),
            record_id: Uuid::new_v4(),
            position: 0,
            series,
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: Timestamp::UNIX_EPOCH,
            utc_offset_minutes: None,
            interval_ms: Some(1_000),
            divisor: 1.0,
            content_hash: Vec::new(),
            device: None,
            device_name: None,
        };
        Sample {
            key: SampleKey {
                at_us: second * 1_000_000,
                series,
                record_id: head.record_id,
                position: 0,
                index: 0,
            },
            value,
            head: Arc::new(head),
        }
    }

    fn rows(direction: Direction, samples: Vec<Sample>) -> Vec<(i64, &'static str, f64)> {
        let mut buckets = Buckets::of(Resolution::OneMinute, direction).unwrap();
        for sample in samples {
            buckets.add(sample);
        }
        buckets.close();
        std::iter::from_fn(|| buckets.next())
            .map(|row| {
                (
                    row.key.at_us / 1_000_000,
                    row.key.series.as_str(),
                    row.value,
                )
            })
            .collect()
    }

    #[test]
    fn values_are_averaged_and_counts_are_summed() {
        use SeriesType::{HeartRate, Steps};
        let samples = vec![
            sample(-1, HeartRate, 50.0),
            sample(0, Steps, 7.0),
            sample(0, HeartRate, 60.0),
            sample(59, HeartRate, 70.0),
            sample(59, Steps, 5.0),
            sample(120, HeartRate, 80.0),
        ];
        let expected = vec![
            (-60, "heart_rate", 50.0),
            (0, "heart_rate", 65.0),
            (0, "steps", 12.0),
            (120, "heart_rate", 80.0),
        ];
        assert_eq!(rows(Direction::Forward, samples.clone()), expected);
        let reversed = samples.into_iter().rev().collect();
        let expected: Vec<_> = expected.into_iter().rev().collect();
        assert_eq!(rows(Direction::Backward, reversed), expected);
    }

    #[test]
    fn a_page_of_buckets_is_made_of_whole_buckets() {
        let range = SampleRange {
            from_us: 0,
            until_us: 10 * MINUTE_US,
            after: None,
            before: None,
        };
        let key = |at_us| Some(sample(at_us / 1_000_000, SeriesType::Steps, 1.0).key);
        let span = Span {
            after: key(2 * MINUTE_US),
            before: key(4 * MINUTE_US),
        };
        let samples = Resolution::OneMinute.samples_of(range, span);
        assert_eq!(
            samples.from_us..samples.until_us,
            2 * MINUTE_US..5 * MINUTE_US
        );
        assert_eq!((samples.after, samples.before), (None, None));
        let raw = Resolution::Raw.samples_of(range, span);
        assert_eq!((raw.after, raw.before), (span.after, span.before));
    }
}
