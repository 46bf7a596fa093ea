//! Sample series of a workout.
//!
//! A position is never dropped: what stands at it is a value or a gap. A gap is an empty entry, the
//! word null in any case, a number that is not finite (a sensor's way of saying nothing), or a number
//! that the quantity cannot have, such as a heart rate of 0 or a speed of -1. Any other word means
//! that the format is not understood, and the series stays in the raw body.

use jiff::Timestamp;

use super::{
    Leftover, Unreadable,
    leftover::{Piece, Reason},
    number::rounded,
};
use crate::{
    accesslink::wire,
    model::record::{SampleTimes, Series, SeriesType},
};

/// Samples of one series: more than two days at one a second.
pub const SAMPLE_LIMIT: usize = 200_000;

/// Longest time between two samples, in milliseconds: an hour.
const INTERVAL_MAX_MS: i32 = 3_600_000;

/// Polar's speed is in kilometres an hour, ours in metres a second.
const KM_PER_H_IN_ONE_M_PER_S: f64 = 3.6;

/// Normalizes every series of a workout that starts at `started_at`. What has no place among them is
/// returned beside them, named.
pub fn sample_series(
    samples: &[wire::SampleSeries],
    started_at: Timestamp,
    utc_offset_minutes: Option<i16>,
) -> (Vec<Series>, Vec<Leftover>) {
    let mut all: Vec<Series> = Vec::new();
    let mut leftovers = Vec::new();
    for (position, sample) in samples.iter().enumerate() {
        let read = read(sample, position).and_then(|read| once(read, &all, position));
        match read {
            Ok(Some((series, times, values))) => all.push(Series {
                series,
                started_at,
                utc_offset_minutes,
                times,
                values,
            }),
            Ok(None) => {}
            Err(reason) => leftovers.push(Leftover {
                piece: Piece::Series(position),
                reason,
            }),
        }
    }
    (all, leftovers)
}

/// What is measured, where its samples stand, and what stands there.
type Samples = (SeriesType, SampleTimes, Vec<Option<f64>>);

/// `None` when there are no samples: then it does not matter that there is no rate either.
fn read(sample: &wire::SampleSeries, position: usize) -> Result<Option<Samples>, Reason> {
    let path = || format!("samples[{position}].data");
    let series = series_type(&sample.sample_type, position)?;
    let values = values(sample.data.as_deref().unwrap_or_default(), series, path)?;
    if values.is_empty() {
        return Ok(None);
    }
    let times = if series == SeriesType::RrInterval {
        SampleTimes::Offsets(
            beats(&values)
                .ok_or_else(|| Unreadable::new(path(), "intervals that end within 24 days"))?,
        )
    } else {
        SampleTimes::Regular {
            interval_ms: interval_ms(sample.recording_rate)
                .ok_or(Reason::NoRecordingRate { series })?,
        }
    };
    Ok(Some((series, times, values)))
}

/// A workout has one series of a type; nobody knows what a second one would mean.
fn once(
    read: Option<Samples>,
    known: &[Series],
    position: usize,
) -> Result<Option<Samples>, Reason> {
    match read {
        Some((series, ..)) if known.iter().any(|known| known.series == series) => {
            let path = format!("samples[{position}].sample_type");
            Err(Unreadable::new(path, "a type that no other series has").into())
        }
        read => Ok(read),
    }
}

/// The type that Polar's id stands for.
fn series_type(sample_type: &str, position: usize) -> Result<SeriesType, Reason> {
    let id = sample_type.trim().parse().map_err(|_| {
        let path = format!("samples[{position}].sample_type");
        Unreadable::new(path, "the number of a sample type")
    })?;
    Ok(match id {
        0 => SeriesType::HeartRate,
        1 => SeriesType::Speed,
        2 => SeriesType::Cadence,
        3 => SeriesType::Elevation,
        4 => SeriesType::Power,
        5 => SeriesType::PedallingIndex,
        6 => SeriesType::LeftRightBalance,
        7 => SeriesType::AirPressure,
        8 => SeriesType::RunningCadence,
        9 => SeriesType::AirTemperature,
        10 => SeriesType::Distance,
        11 => SeriesType::RrInterval,
        id => return Err(Reason::UnknownSampleType { id }),
    })
}

