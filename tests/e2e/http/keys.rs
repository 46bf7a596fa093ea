//! Keys: who comes in, and how far.

use reqwest::Method;
use serde_json::Value;

use super::{Api, code};
use crate::world::World;

/// A call with this key.
async fn with(api: &Api, key: &str, method: Method, path: &str) -> (u16, Value) {
    let call = api
        .bare(method, path)
        .header("x-open-wearables-api-key", key);
    Api::answer(call).await
}

#[tokio::test]
async fn no_call_of_the_interface_goes_without_a_key() {
    let mut world = World::start(0, "small", &[]).await;
    let api = world.spawn_api("api").await;
    let description = Api::answer(api.bare(Method::GET, "/openapi.json")).await.1;
    assert_eq!(description["openapi"], "3.1.0");
    let mut guarded = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        let real = path
            .replace("{user_id}", "user_001")
            .replace("{provider}", "polar");
        let real = real.replace("{task_id}", &uuid::Uuid::nil().to_string());
        let real = real.replace("{workout_id}", &uuid::Uuid::nil().to_string());
        for (method, operation) in methods.as_object().unwrap() {
            let method: Method = method.to_ascii_uppercase().parse().unwrap();
            let is_open = operation["security"] == serde_json::json!([{}]);
            if is_open {
                let proven = ["callback", "receive_event"];
                assert!(
                    proven.contains(&operation["operationId"].as_str().unwrap()),
                    "{path}"
                );
                continue;
            }
            for key in [
                "",
                "x",
                "ps_",
                "ps_00000000000000000000000000000000_x",
                "your_kez",
            ] {
                let (status, body) = with(&api, key, method.clone(), &real).await;
                assert_eq!(
                    (status, code(&body)),
                    (401, "unauthorized"),
                    "{method} {path} {key}"
                );
            }
            let (status, _) = Api::answer(api.bare(method.clone(), &real)).await;
            assert_eq!(status, 401, "{method} {path}");
            guarded += 1;
        }
    }
    assert!(guarded >= 9, "{guarded}");
    for open in ["/livez", "/readyz", "/metrics", "/openapi.json", "/docs/"] {
        let answer = api.bare(Method::GET, open).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{open}");
    }
}

#[tokio::test]
async fn a_key_is_made_used_and_revoked() {
    let mut world = World::start(1, "small", &[]).await;
    let api = world.spawn_api("api").await;
    let made = world
        .command("--json api-keys create reader --scopes read", "")
        .await;
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let key = made["key"].as_str().unwrap();
    assert_eq!(with(&api, key, Method::GET, "/api/v1/users").await.0, 200);
    for (method, path) in [
        (Method::POST, "/api/v1/users"),
        (Method::POST, "/api/v1/providers/polar/users/user_001/sync"),
        (
            Method::GET,
            "/api/v1/oauth/polar/authorize?user_id=user_001",
        ),
        (Method::DELETE, "/api/v1/users/user_001/connections/polar"),
    ] {
        let (status, body) = with(&api, key, method, path).await;
        assert_eq!((status, code(&body)), (403, "scope_missing"), "{path}");
    }
    // Nothing of the key itself is kept.
    let kept = world
        .text("SELECT string_agg(k::text, '') FROM polar_sync.api_key k")
        .await;
    // A secret may hold an underscore itself.
    let secret = key.splitn(3, '_').last().unwrap();
    assert!(
        !kept.contains(secret) && !kept.contains(&hex::encode(secret)),
        "{kept}"
    );
    let listed = world.command("--json api-keys list", "").await;
    assert!(!listed.stdout.contains(key), "{}", listed.stdout);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["scopes"]),
        (&"reader".into(), &serde_json::json!(["read"]))
    );
    assert!(listed[0]["last_used_at"].is_string());
    let again = world.command("api-keys create reader", "").await;
    assert_eq!(again.code, Some(17), "{}", again.stderr);
    assert_eq!(
        world.command("api-keys revoke reader", "").await.code,
        Some(0)
    );
    let (status, body) = with(&api, key, Method::GET, "/api/v1/users").await;
    assert_eq!((status, code(&body)), (401, "unauthorized"));
    assert_eq!(
        world.command("api-keys revoke reader", "").await.code,
        Some(16)
    );
    assert_eq!(
        world
            .command("api-keys create x --scopes write", "")
            .await
            .code,
        Some(2)
    );
}
