//! The webhook: its life through the API, what is delivered to it, and how it can be cruel.

use aws_lc_rs::hmac;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{Reply, Sim, USER, send, text};
use crate::receiver::{Post, Receiver};

const EVENTS: [&str; 4] = [
    "EXERCISE",
    "SLEEP",
    "ACTIVITY_SUMMARY",
    "PHYSICAL_INFORMATION",
];
const DAY_S: u64 = 24 * 3600;

/// Calls the API as the client.
async fn client(sim: &Sim, method: Method, path: &str, body: Value) -> Reply {
    let request = sim.request(method, &format!("/v3/webhooks{path}"));
    send(
        request
            .basic_auth("sim-client", Some("sim-secret"))
            .json(&body),
    )
    .await
}

async fn create(sim: &Sim, receiver: &Receiver, events: &[&str]) -> Reply {
    let wanted = json!({"events": events, "url": receiver.url});
    client(sim, Method::POST, "", wanted).await
}

/// A webhook for all events whose ping has been taken; returns its secret.
async fn subscribed(sim: &Sim) -> (Receiver, String) {
    let mut receiver = Receiver::start().await;
    let created = create(sim, &receiver, &EVENTS).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(receiver.next().await.event, "PING");
    let secret = text(&created.json()["data"], "signature_secret_key").to_owned();
    (receiver, secret)
}

async fn wait(sim: &Sim, outcome: &str, count: u64) {
    let query = format!("outcome={outcome}&count={count}&timeout_ms=20000");
    sim.ask(&format!("/webhook/await?{query}")).await;
}

async fn upload(sim: &Sim, what: &str, body: Value) -> Value {
    sim.tell(&format!("/users/{USER}/{what}"), body).await
}

async fn is_active(sim: &Sim) -> bool {
    let list = client(sim, Method::GET, "", json!({})).await.json();
    list["data"][0]["active"].as_bool().unwrap()
}

fn signature(secret: &str, post: &Post) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, &post.body);
    tag.as_ref()
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[tokio::test]
async fn a_webhook_is_created_once_and_shows_its_secret_once() {
    let sim = Sim::start(&[]).await;
    let mut receiver = Receiver::start().await;
    let anonymous = send(sim.request(Method::GET, "/v3/webhooks")).await;
    assert_eq!(anonymous.status, 401);
    let none = client(&sim, Method::GET, "", json!({})).await;
    assert_eq!((none.status, none.json()), (200, json!({"data": []})));
    assert!(none.header("ratelimit-usage").starts_with("2, 2"));

    let created = create(&sim, &receiver, &["EXERCISE", "SLEEP"]).await;
    let data = &created.json()["data"];
    assert_eq!(created.status, 201);
    assert_eq!(data["events"], json!(["EXERCISE", "SLEEP"]));
    let ping = receiver.next().await;
    assert_eq!((&*ping.event, &ping.signature), ("PING", &None));
    let keys: Vec<_> = ping.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["timestamp", "event"]);

    assert_eq!(create(&sim, &receiver, &["SLEEP"]).await.status, 409);
    assert!(receiver.is_empty(), "a second webhook is not even pinged");
    let listed = client(&sim, Method::GET, "", json!({})).await.json();
    let (id, url) = (&data["id"], &receiver.url);
    let expected = json!({"id": id, "events": ["EXERCISE", "SLEEP"], "url": url, "active": true});
    assert_eq!(listed, json!({"data": [expected]}));
}

