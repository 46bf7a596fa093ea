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
async fn of_two_that_were_created_at_once_the_greater_id_wins_in_either_order() {
    for reversed in [false, true] {
        let home = Home::new().await;
        let mut days = [activity(), activity()];
        days[1].polar_id += 1;
        days[1].steps = Some(9_000);
        if reversed {
            days.reverse();
        }
        assert_eq!(home.activity(&days[0]).await.change, Change::New);
        let second = home.activity(&days[1]).await.change;
        let expected = if reversed {
            Change::Stale
        } else {
            Change::Changed
        };
        assert_eq!(second, expected);
        let lie = home.rows_as_they_lie().await;
        for day in days.iter().filter(|day| day.polar_id == 1_538_467_360) {
            assert_eq!(home.activity(day).await.change, Change::Stale);
        }
        assert_eq!(home.rows_as_they_lie().await, lie);
        assert_eq!(
            home.texts(
                "SELECT concat_ws(' ', polar_id, steps, revision) FROM api_v1.daily_activities"
            )
            .await,
            [if reversed {
                "1538467361 9000 1"
            } else {
                "1538467361 9000 2"
            }]
        );
    }
}

#[tokio::test]
async fn a_day_without_samples_has_none_and_an_emptied_one_keeps_what_it_had() {
    let home = Home::new().await;
    let mut empty = activity();
    empty.step_samples = Part::Absent;
    empty.zone_samples = Part::Unreadable;
    assert_eq!(home.activity(&empty).await.change, Change::New);
    let states = "SELECT concat_ws(' ', step_samples_state, zone_samples_state) FROM api_v1.daily_activities";
    assert_eq!(home.texts(states).await, ["absent absent"]);
    let mut filled = activity();
    filled.created_at = at(40_000);
    assert_eq!(home.activity(&filled).await.change, Change::Changed);
    assert_eq!(home.texts(states).await, ["stored stored"]);
    empty.created_at = at(50_000);
    assert_eq!(home.activity(&empty).await.change, Change::Changed);
    assert_eq!(home.texts(states).await, ["stored stored"]);
    assert_eq!(
        home.number("SELECT count(*) FROM api_v1.timeseries").await,
        2
    );
}
