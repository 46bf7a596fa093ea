//! The call that Polar makes.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};

use jiff::{SignedDuration, Timestamp};

use super::{EVENTS, PATH, kinds_of};
use crate::{
    accesslink::wire::WebhookEvent,
    http::{
        Api,
        error::{Answered, ApiError, Problem},
        params::WholeBody,
    },
    job::request::plain,
    model::{Cause, ConnectionState, Kind, Lane},
    secret::sha256,
    store::{connection::ConnectionRow, webhook::Novelty},
    telemetry::metrics::WEBHOOK_EVENTS,
};

/// The header of an event's signature.
const SIGNATURE: &str = "polar-webhook-signature";

/// Another event about the same thing within this time is most likely the same news; one more sync follows after it,
/// in case that it is not. Source: reports of SLEEP being delivered twice.
const ECHO: Duration = Duration::from_mins(1);

/// An event that was sent longer ago says nothing of the webhook's present.
const SIGN_OF_LIFE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What came of an event.
#[derive(Debug, Clone, Copy)]
enum Came {
    Asked,
    Repeated,
    UnknownUser,
    NotSynced,
    Ping,
    Forged,
    Unreadable,
}

impl Came {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Repeated => "repeated",
            Self::UnknownUser => "unknown_user",
            Self::NotSynced => "not_synced",
            Self::Ping => "ping",
            Self::Forged => "forged",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Receive an event of Polar
///
/// No API key, since the signature proves that it is Polar's. It is answered when the sync that it leads to is durable.
#[utoipa::path(
    post, path = PATH, tag = "polar", operation_id = "receive_event", security(()),
    request_body(content = serde_json::Value, description = "The event, signed."),
    params(("Polar-Webhook-Signature" = Option<String>, Header, description = "HMAC-SHA256 of the body, in hexadecimal.")),
    responses(
        (status = 200, description = "It is taken in, or says nothing new."),
        (status = 400, body = Problem, description = "The body does not come whole."),
        (status = 401, body = Problem, description = "The signature is not Polar's."),
        (status = 408, body = Problem, description = "The body does not come in time."),
        (status = 413, body = Problem, description = "The body is too large."),
        (status = 503, body = Problem, description = "It cannot be taken in just now.")
    )
)]
pub(super) async fn receive(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    WholeBody(body): WholeBody,
) -> Answered<StatusCode> {
    let event = WebhookEvent::read(&body).ok();
    let came = take_in(&api, &headers, &body, event.as_ref()).await?;
    count(event.as_ref(), came);
    match came {
        Came::Forged => Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "forged",
            "the signature is not that of the webhook; `polar-sync webhook status` tells which one is in use",
        )),
        Came::Asked
        | Came::Repeated
        | Came::UnknownUser
        | Came::NotSynced
        | Came::Ping
        | Came::Unreadable => Ok(StatusCode::OK),
    }
}

/// Takes an event in, if it is one of Polar's.
async fn take_in(
    api: &Api,
    headers: &HeaderMap,
    body: &[u8],
    event: Option<&WebhookEvent>,
) -> Answered<Came> {
    // A ping is not signed while the webhook is being made, and has no effect.
    if event.is_some_and(WebhookEvent::is_ping) {
        return Ok(Came::Ping);
    }
    let signature = headers.get(SIGNATURE).and_then(|hex| hex::decode(hex).ok());
    let signer = match signature {
        Some(signature) => api.webhook_secrets.signer(api, body, &signature).await?,
        None => None,
    };
    let Some(webhook_id) = signer else {
        return Ok(Came::Forged);
    };
    if is_of_today(api, event) {
        api.store.note_webhook_works(&webhook_id).await?;
    }
    let Some((event, polar_user_id)) = event.and_then(|event| Some((event, event.user_id?))) else {
        tracing::warn!(
            length_bytes = body.len(),
            "an event of Polar's cannot be read"
        );
        return Ok(Came::Unreadable);
    };
    let kinds: Vec<Kind> = kinds_of(&event.event)
        .iter()
        .copied()
        .filter(|kind| api.settings.kinds.contains(kind))
        .collect();
    if kinds.is_empty() {
        return Ok(Came::NotSynced);
    }
    let connection = api.store.connection_of_polar_user(polar_user_id).await?;
    let is_synced = |row: &ConnectionRow| {
        matches!(
            row.state,
            ConnectionState::Active | ConnectionState::Suspect
        )
    };
    let hashes = (sha256(body), sha256(event.subject().as_bytes()));
    match connection.filter(is_synced) {
        Some(row) => ask(api, &row, kinds, hashes).await,
        None => Ok(Came::UnknownUser),
    }
}

/// Whether an event was sent lately, as far as it says: one of long ago, brought again by whoever kept it, is no sign
/// that the webhook works.
fn is_of_today(api: &Api, event: Option<&WebhookEvent>) -> bool {
    let sent_at = event.and_then(|event| event.timestamp.as_ref()?.parse::<Timestamp>().ok());
    sent_at.is_none_or(|at| api.clock.now().duration_since(at) < SIGN_OF_LIFE_MAX)
}

/// Makes an event a request.
async fn ask(
    api: &Api,
    row: &ConnectionRow,
    kinds: Vec<Kind>,
    (body_hash, subject_hash): ([u8; 32], [u8; 32]),
) -> Answered<Came> {
    let mut tx = api.store.begin("webhook").await?;
    let novelty = tx
        .take_webhook_event(&body_hash, &subject_hash, ECHO)
        .await?;
    if novelty == Novelty::Repeated {
        return Ok(Came::Repeated);
    }
    let id = row.connection_id;
    tx.note_told(id, &kinds).await?;
    let request = plain(Lane::Event, Cause::Webhook, kinds);
    if novelty == Novelty::Echo {
        tx.insert_deferred_request(id, &request, ECHO).await?;
        tx.commit().await?;
        return Ok(Came::Repeated);
    }
    tx.insert_request(id, &request).await?;
    tx.commit().await?;
    let (lane, cause) = (request.lane, request.cause);
    api.desk
        .wake(&row.user_id, lane, cause, request.task_id)
        .await;
    Ok(Came::Asked)
}

fn count(event: Option<&WebhookEvent>, came: Came) {
    let known = event.and_then(|event| EVENTS.iter().find(|name| **name == event.event));
    let name = match (event, known) {
        (Some(event), _) if event.is_ping() => "PING",
        (_, Some(name)) => name,
        _ => "other",
    };
    metrics::counter!(WEBHOOK_EVENTS, "event" => name, "result" => came.as_str()).increment(1);
}
