//! Operators' commands with a real worker: what they ask for is done.

use rstest::rstest;
use serde_json::{Value, json};

use super::{
    processes::Said,
    world::{FIRST_ACCOUNT, World},
};

/// The lines of an import of so many accounts, which the other system registered.
async fn lines(world: &World, users: u32) -> String {
    let mut lines = String::new();
    for number in 0..users {
        let account = FIRST_ACCOUNT + i64::from(number);
        let path = format!("/users/{account}/token");
        let tokens = world.sim.post(&path, json!({ "registered": true })).await;
        let line = json!({
            "user_id": super::world::user(number),
            "polar_user_id": account,
            "access_token": tokens["access_token"],
        });
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    lines
}

fn data(said: &Said) -> Value {
    assert_eq!(said.code, Some(0), "{said:?}");
    serde_json::from_str(&said.stdout).unwrap()
}

#[tokio::test]
async fn imported_users_are_synced() {
    let world = World::start(2, "small", &[]).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    let said = world
        .command("--json users import -", &lines(&world, 2).await)
        .await;
    assert_eq!(data(&said)["imported"], 2);
    world.until_in_step().await;
    let said = world.command("--json enqueue user_001 --wait", "").await;
    assert_eq!(data(&said)["outcome"], "ok");
    world.assert_honest().await;
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_paused_user_is_left_alone_until_it_is_resumed() {
    let world = World::start(1, "small", &[]).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world
        .command("users import -", &lines(&world, 1).await)
        .await;
    world.until_in_step().await;
    assert_eq!(
        world.command("users pause user_001", "").await.code,
        Some(0)
    );
    let exercise = json!({ "duration_s": 60, "sport": "RUNNING" });
    world.sim.post("/users/10000001/exercises", exercise).await;
    let refused = world.command("enqueue user_001", "").await;
    assert_eq!(refused.code, Some(17), "{refused:?}");
    assert!(!world.differences().await.is_empty());
    assert_eq!(
        world.command("users resume user_001", "").await.code,
        Some(0)
    );
    world.until_in_step().await;
    worker.stop().await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_user_taken_for_gone_is_active_again_when_polar_accepts_it() {
    let world = World::start(1, "small", &[]).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world
        .command("users import -", &lines(&world, 1).await)
        .await;
    world.until_in_step().await;
    world
        .execute("UPDATE polar_sync.connection SET state = 'revoked'")
        .await;
    let resumed = world.command("--json users resume user_001", "").await;
    assert_eq!(data(&resumed)["state"], "suspect");
    world
        .until(
            "the user to be active",
            "SELECT count(*) FROM api_v1.connections WHERE state = 'active'",
            1,
        )
        .await;
    world.until_in_step().await;
    worker.stop().await;
    scheduler.stop().await;
}

/// A blocked transaction whose life is over, and nobody works on it.
const IS_OVER: &str = "SELECT count(*) FROM polar_sync.remote_transaction t JOIN polar_sync.sync_state s USING (connection_id)
    WHERE phase = 'blocked' AND t.last_create_at < polar_sync.now() - interval '9 s' AND s.lease_until IS NULL";

/// A blocked transaction that nobody works on.
const IS_BLOCKED: &str = "SELECT count(*) FROM polar_sync.remote_transaction t JOIN polar_sync.sync_state s USING (connection_id)
    WHERE phase = 'blocked' AND s.lease_until IS NULL";

#[rstest]
#[case::within_its_life(&[], "10m", IS_BLOCKED)]
#[case::after_its_life(&["--switch", "transaction_life_s=8"], "8s", IS_OVER)]
#[tokio::test]
async fn what_an_operator_gives_up_is_lost_and_the_rest_is_committed(
    #[case] simulator: &[&str],
    #[case] life: &str,
    #[case] is_blocked: &'static str,
) {
    let mut world = World::start(1, "small", simulator).await;
    world.set("ACCESSLINK__TRANSACTION_LIFE", life);
    let lines = lines(&world, 1).await;
    let (broken, fault) = break_one_activity(&world).await;
    world.command("users import -", &lines).await;
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world
        .until("the transaction to be blocked", is_blocked, 1)
        .await;
    let listed = data(&world.command("--json transactions list", "").await);
    assert_eq!(listed[0]["items"], json!([broken]));
    let id = listed[0]["id"].as_str().unwrap();
    let without_yes = world
        .command(&format!("transactions accept-loss {id}"), "")
        .await;
    assert_eq!(without_yes.code, Some(17), "{without_yes:?}");
    assert!(without_yes.stderr.contains("add --yes"), "{without_yes:?}");
    assert_eq!(world.sim.requests("activity.commit").await, 0);

    let accepted = world
        .command(&format!("transactions accept-loss {id} --yes"), "")
        .await;
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    world
        .until(
            "the commit",
            "SELECT least(count(*), 1) FROM polar_sync.remote_transaction
             WHERE kind = 'activity' AND phase = 'committed' AND accepted_loss <> '{}'",
            1,
        )
        .await;
    let differences = world.differences().await;
    assert!(
        differences.iter().any(|it| it.starts_with("activities: ")),
        "{differences:?}"
    );
    let offered = world.sim.get("/ledger").await["totals"]["activities"]
        .as_i64()
        .unwrap();
    let stored = world
        .number("SELECT count(*) FROM api_v1.daily_activities")
        .await;
    assert_eq!(stored, offered - 1);
    world.sim.delete(&format!("/faults/{fault}")).await;
    worker.stop().await;
    scheduler.stop().await;
}

/// Cuts off every answer for one activity; its id, and the fault's.
async fn break_one_activity(world: &World) -> (String, String) {
    let ledger = world.sim.get("/ledger/users/10000001").await;
    let broken = ledger["items"]["activity"][0]["id"].to_string();
    let fault = json!({
        "op": "activity.item", "path_contains": format!("/activities/{broken}"), "times": null,
        "action": { "type": "truncate", "after_bytes": 5 },
    });
    let fault = world.sim.post("/faults", fault).await;
    let fault = fault["id"]
        .as_str()
        .map_or_else(|| fault["id"].to_string(), str::to_owned);
    (broken, fault)
}
