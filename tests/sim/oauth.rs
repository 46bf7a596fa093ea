//! Consent, codes, tokens and what makes them useless.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{Reply, Sim, USER, send};

const CALLBACK: &str = "http://localhost:9/callback";

/// Where the consent page leads to once the account is chosen there.
async fn consent(sim: &Sim, extra: &[(&str, &str)]) -> Reply {
    let query = [
        ("response_type", "code"),
        ("client_id", "sim-client"),
        ("redirect_uri", CALLBACK),
        ("state", "opaque&state"),
    ];
    let request = sim
        .request(Method::GET, "/oauth2/authorization")
        .query(&query)
        .query(extra);
    send(request).await
}

async fn code(sim: &Sim) -> String {
    let allowed = consent(
        sim,
        &[("account", &USER.to_string()), ("decision", "allow")],
    )
    .await;
    assert_eq!(allowed.status, 302);
    parameter(&allowed, "code").unwrap()
}

fn parameter(redirect: &Reply, key: &str) -> Option<String> {
    let location = url::Url::parse(redirect.header("location")).unwrap();
    assert!(location.as_str().starts_with(CALLBACK));
    location
        .query_pairs()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.into_owned())
}

async fn exchange(sim: &Sim, form: &[(&str, &str)]) -> Reply {
    let request = sim.request(Method::POST, "/v2/oauth2/token");
    send(
        request
            .basic_auth("sim-client", Some("sim-secret"))
            .form(form),
    )
    .await
}

async fn redeem(sim: &Sim, code: &str) -> Reply {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
    ];
    exchange(sim, &form).await
}

fn access_token(reply: &Reply) -> String {
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_consents_on_the_page_and_the_client_gets_a_token() {
    let sim = Sim::start(&[]).await;
    let page = consent(&sim, &[]).await;
    let html = String::from_utf8(page.body).unwrap();
    assert!(html.contains(&format!("value=\"{USER}\"")), "{html}");
    assert!(html.contains("value=\"opaque&amp;state\""), "{html}");
    let form = [
        ("response_type", "code"),
        ("client_id", "sim-client"),
        ("redirect_uri", CALLBACK),
        ("state", "opaque&state"),
        ("account", &USER.to_string()),
        ("decision", "allow"),
    ];
    let allowed = send(
        sim.request(Method::POST, "/oauth2/authorization")
            .form(&form),
    )
    .await;
    assert_eq!(parameter(&allowed, "state").unwrap(), "opaque&state");
    let issued = redeem(&sim, &parameter(&allowed, "code").unwrap())
        .await
        .json();
    assert_eq!(issued["token_type"], "bearer");
    assert_eq!(issued["expires_in"], 31_535_999);
    assert_eq!(issued["x_user_id"], USER);
    assert_eq!(issued["refresh_token"], Value::Null);
}

#[tokio::test]
async fn a_person_who_denies_leads_back_with_an_error() {
    let sim = Sim::start(&[]).await;
    let denied = consent(
        &sim,
        &[("account", &USER.to_string()), ("decision", "deny")],
    )
    .await;
    assert_eq!(parameter(&denied, "error").unwrap(), "access_denied");
    assert_eq!(parameter(&denied, "state").unwrap(), "opaque&state");
    assert_eq!(parameter(&denied, "code"), None);
}

#[tokio::test]
async fn a_code_that_is_used_twice_kills_the_token_issued_from_it() {
    let sim = Sim::start(&[]).await;
    let code = code(&sim).await;
    let token = access_token(&redeem(&sim, &code).await);
    let path = format!("/v3/users/{USER}");
    assert_eq!(sim.get(&token, &path).await.status, 204);
    let again = redeem(&sim, &code).await;
    assert_eq!(
        (again.status, again.json()["error"].as_str()),
        (400, Some("invalid_grant"))
    );
    assert_eq!(sim.get(&token, &path).await.status, 401);
    assert_eq!(sim.violations().await, ["code_reused"]);
}

#[tokio::test]
async fn a_code_needs_its_redirect_address_and_dies_after_ten_minutes() {
    let sim = Sim::start(&[]).await;
    let first = code(&sim).await;
    let form = [("grant_type", "authorization_code"), ("code", &first)];
    assert_eq!(exchange(&sim, &form).await.json()["error"], "invalid_grant");
    assert_eq!(redeem(&sim, &first).await.status, 200);
    let second = code(&sim).await;
    sim.advance_s(601).await;
    assert_eq!(redeem(&sim, &second).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn the_client_must_name_itself_by_http_basic() {
    let sim = Sim::start(&[]).await;
    let code = code(&sim).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
    ];
    let request = sim.request(Method::POST, "/v2/oauth2/token").form(&form);
    let wrong = send(request.basic_auth("sim-client", Some("guessed"))).await;
    assert_eq!(
        (wrong.status, wrong.json()["error"].as_str()),
        (401, Some("invalid_client"))
    );
    sim.switch("invalid_client", "400").await;
    let request = sim.request(Method::POST, "/v2/oauth2/token").form(&form);
    assert_eq!(send(request).await.status, 400);
    assert_eq!(
        redeem(&sim, &code).await.status,
        200,
        "a refused client does not use the code up"
    );
}

#[tokio::test]
async fn refresh_tokens_rotate_and_work_once() {
    let switches = [
        "refresh_tokens=rotating",
        "expires_in_s=60",
        "token_expiry=honoured",
    ];
    let [rotating, short, honoured] = switches;
    let sim = Sim::start(&[
        "--switch", rotating, "--switch", short, "--switch", honoured,
    ])
    .await;
    let issued = redeem(&sim, &code(&sim).await).await;
    let path = format!("/v3/users/{USER}");
    assert_eq!(sim.get(&access_token(&issued), &path).await.status, 204);
    sim.advance_s(61).await;
    assert_eq!(sim.get(&access_token(&issued), &path).await.status, 401);
    let refresh_token = issued.json()["refresh_token"].as_str().unwrap().to_owned();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.as_str()),
    ];
    let refreshed = exchange(&sim, &form).await;
    assert_eq!(sim.get(&access_token(&refreshed), &path).await.status, 204);
    assert_ne!(refreshed.json()["refresh_token"], refresh_token.as_str());
    assert_eq!(exchange(&sim, &form).await.json()["error"], "invalid_grant");
}

