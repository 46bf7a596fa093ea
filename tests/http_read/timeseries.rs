//! Samples: pages, streams and resolutions, each held against what the view tells.

use futures::StreamExt;
use jiff::{Timestamp, civil::date};
use polar_sync::model::record::*;
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::{
    fixtures::{activity, at, recharge, series, sleep, workout},
    harness::{World, column, later, rows},
};

const PATH: &str = "/api/v1/users/user_001/timeseries?start_time=2026-02-01";

/// What a value may lose: an average to the order in which it was summed, any of them to our reader of JSON, which
/// may be off by the last bit.
const EXACTNESS: f64 = 1e-9;

/// A night, a day, workouts of two connections that overlap, heart beats out of order.
async fn fill(world: &mut World) {
    let old = Workout {
        samples: Part::Present(vec![series(
            SeriesType::HeartRate,
            at(19_900),
            (0..500).map(|n| Some(f64::from(90 + n % 7))).collect(),
        )]),
        source: WorkoutSource::Transactional(1),
        start_at: at(19_900),
        ..workout()
    };
    world.home.workout(&old).await;
    world.reconnect().await;
    let beats: Vec<i32> = (0..3_000).map(|n| n * 700 + (n % 3) * 900).collect();
    let long = Workout {
        samples: Part::Present(vec![
            series(
                SeriesType::HeartRate,
                at(0),
                (0..20_000_i32)
                    .map(|n| (n % 11 != 0).then(|| f64::from(100 + n % 40)))
                    .collect(),
            ),
            series(
                SeriesType::Speed,
                at(0),
                (0..5_000_i32)
                    .map(|n| Some(f64::from(n % 90) / 3.6))
                    .collect(),
            ),
            series(
                SeriesType::Distance,
                at(0),
                (0..5_000_i32)
                    .map(|n| Some(f64::from(2.7_f32) * f64::from(n)))
                    .collect(),
            ),
            Series {
                times: SampleTimes::Offsets(beats),
                ..series(
                    SeriesType::RrInterval,
                    at(0),
                    (0..3_000_i32)
                        .map(|n| Some(f64::from(600 + n % 300)))
                        .collect(),
                )
            },
        ]),
        source: WorkoutSource::Transactional(2),
        device: None,
        ..workout()
    };
    world.home.workout(&long).await;
    world.home.sleep(&sleep(), at(0)).await;
    world.home.recharge(&recharge(), at(0)).await;
    world.home.activity(&activity()).await;
    let next = Sleep {
        date: date(2026, 3, 2),
        start_at: later(sleep().start_at, 24),
        end_at: later(sleep().end_at, 24),
        ..sleep()
    };
    world.home.sleep(&next, at(0)).await;
}

/// What the view tells, in the order of the interface.
async fn view(world: &World, query: &str) -> Vec<(Timestamp, String, f64)> {
    let rows: Vec<(jiff_sqlx::Timestamp, String, f64)> =
        sqlx::query_as(AssertSqlSafe(query.to_owned()))
            .fetch_all(&mut world.home.sql().await)
            .await
            .unwrap();
    rows.into_iter()
        .map(|(at, series, value)| (at.to_jiff(), series, value))
        .collect()
}

fn told(rows: &[Value]) -> Vec<(Timestamp, String, f64)> {
    rows.iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            (
                text("timestamp").parse().unwrap(),
                text("type").to_owned(),
                row["value"].as_f64().unwrap(),
            )
        })
        .collect()
}

#[track_caller]
fn assert_same(read: &[(Timestamp, String, f64)], expected: &[(Timestamp, String, f64)]) {
    assert_eq!(read.len(), expected.len());
    for (read, expected) in read.iter().zip(expected) {
        assert_eq!((read.0, &read.1), (expected.0, &expected.1));
        let allowed = EXACTNESS * expected.2.abs().max(1.0);
        assert!(
            (read.2 - expected.2).abs() <= allowed,
            "{read:?} {expected:?}"
        );
    }
}

