//! Workouts and nights in pages.

use jiff::civil::date;
use polar_sync::model::record::*;
use serde_json::{Value, json};

use crate::{
    fixtures::{at, sleep, workout},
    harness::{World, column, later, rows},
};

const WORKOUTS: &str = "/api/v1/users/user_001/events/workouts";
const NIGHTS: &str = "/api/v1/users/user_001/events/sleep";

/// Workouts of one hour each, two of them in one second.
async fn workouts(world: &World, numbers: std::ops::Range<i64>) {
    for number in numbers {
        let workout = Workout {
            source: WorkoutSource::Transactional(number),
            start_at: at(number / 2 * 3_600),
            end_at: at(number / 2 * 3_600 + 1_800),
            workout_type: if number % 3 == 0 {
                "running"
            } else {
                "cycling"
            },
            ..workout()
        };
        world.home.workout(&workout).await;
    }
}

#[tokio::test]
async fn a_workout_tells_all_of_the_contract() {
    let world = World::new().await;
    let stored = world.home.workout(&workout()).await;
    let page = world.get(WORKOUTS).await.json();
    let mut row = rows(&page).remove(0);
    assert!(row["updated_at"].take().is_string());
    assert_eq!(
        row,
        json!({
            "id": stored.record_id.to_string(),
            "type": "running",
            "name": "Running",
            "start_time": "2026-03-01T06:00:00Z",
            "end_time": "2026-03-01T06:44:05Z",
            "zone_offset": "+02:00",
            "duration_seconds": 2_645,
            "source": {
                "provider": "polar", "source": "polar", "device": "Polar Vantage M", "device_type": null,
                "device_name": "Polar Vantage M"
            },
            "calories_kcal": 546,
            "distance_meters": 5_995.0,
            "avg_heart_rate_bpm": 140,
            "max_heart_rate_bpm": 171,
            "avg_pace_sec_per_km": 441.24,
            "elevation_gain_meters": null,
            "samples_state": "not_requested",
            "zones_state": "not_requested",
            "route_state": "not_requested",
            "training_load": 85.0,
            "running_index": 46,
            "revision": 1,
            "updated_at": null
        })
    );
    assert_eq!(
        page["pagination"],
        json!({"next_cursor": null, "previous_cursor": null, "has_more": false, "total_count": null})
    );
    assert_eq!(
        page["metadata"],
        json!({"resolution": null, "sample_count": 1, "start_time": "2026-01-31T00:00:00Z", "end_time": null})
    );
}

#[tokio::test]
async fn pages_in_both_directions_are_the_whole_list_of_every_connection() {
    let mut world = World::new().await;
    workouts(&world, 1..20).await;
    world.reconnect().await;
    workouts(&world, 15..30).await;
    let whole = rows(&world.get(&format!("{WORKOUTS}?limit=1000")).await.json());
    assert_eq!(whole.len(), 34);
    let starts: Vec<_> = column(&whole, "start_time")
        .iter()
        .map(Value::to_string)
        .collect();
    assert!(starts.is_sorted_by(|newer, older| newer >= older));
    for limit in [1, 2, 3, 7, 33, 34, 35] {
        let (there, back) = world.pages(&format!("{WORKOUTS}?limit={limit}")).await;
        assert!(there == whole, "{limit}");
        assert!(back == whole, "{limit}");
    }
}

#[tokio::test]
async fn ranges_and_types_narrow_a_list() {
    let world = World::new().await;
    workouts(&world, 0..24).await;
    let count = async |query: &str| {
        let path = format!("{WORKOUTS}?include_total=true&limit=2&{query}");
        world.get(&path).await.json()["pagination"]["total_count"].clone()
    };
    assert_eq!(count("").await, 24);
    assert_eq!(count("record_type=running").await, 8);
    assert_eq!(count("record_type=yoga").await, 0);
    assert_eq!(count("start_date=2026-03-01T09:00:00Z").await, 18);
    assert_eq!(count("end_date=2026-03-01T09:00:00Z").await, 6);
    assert_eq!(count("start_date=2026-03-01&end_date=2026-03-01").await, 24);
    assert_eq!(count("start_date=2026-03-02").await, 0);
    assert_eq!(count("start_date=1772352000&end_date=1772359200").await, 4);
    assert_eq!(
        count("start_date=1772352000&end_date=1772359200&record_type=running").await,
        1
    );
    let running = rows(
        &world
            .get(&format!("{WORKOUTS}?record_type=running"))
            .await
            .json(),
    );
    assert!(running.iter().all(|row| row["type"] == "running"));
}

