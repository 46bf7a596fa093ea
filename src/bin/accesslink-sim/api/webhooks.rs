//! The client's webhook: creating, listing, changing, deleting, switching on and off.
//!
//! The only family whose answers wait for somebody else: whoever gives an address must be able to answer a ping.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::Exchange;
use super::answer::{Answer, JSON};
use super::call::WebhookCall;
use crate::sim::Sim;
use crate::switches::{Switches, WebhookErrorForm, WebhookNone, WebhookPatch};
use crate::webhooks::{Event, Webhook};
use crate::world::instant_ms;

/// What a client wants of its webhook.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    events: Option<Vec<Event>>,
    url: Option<Url>,
}

/// Answers a call of this family.
pub(super) async fn answer(exchange: &Exchange, call: &WebhookCall) -> Answer {
    let sim = &exchange.sim;
    let switches = sim.switches();
    let answered = match call {
        WebhookCall::Create => create(sim, &exchange.body).await,
        WebhookCall::Update(id) => update(sim, &exchange.body, id).await,
        WebhookCall::Activate => activate(sim).await,
        WebhookCall::List => Ok(list(sim, &switches)),
        WebhookCall::Delete(id) if sim.webhooks.remove(id) => Ok(Answer::no_content()),
        WebhookCall::Delete(_) => Err(Error::NotFound),
        WebhookCall::Deactivate => {
            let off = |webhook: &mut Webhook| webhook.is_active = false;
            let found = sim.webhooks.change(sim.clock.now(), &switches, off);
            Ok(found.map_or_else(Answer::no_content, |()| Answer::empty(StatusCode::OK)))
        }
    };
    answered.unwrap_or_else(|error| error.answer(sim, &switches))
}

async fn create(sim: &Sim, body: &[u8]) -> Result<Answer, Error> {
    let Wanted {
        events: Some(events),
        url: Some(url),
    } = wanted(body)?
    else {
        return Err(Error::Invalid);
    };
    if current(sim).is_some() {
        return Err(Error::Exists);
    }
    let draft = sim.webhooks.draft(url, events);
    ping(sim, &draft.url, &draft.secret).await?;
    sim.upload_everything_due();
    let created = json!({
        "id": draft.id,
        "events": draft.events,
        "url": draft.url,
        "signature_secret_key": draft.secret,
    });
    if !sim.webhooks.put(draft) {
        return Err(Error::Exists);
    }
    let body = json!({"data": created}).to_string();
    Ok(Answer::with(StatusCode::CREATED, JSON, body))
}

fn list(sim: &Sim, switches: &Switches) -> Answer {
    match (current(sim), switches.webhook_none) {
        (None, WebhookNone::NoContent) => Answer::no_content(),
        (webhook, _) => {
            let data: Value = webhook.iter().map(describe).collect();
            Answer::value(&json!({"data": data}))
        }
    }
}

async fn update(sim: &Sim, body: &[u8], id: &str) -> Result<Answer, Error> {
    let known = current(sim).filter(|webhook| webhook.id == id);
    let known = known.ok_or(Error::NotFound)?;
    let wanted = wanted(body)?;
    if let Some(url) = &wanted.url {
        ping(sim, url, &known.secret).await?;
    }
    let switches = sim.switches();
    let changed = sim.webhooks.change(sim.clock.now(), &switches, |webhook| {
        if webhook.id != id {
            return None;
        }
        if let Some(url) = wanted.url {
            webhook.url = url;
            webhook.answered_well();
        }
        if let Some(events) = wanted.events {
            webhook.events = events;
        }
        Some(describe(webhook))
    });
    let changed = changed.flatten().ok_or(Error::NotFound)?;
    let data = match switches.webhook_patch {
        WebhookPatch::List => json!([changed]),
        WebhookPatch::Object => changed,
    };
    Ok(Answer::value(&json!({"data": data})))
}

async fn activate(sim: &Sim) -> Result<Answer, Error> {
    let Some(webhook) = current(sim) else {
        return Ok(Answer::no_content());
    };
    ping(sim, &webhook.url, &webhook.secret).await?;
    if !webhook.is_active {
        sim.upload_everything_due();
    }
    let on = |it: &mut Webhook| {
        it.answered_well();
        it.is_active = true;
    };
    let found = sim.webhooks.change(sim.clock.now(), &sim.switches(), on);
    Ok(found.map_or_else(Answer::no_content, |()| Answer::empty(StatusCode::OK)))
}

fn current(sim: &Sim) -> Option<Webhook> {
    sim.webhooks.current(sim.clock.now(), &sim.switches())
}

async fn ping(sim: &Sim, url: &Url, secret: &str) -> Result<(), Error> {
    let (now, switches) = (sim.clock.now(), sim.switches());
    let answered = sim.webhooks.ping(url, secret, now, &switches).await;
    answered.map_err(Error::PingFailed)
}

fn wanted(body: &[u8]) -> Result<Wanted, Error> {
    let wanted: Wanted = serde_json::from_slice(body).map_err(|_| Error::Invalid)?;
    let has_events = wanted.events.as_ref().is_none_or(|them| !them.is_empty());
    let is_http = |url: &Url| ["http", "https"].contains(&url.scheme());
    let is_valid = has_events && wanted.url.as_ref().is_none_or(is_http);
    is_valid.then_some(wanted).ok_or(Error::Invalid)
}

/// The webhook without its secret, which only its creation shows.
fn describe(webhook: &Webhook) -> Value {
    json!({
        "id": webhook.id,
        "events": webhook.events,
        "url": webhook.url,
        "active": webhook.is_active,
    })
}

/// Why a call of this family is refused.
#[derive(Debug)]
enum Error {
    Invalid,
    PingFailed(String),
    Exists,
    NotFound,
}

impl Error {
    /// The only family with documented errors, which look different in reality. Of the types only that of the ping
    /// has been seen.
    fn answer(self, sim: &Sim, switches: &Switches) -> Answer {
        let (status, error_type, message) = match self {
            Self::Invalid => (
                StatusCode::BAD_REQUEST,
                "BadRequestException",
                "Invalid webhook".to_owned(),
            ),
            Self::PingFailed(reason) => (
                StatusCode::BAD_REQUEST,
                "WebhookPingFailedException",
                reason,
            ),
            Self::Exists => (
                StatusCode::CONFLICT,
                "WebhookAlreadyExistsException",
                "A webhook exists already".to_owned(),
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "WebhookNotFoundException",
                "There is no such webhook".to_owned(),
            ),
        };
        // Local time of a server without an offset, as it was seen.
        let timestamp = instant_ms(sim.clock.now());
        let timestamp = timestamp.trim_end_matches('Z');
        let (code, correlation) = (status.as_u16(), Uuid::new_v4());
        let body = match switches.webhook_error {
            WebhookErrorForm::Wrapped => json!({"error": {
                "timestamp": timestamp,
                "status": code,
                "error_type": error_type,
                "message": message,
                "corr_id": correlation,
            }}),
            WebhookErrorForm::Flat => json!({
                "timestamp": timestamp,
                "status": code,
                "errorType": error_type,
                "message": message,
                "corrId": correlation,
            }),
        };
        Answer::with(status, JSON, body.to_string())
    }
}
