//! Rows that are lost of records: what is stored is hashed again, and compared with the hash beside it.

use polar_sync::{
    model::{Detail, Details, Kind, record::Part},
    store::records::{upsert_sleep, upsert_workout},
};

use crate::fixtures::{Home, activity, at, recharge, run, sleep, workout, workout_with_parts};

/// Kinds whose records have other rows than their own.
const KINDS: [Kind; 4] = [
    Kind::Exercise,
    Kind::Activity,
    Kind::Sleep,
    Kind::NightlyRecharge,
];

/// A user with one record of each kind.
async fn home() -> Home {
    let home = Home::new().await;
    home.workout(&workout_with_parts()).await;
    home.activity(&activity()).await;
    home.sleep(&sleep(), at(100)).await;
    home.recharge(&recharge(), at(100)).await;
    home
}

/// The kinds with a damaged record, and its lost details.
async fn damaged(home: &Home) -> Vec<(Kind, Details)> {
    let mut all = Vec::new();
    for kind in KINDS {
        let damaged = home.store.damaged(home.connection, kind).await.unwrap();
        all.extend(damaged.into_iter().map(|damaged| (kind, damaged.details)));
    }
    all
}

#[tokio::test]
async fn what_is_stored_is_whole_be_it_empty() {
    let home = home().await;
    assert_eq!(damaged(&home).await, []);
    let home = Home::new().await;
    let mut bare = workout();
    bare.samples = Part::Present(Vec::new());
    bare.zones = Part::Present(Vec::new());
    bare.route = Part::Present(Vec::new());
    home.workout(&bare).await;
    let mut night = sleep();
    night.stages.clear();
    night.heart_rate = None;
    home.sleep(&night, at(100)).await;
    let mut recovery = recharge();
    (recovery.hrv, recovery.breathing) = (None, None);
    home.recharge(&recovery, at(100)).await;
    let mut day = activity();
    (day.step_samples, day.zone_samples) = (Part::Absent, Part::NotRequested);
    home.activity(&day).await;
    assert_eq!(damaged(&home).await, []);
}

#[tokio::test]
async fn one_row_that_is_lost_is_enough() {
    let samples = Details::from(vec![Detail::Samples]);
    let zones = Details::from(vec![Detail::Zones]);
    for (table, of, kind, details) in [
        ("series", "workout", Kind::Exercise, samples),
        ("workout_zone", "workout", Kind::Exercise, zones),
        (
            "route",
            "workout",
            Kind::Exercise,
            vec![Detail::Route].into(),
        ),
        ("series", "daily_activity", Kind::Activity, samples),
        (
            "activity_zone_sample",
            "daily_activity",
            Kind::Activity,
            zones,
        ),
        ("series", "sleep", Kind::Sleep, Details::NONE),
        ("sleep_stage", "sleep", Kind::Sleep, Details::NONE),
        (
            "series",
            "nightly_recharge",
            Kind::NightlyRecharge,
            Details::NONE,
        ),
    ] {
        let home = home().await;
        let last = format!(
            "DELETE FROM polar_sync.{table} WHERE ctid = (SELECT p.ctid FROM polar_sync.{table} p
             JOIN polar_sync.{of} USING (connection_id, record_id) ORDER BY p.ctid DESC LIMIT 1)"
        );
        run(&mut home.sql().await, &last).await;
        assert_eq!(damaged(&home).await, [(kind, details)], "{table} of {of}");
    }
}

#[tokio::test]
async fn a_record_takes_the_id_that_rows_of_it_still_have() {
    let home = home().await;
    let before = home.content_of("timeseries").await;
    let ids = "SELECT record_id::text FROM polar_sync.workout UNION ALL SELECT record_id::text FROM polar_sync.sleep";
    let lost = home.texts(ids).await;
    let delete = "DELETE FROM polar_sync.workout; DELETE FROM polar_sync.sleep";
    run(&mut home.sql().await, delete).await;
    assert_eq!(home.store.strays(home.connection).await.unwrap(), 2);
    let mut tx = home.store.begin("test").await.unwrap();
    tx.adopt_strays(at(0));
    let (connection, user) = (home.connection, &home.user);
    let workout = workout_with_parts();
    upsert_workout(&mut tx, connection, user, &workout)
        .await
        .unwrap();
    upsert_sleep(&mut tx, connection, user, &sleep(), at(200))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(home.texts(ids).await, lost);
    assert_eq!(home.store.strays(home.connection).await.unwrap(), 0);
    assert_eq!(home.content_of("timeseries").await, before);
    // Whoever knows it by an earlier revision learns that there is a later one.
    let told = "SELECT change FROM polar_sync.outbox ORDER BY outbox_id DESC LIMIT 2";
    assert_eq!(home.texts(told).await, ["updated", "updated"]);
    assert_eq!(damaged(&home).await, []);
}

/// What was stored by an earlier version is compared with hashes of that version: another way to hash
/// makes all of it look damaged, and takes a migration.
#[tokio::test]
async fn hashes_stay_what_they_are() {
    let home = home().await;
    let hashes = home
        .texts(
            "SELECT encode(hash, 'hex') FROM (
                SELECT 1, samples_hash AS hash FROM polar_sync.workout
                UNION ALL SELECT 2, zones_hash FROM polar_sync.workout
                UNION ALL SELECT 3, step_samples_hash FROM polar_sync.daily_activity
                UNION ALL SELECT 4, content_hash FROM polar_sync.sleep
                UNION ALL SELECT 5, content_hash FROM polar_sync.nightly_recharge
            ) AS hashes (place, hash) ORDER BY place",
        )
        .await;
    assert_eq!(
        hashes,
        [
            "12465752ca4391f4150663acf9aeccb4",
            "151ca843be49592b35c5cc1a8cee522d",
            "c8a1d35cae4807696d56af3796191857",
            "cb2fc60162e638ca0b0f5172c6097461",
            "2d8c6e383d21fc95458c77dda463c7b1",
        ]
    );
}
