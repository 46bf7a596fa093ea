//! The numbers that others read, and the sweeps of what is old.

use std::time::Duration;

use super::{DutyError, Scheduler, redis};
use crate::{
    queue::{Snapshot, erase::News},
    store::raw,
    telemetry::metrics::{CONNECTIONS, LANE_BACKLOG, LANE_LAG},
};

/// Finished requests and runs are kept so long.
const HISTORY: Duration = Duration::from_hours(90 * 24);

/// States of users who went to the consent page are kept so long after their end, and with them the codes that must
/// not be exchanged again: Polar's codes hold for minutes.
const OAUTH_STATES_KEPT: Duration = Duration::from_hours(1);

/// Events of the webhook are known so long, should they come again.
const WEBHOOK_EVENTS_KEPT: Duration = Duration::from_hours(24);

/// Erasures that are forgotten in one sweep.
const ERASURES_MAX: i64 = 100;

/// Rows removed or planned in one statement.
const SWEEP_BATCH: i64 = 5_000;

/// Batches in one sweep; what is left has its turn at the next.
const SWEEP_BATCHES_MAX: usize = 50;

/// Sets the gauges, and keeps a checkpoint of the quota.
pub(super) async fn gauges(scheduler: &Scheduler) -> Result<(), DutyError> {
    let depths = scheduler
        .enqueuer
        .depths()
        .await
        .map_err(redis("lanes could not be measured"))?;
    for (lane, depth) in depths {
        let lag = depth.oldest.unwrap_or_default();
        metrics::gauge!(LANE_LAG, "lane" => lane.as_str()).set(lag.as_secs_f64());
        set(
            &metrics::gauge!(LANE_BACKLOG, "lane" => lane.as_str()),
            depth.entries,
        );
    }
    for (state, count) in scheduler.store.connections_by_state().await? {
        set(
            &metrics::gauge!(CONNECTIONS, "state" => state.as_str()),
            count.unsigned_abs(),
        );
    }
    if let Ok(quota) = scheduler.permits.snapshot().await {
        keep(scheduler, &quota).await?;
    }
    Ok(())
}

async fn keep(scheduler: &Scheduler, quota: &Snapshot) -> Result<(), DutyError> {
    // A snapshot is plain numbers, which JSON can hold.
    if let Ok(checkpoint) = serde_json::to_value(quota) {
        scheduler.store.save_quota(&checkpoint).await?;
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge of more than 2^52 is off by one"
)]
fn set(gauge: &metrics::Gauge, value: u64) {
    gauge.set(value as f64);
}

/// Removes what is old and plans what was forgotten, in bounded batches.
pub(super) async fn sweep(scheduler: &Scheduler) -> Result<(), DutyError> {
    for _ in 0..SWEEP_BATCHES_MAX {
        let kinds = &scheduler.settings.kinds;
        if scheduler.store.plan_forgotten(kinds, SWEEP_BATCH).await? == 0 {
            break;
        }
    }
    for _ in 0..SWEEP_BATCHES_MAX {
        if scheduler.store.sweep_history(HISTORY, SWEEP_BATCH).await? == 0 {
            break;
        }
    }
    let store = &scheduler.store;
    for _ in 0..SWEEP_BATCHES_MAX {
        let states = store
            .sweep_oauth_states(OAUTH_STATES_KEPT, SWEEP_BATCH)
            .await?;
        let events = store
            .sweep_webhook_events(WEBHOOK_EVENTS_KEPT, SWEEP_BATCH)
            .await?;
        if states + events == 0 {
            break;
        }
    }
    forget_erased(scheduler).await?;
    let retention = scheduler.settings.raw_retention;
    raw::sweep(
        &scheduler.store,
        retention.try_into().unwrap_or(jiff::SignedDuration::MAX),
    )
    .await?;
    Ok(())
}

/// Forgets whose data was erased, once readers have had their time to notice.
async fn forget_erased(scheduler: &Scheduler) -> Result<(), DutyError> {
    let (store, notice) = (&scheduler.store, scheduler.settings.erasure_notice);
    for (user, erasure) in store.noticed_erasures(notice, ERASURES_MAX).await? {
        // Redis first: the user's id is forgotten with the row. News of a user who is here again stay.
        if !store.has_user(&user).await? {
            scheduler
                .enqueuer
                .erase(&user, News::All)
                .await
                .map_err(redis("the news of an erased user could not be taken out"))?;
        }
        let mut tx = store.begin("forget_erased").await?;
        tx.forget_erased(&erasure).await?;
        tx.commit().await?;
    }
    Ok(())
}
