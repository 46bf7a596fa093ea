//! `doctor`.

use serde_json::Value;

use super::desk::{Desk, KEY, Said};

const OTHER: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

/// What it found, of a subject and a level.
fn found(said: &Said, about: &str, level: &str) -> Vec<String> {
    let said: Value = serde_json::from_str(&said.stdout).unwrap();
    let findings = said["findings"].as_array().unwrap();
    let is_wanted = |finding: &&Value| finding["about"] == about && finding["level"] == level;
    findings
        .iter()
        .filter(is_wanted)
        .map(|finding| finding["text"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn holds(found: &[String], text: &str) {
    assert!(
        found.iter().any(|finding| finding.contains(text)),
        "{text:?} is not among {found:#?}"
    );
}

/// A desk whose client is configured, with nobody who answers in Polar's place.
async fn desk(users: u32) -> Desk {
    let mut desk = Desk::with_users(users).await;
    desk.set("POLAR_SYNC__ACCESSLINK__CLIENT_ID", "id");
    desk.set("POLAR_SYNC__ACCESSLINK__CLIENT_SECRET", "secret");
    desk.set("POLAR_SYNC__ACCESSLINK__API_URL", "http://127.0.0.1:9");
    desk.set("POLAR_SYNC__DATABASE__ALLOW_UNSAFE", "true");
    desk
}

#[tokio::test]
async fn an_old_key_can_go_once_nothing_is_sealed_with_it() {
    let mut desk = desk(3).await;
    desk.set("POLAR_SYNC__SECURITY__KEYS", &format!("k2:{OTHER},{KEY}"));
    let before = desk.run("--json doctor").await;
    assert_eq!(before.code, 21, "{before:?}");
    holds(
        &found(&before, "keys", "warns"),
        "key k1 still seals the tokens of 3 connections",
    );
    holds(&found(&before, "keys", "ok"), "all 3 sealed texts open");
    desk.run("keys rotate").await.told("k2 seals");
    let after = desk.run("--json doctor").await;
    assert_eq!(found(&after, "keys", "warns"), Vec::<String>::new());
    holds(
        &found(&after, "keys", "ok"),
        "key k1 seals nothing any more: it can go from security.keys",
    );
    desk.set("POLAR_SYNC__SECURITY__KEYS", &format!("k2:{OTHER}"));
    let alone = desk.run("--json doctor").await;
    holds(&found(&alone, "keys", "ok"), "all 3 sealed texts open");
    assert_eq!(found(&alone, "keys", "fails"), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_that_went_too_early_and_a_damaged_token_are_told() {
    let mut desk = desk(2).await;
    desk.execute(
        "UPDATE polar_sync.connection SET access_token = overlay(access_token PLACING '\\x00'::bytea FROM 20)
         WHERE user_id = 'user_002'",
    )
    .await;
    let damaged = desk.run("--json doctor").await;
    let fails = found(&damaged, "keys", "fails");
    holds(
        &fails,
        "1 of 2 sealed texts do not open (user user_002: what key k1 sealed",
    );
    desk.set("POLAR_SYNC__SECURITY__KEYS", &format!("k2:{OTHER}"));
    let gone = desk.run("--json doctor").await;
    assert_eq!(gone.code, 21);
    let fails = found(&gone, "keys", "fails");
    holds(
        &fails,
        "key k1 seals the tokens of 2 connections and the secrets of 0 webhooks, and is not among",
    );
    holds(&fails, "2 of 2 sealed texts do not open");
    desk.set("POLAR_SYNC__SECURITY__KEYS", &format!("k1:{OTHER}"));
    let changed = desk.run("--json doctor").await;
    holds(&found(&changed, "keys", "fails"), "k1");
    assert!(!changed.stdout.contains(OTHER), "{changed:?}");
}

#[tokio::test]
async fn what_does_not_work_is_told_with_what_to_do() {
    let desk = desk(1).await;
    desk.execute("UPDATE polar_sync.clock SET shift = '2 hours'")
        .await;
    let said = desk.run("--json doctor").await;
    assert_eq!(said.code, 21, "{said:?}");
    holds(&found(&said, "postgres", "warns"), "fsync off");
    holds(
        &found(&said, "postgres", "warns"),
        "a test moved the time by 2 h",
    );
    holds(&found(&said, "redis", "ok"), "version ");
    holds(
        &found(&said, "work", "fails"),
        "nobody leads; start `polar-sync scheduler`",
    );
    holds(
        &found(&said, "polar", "warns"),
        "AccessLink gave no usable answer",
    );
    let text = desk.run("doctor").await;
    assert!(
        text.stdout.contains("FAILS work: scheduler: nobody leads"),
        "{text:?}"
    );
    assert!(
        text.stderr.ends_with("each finding says what to do\n"),
        "{text:?}"
    );
}

#[tokio::test]
async fn services_that_are_away_are_findings() {
    let mut desk = desk(1).await;
    desk.set("REDIS_URL", "redis+unix:///nowhere/r.sock");
    let said = desk.run("--json doctor").await;
    assert_eq!(said.code, 21);
    holds(&found(&said, "redis", "fails"), "redis.url");
    holds(&found(&said, "keys", "ok"), "all 1 sealed texts open");
    desk.set(
        "DATABASE_URL",
        "postgres://nobody@localhost/none?host=/nowhere",
    );
    let said = desk.run("--json doctor").await;
    assert_eq!(said.code, 21);
    holds(&found(&said, "postgres", "fails"), "database.url");
}
