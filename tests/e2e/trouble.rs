//! Trouble that is of one item, of one answer or of the service, and must not become a user's.

use rstest::rstest;
use serde_json::json;
use tokio::net::TcpListener;

use super::world::{FIRST_ACCOUNT, World, within};

/// Faults of this action at every matching request, until they are removed.
async fn always(world: &World, operation: &str, action: serde_json::Value) {
    let fault = json!({ "op": operation, "times": null, "action": action });
    world.sim.post("/faults", fault).await;
}

#[tokio::test]
async fn one_item_that_the_server_cannot_give_leaves_the_others_visible() {
    let world = World::start(1, "small", &[]).await;
    world.connect_by(0, json!({ "registered": true })).await;
    let ledger = world.sim.get("/ledger/users/10000001").await;
    let exercises = ledger["items"]["exercise"].as_array().unwrap().clone();
    let (one, all) = (exercises[0]["id"].to_string(), exercises.len());
    assert!(all > 1, "the others");
    let fault = json!({ "op": "exercise.*", "path_contains": format!("/exercises/{one}/"), "times": null,
        "action": { "type": "status", "status": 500 } });
    world.sim.post("/faults", fault).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world
        .until(
            "the transaction to be blocked",
            "SELECT count(*) FROM polar_sync.remote_transaction WHERE phase = 'blocked'",
            1,
        )
        .await;
    let others = i64::try_from(all - 1).unwrap();
    world
        .until_true("the others to be visible", async || {
            world.number("SELECT count(*) FROM api_v1.workouts").await >= others
        })
        .await;
    assert_eq!(world.sim.requests("exercise.commit").await, 0);
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_server_that_forgets_its_transactions_is_not_asked_without_end() {
    let world = World::start(1, "small", &["--switch", "second_create=new-id"]).await;
    always(
        &world,
        "exercise.list",
        json!({ "type": "status", "status": 404 }),
    )
    .await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_a_run_ended().await;
    assert!(world.sim.requests("exercise.create").await <= 3);
    // The other kinds had their turn.
    world
        .until_true("nights", async || {
            world.number("SELECT count(*) FROM api_v1.sleeps").await > 0
        })
        .await;
    assert_eq!(
        world
            .text("SELECT error_class FROM polar_sync.kind_state WHERE kind = 'exercise'")
            .await,
        "no_progress"
    );
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_transaction_that_lists_nothing_is_not_committed() {
    let world = World::start(1, "small", &[]).await;
    let nothing = json!({ "type": "body", "body": r#"{"exercises":[]}"# });
    always(&world, "exercise.list", nothing).await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_a_run_ended().await;
    assert_eq!(world.sim.requests("exercise.commit").await, 0);
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_commit_that_failed_waits_for_the_brake() {
    let mut world = World::start(1, "small", &[]).await;
    always(
        &world,
        "exercise.commit",
        json!({ "type": "status", "status": 503 }),
    )
    .await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world
        .until(
            "the commit to be under way",
            "SELECT count(*) FROM polar_sync.remote_transaction WHERE kind = 'exercise' AND phase = 'committing'",
            1,
        )
        .await;
    world.until_a_run_ended().await;
    worker.stop().await;
    world.sim.delete("/faults").await;
    let commits = world.sim.requests("exercise.commit").await;
    world.set("SYNC__COMMIT", "off");
    let worker = world.spawn("worker");
    let job = r#"{"v":1,"user_id":"user_001","kinds":["exercise"],"request_id":"braked"}"#;
    world.xadd("interactive", job).await;
    world
        .until(
            "a run with the brake on",
            "SELECT count(*) FROM api_v1.sync_runs WHERE 'braked' = ANY (request_ids) AND outcome = 'ok'",
            1,
        )
        .await;
    assert_eq!(world.sim.requests("exercise.commit").await, commits);
    worker.stop().await;
    scheduler.stop().await;
}

/// Waits until exercises have failed.
async fn until_exercises_failed(world: &World) {
    let failed = "SELECT count(*) FROM polar_sync.kind_state WHERE kind = 'exercise' AND error_class IS NOT NULL";
    world.until("exercises to fail", failed, 1).await;
}

/// Asks for the user's exercises until everything is here.
async fn ask_until_in_step(world: &World) {
    world
        .until_true("ledger and Postgres to agree", async || {
            if world.differences().await.is_empty() {
                return true;
            }
            let job = r#"{"v":1,"user_id":"user_001","kinds":["exercise"]}"#;
            world.xadd("interactive", job).await;
            false
        })
        .await;
}

/// The transactions with exercises that were opened, each with its phase.
const OPENED: &str = "SELECT string_agg(polar_transaction_id || ' ' || phase, ', ')
    FROM polar_sync.remote_transaction WHERE kind = 'exercise' AND polar_transaction_id IS NOT NULL";

#[tokio::test]
async fn a_list_that_fails_is_asked_for_again_in_the_same_transaction() {
    let world = World::start(1, "small", &[]).await;
    let down = json!({ "type": "status", "status": 500 });
    always(&world, "exercise.list", down).await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    until_exercises_failed(&world).await;
    let opened = world.text(OPENED).await;
    let id = opened.strip_suffix(" open").unwrap();
    let lists = world.sim.requests("exercise.list").await;
    let job = r#"{"v":1,"user_id":"user_001","kinds":["exercise"],"request_id":"second"}"#;
    world.xadd("interactive", job).await;
    let ended = "SELECT count(*) FROM api_v1.sync_runs
        WHERE 'second' = ANY (request_ids) AND finished_at IS NOT NULL";
    world.until("a second run that fails", ended, 1).await;
    assert!(world.sim.requests("exercise.list").await > lists);
    assert_eq!(world.text(OPENED).await, opened);
    assert_eq!(world.sim.requests("exercise.commit").await, 0);

    world.sim.delete("/faults").await;
    ask_until_in_step(&world).await;
    assert_eq!(world.text(OPENED).await, format!("{id} committed"));
    assert_eq!(world.sim.requests("exercise.commit").await, 1);
    world.assert_content(FIRST_ACCOUNT).await;
    world.assert_honest().await;
    worker.stop().await;
    scheduler.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_commit_that_is_refused_is_made_up_for_by_another_worker(
    #[values(401, 403, 429, 503)] status: u16,
    #[values("before", "after")] when: &str,
) {
    let world = World::start(1, "small", &[]).await;
    let action = json!({ "type": "status", "status": status, "headers": { "retry-after": "1" } });
    let fault = json!({ "op": "exercise.commit", "when": when, "times": null, "action": action });
    world.sim.post("/faults", fault).await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    until_exercises_failed(&world).await;
    worker.stop().await;
    let opened = world.text(OPENED).await;
    let id = opened.strip_suffix(" committing").unwrap();
    world.sim.delete("/faults").await;
    if when == "after" {
        // Then there is nothing to be had, which is believed once the transaction's life is over.
        world.sim.post("/clock", json!({ "advance_s": 900 })).await;
        let later = "UPDATE polar_sync.clock SET shift = shift + interval '900 seconds'";
        world.execute(later).await;
    }

    let heir = world.spawn("worker");
    ask_until_in_step(&world).await;
    // What took effect at Polar, whatever was answered, is gone when it is asked for again.
    let phase = if when == "before" {
        "committed"
    } else {
        "unconfirmed"
    };
    assert_eq!(world.text(OPENED).await, format!("{id} {phase}"));
    let never_left = "SELECT count(*) FROM polar_sync.connection WHERE state = 'active' AND state_since = connected_at";
    assert_eq!(world.number(never_left).await, 1);
    world.assert_content(FIRST_ACCOUNT).await;
    world.assert_honest().await;
    heir.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_user_whom_polar_forgot_is_registered_again_and_synced_in_the_same_run() {
    let world = World::start(1, "small", &["--switch", "unregistered_user=403"]).await;
    world.connect(1).await;
    world
        .execute("UPDATE polar_sync.connection SET registered_at = polar_sync.now()")
        .await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    world
        .until(
            "a good run",
            "SELECT least(count(*), 1) FROM api_v1.sync_runs WHERE outcome = 'ok'",
            1,
        )
        .await;
    // Runs give way to one another, but none is in trouble.
    let troubled = "SELECT count(*) FROM api_v1.sync_runs
                    WHERE outcome <> 'ok' AND error_class IS DISTINCT FROM 'gave_way'";
    assert_eq!(world.number(troubled).await, 0);
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_token_server_that_is_down_makes_nobody_suspect() {
    let world = World::start(1, "small", &["--switch", "refresh_tokens=rotating"]).await;
    world.connect_with_refresh_token(0).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    always(&world, "token", json!({ "type": "status", "status": 503 })).await;
    world
        .sim
        .post("/revoke-all", json!({ "revoked": true }))
        .await;
    let job = r#"{"v":1,"user_id":"user_001","request_id":"unlucky"}"#;
    world.xadd("interactive", job).await;
    world
        .until(
            "a run without a token",
            "SELECT count(*) FROM api_v1.sync_runs WHERE 'unlucky' = ANY (request_ids) AND error_class = 'refresh'",
            1,
        )
        .await;
    assert_eq!(
        world.text("SELECT state FROM api_v1.connections").await,
        "active"
    );
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_request_waits_for_its_own_kinds_only() {
    let world = World::start(1, "small", &[]).await;
    let lost = json!({ "op": "exercise.create", "when": "after", "times": null,
        "action": { "type": "reset", "after_bytes": 3 } });
    world.sim.post("/faults", lost).await;
    world.connect(1).await;
    world
        .xadd(
            "interactive",
            r#"{"v":1,"user_id":"user_001","kinds":["sleep"],"request_id":"nights"}"#,
        )
        .await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world
        .until(
            "the nights to be served",
            "SELECT count(*) FROM polar_sync.sync_request WHERE request_id = 'nights' AND state = 'done'",
            1,
        )
        .await;
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_process_that_waits_for_its_database_ends_when_it_is_told_to() {
    let mut world = World::start(0, "small", &[]).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = silent.local_addr().unwrap();
    world.set("DATABASE__URL", &format!("postgres://nobody@{at}/nothing"));
    for role in ["worker", "scheduler", "api", "all"] {
        let process = world.spawn(role);
        let connection = within("the process to ask", silent.accept()).await.unwrap();
        assert_eq!(process.stop().await, Some(0), "{role}");
        drop(connection);
    }
}