#[rstest]
#[case::refused("200", &[400], 400)]
#[case::redirected("200", &[302], 400)]
#[case::merely_accepted("200", &[202], 400)]
#[case::accepted_by_switch("2xx", &[202], 201)]
#[tokio::test]
async fn a_ping_must_be_answered_well(
    #[case] accepts: &str,
    #[case] answers: &[u16],
    #[case] status: u16,
) {
    let sim = Sim::start(&["--switch", &format!("webhook_accepts={accepts}")]).await;
    let mut receiver = Receiver::start().await;
    receiver.answer(answers);
    let created = create(&sim, &receiver, &["SLEEP"]).await;
    assert_eq!(created.status, status);
    receiver.next().await;
    assert!(receiver.is_empty(), "no redirect is followed");
    if status == 400 {
        let error = &created.json()["error"];
        assert_eq!(error["error_type"], "WebhookPingFailedException");
        assert!(text(error, "message").contains(&format!("[{}]", answers[0])));
        let none = client(&sim, Method::GET, "", json!({})).await;
        assert_eq!(none.json(), json!({"data": []}));
    }
}

#[tokio::test]
async fn nobody_there_and_nonsense_are_bad_requests() {
    let sim = Sim::start(&["--switch", "webhook_error=flat"]).await;
    for (wanted, error) in [
        (
            json!({"events": ["SLEEP"], "url": "http://127.0.0.1:9/"}),
            "WebhookPingFailedException",
        ),
        (
            json!({"events": ["DREAM"], "url": "http://127.0.0.1:9/"}),
            "BadRequestException",
        ),
        (json!({"events": ["SLEEP"]}), "BadRequestException"),
        (
            json!({"events": ["SLEEP"], "url": "file:///etc/hosts"}),
            "BadRequestException",
        ),
    ] {
        let refused = client(&sim, Method::POST, "", wanted.clone()).await;
        assert_eq!(refused.status, 400, "{wanted}");
        assert_eq!(refused.json()["errorType"], error, "{wanted}");
    }
}

#[tokio::test]
async fn the_unknown_forms_are_switches() {
    let sim = Sim::start(&["--switch", "webhook_none=204"]).await;
    let none = client(&sim, Method::GET, "", json!({})).await;
    assert_eq!((none.status, none.body.len()), (204, 0));
    sim.switch("webhook_ping", "signed").await;
    let mut receiver = Receiver::start().await;
    let created = create(&sim, &receiver, &["SLEEP"]).await.json();
    let (ping, secret) = (
        receiver.next().await,
        text(&created["data"], "signature_secret_key"),
    );
    assert_eq!(ping.signature, Some(signature(secret, &ping)));
    sim.switch("webhook_patch", "object").await;
    let id = text(&created["data"], "id");
    let path = format!("/{id}");
    let changed = client(&sim, Method::PATCH, &path, json!({"events": ["EXERCISE"]})).await;
    assert_eq!(changed.json()["data"]["events"], json!(["EXERCISE"]));
}

#[tokio::test]
async fn a_webhook_is_changed_and_deleted() {
    let (sim, _) = Sim::connected(&[]).await;
    let (old, _) = subscribed(&sim).await;
    let mut new = Receiver::start().await;
    let state = sim.ask("/webhook").await;
    let path = format!("/{}", text(&state["webhook"], "id"));
    let unknown = client(&sim, Method::PATCH, "/unknown", json!({"url": new.url})).await;
    assert_eq!(unknown.status, 404);
    new.answer(&[500]);
    let wanted = json!({"events": ["EXERCISE"], "url": new.url});
    let refused = client(&sim, Method::PATCH, &path, wanted.clone()).await;
    assert_eq!((refused.status, &*new.next().await.event), (400, "PING"));
    assert_eq!(sim.ask("/webhook").await["webhook"]["url"], old.url);
    let changed = client(&sim, Method::PATCH, &path, wanted).await.json();
    assert_eq!(new.next().await.event, "PING");
    assert_eq!(changed["data"][0]["url"], new.url);

    upload(&sim, "nights", json!({})).await;
    let exercise = upload(&sim, "exercises", json!({})).await;
    let first = new.next().await.json();
    assert_eq!(first["entity_id"], exercise["hash_id"], "nights are off");
    assert!(old.is_empty());

    let delete = async |path| client(&sim, Method::DELETE, path, json!({})).await.status;
    assert_eq!(delete("/unknown").await, 404);
    assert_eq!(delete(&path).await, 204);
    assert_eq!(delete(&path).await, 404);
    assert_eq!(create(&sim, &old, &["SLEEP"]).await.status, 201);
    let secret = |state: &Value| text(&state["webhook"], "signature_secret_key").to_owned();
    assert_ne!(secret(&sim.ask("/webhook").await), secret(&state));
}

