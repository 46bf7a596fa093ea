//! Registration, consent, revocation and notifications.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::harness::{Sim, USER, send};

async fn register(sim: &Sim, token: &str, member_id: &str) -> u16 {
    let request = sim.request(Method::POST, "/v3/users").bearer_auth(token);
    send(request.json(&json!({"member-id": member_id})))
        .await
        .status
}

async fn unregistered(sim: &Sim, user: u64) -> String {
    let issued = sim.tell(&format!("/users/{user}/token"), json!({})).await;
    issued["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_and_a_member_id_are_registered_once() {
    let sim = Sim::start(&["--users", "2"]).await;
    let (first, second) = (
        unregistered(&sim, USER).await,
        unregistered(&sim, USER + 1).await,
    );
    assert_eq!(register(&sim, &first, "").await, 400);
    assert_eq!(register(&sim, &first, "member").await, 200);
    assert_eq!(register(&sim, &first, "other").await, 409);
    assert_eq!(register(&sim, &second, "member").await, 409);
    assert_eq!(register(&sim, &second, "other").await, 200);
    let user = sim.get(&first, &format!("/v3/users/{USER}")).await.json();
    assert_eq!(
        (&user["polar-user-id"], &user["member-id"]),
        (&json!(USER), &json!("member"))
    );
}

#[rstest]
#[case("403", 403, 403)]
#[case("204", 204, 204)]
#[case("empty", 204, 200)]
#[tokio::test]
async fn before_the_registration_there_is_no_data(
    #[case] switch: &str,
    #[case] create_status: u16,
    #[case] list_status: u16,
) {
    let sim = Sim::start(&["--switch", &format!("unregistered={switch}")]).await;
    let token = unregistered(&sim, USER).await;
    assert_eq!(sim.create(&token, "exercise").await.status, create_status);
    assert_eq!(sim.get(&token, "/v3/users/sleep").await.status, list_status);
    assert_eq!(register(&sim, &token, "member").await, 200);
    assert_eq!(sim.create(&token, "exercise").await.status, 201);
}

#[tokio::test]
async fn a_withdrawn_consent_forbids_and_a_given_one_allows_again() {
    let (sim, token) = Sim::connected(&[]).await;
    let consent = format!("/users/{USER}/consent");
    sim.tell(&consent, json!({"given": false})).await;
    assert_eq!(
        sim.get(&token, &format!("/v3/users/{USER}")).await.status,
        403
    );
    assert_eq!(sim.create(&token, "activity").await.status, 403);
    assert_eq!(register(&sim, &token, "member").await, 403);
    sim.tell(&consent, json!({"given": true})).await;
    assert_eq!(sim.create(&token, "activity").await.status, 201);
}

#[tokio::test]
async fn a_deregistered_user_offers_only_what_comes_later() {
    let (sim, token) = Sim::connected(&[]).await;
    let user = format!("/v3/users/{USER}");
    assert_eq!(sim.call(&token, Method::DELETE, &user).await.status, 204);
    assert_eq!(
        sim.get(&token, &user).await.status,
        401,
        "deregistering kills the token"
    );
    let token = sim.token(USER).await;
    assert_eq!(sim.create(&token, "exercise").await.status, 204);
    assert_eq!(sim.get(&token, "/v3/exercises").await.json(), json!([]));
    sim.tell(
        &format!("/users/{USER}/exercises"),
        json!({"duration_s": 60}),
    )
    .await;
    assert_eq!(sim.create(&token, "exercise").await.status, 201);
}

#[tokio::test]
async fn everybody_may_be_revoked_at_once_and_come_back() {
    let (sim, token) = Sim::connected(&[]).await;
    sim.tell("/revoke-all", json!({"revoked": true})).await;
    assert_eq!(sim.get(&token, "/v3/exercises").await.status, 401);
    sim.tell("/revoke-all", json!({"revoked": false})).await;
    assert_eq!(sim.get(&token, "/v3/exercises").await.status, 200);
    assert_eq!(sim.violations().await, [""; 0]);
}

#[tokio::test]
async fn calling_on_after_a_revocation_is_a_violation() {
    let (sim, token) = Sim::connected(&[]).await;
    sim.tell(&format!("/users/{USER}/revoke"), json!({})).await;
    for _ in 0..16 {
        assert_eq!(sim.create(&token, "exercise").await.status, 401);
    }
    assert_eq!(sim.violations().await, [""; 0]);
    assert_eq!(sim.create(&token, "exercise").await.status, 401);
    assert_eq!(sim.violations().await, ["called_after_revocation"]);
}

#[tokio::test]
async fn another_users_path_is_forbidden_and_counted() {
    let (sim, token) = Sim::connected(&["--users", "2"]).await;
    assert_eq!(
        sim.get(&token, &format!("/v3/users/{}", USER + 1))
            .await
            .status,
        403
    );
    assert_eq!(sim.violations().await, ["foreign_user"]);
}

#[tokio::test]
async fn notifications_stay_until_the_data_is_committed() {
    let sim = Sim::start(&[]).await;
    let notifications = async || {
        let request = sim.request(Method::GET, "/v3/notifications");
        send(request.basic_auth("sim-client", Some("sim-secret"))).await
    };
    assert_eq!(
        send(sim.request(Method::GET, "/v3/notifications"))
            .await
            .status,
        401
    );
    assert_eq!(notifications().await.status, 204);
    let token = sim.token(USER).await;
    let entries = notifications().await.json()["available-user-data"].clone();
    let url = format!("{}/v3/users/{USER}/exercise-transactions", sim.api());
    let exercise = json!({"user-id": USER, "data-type": "EXERCISE", "url": url});
    assert_eq!(
        (entries.as_array().unwrap().len(), &entries[0]),
        (3, &exercise)
    );
    let open = sim.open(&token, "exercise").await;
    assert_eq!(notifications().await.json()["available-user-data"], entries);
    sim.commit(&token, &open).await;
    let entries = notifications().await.json()["available-user-data"].clone();
    let types: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["data-type"])
        .collect();
    assert_eq!(types, ["ACTIVITY_SUMMARY", "PHYSICAL_INFORMATION"]);
}
