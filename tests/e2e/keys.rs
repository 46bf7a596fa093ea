//! Keys that change while users are synced.

use serde_json::json;

use super::world::{KEY, OTHER_KEY, World};

const USERS: u32 = 12;

const FAILED_RUNS: &str =
    "SELECT count(*) FROM api_v1.sync_runs WHERE outcome = 'failed' OR error_class = 'key'";

#[tokio::test]
async fn keys_change_while_users_are_synced_and_the_old_one_can_go() {
    let mut world = World::start(USERS, "small", &["--switch", "refresh_tokens=rotating"]).await;
    for number in 0..USERS {
        world.connect_with_refresh_token(number).await;
    }
    world.set("SECURITY__KEYS", &format!("{OTHER_KEY},{KEY}"));
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    world.until_a_run_ended().await;
    // Tokens are refreshed in the middle of it, too.
    let refused = json!({ "op": "exercise.create", "times": 5, "action": { "type": "status", "status": 401 } });
    world.sim.post("/faults", refused).await;
    let rotated = world.command("--json keys rotate", "").await;
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    world.until_in_step().await;
    assert_eq!(world.number(FAILED_RUNS).await, 0);
    let left = "SELECT count(*) FROM polar_sync.connection WHERE key_id <> 'k2'";
    assert_eq!(world.number(left).await, 0);
    worker.stop().await;
    scheduler.stop().await;

    world.set("SECURITY__KEYS", OTHER_KEY);
    let (scheduler, worker) = (world.spawn("scheduler"), world.spawn("worker"));
    for number in 1..=USERS {
        let job =
            format!(r#"{{"v":1,"user_id":"user_{number:03}","request_id":"after-{number}"}}"#);
        world.xadd("interactive", &job).await;
    }
    world
        .until(
            "everybody to be synced without the old key",
            "SELECT count(*) FROM polar_sync.sync_request WHERE request_id LIKE 'after-%' AND state = 'done'",
            i64::from(USERS),
        )
        .await;
    assert_eq!(world.number(FAILED_RUNS).await, 0);
    worker.stop().await;
    scheduler.stop().await;
}
