//! `dead`.

use serde_json::json;

use super::desk::Desk;

const KIND: &str = "00000000-0000-0000-0000-00000000000a";
const ENTRY: &str = "00000000-0000-0000-0000-00000000000b";
const UNKNOWN: &str = "00000000-0000-0000-0000-0000000000ff";

/// A kind and a stream entry of the only user that were given up.
async fn desk() -> Desk {
    let desk = Desk::with_users(1).await;
    desk.execute(&format!(
        "DELETE FROM polar_sync.sync_request;
         UPDATE polar_sync.kind_state SET attempts = 3, next_due_at = polar_sync.now() + interval '1 hour';
         INSERT INTO polar_sync.dead
         SELECT '{KIND}', connection_id, user_id, 'sleep', NULL, NULL, NULL, 'timed_out', 'no answer', 8,
             polar_sync.now() FROM polar_sync.connection;
         INSERT INTO polar_sync.dead
         SELECT '{ENTRY}', connection_id, user_id, NULL, 'event', '7-1', '{{}}', 'delivered_too_often',
             'nobody finished it', 5, polar_sync.now() FROM polar_sync.connection"
    ))
    .await;
    desk
}

async fn left(desk: &Desk) -> String {
    desk.text("SELECT count(*)::text FROM polar_sync.dead")
        .await
}

#[tokio::test]
async fn what_was_given_up_is_listed() {
    let desk = desk().await;
    let text = desk.run("dead list").await;
    for expected in [
        KIND,
        ENTRY,
        "sleep",
        "entry 7-1 of lane event",
        "no answer",
        "timed_out",
    ] {
        text.told(expected);
    }
    let rows = desk
        .run("--json dead list --user user_001 --limit 1")
        .await
        .data();
    assert_eq!(rows[0]["id"], KIND);
    assert_eq!(rows[0]["attempts"], 8);
    desk.run("dead list --user nobody")
        .await
        .failed(16, "user nobody");
}

#[tokio::test]
async fn a_retry_begins_anew_and_unknown_ids_are_named() {
    let desk = desk().await;
    let said = desk.run(&format!("dead retry {KIND} {UNKNOWN}")).await;
    said.failed(16, UNKNOWN);
    assert!(
        said.stdout.contains(&format!("{KIND} is tried again")),
        "{said:?}"
    );
    let requests =
        "SELECT string_agg(lane || ' ' || cause || ' ' || kinds::text, ', ' ORDER BY created_at)
        FROM polar_sync.sync_request";
    assert_eq!(desk.text(requests).await, "periodic cli {sleep}");
    let revived = "SELECT string_agg(kind, ',') FROM polar_sync.kind_state
        WHERE attempts = 0 AND next_due_at <= polar_sync.now()";
    assert_eq!(desk.text(revived).await, "sleep");
    let done = desk.run("--json dead retry --all").await.data();
    assert_eq!(
        done,
        json!({ "done": [ENTRY], "unknown": [], "refused": [] })
    );
    assert_eq!(
        desk.text(requests).await,
        "periodic cli {sleep}, periodic cli {}"
    );
    assert_eq!(left(&desk).await, "0");
    desk.run("dead retry --all")
        .await
        .told("nothing was given up");
}

#[tokio::test]
async fn what_cannot_be_synced_is_left() {
    let desk = desk().await;
    desk.execute("UPDATE polar_sync.connection SET state = 'paused'")
        .await;
    let said = desk.run("dead retry --all").await;
    said.failed(17, "2 rows are left: user user_001 is paused");
    assert_eq!(left(&desk).await, "2");
}

#[tokio::test]
async fn what_is_dropped_needs_a_yes() {
    let desk = desk().await;
    desk.run(&format!("dead drop {KIND}"))
        .await
        .failed(17, "add --yes");
    assert_eq!(left(&desk).await, "2");
    desk.run(&format!("dead drop {KIND} --yes"))
        .await
        .told("is forgotten");
    assert_eq!(left(&desk).await, "1");
    desk.run(&format!("dead drop {KIND} --yes"))
        .await
        .failed(16, KIND);
    let log = "SELECT string_agg(operator || ' ' || command, ',') FROM polar_sync.operator_log";
    assert_eq!(desk.text(log).await, "night-shift dead drop");
    assert_eq!(desk.run("dead drop").await.code, 2);
    assert_eq!(desk.run("dead retry not-an-id").await.code, 2);
}
