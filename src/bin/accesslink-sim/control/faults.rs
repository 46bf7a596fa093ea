//! Posting, watching, releasing and deleting faults.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::JsonBody;
use super::{Answered, Refused, Sims};
use crate::faults::FaultSpec;

/// How long to wait for a held request where the caller does not say.
const HELD_TIMEOUT_MS: u64 = 10_000;

pub(super) async fn list(State(sim): Sims) -> Json<Value> {
    Json(json!({"faults": sim.faults.to_json()}))
}

pub(super) async fn add(State(sim): Sims, JsonBody(spec): JsonBody<FaultSpec>) -> Json<Value> {
    Json(json!({"id": sim.faults.add(spec)}))
}

pub(super) async fn clear(State(sim): Sims) -> Json<Value> {
    Json(json!({"removed": sim.faults.remove(None)}))
}

pub(super) async fn remove(State(sim): Sims, Path(id): Path<String>) -> Answered {
    let removed = sim.faults.remove(Some(&id));
    removed
        .then(|| Json(json!({"removed": true})))
        .ok_or_else(|| Refused::no_such("fault", id))
}

pub(super) async fn release(State(sim): Sims, Path(id): Path<String>) -> Answered {
    let released = sim.faults.release(&id);
    released
        .then(|| Json(json!({"released": true})))
        .ok_or_else(|| Refused::no_such("fault", id))
}

#[derive(Deserialize)]
pub(super) struct Timeout {
    timeout_ms: Option<u64>,
}

pub(super) async fn held(
    State(sim): Sims,
    Path(id): Path<String>,
    Query(timeout): Query<Timeout>,
) -> Answered {
    let limit = Duration::from_millis(timeout.timeout_ms.unwrap_or(HELD_TIMEOUT_MS));
    match sim.faults.held(&id, limit).await {
        Some(held) => Ok(Json(json!({"held": held}))),
        None => Err(Refused(
            StatusCode::REQUEST_TIMEOUT,
            format!("fault {id} holds no request"),
        )),
    }
}
