//! Users who connect through a browser, and everything that may come between.

use reqwest::{Method, StatusCode};
use serde_json::json;
use url::Url;

use super::{Api, code};
use crate::world::{FIRST_ACCOUNT, World};

const CONNECTIONS: &str = "SELECT count(*) FROM api_v1.connections WHERE state = 'active'";
const ANY_WRITE: &str = "SELECT (SELECT count(*) FROM polar_sync.oauth_state)
    + (SELECT count(*) FROM polar_sync.connection) + (SELECT count(*) FROM polar_sync.platform_user)";

/// The decision of an account's owner.
fn allow(account: &str) -> [(&str, &str); 2] {
    [("account", account), ("decision", "allow")]
}

/// Where a user is sent back to who agrees.
async fn agreed(world: &World, api: &Api, user: &str, redirect_uri: Option<&str>) -> Url {
    let page = api.consent_page(user, redirect_uri).await;
    world
        .sim
        .redirect(page, &allow(&FIRST_ACCOUNT.to_string()))
        .await
}

fn location(answer: &reqwest::Response) -> Url {
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    answer.headers()["location"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_round_trip_connects_and_syncs_at_once() {
    let mut world = World::start(1, "small", &[]).await;
    let api = world.spawn_api("all").await;
    let callback = "http://localhost:3000/callback?mine=1";
    let back = agreed(&world, &api, "user_001", Some(callback)).await;
    let target = location(&api.come_back(&back).await);
    assert_eq!(
        target.as_str(),
        "http://localhost:3000/callback?mine=1&user_id=user_001&provider=polar&status=connected"
    );
    world.until_in_step().await;
    assert!(world.number("SELECT count(*) FROM api_v1.workouts").await > 0);
    let (_, connections) = api.get("/api/v1/users/user_001/connections").await;
    assert_eq!(connections[0]["status"], "active");
    assert_eq!(
        connections[0]["provider_user_id"],
        FIRST_ACCOUNT.to_string()
    );
    let (_, user) = api.get("/api/v1/users/user_001").await;
    assert_eq!(user["has_active_connection"], true);
    world.assert_honest().await;
    assert_eq!(api.role.stop().await, Some(0));
}

#[tokio::test]
async fn without_a_redirect_the_user_sees_a_page() {
    let mut world = World::start(1, "small", &[]).await;
    let api = world.spawn_api("api").await;
    let back = agreed(&world, &api, "user_001", None).await;
    let page = api.come_back(&back).await;
    assert_eq!(page.status(), 200);
    let text = page.text().await.unwrap();
    assert!(
        text.contains("You are connected") && !text.contains("<script"),
        "{text}"
    );
    // The same address again: the code is not exchanged a second time.
    let again = api.come_back(&back).await;
    assert_eq!(again.status(), 400);
    assert!(again.text().await.unwrap().contains("used already"));
    assert_eq!(world.sim.requests("token").await, 1);
    assert_eq!(world.number(CONNECTIONS).await, 1);
    world.assert_honest().await;
}

#[tokio::test]
async fn a_user_who_refuses_is_sent_back_with_the_error() {
    let mut world = World::start(1, "small", &[]).await;
    let api = world.spawn_api("api").await;
    let page = api
        .consent_page("user_001", Some("http://localhost:3000/cb"))
        .await;
    let back = world.sim.redirect(page, &[("decision", "deny")]).await;
    let target = location(&api.come_back(&back).await);
    assert_eq!(
        target.as_str(),
        "http://localhost:3000/cb?user_id=user_001&provider=polar&error=access_denied"
    );
    let page = api.consent_page("user_001", None).await;
    let back = world.sim.redirect(page, &[("decision", "deny")]).await;
    assert_eq!(api.come_back(&back).await.status(), 403);
    assert_eq!(world.number(CONNECTIONS).await, 0);
    assert_eq!(world.sim.requests("token").await, 0);
}

#[tokio::test]
async fn of_many_who_come_back_with_one_code_one_exchanges_it() {
    let mut world = World::start(1, "small", &[]).await;
    let api = world.spawn_api("api").await;
    let back = agreed(&world, &api, "user_001", None).await;
    // The same code under a state of somebody else's, too.
    let other = api.consent_page("user_002", None).await;
    let state = |url: &Url| {
        url.query_pairs()
            .find(|(key, _)| key == "state")
            .unwrap()
            .1
            .into_owned()
    };
    let mut stolen = back.clone();
    let code = back
        .query_pairs()
        .find(|(key, _)| key == "code")
        .unwrap()
        .1
        .into_owned();
    stolen
        .query_pairs_mut()
        .clear()
        .append_pair("code", &code)
        .append_pair("state", &state(&other));
    let targets: Vec<_> = (0..20)
        .map(|n| {
            if n % 4 == 3 {
                stolen.clone()
            } else {
                back.clone()
            }
        })
        .collect();
    let answers =
        futures::future::join_all(targets.iter().map(|target| api.come_back(target))).await;
    let connected = answers
        .iter()
        .filter(|answer| answer.status() == 200)
        .count();
    assert_eq!(connected, 1, "so many exchanged the code");
    assert!(
        answers
            .iter()
            .all(|answer| [200, 400].contains(&answer.status().as_u16()))
    );
    assert_eq!(world.sim.requests("token").await, 1);
    world.assert_honest().await;
}

#[tokio::test]
async fn a_state_ends_after_a_quarter_of_an_hour() {
    let mut world = World::start(1, "small", &[]).await;
    let api = world.spawn_api("api").await;
    let back = agreed(&world, &api, "user_001", None).await;
    world
        .execute("UPDATE polar_sync.clock SET shift = '15 minutes 1 second'")
        .await;
    assert_eq!(api.come_back(&back).await.status(), 400);
    assert_eq!(world.sim.requests("token").await, 0);
    assert_eq!(world.number(CONNECTIONS).await, 0);
}

#[tokio::test]
async fn an_account_has_one_user_and_a_user_one_account() {
    let mut world = World::start(2, "small", &[]).await;
    let api = world.spawn_api("api").await;
    let target = Some("http://localhost:3000/cb");
    let first = agreed(&world, &api, "user_001", target).await;
    assert!(
        location(&api.come_back(&first).await)
            .as_str()
            .contains("status=connected")
    );
    let taken = agreed(&world, &api, "user_002", target).await;
    assert!(
        location(&api.come_back(&taken).await)
            .as_str()
            .contains("error=account_taken")
    );
    let page = api.consent_page("user_001", target).await;
    let other = (FIRST_ACCOUNT + 1).to_string();
    let other = world.sim.redirect(page, &allow(&other)).await;
    assert!(
        location(&api.come_back(&other).await)
            .as_str()
            .contains("error=other_account")
    );
    let page = api.consent_page("user_002", None).await;
    let taken = world
        .sim
        .redirect(page, &allow(&FIRST_ACCOUNT.to_string()))
        .await;
    assert_eq!(api.come_back(&taken).await.status(), 409);
    assert_eq!(world.number(CONNECTIONS).await, 1);
}

#[tokio::test]
async fn whoever_revoked_access_is_active_again_after_coming_back() {
    let mut world = World::start(1, "small", &[]).await;
    let api = world.spawn_api("api").await;
    let back = agreed(&world, &api, "user_001", None).await;
    assert_eq!(api.come_back(&back).await.status(), 200);
    world
        .execute(
            "UPDATE polar_sync.connection SET state = 'revoked', state_reason = 'token_refused'",
        )
        .await;
    let (status, body) = api
        .post("/api/v1/providers/polar/users/user_001/sync")
        .await;
    assert_eq!((status, code(&body)), (409, "revoked"));
    let authorize = body["authorize_url"].as_str().unwrap();
    assert!(
        authorize.ends_with("/api/v1/oauth/polar/authorize?user_id=user_001"),
        "{authorize}"
    );
    let (_, connections) = api.get("/api/v1/users/user_001/connections").await;
    assert_eq!(connections[0]["status"], "revoked");
    let again = agreed(&world, &api, "user_001", None).await;
    assert_eq!(api.come_back(&again).await.status(), 200);
    assert_eq!(world.number(CONNECTIONS).await, 1);
    let (status, _) = api
        .post("/api/v1/providers/polar/users/user_001/sync")
        .await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn polar_without_tokens_connects_nobody_and_is_not_asked_twice() {
    let mut world = World::start(1, "small", &[]).await;
    let api = world.spawn_api("api").await;
    let back = agreed(&world, &api, "user_001", None).await;
    let action = json!({ "type": "status", "status": 503 });
    world
        .sim
        .post(
            "/faults",
            json!({ "op": "token", "times": null, "action": action }),
        )
        .await;
    assert_eq!(api.come_back(&back).await.status(), 502);
    assert_eq!(api.come_back(&back).await.status(), 400);
    assert_eq!(world.sim.requests("token").await, 1);
    assert_eq!(world.number(CONNECTIONS).await, 0);
}

#[tokio::test]
async fn a_browser_is_sent_to_allowed_targets_only() {
    let mut world = World::start(1, "small", &[]).await;
    // Any port of localhost is allowed, and nothing else.
    let api = world.spawn_api("api").await;
    for target in [
        "//evil.example/cb",
        "https://evil.example/cb",
        "http://localhost.evil.example:3000/cb",
        "http://localhost@evil.example/cb",
        "http://localhost:3000@evil.example/cb",
        "http://user:pass@localhost:3000/cb",
        "https://localhost:3000/cb",
        "http://127.0.0.1:3000/cb",
        "http://localhost%2eevil.example/cb",
        "http://localhost%00.evil.example/cb",
        "http:/\\evil.example/cb",
        "\\\\evil.example\\cb",
        "javascript:alert(1)//http://localhost:3000",
        "data:text/html,hello",
        "http://[::1]:3000/cb",
        "localhost:3000/cb",
        "http://local\u{430}lhost:3000/cb",
        " ",
    ] {
        let mut url = Url::parse("http://x/").unwrap();
        url.query_pairs_mut()
            .append_pair("user_id", "user_001")
            .append_pair("redirect_uri", target);
        let path = format!("/api/v1/oauth/polar/authorize?{}", url.query().unwrap());
        let (status, body) = api.get(&path).await;
        assert_eq!(
            (status, code(&body)),
            (400, "invalid_parameter"),
            "{target}"
        );
    }
    assert_eq!(world.number(ANY_WRITE).await, 0);
}

#[tokio::test]
async fn a_return_that_nobody_was_sent_for_changes_nothing() {
    let mut world = World::start(1, "small", &[]).await;
    let api = world.spawn_api("api").await;
    let long = "x".repeat(5_000);
    for query in [
        "",
        "?code=x",
        "?state=x",
        "?code=x&state=x",
        "?error=access_denied&state=x",
        "?code=a&code=b&state=x",
        "?code=%ff&state=%ff",
        "?code=%00&state=%00",
        &format!("?code={long}&state={long}"),
    ] {
        let path = format!("/api/v1/oauth/polar/callback{query}");
        let answer = api.bare(Method::GET, &path).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
    }
    assert_eq!(world.number(ANY_WRITE).await, 0);
    assert_eq!(world.sim.requests("token").await, 0);
}

#[tokio::test]
async fn whoever_is_disconnected_is_deregistered_and_not_called_again() {
    let mut world = World::start(1, "small", &[]).await;
    let api = world.spawn_api("all").await;
    let back = agreed(&world, &api, "user_001", None).await;
    assert_eq!(api.come_back(&back).await.status(), 200);
    world.until_in_step().await;
    let rows = world.number("SELECT count(*) FROM api_v1.workouts").await;
    // Polar does not answer at first: syncs have stopped already, and calling again goes on.
    let action = json!({ "type": "status", "status": 503 });
    world
        .sim
        .post(
            "/faults",
            json!({ "op": "users.delete", "times": 3, "action": action }),
        )
        .await;
    let cut = || Api::answer(api.call(Method::DELETE, "/api/v1/users/user_001/connections/polar"));
    let (status, body) = cut().await;
    assert_eq!((status, code(&body)), (503, "polar_unavailable"));
    assert_eq!(world.number(CONNECTIONS).await, 0);
    assert_eq!(cut().await.0, 204);
    assert_eq!(cut().await.0, 204);
    assert_eq!(
        world.number("SELECT count(*) FROM api_v1.workouts").await,
        rows
    );
    let tokens = "SELECT count(*) FROM polar_sync.connection WHERE access_token IS NOT NULL";
    assert_eq!(world.number(tokens).await, 0);
    let (status, body) = api
        .post("/api/v1/providers/polar/users/user_001/sync")
        .await;
    assert_eq!((status, code(&body)), (409, "revoked"));
    let other = api.call(Method::DELETE, "/api/v1/users/user_001/connections/garmin");
    assert_eq!(Api::answer(other).await.0, 404);
    let nobody = api.call(Method::DELETE, "/api/v1/users/nobody/connections/polar");
    assert_eq!(Api::answer(nobody).await.0, 404);
    // And back again.
    let back = agreed(&world, &api, "user_001", None).await;
    assert_eq!(api.come_back(&back).await.status(), 200);
    world
        .until(
            "the user to be registered",
            "SELECT count(*) FROM polar_sync.connection WHERE registered_at IS NOT NULL",
            1,
        )
        .await;
    world.assert_honest().await;
}