#[tokio::test]
async fn an_inactive_webhook_misses_events_for_good() {
    let (sim, _) = Sim::connected(&[]).await;
    let post = async |path| client(&sim, Method::POST, path, json!({})).await.status;
    assert_eq!(post("/activate").await, 204);
    assert_eq!(post("/deactivate").await, 204);
    let (mut receiver, _) = subscribed(&sim).await;
    assert_eq!(post("/deactivate").await, 200);
    assert!(!is_active(&sim).await);
    upload(&sim, "nights", json!({})).await;
    // Uploads that nobody has looked at yet are missed as well.
    sim.advance_s(DAY_S).await;
    receiver.answer(&[503]);
    assert_eq!(post("/activate").await, 400);
    assert!(!is_active(&sim).await);
    assert_eq!(post("/activate").await, 200);
    assert!(is_active(&sim).await);
    assert_eq!(receiver.next().await.event, "PING");
    assert_eq!(receiver.next().await.event, "PING");
    upload(&sim, "physical-informations", json!({})).await;
    assert_eq!(receiver.next().await.event, "PHYSICAL_INFORMATION");
    wait(&sim, "delivered", 1).await;
    assert!(receiver.is_empty());
}

#[tokio::test]
async fn every_upload_is_announced_with_a_signature() {
    let (sim, _) = Sim::connected(&[]).await;
    let (mut receiver, secret) = subscribed(&sim).await;
    let exercise = upload(&sim, "exercises", json!({})).await;
    let edit = format!("exercises/{}/edit", exercise["id"]);
    let hash_id = text(&exercise, "hash_id");
    let day = json!({"date": "2026-03-19"});
    let (api, date) = (sim.api().to_owned(), Some("2026-03-19"));
    let uploads = [
        (edit.as_str(), json!({"calories": 7}), "EXERCISE"),
        ("nights", day.clone(), "SLEEP"),
        ("activities", day, "ACTIVITY_SUMMARY"),
        ("physical-informations", json!({}), "PHYSICAL_INFORMATION"),
    ];
    assert_eq!(receiver.next().await.event, "EXERCISE");
    for (what, body, event) in uploads {
        upload(&sim, what, body).await;
        let post = receiver.next().await;
        assert_eq!(
            (&*post.event, &*post.content_type),
            (event, "application/json")
        );
        assert_eq!(post.signature, Some(signature(&secret, &post)));
        let body = post.json();
        assert_eq!(
            (&body["event"], &body["user_id"]),
            (&json!(event), &json!(USER))
        );
        assert!(text(&body, "timestamp").ends_with('Z'));
        let (path, key) = match event {
            "EXERCISE" => (format!("exercises/{hash_id}"), Some(hash_id)),
            "SLEEP" => ("users/sleep/2026-03-19".to_owned(), date),
            "ACTIVITY_SUMMARY" => ("users/activities/2026-03-19".to_owned(), date),
            _ => ("users/physical-info".to_owned(), None),
        };
        assert_eq!(body["url"], format!("{api}/v3/{path}"));
        let about = if event == "EXERCISE" {
            "entity_id"
        } else {
            "date"
        };
        assert_eq!(body[about].as_str(), key);
    }
}

#[tokio::test]
async fn the_month_before_a_registration_is_not_announced() {
    let sim = Sim::start(&["--users", "2"]).await;
    let (mut receiver, _) = subscribed(&sim).await;
    sim.token(USER).await;
    sim.token(USER + 1).await;
    let consent = format!("/users/{}/consent", USER + 1);
    sim.tell(&consent, json!({"given": false})).await;
    sim.tell(&format!("/users/{}/nights", USER + 1), json!({}))
        .await;
    let night = upload(&sim, "nights", json!({})).await;
    let first = receiver.next().await.json();
    assert_eq!(
        (&first["user_id"], &first["date"]),
        (&json!(USER), &night["date"])
    );
    wait(&sim, "delivered", 1).await;
    let deliveries = &sim.ask("/webhook").await["deliveries"];
    assert_eq!(
        (&deliveries["tried"], &deliveries["queued"]),
        (&json!(1), &json!(0))
    );
}

