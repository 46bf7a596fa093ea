//! `users import`.

use serde_json::json;

use super::desk::Desk;

#[tokio::test]
async fn good_lines_are_imported_and_bad_ones_told_with_their_numbers() {
    let desk = Desk::new().await;
    let long = "x".repeat(70_000);
    let lines = [
        r#"{"user_id":"a","polar_user_id":1,"access_token":"canary-1","refresh_token":"canary-2"}"#,
        "",
        r#"{"user_id":"b","polar_user_id":2,"access_token":"canary-3","expires_at":1900000000}"#,
        r#"{"user_id":"c","polar_user_id":3,"access_token":""}"#,
        r#"{"user_id":"c","polar_user_id":3,"access_token":"canary-4","scope":"canary-5"}"#,
        r#"{"user_id":"c","polar_user_id":"canary-6","access_token":"canary-7"}"#,
        r#"{"user_id":"c/d","polar_user_id":3,"access_token":"canary-8"}"#,
        "canary-9",
        &long,
        r#"{"user_id":"c","polar_user_id":1,"access_token":"canary-10"}"#,
        r#"{"user_id":"a","polar_user_id":4,"access_token":"canary-11"}"#,
        r#"{"user_id":"d","polar_user_id":5,"access_token":"canary-12"}"#,
    ];
    let said = desk.feed("users import -", &lines.join("\n")).await;
    said.failed(17, "8 lines of - not imported");
    for expected in [
        "line 4: access_token has to have 1 to 4096",
        "line 5: it has a field that is not known",
        "line 6: polar_user_id is not a whole number above zero",
        "line 7: user_id is not allowed",
        "line 8: it is not JSON",
        "line 9: it is longer than 65536 bytes",
        "line 10: Polar account 1 is connected to another user",
        "line 11: user a is connected to another Polar account",
        "imported 3 new connections; 0 existing ones have new tokens",
    ] {
        assert!(said.stdout.contains(expected), "{expected}: {said:?}");
    }
    assert!(!format!("{said:?}").contains("canary"), "{said:?}");
    let rows = "SELECT string_agg(user_id || ' ' || polar_user_id || ' ' || state || ' '
            || (refresh_token IS NOT NULL) || ' ' || coalesce(token_expires_at::date::text, '-'), ', '
            ORDER BY user_id) FROM polar_sync.connection";
    assert_eq!(
        desk.text(rows).await,
        "a 1 active true -, b 2 active false 2030-03-17, d 5 active false -"
    );
    let requests = "SELECT string_agg(DISTINCT lane || ' ' || cause || ' ' || state, ',')
        FROM polar_sync.sync_request";
    assert_eq!(desk.text(requests).await, "periodic connect open");
    assert_eq!(desk.redis().entries("periodic").await, 3);
}

#[tokio::test]
async fn the_same_lines_again_give_new_tokens() {
    let desk = Desk::with_users(2).await;
    let line = r#"{"user_id":"user_001","polar_user_id":10000001,"access_token":"canary"}"#;
    // Three lines of one user are stored in their order.
    let lines = format!("{line}\n{line}\n{line}\n");
    let data = desk.feed("--json users import -", &lines).await.data();
    assert_eq!(
        data,
        json!({ "imported": 0, "reconnected": 3, "failed": [], "failed_unlisted": 0 })
    );
    let generation =
        "SELECT token_generation::text FROM polar_sync.connection WHERE user_id = 'user_001'";
    assert_eq!(desk.text(generation).await, "4");
}

#[tokio::test]
async fn another_account_takes_the_place_of_the_old_one_where_that_is_set() {
    let mut desk = Desk::with_users(1).await;
    desk.set("POLAR_SYNC__CONNECTIONS__REPLACE", "new");
    let line = r#"{"user_id":"user_001","polar_user_id":7,"access_token":"canary"}"#;
    desk.feed("users import -", line)
        .await
        .told("imported 1 new");
    desk.run("users show user_001")
        .await
        .told("polar user        7");
}

#[tokio::test]
async fn many_lines_are_read_as_a_stream() {
    let desk = Desk::new().await;
    let line = |n: u32| {
        format!(
            r#"{{"user_id":"u{n}","polar_user_id":{},"access_token":"t{n}"}}"#,
            n + 1
        )
    };
    let lines: Vec<_> = (0..500).map(line).collect();
    desk.feed("users import -", &lines.join("\r\n"))
        .await
        .told("imported 500 new");
    assert_eq!(desk.redis().entries("periodic").await, 500);
}

#[tokio::test]
async fn a_changed_key_and_a_missing_file_are_refused_before_anything_is_stored() {
    let mut desk = Desk::with_users(1).await;
    desk.run("users import /nowhere/users.jsonl")
        .await
        .failed(16, "/nowhere/users.jsonl");
    desk.run("users import /")
        .await
        .failed(16, "cannot read the next line");
    let other = "k1:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
    desk.set("POLAR_SYNC__SECURITY__KEYS", other);
    let line = r#"{"user_id":"z","polar_user_id":9,"access_token":"canary"}"#;
    desk.feed("users import -", line).await.failed(15, "k1");
    assert_eq!(
        desk.text("SELECT count(*)::text FROM polar_sync.connection")
            .await,
        "1"
    );
}
