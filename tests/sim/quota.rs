//! Rate limits, and the control port: what it knows about requests, and what it refuses.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::harness::{Sim, USER, send};

#[tokio::test]
async fn both_windows_are_on_every_answer() {
    let (sim, token) = Sim::connected(&[]).await;
    let first = sim.get(&token, &format!("/v3/users/{USER}")).await;
    assert_eq!(first.header("ratelimit-usage"), "1, 1");
    assert_eq!(
        first.header("ratelimit-limit"),
        "520, 5100",
        "one user is registered"
    );
    assert_eq!(first.header("ratelimit-reset"), "900, 86400");
    let refused = sim.get("wrong", "/v3/exercises").await;
    assert_eq!(
        (refused.status, refused.header("ratelimit-usage")),
        (401, "2, 2")
    );
    let consent = send(sim.request(Method::GET, "/oauth2/authorization")).await;
    assert_eq!(
        consent.header("ratelimit-usage"),
        "",
        "the OAuth host is not metered"
    );
}

#[rstest]
#[case("off", false)]
#[case("on", true)]
#[tokio::test]
async fn a_spent_window_refuses_until_it_begins_anew(
    #[case] retry_after: &str,
    #[case] is_sent: bool,
) {
    let switch = format!("retry_after={retry_after}");
    // Five hundredths of 520 requests are 26.
    let (sim, token) = Sim::connected(&["--quota-scale", "0.05", "--switch", &switch]).await;
    for _ in 0..26 {
        assert_eq!(sim.get(&token, "/v3/exercises").await.status, 200);
    }
    sim.advance_s(100).await;
    let refused = sim.get(&token, "/v3/exercises").await;
    assert_eq!(
        (refused.status, refused.header("ratelimit-usage")),
        (429, "27, 27")
    );
    let reset_s: u64 = refused
        .header("ratelimit-reset")
        .split(',')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((790..=800).contains(&reset_s), "{reset_s}");
    assert_eq!(refused.headers.contains_key("retry-after"), is_sent);
    assert_eq!(sim.ask("/stats").await["refused"], 1);
    sim.advance_s(reset_s).await;
    let opened = sim.get(&token, "/v3/exercises").await;
    assert_eq!(
        (opened.status, opened.header("ratelimit-usage")),
        (200, "1, 28")
    );
}

#[tokio::test]
async fn answers_are_counted_by_operation_and_can_be_awaited() {
    let (sim, token) = Sim::connected(&[]).await;
    let awaited = "/await?op=exercise.*&count=2&timeout_ms=10000&status=201";
    let (waited, ()) = tokio::join!(sim.ask(awaited), async {
        sim.create(&token, "exercise").await;
        sim.create(&token, "exercise").await;
        sim.advance_s(601).await;
        sim.create(&token, "exercise").await;
    });
    assert_eq!(waited["count"], 2);
    let stats = sim.ask("/stats").await;
    assert_eq!(
        stats["requests"]["exercise.create"],
        json!({"201": 2, "204": 1})
    );
    assert_eq!(stats["in_flight"], 0);
    let late = "/await?op=exercise.commit&count=1&timeout_ms=0";
    let late = sim.control(Method::GET, late, json!({})).await;
    assert_eq!((late.status, late.json()["count"].clone()), (408, json!(0)));
}

#[tokio::test]
async fn a_switch_that_does_not_exist_is_refused_and_changes_nothing() {
    let sim = Sim::start(&[]).await;
    let before = sim.ask("/switches").await;
    let wanted = json!({"put_answer": "404", "late_putt": "deletes"});
    let refused = sim.control(Method::PUT, "/switches", wanted).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.json()["error"]
            .as_str()
            .unwrap()
            .contains("late_put")
    );
    assert_eq!(sim.ask("/switches").await, before);
}

#[tokio::test]
async fn the_program_ends_when_its_standard_input_is_closed() {
    let sim = Sim::start(&[]).await;
    assert_eq!(sim.ask("/health").await, json!({"ok": true}));
    assert!(sim.close_stdin().await.success());
}

#[tokio::test]
async fn an_upload_beyond_its_limits_is_refused() {
    let (sim, _) = Sim::connected(&[]).await;
    let path = format!("/users/{USER}/exercises");
    for described in [
        json!({"duration_s": 0}),
        json!({"duration_s": 1e9}),
        json!({"offset_min": 2000}),
        json!({"durations": 60}),
    ] {
        let refused = sim.control(Method::POST, &path, described.clone()).await;
        assert_eq!(refused.status, 400, "{described}");
    }
    let unknown = sim
        .control(Method::POST, "/users/1/exercises", json!({}))
        .await;
    assert_eq!(unknown.status, 404);
}
