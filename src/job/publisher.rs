//! Publishes events after the transaction that wrote them down, and removes them once Redis has
//! them. What a crash leaves behind, the scheduler publishes: at least once, to be told apart by id.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    queue::Publisher,
    store::{Store, event::StoredEvent},
    telemetry,
};

/// Events that may wait to be published; beyond that they are left to the scheduler.
const WAITING_MAX: usize = 10_000;

/// Events published and removed in one go.
const BATCH_MAX: usize = 500;

/// Hands events to the task that publishes them.
#[derive(Debug, Clone)]
pub struct Outlet(mpsc::Sender<StoredEvent>);

/// The task that publishes events.
#[derive(Debug)]
pub struct Publishing {
    waiting: mpsc::Receiver<StoredEvent>,
}

/// Makes an outlet and its task.
pub fn outlet() -> (Outlet, Publishing) {
    let (sender, waiting) = mpsc::channel(WAITING_MAX);
    (Outlet(sender), Publishing { waiting })
}

impl Outlet {
    /// Hands over events that are durable.
    pub fn hand_over(&self, events: impl IntoIterator<Item = StoredEvent>) {
        for event in events {
            // A full or closed channel loses nothing: the row stays, and the scheduler sweeps it.
            let _ = self.0.try_send(event);
        }
    }
}

impl Publishing {
    /// Publishes until `stop`, then what is still waiting.
    pub async fn run(mut self, publisher: &Publisher, store: &Store, stop: &CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            let received = stop
                .run_until_cancelled(self.waiting.recv_many(&mut batch, BATCH_MAX))
                .await;
            if received.is_none() {
                self.waiting.close();
                while let Ok(event) = self.waiting.try_recv() {
                    batch.push(event);
                }
            }
            publish(publisher, store, &batch).await;
            batch.clear();
            if received.is_none_or(|count| count == 0) {
                return;
            }
        }
    }
}

/// Publishes events and removes them; leaves them where they are when Redis does not take them.
pub async fn publish(publisher: &Publisher, store: &Store, events: &[StoredEvent]) {
    if events.is_empty() {
        return;
    }
    let bodies: Vec<_> = events.iter().map(|event| event.body.clone()).collect();
    if let Err(error) = publisher.events(&bodies).await {
        tracing::warn!(
            error = telemetry::chain(&error),
            "events wait: Redis did not take them"
        );
        return;
    }
    let ids: Vec<_> = events.iter().map(|event| event.event_id).collect();
    if let Err(error) = store.remove_events(&ids).await {
        // They are published again later; readers tell repetitions by id.
        tracing::warn!(
            error = telemetry::chain(&error),
            "published events could not be removed"
        );
    }
}
