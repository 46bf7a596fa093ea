//! Workers that die or freeze at each stage of a life cycle, and services that are restarted: nothing
//! is lost, and nothing is stored twice.

use futures::future::join_all;
use polar_sync::{ops::servers::TemporaryFolder, store::Store};
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

/// Where every row of a user lies and which transaction wrote it: equal exactly when nothing was written.
const FOOTPRINT: &str = "SELECT string_agg(row, ' ' ORDER BY row) FROM (
    SELECT 'connection' || ctid || xmin AS row FROM polar_sync.connection
    UNION ALL SELECT 'sync_state' || ctid || xmin FROM polar_sync.sync_state
    UNION ALL SELECT 'kind_state' || ctid || xmin FROM polar_sync.kind_state
    UNION ALL SELECT 'sync_request' || ctid || xmin FROM polar_sync.sync_request
    UNION ALL SELECT 'sync_run' || ctid || xmin FROM polar_sync.sync_run
    UNION ALL SELECT 'remote_transaction' || ctid || xmin FROM polar_sync.remote_transaction
    UNION ALL SELECT 'raw_item' || ctid || xmin FROM polar_sync.raw_item
    UNION ALL SELECT 'sleep' || ctid || xmin FROM polar_sync.sleep
    UNION ALL SELECT 'workout' || ctid || xmin FROM polar_sync.workout
    UNION ALL SELECT 'outbox' || ctid || xmin FROM polar_sync.outbox
    UNION ALL SELECT 'change' || ctid || xmin FROM polar_sync.change) rows";

#[tokio::test]
async fn a_worker_frozen_beyond_its_lease_writes_nothing_afterwards() {
    const ENDED: &str = "polar_sync_queue_settled_total";
    let mut world = short_lived(&[]).await;
    // What Polar answered before the freeze still counts after it.
    world.set("ACCESSLINK__REQUEST_TIMEOUT", "2m");
    let fault = hold(&world, "sleep.list", "after").await;
    world.connect(1).await;
    let scheduler = world.spawn("scheduler");
    let frozen = world.spawn_measured("worker");
    held(&world, &fault).await;
    let ended = frozen.total(ENDED).await;
    frozen.role.signal("-STOP").await;
    world
        .sim
        .post(&format!("/faults/{fault}/release"), json!({}))
        .await;
    // It was given a night whose score changes before anybody else reads it: what it would write is
    // fetched later than what the heir stores, and is not the same.
    let ledger = world.sim.get("/ledger/users/10000001").await;
    let night = json!({ "date": ledger["items"]["sleep"][0]["date"], "sleep_score": 7 });
    world.sim.post("/users/10000001/nights", night).await;
    let rescored = "SELECT count(*) FROM api_v1.sleeps WHERE score = 7";
    let heir = world.spawn("worker");
    world.until("the new score", rescored, 1).await;
    world.until_in_step().await;
    // From here on the frozen one alone could write.
    assert_eq!(heir.stop().await, Some(0));
    assert_eq!(scheduler.stop().await, Some(0));
    let before = world.text(FOOTPRINT).await;
    frozen.role.signal("-CONT").await;
    world
        .until_true("the run that was frozen to end", async || {
            frozen.total(ENDED).await > ended
        })
        .await;
    assert_eq!(frozen.role.stop().await, Some(0));
    assert_eq!(world.number(rescored).await, 1);
    assert_eq!(world.text(FOOTPRINT).await, before);
    world.assert_content(FIRST_ACCOUNT).await;
    world.assert_honest().await;
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

/// The statement that settles a run, while it waits for somebody's lock.
const SETTLING: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE polar_sync.sync_run%'";

/// Entries of the lane that were handed out and not acknowledged, each with its consumer, its idle time and the
/// number of its deliveries.
async fn pending(world: &World) -> Vec<(String, String, u64, u64)> {
    let line = &[
        "XPENDING",
        "polar-sync:jobs:periodic",
        "workers",
        "-",
        "+",
        "9",
    ];
    world.redis.command(line).await
}

#[tokio::test]
async fn a_run_that_cannot_be_written_down_keeps_its_entry_until_it_can() {
    let database = Database::own().await;
    let mut world = short_lived_on(database, &[]).await;
    let fault = hold(&world, "exercise.list", "before").await;
    world.connect(1).await;
    let folder = TemporaryFolder::create().await.unwrap();
    let log = folder.path().join("log");
    // Without a scheduler nobody queues the request again: what is not pending is not run.
    let worker = world.spawn_logging_to("worker", &log);
    held(&world, &fault).await;
    let entries = pending(&world).await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    let running = "SELECT 1 FROM polar_sync.sync_request WHERE state = 'running' FOR UPDATE";
    let holder = world.lock(running).await;
    world
        .sim
        .post(&format!("/faults/{fault}/release"), json!({}))
        .await;
    world
        .until("the run to be about to be settled", SETTLING, 1)
        .await;
    world.database.crash().await;
    drop(holder);
    world
        .until_true("the worker to notice", async || {
            let log = std::fs::read_to_string(&log).unwrap();
            log.contains("the end of a run could not be written down")
        })
        .await;
    let still = pending(&world).await;
    assert_eq!(still.len(), 1, "{still:?}");
    assert_eq!(still[0].0, entries[0].0);

    world.database.recover().await;
    let done = "SELECT count(*) FROM polar_sync.sync_request WHERE state = 'done'";
    world.until("the request to be done", done, 1).await;
    world
        .until_true("the entry to be acknowledged", async || {
            pending(&world).await.is_empty()
        })
        .await;
    world.until_in_step().await;
    world.assert_content(FIRST_ACCOUNT).await;
    world.assert_honest().await;
    worker.stop().await;
}
