//! Polar's webhook: made, believed, forged, silent.

use aws_lc_rs::hmac;
use polar_sync::store::webhook::secret_aad;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, code};
use crate::world::{FIRST_ACCOUNT, KEY, OTHER_KEY, World, within};

const WEBHOOKS: &str = "/api/v1/providers/polar/webhooks";
const ASKED: &str = "SELECT count(*) FROM polar_sync.sync_request WHERE cause = 'webhook'";

/// A world whose users are found by events alone: nothing is polled while a test lasts.
async fn world(users: u32) -> (World, Api) {
    let mut world = World::start(users, "small", &[]).await;
    world.set("SCHEDULE__NOTIFICATIONS_EVERY", "1h");
    world.connect(users).await;
    let api = world.spawn_api("all").await;
    world.until_in_step().await;
    (world, api)
}

async fn create(world: &World) -> Value {
    let said = world.command("--json webhook create", "").await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    serde_json::from_str(&said.stdout).unwrap()
}

/// Has the simulator send an event by hand, and waits until it is answered.
async fn send(world: &World, mut event: Value, outcome: &str) {
    let copies = event["copies"].as_u64().unwrap_or(1);
    let name = event["event"].as_str().unwrap().to_owned();
    let before = counted(world, outcome).await;
    event["attempts"] = json!(1);
    world.sim.post("/webhook/events", event).await;
    let count = before + copies;
    let path = format!("/webhook/await?outcome={outcome}&count={count}&timeout_ms=30000");
    within(&format!("{name} to be {outcome}"), world.sim.get(&path)).await;
}

async fn counted(world: &World, outcome: &str) -> u64 {
    world.sim.get("/webhook").await["deliveries"][outcome]
        .as_u64()
        .unwrap()
}

