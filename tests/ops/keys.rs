//! `keys`.

use serde_json::json;

use super::desk::{Desk, KEY};

const OTHER: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

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
