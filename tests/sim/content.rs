//! What the simulated world contains, in both families of endpoints.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::harness::{Sim, USER, exercises, text, urls};

/// The ledger without what depends on the instant of the registration and on the port.
fn timeless(ledger: Value) -> Value {
    match ledger {
        Value::Object(object) => {
            let kept = object.into_iter().filter(|(key, _)| {
                let instants = [
                    "upload_time",
                    "upload-time",
                    "created",
                    "polar-user",
                    "polar_user",
                ];
                !instants.contains(&key.as_str())
            });
            let kept = kept.map(|(key, value)| {
                // A summary contains the instant of its upload and the port, and so does its hash.
                let value = if key == "summary" {
                    value["body"].clone()
                } else {
                    value
                };
                (key, timeless(value))
            });
            kept.collect()
        }
        Value::Array(list) => list.into_iter().map(timeless).collect(),
        other => other,
    }
}

#[tokio::test]
async fn the_same_seed_makes_the_same_world() {
    let mut worlds = Vec::new();
    for seed in ["7", "7", "8"] {
        let (sim, _) = Sim::connected(&["--seed", seed]).await;
        let totals = sim.ask("/ledger").await["totals"].clone();
        worlds.push((timeless(sim.ledger().await), totals));
    }
    assert_eq!(worlds[0], worlds[1]);
    assert_ne!(worlds[0].0["items"], worlds[2].0["items"]);
}

#[tokio::test]
async fn the_small_profile_has_two_sessions_and_two_nights() {
    let (sim, token) = Sim::connected(&[]).await;
    let totals = sim.ask("/ledger").await["totals"].clone();
    for (key, count) in [
        ("users", 1),
        ("exercises", 2),
        ("nights", 2),
        ("activities", 2),
    ] {
        assert_eq!(totals[key], count, "{key}");
    }
    let samples: usize = exercises_with_samples(&sim, &token).await;
    let counted = totals["sample_values"].as_object().unwrap().values();
    assert_eq!(
        samples as u64,
        counted.map(|count| count.as_u64().unwrap()).sum::<u64>()
    );
}

/// Values of all samples, counted by hand from the bodies.
async fn exercises_with_samples(sim: &Sim, token: &str) -> usize {
    let list = sim.get(token, "/v3/exercises?samples=true").await.json();
    let samples = list
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|it| it["samples"].as_array().unwrap());
    let values = samples.flat_map(|one| one["data"].as_str().unwrap().split(','));
    values.filter(|value| !value.is_empty()).count()
}

#[tokio::test]
async fn a_session_is_the_same_in_both_families_under_two_ids() {
    let (sim, token) = Sim::connected(&[]).await;
    let uri = sim.open(&token, "exercise").await;
    let items = urls(&sim.get(&token, &uri).await, "exercises");
    let listed = exercises(&sim, &token).await;
    assert_eq!(listed.len(), items.len());
    for url in items {
        let kebab = sim.get(&token, &url).await.json();
        let same_start = |it: &&Value| it["start_time"] == kebab["start-time"];
        let snake = listed
            .iter()
            .find(same_start)
            .expect("a session in both families");
        let id = text(snake, "id");
        assert!(
            id.len() == 8 && id.chars().all(|char| char.is_ascii_alphanumeric()),
            "{id}"
        );
        assert_eq!(snake["heart_rate"], kebab["heart-rate"]);
        assert!(text(snake, "duration").ends_with('S') && !text(snake, "duration").contains('M'));
        assert!(text(&kebab, "duration").contains('M'));
        let full = sim
            .get(
                &token,
                &format!("/v3/exercises/{id}?samples=true&zones=true&route=true"),
            )
            .await;
        let full = full.json();
        let sample = &full["samples"][0];
        let part = sim
            .get(&token, &format!("{url}/samples/{}", sample["sample_type"]))
            .await
            .json();
        assert_eq!(part["data"], sample["data"]);
        assert_eq!(part["sample-type"], sample["sample_type"].to_string());
        assert_eq!(
            (&part["recording-rate"], &sample["recording_rate"]),
            (&json!(1), &json!(1))
        );
        let zones = sim
            .get(&token, &format!("{url}/heart-rate-zones"))
            .await
            .json();
        assert_eq!(
            zones["zone"][0]["in-zone"],
            full["heart_rate_zones"][0]["in_zone"]
        );
        let has_route = kebab["has-route"].as_bool().unwrap();
        assert_eq!(full["route"].is_array(), has_route);
        let gpx = sim.get(&token, &format!("{url}/gpx")).await;
        assert_eq!(gpx.status, if has_route { 200 } else { 204 });
        let file = sim.get(&token, &format!("/v3/exercises/{id}/gpx")).await;
        assert_eq!(file.status, if has_route { 200 } else { 404 });
        let points = String::from_utf8(gpx.body)
            .unwrap()
            .matches("<trkpt ")
            .count();
        assert_eq!(points, full["route"].as_array().map_or(0, Vec::len));
    }
    assert_eq!(sim.get(&token, "/v3/exercises/unknown1").await.status, 404);
}