async fn last_status(world: &World) -> u64 {
    world.sim.get("/webhook").await["deliveries"]["last_status"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn an_event_becomes_a_row_without_a_poll() {
    let (world, api) = world(1).await;
    create(&world).await;
    let workouts = world.number("SELECT count(*) FROM api_v1.workouts").await;
    world
        .sim
        .post(&format!("/users/{FIRST_ACCOUNT}/exercises"), json!({}))
        .await;
    world
        .until(
            "the workout",
            "SELECT count(*) FROM api_v1.workouts",
            workouts + 1,
        )
        .await;
    world.until_in_step().await;
    assert_eq!(world.number(ASKED).await, 1);
    world.assert_honest().await;
    assert_eq!(api.role.stop().await, Some(0));
}

#[tokio::test]
async fn events_are_believed_after_the_keys_have_changed() {
    let (mut world, _api) = world(1).await;
    create(&world).await;
    world.set("SECURITY__KEYS", &format!("{OTHER_KEY},{KEY}"));
    let rotated = world.command("--json keys rotate", "").await;
    let rotated: Value = serde_json::from_str(&rotated.stdout).unwrap();
    let counts = (&rotated["connections"], &rotated["webhooks"]);
    assert_eq!(counts, (&json!(1), &json!(1)));

    // An api that never had the old key.
    world.set("SECURITY__KEYS", OTHER_KEY);
    let api = world.spawn_api("api").await;
    let secrets = world.store.webhook_secrets().await.unwrap();
    let [sealed] = secrets.as_slice() else {
        panic!("one webhook has one secret")
    };
    let aad = secret_aad(&sealed.webhook_id);
    let secret = world.keyring().open(&sealed.key_id, &aad, &sealed.bytes);
    let event = json!({ "event": "SLEEP", "user_id": FIRST_ACCOUNT, "date": "2026-03-01", "timestamp": "t" });
    let body = event.to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.unwrap());
    let call = api
        .bare(Method::POST, WEBHOOKS)
        .header("content-type", "application/json")
        .header(
            "polar-webhook-signature",
            hex::encode(hmac::sign(&key, body.as_bytes())),
        )
        .body(body);
    assert_eq!(Api::answer(call).await.0, 200);
    assert_eq!(world.number(ASKED).await, 1);
}

#[tokio::test]
async fn the_same_event_twice_is_one_run() {
    let (world, _api) = world(1).await;
    create(&world).await;
    let event =
        json!({ "event": "SLEEP", "user": FIRST_ACCOUNT, "date": "2026-03-01", "copies": 5 });
    send(&world, event, "delivered").await;
    assert_eq!(world.number(ASKED).await, 1);
    // Others about the same thing are most likely the same news: one more sync a minute later covers them.
    for second in 1..=3 {
        let body = json!({ "event": "SLEEP", "user_id": FIRST_ACCOUNT, "date": "2026-03-01",
                           "timestamp": format!("2026-03-01T06:00:0{second}Z"), "url": "u" });
        let event = json!({ "event": "SLEEP", "body": body.to_string() });
        send(&world, event, "delivered").await;
    }
    let deferred =
        "SELECT count(*) FROM polar_sync.sync_request WHERE cause = 'webhook' AND state = 'open'
                    AND not_before > polar_sync.now() + interval '30 seconds'";
    assert_eq!(world.number(deferred).await, 1);
    world.execute("UPDATE polar_sync.sync_request SET not_before = polar_sync.now() WHERE not_before IS NOT NULL").await;
    world
        .until(
            "the deferred sync",
            "SELECT count(*) FROM polar_sync.sync_request WHERE state <> 'done'",
            0,
        )
        .await;
    assert_eq!(world.number(ASKED).await, 2);
    let other = json!({ "event": "SLEEP", "user": FIRST_ACCOUNT, "date": "2026-03-02" });
    send(&world, other, "delivered").await;
    assert_eq!(world.number(ASKED).await, 3);
}

#[tokio::test]
async fn what_is_not_polars_changes_nothing() {
    let (world, api) = world(1).await;
    let post = |body: String, signature: Option<&str>| {
        let call = api
            .bare(Method::POST, WEBHOOKS)
            .header("content-type", "application/json")
            .body(body);
        Api::answer(match signature {
            Some(signature) => call.header("polar-webhook-signature", signature),
            None => call,
        })
    };
    let event = json!({ "event": "EXERCISE", "user_id": FIRST_ACCOUNT, "entity_id": "x", "timestamp": "t" }).to_string();
    // Before there is a webhook, nobody can have signed anything.
    assert_eq!(code(&post(event.clone(), Some("00")).await.1), "forged");
    create(&world).await;
    let zeros = "0".repeat(64);
    for signature in [None, Some(""), Some("00"), Some("zz"), Some(zeros.as_str())] {
        let (status, body) = post(event.clone(), signature).await;
        assert_eq!((status, code(&body)), (401, "forged"), "{signature:?}");
    }
    for garbage in [
        "",
        "{",
        "[]",
        "null",
        "\"PING\"",
        r#"{"event":1}"#,
        r#"{"event":"PONG"}"#,
    ] {
        assert_eq!(post(garbage.to_owned(), None).await.0, 401, "{garbage}");
    }
    assert_eq!(post("x".repeat(70_000), None).await.0, 413);
    assert_eq!(
        post(r#"{"event":"PING","timestamp":"t"}"#.to_owned(), None)
            .await
            .0,
        200
    );
    for signature in ["wrong", "none"] {
        let event = json!({ "event": "EXERCISE", "user": FIRST_ACCOUNT, "entity_id": "x", "signature": signature });
        send(&world, event, "failed").await;
        assert_eq!(last_status(&world).await, 401);
    }
    // A flood of forgeries is answered, and nothing of it is written.
    let flood = (0..200).map(|_| post(event.clone(), Some(zeros.as_str())));
    let answers = futures::future::join_all(flood).await;
    assert!(
        answers
            .iter()
            .all(|(status, _)| [401, 503].contains(status))
    );
    let written = "SELECT (SELECT count(*) FROM polar_sync.sync_request WHERE cause = 'webhook')
                   + (SELECT count(*) FROM polar_sync.webhook_event)";
    assert_eq!(world.number(written).await, 0);
}

#[tokio::test]
async fn what_polar_signs_is_never_refused() {
    let (world, _api) = world(1).await;
    create(&world).await;
    for event in [
        json!({ "event": "EXERCISE", "user": 99_999_999, "entity_id": "x" }),
        json!({ "event": "CONTINUOUS_HEART_RATE", "user": FIRST_ACCOUNT, "date": "2026-03-01" }),
        json!({ "event": "NEWER", "body": "{\"event\":\"NEWER\",\"user_id\":1}" }),
        json!({ "event": "EXERCISE", "body": "{" }),
        json!({ "event": "EXERCISE", "body": "{\"event\":\"EXERCISE\"}" }),
        json!({ "event": "PING" }),
    ] {
        send(&world, event, "delivered").await;
    }
    assert_eq!(world.number(ASKED).await, 0);
}

#[tokio::test]
async fn a_webhook_is_made_shown_replaced_and_deleted() {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    // Nobody answers the ping yet.
    world.set("API__PUBLIC_URL", "http://127.0.0.1:9");
    let refused = world.command("webhook create", "").await;
    assert_eq!(refused.code, Some(17), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("api.public_url"),
        "{}",
        refused.stderr
    );
    assert_eq!(world.command("webhook activate", "").await.code, Some(16));
    assert_eq!(
        world.command("webhook delete --yes", "").await.code,
        Some(16)
    );
    let _api = world.spawn_api("api").await;
    let first = create(&world).await;
    let secret = "SELECT count(*) FROM polar_sync.webhook WHERE ended_at IS NULL AND key_id = 'k1'";
    assert_eq!(world.number(secret).await, 1);
    let plain = world.sim.get("/webhook").await["webhook"]["signature_secret_key"]
        .as_str()
        .unwrap()
        .to_owned();
    let dump = world
        .text("SELECT string_agg(w::text, '') FROM polar_sync.webhook w")
        .await;
    assert!(
        !dump.contains(&plain) && !dump.contains(&hex::encode(&plain)),
        "{dump}"
    );
    assert_eq!(world.command("webhook create", "").await.code, Some(17));
    let status = world.command("--json webhook status", "").await;
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(
        (&status["is_ours"], &status["at_polar"]["id"]),
        (&json!(true), &first["id"])
    );
    assert_eq!(world.command("webhook activate", "").await.code, Some(0));
    let replaced = world.command("--json webhook create --replace", "").await;
    assert_eq!(replaced.code, Some(0), "{}", replaced.stderr);
    // The event that the old one had on its way is believed, and the new one's.
    let event = json!({ "event": "SLEEP", "user": FIRST_ACCOUNT, "date": "2026-03-01" });
    send(&world, event, "delivered").await;
    assert_eq!(
        world
            .number("SELECT count(*) FROM polar_sync.webhook")
            .await,
        2
    );
    assert_eq!(world.command("webhook delete", "").await.code, Some(17));
    assert_eq!(
        world.command("webhook delete --yes", "").await.code,
        Some(0)
    );
    assert_eq!(world.number(secret).await, 0);
    assert!(world.sim.get("/webhook").await["webhook"].is_null());
}

#[tokio::test]
async fn a_webhook_that_falls_silent_is_noticed_and_activated_again() {
    let mut world = World::start(1, "small", &[]).await;
    world.set("SCHEDULE__NOTIFICATIONS_WITH_WEBHOOK", "1s");
    world.connect(1).await;
    let api = world.spawn_api("all").await;
    world.until_in_step().await;
    create(&world).await;
    let exercises = format!("/users/{FIRST_ACCOUNT}/exercises");
    world.sim.post(&exercises, json!({})).await;
    let works = "SELECT count(*) FROM polar_sync.webhook WHERE last_event_at IS NOT NULL AND silent_since IS NULL";
    world.until("the webhook to work", works, 1).await;
    world.until_in_step().await;
    // Polls are as seldom as the webhook allows: what was planned before is not.
    let status = world.command("--json status", "").await;
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    for interval in status["intervals"].as_array().unwrap() {
        let hours = if interval["kind"] == "nightly_recharge" {
            4.0
        } else {
            24.0
        };
        assert_eq!(interval["effective_s"], hours * 3_600.0, "{interval}");
    }
    world
        .sim
        .put("/switches", json!({ "webhook_events": "silent" }))
        .await;
    // Two hours later, so that what events told of before is long past.
    world
        .execute(
            "UPDATE polar_sync.kind_state SET webhook_at = webhook_at - interval '2 hours',
                 notified_at = notified_at - interval '2 hours',
                 notified_run_at = notified_run_at - interval '2 hours';
             UPDATE polar_sync.webhook SET last_event_at = last_event_at - interval '2 hours'",
        )
        .await;
    world.sim.post(&exercises, json!({})).await;
    world.until_in_step().await;
    world
        .until(
            "data that no event told of",
            "SELECT count(unannounced_since) FROM polar_sync.webhook",
            1,
        )
        .await;
    world.execute("UPDATE polar_sync.webhook SET unannounced_since = unannounced_since - interval '10 minutes'").await;
    world
        .until(
            "the silence to be noted",
            "SELECT count(silent_since) FROM polar_sync.webhook",
            1,
        )
        .await;
    world
        .until_true("the activation", async || {
            world.sim.requests("webhooks.activate").await == 1
        })
        .await;
    let status = world.command("status", "").await;
    assert!(
        status.stdout.contains("webhook has been silent"),
        "{}",
        status.stdout
    );
    world
        .sim
        .put("/switches", json!({ "webhook_events": "once" }))
        .await;
    world.sim.post(&exercises, json!({})).await;
    world.until("the webhook to work again", works, 1).await;
    world.until_in_step().await;
    world.assert_honest().await;
    assert_eq!(api.role.stop().await, Some(0));
}
