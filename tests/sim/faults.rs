//! Every fault, before and after the request takes effect.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Reply, Sim, USER, urls};

const SLEEP: &str = "/v3/users/sleep";

/// The answer to a harmless call that runs into this action.
async fn spoilt(sim: &Sim, token: &str, when: &str, action: Value) -> Reply {
    sim.tell(
        "/faults",
        json!({"op": "sleep.list", "when": when, "action": action}),
    )
    .await;
    sim.get(token, SLEEP).await
}

/// Whether reading the answer to its end fails.
async fn breaks(sim: &Sim, token: &str) -> bool {
    match sim
        .request(Method::GET, SLEEP)
        .bearer_auth(token)
        .send()
        .await
    {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    }
}

#[tokio::test]
async fn answers_are_replaced_or_cut() {
    let (sim, token) = Sim::connected(&[]).await;
    let whole = sim.get(&token, SLEEP).await;
    let action =
        json!({"type": "status", "status": 503, "headers": {"retry-after": 7}, "body": "no"});
    let status = spoilt(&sim, &token, "before", action).await;
    assert_eq!(
        (
            status.status,
            status.header("retry-after"),
            &status.body[..]
        ),
        (503, "7", &b"no"[..])
    );
    let html = spoilt(&sim, &token, "before", json!({"type": "html"})).await;
    assert_eq!(
        (html.status, html.header("content-type")),
        (200, "text/html;charset=UTF-8")
    );
    let action = json!({"type": "body", "body": "{\"nights\":7}"});
    let body = spoilt(&sim, &token, "after", action).await;
    assert_eq!(
        (body.header("content-type"), body.json()),
        ("application/json", json!({"nights": 7}))
    );
    let cut = spoilt(
        &sim,
        &token,
        "after",
        json!({"type": "truncate", "after_bytes": 10}),
    )
    .await;
    assert_eq!(
        (cut.status, &cut.body[..], cut.header("content-length")),
        (200, &whole.body[..10], "10")
    );
    let action = json!({"type": "redirect", "location": "http://elsewhere.invalid/"});
    let redirect = spoilt(&sim, &token, "before", action).await;
    assert_eq!(
        (redirect.status, redirect.header("location")),
        (302, "http://elsewhere.invalid/")
    );
    let huge = spoilt(
        &sim,
        &token,
        "before",
        json!({"type": "huge", "bytes": 200_000}),
    )
    .await;
    assert_eq!((huge.status, huge.body.len()), (200, 200_000));
    assert_eq!(
        sim.get(&token, SLEEP).await.body,
        whole.body,
        "each fault hits once"
    );
}

#[tokio::test]
async fn a_reset_breaks_the_connection_within_the_body() {
    let (sim, token) = Sim::connected(&[]).await;
    for after_bytes in [0, 10, usize::MAX] {
        let action = json!({"type": "reset", "after_bytes": after_bytes});
        sim.tell(
            "/faults",
            json!({"op": "sleep.list", "when": "after", "action": action}),
        )
        .await;
        assert!(breaks(&sim, &token).await, "after {after_bytes} bytes");
    }
    assert!(!breaks(&sim, &token).await);
}

#[tokio::test]
async fn foreign_urls_point_to_another_host() {
    let (sim, token) = Sim::connected(&[]).await;
    sim.tell(
        "/faults",
        json!({"op": "*.list", "when": "after", "action": {"type": "foreign_url"}}),
    )
    .await;
    let uri = sim.open(&token, "exercise").await;
    let whole = sim.get(&token, &uri).await;
    let foreign = sim.tell(
        "/faults",
        json!({"op": "exercise.list", "when": "after", "action": {"type": "foreign_url"}}),
    );
    foreign.await;
    let foreign = sim.get(&token, &uri).await;
    let expected = String::from_utf8(whole.body)
        .unwrap()
        .replace(sim.api(), "https://accesslink.invalid");
    assert_eq!(String::from_utf8(foreign.body).unwrap(), expected);
}

#[tokio::test]
async fn a_fault_before_has_no_effect_and_a_fault_after_loses_the_answer() {
    let (sim, token) = Sim::connected(&[]).await;
    let fault = |when: &str| {
        let action = json!({"type": "status", "status": 500});
        json!({"op": "exercise.create", "when": when, "action": action})
    };
    sim.tell("/faults", fault("before")).await;
    assert_eq!(sim.create(&token, "exercise").await.status, 500);
    assert_eq!(sim.ask("/ledger").await["transactions"]["open"], 0);
    sim.tell("/faults", fault("after")).await;
    assert_eq!(sim.create(&token, "exercise").await.status, 500);
    assert_eq!(sim.ask("/ledger").await["transactions"]["open"], 1);
    assert_eq!(
        sim.create(&token, "exercise").await.status,
        204,
        "the lost transaction is open"
    );
}

