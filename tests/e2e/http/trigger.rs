//! Platforms that trigger syncs, and follow them.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Api, code};
use crate::world::World;

const SYNC: &str = "/api/v1/providers/polar/users/user_001/sync";
const REQUESTS: &str = "SELECT count(*) FROM polar_sync.sync_request WHERE cause = 'http'";

#[tokio::test]
async fn a_sync_is_queued_and_can_be_followed_to_its_end() {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let api = world.spawn_api("all").await;
    let call = api.call(
        Method::POST,
        &format!("{SYNC}?samples=true&zones=true&route=true"),
    );
    let (status, body) = Api::answer(call.header("x-request-id", "platform-7")).await;
    assert_eq!(
        (status, &body["success"], &body["async"]),
        (200, &json!(true), &json!(true))
    );
    let task = body["task_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/users/user_001/sync/runs/{task}");
    world
        .until_true("the sync to be done", async || {
            api.get(&path).await.1["state"] == "done"
        })
        .await;
    let (_, run) = api.get(&path).await;
    assert_eq!(run["cause"], "http");
    assert_eq!(run["request_id"], "platform-7");
    assert_eq!(run["include"], json!(["samples", "zones", "route"]));
    assert_eq!(run["run"]["outcome"], "ok");
    let (_, runs) = api.get("/api/v1/users/user_001/sync/runs").await;
    let tasks: Vec<_> = runs["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["task_id"])
        .collect();
    assert!(tasks.contains(&&json!(task)), "{runs}");
    world.until_in_step().await;
    world.assert_honest().await;
}

#[tokio::test]
async fn a_caller_may_wait_for_the_end() {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let api = world.spawn_api("all").await;
    let (status, body) = api.post(&format!("{SYNC}?async=false")).await;
    assert_eq!(
        (status, &body["success"], &body["async"]),
        (200, &json!(true), &json!(false)),
        "{body}"
    );
    assert_eq!(body["state"], "done");
    let counts = |body: &Value| {
        body["counts"]["new"].as_i64().unwrap() + body["counts"]["same"].as_i64().unwrap()
    };
    assert!(counts(&body) > 0, "{body}");
    world.assert_honest().await;
}

#[tokio::test]
async fn a_caller_does_not_wait_for_ever() {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    world.set("API__SYNC_WAIT", "300ms");
    let api = world.spawn_api("api").await;
    let (status, body) = api.post(&format!("{SYNC}?async=false")).await;
    assert_eq!((status, &body["state"]), (202, &json!("open")), "{body}");
    assert_eq!(body["success"], false);
}

#[tokio::test]
async fn the_same_key_is_the_same_sync() {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let api = world.spawn_api("api").await;
    let call = |key: &str, query: &str| {
        Api::answer(
            api.call(Method::POST, &format!("{SYNC}{query}"))
                .header("idempotency-key", key),
        )
    };
    let calls = (0..10).map(|_| call("k1", ""));
    let answers = futures::future::join_all(calls).await;
    let task = &answers[0].1["task_id"];
    assert!(
        answers
            .iter()
            .all(|(status, body)| *status == 200 && body["task_id"] == *task),
        "{answers:?}"
    );
    assert_eq!(world.number(REQUESTS).await, 1);
    let (status, body) = call("k1", "?route=true").await;
    assert_eq!((status, code(&body)), (422, "idempotency_key_reused"));
    assert_ne!(call("k2", "").await.1["task_id"], *task);
    assert_eq!(world.number(REQUESTS).await, 2);
    let (status, body) = call(&"x".repeat(256), "").await;
    assert_eq!((status, code(&body)), (400, "invalid_parameter"));
}

#[tokio::test]
async fn who_cannot_be_synced_is_told_why() {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let api = world.spawn_api("api").await;
    let (status, body) = api.post("/api/v1/providers/polar/users/nobody/sync").await;
    assert_eq!((status, code(&body)), (404, "unknown_user"));
    let known = api
        .call(Method::POST, "/api/v1/users")
        .json(&json!({ "external_user_id": "known" }));
    assert_eq!(Api::answer(known).await.0, 201);
    let (status, body) = api.post("/api/v1/providers/polar/users/known/sync").await;
    assert_eq!((status, code(&body)), (404, "not_connected"));
    for (state, word) in [
        (
            "UPDATE polar_sync.connection SET state = 'revoked'",
            "revoked",
        ),
        (
            "UPDATE polar_sync.connection SET state = 'expired'",
            "expired",
        ),
        (
            "UPDATE polar_sync.connection SET state = 'consent_required'",
            "consent_required",
        ),
        (
            "UPDATE polar_sync.connection SET state = 'paused'",
            "paused",
        ),
        (
            "UPDATE polar_sync.connection SET state = 'erasing'",
            "erasing",
        ),
    ] {
        world.execute(state).await;
        let (status, body) = api.post(SYNC).await;
        assert_eq!((status, code(&body)), (409, word));
    }
    world
        .execute("UPDATE polar_sync.connection SET state = 'active'")
        .await;
    for query in [
        "?samples=maybe",
        "?async=2",
        "?route=true&route=true",
        "?zones=%ff",
    ] {
        let (status, body) = api.post(&format!("{SYNC}{query}")).await;
        assert_eq!((status, code(&body)), (400, "invalid_parameter"), "{query}");
    }
    for path in [
        "/sync/runs/nothing",
        "/sync/runs?limit=0",
        "/sync/runs?limit=1001",
        "/sync/runs?cursor=x",
    ] {
        let (status, body) = api.get(&format!("/api/v1/users/user_001{path}")).await;
        assert_eq!((status, code(&body)), (400, "invalid_parameter"), "{path}");
    }
    let path = format!("/api/v1/users/user_001/sync/runs/{}", Uuid::new_v4());
    assert_eq!(code(&api.get(&path).await.1), "unknown_task");
    assert_eq!(world.number(REQUESTS).await, 0);
}

#[tokio::test]
async fn a_spent_quota_is_told_with_the_time_that_it_runs() {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    // Polar refuses, so every process stays away for as long as it says.
    let action = json!({ "type": "status", "status": 429, "headers": { "retry-after": "600" } });
    world
        .sim
        .post(
            "/faults",
            json!({ "op": "*", "times": null, "action": action }),
        )
        .await;
    let worker = world.spawn("worker");
    let api = world.spawn_api("api").await;
    world
        .until_true("the trigger to tell when it runs", async || {
            let (status, body) = api.post(SYNC).await;
            assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
            body["runs_at"].is_string()
        })
        .await;
    worker.stop().await;
}

#[tokio::test]
async fn without_redis_a_trigger_is_kept() {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let api = world.spawn_api("api").await;
    let client = redis::Client::open(world.redis.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    // It answers by ending.
    let ended = redis::cmd("SHUTDOWN")
        .arg("NOSAVE")
        .exec_async(&mut redis)
        .await;
    assert!(ended.is_err());
    let (status, body) = api.post(SYNC).await;
    assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
    assert_eq!(world.number(REQUESTS).await, 1);
}
