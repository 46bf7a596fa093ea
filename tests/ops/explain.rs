//! `explain`, on what really is in the database; the wording has its own tests.

use serde_json::json;

use super::desk::Desk;

#[tokio::test]
async fn a_user_is_explained_in_words_and_in_json() {
    let desk = Desk::with_users(1).await;
    desk.run("explain nobody")
        .await
        .failed(16, "user nobody has no connection");
    let text = desk.run("explain user_001").await;
    for expected in [
        "user user_001: Polar user 10000001",
        "state: active since",
        "token: sealed by key k1, generation 1; when it ends is not known",
        "exercise: not synced yet",
        "all kinds, connect, on the periodic lane",
        "next:\n  a worker takes what is asked for",
    ] {
        text.told(expected);
    }
    assert!(!text.stdout.contains("canary"), "{text:?}");
    let data = desk.run("--json explain user_001").await.data();
    assert_eq!(
        (&data["state"], &data["requests"][0]["cause"]),
        (&json!("active"), &json!("connect"))
    );
    assert_eq!(data["kinds"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn everything_that_is_known_is_told() {
    let desk = Desk::with_users(1).await;
    desk.execute(
        "DELETE FROM polar_sync.sync_request;
         UPDATE polar_sync.kind_state SET next_due_at = polar_sync.now() + interval '20 minutes 30 seconds',
             due_cause = 'blocked', attempts = 2, error_class = 'blocked', error = 'cut off' WHERE kind = 'exercise';
         INSERT INTO polar_sync.remote_transaction
             (connection_id, remote_id, kind, phase, polar_transaction_id, created_at, last_create_at, items, updated_at)
         SELECT connection_id, gen_random_uuid(), 'exercise', 'blocked', 77, polar_sync.now(), polar_sync.now(),
             '{1001}', polar_sync.now() FROM polar_sync.connection;
         INSERT INTO polar_sync.quarantine
         SELECT connection_id, 'sleep', '2026-03-20', 'v', 'summary', '\\x00', 'no date', polar_sync.now()
         FROM polar_sync.connection;
         INSERT INTO polar_sync.dead
         SELECT gen_random_uuid(), connection_id, user_id, 'activity', NULL, NULL, NULL, 'timed_out', 'no answer', 8,
             polar_sync.now() FROM polar_sync.connection;
         INSERT INTO polar_sync.quota VALUES (true, jsonb_build_object(
             'short', jsonb_build_object('limit', 10, 'used', 10,
                 'reset_at_ms', (extract(epoch FROM now() + interval '9 minutes') * 1000)::bigint),
             'long', jsonb_build_object('limit', 100, 'used', 10, 'reset_at_ms', 0),
             'closed_until_ms', 0, 'taken_at_ms', 1), now())",
    )
    .await;
    let text = desk.run("explain user_001").await;
    for expected in [
        "exercise: failed 2 times in a row",
        "because: cut off",
        "(in 20 min",
        "exercise 77: blocked",
        "items 1001",
        "sleep 2026-03-20, summary: no date",
        "after 8 tries: no answer",
        "quota: spent; nobody asks Polar before",
        "`polar-sync transactions accept-loss ",
        "`polar-sync dead retry ",
    ] {
        text.told(expected);
    }
}
