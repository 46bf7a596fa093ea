//! Limits: of one key, of all calls, of a body; and what every answer carries.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Api, code};
use crate::world::World;

#[tokio::test]
async fn a_key_that_is_used_too_often_is_told_when_to_come_back() {
    let mut world = World::start(0, "small", &[]).await;
    world.set("API__RATE_LIMIT", "1");
    let api = world.spawn_api("api").await;
    let calls = (0..5).map(|_| api.call(Method::GET, "/api/v1/users").send());
    let answers = futures::future::join_all(calls).await;
    let refused = answers
        .into_iter()
        .map(Result::unwrap)
        .filter(|answer| answer.status() == 429);
    let refused: Vec<_> = refused.collect();
    assert!(!refused.is_empty());
    for answer in refused {
        assert_eq!(answer.headers()["retry-after"], "1");
        assert_eq!(code(&super::json(answer).await), "too_many_requests");
    }
}

#[tokio::test]
async fn too_many_calls_at_once_are_sent_away_and_health_is_not() {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    world.set("API__CONCURRENCY", "1");
    world.set("API__SYNC_WAIT", "20s");
    let api = world.spawn_api("api").await;
    // No worker runs, so this one waits, once it has a place.
    let path = "/api/v1/providers/polar/users/user_001/sync?async=false";
    let waiting = api.call(Method::POST, path);
    let waiting = tokio::spawn(async move {
        while waiting.try_clone().unwrap().send().await.unwrap().status() == 503 {}
    });
    world
        .until_true("a call to be sent away", async || {
            let answer = api.call(Method::GET, "/api/v1/users").send().await.unwrap();
            answer.status() == StatusCode::SERVICE_UNAVAILABLE
                && answer.headers()["retry-after"] == "1"
        })
        .await;
    let health = api.bare(Method::GET, "/livez").send().await.unwrap();
    assert_eq!(health.status(), 200);
    waiting.abort();
    world
        .until_true("the place to be free again", async || {
            api.get("/api/v1/users").await.0 == 200
        })
        .await;
}

#[tokio::test]
async fn bodies_have_their_limits_and_their_form() {
    let mut world = World::start(0, "small", &[]).await;
    let api = world.spawn_api("api").await;
    let users = || api.call(Method::POST, "/api/v1/users");
    let large = json!({ "external_user_id": "u", "email": "x".repeat(70_000) });
    let long = json!({ "first_name": "x".repeat(101) });
    for (call, expected) in [
        (users().json(&large), 413),
        (users().json(&long), 400),
        (users().json(&json!({ "external_user_id": ".." })), 400),
        (users().json(&json!({ "external_user_id": "a b" })), 400),
        (users().json(&json!({ "email": "nobody" })), 400),
        (users().json(&json!({ "email": 1 })), 422),
        (users().json(&json!([1])), 422),
        (
            users().header("content-type", "application/json").body("{"),
            400,
        ),
        (users().body("{}"), 415),
        (users().json(&json!({ "first_name": "a\u{0}b" })), 400),
    ] {
        let (status, body) = Api::answer(call).await;
        assert_eq!(status, expected, "{body}");
        code(&body);
    }
    assert_eq!(
        world
            .number("SELECT count(*) FROM polar_sync.platform_user")
            .await,
        0
    );
    let user = json!({ "external_user_id": "user_001", "email": "a@example.org" });
    assert_eq!(Api::answer(users().json(&user)).await.0, 201);
    let (status, body) = Api::answer(users().json(&user)).await;
    assert_eq!((status, code(&body)), (409, "user_exists"));
}

