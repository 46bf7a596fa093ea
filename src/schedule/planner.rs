//! Moves what is due to the lanes, the longest due first, as long as the lanes have room.

use std::time::Duration;

use super::{DutyError, Scheduler, redis};
use crate::{
    job::request::wake_up,
    model::Lane,
    queue::Message,
    store::{leader::Term, plan::ToWake},
};

/// Kinds looked at in one Postgres transaction.
const BATCH_MAX: u64 = 2_000;

/// Batches in one tick; what is left has its turn a second later.
const BATCHES_MAX: usize = 20;

/// When a kind is due again whose request was lost all the same.
const SAFETY: Duration = Duration::from_hours(1);

/// Writes requests for what is due, and wakes workers for them.
pub(super) async fn plan(scheduler: &Scheduler, term: Term) -> Result<(), DutyError> {
    for _ in 0..BATCHES_MAX {
        let depth = scheduler.enqueuer.depth(Lane::Periodic).await;
        let depth = depth.map_err(redis("the length of a lane could not be read"))?;
        let backlog_max = u64::from(scheduler.settings.schedule.backlog_max.get());
        let room = backlog_max.saturating_sub(depth.entries).min(BATCH_MAX);
        if room == 0 {
            return Ok(());
        }
        let limit = i64::try_from(room).unwrap_or(i64::MAX);
        let mut tx = scheduler.store.begin_leading("plan", term).await?;
        let mut asked = tx.ask_for_rechecks(limit).await?;
        let kinds = &scheduler.settings.kinds;
        asked.extend(tx.ask_for_due(kinds, limit, SAFETY).await?);
        tx.commit().await?;
        let is_last = asked.is_empty();
        wake(scheduler, &asked).await?;
        if is_last {
            return Ok(());
        }
    }
    Ok(())
}

/// Wakes workers for durable requests, and notes the entries that stand for them.
pub(super) async fn wake(scheduler: &Scheduler, asked: &[ToWake]) -> Result<(), DutyError> {
    for lane in Lane::ALL.iter().copied() {
        let of_lane: Vec<_> = asked
            .iter()
            .filter(|request| request.lane == lane)
            .collect();
        if of_lane.is_empty() {
            continue;
        }
        let messages: Vec<Message> = of_lane
            .iter()
            .map(|request| wake_up(request.user_id.clone(), request.cause, request.task_id))
            .collect();
        let entries = scheduler.enqueuer.push_many(lane, &messages).await;
        let entries = entries.map_err(redis("wake-ups could not be put on a lane"))?;
        let queued: Vec<_> = of_lane
            .iter()
            .zip(entries)
            .map(|(request, entry)| (request.connection, lane, entry))
            .collect();
        scheduler.store.note_queued(&queued).await?;
    }
    Ok(())
}
