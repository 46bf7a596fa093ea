//! Nights and physical information: records that are replaced as a whole.

use polar_sync::store::records::Change;

use crate::fixtures::{Home, at, physical, recharge, sleep};

#[tokio::test]
async fn a_night_fetched_again_writes_nothing_unless_it_differs() {
    let home = Home::new().await;
    assert_eq!(home.sleep(&sleep(), at(100)).await.change, Change::New);
    let before = home.rows_as_they_lie().await;
    assert_eq!(home.sleep(&sleep(), at(200)).await.change, Change::Same);
    assert_eq!(home.rows_as_they_lie().await, before);

    let mut rescored = sleep();
    rescored.score = Some(81);
    rescored.stages.truncate(3);
    assert_eq!(home.sleep(&rescored, at(99)).await.change, Change::Stale);
    assert_eq!(home.rows_as_they_lie().await, before);

    let stages_before = home.rows_of("sleep_stage").await;
    assert_eq!(home.sleep(&rescored, at(300)).await.change, Change::Changed);
    let stages = home.rows_of("sleep_stage").await;
    assert_eq!(stages.len(), 3);
    assert!(stages.iter().all(|stage| stages_before.contains(stage)));
    assert_eq!(
        home.texts("SELECT concat_ws(' ', date, score, revision) FROM api_v1.sleeps")
            .await,
        ["2026-03-01 81 2"]
    );
}

#[tokio::test]
async fn a_nights_samples_stand_where_they_were_measured() {
    let home = Home::new().await;
    let night = home.sleep(&sleep(), at(100)).await;
    let samples = home
        .texts(&format!(
            "SELECT concat_ws(' ', type, to_char(at AT TIME ZONE 'UTC', 'HH24:MI:SS'), value, unit, \
            utc_offset_minutes) FROM api_v1.timeseries WHERE record_id = '{}' ORDER BY at",
            night.record_id
        ))
        .await;
    assert_eq!(
        samples,
        [
            "heart_rate 22:20:00 55 bpm 120",
            "heart_rate 22:30:10 51 bpm 120"
        ]
    );
    let mut without = sleep();
    without.heart_rate = None;
    home.sleep(&without, at(200)).await;
    assert_eq!(
        home.number("SELECT count(*) FROM api_v1.timeseries").await,
        0
    );
}

#[tokio::test]
async fn a_recovery_fetched_again_writes_nothing_unless_it_differs() {
    let home = Home::new().await;
    assert_eq!(
        home.recharge(&recharge(), at(100)).await.change,
        Change::New
    );
    let before = home.rows_as_they_lie().await;
    assert_eq!(
        home.recharge(&recharge(), at(200)).await.change,
        Change::Same
    );
    assert_eq!(home.rows_as_they_lie().await, before);
    assert_eq!(
        home.number("SELECT count(*) FROM api_v1.timeseries").await,
        4
    );

    let mut rescored = recharge();
    rescored.ans_charge = Some(1.5);
    assert_eq!(home.recharge(&rescored, at(50)).await.change, Change::Stale);
    assert_eq!(
        home.recharge(&rescored, at(300)).await.change,
        Change::Changed
    );
    assert_eq!(
        home.texts("SELECT concat_ws(' ', ans_charge, revision) FROM api_v1.nightly_recharges")
            .await,
        ["1.5 2"]
    );
}

#[tokio::test]
async fn each_state_of_physical_information_is_a_record() {
    let home = Home::new().await;
    let first = home.physical(&physical(1)).await;
    let before = home.rows_as_they_lie().await;
    assert_eq!(home.physical(&physical(1)).await.change, Change::Same);
    let mut older = physical(1);
    older.recorded_at = at(99);
    assert_eq!(home.physical(&older).await.change, Change::Stale);
    assert_eq!(home.rows_as_they_lie().await, before);

    let second = home.physical(&physical(2)).await;
    assert_eq!(second.change, Change::New);
    assert_ne!(second.record_id, first.record_id);
    let mut newer = physical(1);
    newer.recorded_at = at(101);
    newer.weight_kg = Some(75.0);
    assert_eq!(home.physical(&newer).await.change, Change::Changed);
    assert_eq!(
        home.texts(
            "SELECT concat_ws(' ', polar_id, weight_kg, revision) \
            FROM api_v1.physical_information ORDER BY polar_id"
        )
        .await,
        ["1 75 2", "2 76.5 1"]
    );
}