#[tokio::test]
async fn users_are_listed_page_by_page() {
    let mut world = World::start(0, "small", &[]).await;
    let api = world.spawn_api("api").await;
    for number in 0..7 {
        let user = json!({ "external_user_id": format!("u{number}"), "email": format!("{}@x", number % 2) });
        let created = Api::answer(api.call(Method::POST, "/api/v1/users").json(&user)).await;
        assert_eq!(created.0, 201);
    }
    let ids = |body: &serde_json::Value| {
        let rows = body["data"].as_array().unwrap();
        rows.iter()
            .map(|user| user["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (_, first) = api.get("/api/v1/users?limit=3&include_total=true").await;
    assert_eq!(ids(&first), ["u0", "u1", "u2"]);
    assert_eq!(first["pagination"]["total_count"], 7);
    assert_eq!(
        first["pagination"]["previous_cursor"],
        serde_json::Value::Null
    );
    let next = first["pagination"]["next_cursor"].as_str().unwrap();
    let (_, second) = api
        .get(&format!("/api/v1/users?limit=3&cursor={next}"))
        .await;
    assert_eq!(ids(&second), ["u3", "u4", "u5"]);
    let back = second["pagination"]["previous_cursor"].as_str().unwrap();
    let (_, again) = api
        .get(&format!("/api/v1/users?limit=3&cursor={back}"))
        .await;
    assert_eq!(ids(&again), ["u0", "u1", "u2"]);
    let (status, body) = api
        .get(&format!("/api/v1/users?limit=3&email=1@x&cursor={next}"))
        .await;
    assert_eq!((status, code(&body)), (400, "invalid_parameter"));
    let (_, odd) = api.get("/api/v1/users?email=1@x").await;
    assert_eq!(ids(&odd), ["u1", "u3", "u5"]);
}

#[tokio::test]
async fn every_answer_carries_its_id_and_keeps_browsers_in_check() {
    let mut world = World::start(0, "small", &[]).await;
    let api = world.spawn_api("api").await;
    let own = api
        .call(Method::GET, "/api/v1/users")
        .header("x-request-id", "mine-1");
    let answer = own.send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "mine-1");
    for path in [
        "/api/v1/users",
        "/nowhere",
        "/api/v1/users/%ff",
        "/openapi.json",
    ] {
        let answer = api.call(Method::GET, path).send().await.unwrap();
        let headers = answer.headers();
        assert!(headers["x-request-id"].len() > 8, "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert!(
            headers["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("frame-ancestors 'none'")
        );
    }
    let (status, body) = api.get("/api/v1/users/%ff").await;
    assert_eq!((status, code(&body)), (400, "invalid_parameter"));
    let (status, body) = api.get("/api/v1/users/a%20b").await;
    assert_eq!((status, code(&body)), (400, "invalid_parameter"));
    let tagged = api.call(Method::GET, "/api/v1/users").send().await.unwrap();
    let tag = tagged.headers()["etag"].clone();
    let again = api
        .call(Method::GET, "/api/v1/users")
        .header("if-none-match", tag);
    assert_eq!(again.send().await.unwrap().status(), 304);
}

/// A cursor with another place in it: whoever reads the source can make one.
fn forged(cursor: &serde_json::Value, place: &str) -> String {
    let mut bytes = BASE64_URL_SAFE_NO_PAD
        .decode(cursor.as_str().unwrap())
        .unwrap();
    bytes.truncate(8);
    bytes.extend_from_slice(place.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test]
async fn a_forged_cursor_is_refused() {
    let mut world = World::start(1, "small", &[]).await;
    world.connect(1).await;
    let api = world.spawn_api("api").await;
    for user in ["a", "b"] {
        let user = json!({ "external_user_id": user });
        let created = Api::answer(api.call(Method::POST, "/api/v1/users").json(&user)).await;
        assert_eq!(created.0, 201);
        let sync = api
            .post("/api/v1/providers/polar/users/user_001/sync")
            .await;
        assert_eq!(sync.0, 200);
    }
    for (path, place) in [
        ("/api/v1/users?limit=1", r#"{"After":"\u0000"}"#),
        ("/api/v1/users?limit=1", r#"{"Before":"no user"}"#),
        (
            "/api/v1/users/user_001/sync/runs?limit=1",
            r#"{"After":["-009000-01-01T00:00:00Z","00000000-0000-0000-0000-000000000000"]}"#,
        ),
    ] {
        let (_, page) = api.get(path).await;
        let cursor = forged(&page["pagination"]["next_cursor"], place);
        let (status, body) = api.get(&format!("{path}&cursor={cursor}")).await;
        assert_eq!((status, code(&body)), (400, "invalid_parameter"), "{place}");
    }
}
