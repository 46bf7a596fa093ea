//! Who lives in the simulated world, and what the passing of time brings.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::harness::{Sim, USER, exercises, text, urls};

#[tokio::test]
async fn further_days_appear_as_the_clock_moves() {
    let (sim, token) = Sim::connected(&[]).await;
    let before = sim.ask("/ledger").await["totals"].clone();
    sim.advance_s(3600).await;
    assert_eq!(
        sim.ask("/ledger").await["totals"],
        before,
        "nothing is uploaded within the first hours"
    );
    sim.advance_s(3 * 24 * 3600).await;
    let after = sim.ask("/ledger").await["totals"].clone();
    for (key, more) in [("exercises", 3), ("nights", 3)] {
        let grown = after[key].as_u64().unwrap() - before[key].as_u64().unwrap();
        assert!((more..=more + 1).contains(&grown), "{grown} more {key}");
    }
    assert_eq!(
        exercises(&sim, &token).await.len() as u64,
        after["exercises"].as_u64().unwrap()
    );
}

#[tokio::test]
async fn today_is_offered_again_with_a_later_created_and_more_steps() {
    let (sim, token) = Sim::connected(&[
        "--start",
        "2026-03-20T06:30:00Z",
        "--profile",
        "realistic",
        "--days",
        "1",
    ])
    .await;
    let today = async || {
        let uri = sim.open(&token, "activity").await;
        let mut of_day = Value::Null;
        for url in urls(&sim.get(&token, &uri).await, "activity-log") {
            let summary = sim.get(&token, &url).await.json();
            if summary["date"] == "2026-03-20" {
                of_day = summary;
            }
        }
        sim.commit(&token, &uri).await;
        of_day
    };
    let morning = today().await;
    sim.advance_s(5 * 3600).await;
    let noon = today().await;
    assert!(
        noon["active-steps"].as_i64() > morning["active-steps"].as_i64(),
        "{morning} {noon}"
    );
    assert!(text(&noon, "created") > text(&morning, "created"));
    assert_ne!(noon["id"], morning["id"]);
}

/// Ten accounts cover all time zones of the population.
#[tokio::test]
async fn the_population_lives_in_many_zones_and_some_clocks_change_within_the_month() {
    let sim = Sim::start(&["--users", "10", "--profile", "realistic"]).await;
    let (mut offsets, mut changes, mut sports) = (Vec::new(), 0, BTreeSet::new());
    for user in USER..USER + 10 {
        let token = sim.token(user).await;
        let listed = exercises(&sim, &token).await;
        let own: Vec<i64> = listed
            .iter()
            .map(|it| it["start_time_utc_offset"].as_i64().unwrap())
            .collect();
        changes += usize::from(own.iter().any(|offset| *offset != own[0]));
        offsets.extend(own);
        sports.extend(
            listed
                .iter()
                .map(|it| text(it, "detailed_sport_info").to_owned()),
        );
        let newest_first = listed.windows(2).filter(|pair| {
            let utc = |it: &Value| {
                let local: DateTime = text(it, "start_time").parse().unwrap();
                let offset =
                    SignedDuration::from_mins(it["start_time_utc_offset"].as_i64().unwrap());
                local.checked_sub(offset).unwrap()
            };
            utc(&pair[0]) > utc(&pair[1])
        });
        assert_eq!(newest_first.count() + 1, listed.len());
        let seconds = |it: &Value| {
            text(it, "upload_time")
                .parse::<Timestamp>()
                .unwrap()
                .as_second()
        };
        for pair in listed.windows(2) {
            assert!((1..=3).contains(&(seconds(&pair[1]) - seconds(&pair[0]))));
        }
    }
    assert!(
        offsets.contains(&840) && offsets.contains(&-570) && offsets.contains(&345),
        "{offsets:?}"
    );
    assert!(changes >= 2, "{changes} clocks changed");
    assert!(
        sports.contains("CROSS-COUNTRY_SKIING") && sports.len() >= 10,
        "{sports:?}"
    );
}
