//! Whole bodies with hostile contents: what is understood is visible, the rest is in quarantine, and the
//! transaction is committed.

use std::collections::HashMap;

use polar_sync::secret::sha256;
use serde_json::json;

use super::{Script, TRANSACTION, exercise, peak_bytes, polar, transactions, until_ended, world};
use crate::{
    server::{Reply, Request},
    world::World,
};

/// Far more than a worker needs for bodies of up to 8 MB, and far less than what they could be blown up to.
const PEAK_MAX_BYTES: u64 = 400 * 1024 * 1024;

/// What becomes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Visible as a whole.
    Whole,
    /// Visible, and what is not understood of it in quarantine.
    Part,
    /// In quarantine alone.
    Lost,
}

/// A body for the id that it is asked for by, and what becomes of it.
type Case = (&'static str, Box<dyn Fn(i64) -> String>, End);

/// An exercise with these values.
fn of(fields: serde_json::Value) -> impl Fn(i64) -> String {
    move |id| exercise(id, &fields)
}

/// This text, whatever is asked for.
fn plain(text: &'static str) -> impl Fn(i64) -> String {
    move |_| text.to_owned()
}

/// An exercise in whose text something is replaced.
fn replaced(from: &'static str, to: &'static str) -> impl Fn(i64) -> String {
    move |id| exercise(id, &json!({ "calories": 1 })).replace(from, to)
}

/// Lists in lists.
fn deep(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

/// An exercise with lists in lists for a device.
fn nested(id: i64) -> String {
    exercise(id, &json!({ "device": 7 })).replace(":7}", &format!(":{}}}", deep(100)))
}

/// Texts, names and types.
fn forms() -> Vec<Case> {
    vec![
        ("a good one", Box::new(of(json!({}))), End::Whole),
        ("an empty object", Box::new(plain("{}")), End::Lost),
        ("an empty list", Box::new(plain("[]")), End::Lost),
        ("100,000 levels", Box::new(|_| deep(100_000)), End::Lost),
        ("100 levels in a field", Box::new(nested), End::Part),
        (
            "a name twice",
            Box::new(replaced("\"calories\":1", "\"calories\":{},\"calories\":2")),
            End::Whole,
        ),
        (
            "NUL",
            Box::new(of(
                json!({ "device": "a\0b", "sport": "\0", "club-name": "\0\0" }),
            )),
            End::Whole,
        ),
        (
            "NUL in a name",
            Box::new(of(json!({ "a\0b": 1, "\0": {} }))),
            End::Whole,
        ),
        (
            "NUL in the version",
            Box::new(of(json!({ "upload-time": "2031\0" }))),
            End::Lost,
        ),
        (
            "empty texts",
            Box::new(|id| {
                exercise(id, &json!({}))
                    .replace("2031-05-06T05:11:42.000Z", "")
                    .replace("PT52M", "")
            }),
            End::Lost,
        ),
        (
            "other types",
            Box::new(of(
                json!({ "sport": [1], "has-route": {}, "device": false, "heart-rate": 7 }),
            )),
            End::Part,
        ),
        (
            "the id of another",
            Box::new(|_| exercise(1, &json!({ "calories": 7 }))),
            End::Lost,
        ),
        (
            "no id of a transaction",
            Box::new(of(json!({ "id": "kQ7mZx2B" }))),
            End::Lost,
        ),
        (
            "a list beyond its limit",
            Box::new(|id| exercise(id, &json!({ "training-load-pro": vec![json!({}); 10_001] }))),
            End::Part,
        ),
        (
            "a long text",
            Box::new(|id| exercise(id, &json!({ "device": "x".repeat(1_000_000) }))),
            End::Whole,
        ),
    ]
}

/// Numbers at and beyond their ends.
fn numbers() -> Vec<Case> {
    vec![
        (
            "a number beyond all",
            Box::new(replaced("\"calories\":1", "\"calories\":1e999")),
            End::Part,
        ),
        (
            "the largest number",
            Box::new(of(json!({ "calories": 1.7e308, "distance": -1.7e308 }))),
            End::Part,
        ),
        (
            "minus nothing",
            Box::new(replaced(
                "\"calories\":1",
                "\"calories\":-0,\"distance\":-0.0",
            )),
            End::Whole,
        ),
        (
            "words for no number",
            Box::new(of(json!({ "calories": "NaN", "distance": "-Infinity" }))),
            End::Whole,
        ),
        (
            "a huge whole number",
            Box::new(replaced(
                "\"calories\":1",
                "\"club-id\":99999999999999999999999",
            )),
            End::Part,
        ),
        (
            "half a pair",
            Box::new(replaced("RUNNING", "RUNNING\\ud83d")),
            End::Whole,
        ),
        (
            "a byte order mark",
            Box::new(|id| format!("\u{feff}{}", exercise(id, &json!({})))),
            End::Whole,
        ),
    ]
}

/// Times, offsets and durations.
fn times() -> Vec<Case> {
    vec![
        (
            "the year 9999",
            Box::new(of(json!({ "start-time": "9999-12-31T23:59:59" }))),
            End::Lost,
        ),
        (
            "the year 0",
            Box::new(of(json!({ "start-time": "0000-01-01T00:00:00" }))),
            End::Lost,
        ),
        (
            "the year -1",
            Box::new(of(json!({ "start-time": "-0001-01-01T00:00:00" }))),
            End::Lost,
        ),
        (
            "a leap second",
            Box::new(of(json!({ "start-time": "2016-12-31T23:59:60Z" }))),
            End::Lost,
        ),
        (
            "a zone of 99 hours",
            Box::new(of(json!({ "start-time": "2031-05-05T01:00:00+99:99" }))),
            End::Lost,
        ),
        (
            "a huge offset",
            Box::new(of(json!({ "start-time-utc-offset": 1e300 }))),
            End::Lost,
        ),
        (
            "an offset as an object",
            Box::new(of(json!({ "start-time-utc-offset": {} }))),
            End::Lost,
        ),
        (
            "a duration in exponents",
            Box::new(of(json!({ "duration": "PT1e9S" }))),
            End::Lost,
        ),
        (
            "9,999 years",
            Box::new(of(json!({ "duration": "P9999Y" }))),
            End::Lost,
        ),
        (
            "a negative duration",
            Box::new(of(json!({ "duration": "-PT1H" }))),
            End::Lost,
        ),
    ]
}

/// Summaries of exercises, numbered from 1.
fn summaries() -> Vec<(&'static str, String, End)> {
    let cases = forms().into_iter().chain(numbers()).chain(times());
    (1..)
        .zip(cases)
        .map(|(id, (what, body, end))| (what, body(id), end))
        .collect()
}

#[tokio::test]
async fn one_hostile_body_costs_nothing_but_itself() {
    let summaries = summaries();
    let bodies: HashMap<String, String> = (1..)
        .zip(&summaries)
        .map(|(id, (_, body, _)): (i64, _)| (id.to_string(), body.clone()))
        .collect();
    let last = summaries.len();
    let answers = bodies;
    let nights = json!({ "nights": [
        { "date": "2031-05-06", "sleep_start_time": "2031-05-06T00:10:00+02:00",
          "sleep_end_time": "2031-05-06T07:00:00+02:00" },
        { "date": "2031-05-07", "sleep_start_time": "9999-12-31T23:59:60+99:99", "sleep_end_time": {} },
        { "date": "\0", "sleep_start_time": "\0" },
        7, [], {},
    ] });
    let server = polar(|origin| Script {
        created: vec![format!("{origin}{}/{TRANSACTION}", transactions())],
        listed: (1..=last)
            .map(|id| format!("{origin}{}/{TRANSACTION}/exercises/{id}", transactions()))
            .collect(),
        parts: Box::new(move |part| answers.get(part).map(Reply::json)),
        nights: nights.to_string(),
    })
    .await;
    let world = world(&server).await;
    world.connect(1).await;
    let worker = world.spawn("worker");
    world
        .xadd(
            "interactive",
            r#"{"v":1,"user_id":"user_001","request_id":"all"}"#,
        )
        .await;
    until_ended(&world, "all").await;

    let is_commit = |request: &Request| request.method == "PUT";
    assert!(
        server.seen().iter().any(is_commit),
        "the transaction is committed"
    );
    assert_ends(&world, &summaries).await;
    assert_eq!(world.number("SELECT count(*) FROM api_v1.sleeps").await, 1);
    let nights = "SELECT count(*) FROM polar_sync.quarantine WHERE kind = 'sleep'";
    assert_eq!(world.number(nights).await, 5);
    let peak = peak_bytes();
    assert!(peak < PEAK_MAX_BYTES, "{peak}");
    assert_eq!(worker.stop().await, Some(0));
}

/// Every body came to the end that is expected of it, and is kept byte for byte.
async fn assert_ends(world: &World, summaries: &[(&str, String, End)]) {
    let visible = world
        .text("SELECT string_agg(polar_id::text, ' ') FROM api_v1.workouts")
        .await;
    let visible: Vec<_> = visible.split(' ').collect();
    let kept = world
        .text(
            "SELECT string_agg(r.item || ' ' || encode(r.sha256, 'hex') || ' ' || (q.item IS NOT NULL), ',')
            FROM polar_sync.raw_item r LEFT JOIN polar_sync.quarantine q
                USING (connection_id, kind, item, version, part)
            WHERE r.kind = 'exercise' AND r.part = 'summary'",
        )
        .await;
    let mut others = Vec::new();
    for ((what, body, end), id) in summaries.iter().zip(1..) {
        let is_visible = visible.contains(&id.to_string().as_str());
        let row = |quarantined| format!("{id} {} {quarantined}", hex(body.as_bytes()));
        let is = |quarantined| kept.split(',').any(|kept| kept == row(quarantined));
        let found = match (is_visible, is(true), is(false)) {
            (true, false, true) => End::Whole,
            (true, true, false) => End::Part,
            (false, true, false) => End::Lost,
            other => panic!("{what}: visible, in quarantine, kept alone: {other:?}"),
        };
        if found != *end {
            others.push((what, found));
        }
    }
    assert_eq!(others, [], "these came to another end");
}

fn hex(body: &[u8]) -> String {
    sha256(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}
