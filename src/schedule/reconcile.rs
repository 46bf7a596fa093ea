//! What Redis lost is queued again: it is an index that may be wiped at any moment.

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;

use super::{DutyError, Scheduler, planner::wake, redis};
use crate::{job::publisher::publish, model::Lane, store::plan::ToWake};

/// Requests younger than this have their entry on the way.
const SETTLED_AFTER: Duration = Duration::from_secs(20);

/// Requests looked at in one go.
const BATCH_MAX: i64 = 2_000;

/// Batches in one go after a wipe.
const BATCHES_MAX: usize = 500;

/// Events older than this have lost their publisher.
const EVENT_OVERDUE_S: f64 = 5.0;

/// Events published in one go.
const EVENTS_MAX: i64 = 1_000;

/// Compares the ledger with the lanes, and publishes what a crash kept back.
pub(super) async fn reconcile(scheduler: &Scheduler) -> Result<(), DutyError> {
    let now = scheduler.store.now().await?;
    if is_wiped(scheduler).await? {
        for _ in 0..BATCHES_MAX {
            if requeue(scheduler, now).await? == 0 {
                break;
            }
        }
        begin_epoch(scheduler).await?;
    } else {
        requeue(scheduler, now - SETTLED_AFTER).await?;
    }
    let overdue = scheduler
        .store
        .overdue_events(EVENT_OVERDUE_S, EVENTS_MAX)
        .await?;
    publish(&scheduler.publisher, &scheduler.store, &overdue).await;
    Ok(())
}

async fn is_wiped(scheduler: &Scheduler) -> Result<bool, DutyError> {
    let epoch = scheduler.enqueuer.epoch().await;
    Ok(epoch
        .map_err(redis("the epoch could not be read"))?
        .is_none())
}

async fn begin_epoch(scheduler: &Scheduler) -> Result<(), DutyError> {
    let epoch = scheduler.enqueuer.begin_epoch(&scheduler.name).await;
    epoch.map_err(redis("the epoch could not be set"))?;
    tracing::warn!("Redis was empty: everything that waits is queued again");
    Ok(())
}

/// Queues waiting requests again whose entry is no longer on its lane, of those that were put there
/// at `before` or earlier; how many were looked at.
async fn requeue(scheduler: &Scheduler, before: Timestamp) -> Result<usize, DutyError> {
    let waiting = scheduler.store.waiting_requests(before, BATCH_MAX).await?;
    let mut lost = Vec::new();
    let mut present = Vec::new();
    for lane in Lane::ALL.iter().copied() {
        let of_lane: Vec<&ToWake> = waiting
            .iter()
            .filter(|request| request.lane == lane)
            .collect();
        let entries: Vec<_> = of_lane
            .iter()
            .filter_map(|request| request.entry.clone())
            .collect();
        let found = scheduler.enqueuer.entries_exist(lane, &entries).await;
        let found = found.map_err(redis("a lane could not be looked at"))?;
        let there: HashSet<_> = entries
            .iter()
            .zip(found)
            .filter_map(|(entry, found)| found.then_some(entry))
            .collect();
        for request in of_lane {
            match &request.entry {
                Some(entry) if there.contains(entry) => {
                    present.push((request.connection, lane, entry.clone()));
                }
                _ => lost.push(request.clone()),
            }
        }
    }
    // Looked at last, so that the others have their turn.
    scheduler.store.note_queued(&present).await?;
    wake(scheduler, &lost).await?;
    Ok(waiting.len())
}
