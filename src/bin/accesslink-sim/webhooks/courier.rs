//! Brings events and pings to the receiver, over HTTP.
//!
//! Never follows a redirect and never reads an answer's body: the status is all that counts.

use std::time::Duration;

use axum::body::Bytes;
use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use serde_json::json;
use tokio::sync::mpsc;
use url::Url;

use super::{Delivery, Outcome, Webhook, Webhooks, sign};
use crate::sim::Sim;
use crate::switches::{Switches, WebhookAccepts, WebhookPing};
use crate::world::instant_s;

/// Attempts of one event. How many the real service makes is not documented.
pub(crate) const ATTEMPTS_MAX: u32 = 4;
/// Time between the first two attempts; it doubles from one to the next.
const BACKOFF: Duration = Duration::from_millis(50);
/// Longest exponent of the back-off, so that many attempts by hand do not wait for ever.
const BACKOFF_DOUBLINGS_MAX: u32 = 6;
/// For so long the receiver may think about an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Deliveries that are under way at the same time, those that wait for another attempt included.
const DELIVERIES_AT_ONCE: usize = 32;
/// How often accounts are looked at for uploads that are due, while a webhook waits for them.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The one client of all deliveries.
pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(ANSWER_TIMEOUT)
        .build()
}

/// Delivers from the outbox, and looks for new uploads, for as long as the program runs.
pub(crate) async fn run(sim: &Sim, mut outbox: mpsc::Receiver<Delivery>) {
    let deliveries = stream::poll_fn(|context| outbox.poll_recv(context));
    let deliver = deliveries.for_each_concurrent(DELIVERIES_AT_ONCE, |it| deliver(sim, it));
    tokio::join!(deliver, look(sim));
}

/// Uploads happen when an account is touched. For a webhook that waits for them, somebody has to touch.
async fn look(sim: &Sim) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let webhook = sim.webhooks.current(sim.clock.now(), &sim.switches());
        if webhook.is_none_or(|webhook| !webhook.is_active) {
            continue;
        }
        for account in sim.accounts() {
            sim.with(&account, |_, _, _| ());
            // A clock that was moved far makes much to upload: others may go first.
            tokio::task::yield_now().await;
        }
    }
}

async fn deliver(sim: &Sim, delivery: Delivery) {
    tokio::time::sleep(delivery.delay).await;
    let (outcome, status) = attempts(sim, &delivery).await;
    let (now, switches, log) = (sim.clock.now(), sim.switches(), &sim.webhooks.log);
    if !delivery.by_hand {
        sim.webhooks
            .change(now, &switches, |webhook| match outcome {
                _ if webhook.id != delivery.webhook_id => {}
                Outcome::Delivered => webhook.answered_well(),
                Outcome::Failed => webhook.failed(now),
                Outcome::Dropped | Outcome::Silenced => {}
            });
    }
    log.unqueued();
    log.ended(&delivery.event, outcome, status, &delivery.body);
}

/// Tries until the receiver answers well, the attempts are spent, or the webhook is gone.
async fn attempts(sim: &Sim, delivery: &Delivery) -> (Outcome, Option<u16>) {
    let mut status = None;
    for attempt in 0..delivery.attempts_max {
        if attempt > 0 {
            let doublings = (attempt - 1).min(BACKOFF_DOUBLINGS_MAX);
            tokio::time::sleep(BACKOFF * 2_u32.pow(doublings)).await;
        }
        let webhook = sim.webhooks.current(sim.clock.now(), &sim.switches());
        let is_wanted = |webhook: &Webhook| {
            webhook.id == delivery.webhook_id && (webhook.is_active || delivery.by_hand)
        };
        let Some(webhook) = webhook.filter(is_wanted) else {
            return (Outcome::Dropped, status);
        };
        let Delivery {
            event,
            body,
            signature,
            ..
        } = delivery;
        let posted = sim
            .webhooks
            .post(&webhook.url, event, body, signature.as_deref());
        status = posted.await;
        sim.webhooks.log.tried(status);
        if status.is_some_and(|status| is_good(status, &sim.switches())) {
            return (Outcome::Delivered, status);
        }
    }
    (Outcome::Failed, status)
}

impl Webhooks {
    /// Asks the receiver whether it is there; the error says what it answered instead of 200.
    pub(crate) async fn ping(
        &self,
        url: &Url,
        secret: &str,
        now: Timestamp,
        switches: &Switches,
    ) -> Result<(), String> {
        let body = ping_body(now);
        let signature = match switches.webhook_ping {
            WebhookPing::Unsigned => None,
            WebhookPing::Signed => Some(sign(secret, &body)),
        };
        match self.post(url, PING, &body, signature.as_deref()).await {
            Some(status) if is_good(status, switches) => Ok(()),
            Some(status) => Err(format!(
                "Ping failed to URL {url}. Response code was [{status}]"
            )),
            None => Err(format!("Ping failed to URL {url}. There was no response")),
        }
    }

    /// Status of the receiver's answer; none where no answer came.
    async fn post(
        &self,
        url: &Url,
        event: &str,
        body: &Bytes,
        signature: Option<&str>,
    ) -> Option<u16> {
        let mut request = self
            .http
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("Polar-Webhook-Event", event)
            .body(body.clone());
        if let Some(signature) = signature {
            request = request.header("Polar-Webhook-Signature", signature);
        }
        match request.send().await {
            Ok(response) => Some(response.status().as_u16()),
            Err(error) => {
                tracing::debug!(%error, "a webhook did not answer");
                None
            }
        }
    }
}

/// Name of the event that only asks whether somebody is there.
pub(crate) const PING: &str = "PING";

/// A ping says nothing but when it was sent.
pub(crate) fn ping_body(now: Timestamp) -> Bytes {
    Bytes::from(json!({"timestamp": instant_s(now), "event": PING}).to_string())
}

fn is_good(status: u16, switches: &Switches) -> bool {
    match switches.webhook_accepts {
        WebhookAccepts::Ok => status == 200,
        WebhookAccepts::AnySuccess => (200..300).contains(&status),
    }
}
