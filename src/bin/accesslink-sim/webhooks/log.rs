//! What became of events, counted and listed, and a way to wait for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::lock::lock;

/// Ended deliveries that are listed.
const RECENT_MAX: usize = 200;
/// Longest body that is listed; of others only the length is.
const BODY_SHOWN_MAX_BYTES: usize = 1024;

/// The account of all events.
#[derive(Debug, Default)]
pub(crate) struct Log {
    counts: Mutex<Counts>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    queued: u64,
    tried: u64,
    ended: BTreeMap<(Outcome, String), u64>,
    last_status: Option<u16>,
    recent: VecDeque<Value>,
}

/// How an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The receiver answered well.
    Delivered,
    /// It did not, in all attempts.
    Failed,
    /// The outbox was full, or the webhook was gone or inactive when its turn came.
    Dropped,
    /// The switch keeps events back.
    Silenced,
}

impl Outcome {
    const ALL: [(Self, &str); 4] = [
        (Self::Delivered, "delivered"),
        (Self::Failed, "failed"),
        (Self::Dropped, "dropped"),
        (Self::Silenced, "silenced"),
    ];
}

/// Which ends to wait for.
#[derive(Debug, Deserialize)]
pub(crate) struct Awaited {
    outcome: Outcome,
    count: u64,
    timeout_ms: u64,
    event: Option<String>,
}

impl Log {
    /// One more is on its way.
    pub(super) fn queued(&self) {
        lock(&self.counts).queued += 1;
    }

    /// One less is on its way.
    pub(super) fn unqueued(&self) {
        lock(&self.counts).queued -= 1;
    }

    /// Counts an attempt; no status where no answer came.
    pub(super) fn tried(&self, status: Option<u16>) {
        let mut counts = lock(&self.counts);
        counts.tried += 1;
        counts.last_status = status;
    }

    /// Counts the end of an event, with the status of its last attempt.
    pub(super) fn ended(&self, event: &str, outcome: Outcome, status: Option<u16>, body: &Bytes) {
        let text = std::str::from_utf8(body).ok();
        let mut counts = lock(&self.counts);
        *counts.ended.entry((outcome, event.to_owned())).or_default() += 1;
        counts.recent.truncate(RECENT_MAX - 1);
        counts.recent.push_front(json!({
            "event": event,
            "outcome": outcome,
            "status": status,
            "bytes": body.len(),
            "body": text.filter(|text| text.len() <= BODY_SHOWN_MAX_BYTES),
        }));
        drop(counts);
        self.changed.notify_waiters();
    }

    /// All counters, and the last events, newest first.
    pub(crate) fn to_json(&self) -> Value {
        let counts = lock(&self.counts);
        let mut json = json!({"queued": counts.queued, "tried": counts.tried});
        for (outcome, name) in Outcome::ALL {
            json[name] = counts.sum(outcome, None).into();
        }
        json["last_status"] = counts.last_status.into();
        json["recent"] = counts.recent.iter().cloned().collect();
        json
    }

    /// Waits until so many events ended like that; `Err` is the count when time ran out.
    pub(crate) async fn wait(&self, awaited: &Awaited) -> Result<u64, u64> {
        let count = || lock(&self.counts).sum(awaited.outcome, awaited.event.as_deref());
        let enough = async {
            loop {
                // Registered before counting, so that no end in between is missed.
                let changed = self.changed.notified();
                let count = count();
                if count >= awaited.count {
                    return count;
                }
                changed.await;
            }
        };
        let limit = Duration::from_millis(awaited.timeout_ms);
        tokio::time::timeout(limit, enough)
            .await
            .map_err(|_| count())
    }
}

impl Counts {
    fn sum(&self, outcome: Outcome, event: Option<&str>) -> u64 {
        self.ended
            .iter()
            .filter(|((of, name), _)| *of == outcome && event.is_none_or(|event| event == name))
            .map(|(_, count)| count)
            .sum()
    }
}