#[tokio::test]
async fn nested_keys_and_missing_values_follow_the_switches() {
    let arguments = [
        "--profile",
        "single-summary",
        "--switch",
        "nested_keys=kebab",
        "--switch",
        "null_token=NULL",
    ];
    let (sim, token) = Sim::connected(&arguments).await;
    let samples = json!({"0": [60, null, 62], "11": [null, 800]});
    let zones = json!([{"lower_limit": 90, "upper_limit": 120, "in_zone_s": 75}]);
    let described = json!({
        "start_time": "2026-03-19T23:30:00", "offset_min": -570, "duration_s": 3.5, "sport": "KITESURFING",
        "samples": samples, "zones": zones, "route": false,
    });
    let uploaded = sim
        .tell(&format!("/users/{USER}/exercises"), described)
        .await;
    let path = format!(
        "/v3/exercises/{}?samples=true&zones=true",
        text(&uploaded, "hash_id")
    );
    let exercise = sim.get(&token, &path).await.json();
    let heart_rate = json!({"recording-rate": 1, "sample-type": "0", "data": "60,NULL,62"});
    let beats = json!({"recording-rate": null, "sample-type": "11", "data": "NULL,800"});
    assert_eq!(exercise["samples"], json!([heart_rate, beats]));
    let zone = json!({"index": 0, "lower-limit": 90, "upper-limit": 120, "in-zone": "PT1M15S"});
    assert_eq!(exercise["heart_rate_zones"], json!([zone]));
    assert_eq!(
        exercise["heart_rate"],
        json!({"average": 61, "maximum": 62})
    );
    assert_eq!(
        (
            text(&exercise, "start_time"),
            &exercise["start_time_utc_offset"]
        ),
        ("2026-03-19T23:30:00", &json!(-570))
    );
    assert_eq!(
        (
            text(&exercise, "duration"),
            text(&exercise, "detailed_sport_info")
        ),
        ("PT3.500S", "KITESURFING")
    );
    let totals = sim.ask("/ledger").await["totals"].clone();
    assert_eq!(totals["sample_values"]["11"], 1);
}

#[tokio::test]
async fn nights_are_on_their_own_endpoints_and_their_maps_cover_them() {
    let (sim, token) = Sim::connected(&["--switch", "url_origin=polar"]).await;
    let nights = sim.get(&token, "/v3/users/sleep").await.json();
    let nights = nights["nights"].as_array().unwrap();
    let available = sim.get(&token, "/v3/users/sleep/available").await.json();
    assert_eq!(
        (
            nights.len(),
            available["available"].as_array().unwrap().len()
        ),
        (2, 2)
    );
    for night in nights {
        let date = text(night, "date");
        assert_eq!(
            sim.get(&token, &format!("/v3/users/sleep/{date}"))
                .await
                .json(),
            *night
        );
        assert_eq!(
            text(night, "polar_user"),
            format!("https://polaraccesslink.com/v3/users/{USER}")
        );
        let instant = |key| text(night, key).parse::<Timestamp>().unwrap();
        let length_s = instant("sleep_end_time")
            .duration_since(instant("sleep_start_time"))
            .as_secs();
        let seconds = [
            "light_sleep",
            "deep_sleep",
            "rem_sleep",
            "unrecognized_sleep_stage",
            "total_interruption_duration",
        ];
        assert_eq!(
            seconds
                .iter()
                .map(|key| night[key].as_i64().unwrap())
                .sum::<i64>(),
            length_s
        );
        let recharge = sim
            .get(&token, &format!("/v3/users/nightly-recharge/{date}"))
            .await;
        let maps = [
            night["heart_rate_samples"].clone(),
            recharge.json()["hrv_samples"].clone(),
        ];
        for map in maps.iter().filter_map(Value::as_object) {
            assert!(
                map.len().abs_diff(usize::try_from(length_s / 300).unwrap()) <= 1,
                "{} in {length_s} s",
                map.len()
            );
        }
    }
    assert_eq!(
        sim.get(&token, "/v3/users/sleep/2020-01-01").await.status,
        404
    );
    assert_eq!(
        sim.get(&token, "/v3/users/sleep/yesterday").await.status,
        400
    );
    assert_eq!(
        sim.get(&token, "/v3/users/nightly-recharge/2020-01-01")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn nights_days_and_weighings_can_be_uploaded_again() {
    let (sim, token) = Sim::connected(&[]).await;
    let nights = sim.get(&token, "/v3/users/sleep").await.json();
    let date: Date = text(&nights["nights"][0], "date").parse().unwrap();
    let again = json!({"date": date.to_string(), "sleep_score": 33});
    assert_eq!(
        sim.tell(&format!("/users/{USER}/nights"), again).await["revision"],
        2
    );
    let night = sim
        .get(&token, &format!("/v3/users/sleep/{date}"))
        .await
        .json();
    assert_eq!(night["sleep_score"], 33);
    assert_eq!(night["hypnogram"], nights["nights"][0]["hypnogram"]);
    let steps = json!({"date": date.to_string(), "extra_steps": 1000});
    let activity = sim.tell(&format!("/users/{USER}/activities"), steps).await;
    let ledger = sim.ledger().await;
    let offered = ledger["items"]["activity"].as_array().unwrap();
    let revised = offered
        .iter()
        .find(|it| it["id"] == activity["id"])
        .unwrap();
    assert_eq!(
        (&revised["revision"], text(revised, "date")),
        (&json!(2), date.to_string().as_str())
    );
    let weight = json!({"weight_kg": 71.5});
    sim.tell(&format!("/users/{USER}/physical-informations"), weight)
        .await;
    let uri = sim.open(&token, "physical-information").await;
    let entries = urls(&sim.get(&token, &uri).await, "physical-informations");
    assert_eq!(sim.get(&token, &entries[1]).await.json()["weight"], 71.5);
}
