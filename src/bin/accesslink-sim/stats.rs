//! What was asked and answered, counted by operation, user and status, and a way to wait for it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::lock::lock;

/// Counters of all requests.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    answered: Mutex<BTreeMap<Answered, u64>>,
    in_flight: AtomicU64,
    changed: Notify,
}

/// Operation, user and status of an answer.
type Answered = (&'static str, Option<u64>, u16);

/// Which answers to wait for.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Awaited {
    pub(crate) op: String,
    pub(crate) count: u64,
    pub(crate) timeout_ms: u64,
    pub(crate) user: Option<u64>,
    pub(crate) status: Option<u16>,
}

/// Counts a request as in flight until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight<'a>(&'a AtomicU64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stats {
    /// Counts a request that has arrived.
    pub(crate) fn begin(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, op: &'static str, user: Option<u64>, status: StatusCode) {
        *lock(&self.answered)
            .entry((op, user, status.as_u16()))
            .or_default() += 1;
        self.changed.notify_waiters();
    }

    /// Requests that are being answered.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Answers by operation and status.
    pub(crate) fn to_json(&self) -> Value {
        let mut operations: BTreeMap<&str, BTreeMap<u16, u64>> = BTreeMap::new();
        for ((op, _, status), count) in &*lock(&self.answered) {
            *operations
                .entry(op)
                .or_default()
                .entry(*status)
                .or_default() += count;
        }
        let statuses = |by_status: BTreeMap<u16, u64>| -> Map<String, Value> {
            by_status
                .into_iter()
                .map(|(status, count)| (status.to_string(), count.into()))
                .collect()
        };
        let operations = operations.into_iter();
        operations
            .map(|(op, by_status)| (op.to_owned(), Value::from(statuses(by_status))))
            .collect()
    }

    /// Waits until so many answers were given; `Err` is the count when time ran out.
    pub(crate) async fn wait(&self, awaited: &Awaited) -> Result<u64, u64> {
        let enough = async {
            loop {
                // Registered before counting, so that no answer in between is missed.
                let changed = self.changed.notified();
                let count = self.count(awaited);
                if count >= awaited.count {
                    return count;
                }
                changed.await;
            }
        };
        let limit = Duration::from_millis(awaited.timeout_ms);
        tokio::time::timeout(limit, enough)
            .await
            .map_err(|_| self.count(awaited))
    }

    fn count(&self, awaited: &Awaited) -> u64 {
        let wanted = |(op, user, status): &Answered| {
            crate::faults::op_matches(&awaited.op, op)
                && (awaited.user.is_none() || awaited.user == *user)
                && awaited.status.is_none_or(|wanted| wanted == *status)
        };
        let answered = lock(&self.answered);
        answered
            .iter()
            .filter(|(key, _)| wanted(key))
            .map(|(_, count)| count)
            .sum()
    }
}
