//! `transactions`; that a worker honours an accepted loss is a test of the whole product.

use serde_json::json;

use super::desk::Desk;

const BLOCKED: &str = "00000000-0000-0000-0000-00000000000a";
const OPEN: &str = "00000000-0000-0000-0000-00000000000b";
const DONE: &str = "00000000-0000-0000-0000-00000000000c";

/// A blocked, an open and a committed transaction of the only user.
async fn desk() -> Desk {
    let desk = Desk::with_users(1).await;
    let rows = [
        (BLOCKED, "exercise", "blocked", "{1001,1002}"),
        (OPEN, "activity", "open", "{}"),
        (DONE, "exercise", "committed", "{999}"),
    ];
    for (id, kind, phase, items) in rows {
        desk.execute(&format!(
            "INSERT INTO polar_sync.remote_transaction (connection_id, remote_id, kind, phase,
                 polar_transaction_id, created_at, last_create_at, items, updated_at)
             SELECT connection_id, '{id}', '{kind}', '{phase}', 77, polar_sync.now(), polar_sync.now(), '{items}',
                 polar_sync.now() FROM polar_sync.connection"
        ))
        .await;
    }
    desk.execute("DELETE FROM polar_sync.sync_request").await;
    desk
}

async fn accepted(desk: &Desk) -> String {
    desk.text("SELECT string_agg(accepted_loss::text, '') FROM polar_sync.remote_transaction WHERE phase = 'blocked'")
        .await
}

#[tokio::test]
async fn what_is_open_or_blocked_is_listed() {
    let desk = desk().await;
    let text = desk.run("transactions list").await;
    for expected in [BLOCKED, OPEN, "blocked", "1001,1002", "77"] {
        text.told(expected);
    }
    assert!(!text.stdout.contains(DONE), "{text:?}");
    let all = desk
        .run("--json transactions list --all --user user_001")
        .await
        .data();
    assert_eq!(all.as_array().unwrap().len(), 3);
    assert_eq!(all[0]["items"], json!(["1001", "1002"]));
    desk.run("transactions list --user nobody")
        .await
        .failed(16, "user nobody");
}

#[tokio::test]
async fn a_loss_is_accepted_only_with_a_yes_and_only_of_what_blocks() {
    let desk = desk().await;
    let accept = |arguments: String| format!("transactions accept-loss {arguments}");
    let no = desk.run(&accept(BLOCKED.to_owned())).await;
    no.failed(17, "this gives up 2 items of user_001 (1001, 1002)");
    no.failed(17, "add --yes");
    desk.run(&accept(format!("{OPEN} --yes")))
        .await
        .failed(17, "not blocked but open");
    desk.run(&accept(format!("{DONE} --yes")))
        .await
        .failed(17, "not blocked but committed");
    let unknown = "00000000-0000-0000-0000-0000000000ff";
    desk.run(&accept(format!("{unknown} --yes")))
        .await
        .failed(16, unknown);
    let stranger = desk
        .run(&accept(format!("{BLOCKED} --items 1001,7 --yes")))
        .await;
    stranger.failed(16, "7 does not keep the transaction");
    assert_eq!(accepted(&desk).await, "{}");

    let one = desk
        .run(&accept(format!("{BLOCKED} --items 1002 --yes --json")))
        .await
        .data();
    assert_eq!(
        (&one["kind"], &one["accepted_loss"]),
        (&json!("exercise"), &json!(["1002"]))
    );
    assert_eq!(one["still_blocking"], json!(["1001"]));
    assert_eq!(accepted(&desk).await, "{1002}");
    desk.run(&accept(format!("{BLOCKED} --yes")))
        .await
        .told("2 items are given up");
    assert_eq!(accepted(&desk).await, "{1001,1002}");
    let requests = "SELECT string_agg(lane || ' ' || cause || ' ' || kinds::text, ', ') FROM polar_sync.sync_request";
    assert_eq!(
        desk.text(requests).await,
        "interactive cli {exercise}, interactive cli {exercise}"
    );
    let due = "SELECT string_agg(kind, ',') FROM polar_sync.kind_state WHERE next_due_at <= polar_sync.now()";
    assert_eq!(desk.text(due).await, "exercise");
    let log = "SELECT string_agg(command || ' ' || detail, '; ' ORDER BY logged_at) FROM polar_sync.operator_log";
    let log = desk.text(log).await;
    assert!(
        log.contains(&format!("{BLOCKED} exercise: 1001, 1002")),
        "{log}"
    );
}

#[tokio::test]
async fn nothing_is_given_up_of_a_user_whose_commit_cannot_be_sent() {
    let desk = desk().await;
    desk.execute("UPDATE polar_sync.connection SET state = 'revoked'")
        .await;
    let said = desk
        .run(&format!("transactions accept-loss {BLOCKED} --yes"))
        .await;
    said.failed(17, "user user_001 is revoked");
    assert_eq!(accepted(&desk).await, "{}");
}
