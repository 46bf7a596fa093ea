//! What holds for every body: properties, checked against independent calculations.

use jiff::Timestamp;
use polar_sync::{
    accesslink::wire,
    model::record::{SampleTimes, SeriesType},
    normalize::{self, Origin, WorkoutParts, sample_series},
};
use proptest::{prelude::*, sample::select};
use serde_json::Value;

use crate::{everything::complaints, fixture};

/// Days since 1970-01-01, counted year by year and month by month: slow, and nothing like the
/// library's way.
fn days_since_1970(year: i64, month: usize, day: i64) -> i64 {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_years: i64 = (1970..year).map(|year| 365 + i64::from(leap(year))).sum();
    let february = 28 + i64::from(leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    days_of_years + months[..month - 1].iter().sum::<i64>() + day - 1
}

fn exercise(start: &str, offset_minutes: i64) -> wire::Exercise {
    let body = format!(
        r#"{{"id":1,"upload-time":"2031-05-06T00:00Z","start-time":"{start}","start-time-utc-offset":{offset_minutes},"duration":"PT1H"}}"#
    );
    wire::decode(body.as_bytes()).unwrap()
}

proptest! {
    /// UTC = local − offset, for every offset from −12:00 to +14:00.
    #[test]
    fn utc_is_local_minus_offset(
        year in 1970_i64..2100, month in 1_usize..=12, day in 1_i64..=28,
        hour in 0_i64..24, minute in 0_i64..60, second in 0_i64..60,
        offset_minutes in -720_i64..=840,
    ) {
        let start = format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        let local_s = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        let exercise = exercise(&start, offset_minutes);
        let parts = WorkoutParts::not_requested();
        let workout = normalize::workout(&exercise, Origin::Transaction, parts).unwrap().record;
        prop_assert_eq!(workout.start_at.as_second(), local_s - offset_minutes * 60);
        prop_assert_eq!(workout.end_at.as_second(), local_s - offset_minutes * 60 + 3600);
        prop_assert_eq!(workout.utc_offset_minutes.map(i64::from), Some(offset_minutes));
    }

    /// No position of a sample string is dropped, and only gaps are gaps.
    #[test]
    fn positions_are_never_dropped(entries in prop::collection::vec(entry(), 1..300)) {
        let data: Vec<&str> = entries.iter().map(|(text, _)| text.as_str()).collect();
        let series = wire::SampleSeries {
            sample_type: "3".to_owned(),
            recording_rate: Some(1.0),
            data: Some(data.join(",")),
        };
        let (series, leftovers) = sample_series(&[series], Timestamp::UNIX_EPOCH, None);
        prop_assert_eq!(leftovers, vec![]);
        let values: Vec<_> = entries.iter().map(|(_, value)| *value).collect();
        if data.join("").trim().is_empty() && entries.len() == 1 {
            prop_assert_eq!(series, vec![]);
        } else {
            prop_assert_eq!(&series[0].values, &values);
        }
    }

    /// Beats stand at the running sum of what came before them.
    #[test]
    fn beats_stand_at_the_running_sum(beats in prop::collection::vec(prop::option::of(250_i32..2500), 1..500)) {
        let data: Vec<_> = beats.iter().map(|beat| beat.map_or("NULL".to_owned(), |ms| ms.to_string())).collect();
        let series = wire::SampleSeries {
            sample_type: "11".to_owned(),
            recording_rate: None,
            data: Some(data.join(",")),
        };
        let (series, _) = sample_series(&[series], Timestamp::UNIX_EPOCH, None);
        let SampleTimes::Offsets(offsets) = &series[0].times else { panic!("beats have offsets") };
        let mut sum_ms = 0;
        for (offset, beat) in offsets.iter().zip(&beats) {
            prop_assert_eq!(*offset, sum_ms);
            sum_ms += beat.unwrap_or(0);
        }
        prop_assert_eq!(offsets.len(), beats.len());
    }

    /// A night's map, written by the clock on the wall in any order, is read back as the instants.
    #[test]
    fn a_nights_map_is_read_back(
        start_minute in 32_000_000_i64..33_000_000, start_second in 0_i64..60,
        asleep_minutes in 10_i64..1080, offset_minutes in -720_i64..=840,
        every in 1_usize..7, shuffle in any::<bool>(),
    ) {
        let wall = |minute: i64| {
            let local = minute + offset_minutes;
            format!("{:02}:{:02}", local.rem_euclid(1440) / 60, local.rem_euclid(60))
        };
        let minutes: Vec<i64> = (start_minute..start_minute + asleep_minutes).step_by(every).collect();
        let mut entries: Vec<_> = minutes.iter().map(|minute| (wall(*minute), Some(60.0))).collect();
        if shuffle {
            entries.reverse();
            let third = entries.len() / 3;
            entries.rotate_left(third);
        }
        let (start, end) = (start_minute * 60 + start_second, (start_minute + asleep_minutes) * 60);
        prop_assume!(end > start);
        let body = wire::SleepNight {
            sleep_start_time: zoned(start, offset_minutes),
            sleep_end_time: zoned(end, offset_minutes),
            heart_rate_samples: wire::ClockMap(entries),
            ..night()
        };
        let series = normalize::sleep(&body).unwrap().record.heart_rate.unwrap();
        let SampleTimes::Offsets(offsets) = series.times else { panic!("a night has offsets") };
        prop_assert_eq!(series.series, SeriesType::HeartRate);
        let read: Vec<_> = offsets
            .iter()
            .map(|ms| (series.started_at.as_second() + i64::from(*ms) / 1000) / 60)
            .collect();
        prop_assert_eq!(read, minutes);
    }

    /// Stages of a night are within it, in order, and neighbours differ.
    #[test]
    fn stages_are_in_order_and_within_the_night(
        keys in prop::collection::vec((0_u32..1440, 0_i32..8), 0..200),
        start_minute in 32_000_000_i64..33_000_000, asleep_minutes in 1_i64..=1440,
    ) {
        let entries = keys.iter().map(|(minute, code)| {
            (format!("{:02}:{:02}", minute / 60, minute % 60), Some(f64::from(*code)))
        });
        let body = wire::SleepNight {
            sleep_start_time: zoned(start_minute * 60 + 7, 120),
            sleep_end_time: zoned((start_minute + asleep_minutes) * 60 + 7, 60),
            hypnogram: wire::ClockMap(entries.collect()),
            ..night()
        };
        let sleep = normalize::sleep(&body).unwrap().record;
        for stage in &sleep.stages {
            prop_assert!(sleep.start_at <= stage.start_at);
            prop_assert!(stage.start_at < stage.end_at);
            prop_assert!(stage.end_at <= sleep.end_at);
        }
        for pair in sleep.stages.windows(2) {
            prop_assert_eq!(pair[0].end_at, pair[1].start_at);
            prop_assert_ne!(pair[0].stage, pair[1].stage);
        }
    }

    /// No reader panics, whatever comes.
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        complaints(&body);
    }

    /// No reader panics on a body that was damaged on its way, and what was cut off is noticed.
    #[test]
    fn damaged_fixtures_never_panic(
        (name, body) in select(fixture::all()),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<Option<u8>>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut damaged = body.clone();
        for (at, byte) in damages {
            let at = at.index(damaged.len());
            match byte {
                Some(byte) => damaged[at] = byte,
                None => { damaged.remove(at); }
            }
        }
        complaints(&damaged);
        let whole = body.trim_ascii_end().len();
        let cut = &body[..cut.index(whole)];
        complaints(cut);
        if name == "route.gpx" {
            prop_assert!(wire::gpx::check_complete(cut).is_err());
        } else {
            prop_assert!(wire::check_complete(cut).is_err());
        }
    }
}

