//! `status`.

use serde_json::json;

use super::desk::Desk;

#[tokio::test]
async fn lanes_states_quota_and_needs_are_shown() {
    let desk = Desk::with_users(3).await;
    desk.execute(
        "UPDATE polar_sync.connection SET state = 'suspect', state_reason = 'held' WHERE user_id = 'user_002';
         UPDATE polar_sync.pace SET stretch = 2",
    )
    .await;
    let data = desk.run("--json status").await.data();
    assert_eq!(data["lanes"][2]["lane"], "periodic");
    assert_eq!(data["lanes"][2]["entries"], 3);
    assert_eq!(
        data["connections"],
        json!([{ "state": "active", "count": 2 }, { "state": "suspect", "count": 1 }])
    );
    assert_eq!(
        (&data["needs"]["held"], &data["needs"]["open_requests"]),
        (&json!(1), &json!(3))
    );
    let exercise = &data["intervals"][0];
    assert_eq!(exercise["configured"], "6h");
    assert!((exercise["effective_s"].as_f64().unwrap() - 43_200.0).abs() < 1.0);
    assert_eq!(data["quota"]["windows"][0]["window"], "15 min");
    let text = desk.run("status").await;
    text.told("effective intervals (configured x 2.00): exercise 12 h");
    text.told("`polar-sync users list --state suspect`");
    text.told("no scheduler leads: start `polar-sync scheduler`");
    // Asking leaves nothing behind in Redis but the windows.
    let fields: Vec<String> = desk.redis().command(&["HKEYS", "polar-sync:quota"]).await;
    assert!(
        fields.iter().all(|field| !field.starts_with("p:")),
        "{fields:?}"
    );
}

#[tokio::test]
async fn without_redis_the_rest_is_shown() {
    let mut desk = Desk::with_users(1).await;
    desk.set("REDIS_URL", "redis+unix:///nowhere/r.sock");
    let said = desk.run("status").await;
    said.told("lanes: unknown, Redis cannot be asked: Redis does not answer");
    said.told("connections: 1 active");
    let data = desk.run("--json status").await.data();
    assert!(
        data["redis_error"].is_string() && data["lanes"].is_null(),
        "{data}"
    );
}
