//! A real worker in front of a hostile Polar: one user, whose exercises are what the test wants them to be.

mod broken;
mod content;
mod links;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;

use crate::{
    server::{Reply, Request, Server},
    world::{FIRST_ACCOUNT, World},
};

/// The transaction that every create opens, until it is committed.
const TRANSACTION: i64 = 122;

/// What a hostile Polar says of the exercises; everything else of it is in order.
struct Script {
    /// The addresses that creates are answered with, one after the other; the last one from then on.
    created: Vec<String>,
    /// The addresses in the transaction's list.
    listed: serde_json::Value,
    /// The answers below a transaction's exercises, by what follows `/exercises/`; else 204.
    parts: Parts,
    /// The list of nights.
    nights: String,
}

type Parts = Box<dyn Fn(&str) -> Option<Reply> + Send + Sync>;

/// The path of the user's exercises.
fn transactions() -> String {
    format!("/v3/users/{FIRST_ACCOUNT}/exercise-transactions")
}

/// A Polar that follows this script. It has nothing more once the transaction is committed.
async fn polar(script: impl FnOnce(&str) -> Script) -> Server {
    let (given, committed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // The script holds addresses of the server, which are known only when it runs.
    let filled: Arc<std::sync::OnceLock<Script>> = Arc::default();
    let known = Arc::clone(&filled);
    let server = Server::start(move |request: &Request| {
        let script = known.get().unwrap();
        let path = request.target.split('?').next().unwrap();
        let own = transactions();
        let below = path
            .strip_prefix(&own)
            .map(|rest| rest.trim_start_matches('/'));
        let transaction = TRANSACTION.to_string();
        match (request.method.as_str(), below) {
            ("POST", Some("")) if committed.load(Ordering::SeqCst) == 0 => {
                let nth = given.fetch_add(1, Ordering::SeqCst);
                let uri = script.created.get(nth).or(script.created.last()).unwrap();
                Reply::json(
                    json!({ "transaction-id": TRANSACTION, "resource-uri": uri }).to_string(),
                )
            }
            ("PUT", Some(id)) if id == transaction => {
                committed.fetch_add(1, Ordering::SeqCst);
                Reply::json("{}")
            }
            ("GET", Some(id)) if id == transaction => {
                Reply::json(json!({ "exercises": script.listed }).to_string())
            }
            ("GET", Some(rest)) => {
                let item = rest.strip_prefix(&format!("{transaction}/exercises/"));
                item.and_then(|item| (script.parts)(item))
                    .unwrap_or_else(Reply::nothing)
            }
            ("GET", None) if path == "/v3/users/sleep" => Reply::json(&script.nights),
            (_, None) if path.starts_with("/v3/users/") && request.method == "GET" => {
                Reply::json(json!({ "polar-user-id": FIRST_ACCOUNT, "recharges": [] }).to_string())
            }
            ("POST", None) if path == "/v3/users" => Reply::json("{}"),
            _ => Reply::nothing(),
        }
    })
    .await;
    let url = server.url("");
    assert!(filled.set(script(&url)).is_ok());
    server
}

/// A world whose Polar this is.
async fn world(polar: &Server) -> World {
    let mut world = World::start(1, "small", &[]).await;
    world.set("ACCESSLINK__API_URL", &polar.url(""));
    world.set("SYNC__ATTEMPTS_MAX", "1000");
    world
}

/// Waits until a run has ended that was asked for so.
async fn until_ended(world: &World, request: &str) {
    world
        .until_true("the run to end", async || {
            let ended = "SELECT coalesce(string_agg(array_to_string(request_ids, ','), ','), '')
                FROM api_v1.sync_runs WHERE finished_at IS NOT NULL";
            let ended = world.text(ended).await;
            ended.split(',').any(|ended| ended == request)
        })
        .await;
}

/// Most memory that the worker which this test started has had, in bytes.
fn peak_bytes() -> u64 {
    let own = format!("PPid:\t{}", std::process::id());
    let processes = std::fs::read_dir("/proc").unwrap();
    let of_workers = processes.filter_map(|process| {
        let status = std::fs::read_to_string(process.ok()?.path().join("status")).ok()?;
        let line = |key: &str| status.lines().find(|line| line.starts_with(key));
        let is_worker = line("PPid:") == Some(&own) && line("Name:") == Some("Name:\tpolar-sync");
        let peak_kib = line("VmHWM:").filter(|_| is_worker)?;
        peak_kib.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    of_workers.max().expect("a running worker") * 1024
}

/// An exercise as its transaction has it, with other values for some of its fields.
fn exercise(id: i64, fields: &serde_json::Value) -> String {
    let mut body = json!({
        "id": id,
        "upload-time": "2031-05-06T05:11:42.000Z",
        "start-time": format!("2031-05-05T{:02}:40:12", id % 24),
        "start-time-utc-offset": 120,
        "duration": "PT52M",
        "sport": "RUNNING",
        "has-route": true,
    });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}
