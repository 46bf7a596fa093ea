//! Fills free slots: with parked entries that are due, then with rescued ones, then with new ones.
//! One task decides, so that nothing competes for a slot.
//!
//! The read blocks on a connection of its own and is never dropped: its reply may carry entries. It
//! is interrupted by `CLIENT UNBLOCK` instead. Any error is healed here and ends nothing.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::claim::Claim;
use super::delivery::{Delivery, id_ms};
use super::shared::{Shared, Signal};
use super::{ALONE_FROM, Offer, group, rescue, wire};
use crate::queue::keys::GROUP;
use crate::queue::metrics;

/// A read that was to be interrupted is interrupted again after so long: the first command may
/// have come before the read.
const UNBLOCK_EVERY: Duration = Duration::from_millis(50);
/// What one such command may take.
const UNBLOCK_WAIT: Duration = Duration::from_secs(1);
/// A parked entry that must run alone and cannot yet is looked at again after so long.
const ALONE_RETRY: Duration = Duration::from_secs(1);

pub(super) async fn run(shared: Arc<Shared>) {
    let mut reader = Reader {
        rescue_at: Instant::now() + shared.timing.first_rescue,
        prune_at: Instant::now() + shared.timing.prune_idle,
        link: None,
        failures: 0,
        parked_last: false,
        shared,
    };
    while !reader.shared.stop.is_cancelled() {
        match reader.turn().await {
            Ok(()) => reader.failures = 0,
            Err(error) => reader.recover(&error).await,
        }
    }
}

struct Reader {
    shared: Arc<Shared>,
    link: Option<Link>,
    rescue_at: Instant,
    prune_at: Instant,
    failures: u32,
    /// The last turn offered parked entries: with one slot, the next turn reads.
    parked_last: bool,
}

/// The connection that blocks, and the id by which it can be interrupted.
struct Link {
    connection: MultiplexedConnection,
    client_id: u64,
}

/// Permits of the free slots.
struct Slots(OwnedSemaphorePermit);

impl Slots {
    fn free(&self) -> usize {
        self.0.num_permits()
    }

    fn take(&mut self) -> Option<OwnedSemaphorePermit> {
        self.0.split(1)
    }
}

impl Reader {
    async fn turn(&mut self) -> Result<(), RedisError> {
        self.connect().await?;
        let Some(mut slots) = self.free_slots().await else {
            return Ok(());
        };
        self.offer_parked(&mut slots).await;
        if Instant::now() >= self.rescue_at {
            self.offer_rescued(&mut slots).await?;
        }
        if slots.free() > 0 {
            let entries = self.read(slots.free()).await?;
            metrics::fetched(self.shared.name, "new", entries.len());
            for entry in entries {
                self.offer(&mut slots, first_delivery(&self.shared, entry), None)
                    .await;
            }
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), RedisError> {
        if self.link.is_some() {
            return Ok(());
        }
        let block = self.shared.timing.block;
        let mut connection = self.shared.redis.blocking_connection(block).await?;
        let client_id = redis::cmd("CLIENT")
            .arg("ID")
            .query_async(&mut connection)
            .await?;
        group::ensure(&self.shared, &mut connection).await?;
        self.link = Some(Link {
            connection,
            client_id,
        });
        self.shared.signal(|| Signal::Connected);
        if self.failures > 0 {
            tracing::info!(lane = %self.shared.name, "reading the lane again");
        }
        Ok(())
    }

    /// All slots that are free, at least one; `None` when the lane stops.
    async fn free_slots(&self) -> Option<Slots> {
        let slots = &self.shared.slots;
        let mut permits = tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => return None,
            permit = slots.clone().acquire_owned() => permit.ok()?,
        };
        let more = u32::try_from(slots.available_permits()).unwrap_or(u32::MAX);
        if let Ok(rest) = slots.clone().try_acquire_many_owned(more) {
            permits.merge(rest);
        }
        Some(Slots(permits))
    }

    /// At most every other slot, so that entries that wait again and again leave room for new ones.
    async fn offer_parked(&mut self, slots: &mut Slots) {
        let most = if self.parked_last {
            slots.free() / 2
        } else {
            slots.free().div_ceil(2)
        };
        let keep_free = slots.free() - most;
        self.parked_last = false;
        let now = Instant::now();
        while slots.free() > keep_free
            && let Some(delivery) = self.shared.parked.take_due(now)
        {
            self.parked_last = true;
            let alone = if delivery.deliveries >= ALONE_FROM && !delivery.exhausted {
                let Ok(permit) = self.shared.alone.clone().try_acquire_owned() else {
                    // There is room: it has just left.
                    let _ = self.shared.parked.add(now + ALONE_RETRY, delivery);
                    continue;
                };
                Some(permit)
            } else {
                None
            };
            metrics::fetched(self.shared.name, "parked", 1);
            self.offer(slots, delivery, alone).await;
        }
    }