/// The rate in milliseconds. None, 0 or an absurd one leaves the positions unknown: they are not
/// guessed from the duration, because a paused session would be stretched over its pauses.
fn interval_ms(recording_rate_s: Option<f64>) -> Option<i32> {
    let interval_ms = rounded(recording_rate_s? * 1000.0)?;
    i32::try_from(interval_ms)
        .ok()
        .filter(|interval_ms| (1..=INTERVAL_MAX_MS).contains(interval_ms))
}

/// Where intervals between heart beats stand: each begins where the ones before it end. A gap stands
/// where it was met and takes no time, since nobody knows how long it lasted.
fn beats(intervals_ms: &[Option<f64>]) -> Option<Vec<i32>> {
    let mut elapsed_ms = 0.0;
    intervals_ms
        .iter()
        .map(|interval_ms| {
            let begin = i32::try_from(rounded(elapsed_ms)?).ok();
            elapsed_ms += interval_ms.unwrap_or(0.0);
            begin
        })
        .collect()
}

fn values(
    data: &str,
    series: SeriesType,
    path: impl Fn() -> String,
) -> Result<Vec<Option<f64>>, Unreadable> {
    if data.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut values = Vec::with_capacity(data.len() / 4);
    for entry in data.split(',') {
        if values.len() == SAMPLE_LIMIT {
            let expected = format!("at most {SAMPLE_LIMIT} samples");
            return Err(Unreadable::new(path(), expected));
        }
        let value = value(entry.trim(), series).ok_or_else(|| {
            Unreadable::new(format!("{}[{}]", path(), values.len()), "a number or null")
        })?;
        values.push(value);
    }
    Ok(values)
}

/// A value in our unit or a gap; `None` is neither.
#[expect(
    clippy::option_option,
    reason = "the outer option is whether the entry is understood"
)]
fn value(entry: &str, series: SeriesType) -> Option<Option<f64>> {
    if entry.is_empty() || entry.eq_ignore_ascii_case("null") {
        return Some(None);
    }
    let number: f64 = entry.parse().ok()?;
    Some(measured(number, series).map(|number| match series {
        SeriesType::Speed => number / KM_PER_H_IN_ONE_M_PER_S,
        _ => number,
    }))
}

