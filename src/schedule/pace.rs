//! How far safety intervals are stretched, so that polls without a finding leave quota for data.

use std::time::Duration;

use super::{DutyError, Scheduler};
use crate::{
    job::due::{effective_interval, longest_interval},
    store::plan::PaceRow,
};

/// Safety polls of a kind brought forward in one go; the others have their turn at the next.
const FORWARD_MAX: i64 = 20_000;

/// The length of Polar's long window.
const DAY: Duration = Duration::from_hours(24);

/// Sets the pace for the present number of connections and the present limit.
pub(super) async fn set(scheduler: &Scheduler) -> Result<(), DutyError> {
    // While the quota cannot be read, the pace stays.
    let Ok(quota) = scheduler.permits.snapshot().await else {
        return Ok(());
    };
    let connections = scheduler.store.active_connections().await?;
    let settings = &scheduler.settings;
    // Their own stretch left out: it is what is to be found.
    let unstretched = PaceRow {
        stretch: 1.0,
        ..scheduler.store.pace().await?
    };
    let intervals: Vec<_> = settings
        .kinds
        .iter()
        .map(|kind| effective_interval(unstretched, &settings.schedule, *kind))
        .collect();
    let allowed = f64::from(quota.long.limit) * settings.empty_poll_share;
    let stretch = stretch(connections, &intervals, allowed);
    scheduler.store.set_stretch(stretch).await?;
    bring_forward(
        scheduler,
        PaceRow {
            stretch,
            ..unstretched
        },
    )
    .await
}

/// When an interval became shorter, what was planned by the longer one comes earlier.
async fn bring_forward(scheduler: &Scheduler, pace: PaceRow) -> Result<(), DutyError> {
    let (store, settings) = (&scheduler.store, &scheduler.settings);
    for kind in settings.kinds.iter().copied() {
        let longest = longest_interval(pace, &settings.schedule, kind);
        let effective = effective_interval(pace, &settings.schedule, kind);
        // A slot is up to half an interval beyond the next one.
        let furthest = effective.mul_f64(1.5);
        if effective < longest {
            let factor = effective.as_secs_f64() / longest.as_secs_f64();
            store
                .bring_forward(kind, furthest, factor, FORWARD_MAX)
                .await?;
        }
    }
    Ok(())
}

/// The factor by which intervals are stretched: polls of a day, one request a kind, fit into
/// `allowed`.
#[expect(
    clippy::cast_precision_loss,
    reason = "numbers of connections are far below 2^52"
)]
pub(super) fn stretch(connections: i64, intervals: &[Duration], allowed: f64) -> f64 {
    let polls_a_day: f64 = intervals
        .iter()
        .map(|interval| DAY.as_secs_f64() / interval.as_secs_f64())
        .sum();
    let demand = polls_a_day * connections as f64;
    if allowed > 0.0 {
        (demand / allowed).max(1.0)
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_that_fit_are_not_stretched() {
        let intervals = [Duration::from_hours(6); 3];
        assert!((stretch(10, &intervals, 1_000.0) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn polls_that_do_not_fit_are_stretched_until_they_do() {
        let intervals = [Duration::from_hours(6); 3];
        assert!((stretch(1_000, &intervals, 1_200.0) - 10.0).abs() < 1e-9);
    }
}
