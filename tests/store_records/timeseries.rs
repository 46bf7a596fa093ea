//! Samples: what is written as chunks is read as rows.

use jiff::SignedDuration;
use polar_sync::model::record::{Part, SampleTimes, SeriesType, Workout, WorkoutSource};
use proptest::{option, prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::fixtures::{Home, at, recharge, series, sleep, workout, workout_with_parts};

/// How many random series go through the database.
const CASES: i64 = 60;

/// What a value may lose, in the unit of its series.
const EXACTNESS: f64 = 1e-6;

#[tokio::test]
async fn every_encoding_comes_back_through_the_view() {
    let home = Home::new().await;
    let mut runner = TestRunner::deterministic();
    let values = (0..8_i32, 1..12_i32).prop_flat_map(|(decimals, magnitude)| {
        let scale = 10_f64.powi(decimals);
        let limit = 10_f64.powi(magnitude);
        let value = (-limit..limit).prop_map(move |value| (value * scale).round() / scale);
        proptest::collection::vec(option::weighted(0.9, value), 1..40)
    });
    let kinds = proptest::sample::select(SeriesType::ALL);
    for case in 0..CASES {
        let values = values.new_tree(&mut runner).unwrap().current();
        let kind = kinds.new_tree(&mut runner).unwrap().current();
        let stored = home
            .workout(&Workout {
                source: WorkoutSource::Transactional(case),
                samples: Part::Present(vec![series(kind, at(0), values.clone())]),
                ..workout()
            })
            .await;
        let read: Vec<(i64, f64)> = sqlx::query_as(
            "SELECT (extract(epoch FROM at) - extract(epoch FROM $2::text::timestamptz))::int8, value
            FROM api_v1.timeseries WHERE record_id = $1 ORDER BY at",
        )
        .bind(stored.record_id.0)
        .bind(at(0).to_string())
        .fetch_all(&mut home.sql().await)
        .await
        .unwrap();
        let expected: Vec<_> = (0..)
            .zip(values)
            .filter_map(|(n, v)| Some((n, v?)))
            .collect();
        assert_eq!(read.len(), expected.len(), "case {case}");
        for ((second, value), (expected_second, expected)) in read.iter().zip(&expected) {
            assert_eq!(second, expected_second, "case {case}");
            // Beyond what a double tells apart, its last bits are allowed for.
            let allowed = EXACTNESS.max(expected.abs() * f64::EPSILON * 4.0);
            assert!(
                (value - expected).abs() <= allowed,
                "case {case}: {value} for {expected}"
            );
        }
    }
    let arrays = home
        .number(
            "SELECT (count(values_small) > 0)::int::int8 + (count(values_wide) > 0)::int
                + (count(values_single) > 0)::int + (count(values_double) > 0)::int
            FROM polar_sync.series",
        )
        .await;
    assert!(arrays >= 3, "the cases use {arrays} kinds of arrays only");
}

#[tokio::test]
async fn a_gap_is_no_row() {
    let home = Home::new().await;
    home.workout(&workout_with_parts()).await;
    let heart_rate = home
        .texts(
            "SELECT concat_ws(' ', user_id, to_char(at AT TIME ZONE 'UTC', 'HH24:MI:SS'), value, unit, \
            utc_offset_minutes) FROM api_v1.timeseries WHERE type = 'heart_rate' ORDER BY at",
        )
        .await;
    assert_eq!(
        heart_rate,
        [
            "user_001 06:00:00 97 bpm 120",
            "user_001 06:00:02 98 bpm 120",
            "user_001 06:00:03 101 bpm 120"
        ]
    );
}

#[tokio::test]
async fn the_function_gives_the_rows_of_the_view() {
    let home = Home::new().await;
    // Two chunks, the second in the next night, beside series of other kinds and lengths.
    let long = series(
        SeriesType::HeartRate,
        at(0),
        (0..20_000).map(|n| (n % 7 != 0).then_some(120.0)).collect(),
    );
    let day = polar_sync::model::record::Series {
        times: SampleTimes::Regular {
            interval_ms: 3_600_000,
        },
        ..series(SeriesType::Steps, at(0), vec![Some(100.0); 26])
    };
    let mut workout = workout();
    workout.samples = Part::Present(vec![long, day]);
    home.workout(&workout).await;
    home.sleep(&sleep(), at(100)).await;
    home.recharge(&recharge(), at(100)).await;

    let ranges = [
        (-30_000, 100_000),
        (14_000, 15_000),
        (90_000, 90_001),
        (14_400, 14_400),
        (-30_000, -27_000),
    ];
    for types in [
        "'{heart_rate}'",
        "'{steps,respiratory_rate}'",
        "NULL",
        "'{}'",
    ] {
        for (from, to) in ranges {
            let (from, to) = (at(from), at(to));
            let function =
                format!("api_v1.timeseries_between('user_001', {types}::text[], '{from}', '{to}')");
            let view = format!(
                "api_v1.timeseries WHERE user_id = 'user_001' AND at >= '{from}' AND at < '{to}'
                    AND ({types}::text[] IS NULL OR type = ANY ({types}::text[]))"
            );
            let of =
                |source: &str| format!("SELECT t::text FROM (SELECT * FROM {source}) t ORDER BY 1");
            assert_eq!(
                home.texts(&of(&function)).await,
                home.texts(&of(&view)).await,
                "{types} from {from} to {to}"
            );
        }
    }
    let all = "SELECT count(*) FROM api_v1.timeseries_between('user_001', NULL, NULL, NULL)";
    assert_eq!(
        home.number(all).await,
        home.number("SELECT count(*) FROM api_v1.timeseries").await
    );
    assert_eq!(
        home.number("SELECT count(*) FROM api_v1.timeseries_between('user_002', NULL, NULL, NULL)")
            .await,
        0
    );
}

#[tokio::test]
async fn an_hour_of_heart_rate_takes_little_room() {
    let home = Home::new().await;
    let hours: i32 = 50;
    for hour in 0..hours {
        // A pulse that wanders: no two minutes alike, and no second far from the one before.
        let pulse = |second: i32| {
            let slow = f64::from(second + hour * 977) / 290.0;
            (128.0 + 21.0 * slow.sin() + 6.0 * (slow * 7.3).sin()).round()
        };
        let start = at(i64::from(hour) * 7_200);
        let mut workout = workout();
        workout.source = WorkoutSource::Transactional(hour.into());
        workout.start_at = start;
        workout.end_at = start + SignedDuration::from_hours(1);
        workout.samples = Part::Present(vec![series(
            SeriesType::HeartRate,
            start,
            (0..3_600).map(|second| Some(pulse(second))).collect(),
        )]);
        home.workout(&workout).await;
    }
    let bytes = home
        .number("SELECT pg_total_relation_size('polar_sync.series')")
        .await;
    assert!(
        bytes / i64::from(hours) <= 6_000,
        "{} bytes an hour",
        bytes / i64::from(hours)
    );
}

#[tokio::test]
async fn the_table_of_types_is_the_vocabulary() {
    let home = Home::new().await;
    let mut vocabulary: Vec<_> = SeriesType::ALL
        .iter()
        .map(|series| format!("{series} {}", series.unit()))
        .collect();
    vocabulary.sort();
    let table = home
        .texts("SELECT series || ' ' || unit FROM polar_sync.series_type ORDER BY series, unit")
        .await;
    assert_eq!(table, vocabulary);
}
