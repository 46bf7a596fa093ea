//! Waiting until everything that was offered is stored and committed, and nothing is under way on either side.

use std::{fmt, time::Duration};

use anyhow::Context;
use serde::Serialize;
use tokio::time::Instant;

use super::polar::{Ledger, Offered, Polar};
use crate::{
    exit::{Code, Failure},
    ops::progress::Teller,
    store::{
        Store,
        totals::{Progress, Totals},
    },
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Between two comparisons: a large ledger takes a while to be added up.
const COMPARE_EVERY: Duration = Duration::from_secs(5);

/// How long both sides may differ while nothing is under way: a failed kind is tried again by then.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long nothing may happen at all: longer than the shorter window of the rate limit.
const STALL_MAX: Duration = Duration::from_mins(20);

/// What waiting ended with.
#[derive(Debug)]
pub(super) struct Waited {
    /// When the last thing was done.
    pub(super) at: Instant,
    pub(super) progress: Progress,
    pub(super) totals: Totals,
    pub(super) counts: Vec<Count>,
}

impl Waited {
    /// What is not as it was offered.
    pub(super) fn differences(&self) -> impl Iterator<Item = &Count> {
        self.counts.iter().filter(|count| !count.is_equal())
    }
}

/// How much of something was offered, and how much is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Count {
    pub(super) what: &'static str,
    pub(super) offered: i64,
    pub(super) stored: i64,
}

impl Count {
    pub(super) const fn is_equal(&self) -> bool {
        self.offered == self.stored
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            offered,
            stored,
        } = self;
        write!(f, "{what}: {offered} offered, {stored} stored")
    }
}

/// Waits until both sides are in step, or differ for good.
pub(super) async fn until_in_step(
    store: &Store,
    polar: &Polar,
    teller: &Teller,
) -> anyhow::Result<Waited> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut activity = Activity::new();
    let (mut quiet_since, mut compared_at) = (None, None::<Instant>);
    loop {
        looks.tick().await;
        let progress = store.progress().await?;
        let windows = polar.windows().await?;
        activity.note(progress, windows.long.used)?;
        let accounts = store.active_connections().await?;
        let beside = format!(
            "users in step; {} records, {} requests",
            progress.records, windows.long.used
        );
        teller.is_at(count(progress.settled)?, count(accounts)?, &beside);
        if progress.unfinished > 0 {
            quiet_since = None;
            continue;
        }
        let at = *quiet_since.get_or_insert_with(Instant::now);
        if compared_at.is_some_and(|compared| compared.elapsed() < COMPARE_EVERY) {
            continue;
        }
        let (ledger, totals) =
            tokio::try_join!(polar.ledger(), async { Ok(store.totals().await?) })?;
        let waited = Waited {
            at,
            progress,
            totals,
            counts: compare(&ledger, &totals),
        };
        if waited.differences().next().is_none() || at.elapsed() > PATIENCE {
            return Ok(waited);
        }
        compared_at = Some(Instant::now());
    }
}

fn count(number: i64) -> anyhow::Result<u64> {
    u64::try_from(number).context("a count below zero")
}

/// When something last happened.
struct Activity {
    seen: (Progress, u64),
    at: Instant,
}

impl Activity {
    fn new() -> Self {
        Self {
            seen: (Progress::default(), 0),
            at: Instant::now(),
        }
    }

    fn note(&mut self, progress: Progress, requests: u64) -> Result<(), Failure> {
        if self.seen != (progress, requests) {
            *self = Self {
                seen: (progress, requests),
                at: Instant::now(),
            };
        }
        if self.at.elapsed() <= STALL_MAX {
            return Ok(());
        }
        let cause = format!(
            "nothing has happened for {} minutes",
            STALL_MAX.as_secs() / 60
        );
        let next_step = "raise --quota-scale, or take --dir DIR and look at the logs there";
        Err(Failure::new(Code::Fails, cause, next_step))
    }
}

/// What the simulator's ledger and readers of Postgres count, side by side.
fn compare(ledger: &Ledger, stored: &Totals) -> Vec<Count> {
    let Offered {
        users,
        exercises,
        nights,
        recharges,
        activities,
        physical_informations,
        sample_values,
        zones,
        route_points,
        step_samples,
        sleep_heart_rate_values,
        hrv_values,
        breathing_values,
    } = &ledger.totals;
    let samples: i64 = sample_values.values().sum();
    [
        ("users", *users, stored.connections),
        ("workouts", *exercises, stored.workouts),
        ("samples of workouts", samples, stored.workout_samples),
        ("zones of workouts", *zones, stored.workout_zones),
        ("points of routes", *route_points, stored.route_points),
        ("nights", *nights, stored.sleeps),
        (
            "heart rates of nights",
            *sleep_heart_rate_values,
            stored.sleep_samples,
        ),
        ("recharges", *recharges, stored.nightly_recharges),
        (
            "variabilities of nights",
            *hrv_values,
            stored.variability_samples,
        ),
        (
            "breaths of nights",
            *breathing_values,
            stored.breathing_samples,
        ),
        ("days", *activities, stored.daily_activities),
        ("steps of days", *step_samples, stored.step_samples),
        (
            "physical information",
            *physical_informations,
            stored.physical_information,
        ),
        ("transactions open at Polar", ledger.transactions.open, 0),
    ]
    .map(|(what, offered, stored)| Count {
        what,
        offered,
        stored,
    })
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_differs() {
        let ledger: Ledger = serde_json::from_value(serde_json::json!({
            "totals": {
                "users": 2, "exercises": 3, "nights": 0, "recharges": 0, "activities": 0,
                "physical_informations": 0, "sample_values": {"0": 5, "1": 7}, "zones": 0,
                "route_points": 0, "step_samples": 0, "sleep_heart_rate_values": 0,
                "hrv_values": 0, "breathing_values": 0, "hypnogram_entries": 0,
            },
            "transactions": {"created": 1, "open": 1},
        }))
        .unwrap();
        let stored = Totals {
            connections: 2,
            workouts: 2,
            workout_samples: 12,
            ..Totals::default()
        };
        let counts = compare(&ledger, &stored);
        let different: Vec<_> = counts.iter().filter(|count| !count.is_equal()).collect();
        let told: Vec<_> = different.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "workouts: 3 offered, 2 stored",
                "transactions open at Polar: 1 offered, 0 stored"
            ]
        );
    }
}