#[tokio::test]
async fn a_watch_announces_itself_although_nobody_asks() {
    let (sim, _) = Sim::connected(&[]).await;
    let (mut receiver, _) = subscribed(&sim).await;
    sim.advance_s(2 * DAY_S).await;
    let mut missing = vec!["ACTIVITY_SUMMARY", "EXERCISE", "SLEEP"];
    while !missing.is_empty() {
        let post = receiver.next().await;
        missing.retain(|event| *event != post.event);
    }
}

#[tokio::test]
async fn a_delivery_is_tried_again_until_it_is_answered_with_200() {
    let (sim, _) = Sim::connected(&[]).await;
    let (mut receiver, _) = subscribed(&sim).await;
    receiver.answer(&[500, 302]);
    upload(&sim, "nights", json!({})).await;
    wait(&sim, "delivered", 1).await;
    let tries = [
        receiver.next().await,
        receiver.next().await,
        receiver.next().await,
    ];
    assert!(tries.iter().all(|post| post.body == tries[0].body));
    receiver.answer(&[503; 4]);
    upload(&sim, "physical-informations", json!({})).await;
    wait(&sim, "failed", 1).await;
    let state = sim.ask("/webhook").await;
    let deliveries = &state["deliveries"];
    let counts = ["tried", "delivered", "failed", "queued"].map(|key| &deliveries[key]);
    assert_eq!(counts, [7, 1, 1, 0]);
    assert_eq!(deliveries["last_status"], 503);
    let last = &deliveries["recent"][0];
    assert_eq!(
        (&last["event"], &last["outcome"]),
        (&json!("PHYSICAL_INFORMATION"), &json!("failed"))
    );
    assert!(state["webhook"]["failing_since"].is_string());
}

#[tokio::test]
async fn a_webhook_that_fails_for_a_week_is_deactivated() {
    let (sim, _) = Sim::connected(&["--profile", "single-summary"]).await;
    let (receiver, _) = subscribed(&sim).await;
    sim.advance_s(8 * DAY_S).await;
    assert!(is_active(&sim).await, "nothing was to be delivered");
    receiver.answer(&[500; 4]);
    upload(&sim, "nights", json!({})).await;
    wait(&sim, "failed", 1).await;
    sim.advance_s(6 * DAY_S).await;
    assert!(is_active(&sim).await);
    upload(&sim, "nights", json!({})).await;
    wait(&sim, "delivered", 1).await;
    sim.advance_s(2 * DAY_S).await;
    assert!(is_active(&sim).await, "a good delivery begins anew");
    receiver.answer(&[500; 4]);
    upload(&sim, "nights", json!({})).await;
    wait(&sim, "failed", 2).await;
    sim.advance_s(7 * DAY_S).await;
    assert!(!is_active(&sim).await);
    let activated = client(&sim, Method::POST, "/activate", json!({})).await;
    assert_eq!((activated.status, is_active(&sim).await), (200, true));
}

#[tokio::test]
async fn a_webhook_can_double_its_events_or_fall_silent() {
    let (sim, _) = Sim::connected(&[]).await;
    let (mut receiver, _) = subscribed(&sim).await;
    sim.switch("webhook_events", "twice").await;
    upload(&sim, "nights", json!({})).await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!(
        (&first.body, &first.signature),
        (&second.body, &second.signature)
    );
    sim.switch("webhook_events", "silent").await;
    upload(&sim, "nights", json!({})).await;
    wait(&sim, "silenced", 1).await;
    wait(&sim, "delivered", 2).await;
    assert!(is_active(&sim).await && receiver.is_empty());
}

