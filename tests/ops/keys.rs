//! `keys`.

use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::desk::{Desk, KEY};

const OTHER: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

const THIRD: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=";

#[tokio::test]
async fn new_keys_are_recorded_and_listed_with_what_they_seal() {
    let mut desk = Desk::with_users(2).await;
    desk.set("POLAR_SYNC__SECURITY__KEYS", &format!("k2:{OTHER},{KEY}"));
    desk.run("keys list")
        .await
        .told("key k2 is not recorded yet; `polar-sync keys add` does it");
    let added = desk.run("--json keys add").await.data();
    assert_eq!(added, json!({ "added": ["k2"], "checked": ["k1"] }));
    let keys = desk.run("--json keys list").await.data();
    let key = |at: usize| {
        let key = &keys[at];
        (
            key["key_id"].clone(),
            key["configured"].clone(),
            key["seals"].clone(),
            key["connections"].clone(),
        )
    };
    assert_eq!(key(0), (json!("k1"), json!(true), json!(false), json!(2)));
    assert_eq!(key(1), (json!("k2"), json!(true), json!(true), json!(0)));
    desk.run("keys add")
        .await
        .told("key k2 is the recorded one");
}

#[tokio::test]
async fn a_key_that_is_gone_or_changed_is_told() {
    let mut desk = Desk::with_users(1).await;
    desk.set("POLAR_SYNC__SECURITY__KEYS", &format!("k2:{OTHER}"));
    let list = desk.run("keys list").await;
    list.told("warning: key k1 is not among security.keys, so the tokens of 1 connections cannot be opened");
    assert!(!list.stdout.contains(OTHER), "{list:?}");
    desk.set("POLAR_SYNC__SECURITY__KEYS", &format!("k1:{OTHER}"));
    desk.run("keys add").await.failed(15, "k1");
    desk.set("POLAR_SYNC__SECURITY__KEYS", "");
    desk.run("keys add")
        .await
        .failed(15, "security.keys is empty");
}

/// The keys that sealed things rest under, with how many connections each.
const BY_KEY: &str = "SELECT string_agg(key_id || '=' || n, ' ' ORDER BY key_id) FROM (
    SELECT key_id, count(*) AS n FROM polar_sync.connection GROUP BY key_id) k";

/// What has to stay as it is when tokens are sealed anew.
const STANDING: &str = "SELECT string_agg(
    user_id || token_generation || coalesce(token_expires_at::text, ''), ',' ORDER BY user_id) FROM polar_sync.connection";

#[tokio::test]
async fn everything_is_sealed_anew_with_the_first_key() {
    // More than two batches.
    let mut desk = Desk::with_users(2_100).await;
    desk.set("POLAR_SYNC__SECURITY__KEYS", &format!("k2:{OTHER},{KEY}"));
    desk.execute(
        "UPDATE polar_sync.connection SET token_generation = 7, token_expires_at = '2040-01-01'
         WHERE user_id = 'user_042'",
    )
    .await;
    let before = desk.text(STANDING).await;
    let rotated = desk.run("--json keys rotate").await.data();
    assert_eq!(rotated["connections"], 2_100);
    assert_eq!(rotated["unused"], json!(["k1"]));
    assert_eq!(desk.text(BY_KEY).await, "k2=2100");
    let after = desk.text(STANDING).await;
    assert_eq!(before, after);
    desk.run("keys rotate")
        .await
        .told("key k2 seals everything already");
    // Both directions: the tokens are whole, so what k2 sealed can be sealed by k1 again.
    desk.set("POLAR_SYNC__SECURITY__KEYS", &format!("{KEY},k2:{OTHER}"));
    desk.run("keys rotate").await.told(
        "key k1 seals the tokens of 2100 more connections and the secrets of 0 more webhooks\n\
         key k2 seals nothing any more",
    );
    let log =
        "SELECT string_agg(operator || ': ' || command || ' ' || detail, '; ' ORDER BY logged_at)
        FROM polar_sync.operator_log WHERE command = 'keys rotate' AND detail LIKE '%k1%'";
    assert_eq!(
        desk.text(log).await,
        "night-shift: keys rotate to key k1: 2100 connections, 0 webhooks"
    );
}

#[tokio::test]
async fn what_no_key_opens_is_named_and_the_rest_is_sealed_anew() {
    let mut desk = Desk::with_users(3).await;
    desk.execute(
        "UPDATE polar_sync.connection SET access_token = overlay(access_token PLACING '\\x00'::bytea FROM 20)
         WHERE user_id = 'user_001';
         UPDATE polar_sync.connection SET key_id = 'k0' WHERE user_id = 'user_003'",
    )
    .await;
    desk.set("POLAR_SYNC__SECURITY__KEYS", &format!("k2:{OTHER},{KEY}"));
    let rotated = desk.run("keys rotate").await;
    rotated.failed(15, "2 of the sealed texts cannot be opened");
    for line in [
        "key k2 seals the tokens of 1 more connections",
        "user user_001: what key k1 sealed does not open",
        "user user_003: key k0 is not among security.keys",
    ] {
        assert!(rotated.stdout.contains(line), "{rotated:?}");
    }
    assert!(
        !rotated.stdout.contains("seals nothing any more"),
        "{rotated:?}"
    );
    assert_eq!(desk.text(BY_KEY).await, "k0=1 k1=1 k2=1");
}

/// The connection that a change of keys comes to last.
const LAST: &str =
    "BEGIN; SELECT FROM polar_sync.connection ORDER BY connection_id DESC LIMIT 1 FOR UPDATE";

/// Statements that wait for somebody's lock.
const BLOCKED: &str = "SELECT count(*)::text FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

#[tokio::test]
async fn a_change_of_keys_that_was_killed_goes_on_where_it_was() {
    // More than a batch.
    let mut desk = Desk::with_users(1_100).await;
    desk.set("POLAR_SYNC__SECURITY__KEYS", &format!("k2:{OTHER},{KEY}"));
    let before = desk.text(STANDING).await;
    let mut holder = PgConnection::connect(desk.database_url()).await.unwrap();
    sqlx::raw_sql(LAST).execute(&mut holder).await.unwrap();
    let mut killed = desk.spawn("keys rotate");
    desk.until(BLOCKED, "1").await;
    killed.kill().await.unwrap();
    holder.close().await.unwrap();
    assert_eq!(desk.text(BY_KEY).await, "k1=100 k2=1000");

    desk.run("keys rotate").await.told(
        "key k2 seals the tokens of 100 more connections and the secrets of 0 more webhooks\n\
         key k1 seals nothing any more",
    );
    assert_eq!(desk.text(BY_KEY).await, "k2=1100");
    // Without the old key everything opens, or it could not be sealed once more.
    desk.set(
        "POLAR_SYNC__SECURITY__KEYS",
        &format!("k3:{THIRD},k2:{OTHER}"),
    );
    desk.run("keys rotate")
        .await
        .told("key k3 seals the tokens of 1100 more connections");
    assert_eq!(desk.text(BY_KEY).await, "k3=1100");
    assert_eq!(desk.text(STANDING).await, before);
}
