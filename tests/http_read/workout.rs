//! One workout with its parts.

use polar_sync::model::record::*;
use serde_json::{Value, json};

use crate::{
    fixtures::{at, connect, series, workout, workout_with_parts},
    harness::World,
};

fn path(id: impl std::fmt::Display) -> String {
    format!("/api/v1/users/user_001/events/workouts/{id}")
}

#[tokio::test]
async fn a_workout_comes_with_the_parts_that_are_asked_for() {
    let world = World::new().await;
    let stored = world.home.workout(&workout_with_parts()).await;
    let path = path(stored.record_id);
    let plain = world.get(&path).await.json();
    assert_eq!(plain["samples_state"], "stored");
    for part in ["zones", "route", "samples"] {
        assert!(plain.get(part).is_none());
        let with = world.get(&format!("{path}?{part}=true")).await.json();
        assert!(with.get(part).is_some());
        assert_eq!(
            with.as_object().unwrap().len(),
            plain.as_object().unwrap().len() + 1
        );
    }
    let all = world
        .get(&format!("{path}?samples=true&zones=true&route=true"))
        .await
        .json();
    assert_eq!(
        all["zones"][1],
        json!({"zone_index": 2, "lower_bpm": 117, "upper_bpm": 137, "in_zone_seconds": 1_200.5})
    );
    assert_eq!(all["zones"].as_array().unwrap().len(), 3);
    assert_eq!(
        all["route"][1],
        json!({
            "timestamp": "2026-03-01T06:00:01Z", "latitude": 65.012_355_6, "longitude": 25.472_901_2,
            "altitude_meters": 12.345
        })
    );
    let samples = all["samples"].as_object().unwrap();
    assert_eq!(
        samples.keys().collect::<Vec<_>>(),
        ["distance", "heart_rate", "speed"]
    );
    let values: Vec<_> = samples["heart_rate"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["value"])
        .collect();
    assert_eq!(values, [97.0, 98.0, 101.0]);
    assert_eq!(
        samples["heart_rate"][1]["timestamp"],
        "2026-03-01T06:00:02Z"
    );
    assert_eq!(samples["speed"][1]["unit"], "m_per_s");
}

#[tokio::test]
async fn a_workout_without_parts_has_empty_ones() {
    let world = World::new().await;
    let stored = world.home.workout(&workout()).await;
    let path = format!(
        "{}?samples=true&zones=true&route=true",
        path(stored.record_id)
    );
    let all = world.get(&path).await.json();
    assert_eq!(all["zones"], json!([]));
    assert_eq!(all["route"], json!([]));
    assert_eq!(all["samples"], json!({}));
}

#[tokio::test]
async fn a_long_workout_goes_out_whole() {
    const LENGTH: usize = 20_000;
    let world = World::new().await;
    let point = |second| RoutePoint {
        at: Some(at(second)),
        latitude: 65.0,
        longitude: 25.0,
        altitude_m: None,
    };
    let seconds = 0..i64::try_from(LENGTH).unwrap();
    let long = Workout {
        samples: Part::Present(vec![
            series(SeriesType::HeartRate, at(0), vec![Some(120.0); LENGTH]),
            series(SeriesType::Power, at(0), vec![Some(220.0); LENGTH]),
        ]),
        route: Part::Present(seconds.map(point).collect()),
        ..workout()
    };
    let stored = world.home.workout(&long).await;
    let path = format!("{}?samples=true&route=true", path(stored.record_id));
    let all = world.get(&path).await.json();
    let length = |part: &Value| part.as_array().unwrap().len();
    assert_eq!(length(&all["route"]), LENGTH);
    assert_eq!(
        all["route"][LENGTH - 1]["timestamp"],
        at(19_999).to_string()
    );
    assert_eq!(length(&all["samples"]["heart_rate"]), LENGTH);
    assert_eq!(length(&all["samples"]["power"]), LENGTH);
}

#[tokio::test]
async fn its_tag_is_that_of_its_revision() {
    let world = World::new().await;
    let stored = world.home.workout(&workout()).await;
    let path = path(stored.record_id);
    let tag = world.get(&path).await.tag();
    let known = [("if-none-match", tag.as_str())];
    assert_eq!(world.get_with(&path, &known).await.status, 304);
    assert_eq!(
        world
            .get_with(&format!("{path}?zones=true"), &known)
            .await
            .status,
        200
    );
    world.home.workout(&workout_with_parts()).await;
    assert_eq!(world.get_with(&path, &known).await.status, 200);
}

#[tokio::test]
async fn nobody_elses_workout_is_shown() {
    let world = World::new().await;
    let stored = world.home.workout(&workout()).await;
    connect(&world.home.db, "user_002", 2).await;
    world.know("user_002").await;
    let other = format!(
        "/api/v1/users/user_002/events/workouts/{}",
        stored.record_id
    );
    world
        .get(&other)
        .await
        .refused(404, "user_002 has no workout");
    let unknown = path("01890000-0000-7000-8000-000000000000");
    world.get(&unknown).await.refused(404, "has no workout");
    world.get(&path("1")).await.refused(400, "workout_id: ");
}
