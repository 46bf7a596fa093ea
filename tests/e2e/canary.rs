//! No token and no health value leaves where it belongs.

use serde_json::json;

use super::world::{FIRST_ACCOUNT, World};

/// A heart rate that no id, time or count of this test contains.
const CANARY_BPM: u32 = 187_187;

#[tokio::test]
async fn no_token_and_no_heart_rate_is_in_logs_metrics_redis_or_errors() {
    let mut world = World::start(1, "small", &[]).await;
    world.set("TELEMETRY__LOG", "trace");
    let tokens = world.connect_one(0).await;
    // A heart rate that cannot be understood ends up in quarantine, whose reason must not tell it.
    let body = format!(
        r#"{{"recording-rate":{{"x":{CANARY_BPM}}},"sample-type":"0","data":"{CANARY_BPM}"}}"#
    );
    let odd = json!({ "op": "exercise.sample", "times": 1,
        "action": { "type": "body", "body": body, "content_type": "application/json" } });
    world.sim.post("/faults", odd).await;
    let zones = json!({ "op": "exercise.zones", "times": 1, "action": { "type": "truncate", "after_bytes": 30 } });
    world.sim.post("/faults", zones).await;
    let (scheduler, worker) = (
        world.spawn_logged("scheduler"),
        world.spawn_logged("worker"),
    );
    world.until_a_run_ended().await;
    world
        .xadd("interactive", r#"{"v":1,"user_id":"user_001"}"#)
        .await;
    world
        .until(
            "the odd one to be kept",
            "SELECT least(count(*), 1) FROM polar_sync.quarantine",
            1,
        )
        .await;
    world
        .sim
        .post(&format!("/users/{FIRST_ACCOUNT}/revoke"), json!({}))
        .await;
    world
        .xadd("interactive", r#"{"v":1,"user_id":"user_001"}"#)
        .await;
    world
        .until(
            "the refusal",
            "SELECT count(*) FROM polar_sync.connection WHERE state = 'suspect'",
            1,
        )
        .await;
    let mut told = world.everything_in_redis().await;
    told.push(world.text(ERRORS).await);
    told.push(scheduler.stop_and_read().await);
    told.push(worker.stop_and_read().await);
    assert!(
        told.iter().any(|text| text.contains("\"run\"")),
        "the log is really read"
    );
    for text in told {
        for secret in [tokens.as_str(), "sim-secret", &CANARY_BPM.to_string()] {
            assert!(
                !text.contains(secret),
                "{secret} is told: {}",
                around(&text, secret)
            );
        }
    }
}

/// Everything that the ledger says about failures.
const ERRORS: &str = "SELECT coalesce(string_agg(x, ' '), '') FROM (
    SELECT error AS x FROM polar_sync.sync_run UNION ALL SELECT error FROM polar_sync.kind_state
    UNION ALL SELECT reason FROM polar_sync.quarantine UNION ALL SELECT error FROM polar_sync.dead
    UNION ALL SELECT body FROM polar_sync.event) told";

fn around(text: &str, secret: &str) -> String {
    let at = text.find(secret).unwrap_or_default();
    text.chars()
        .skip(at.saturating_sub(200))
        .take(400)
        .collect()
}
