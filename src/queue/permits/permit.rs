//! One permit, and what became of it.

use std::time::Duration;

use tokio::time::Instant;

use super::local::Local;
use super::{Permits, RateLimit, Urgency};
use crate::queue::guard;

/// The right to send one request. Dropping it means that the request was sent and that nobody knows
/// what became of it: it counts.
#[must_use = "a permit that is dropped counts as a request"]
pub struct Permit {
    permits: Permits,
    urgency: Urgency,
    open: bool,
}

impl Permit {
    pub(super) fn new(permits: Permits, urgency: Urgency) -> Self {
        Self {
            permits,
            urgency,
            open: true,
        }
    }

    /// An answer other than 429 came, with or without rate-limit headers.
    pub fn answered(mut self, rate: Option<RateLimit>) {
        self.close(|local, now| local.answered(rate, now));
    }

    /// The answer was 429: nobody in the fleet asks until the window resets.
    pub async fn refused(mut self, retry_after: Option<Duration>, rate: Option<RateLimit>) {
        match self.permits.refuse(retry_after, rate).await {
            // The script has counted it.
            Ok(()) => self.close(|local, _| local.spent_elsewhere()),
            Err(error) => {
                self.close(|local, _| local.spent());
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "Redis did not take the refusal: only this process stays away from Polar"
                );
            }
        }
    }

    /// No request was sent.
    pub fn unspent(mut self) {
        let urgency = self.urgency;
        self.close(|local, now| local.unspent(urgency, now));
    }

    fn close(&mut self, how: impl FnOnce(&mut Local, Instant)) {
        self.open = false;
        how(&mut guard(&self.permits.inner.local), Instant::now());
        self.permits.inner.changed.notify_one();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.open {
            self.close(|local, _| local.spent());
        }
    }
}