#[tokio::test]
async fn events_are_sent_by_hand_however_they_are_wanted() {
    let sim = Sim::start(&[]).await;
    let night = json!({"event": "SLEEP", "user": 42, "date": "2026-03-01"});
    let nobody = sim
        .control(Method::POST, "/webhook/events", night.clone())
        .await;
    assert_eq!(nobody.status, 404);
    let (mut receiver, secret) = subscribed(&sim).await;
    let with = |key: &str, value: Value| {
        let mut event = night.clone();
        event[key] = value;
        event
    };
    let queued = sim.tell("/webhook/events", with("copies", json!(3))).await;
    assert_eq!(queued, json!({"queued": 3}));
    for _ in 0..3 {
        let post = receiver.next().await;
        assert_eq!(post.json()["user_id"], 42, "no account has this id");
        assert_eq!(post.signature, Some(signature(&secret, &post)));
    }
    sim.tell("/webhook/events", with("signature", json!("wrong")))
        .await;
    let forged = receiver.next().await;
    let given = forged.signature.clone().unwrap();
    assert!(given.len() == 64 && given != signature(&secret, &forged));
    sim.tell("/webhook/events", with("signature", json!("none")))
        .await;
    assert_eq!(receiver.next().await.signature, None);
    let garbage = json!({"event": "DREAM", "body": "{", "delay_ms": 1, "attempts": 1});
    receiver.answer(&[500]);
    sim.tell("/webhook/events", garbage).await;
    let garbage = receiver.next().await;
    assert_eq!((&*garbage.event, &garbage.body[..]), ("DREAM", &b"{"[..]));
    wait(&sim, "failed", 1).await;
    assert!(sim.ask("/webhook").await["webhook"]["failing_since"].is_null());
    sim.tell("/webhook/events", json!({"event": "PING"})).await;
    let ping = receiver.next().await;
    assert_eq!((&*ping.event, ping.signature), ("PING", None));
}

#[rstest]
#[case::unknown(json!({"event": "DREAM", "user": 1}))]
#[case::no_user(json!({"event": "SLEEP"}))]
#[case::too_many(json!({"event": "PING", "copies": 10_001}))]
#[case::not_a_header(json!({"event": "a\nb", "body": ""}))]
#[tokio::test]
async fn an_event_by_hand_has_limits(#[case] event: Value) {
    let sim = Sim::start(&[]).await;
    let (_receiver, _) = subscribed(&sim).await;
    let refused = sim.control(Method::POST, "/webhook/events", event).await;
    assert_eq!(refused.status, 400, "{refused:?}");
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_leaves_a_webhook_without_a_known_secret() {
    let sim = Sim::start(&[]).await;
    let receiver = Receiver::start().await;
    let action = json!({"type": "status", "status": 504});
    let fault = json!({"op": "webhooks.create", "when": "after", "action": action});
    sim.tell("/faults", fault).await;
    assert_eq!(create(&sim, &receiver, &["SLEEP"]).await.status, 504);
    assert_eq!(create(&sim, &receiver, &["SLEEP"]).await.status, 409);
    let requests = sim.ask("/stats").await["requests"].clone();
    assert_eq!(requests["webhooks.create"], json!({"409": 1, "504": 1}));
}

#[tokio::test]
async fn a_caller_that_dies_during_the_ping_has_a_webhook_all_the_same() {
    let sim = Sim::start(&[]).await;
    let mut receiver = Receiver::start().await;
    receiver.open(false);
    let wanted = json!({"events": ["SLEEP"], "url": receiver.url});
    let request = sim.request(Method::POST, "/v3/webhooks").json(&wanted);
    let request = request.basic_auth("sim-client", Some("sim-secret"));
    let caller = tokio::spawn(send(request));
    assert_eq!(receiver.next().await.event, "PING");
    caller.abort();
    receiver.open(true);
    sim.ask("/await?op=webhooks.create&count=1&status=201&timeout_ms=20000")
        .await;
    assert!(is_active(&sim).await);
}
