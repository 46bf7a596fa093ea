//! The change feed.

use serde_json::json;

use crate::{
    fixtures::run,
    harness::{World, column},
};

#[tokio::test]
async fn who_goes_on_misses_no_change() {
    let world = World::new().await;
    let empty = world.get("/api/v1/changes").await.json();
    assert_eq!(
        empty,
        json!({"data": [], "next_after": 0, "has_more": false})
    );
    let connection = world.home.connection;
    let statement = format!(
        "INSERT INTO polar_sync.change
            (seq, connection_id, user_id, record_id, kind, change, revision, changed_at)
        SELECT seq * 2, '{connection}', 'user_001', '{connection}', 'sleep', 'added', 1, '2026-03-01T06:00:00Z'
        FROM generate_series(1, 10) AS seq"
    );
    run(&mut world.home.sql().await, &statement).await;
    let first = world.get("/api/v1/changes?limit=4").await.json();
    assert_eq!(
        first["data"][0],
        json!({
            "seq": 2, "user_id": "user_001", "record_id": connection.to_string(), "kind": "sleep",
            "change": "added", "revision": 1, "at": "2026-03-01T06:00:00Z"
        })
    );
    assert_eq!(
        (&first["next_after"], &first["has_more"]),
        (&json!(8), &json!(true))
    );
    let rest = world.get("/api/v1/changes?after=8&limit=6").await.json();
    assert_eq!(
        column(rest["data"].as_array().unwrap(), "seq"),
        [10, 12, 14, 16, 18, 20]
    );
    assert_eq!(
        (&rest["next_after"], &rest["has_more"]),
        (&json!(20), &json!(false))
    );
    let end = world.get("/api/v1/changes?after=20").await.json();
    assert_eq!(end["next_after"], 20);
}
