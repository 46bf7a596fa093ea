//! Workers that die or freeze at each stage of a life cycle, and services that are restarted: nothing
//! is lost, and nothing is stored twice.

use futures::future::join_all;
use polar_sync::store::Store;
use rstest::rstest;
use serde_json::json;

use super::{
    database::Database,
    world::{FIRST_ACCOUNT, World},
};

/// Holds the first request of an operation; the fault's id.
async fn hold(world: &World, operation: &str, when: &str) -> String {
    let fault = json!({ "op": operation, "when": when, "times": 1, "action": { "type": "hold" } });
    let fault = world.sim.post("/faults", fault).await;
    fault["id"]
        .as_str()
        .map_or_else(|| fault["id"].to_string(), str::to_owned)
}

/// Waits until a request is held.
async fn held(world: &World, fault: &str) {
    world
        .sim
        .get(&format!("/faults/{fault}/held?timeout_ms=60000"))
        .await;
}

/// A world whose transactions live so short that a test can wait for their end.
async fn short_lived(simulator: &[&str]) -> World {
    short_lived_on(Database::shared().await, simulator).await
}

async fn short_lived_on(database: Database, simulator: &[&str]) -> World {
    let life = ["--switch", "transaction_life_s=8"];
    let simulator = [&life[..], simulator].concat();
    let mut world = World::start_on(database, 1, "small", &simulator).await;
    world.set("ACCESSLINK__TRANSACTION_LIFE", "8s");
    world
}

#[rstest]
#[case::create_lost_on_its_way("exercise.create", "before")]
#[case::answer_to_the_create_lost("exercise.create", "after")]
#[case::list("exercise.list", "before")]
#[case::item("exercise.item", "before")]
#[case::samples("exercise.sample", "before")]
#[case::commit_lost_on_its_way("exercise.commit", "before")]
#[case::answer_to_the_commit_lost("exercise.commit", "after")]
#[case::activity_commit("activity.commit", "after")]
#[case::sleep("sleep.list", "before")]
#[tokio::test]
async fn a_worker_killed_at_a_stage_loses_nothing(#[case] operation: &str, #[case] when: &str) {
    let world = short_lived(&[]).await;
    let fault = hold(&world, operation, when).await;
    world.connect(1).await;
    let scheduler = world.spawn("scheduler");
    let victim = world.spawn("worker");
    held(&world, &fault).await;
    victim.kill().await;
    world
        .sim
        .post(&format!("/faults/{fault}/release"), json!({}))
        .await;
    let heir = world.spawn("worker");
    world.until_in_step().await;
    world.assert_content(FIRST_ACCOUNT).await;
    world.assert_honest().await;
    heir.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_worker_frozen_beyond_its_lease_writes_nothing_afterwards() {
    let world = short_lived(&[]).await;
    let fault = hold(&world, "exercise.item", "before").await;
    world.connect(1).await;
    let scheduler = world.spawn("scheduler");
    let frozen = world.spawn("worker");
    held(&world, &fault).await;
    frozen.signal("-STOP").await;
    world
        .sim
        .post(&format!("/faults/{fault}/release"), json!({}))
        .await;
    let heir = world.spawn("worker");
    world.until_in_step().await;
    let changes = world.number("SELECT count(*) FROM polar_sync.change").await;
    frozen.signal("-CONT").await;
    assert_eq!(frozen.stop().await, Some(0));
    world.until_in_step().await;
    assert_eq!(
        world.number("SELECT count(*) FROM polar_sync.change").await,
        changes
    );
    world.assert_content(FIRST_ACCOUNT).await;
    heir.stop().await;
    scheduler.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_commit_that_arrives_after_its_transactions_life_loses_nothing(
    #[values("no-op-404", "no-op-204", "deletes")] late_put: &str,
) {
    let world = short_lived(&["--switch", &format!("late_put={late_put}")]).await;
    let fault = hold(&world, "exercise.commit", "before").await;
    world.connect(1).await;
    let scheduler = world.spawn("scheduler");
    let frozen = world.spawn("worker");
    held(&world, &fault).await;
    frozen.signal("-STOP").await;
    world.sim.post("/clock", json!({ "advance_s": 20 })).await;
    let exercise = json!({ "duration_s": 60, "sport": "RUNNING" });
    world.sim.post("/users/10000001/exercises", exercise).await;
    world
        .sim
        .post(&format!("/faults/{fault}/release"), json!({}))
        .await;
    let heir = world.spawn("worker");
    world.until_in_step().await;
    world.assert_content(FIRST_ACCOUNT).await;
    frozen.signal("-CONT").await;
    assert_eq!(frozen.stop().await, Some(0));
    world.until_in_step().await;
    heir.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_flush_of_redis_loses_nothing() {
    let world = short_lived(&[]).await;
    world.connect(1).await;
    world.redis.command::<()>(&["FLUSHALL"]).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_in_step().await;
    world.redis.command::<()>(&["FLUSHALL"]).await;
    let exercise = json!({ "duration_s": 60, "sport": "RUNNING" });
    world.sim.post("/users/10000001/exercises", exercise).await;
    world.until_in_step().await;
    world.assert_content(FIRST_ACCOUNT).await;
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn whoever_comes_after_a_crash_of_postgres_meets_no_connection_from_before_it() {
    let database = Database::own().await;
    let mut world = short_lived_on(database, &[]).await;
    let store = Store::connect(world.database.url(), 4).await.unwrap();
    let at_once = || join_all((0..4).map(|_| store.now()));
    assert!(at_once().await.iter().all(Result::is_ok));
    world.database.restart().await;
    // A connection that was in use a moment ago is used as it is.
    let up_for = "SELECT (1000 * extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()))::bigint";
    world
        .until_true("the connections to be left alone for a while", async || {
            world.number(up_for).await > 1_200
        })
        .await;
    for answer in at_once().await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn restarts_of_redis_and_postgres_lose_nothing() {
    let database = Database::own().await;
    let mut world = short_lived_on(database, &[]).await;
    let fault = hold(&world, "exercise.item", "before").await;
    world.connect(1).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    held(&world, &fault).await;
    world.redis.restart().await;
    world.database.restart().await;
    world
        .sim
        .post(&format!("/faults/{fault}/release"), json!({}))
        .await;
    world.until_in_step().await;
    world.assert_content(FIRST_ACCOUNT).await;
    world.assert_honest().await;
    worker.stop().await;
    scheduler.stop().await;
}
