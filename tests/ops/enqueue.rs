//! `enqueue`.

use serde_json::json;

use super::desk::{Desk, ended};

const REQUEST: &str =
    "SELECT concat_ws(' ', lane, cause, request_id, reason, include::text, kinds::text, state)
    FROM polar_sync.sync_request WHERE cause = 'cli'";

const IS_OPEN: &str = "SELECT count(*)::text FROM polar_sync.sync_request WHERE cause = 'cli'";

#[tokio::test]
async fn a_request_is_durable_and_a_worker_is_woken() {
    let desk = Desk::with_users(1).await;
    let asked = desk
        .run("--json enqueue user_001 --include samples,route --kinds exercise --lane event --request-id r1 --reason why")
        .await
        .data();
    let task = desk
        .text("SELECT task_id::text FROM polar_sync.sync_request WHERE cause = 'cli'")
        .await;
    assert_eq!(
        asked,
        json!({ "task_id": task, "user_id": "user_001", "lane": "event", "request_id": "r1", "state": "open" })
    );
    assert_eq!(
        desk.text(REQUEST).await,
        "event cli r1 why {samples,route} {exercise} open"
    );
    assert_eq!(desk.redis().entries("event").await, 1);
    desk.run("enqueue user_001")
        .await
        .told("a sync of user_001 is on the interactive lane");
}

#[tokio::test]
async fn bad_input_is_explained() {
    let desk = Desk::with_users(1).await;
    desk.run("enqueue nobody")
        .await
        .failed(16, "user nobody has no connection");
    for line in [
        "enqueue",
        "enqueue user/1",
        "enqueue user_001 --lane fast",
        "enqueue user_001 --kinds laps",
        "enqueue user_001 --include gps",
    ] {
        assert_eq!(desk.run(line).await.code, 2, "{line}");
    }
    let long = format!("enqueue user_001 --request-id {}", "x".repeat(129));
    assert_eq!(desk.run(&long).await.code, 2);
}

#[tokio::test]
async fn a_state_that_forbids_syncs_is_told_with_what_ends_it() {
    let desk = Desk::with_users(1).await;
    for (state, hint) in [
        ("revoked", "has to connect again"),
        ("expired", "has to connect again"),
        ("consent_required", "account.polar.com"),
        ("paused", "users resume user_001"),
        ("erasing", "connect anew"),
    ] {
        desk.execute(&format!(
            "UPDATE polar_sync.connection SET state = '{state}'"
        ))
        .await;
        let said = desk.run("enqueue user_001").await;
        said.failed(17, &format!("user user_001 is {state}"));
        said.failed(17, hint);
    }
    assert_eq!(desk.text(IS_OPEN).await, "0");
    desk.execute("UPDATE polar_sync.connection SET state = 'suspect'")
        .await;
    desk.run("enqueue user_001")
        .await
        .told("user_001 is suspect: Polar is asked about it first");
}

/// Runs `enqueue --wait` while somebody settles the request with `statement`.
async fn waited(desk: &Desk, arguments: &str, statement: &str) -> super::desk::Said {
    let child = desk.spawn(&format!("enqueue user_001 --wait {arguments}"));
    desk.until(IS_OPEN, "1").await;
    desk.execute(&format!(
        "WITH run AS (
             INSERT INTO polar_sync.sync_run (connection_id, run_id, lease_token, worker, lane, cause, started_at,
                 finished_at, outcome, error_class, error, items_new, items_changed, items_same)
             SELECT connection_id, gen_random_uuid(), 1, 'w', lane, cause, created_at, polar_sync.now(), {statement}
             FROM polar_sync.sync_request WHERE cause = 'cli' RETURNING run_id)
         UPDATE polar_sync.sync_request SET run_id = run.run_id FROM run WHERE cause = 'cli'"
    ))
    .await;
    let state = match statement.split('\'').nth(1).unwrap() {
        "ok" => "state = 'done'",
        "failed" => "state = 'failed'",
        "refused" => "state = 'refused'",
        _ => "not_before = polar_sync.now() + interval '1 hour'",
    };
    desk.execute(&format!(
        "UPDATE polar_sync.sync_request SET {state} WHERE cause = 'cli'"
    ))
    .await;
    ended(child).await
}

#[tokio::test]
async fn a_wait_ends_with_the_outcome_and_the_counts() {
    let desk = Desk::with_users(1).await;
    let said = waited(&desk, "--json", "'ok', NULL, NULL, 3, 1, 2").await;
    let data = said.data();
    assert_eq!(
        (&data["state"], &data["outcome"]),
        (&json!("done"), &json!("ok"))
    );
    assert_eq!(data["counts"], json!({ "new": 3, "changed": 1, "same": 2 }));
}

#[tokio::test]
async fn a_wait_for_what_is_not_done_is_a_failure_with_its_reason() {
    for (statement, reason) in [
        (
            "'failed', 'timed_out', 'AccessLink: no answer', 0, 0, 0",
            "the sync failed",
        ),
        (
            "'refused', 'unauthorized', 'the token is refused', 0, 0, 0",
            "the sync is refused",
        ),
        (
            "'snoozed', 'window_closed', 'the window is closed', 0, 0, 0",
            "the sync waits until ",
        ),
    ] {
        let desk = Desk::with_users(1).await;
        let said = waited(&desk, "", statement).await;
        said.failed(17, reason);
        said.failed(17, "`polar-sync explain user_001`");
        said.failed(17, statement.split('\'').nth(5).unwrap());
    }
}
