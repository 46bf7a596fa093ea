//! What Polar may answer: broken bodies, hidden transactions, edits, the same data once more.

use rstest::rstest;
use serde_json::json;

use super::world::World;

#[tokio::test]
async fn a_second_sync_of_the_same_data_changes_nothing() {
    let world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    let footprint = "SELECT
        (SELECT string_agg(workout_id || ':' || revision || ':' || updated_at, ',' ORDER BY workout_id)
         FROM api_v1.workouts)
        || (SELECT string_agg(sleep_id::text || updated_at, ',' ORDER BY sleep_id) FROM api_v1.sleeps)
        || (SELECT string_agg(ctid::text, ',' ORDER BY record_id) FROM polar_sync.workout)
        || (SELECT string_agg(ctid::text, ',' ORDER BY record_id) FROM polar_sync.sleep)
        || (SELECT string_agg(ctid::text, ',' ORDER BY record_id, series) FROM polar_sync.series)
        || (SELECT count(*) FROM polar_sync.change) || '+' || (SELECT count(*) FROM polar_sync.outbox)";
    world
        .until(
            "the changes to be numbered",
            "SELECT count(*) FROM polar_sync.outbox",
            0,
        )
        .await;
    let before = world.text(footprint).await;
    world
        .xadd(
            "interactive",
            r#"{"v":1,"user_id":"user_001","request_id":"again"}"#,
        )
        .await;
    world
        .until(
            "the second run",
            "SELECT count(*) FROM api_v1.sync_runs WHERE 'again' = ANY (request_ids) AND outcome = 'ok'",
            1,
        )
        .await;
    assert_eq!(world.text(footprint).await, before);
    worker.stop().await;
    scheduler.stop().await;
}

#[rstest]
#[case::cut_off(json!({ "type": "truncate", "after_bytes": 40 }))]
#[case::html(json!({ "type": "html" }))]
#[case::reset(json!({ "type": "reset", "after_bytes": 10 }))]
#[case::server_error(json!({ "type": "status", "status": 503 }))]
#[case::redirect(json!({ "type": "redirect", "location": "http://127.0.0.1:1/" }))]
#[tokio::test]
async fn a_broken_answer_now_and_then_loses_nothing(#[case] action: serde_json::Value) {
    let mut world = World::start(1, "small", &["--switch", "transaction_life_s=8"]).await;
    world.set("ACCESSLINK__TRANSACTION_LIFE", "8s");
    for operation in [
        "exercise.item",
        "exercise.zones",
        "activity.item",
        "sleep.list",
    ] {
        let fault = json!({ "op": operation, "times": 2, "action": action });
        world.sim.post("/faults", fault).await;
    }
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    // A blocked transaction waits for minutes; an interactive request tries again at once.
    world.until_a_run_ended().await;
    world
        .until_true("ledger and Postgres to agree", async || {
            if world.differences().await.is_empty() {
                return true;
            }
            world
                .xadd("interactive", r#"{"v":1,"user_id":"user_001"}"#)
                .await;
            false
        })
        .await;
    world.assert_honest().await;
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_transaction_with_an_item_that_is_never_whole_is_not_committed() {
    let world = World::start(1, "small", &[]).await;
    let broken = json!({ "op": "exercise.zones", "times": null, "action": { "type": "truncate", "after_bytes": 5 } });
    let fault = world.sim.post("/faults", broken).await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world
        .until(
            "the transaction to be blocked",
            "SELECT count(*) FROM polar_sync.remote_transaction WHERE phase = 'blocked'",
            1,
        )
        .await;
    assert_eq!(world.sim.requests("exercise.commit").await, 0);
    // What could be fetched is visible all the same.
    world
        .until_true("the workouts to be visible", async || {
            world.number("SELECT count(*) FROM api_v1.workouts").await > 0
        })
        .await;
    world
        .sim
        .delete(&format!("/faults/{}", fault["id"].as_str().unwrap_or("1")))
        .await;
    world
        .xadd("interactive", r#"{"v":1,"user_id":"user_001"}"#)
        .await;
    world.until_in_step().await;
    worker.stop().await;
    scheduler.stop().await;
}

#[rstest]
#[tokio::test]
async fn whatever_polar_does_with_a_second_create(
    #[values("204", "same-id", "same-id-more-items", "new-id")] second_create: &str,
    #[values("404", "204")] expired: &str,
    #[values("200", "204", "404", "lost")] put_answer: &str,
) {
    let is_put_lost = put_answer == "lost";
    let put_answer = if is_put_lost { "200" } else { put_answer };
    let switches = [
        format!("second_create={second_create}"),
        format!("expired_resource={expired}"),
        format!("put_answer={put_answer}"),
        "transaction_life_s=6".to_owned(),
    ];
    let arguments: Vec<&str> = switches
        .iter()
        .flat_map(|switch| ["--switch", switch])
        .collect();
    let mut world = World::start(1, "small", &arguments).await;
    world.set("ACCESSLINK__TRANSACTION_LIFE", "6s");
    let lost = |operation: &str| json!({ "op": operation, "when": "after", "times": 1, "action": { "type": "reset", "after_bytes": 3 } });
    world.sim.post("/faults", lost("exercise.create")).await;
    if is_put_lost {
        world.sim.post("/faults", lost("exercise.commit")).await;
    }
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    world.assert_honest().await;
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn an_edited_session_is_stored_anew_under_its_id() {
    let world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    let ledger = world.sim.get("/ledger/users/10000001").await;
    let id = ledger["items"]["exercise"][0]["id"].to_string();
    let edit = json!({ "calories": 4321 });
    world
        .sim
        .post(&format!("/users/10000001/exercises/{id}/edit"), edit)
        .await;
    world
        .until(
            "the edit to be stored",
            "SELECT count(*) FROM api_v1.workouts WHERE calories_kcal = 4321 AND revision = 2",
            1,
        )
        .await;
    world.until_in_step().await;
    worker.stop().await;
    scheduler.stop().await;
}
