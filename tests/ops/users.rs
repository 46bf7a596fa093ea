//! `users list`, `show`, `pause` and `resume`.

use serde_json::json;

use super::desk::Desk;

const LOG: &str =
    "SELECT string_agg(operator || ': ' || command || ', ' || detail, '; ' ORDER BY logged_at)
    FROM polar_sync.operator_log";

const OPEN: &str =
    "SELECT string_agg(lane || ' ' || cause || ' ' || state, ', ' ORDER BY created_at)
    FROM polar_sync.sync_request";

const EVENTS: &str =
    "SELECT string_agg(body::jsonb->>'type', ',' ORDER BY event_id) FROM polar_sync.event";

/// Puts the only user into a state, as a worker would.
async fn put(desk: &Desk, state: &str) {
    desk.execute(&format!(
        "UPDATE polar_sync.connection SET state = '{state}', state_reason = 'x', recheck_at = NULL,
             suspect_since = CASE WHEN '{state}' = 'suspect' THEN polar_sync.now() END;
         UPDATE polar_sync.kind_state SET next_due_at = NULL;
         DELETE FROM polar_sync.sync_request; DELETE FROM polar_sync.event"
    ))
    .await;
}

async fn state(desk: &Desk) -> String {
    desk.text("SELECT state FROM polar_sync.connection").await
}

async fn due(desk: &Desk) -> String {
    desk.text(
        "SELECT count(*)::text FROM polar_sync.kind_state WHERE next_due_at <= polar_sync.now()",
    )
    .await
}

#[tokio::test]
async fn users_are_listed_page_by_page_and_by_state() {
    let desk = Desk::with_users(3).await;
    desk.run("users pause user_002")
        .await
        .told("user_002 was active and is paused");
    let page = desk.run("users list --limit 2").await;
    page.told("there may be more: add --after user_002");
    assert!(!page.stdout.contains("user_003"), "{page:?}");
    let rest = desk.run("--json users list --after user_002").await.data();
    assert_eq!(rest[0]["user_id"], "user_003");
    assert_eq!(rest[0]["state"], "active");
    let paused = desk.run("users list --state paused --json").await.data();
    assert_eq!(paused.as_array().unwrap().len(), 1);
    desk.run("users list --state revoked")
        .await
        .told("no connection");
    let usage = desk.run("users list --state gone").await;
    assert_eq!(usage.code, 2);
    assert!(
        usage.stderr.contains("active, suspect, revoked"),
        "{usage:?}"
    );
}

#[tokio::test]
async fn one_user_is_shown_without_its_tokens() {
    let desk = Desk::with_users(1).await;
    let shown = desk.run("--json users show user_001").await.data();
    assert_eq!(shown["polar_user_id"], 10_000_001);
    assert_eq!(shown["member_id"], shown["connection_id"]);
    assert_eq!(shown["key_id"], "k1");
    assert_eq!(shown["kinds"].as_array().unwrap().len(), 5);
    let text = desk.run("users show user_001").await;
    text.told("registered        not by polar-sync yet");
    assert!(!text.stdout.contains("canary"), "{text:?}");
    for line in [
        "users show nobody",
        "users pause nobody",
        "users resume nobody",
    ] {
        desk.run(line)
            .await
            .failed(16, "user nobody has no connection");
    }
}

#[tokio::test]
async fn a_pause_refuses_what_waits_and_a_resume_syncs_everything() {
    let mut desk = Desk::with_users(1).await;
    let paused = desk.run("--json users pause user_001").await.data();
    assert_eq!(
        paused,
        json!({ "user_id": "user_001", "state_before": "active", "state": "paused" })
    );
    assert_eq!(desk.text(OPEN).await, "periodic connect refused");
    assert_eq!(desk.text(EVENTS).await, "connection.active,sync.failed");
    desk.run("users pause user_001")
        .await
        .told("user_001 is paused already");
    // The person behind sudo did it, not root.
    desk.set("SUDO_USER", "anna");
    desk.run("users resume user_001")
        .await
        .told("was paused and is active");
    assert_eq!(
        (state(&desk).await, due(&desk).await),
        ("active".to_owned(), "5".to_owned())
    );
    assert_eq!(
        desk.text(OPEN).await,
        "periodic connect refused, interactive cli open"
    );
    assert_eq!(
        desk.text(EVENTS).await,
        "connection.active,sync.failed,connection.active"
    );
    assert_eq!(desk.redis().entries("interactive").await, 1);
    assert_eq!(
        desk.text(LOG).await,
        "night-shift: users pause, was active; anna: users resume, was paused, is active"
    );
}

#[tokio::test]
async fn a_resume_asks_polar_again_where_it_refused() {
    let desk = Desk::with_users(1).await;
    for (before, after) in [
        ("suspect", "suspect"),
        ("consent_required", "consent_required"),
        ("revoked", "suspect"),
        ("expired", "suspect"),
    ] {
        put(&desk, before).await;
        let resumed = desk.run("--json users resume user_001").await.data();
        assert_eq!(
            (&resumed["state_before"], &resumed["state"]),
            (&json!(before), &json!(after))
        );
        let rechecked = "SELECT (recheck_at <= polar_sync.now())::text FROM polar_sync.connection";
        assert_eq!(desk.text(rechecked).await, "true", "{before}");
        assert_eq!(desk.text(OPEN).await, "interactive cli open", "{before}");
    }
    put(&desk, "erasing").await;
    desk.run("users resume user_001")
        .await
        .failed(17, "is erasing");
    desk.run("users pause user_001")
        .await
        .failed(17, "is erasing");
}

#[tokio::test]
async fn a_resume_of_an_active_user_tries_what_waits() {
    let desk = Desk::with_users(1).await;
    desk.run("users resume user_001")
        .await
        .told("is active and nothing waits");
    desk.execute(
        "UPDATE polar_sync.kind_state SET due_cause = 'blocked', next_due_at = polar_sync.now() + interval '1 hour'
         WHERE kind = 'exercise';
         UPDATE polar_sync.kind_state SET consent = false, next_due_at = polar_sync.now() + interval '1 day'
         WHERE kind = 'sleep'",
    )
    .await;
    let resumed = desk.run("--json users resume user_001").await.data();
    let mut kinds: Vec<_> = resumed["kinds"].as_array().unwrap().clone();
    kinds.sort_by_key(ToString::to_string);
    assert_eq!(kinds, [json!("exercise"), json!("sleep")]);
    assert_eq!(due(&desk).await, "2");
}
