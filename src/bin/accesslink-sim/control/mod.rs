//! The control port: what tests and demonstrations drive the simulator with.
//!
//! JSON in and out, no credentials, never part of AccessLink. It may look at and change everything in the world,
//! and it reports; it decides nothing about how AccessLink behaves.

mod accounts;
mod body;
mod faults;
mod process;
mod uploads;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::body::JsonBody;
use crate::ledger;
use crate::sim::Sim;
use crate::stats::Awaited;
use crate::world::instant_ms;

/// The routes of the control port.
pub(crate) fn router(sim: Arc<Sim>) -> Router {
    Router::new()
        .route("/health", get(async || Json(json!({"ok": true}))))
        .route("/users", get(accounts::list).post(accounts::add))
        .route("/users/{user}/revoke", post(accounts::revoke))
        .route("/users/{user}/consent", post(accounts::consent))
        .route("/users/{user}/deregister", post(accounts::deregister))
        .route("/users/{user}/token", post(accounts::token))
        .route("/users/{user}/exercises", post(uploads::exercise))
        .route(
            "/users/{user}/exercises/{exercise}/edit",
            post(uploads::edit),
        )
        .route("/users/{user}/nights", post(uploads::night))
        .route("/users/{user}/activities", post(uploads::activity))
        .route(
            "/users/{user}/physical-informations",
            post(uploads::physical_information),
        )
        .route("/revoke-all", post(revoke_all))
        .route(
            "/ledger",
            get(async |State(sim): Sims| Json(ledger::population(&sim))),
        )
        .route("/ledger/users/{user}", get(account_ledger))
        .route("/stats", get(stats))
        .route("/await", get(wait))
        .route("/clock", get(clock).post(advance))
        .route("/switches", get(switches).put(turn))
        .route(
            "/faults",
            get(faults::list).post(faults::add).delete(faults::clear),
        )
        .route("/faults/{id}", delete(faults::remove))
        .route("/faults/{id}/release", post(faults::release))
        .route("/faults/{id}/held", get(faults::held))
        .route("/webhook", get(webhook::show))
        .route("/webhook/await", get(webhook::wait))
        .route("/webhook/events", post(webhook::send))
        .with_state(sim)
}

/// The state that handlers extract.
type Sims = State<Arc<Sim>>;

/// A request that cannot be done, with the reason.
#[derive(Debug)]
struct Refused(StatusCode, String);

impl Refused {
    fn bad_request(reason: &(impl ToString + ?Sized)) -> Self {
        Self(StatusCode::BAD_REQUEST, reason.to_string())
    }

    fn no_such(what: &str, id: impl std::fmt::Display) -> Self {
        Self(StatusCode::NOT_FOUND, format!("there is no {what} {id}"))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

type Answered = Result<Json<Value>, Refused>;

async fn account_ledger(State(sim): Sims, Path(user): Path<u64>) -> Answered {
    let entry = sim.with_account(user, |account, _, switches| {
        ledger::account(&sim, account, switches)
    });
    entry
        .map(Json)
        .ok_or_else(|| Refused::no_such("account", user))
}

async fn stats(State(sim): Sims) -> Json<Value> {
    let (windows, refused) = sim.quota_json();
    Json(json!({
        "requests": sim.stats.to_json(),
        "in_flight": sim.stats.in_flight(),
        "cpu_s": process::cpu_s(),
        "windows": windows,
        "refused": refused,
    }))
}

async fn wait(State(sim): Sims, Query(awaited): Query<Awaited>) -> (StatusCode, Json<Value>) {
    match sim.stats.wait(&awaited).await {
        Ok(count) => (StatusCode::OK, Json(json!({"count": count}))),
        Err(count) => (StatusCode::REQUEST_TIMEOUT, Json(json!({"count": count}))),
    }
}

async fn clock(State(sim): Sims) -> Json<Value> {
    Json(json!({"now": instant_ms(sim.clock.now()), "shift_s": sim.clock.shift_s()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_s: u32,
}

async fn advance(State(sim): Sims, JsonBody(body): JsonBody<Advance>) -> Json<Value> {
    sim.clock.advance(body.advance_s);
    clock(State(sim)).await
}

async fn switches(State(sim): Sims) -> Json<Value> {
    Json(sim.switches().to_json())
}

async fn turn(State(sim): Sims, JsonBody(wanted): JsonBody<Map<String, Value>>) -> Answered {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let pairs = wanted
        .iter()
        .map(|(key, value)| (key.as_str(), text(value)));
    sim.turn(pairs)
        .map_err(|reason| Refused::bad_request(&reason))?;
    Ok(switches(State(sim)).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeAll {
    revoked: bool,
}

async fn revoke_all(State(sim): Sims, JsonBody(body): JsonBody<RevokeAll>) -> Json<Value> {
    sim.all_revoked.store(body.revoked, Ordering::Relaxed);
    Json(json!({"revoked": body.revoked}))
}
