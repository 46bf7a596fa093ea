//! The webhook of the client: what it is told, when, and what becomes of a webhook that does not answer.
//!
//! ```text
//! news of an account → subscribed? active? → outbox → courier ──200──► delivered
//!                                                       │  ▲
//!                                                       └──┘ again, a few times ► failed
//! created ──► active ──failing for days, or deactivate──► inactive ──activate──► active
//! ```
//!
//! Owns the one webhook that a client can have, the bodies and signatures of events, and their delivery in the
//! background. An answer of the API never waits for a delivery, only for its own ping. What happens while no
//! webhook is active is never told later. To add an event: a variant in `event.rs`, and its news in the world.

mod courier;
mod event;
mod log;

use std::sync::Mutex;
use std::time::Duration;

use axum::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

pub(crate) use self::courier::{ATTEMPTS_MAX, PING, ping_body, run};
pub(crate) use self::event::{Event, Message, sign};
pub(crate) use self::log::{Awaited, Log, Outcome};
use crate::lock::lock;
use crate::switches::{Switches, WebhookEvents};
use crate::world::news::News;
use crate::world::{Rng, instant_ms};

/// Most deliveries that wait for their turn; what comes on top is dropped and counted.
const OUTBOX_MAX: usize = 10_000;
/// Seconds of a day.
const DAY_S: i64 = 24 * 3600;

/// The webhook, if there is one, and everything that is on its way to it.
#[derive(Debug)]
pub(crate) struct Webhooks {
    pub(crate) log: Log,
    webhook: Mutex<Option<Webhook>>,
    /// Draws ids and secrets.
    rng: Mutex<Rng>,
    outbox: mpsc::Sender<Delivery>,
    http: reqwest::Client,
}

/// A webhook.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) url: Url,
    pub(crate) events: Vec<Event>,
    pub(crate) is_active: bool,
    /// When the first delivery failed after the last good one.
    failing_since: Option<Timestamp>,
}

/// One event on its way.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// The webhook that it is for: a later one gets nothing of an earlier one.
    pub(crate) webhook_id: String,
    /// Value of the header; in events sent by hand it need not be one that exists.
    pub(crate) event: String,
    pub(crate) body: Bytes,
    pub(crate) signature: Option<String>,
    pub(crate) delay: Duration,
    pub(crate) attempts_max: u32,
    /// Whether it was sent by hand: it also reaches an inactive webhook, and says nothing about its health.
    pub(crate) by_hand: bool,
}

impl Webhooks {
    /// No webhook yet, and the outbox that [`run`] delivers from; the seed decides ids and secrets.
    pub(crate) fn new(seed: u64) -> reqwest::Result<(Self, mpsc::Receiver<Delivery>)> {
        let (outbox, deliveries) = mpsc::channel(OUTBOX_MAX);
        let webhooks = Self {
            log: Log::default(),
            webhook: Mutex::new(None),
            rng: Mutex::new(Rng::of(&[seed, 0x3B])),
            outbox,
            http: courier::client()?,
        };
        Ok((webhooks, deliveries))
    }

    /// A webhook that is not there yet: its ping may have to be signed with its secret.
    pub(crate) fn draft(&self, url: Url, events: Vec<Event>) -> Webhook {
        let uuid = || {
            let mut rng = lock(&self.rng);
            let bits = u128::from(rng.bits()) << 64 | u128::from(rng.bits());
            let uuid = uuid::Builder::from_random_bytes(bits.to_be_bytes());
            uuid.into_uuid().to_string()
        };
        Webhook {
            id: uuid(),
            secret: uuid(),
            url,
            events,
            is_active: true,
            failing_since: None,
        }
    }

    /// Puts a draft in its place; false where another one was faster.
    pub(crate) fn put(&self, draft: Webhook) -> bool {
        let mut webhook = lock(&self.webhook);
        if webhook.is_some() {
            return false;
        }
        *webhook = Some(draft);
        true
    }

    /// The webhook as it is at this moment.
    pub(crate) fn current(&self, now: Timestamp, switches: &Switches) -> Option<Webhook> {
        self.change(now, switches, |webhook| webhook.clone())
    }

    /// Changes the webhook; none where there is no such webhook.
    pub(crate) fn change<T>(
        &self,
        now: Timestamp,
        switches: &Switches,
        change: impl FnOnce(&mut Webhook) -> T,
    ) -> Option<T> {
        let mut webhook = lock(&self.webhook);
        let webhook = webhook.as_mut()?;
        webhook.give_up(now, switches);
        Some(change(webhook))
    }

    /// Deletes the webhook with this id.
    pub(crate) fn remove(&self, id: &str) -> bool {
        lock(&self.webhook)
            .take_if(|webhook| webhook.id == id)
            .is_some()
    }

    /// Tells the webhook what an account has uploaded, if it wants to hear that.
    pub(crate) fn announce(
        &self,
        user: u64,
        news: &[News],
        origin: &str,
        now: Timestamp,
        switches: &Switches,
    ) {
        let Some(webhook) = self.current(now, switches).filter(|it| it.is_active) else {
            return;
        };
        for news in news {
            let message = Message::of(user, news);
            if !webhook.events.contains(&message.event) {
                continue;
            }
            let body = Bytes::from(message.body(origin, now).to_string());
            let event = message.event.name();
            let copies = match switches.webhook_events {
                WebhookEvents::Once => 1,
                WebhookEvents::Twice => 2,
                WebhookEvents::Silent => {
                    self.log.ended(event, Outcome::Silenced, None, &body);
                    continue;
                }
            };
            for _ in 0..copies {
                self.send(Delivery {
                    webhook_id: webhook.id.clone(),
                    event: event.to_owned(),
                    signature: Some(sign(&webhook.secret, &body)),
                    body: body.clone(),
                    delay: Duration::ZERO,
                    attempts_max: ATTEMPTS_MAX,
                    by_hand: false,
                });
            }
        }
    }

    /// Puts a delivery into the outbox, unless that is full.
    pub(crate) fn send(&self, delivery: Delivery) -> bool {
        self.log.queued();
        let Err(refused) = self.outbox.try_send(delivery) else {
            return true;
        };
        let delivery = refused.into_inner();
        self.log.unqueued();
        self.log
            .ended(&delivery.event, Outcome::Dropped, None, &delivery.body);
        false
    }
}

impl Webhook {
    /// Forgets what failed: its receiver has answered a ping or a delivery well.
    pub(crate) fn answered_well(&mut self) {
        self.failing_since = None;
    }

    /// Remembers since when deliveries fail.
    fn failed(&mut self, now: Timestamp) {
        self.failing_since.get_or_insert(now);
    }

    /// Deactivates a webhook that has been failing for too long.
    fn give_up(&mut self, now: Timestamp, switches: &Switches) {
        let days = i64::try_from(switches.webhook_failing_days).unwrap_or(i64::MAX);
        let limit = SignedDuration::from_secs(days.saturating_mul(DAY_S));
        let is_over = |since| now.duration_since(since) >= limit;
        if self.failing_since.is_some_and(is_over) {
            self.is_active = false;
        }
    }

    /// Everything about it, its secret too, for the control port.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "url": self.url,
            "events": self.events,
            "active": self.is_active,
            "signature_secret_key": self.secret,
            "failing_since": self.failing_since.map(instant_ms),
        })
    }
}
