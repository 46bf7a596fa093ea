//! What an audit asks for, when not all of it can be brought back at once.

use serde_json::json;

use super::{
    audit::{audit, numbers, world},
    audit_rows::{ASKED, cannot_tell, execute, rows, sync},
    world::World,
};

/// How many rows tables have.
async fn counts<const N: usize>(world: &World, tables: [&str; N]) -> [usize; N] {
    let mut counts = [0; N];
    for (count, table) in counts.iter_mut().zip(tables) {
        *count = rows(world, table).await.len();
    }
    counts
}

#[tokio::test]
async fn one_body_that_cannot_be_read_keeps_nothing_else_back() {
    let (world, worker) = world(1).await;
    let weighings = "/users/10000001/physical-informations";
    let weighing = json!({ "weight_kg": 71.5 });
    world.sim.post(weighings, weighing.clone()).await;
    sync(&world).await;
    let tables = ["physical_information", "sleep", "route"];
    let before = counts(&world, tables).await;
    assert!(before.iter().all(|rows| *rows > 1), "{before:?}");
    let damaged = "DELETE FROM polar_sync.physical_information;
        DELETE FROM polar_sync.sleep; DELETE FROM polar_sync.sleep_stage; DELETE FROM polar_sync.route;
        UPDATE polar_sync.workout SET uploaded_at = uploaded_at - interval '31 days';
        UPDATE polar_sync.raw_body SET body = '\\x00' WHERE (connection_id, sha256) IN (
            SELECT DISTINCT ON (kind) connection_id, sha256 FROM polar_sync.raw_item
            WHERE kind IN ('exercise', 'physical_information', 'sleep') AND part = 'summary'
            ORDER BY kind, fetched_at DESC, item)";
    execute(&world, damaged.to_owned()).await;
    for operation in ["exercises.list", "sleep.list"] {
        let action = json!({ "type": "status", "status": 204 });
        let fault = json!({ "op": operation, "times": null, "action": action });
        world.sim.post("/faults", fault).await;
    }
    world.sim.post(weighings, weighing).await;
    let backfill = r#"{"v":1,"user_id":"user_001","cause":"backfill"}"#;
    world.xadd("interactive", backfill).await;
    let tried = "SELECT count(*) FROM polar_sync.sync_request WHERE state = 'open' AND not_before IS NOT NULL";
    world.until("the first try", tried, 1).await;
    // All but one came back, and what was new came as well.
    let [weighings, nights, routes] = before;
    let after = counts(&world, tables).await;
    assert_eq!(after, [weighings, nights - 1, routes - 1]);
    // Nor is gone what may yet be read.
    let gone = "SELECT count(*) FROM polar_sync.workout WHERE route_state = 'gone'";
    assert_eq!(world.number(gone).await, 0);
    let failed = "SELECT string_agg(concat_ws(' ', kind, error_class), ', ' ORDER BY kind)
        FROM polar_sync.kind_state WHERE attempts > 0";
    let expected = "exercise raw_body, physical_information raw_body, sleep raw_body";
    assert_eq!(world.text(failed).await, expected);
    assert_eq!(
        world.text(ASKED).await,
        "exercise,physical_information,sleep"
    );
    // An audit counts the route as missing, and says of the others that nobody can tell.
    let (code, said) = audit(&world, "user_001").await;
    let [.., missing, refetched] = numbers(&said);
    assert_eq!((code, missing, refetched), (21, 1, 0), "{said}");
    let unread: Vec<_> = cannot_tell(&said)
        .into_iter()
        .filter_map(|(kind, why)| why.contains("cannot be read").then_some(kind))
        .collect();
    assert_eq!(unread, ["physical_information", "sleep"], "{said}");
    worker.stop().await;
}

#[tokio::test]
async fn only_of_the_kinds_that_are_asked_for_what_is_lost_is_brought_back() {
    let (world, worker) = world(1).await;
    let deleted = "DELETE FROM polar_sync.sleep; DELETE FROM polar_sync.physical_information;
        UPDATE polar_sync.kind_state SET next_due_at = polar_sync.now() WHERE kind = 'physical_information'";
    execute(&world, deleted.to_owned()).await;
    let backfill = r#"{"v":1,"user_id":"user_001","cause":"backfill","kinds":["sleep"]}"#;
    world.xadd("interactive", backfill).await;
    let ended =
        "SELECT count(*) FROM polar_sync.sync_request WHERE cause = 'backfill' AND state = 'done'";
    world.until("the backfill", ended, 1).await;
    let ran = "SELECT count(*) FROM polar_sync.kind_state
        WHERE kind = 'physical_information' AND next_due_at > polar_sync.now()";
    assert_eq!(world.number(ran).await, 1);
    assert!(!rows(&world, "sleep").await.is_empty());
    assert!(rows(&world, "physical_information").await.is_empty());
    worker.stop().await;
}

#[tokio::test]
async fn parts_that_polar_may_still_show_stay_missing_when_it_shows_none() {
    let (world, worker) = world(1).await;
    let lost =
        "DELETE FROM polar_sync.route; DELETE FROM polar_sync.raw_item WHERE kind = 'exercise'";
    execute(&world, lost.to_owned()).await;
    let action = json!({ "type": "body", "body": "[]" });
    let fault = json!({ "id": "none", "op": "exercises.list", "times": null, "action": action });
    world.sim.post("/faults", fault).await;
    let gone = "SELECT count(*) FROM api_v1.workouts WHERE route_state = 'gone'";
    let (code, said) = audit(&world, "user_001").await;
    let [.., missing, refetched] = numbers(&said);
    assert!((code, refetched) == (21, 0) && missing > 1, "{said}");
    assert_eq!(world.number(gone).await, 0);
    // What Polar got more than thirty days ago it shows no more, whatever it answers.
    let aged = "UPDATE polar_sync.workout SET uploaded_at = uploaded_at - interval '31 days'
        WHERE record_id = (SELECT record_id FROM polar_sync.workout WHERE route_state = 'stored' LIMIT 1)";
    execute(&world, aged.to_owned()).await;
    audit(&world, "user_001").await;
    assert_eq!(world.number(gone).await, 1);
    world.sim.delete("/faults/none").await;
    let (code, said) = audit(&world, "user_001").await;
    let [.., still_missing, refetched] = numbers(&said);
    assert_eq!(
        (code, still_missing, refetched),
        (20, missing - 1, missing - 1),
        "{said}"
    );
    assert_eq!(world.number(gone).await, 1);
    worker.stop().await;
}
