//! Services that are away or unsuitable end a command with their own codes, at once.

use super::desk::Desk;

const QUEUE_COMMANDS: [&str; 4] = [
    "enqueue user_001",
    "users resume user_001",
    "dead retry --all",
    "users import -",
];

#[tokio::test]
async fn postgres_that_is_away_is_told_with_code_11() {
    let mut desk = Desk::new().await;
    desk.set("DATABASE_URL", "postgres:///polar_sync?host=/nowhere");
    let others = [
        "users list",
        "status",
        "explain user_001",
        "keys list",
        "transactions list",
    ];
    for line in QUEUE_COMMANDS.into_iter().chain(others) {
        desk.run(line)
            .await
            .failed(11, "Postgres cannot be reached");
    }
}

#[tokio::test]
async fn a_database_without_the_schema_is_told_with_code_12() {
    let mut desk = Desk::new().await;
    let (_, parameters) = desk.database_url().split_once('?').unwrap();
    let bare = format!("postgres://postgres@localhost/postgres?{parameters}");
    desk.set("DATABASE_URL", &bare);
    for line in ["users list", "enqueue user_001", "status"] {
        desk.run(line).await.failed(12, "polar-sync migrate");
    }
}

#[tokio::test]
async fn redis_that_is_away_is_told_with_code_13() {
    let mut desk = Desk::with_users(1).await;
    desk.set("REDIS_URL", "redis+unix:///nowhere/r.sock");
    for line in QUEUE_COMMANDS {
        desk.run(line).await.failed(13, "Redis does not answer");
    }
    // What needs Postgres only works all the same.
    for line in [
        "users list",
        "users pause user_001",
        "explain user_001",
        "dead list",
    ] {
        assert_eq!(desk.run(line).await.code, 0, "{line}");
    }
}

#[tokio::test]
async fn redis_that_may_evict_is_told_with_code_14() {
    let desk = Desk::new().await;
    let set = |key, value| ["CONFIG", "SET", key, value];
    desk.redis().command::<()>(&set("maxmemory", "100mb")).await;
    desk.redis()
        .command::<()>(&set("maxmemory-policy", "allkeys-lru"))
        .await;
    desk.run("enqueue user_001")
        .await
        .failed(14, "maxmemory-policy noeviction");
}

#[tokio::test]
async fn what_is_not_configured_is_told_with_code_10() {
    let mut desk = Desk::new().await;
    desk.set("POLAR_SYNC__SECURITY__KEYS", "");
    desk.run("users import -").await.failed(10, "security.keys");
    desk.set("REDIS_URL", "");
    desk.run("enqueue user_001").await.failed(10, "redis.url");
    desk.set("DATABASE_URL", "");
    desk.run("users list").await.failed(10, "database.url");
}