async fn lines(world: &World, path: &str) -> Vec<Value> {
    let got = world
        .get_with(path, &[("accept", "application/x-ndjson")])
        .await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.headers["content-type"], "application/x-ndjson");
    let lines = got.text();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn lines_are_the_rows_of_the_view_in_their_order() {
    let mut world = World::new().await;
    fill(&mut world).await;
    let all =
        "SELECT at, type, value FROM api_v1.timeseries ORDER BY at, type COLLATE \"C\", record_id";
    let expected = view(&world, all).await;
    assert!(expected.len() > 30_000, "{}", expected.len());
    assert_same(&told(&lines(&world, PATH).await), &expected);

    let some = "SELECT at, type, value FROM api_v1.timeseries WHERE type IN ('heart_rate', 'steps')
        AND at >= '2026-03-01T05:00:00Z' AND at < '2026-03-01T09:46:41.5Z'
        ORDER BY at, type COLLATE \"C\", record_id";
    let path = "/api/v1/users/user_001/timeseries?start_time=2026-03-01T05:00:00Z\
                &end_time=2026-03-01T09:46:41.5Z&types=heart_rate&types=steps";
    let expected = view(&world, some).await;
    assert_same(&told(&lines(&world, path).await), &expected);
}

#[rstest]
#[case(10_000, "")]
#[case(997, "")]
#[case(1, "&end_time=2026-03-01T06:00:20Z")]
#[case(7, "&end_time=2026-03-01T06:00:20Z")]
#[case(500, "&types=heart_rate")]
#[case(40, "&resolution=1min")]
#[case(1, "&resolution=15min")]
#[case(3, "&resolution=1hour&start_time=2026-03-01T05:10:00Z")]
#[tokio::test]
async fn pages_in_both_directions_are_the_lines(#[case] limit: usize, #[case] given: &str) {
    let mut world = World::new().await;
    fill(&mut world).await;
    let path = if given.contains("start_time") {
        format!("/api/v1/users/user_001/timeseries?{given}")
    } else {
        format!("{PATH}{given}")
    };
    let whole = lines(&world, &path).await;
    let (there, back) = world.pages(&format!("{path}&limit={limit}")).await;
    assert!(whole.len() > limit, "{} rows are no pages", whole.len());
    assert_eq!((there.len(), back.len()), (whole.len(), whole.len()));
    assert!(there == whole);
    assert!(back == whole);
}

#[rstest]
#[case("1min", "1 minute")]
#[case("5min", "5 minutes")]
#[case("15min", "15 minutes")]
#[case("1hour", "1 hour")]
#[tokio::test]
async fn a_resolution_is_what_anybody_would_compute(#[case] resolution: &str, #[case] width: &str) {
    let mut world = World::new().await;
    fill(&mut world).await;
    let naive = format!(
        "SELECT date_bin('{width}', at, '1970-01-01T00:00:00Z') AS bucket, type,
            CASE WHEN type = 'steps' THEN sum(value) ELSE avg(value) END
        FROM api_v1.timeseries WHERE at >= '2026-03-01T06:10:30Z'
        GROUP BY bucket, type ORDER BY bucket, type COLLATE \"C\""
    );
    let expected = view(&world, &naive).await;
    let path = format!(
        "/api/v1/users/user_001/timeseries?start_time=2026-03-01T06:10:30Z&resolution={resolution}&limit=10000"
    );
    let page = world.get(&path).await.json();
    assert_eq!(page["metadata"]["resolution"], resolution);
    assert_same(&told(&rows(&page)), &expected);
}

#[tokio::test]
async fn a_sample_tells_all_of_the_contract() {
    let world = World::new().await;
    world.home.recharge(&recharge(), at(0)).await;
    let page = world
        .get(
            "/api/v1/users/user_001/timeseries?types=heart_rate_variability_rmssd,respiratory_rate",
        )
        .await
        .json();
    let samples = rows(&page);
    assert_eq!(
        samples[0],
        json!({
            "timestamp": "2026-03-01T00:26:40Z",
            "zone_offset": "+02:00",
            "type": "heart_rate_variability_rmssd",
            "value": 38.0,
            "unit": "ms",
            "source": {
                "provider": "polar", "source": "polar", "device": null, "device_type": null, "device_name": null
            },
            "is_daily_total": false
        })
    );
    assert_eq!(
        column(&samples, "type"),
        [
            "heart_rate_variability_rmssd",
            "respiratory_rate",
            "heart_rate_variability_rmssd",
            "respiratory_rate"
        ]
    );
    assert_eq!(
        page["metadata"],
        json!({
            "resolution": "raw", "sample_count": 4, "start_time": "2026-01-31T00:00:00Z", "end_time": null
        })
    );
}

#[tokio::test]
async fn the_device_is_that_of_the_workout_or_the_night() {
    let world = World::new().await;
    let samples = vec![series(SeriesType::Power, at(0), vec![Some(200.0)])];
    let with_samples = Workout {
        samples: Part::Present(samples),
        ..workout()
    };
    world.home.workout(&with_samples).await;
    world.home.sleep(&sleep(), at(0)).await;
    let rows = rows(&world.get(PATH).await.json());
    let of = |name| {
        let of_type = rows.iter().find(|row| row["type"] == name).unwrap();
        let source = &of_type["source"];
        (source["device"].clone(), source["device_name"].clone())
    };
    assert_eq!(
        of("power"),
        (json!("Polar Vantage M"), json!("Polar Vantage M"))
    );
    assert_eq!(of("heart_rate"), (json!("1111AAAA"), Value::Null));
}

