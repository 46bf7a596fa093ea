//! Two sources of one workout become one row.

use jiff::SignedDuration;
use metrics_exporter_prometheus::PrometheusBuilder;
use polar_sync::{
    model::record::{Part, Workout, WorkoutSource},
    store::records::Change,
};

use crate::fixtures::{Home, at, hashed, workout, workout_with_parts};

const VIEWS: [&str; 4] = ["workouts", "workout_zones", "workout_route", "timeseries"];

async fn everything(home: &Home) -> Vec<Vec<String>> {
    let mut everything = Vec::new();
    for view in VIEWS {
        everything.push(home.content_of(view).await);
    }
    everything
}

/// A workout with milliseconds in its upload time, as exercise transactions have them, and what
/// `/v3/exercises` makes of it.
fn both_sources() -> (Workout, Workout) {
    let mut transactional = workout_with_parts();
    transactional.uploaded_at = "2026-03-01T08:00:00.350Z".parse().unwrap();
    transactional.club_name = None;
    let mut other = hashed(&transactional);
    other.club_name = Some("Runners".to_owned());
    if let Part::Present(points) = &mut other.route {
        points[0].altitude_m = None;
    }
    (transactional, other)
}

/// Stores a workout from one source and then from the other, and tells what readers see.
async fn one_after_the_other(first: &Workout, second: &Workout) -> Vec<Vec<String>> {
    let home = Home::new().await;
    let stored = home.workout(first).await;
    let merged = home.workout(second).await;
    assert_eq!(merged.change, Change::Changed);
    assert_eq!(merged.record_id, stored.record_id);
    for offered in [first, second, first] {
        let again = home.workout(offered).await;
        assert!(matches!(again.change, Change::Same | Change::Stale));
    }
    assert_eq!(
        home.number("SELECT max(revision)::int8 FROM api_v1.workouts")
            .await,
        2
    );
    everything(&home).await
}

#[tokio::test]
async fn the_order_of_the_sources_does_not_matter() {
    for hashed_is_later_s in [-3_600, 0, 3_600] {
        let (transactional, mut hashed) = both_sources();
        hashed.uploaded_at += SignedDuration::from_secs(hashed_is_later_s);
        assert_eq!(
            one_after_the_other(&transactional, &hashed).await,
            one_after_the_other(&hashed, &transactional).await,
            "{hashed_is_later_s}"
        );
    }
}

#[tokio::test]
async fn of_one_version_the_transaction_has_the_say_and_the_other_fills_the_gaps() {
    let (transactional, hashed) = both_sources();
    let home = Home::new().await;
    home.workout(&hashed).await;
    home.workout(&transactional).await;
    let row = home
        .texts(
            "SELECT concat_ws(' ', polar_id, polar_hashed_id, training_load, running_index, club_name) \
            FROM api_v1.workouts",
        )
        .await;
    assert_eq!(row, ["296013011 PknlZNpd 85 46 Runners"]);
    let altitudes = "SELECT count(altitude_m) FROM api_v1.workout_route";
    assert_eq!(home.number(altitudes).await, 2);
}

#[tokio::test]
async fn a_merged_workout_comes_to_rest() {
    let (transactional, hashed) = both_sources();
    let home = Home::new().await;
    home.workout(&transactional).await;
    home.workout(&hashed).await;
    let before = home.rows_as_they_lie().await;
    for offered in [&hashed, &transactional, &hashed] {
        assert_eq!(home.workout(offered).await.change, Change::Same);
    }
    assert_eq!(home.rows_as_they_lie().await, before);
}

#[tokio::test]
async fn a_part_that_the_transaction_lacked_comes_from_the_other_source() {
    let home = Home::new().await;
    let mut transactional = workout();
    transactional.uploaded_at = "2026-03-01T08:00:00.350Z".parse().unwrap();
    home.workout(&transactional).await;
    let mut other = hashed(&transactional);
    other.samples = workout_with_parts().samples;
    assert_eq!(home.workout(&other).await.change, Change::Changed);
    assert_eq!(
        home.number("SELECT count(*) FROM api_v1.timeseries").await,
        11
    );
    // What the other source gave, it may correct.
    if let Part::Present(samples) = &mut other.samples {
        samples[0].values[1] = Some(97.0);
    }
    assert_eq!(home.workout(&other).await.change, Change::Changed);
    assert_eq!(
        home.number("SELECT count(*) FROM api_v1.timeseries").await,
        12
    );
    assert_eq!(home.number("SELECT count(*) FROM api_v1.workouts").await, 1);
}

#[tokio::test]
async fn a_newer_version_of_the_other_source_overrides_and_blanks_nothing() {
    let home = Home::new().await;
    home.workout(&workout()).await;
    let mut newer = hashed(&workout());
    newer.uploaded_at = at(9_000);
    newer.calories_kcal = Some(600);
    newer.distance_m = None;
    assert_eq!(home.workout(&newer).await.change, Change::Changed);
    let row = home
        .texts(
            "SELECT concat_ws(' ', calories_kcal, distance_m, training_load) FROM api_v1.workouts",
        )
        .await;
    assert_eq!(row, ["600 5995 85"]);
}

#[tokio::test]
async fn another_device_or_duration_or_second_is_another_workout() {
    let home = Home::new().await;
    home.workout(&workout()).await;
    let others: [fn(&mut Workout); 3] = [
        |w| w.device_id = Some("2222BBBB".to_owned()),
        |w| w.duration_s += 2.5,
        |w| w.start_at = at(1),
    ];
    for (number, change) in others.into_iter().enumerate() {
        let mut other = hashed(&workout());
        other.source = WorkoutSource::Hashed(format!("other{number}"));
        change(&mut other);
        assert_eq!(home.workout(&other).await.change, Change::New, "{number}");
    }
    let mut unnamed = hashed(&workout());
    unnamed.device_id = None;
    unnamed.duration_s += 1.9;
    assert_eq!(home.workout(&unnamed).await.change, Change::Changed);
}

#[tokio::test]
async fn the_nearest_duration_is_taken() {
    let home = Home::new().await;
    let mut far = workout();
    far.duration_s += 1.5;
    home.workout(&far).await;
    let mut near = workout();
    near.source = WorkoutSource::Transactional(2);
    near.duration_s -= 0.5;
    let near = home.workout(&near).await;
    assert_eq!(
        home.workout(&hashed(&workout())).await.record_id,
        near.record_id
    );
}

#[tokio::test]
async fn what_is_ambiguous_stays_separate_and_is_counted() {
    let metrics = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let home = Home::new().await;
    for (id, difference_s) in [(1, 1.0), (2, -1.0)] {
        let mut candidate = workout();
        candidate.source = WorkoutSource::Transactional(id);
        candidate.duration_s = 2_645.0 + difference_s;
        home.workout(&candidate).await;
    }
    let mut between = hashed(&workout());
    between.duration_s = 2_645.0;
    assert_eq!(home.workout(&between).await.change, Change::New);
    assert_eq!(home.workout(&between).await.change, Change::Same);
    assert_eq!(home.number("SELECT count(*) FROM api_v1.workouts").await, 3);
    let rendered = metrics.handle().render();
    assert!(
        rendered.contains("polar_sync_workouts_ambiguous_total 1\n"),
        "{rendered}"
    );
}
