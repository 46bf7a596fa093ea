//! Workouts: versions, parts, and writing nothing that is stored already.

use std::sync::Arc;

use polar_sync::{
    model::record::{Part, Workout, WorkoutSource},
    store::records::{Change, upsert_workout},
};
use tracing::{Level, callsite, subscriber};

use crate::fixtures::{Home, Lines, at, workout, workout_with_parts};

#[tokio::test]
async fn the_same_workout_again_writes_nothing() {
    let home = Home::new().await;
    let first = home.workout(&workout_with_parts()).await;
    let before = home.rows_as_they_lie().await;
    let second = home.workout(&workout_with_parts()).await;

    assert_eq!(first.change, Change::New);
    assert_eq!(second.change, Change::Same);
    assert_eq!(second.record_id, first.record_id);
    assert_eq!(home.rows_as_they_lie().await, before);
    assert!(before.len() >= 9, "{before:?}");
}

#[tokio::test]
async fn an_older_version_is_ignored() {
    let home = Home::new().await;
    let first = home.workout(&workout()).await;
    let before = home.rows_as_they_lie().await;
    let mut older = workout_with_parts();
    older.uploaded_at = at(7_199);
    older.calories_kcal = Some(1);
    let second = home.workout(&older).await;

    assert_eq!(second.change, Change::Stale);
    assert_eq!(second.record_id, first.record_id);
    assert_eq!(home.rows_as_they_lie().await, before);
}

#[tokio::test]
async fn a_newer_version_replaces_the_summary_and_keeps_the_parts() {
    let home = Home::new().await;
    home.workout(&workout_with_parts()).await;
    let mut newer = workout();
    newer.uploaded_at = at(9_000);
    newer.distance_m = None;
    newer.calories_kcal = Some(600);
    let second = home.workout(&newer).await;

    assert_eq!(second.change, Change::Changed);
    let row = home
        .texts(
            "SELECT concat_ws(' ', coalesce(distance_m::text, 'none'), calories_kcal, samples_state, \
            zones_state, route_state, revision) FROM api_v1.workouts",
        )
        .await;
    assert_eq!(row, ["none 600 stored stored stored 2"]);
    assert_eq!(
        home.number("SELECT count(*) FROM api_v1.timeseries").await,
        11
    );
    let feed = home
        .texts("SELECT concat_ws(' ', kind, change, revision) FROM polar_sync.outbox ORDER BY outbox_id")
        .await;
    assert_eq!(feed, ["exercise added 1", "exercise updated 2"]);
}

#[tokio::test]
async fn parts_may_come_later() {
    let home = Home::new().await;
    home.workout(&workout()).await;
    let complete = workout_with_parts();
    let mut with_samples = workout();
    with_samples.samples = complete.samples.clone();
    with_samples.route = Part::Absent;
    assert_eq!(home.workout(&with_samples).await.change, Change::Changed);
    let states =
        "SELECT concat_ws(' ', samples_state, zones_state, route_state) FROM api_v1.workouts";
    assert_eq!(home.texts(states).await, ["stored not_requested absent"]);

    assert_eq!(home.workout(&complete).await.change, Change::Changed);
    assert_eq!(home.texts(states).await, ["stored stored stored"]);

    // Nothing that is stored goes away because it was not asked for, or is not there any more.
    let mut poorer = workout();
    poorer.samples = Part::Gone;
    poorer.zones = Part::Absent;
    poorer.route = Part::Unreadable;
    let before = home.rows_as_they_lie().await;
    assert_eq!(home.workout(&poorer).await.change, Change::Same);
    assert_eq!(home.workout(&workout()).await.change, Change::Same);
    assert_eq!(home.rows_as_they_lie().await, before);
}

#[tokio::test]
async fn a_changed_part_touches_only_what_differs() {
    let home = Home::new().await;
    home.workout(&workout_with_parts()).await;
    let (series_before, zones_before) = (
        home.rows_of("series").await,
        home.rows_of("workout_zone").await,
    );
    let mut edited = workout_with_parts();
    edited.uploaded_at = at(9_000);
    if let Part::Present(samples) = &mut edited.samples {
        samples.pop();
        samples[0].values[1] = Some(97.0);
    }
    if let Part::Present(zones) = &mut edited.zones {
        zones.pop();
    }
    home.workout(&edited).await;

    let (series, zones) = (
        home.rows_of("series").await,
        home.rows_of("workout_zone").await,
    );
    assert_eq!(series.len(), 2);
    assert_eq!(zones.len(), 2);
    assert!(zones.iter().all(|zone| zones_before.contains(zone)));
    let untouched = series.iter().filter(|row| series_before.contains(row));
    assert_eq!(
        untouched.count(),
        1,
        "the heart rate changed, the speed did not"
    );
    assert_eq!(
        home.number("SELECT count(*) FROM api_v1.timeseries").await,
        8
    );
}

#[tokio::test]
async fn two_ids_of_one_source_are_two_workouts() {
    let home = Home::new().await;
    let first = home.workout(&workout()).await;
    let mut twin = workout();
    twin.source = WorkoutSource::Transactional(296_013_012);
    let second = home.workout(&twin).await;

    assert_eq!(second.change, Change::New);
    assert_ne!(second.record_id, first.record_id);
}

#[tokio::test]
async fn readers_see_zones_and_routes_as_they_were_given() {
    let home = Home::new().await;
    let mut workout = workout_with_parts();
    if let Part::Present(points) = &mut workout.route {
        points[1].at = None;
        points[1].altitude_m = None;
    }
    home.workout(&workout).await;
    let zones = home
        .texts(
            "SELECT concat_ws(' ', user_id, zone_index, lower_bpm, upper_bpm, in_zone_s) \
            FROM api_v1.workout_zones ORDER BY zone_index",
        )
        .await;
    assert_eq!(
        zones,
        [
            "user_001 1 98 117 60",
            "user_001 2 117 137 1200.5",
            "user_001 3 137 156 1384"
        ]
    );
    let route = home
        .texts(
            "SELECT concat_ws(' ', seq, to_char(at AT TIME ZONE 'UTC', 'HH24:MI:SS'), latitude, \
            longitude, altitude_m) FROM api_v1.workout_route ORDER BY seq",
        )
        .await;
    assert_eq!(
        route,
        [
            "1 06:00:00 65.0123456 25.4729012 12.345",
            "2 65.0123556 25.4729012"
        ]
    );
}

/// How many statements an upsert sends, by sqlx's own log of them.
async fn statements_of(home: &Home, workout: &Workout) -> usize {
    let lines = Arc::new(Lines::default());
    let log = tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .with_writer(Arc::clone(&lines))
        .finish();
    let mut tx = home.store.begin("test").await.unwrap();
    let _logging = subscriber::set_default(log);
    // The thread that is first to log a statement decides whether statements are logged: make sure
    // that one has been, and then that it was decided by this thread.
    home.number("SELECT 1::int8").await;
    callsite::rebuild_interest_cache();
    let before = lines.count_of("sqlx::query");
    upsert_workout(&mut tx, home.connection, &home.user, workout)
        .await
        .unwrap();
    let statements = lines.count_of("sqlx::query") - before;
    tx.commit().await.unwrap();
    statements
}

#[tokio::test]
async fn an_upsert_sends_few_statements() {
    let home = Home::new().await;
    assert_eq!(statements_of(&home, &workout()).await, 3);
    assert_eq!(statements_of(&home, &workout_with_parts()).await, 6);
    assert_eq!(statements_of(&home, &workout_with_parts()).await, 1);
}