/// No complaint quotes a value: a value of every sort in every place of every fixture.
#[test]
fn complaints_never_quote_a_value() {
    let canaries = [
        r#""canary 187""#,
        r#""187187187187""#,
        "-1.87187e300",
        "[187187]",
        r#"{"canary":187}"#,
        "true",
        "null",
    ];
    let json = |(name, body): (String, Vec<u8>)| {
        let body: Option<Value> = serde_json::from_slice(&body).ok();
        body.map(|body| (name, body))
    };
    for (name, body) in fixture::all().into_iter().filter_map(json) {
        for canary in canaries {
            let canary = serde_json::from_str(canary).unwrap();
            for leaf in 0..count_leaves(&body) {
                let mut body = body.clone();
                assert!(replace_leaf(&mut body, &mut { leaf }, &canary));
                for complaint in complaints(body.to_string().as_bytes()) {
                    let quotes = complaint.contains("canary") || complaint.contains("187");
                    assert!(!quotes, "{name}, leaf {leaf}: {complaint}");
                }
            }
        }
    }
}

/// An entry of a sample string of altitudes, and what it means.
fn entry() -> impl Strategy<Value = (String, Option<f64>)> {
    prop_oneof![
        4 => (-500.0..9000.0).prop_map(|number: f64| (number.to_string(), Some(number))),
        1 => select(vec!["", " ", "null", "NULL", " Null ", "nan", "-inf", "1e999"])
            .prop_map(|gap| (gap.to_owned(), None)),
    ]
}

/// An instant as text with an offset.
fn zoned(second: i64, offset_minutes: i64) -> String {
    let local = Timestamp::from_second(second + offset_minutes * 60).unwrap();
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let offset = offset_minutes.abs();
    let local = local.to_string().replace('Z', "");
    format!("{local}{sign}{:02}:{:02}", offset / 60, offset % 60)
}

fn night() -> wire::SleepNight {
    let body = br#"{"date":"2031-05-06","sleep_start_time":"","sleep_end_time":""}"#;
    wire::decode(body).unwrap()
}

fn count_leaves(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.values().map(count_leaves).sum(),
        Value::Array(entries) => entries.iter().map(count_leaves).sum(),
        _ => 1,
    }
}

/// Replaces the leaf number `left`, counted from 0.
fn replace_leaf(value: &mut Value, left: &mut usize, canary: &Value) -> bool {
    match value {
        Value::Object(fields) => fields
            .values_mut()
            .any(|value| replace_leaf(value, left, canary)),
        Value::Array(entries) => entries
            .iter_mut()
            .any(|entry| replace_leaf(entry, left, canary)),
        leaf if *left == 0 => {
            *leaf = canary.clone();
            true
        }
        _ => {
            *left -= 1;
            false
        }
    }
}
