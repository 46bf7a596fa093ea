//! No token and no health value leaves where it belongs.

use serde_json::json;

use super::world::{FIRST_ACCOUNT, World, user};

/// A heart rate that no id, time or count of this test contains.
const CANARY_BPM: u32 = 187_187;

/// Has a token refused that can be refreshed, and answers broken that hold health values.
async fn script_faults(world: &World) {
    let refused = json!({ "op": "exercise.create", "user": FIRST_ACCOUNT + 1, "times": 1,
        "action": { "type": "status", "status": 401 } });
    world.sim.post("/faults", refused).await;
    // A heart rate that cannot be understood ends up in quarantine, whose reason must not tell it.
    let body = format!(
        r#"{{"recording-rate":{{"x":{CANARY_BPM}}},"sample-type":"0","data":"{CANARY_BPM}"}}"#
    );
    let odd = json!({ "op": "exercise.sample", "times": 1,
        "action": { "type": "body", "body": body, "content_type": "application/json" } });
    world.sim.post("/faults", odd).await;
    let zones = json!({ "op": "exercise.zones", "times": 1, "action": { "type": "truncate", "after_bytes": 30 } });
    world.sim.post("/faults", zones).await;
}

#[tokio::test]
async fn no_token_and_no_heart_rate_is_in_logs_metrics_redis_or_errors() {
    let mut world = World::start(2, "small", &["--switch", "refresh_tokens=rotating"]).await;
    world.set("TELEMETRY__LOG", "trace");
    let mut tokens = vec![world.connect_one(0).await];
    let refreshing = world.connect_with_refresh_token(1).await;
    tokens.push(refreshing.access_token.expose().to_owned());
    tokens.push(refreshing.refresh_token.unwrap().expose().to_owned());
    script_faults(&world).await;
    let (scheduler, worker) = (
        world.spawn_measured("scheduler"),
        world.spawn_measured("worker"),
    );
    world.until_a_run_ended().await;
    let refreshed = "SELECT count(*) FROM polar_sync.connection WHERE token_generation = 2";
    world.until("new tokens", refreshed, 1).await;
    tokens.extend(opened_tokens(&world, 1).await);
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
    for process in [scheduler, worker] {
        let metrics = process.metrics().await;
        assert!(
            metrics.contains("polar_sync_accesslink_requests_total{"),
            "{metrics}"
        );
        told.push(metrics);
        told.push(process.role.stop_and_read().await);
    }
    assert!(
        told.iter().any(|text| text.contains("\"run\"")),
        "the log is really read"
    );
    assert_eq!(tokens.len(), 5);
    let canary = CANARY_BPM.to_string();
    let others = ["sim-secret", &canary];
    for text in told {
        for secret in tokens.iter().map(String::as_str).chain(others) {
            assert!(
                !text.contains(secret),
                "{secret} is told: {}",
                around(&text, secret)
            );
        }
    }
}

/// The access token and the refresh token that a user has by now.
async fn opened_tokens(world: &World, number: u32) -> [String; 2] {
    let row = world.store.connection_of_user(&user(number)).await.unwrap();
    let row = row.unwrap();
    let (keyring, key) = (world.keyring(), &row.tokens.key_id);
    let open = |column: &str, sealed: &[u8]| {
        let place = format!("polar-sync/connection/{}/{column}", row.connection_id);
        let token = keyring.open_token(key, place.as_bytes(), sealed).unwrap();
        token.expose().to_owned()
    };
    let refresh_token = row.tokens.refresh_token.as_deref().unwrap();
    [
        open("access_token", &row.tokens.access_token),
        open("refresh_token", refresh_token),
    ]
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
