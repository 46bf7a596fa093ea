//! The duty to settle one delivery: a slot, and the promise that the entry is not forgotten.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::delivery::Delivery;
use super::shared::Shared;

/// A claim ends by [`Claim::settle`] or [`Claim::abandon`]; one that is dropped (its worker died
/// before the handler began) puts the entry back in line.
pub(in crate::queue) struct Claim {
    pub(super) shared: Arc<Shared>,
    pub(super) delivery: Delivery,
    pub(super) slot: Option<OwnedSemaphorePermit>,
    pub(super) alone: Option<OwnedSemaphorePermit>,
    pub(super) settled: bool,
}

impl Claim {
    /// The delivery, for logs.
    pub(in crate::queue) fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Completes when running jobs must end now.
    pub(in crate::queue) async fn killed(&self) {
        self.shared.kill.cancelled().await;
    }

    /// Frees the slot; the entry's own state is settled.
    pub(super) fn free(&mut self) {
        self.settled = true;
        self.slot.take();
        if self.alone.take().is_some() {
            // Another entry may wait for just this.
            self.shared.wake.notify_one();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        self.free();
        // Without room it becomes idle, and the next rescue takes it.
        if let Err(delivery) = self
            .shared
            .parked
            .add(Instant::now(), self.delivery.clone())
        {
            self.shared.held.remove(&delivery.entry_id);
        }
        self.shared.wake.notify_one();
    }
}
