//! Daily activity: one record a day, whichever id Polar offers it under.

use polar_sync::{model::record::Part, store::records::Change};

use crate::fixtures::{Home, activity, at};

#[tokio::test]
async fn the_same_day_again_writes_nothing() {
    let home = Home::new().await;
    assert_eq!(home.activity(&activity()).await.change, Change::New);
    let before = home.rows_as_they_lie().await;
    assert_eq!(home.activity(&activity()).await.change, Change::Same);
    assert_eq!(home.rows_as_they_lie().await, before);
    assert!(
        before
            .iter()
            .any(|row| row.starts_with("activity_zone_sample"))
    );
}

#[tokio::test]
async fn the_latest_created_wins_under_whatever_id() {
    let home = Home::new().await;
    let first = home.activity(&activity()).await;
    let mut later = activity();
    later.polar_id += 1;
    later.created_at = at(40_000);
    later.steps = Some(9_000);
    later.step_samples = Part::NotRequested;
    let second = home.activity(&later).await;
    assert_eq!(second.change, Change::Changed);
    assert_eq!(second.record_id, first.record_id);
    assert_eq!(home.activity(&activity()).await.change, Change::Stale);
    assert_eq!(
        home.texts("SELECT concat_ws(' ', polar_id, steps, step_samples_state, revision) FROM api_v1.daily_activities")
            .await,
        ["1538467361 9000 stored 2"]
    );
    assert_eq!(
        home.number("SELECT count(*) FROM api_v1.timeseries").await,
        2
    );
}

#[tokio::test]
async fn zones_are_read_back_as_they_were_given() {
    let home = Home::new().await;
    home.activity(&activity()).await;
    let zones = home
        .texts(
            "SELECT concat_ws(' ', to_char(at AT TIME ZONE 'UTC', 'HH24:MI'), zone, in_zone_s) \
            FROM api_v1.activity_zones ORDER BY 1",
        )
        .await;
    assert_eq!(
        zones,
        [
            "00:00 rest 3600",
            "01:00 light 1799.5",
            "01:00 sedentary 1800.5"
        ]
    );
}

#[tokio::test]
async fn a_day_without_step_samples_has_none_and_is_done() {
    let home = Home::new().await;
    home.activity(&activity()).await;
    let mut emptied = activity();
    emptied.created_at = at(40_000);
    emptied.step_samples = Part::Present(None);
    assert_eq!(home.activity(&emptied).await.change, Change::Changed);
    assert_eq!(
        home.number("SELECT count(*) FROM api_v1.timeseries").await,
        0
    );
    assert_eq!(
        home.texts("SELECT step_samples_state FROM api_v1.daily_activities")
            .await,
        ["stored"]
    );
}
