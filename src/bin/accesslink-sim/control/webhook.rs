//! The webhook from behind: its secret, what became of its events, and events sent by hand.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::JsonBody;
use super::{Answered, Refused, Sims};
use crate::sim::Sim;
use crate::switches::{Switches, WebhookPing};
use crate::webhooks::{
    ATTEMPTS_MAX, Awaited, Delivery, Event, Message, PING, Webhook, ping_body, sign,
};

/// Most copies of one event.
const COPIES_MAX: u32 = 10_000;
/// Most attempts that can be asked for.
const HAND_ATTEMPTS_MAX: u32 = 20;
/// Longest delay before a delivery.
const DELAY_MAX_MS: u64 = 10 * 60 * 1000;
/// Secret of forged signatures.
const FORGERS_SECRET: &str = "forged";

pub(super) async fn show(State(sim): Sims) -> Json<Value> {
    let webhook = sim.webhooks.current(sim.clock.now(), &sim.switches());
    Json(json!({
        "webhook": webhook.map(|webhook| webhook.to_json()),
        "deliveries": sim.webhooks.log.to_json(),
    }))
}

pub(super) async fn wait(
    State(sim): Sims,
    Query(awaited): Query<Awaited>,
) -> (StatusCode, Json<Value>) {
    match sim.webhooks.log.wait(&awaited).await {
        Ok(count) => (StatusCode::OK, Json(json!({"count": count}))),
        Err(count) => (StatusCode::REQUEST_TIMEOUT, Json(json!({"count": count}))),
    }
}

/// An event as somebody wants it sent, whether or not there is such data or such a user.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HandMade {
    /// Any name is sent; only of known ones there is a body without `body`.
    event: String,
    user: Option<u64>,
    entity_id: Option<String>,
    date: Option<Date>,
    from: Option<Date>,
    to: Option<Date>,
    /// The body to the letter, instead of one that is made of the above.
    body: Option<String>,
    /// Right, except of a ping, which the switch decides.
    signature: Option<Signature>,
    #[serde(default = "once")]
    copies: u32,
    /// Meanwhile it takes one of the few places of deliveries under way.
    #[serde(default)]
    delay_ms: u64,
    attempts: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Signature {
    Right,
    /// Well-formed, but made with another secret.
    Wrong,
    None,
}

/// Sends an event, to an inactive webhook too.
pub(super) async fn send(State(sim): Sims, JsonBody(wanted): JsonBody<HandMade>) -> Answered {
    let (now, switches) = (sim.clock.now(), sim.switches());
    let webhook = sim.webhooks.current(now, &switches);
    let webhook = webhook.ok_or_else(|| Refused::no_such("webhook", "to send to"))?;
    wanted.check()?;
    let copies = wanted.copies;
    let delivery = wanted.into_delivery(&sim, &webhook, now, &switches)?;
    let queued = (0..copies).filter(|_| sim.webhooks.send(delivery.clone()));
    Ok(Json(json!({"queued": queued.count()})))
}

impl HandMade {
    fn check(&self) -> Result<(), Refused> {
        let attempts = self.attempts.unwrap_or(ATTEMPTS_MAX);
        let is_limited = (1..=COPIES_MAX).contains(&self.copies)
            && self.delay_ms <= DELAY_MAX_MS
            && (1..=HAND_ATTEMPTS_MAX).contains(&attempts)
            && HeaderValue::from_str(&self.event).is_ok();
        let limits = format!(
            "an event has 1 to {COPIES_MAX} copies, up to {DELAY_MAX_MS} ms of delay, 1 to {HAND_ATTEMPTS_MAX} \
             attempts and a name that a header can hold"
        );
        is_limited
            .then_some(())
            .ok_or_else(|| Refused::bad_request(&limits))
    }

    fn into_delivery(
        self,
        sim: &Sim,
        webhook: &Webhook,
        now: Timestamp,
        switches: &Switches,
    ) -> Result<Delivery, Refused> {
        let unasked = match switches.webhook_ping {
            WebhookPing::Unsigned if self.event == PING => Signature::None,
            WebhookPing::Unsigned | WebhookPing::Signed => Signature::Right,
        };
        let body = match self.body {
            Some(ref body) => Bytes::from(body.clone()),
            None if self.event == PING => ping_body(now),
            None => self.made_body(sim, now, switches)?,
        };
        let signature = match self.signature.unwrap_or(unasked) {
            Signature::Right => Some(sign(&webhook.secret, &body)),
            Signature::Wrong => Some(sign(FORGERS_SECRET, &body)),
            Signature::None => None,
        };
        Ok(Delivery {
            webhook_id: webhook.id.clone(),
            event: self.event,
            body,
            signature,
            delay: Duration::from_millis(self.delay_ms),
            attempts_max: self.attempts.unwrap_or(ATTEMPTS_MAX),
            by_hand: true,
        })
    }

    fn made_body(&self, sim: &Sim, now: Timestamp, switches: &Switches) -> Result<Bytes, Refused> {
        let event = serde_json::from_value::<Event>(self.event.clone().into());
        let event = event.map_err(|reason| {
            Refused::bad_request(&format!("an event without `body` must exist: {reason}"))
        })?;
        let user = self
            .user
            .ok_or_else(|| Refused::bad_request("an event without `body` needs a user"))?;
        let message = Message {
            event,
            user,
            entity_id: self.entity_id.clone(),
            date: self.date,
            from: self.from,
            to: self.to,
        };
        let body = message.body(sim.origins(switches).www, now);
        Ok(Bytes::from(body.to_string()))
    }
}

fn once() -> u32 {
    1
}