#[tokio::test]
async fn a_cursor_belongs_to_its_user_call_and_parameters() {
    let world = World::new().await;
    workouts(&world, 0..4).await;
    world.know("user_002").await;
    let page = world.get(&format!("{WORKOUTS}?limit=1")).await.json();
    let cursor = page["pagination"]["next_cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    for path in [
        "/api/v1/users/user_002/events/workouts?".to_owned(),
        format!("{NIGHTS}?"),
        format!("{WORKOUTS}?record_type=running"),
        format!("{WORKOUTS}?start_date=2026-03-01"),
    ] {
        let got = world.get(&format!("{path}&cursor={cursor}")).await;
        got.refused(
            400,
            "cursor: it belongs to another user, call or set of parameters",
        );
    }
    // The length of a page may change on the way.
    let got = world
        .get(&format!("{WORKOUTS}?limit=3&cursor={cursor}"))
        .await;
    assert_eq!(rows(&got.json()).len(), 3);
}

#[tokio::test]
async fn a_user_without_data_has_an_empty_page_and_nobody_has_none() {
    let world = World::new().await;
    world.know("user_002").await;
    for list in [
        "events/workouts",
        "events/sleep",
        "timeseries",
        "summaries/activity",
        "summaries/sleep",
        "summaries/recovery",
    ] {
        let page = world.get(&format!("/api/v1/users/user_002/{list}")).await;
        assert_eq!(rows(&page.json()), [Value::Null; 0], "{list}");
        let nobody = world.get(&format!("/api/v1/users/nobody/{list}")).await;
        nobody.refused(404, "there is no user nobody");
    }
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let world = World::new().await;
    workouts(&world, 0..4).await;
    let tag = world.get(WORKOUTS).await.tag();
    let again = world.get_with(WORKOUTS, &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    workouts(&world, 4..5).await;
    let changed = world.get_with(WORKOUTS, &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, 200);
}

#[tokio::test]
async fn a_night_tells_all_of_the_contract() {
    let world = World::new().await;
    let stored = world.home.sleep(&sleep(), at(0)).await;
    let mut row = rows(&world.get(NIGHTS).await.json()).remove(0);
    assert!(row["updated_at"].take().is_string());
    assert_eq!(
        row,
        json!({
            "id": stored.record_id.to_string(),
            "date": "2026-03-01",
            "start_time": "2026-02-28T22:20:00Z",
            "end_time": "2026-03-01T06:00:00Z",
            "zone_offset": "+01:00",
            "source": {
                "provider": "polar", "source": "polar", "device": "1111AAAA", "device_type": null, "device_name": null
            },
            "duration_seconds": 27_600,
            "sleep_duration_seconds": 25_000,
            "efficiency_percent": 90.58,
            "stages": {"awake_minutes": 43, "light_minutes": 233, "deep_minutes": 83, "rem_minutes": 100},
            "sleep_stage_intervals": [
                {"stage": "light", "start_time": "2026-02-28T22:20:00Z", "end_time": "2026-03-01T00:26:40Z"},
                {"stage": "deep", "start_time": "2026-03-01T00:26:40Z", "end_time": "2026-03-01T01:50:00Z"},
                {"stage": "rem", "start_time": "2026-03-01T01:50:00Z", "end_time": "2026-03-01T03:30:00Z"},
                {"stage": "awake", "start_time": "2026-03-01T03:30:00Z", "end_time": "2026-03-01T06:00:00Z"}
            ],
            "is_nap": false,
            "score": 79,
            "continuity": 2.6,
            "cycles": 5,
            "sleep_charge": 4,
            "revision": 1,
            "updated_at": null
        })
    );
}

#[tokio::test]
async fn nights_come_in_pages_too() {
    let world = World::new().await;
    for day in 1..=20 {
        let night = Sleep {
            date: date(2026, 2, 1).saturating_add(jiff::Span::new().days(day)),
            start_at: later(at(0), 24 * (day - 28)),
            end_at: later(at(0), 24 * (day - 28) + 8),
            ..sleep()
        };
        world.home.sleep(&night, at(0)).await;
    }
    let whole = rows(&world.get(NIGHTS).await.json());
    assert_eq!(whole.len(), 20);
    assert_eq!(whole[0]["date"], "2026-02-21");
    assert!(
        whole
            .iter()
            .all(|row| row["sleep_stage_intervals"].as_array().unwrap().len() == 4)
    );
    let (there, back) = world.pages(&format!("{NIGHTS}?limit=6")).await;
    assert!(there == whole && back == whole);
    let counted = world
        .get(&format!("{NIGHTS}?limit=1&include_total=true"))
        .await;
    assert_eq!(counted.json()["pagination"]["total_count"], 20);
}
