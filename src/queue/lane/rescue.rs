//! Takes over entries that nobody keeps alive: of dead processes, handed back, or abandoned.

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::sync::OwnedSemaphorePermit;

use super::delivery::{Delivery, id_ms};
use super::shared::Shared;
use super::{ALONE_FROM, DELIVERIES_MAX, wire};
use crate::queue::keys::GROUP;

/// Pending entries looked at in one command.
const PAGE: usize = 100;
/// Such commands in one rescue; what lies behind waits for the next one.
const PAGES_MAX: usize = 10;

/// An entry that was taken over.
pub(super) struct Rescued {
    pub(super) delivery: Delivery,
    pub(super) alone: Option<OwnedSemaphorePermit>,
}

/// Idle entries, chosen by what is known about them before they are touched.
#[derive(Default)]
struct Chosen {
    /// Id and deliveries so far.
    plain: Vec<(String, u32)>,
    exhausted: Vec<(String, u32)>,
    alone: Option<(String, u32, OwnedSemaphorePermit)>,
}

impl Chosen {
    fn len(&self) -> usize {
        self.plain.len() + self.exhausted.len() + usize::from(self.alone.is_some())
    }

    fn add(&mut self, shared: &Shared, id: String, deliveries: u32) {
        if deliveries >= DELIVERIES_MAX {
            self.exhausted.push((id, deliveries));
        } else if deliveries + 1 < ALONE_FROM {
            self.plain.push((id, deliveries));
        } else if self.alone.is_none()
            // One that must wait for its turn is left where it is: no slot is held for it.
            && let Ok(permit) = shared.alone.clone().try_acquire_owned()
        {
            self.alone = Some((id, deliveries, permit));
        }
    }
}

/// Takes over at most `free` idle entries. Two processes may see the same ones: `XCLAIM` with a
/// minimal idle time lets one of them win.
pub(super) async fn rescue(
    shared: &Shared,
    connection: &mut MultiplexedConnection,
    free: usize,
) -> Result<Vec<Rescued>, RedisError> {
    let chosen = choose(shared, connection, free).await?;
    let mut rescued = Vec::with_capacity(chosen.len());
    for delivery in claim(shared, connection, &chosen.plain, Count::OneMore).await? {
        rescued.push(Rescued {
            delivery,
            alone: None,
        });
    }
    for delivery in claim(shared, connection, &chosen.exhausted, Count::Keep).await? {
        rescued.push(Rescued {
            delivery,
            alone: None,
        });
    }
    if let Some((id, deliveries, permit)) = chosen.alone {
        let claimed = claim(shared, connection, &[(id, deliveries)], Count::OneMore).await?;
        if let Some(delivery) = claimed.into_iter().next() {
            rescued.push(Rescued {
                delivery,
                alone: Some(permit),
            });
        }
    }
    Ok(rescued)
}

async fn choose(
    shared: &Shared,
    connection: &mut MultiplexedConnection,
    free: usize,
) -> Result<Chosen, RedisError> {
    let mut chosen = Chosen::default();
    let mut from = "-".to_owned();
    for _ in 0..PAGES_MAX {
        let page: Vec<(String, String, u64, u32)> = redis::cmd("XPENDING")
            .arg(&shared.stream)
            .arg(GROUP)
            .arg("IDLE")
            .arg(idle_ms(shared))
            .arg(&from)
            .arg("+")
            .arg(PAGE)
            .query_async(connection)
            .await?;
        let full = page.len() == PAGE;
        if let Some((last, ..)) = page.last() {
            from = format!("({last}");
        }
        for (id, _, _, deliveries) in page {
            if chosen.len() == free {
                return Ok(chosen);
            }
            // One of our own whose heartbeats were late still runs here.
            if !shared.held.contains(&id) {
                chosen.add(shared, id, deliveries);
            }
        }
        if !full {
            break;
        }
    }
    Ok(chosen)
}

/// What a claim does to the count of deliveries.
#[derive(Clone, Copy, PartialEq)]
enum Count {
    OneMore,
    /// The handler is asked to write the entry off; that is no further try.
    Keep,
}

async fn claim(
    shared: &Shared,
    connection: &mut MultiplexedConnection,
    entries: &[(String, u32)],
    count: Count,
) -> Result<Vec<Delivery>, RedisError> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = redis::cmd("XCLAIM");
    command
        .arg(&shared.stream)
        .arg(GROUP)
        .arg(&*shared.consumer)
        .arg(idle_ms(shared));
    for (id, _) in entries {
        command.arg(id);
    }
    if count == Count::Keep {
        command.arg("RETRYCOUNT").arg(DELIVERIES_MAX);
    }
    let reply: Value = command.query_async(connection).await?;
    let so_far = |id: &str| {
        let known = entries.iter().find(|(known, _)| known == id);
        known.map_or(0, |(_, deliveries)| *deliveries)
    };
    let deliveries = wire::entries(reply).into_iter().map(|entry| Delivery {
        deliveries: match count {
            Count::OneMore => so_far(&entry.id) + 1,
            Count::Keep => DELIVERIES_MAX,
        },
        enqueued_at_ms: id_ms(&entry.id),
        exhausted: count == Count::Keep,
        lane: shared.name,
        job: entry.job,
        entry_id: entry.id,
    });
    Ok(deliveries.collect())
}

fn idle_ms(shared: &Shared) -> u64 {
    u64::try_from(shared.timing.idle_limit.as_millis()).unwrap_or(u64::MAX)
}
