//! Lets AccessLink's client ask the shared quota for permission.

use std::{error::Error, fmt, time::Duration};

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::{
    accesslink::{self, Meter, RateLimit, Urgency},
    clock::Clock,
    queue::{self, Permits, Snapshot, permits::Memory},
    store::Store,
};

/// The quota that all workers share, as AccessLink's client sees it.
pub(super) struct SharedMeter {
    permits: Permits,
    clock: Clock,
}

impl SharedMeter {
    pub(super) fn new(permits: Permits, clock: Clock) -> Self {
        Self { permits, clock }
    }

    fn closed(&self, closed: &queue::Closed) -> accesslink::Closed {
        let until = self.clock.now().checked_add(closed.retry_after);
        accesslink::Closed {
            until: until.unwrap_or(Timestamp::MAX),
            why: match closed.why {
                queue::permits::ClosedBy::Quota => accesslink::ClosedBy::Quota,
                queue::permits::ClosedBy::Redis => accesslink::ClosedBy::Redis,
                queue::permits::ClosedBy::Memory => accesslink::ClosedBy::Memory,
            },
        }
    }
}

impl fmt::Debug for SharedMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedMeter")
    }
}

impl Meter for SharedMeter {
    fn acquire(
        &self,
        urgency: Urgency,
    ) -> BoxFuture<'_, Result<Box<dyn accesslink::Permit>, accesslink::Closed>> {
        Box::pin(async move {
            match self.permits.acquire(of(urgency)).await {
                Ok(permit) => Ok(Box::new(SharedPermit(permit)) as Box<dyn accesslink::Permit>),
                Err(closed) => Err(self.closed(&closed)),
            }
        })
    }

    fn room_for(
        &self,
        calls: u32,
        urgency: Urgency,
    ) -> BoxFuture<'_, Result<(), accesslink::Closed>> {
        Box::pin(async move {
            let room = self.permits.has_room_for(calls, of(urgency)).await;
            room.map_err(|closed| self.closed(&closed))
        })
    }
}

struct SharedPermit(queue::Permit);

impl accesslink::Permit for SharedPermit {
    fn answered(self: Box<Self>, limit: Option<RateLimit>) {
        self.0.answered(limit.map(rate));
    }

    fn refused(
        self: Box<Self>,
        retry_after: Option<Duration>,
        limit: Option<RateLimit>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.0.refused(retry_after, limit.map(rate)).await })
    }
}

/// Postgres keeps a checkpoint, which the scheduler writes.
impl Memory for Store {
    fn recall(&self) -> BoxFuture<'_, Result<Option<Snapshot>, Box<dyn Error + Send + Sync>>> {
        Box::pin(async move {
            let checkpoint = self.quota().await?;
            // One of another version says nothing; the next answer of Polar does.
            Ok(checkpoint.and_then(|checkpoint| serde_json::from_value(checkpoint).ok()))
        })
    }
}

fn of(urgency: Urgency) -> queue::Urgency {
    match urgency {
        Urgency::Interactive => queue::Urgency::Interactive,
        Urgency::Normal => queue::Urgency::Normal,
    }
}

/// Numbers beyond 2^32 are no windows of Polar's, and count as full.
fn rate(limit: RateLimit) -> queue::RateLimit {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    queue::RateLimit {
        usage_short: number(limit.short.used),
        usage_long: number(limit.long.used),
        limit_short: number(limit.short.limit),
        limit_long: number(limit.long.limit),
        reset_short_s: number(limit.short.reset_s),
        reset_long_s: number(limit.long.reset_s),
    }
}
