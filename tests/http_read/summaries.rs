//! Summaries: a row a day, and the body.

use jiff::{Span, civil::date};
use polar_sync::model::record::*;
use serde_json::{Value, json};

use crate::{
    fixtures::{activity, at, physical, recharge, sleep},
    harness::{World, column, rows},
};

fn path(summary: &str) -> String {
    format!("/api/v1/users/user_001/summaries/{summary}")
}

/// The one row of a summary, without its ids and times of storing.
async fn row(world: &World, summary: &str) -> Value {
    let mut row = rows(&world.get(&path(summary)).await.json()).remove(0);
    let row = row.as_object_mut().unwrap();
    for own in ["id", "updated_at", "revision", "source"] {
        assert!(row.remove(own).is_some(), "{own}");
    }
    Value::Object(row.clone())
}

#[tokio::test]
async fn a_day_of_activity() {
    let world = World::new().await;
    world.home.activity(&activity()).await;
    assert_eq!(
        row(&world, "activity").await,
        json!({
            "date": "2026-03-01", "steps": 8_123, "distance_meters": null, "floors_climbed": null,
            "elevation_meters": null, "active_calories_kcal": 612, "total_calories_kcal": 2_341,
            "active_minutes": 166, "sedentary_minutes": 30,
            "intensity_minutes": {"light": 30, "moderate": null, "vigorous": null},
            "heart_rate": {"avg_bpm": null, "max_bpm": null, "min_bpm": null}
        })
    );
}

#[tokio::test]
async fn a_night_of_sleep_and_its_recovery() {
    let world = World::new().await;
    world.home.sleep(&sleep(), at(0)).await;
    world.home.recharge(&recharge(), at(0)).await;
    assert_eq!(
        row(&world, "sleep").await,
        json!({
            "date": "2026-03-01", "start_time": "2026-02-28T22:20:00Z", "end_time": "2026-03-01T06:00:00Z",
            "duration_minutes": 417, "time_in_bed_minutes": 460, "efficiency_percent": 90.58,
            "stages": {"awake_minutes": 43, "light_minutes": 233, "deep_minutes": 83, "rem_minutes": 100},
            "interruptions_count": null, "nap_count": null, "nap_duration_minutes": null,
            "avg_heart_rate_bpm": 52, "avg_hrv_sdnn_ms": null, "avg_hrv_rmssd_ms": 38,
            "avg_respiratory_rate": 14.1, "avg_spo2_percent": null, "score": 79
        })
    );
    assert_eq!(
        row(&world, "recovery").await,
        json!({
            "date": "2026-03-01", "sleep_duration_seconds": 25_000, "sleep_efficiency_percent": 90.58,
            "resting_heart_rate_bpm": null, "avg_hrv_sdnn_ms": null, "avg_hrv_rmssd_ms": 38,
            "avg_spo2_percent": null, "recovery_score": 40, "ans_charge": -2.4, "status": 3
        })
    );
}

#[tokio::test]
async fn a_recharge_without_a_sleep_has_nulls() {
    let world = World::new().await;
    world.home.recharge(&recharge(), at(0)).await;
    let row = row(&world, "recovery").await;
    assert_eq!(row["sleep_duration_seconds"], Value::Null);
    assert_eq!(row["sleep_efficiency_percent"], Value::Null);
    assert_eq!(row["avg_hrv_rmssd_ms"], 38);
}

#[tokio::test]
async fn the_body_is_the_latest_and_nulls_where_nothing_is_known() {
    let world = World::new().await;
    let empty = world.get(&path("body")).await.json();
    assert_eq!(
        empty["slow_changing"],
        json!({
            "weight_kg": null, "height_cm": null, "body_fat_percent": null, "muscle_mass_kg": null, "bmi": null,
            "age": null
        })
    );
    let older = PhysicalInformation {
        recorded_at: at(0),
        weight_kg: Some(99.0),
        ..physical(1)
    };
    world.home.physical(&physical(2)).await;
    world.home.physical(&older).await;
    for (day, rmssd) in [(28, 40), (1, 50)] {
        let night = NightlyRecharge {
            date: date(2026, if day == 1 { 3 } else { 2 }, day),
            hrv_rmssd_ms: Some(rmssd),
            ..recharge()
        };
        world.home.recharge(&night, at(0)).await;
    }
    let body = world.get(&path("body")).await.json();
    assert_eq!(body["slow_changing"]["weight_kg"], 76.5);
    assert_eq!(body["slow_changing"]["bmi"], 22.84);
    assert_eq!(
        body["averaged"],
        json!({
            "period_days": 7, "resting_heart_rate_bpm": 52, "avg_hrv_sdnn_ms": null, "avg_hrv_rmssd_ms": 45.0,
            "period_start": "2026-02-24T00:00:00Z", "period_end": "2026-03-03T00:00:00Z"
        })
    );
    assert_eq!(body["latest"]["vo2_max"], 48);
    assert_eq!(body["source"]["provider"], "polar");
    world
        .get("/api/v1/users/nobody/summaries/body")
        .await
        .refused(404, "nobody");
}

#[tokio::test]
async fn days_come_in_pages_of_either_order() {
    let world = World::new().await;
    for day in 0..20 {
        let date = date(2026, 2, 5).saturating_add(Span::new().days(day));
        world
            .home
            .activity(&DailyActivity {
                date,
                polar_id: day,
                ..activity()
            })
            .await;
        world.home.sleep(&Sleep { date, ..sleep() }, at(0)).await;
        world
            .home
            .recharge(&NightlyRecharge { date, ..recharge() }, at(0))
            .await;
    }
    for summary in ["activity", "sleep", "recovery"] {
        let path = path(summary);
        let whole = rows(&world.get(&path).await.json());
        assert_eq!(whole.len(), 20, "{summary}");
        assert_eq!(whole[0]["date"], "2026-02-05");
        let (there, back) = world.pages(&format!("{path}?limit=6")).await;
        assert!(there == whole && back == whole, "{summary}");
        let mut newest = whole.clone();
        newest.reverse();
        let (there, back) = world
            .pages(&format!("{path}?limit=7&sort_order=desc"))
            .await;
        assert!(there == newest && back == newest, "{summary}");
        let some = format!("{path}?start_date=2026-02-10&end_date=2026-02-12&include_total=true");
        let some = world.get(&some).await.json();
        assert_eq!(
            column(&rows(&some), "date"),
            ["2026-02-10", "2026-02-11", "2026-02-12"]
        );
        assert_eq!(some["pagination"]["total_count"], 3);
    }
}