#[tokio::test]
async fn a_spoilt_body_does_not_count_as_served() {
    let (sim, token) = Sim::connected(&["--profile", "single-summary"]).await;
    let uri = sim.open(&token, "exercise").await;
    let item = urls(&sim.get(&token, &uri).await, "exercises").remove(0);
    let action = json!({"type": "truncate", "after_bytes": 5});
    sim.tell(
        "/faults",
        json!({"op": "exercise.item", "when": "after", "action": action}),
    )
    .await;
    sim.get(&token, &item).await;
    let served = async || sim.ledger().await["items"]["exercise"][0]["served"].clone();
    assert_eq!(served().await, 0);
    sim.get(&token, &item).await;
    assert_eq!(served().await, 1);
}

#[tokio::test]
async fn faults_pick_their_requests() {
    let (sim, token) = Sim::connected(&["--users", "2"]).await;
    let other = sim.token(USER + 1).await;
    let action = json!({"type": "status", "status": 500});
    let fault = json!({
        "id": "picky", "op": "sleep.*", "user": USER, "path_contains": "available", "skip": 1, "times": 2,
        "action": action,
    });
    assert_eq!(sim.tell("/faults", fault).await["id"], "picky");
    assert_eq!(sim.get(&token, SLEEP).await.status, 200);
    let path = "/v3/users/sleep/available";
    assert_eq!(sim.get(&other, path).await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(sim.get(&token, path).await.status);
    }
    assert_eq!(statuses, [200, 500, 500, 200]);
    assert_eq!(sim.ask("/faults").await["faults"][0]["hits"], 2);
    let never = json!({"op": "*", "times": null, "probability": 0.0, "action": {"type": "hang"}});
    sim.tell("/faults", never).await;
    assert_eq!(sim.get(&token, path).await.status, 200);
    assert_eq!(
        sim.control(Method::DELETE, "/faults/picky", json!({}))
            .await
            .status,
        200
    );
    assert_eq!(
        sim.control(Method::DELETE, "/faults", json!({}))
            .await
            .status,
        200
    );
    assert_eq!(sim.ask("/faults").await["faults"], json!([]));
}

#[tokio::test]
async fn a_delay_and_a_hang_outlast_an_impatient_client() {
    let (sim, token) = Sim::connected(&[]).await;
    let delayed = spoilt(&sim, &token, "before", json!({"type": "delay", "ms": 20})).await;
    assert_eq!(delayed.status, 200);
    let late = json!({"type": "delay", "ms": 3_600_000});
    for action in [late, json!({"type": "hang"})] {
        sim.tell("/faults", json!({"op": "sleep.list", "action": action}))
            .await;
        let request = sim.request(Method::GET, SLEEP).bearer_auth(&token);
        let error = request
            .timeout(Duration::from_millis(100))
            .send()
            .await
            .unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }
}

#[tokio::test]
async fn a_held_commit_takes_effect_when_released_although_its_client_is_gone() {
    let (sim, token) = Sim::connected(&["--profile", "single-summary"]).await;
    let uri = sim.open(&token, "exercise").await;
    let item = urls(&sim.get(&token, &uri).await, "exercises").remove(0);
    sim.get(&token, &item).await;
    sim.tell(
        "/faults",
        json!({"id": "gate", "op": "exercise.commit", "action": {"type": "hold"}}),
    )
    .await;
    let commit = sim.request(Method::PUT, &uri).bearer_auth(&token).send();
    // The client dies as soon as its request is held.
    tokio::select! {
        _ = commit => panic!("the commit was answered although it is held"),
        held = sim.ask("/faults/gate/held?timeout_ms=10000") => assert_eq!(held["held"], 1),
    }
    assert_eq!(
        sim.ledger().await["items"]["exercise"][0]["state"],
        "in_transaction"
    );
    sim.tell("/faults/gate/release", json!({})).await;
    sim.ask("/await?op=exercise.commit&count=1&timeout_ms=10000")
        .await;
    assert_eq!(
        sim.ledger().await["items"]["exercise"][0]["state"],
        "committed"
    );
    let nothing = sim
        .control(Method::GET, "/faults/gate/held?timeout_ms=0", json!({}))
        .await;
    assert_eq!(nothing.status, 408);
}

#[tokio::test]
async fn a_hold_after_the_effect_keeps_only_the_answer_back() {
    let (sim, token) = Sim::connected(&[]).await;
    let fault =
        json!({"id": "gate", "op": "exercise.create", "when": "after", "action": {"type": "hold"}});
    sim.tell("/faults", fault).await;
    let (created, ()) = tokio::join!(sim.create(&token, "exercise"), async {
        sim.ask("/faults/gate/held?timeout_ms=10000").await;
        assert_eq!(sim.ask("/ledger").await["transactions"]["open"], 1);
        assert_eq!(
            sim.control(Method::DELETE, "/faults/gate", json!({}))
                .await
                .status,
            200
        );
    });
    assert_eq!(created.status, 201);
}

#[tokio::test]
async fn a_read_is_spoilt_before_as_well_as_after() {
    let (sim, token) = Sim::connected(&[]).await;
    let whole = sim.get(&token, SLEEP).await;
    for when in ["before", "after"] {
        let action = json!({"type": "truncate", "after_bytes": 10});
        assert_eq!(
            spoilt(&sim, &token, when, action).await.body,
            whole.body[..10]
        );
    }
}