#[tokio::test]
async fn totals_are_counted_where_they_are_asked_for() {
    let mut world = World::new().await;
    fill(&mut world).await;
    for (given, rows) in [
        ("", lines(&world, PATH).await.len()),
        (
            "&resolution=5min",
            lines(&world, &format!("{PATH}&resolution=5min"))
                .await
                .len(),
        ),
        ("&types=blood_glucose", 0),
    ] {
        let path = format!("{PATH}{given}&limit=1&include_total=true");
        let page = world.get(&path).await.json();
        assert_eq!(page["pagination"]["total_count"], rows, "{given}");
    }
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let world = World::new().await;
    let path = format!("{PATH}&limit=3");
    let with = |values: Vec<Option<f64>>| Workout {
        uploaded_at: at(values.len().try_into().unwrap()),
        samples: Part::Present(vec![series(SeriesType::HeartRate, at(0), values)]),
        ..workout()
    };
    world.home.workout(&with(vec![Some(60.0); 4])).await;
    let first = world.get(&path).await;
    let tag = first.tag();
    let again = world.get_with(&path, &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    // Another question, the same data.
    for other in [
        "&limit=4",
        "&limit=3&resolution=1min",
        "&limit=3&include_total=true",
    ] {
        let other = format!("{PATH}{other}");
        let got = world.get_with(&other, &[("if-none-match", &tag)]).await;
        assert_eq!(got.status, 200, "{other}");
    }
    world.home.workout(&with(vec![Some(61.0); 5])).await;
    let changed = world.get_with(&path, &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, 200);
    assert_eq!(rows(&changed.json())[0]["value"], 61.0);
}

#[tokio::test]
async fn a_default_range_ends_open_and_begins_with_a_day() {
    let world = World::new().await;
    let sample = |number, second| Workout {
        source: WorkoutSource::Transactional(number),
        start_at: at(second),
        samples: Part::Present(vec![series(SeriesType::Power, at(second), vec![Some(1.0)])]),
        ..workout()
    };
    let day = 86_400;
    // Before the range, within, and in the future of the clock.
    for (number, second) in [
        (1, -29 * day - 21_601),
        (2, -29 * day - 21_600),
        (3, 3 * day),
    ] {
        world.home.workout(&sample(number, second)).await;
    }
    let page = world.get("/api/v1/users/user_001/timeseries").await.json();
    assert_eq!(
        column(&rows(&page), "timestamp"),
        ["2026-01-31T00:00:00Z", "2026-03-04T06:00:00Z"]
    );
}

#[tokio::test]
async fn a_stream_is_cut_off_when_a_sync_replaces_what_it_tells() {
    let world = World::new().await;
    let with = |version, value| Workout {
        uploaded_at: at(version),
        samples: Part::Present(vec![series(
            SeriesType::HeartRate,
            at(0),
            vec![Some(value); 14_000],
        )]),
        ..workout()
    };
    world.home.workout(&with(1, 60.0)).await;
    let mut stream = world
        .open(PATH, "application/x-ndjson")
        .await
        .into_data_stream();
    assert!(stream.next().await.unwrap().is_ok());
    world.home.workout(&with(2, 61.0)).await;
    let rest: Vec<_> = stream.collect().await;
    assert!(rest.last().unwrap().is_err(), "it looks whole");
    assert_eq!(lines(&world, PATH).await.len(), 14_000);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_user_and_parameters() {
    let world = World::new().await;
    world.home.recharge(&recharge(), at(0)).await;
    world.know("user_002").await;
    let page = world.get(&format!("{PATH}&limit=1")).await.json();
    let cursor = page["pagination"]["next_cursor"].as_str().unwrap();
    for other in [
        "/api/v1/users/user_002/timeseries?start_time=2026-02-01".to_owned(),
        format!("{PATH}&types=heart_rate"),
        format!("{PATH}&resolution=1min"),
        "/api/v1/users/user_001/timeseries?start_time=2026-02-02".to_owned(),
    ] {
        let got = world.get(&format!("{other}&cursor={cursor}")).await;
        got.refused(
            400,
            "cursor: it belongs to another user, call or set of parameters",
        );
    }
}