/// The number, unless it is one that the quantity cannot have.
pub(super) fn measured(number: f64, series: SeriesType) -> Option<f64> {
    let possible = match series {
        SeriesType::Elevation | SeriesType::AirTemperature => true,
        SeriesType::HeartRate
        | SeriesType::RrInterval
        | SeriesType::AirPressure
        | SeriesType::HeartRateVariabilityRmssd
        | SeriesType::RespiratoryRate => number > 0.0,
        SeriesType::Speed
        | SeriesType::Cadence
        | SeriesType::Power
        | SeriesType::PedallingIndex
        | SeriesType::LeftRightBalance
        | SeriesType::RunningCadence
        | SeriesType::Distance
        | SeriesType::Steps => number >= 0.0,
    };
    Some(number).filter(|number| number.is_finite() && possible)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn sample(sample_type: &str, recording_rate: Option<f64>, data: &str) -> wire::SampleSeries {
        wire::SampleSeries {
            sample_type: sample_type.to_owned(),
            recording_rate,
            data: Some(data.to_owned()),
        }
    }

    fn series_of(sample: wire::SampleSeries) -> Result<Series, Leftover> {
        let (mut series, mut leftovers) = sample_series(&[sample], Timestamp::UNIX_EPOCH, Some(60));
        match leftovers.pop() {
            Some(leftover) => Err(leftover),
            None => Ok(series.pop().unwrap()),
        }
    }

    #[rstest]
    #[case("0", SeriesType::HeartRate, 120.0)]
    #[case("1", SeriesType::Speed, 120.0 / 3.6)]
    #[case("2", SeriesType::Cadence, 120.0)]
    #[case("3", SeriesType::Elevation, 120.0)]
    #[case("4", SeriesType::Power, 120.0)]
    #[case("5", SeriesType::PedallingIndex, 120.0)]
    #[case("6", SeriesType::LeftRightBalance, 120.0)]
    #[case("7", SeriesType::AirPressure, 120.0)]
    #[case("8", SeriesType::RunningCadence, 120.0)]
    #[case("9", SeriesType::AirTemperature, 120.0)]
    #[case("10", SeriesType::Distance, 120.0)]
    #[case("11", SeriesType::RrInterval, 120.0)]
    fn every_type_of_polar_is_known(
        #[case] id: &str,
        #[case] series: SeriesType,
        #[case] value: f64,
    ) {
        let read = series_of(sample(id, Some(1.0), "120")).unwrap();
        assert_eq!((read.series, read.values), (series, vec![Some(value)]));
    }

    #[test]
    fn every_spelling_of_a_gap_keeps_its_position() {
        let read = series_of(sample(
            "3",
            Some(5.0),
            "1, ,null,NULL, Null ,NaN,inf,1e999,-7,,",
        ))
        .unwrap();
        assert_eq!(read.times, SampleTimes::Regular { interval_ms: 5000 });
        let mut expected = vec![None; 11];
        expected[0] = Some(1.0);
        expected[8] = Some(-7.0);
        assert_eq!(read.values, expected);
    }

    #[test]
    fn numbers_that_a_quantity_cannot_have_are_gaps() {
        assert_eq!(
            series_of(sample("0", Some(1.0), "0,-1,90")).unwrap().values,
            [None, None, Some(90.0)]
        );
        assert_eq!(
            series_of(sample("1", Some(1.0), "0,-1,9")).unwrap().values,
            [Some(0.0), None, Some(2.5)]
        );
        assert_eq!(
            series_of(sample("9", Some(1.0), "0,-1")).unwrap().values,
            [Some(0.0), Some(-1.0)]
        );
    }

    #[test]
    fn a_beat_stands_where_the_beats_before_it_end() {
        let read = series_of(sample("11", None, "800,NULL,900.5,0,700")).unwrap();
        assert_eq!(
            read.times,
            SampleTimes::Offsets(vec![0, 800, 800, 1701, 1701])
        );
        assert_eq!(
            read.values,
            [Some(800.0), None, Some(900.5), None, Some(700.0)]
        );
    }

    #[test]
    fn one_value_is_a_series_and_no_value_is_none() {
        assert_eq!(
            series_of(sample("0", Some(1.0), " 97 ")).unwrap().values,
            [Some(97.0)]
        );
        for data in [Some(String::new()), Some("  ".to_owned()), None] {
            let empty = wire::SampleSeries {
                data,
                ..sample("0", None, "")
            };
            let (series, leftovers) = sample_series(&[empty], Timestamp::UNIX_EPOCH, None);
            assert_eq!((series, leftovers), (vec![], vec![]));
        }
    }

    #[rstest]
    #[case(None)]
    #[case(Some(0.0))]
    #[case(Some(-1.0))]
    #[case(Some(0.0001))]
    #[case(Some(3601.0))]
    #[case(Some(1e300))]
    fn without_a_rate_the_positions_are_unknown(#[case] rate: Option<f64>) {
        let leftover = series_of(sample("3", rate, "1,2")).unwrap_err();
        assert_eq!(
            leftover,
            Leftover {
                piece: Piece::Series(0),
                reason: Reason::NoRecordingRate {
                    series: SeriesType::Elevation
                }
            }
        );
    }

    #[test]
    fn what_is_not_understood_costs_only_its_own_series() {
        let samples = [
            sample("0", Some(1.0), "97,98"),
            sample("0", Some(1.0), "99"),
            sample("12", Some(1.0), "1"),
            sample("pulse", Some(1.0), "1"),
            sample("3", Some(1.0), "1,sixty"),
            sample("11", None, "2147483647,1,1"),
        ];
        let (series, leftovers) = sample_series(&samples, Timestamp::UNIX_EPOCH, None);
        assert_eq!(series.len(), 1);
        let leftovers: Vec<_> = leftovers.iter().map(ToString::to_string).collect();
        let begins = [
            "samples[1].sample_type: ",
            "sample type 12 ",
            "samples[3].sample_type: ",
            "samples[4].data[1]: ",
            "samples[5].data: ",
        ];
        assert_eq!(leftovers.len(), begins.len());
        for (leftover, begin) in leftovers.iter().zip(begins) {
            assert!(leftover.starts_with(begin), "{leftover}");
        }
        assert!(!leftovers.concat().contains("sixty"));
    }

    #[test]
    fn a_series_has_a_limit() {
        let data = "1,".repeat(SAMPLE_LIMIT - 1) + "1";
        assert_eq!(
            series_of(sample("4", Some(1.0), &data))
                .unwrap()
                .values
                .len(),
            SAMPLE_LIMIT
        );
        assert!(series_of(sample("4", Some(1.0), &(data + ",1"))).is_err());
    }
}