#[rstest]
#[case("valid", 204)]
#[case("revoked", 401)]
#[tokio::test]
async fn consenting_again_leaves_the_old_token_as_the_switch_says(
    #[case] switch: &str,
    #[case] old_token_status: u16,
) {
    let sim = Sim::start(&["--switch", &format!("old_token={switch}")]).await;
    let old = access_token(&redeem(&sim, &code(&sim).await).await);
    let new = access_token(&redeem(&sim, &code(&sim).await).await);
    let path = format!("/v3/users/{USER}");
    assert_eq!(sim.get(&new, &path).await.status, 204);
    assert_eq!(sim.get(&old, &path).await.status, old_token_status);
}

#[tokio::test]
async fn a_revoked_user_consents_again_and_only_the_new_token_works() {
    let (sim, old) = Sim::connected(&[]).await;
    let path = format!("/v3/users/{USER}");
    assert_eq!(sim.get(&old, &path).await.status, 200);
    sim.tell(&format!("/users/{USER}/revoke"), json!({})).await;
    assert_eq!(sim.get(&old, &path).await.status, 401);
    let new = access_token(&redeem(&sim, &code(&sim).await).await);
    assert_eq!(sim.get(&new, &path).await.status, 200);
    assert_eq!(sim.get(&old, &path).await.status, 401);
}

#[tokio::test]
async fn a_lost_answer_of_the_token_endpoint_uses_the_code_up() {
    let sim = Sim::start(&["--users", "2"]).await;
    let action = json!({"type": "reset", "after_bytes": 0});
    let fault = json!({"op": "token", "user": USER, "when": "after", "action": action});
    sim.tell("/faults", fault).await;
    let code = code(&sim).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
    ];
    let request = sim.request(Method::POST, "/v2/oauth2/token").form(&form);
    let sent = request
        .basic_auth("sim-client", Some("sim-secret"))
        .send()
        .await;
    let body = match sent {
        Ok(response) => response.bytes().await,
        Err(error) => Err(error),
    };
    assert!(body.is_err());
    assert_eq!(redeem(&sim, &code).await.json()["error"], "invalid_grant");
}