    async fn offer_rescued(&mut self, slots: &mut Slots) -> Result<(), RedisError> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        if slots.free() > 0 {
            let rescued = rescue::rescue(&self.shared, &mut link.connection, slots.free()).await?;
            metrics::fetched(self.shared.name, "rescued", rescued.len());
            for one in rescued {
                self.offer(slots, one.delivery, one.alone).await;
            }
        }
        // Give or take a fifth, so that processes do not look at the same moment.
        self.rescue_at = Instant::now()
            + self
                .shared
                .timing
                .rescue
                .mul_f64(rand::random_range(0.8..1.2));
        if Instant::now() >= self.prune_at {
            self.prune_at = Instant::now() + self.shared.timing.prune_idle;
            group::prune(&self.shared, false).await?;
        }
        Ok(())
    }

    /// From here on the entry is held: whatever happens to the offer, it is not forgotten.
    async fn offer(
        &self,
        slots: &mut Slots,
        delivery: Delivery,
        alone: Option<OwnedSemaphorePermit>,
    ) {
        let shared = &self.shared;
        shared.held.add(&delivery.entry_id, delivery.count_before());
        shared.signal(|| Signal::Fetched {
            entry_id: delivery.entry_id.clone(),
            deliveries: delivery.deliveries,
        });
        let claim = Claim {
            shared: shared.clone(),
            slot: slots.take(),
            alone,
            settled: false,
            delivery: delivery.clone(),
        };
        let offer = Offer {
            delivery,
            claim: Some(claim),
        };
        // A failed send drops the claim, which parks the entry.
        let _ = shared.offers.send(offer).await;
    }

    /// Reads up to `count` new entries; comes back early when something else is to be done.
    async fn read(&mut self, count: usize) -> Result<Vec<wire::Entry>, RedisError> {
        let block_ms = self.block_ms();
        let shared = self.shared.clone();
        let Some(link) = &mut self.link else {
            return Ok(Vec::new());
        };
        let mut command = redis::cmd("XREADGROUP");
        command
            .arg("GROUP")
            .arg(GROUP)
            .arg(&*shared.consumer)
            .arg("COUNT")
            .arg(count)
            .arg("BLOCK")
            .arg(block_ms)
            .arg("STREAMS")
            .arg(&shared.stream)
            .arg(">");
        let client_id = link.client_id;
        let read = command.query_async::<Value>(&mut link.connection);
        tokio::pin!(read);
        let mut interrupted = false;
        loop {
            tokio::select! {
                biased;
                reply = &mut read => return reply.map(wire::read_reply),
                () = shared.stop.cancelled(), if !interrupted => interrupted = true,
                () = shared.wake.notified(), if !interrupted => interrupted = true,
                () = tokio::time::sleep(UNBLOCK_EVERY), if interrupted => {}
            }
            unblock(&shared, client_id).await;
        }
    }

    /// Until the next thing to do, and never 0, which Redis takes for "for ever".
    fn block_ms(&self) -> u64 {
        let now = Instant::now();
        let mut until = (now + self.shared.timing.block).min(self.rescue_at);
        if let Some(due) = self.shared.parked.next_due() {
            until = until.min(due);
        }
        let wait = until
            .saturating_duration_since(now)
            .max(Duration::from_millis(1));
        u64::try_from(wait.as_millis()).unwrap_or(1)
    }

    /// After an error: a new connection, later a new group. After an outage everything looks idle,
    /// though live processes are about to touch it again: the rescue waits.
    async fn recover(&mut self, error: &RedisError) {
        self.link = None;
        metrics::redis_error(self.shared.name, "read");
        if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")) && self.failures == 0 {
            tracing::warn!(lane = %self.shared.name, "the stream was deleted, making it again");
            self.failures = 1;
            return;
        }
        if self.failures <= 1 {
            tracing::warn!(
                lane = %self.shared.name,
                error = error as &dyn std::error::Error,
                "cannot read the lane, trying until Redis answers"
            );
        }
        self.rescue_at = Instant::now() + self.shared.timing.idle_limit;
        let pause = self.shared.timing.retry_pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        tokio::select! {
            () = self.shared.stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn unblock(shared: &Shared, client_id: u64) {
    let mut connection = shared.connection();
    let mut command = redis::cmd("CLIENT");
    command.arg("UNBLOCK").arg(client_id);
    // Failing is no matter: the read ends by itself after its block time.
    let _ = tokio::time::timeout(UNBLOCK_WAIT, command.exec_async(&mut connection)).await;
}

fn first_delivery(shared: &Shared, entry: wire::Entry) -> Delivery {
    let enqueued_at_ms = id_ms(&entry.id);
    metrics::started(shared.name, enqueued_at_ms);
    Delivery {
        entry_id: entry.id,
        lane: shared.name,
        job: entry.job,
        deliveries: 1,
        enqueued_at_ms,
        exhausted: false,
    }
}
