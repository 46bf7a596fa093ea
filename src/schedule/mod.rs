//! Who is due, and when: the ticks of the one leading scheduler.
//!
//! Owns leadership, the polling plan, Polar's pull notifications, the reconciliation of Redis with
//! Postgres, and the sweeps. A tick never syncs: it writes requests and wakes workers. Must never
//! keep anything in memory that a new leader could not read from Postgres.
//!
//! To add a duty: a file with one function that takes the [`Scheduler`], and a row in
//! [`Scheduler::run`]; it must be harmless when it is done twice.

mod duties;
mod leader;
mod notifications;
mod pace;
mod planner;
mod reconcile;
mod sequencer;
mod webhook;

use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use sequencer::Sequencer;

use crate::{
    accesslink::Client,
    config::Schedule,
    queue::{Enqueuer, Permits, Publisher},
    store::{Store, StoreError, leader::Term, lease::FenceError},
    telemetry,
};
use leader::Leader;

/// Between two looks at who is due.
const PLAN_EVERY: Duration = Duration::from_secs(1);

/// Between two looks at what Redis may have lost.
const RECONCILE_EVERY: Duration = Duration::from_secs(10);

/// Between two looks at the numbers that others read.
const GAUGES_EVERY: Duration = Duration::from_secs(5);

/// Between two looks whether this scheduler leads by now.
const LEAD_LOOK_EVERY: Duration = Duration::from_secs(1);

/// Between two sweeps of what is old.
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// What the scheduler works with.
pub struct Scheduler {
    /// Unique for every start.
    pub name: String,
    /// Postgres.
    pub store: Store,
    /// The lanes.
    pub enqueuer: Enqueuer,
    /// The event stream.
    pub publisher: Publisher,
    /// The quota.
    pub permits: Permits,
    /// AccessLink, for notifications.
    pub client: Client,

    /// What the operator decided.
    pub settings: Settings,
}

/// What the operator decided about the schedule.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `schedule`.
    pub schedule: Schedule,
    /// The kinds that are synced.
    pub kinds: Vec<crate::model::Kind>,
    /// `quota.empty_poll_share`.
    pub empty_poll_share: f64,
    /// `raw.retention`.
    pub raw_retention: Duration,
    /// `erasure.notice`.
    pub erasure_notice: Duration,
}

/// A duty failed; it is done again at its next tick.
#[derive(Debug, thiserror::Error)]
pub enum DutyError {
    /// Another scheduler leads now.
    #[error("another scheduler leads now")]
    NotLeading,
    /// Postgres failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis failed.
    #[error("Redis did not answer; what it is to be told is told again")]
    Redis(#[from] redis_error::Error),
    /// AccessLink gave no answer.
    #[error(transparent)]
    Call(#[from] crate::accesslink::Error),
    /// Raw bodies could not be swept.
    #[error(transparent)]
    Raw(#[from] crate::store::raw::RawError),
}

/// Errors of the queue, without naming what it is made of.
mod redis_error {
    /// An enqueuer or the quota got no answer.
    #[derive(Debug, thiserror::Error)]
    #[error("{doing}")]
    pub struct Error {
        pub(super) doing: &'static str,
        #[source]
        pub(super) source: Box<dyn std::error::Error + Send + Sync>,
    }
}

/// Turns an error of the queue into one of a duty.
fn redis<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    doing: &'static str,
) -> impl Fn(E) -> DutyError {
    move |source| {
        DutyError::Redis(redis_error::Error {
            doing,
            source: source.into(),
        })
    }
}

impl From<FenceError> for DutyError {
    fn from(error: FenceError) -> Self {
        match error {
            FenceError::Lost => Self::NotLeading,
            FenceError::Store(error) => Self::Store(error),
        }
    }
}

impl Scheduler {
    /// Leads, or stands by, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let leader = Leader::default();
        let this = &*self;
        let notified_every = this.settings.schedule.notifications_every.get();
        futures::join!(
            leader.keep(&this.store, &this.name, &stop),
            every(PLAN_EVERY, &leader, &stop, |term| planner::plan(this, term)
                .boxed()),
            every(notified_every, &leader, &stop, |term| {
                notifications::notice(this, term).boxed()
            }),
            every(RECONCILE_EVERY, &leader, &stop, |_| reconcile::reconcile(
                this
            )
            .boxed()),
            every(GAUGES_EVERY, &leader, &stop, |_| duties::gauges(this)
                .boxed()),
            every(GAUGES_EVERY, &leader, &stop, |_| pace::set(this).boxed()),
            every(GAUGES_EVERY, &leader, &stop, |_| webhook::watch(this)
                .boxed()),
            every(SWEEP_EVERY, &leader, &stop, |_| duties::sweep(this).boxed()),
        );
    }
}

/// Does a duty as soon as this scheduler leads, and then every `period` while it does, until `stop`.
async fn every<'a>(
    period: Duration,
    leader: &Leader,
    stop: &CancellationToken,
    duty: impl Fn(Term) -> BoxFuture<'a, Result<(), DutyError>>,
) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(term) = leader.term() else {
            // Whoever takes over does not wait for a long period to pass first.
            ticks.reset_after(period.min(LEAD_LOOK_EVERY));
            continue;
        };
        if let Some(Err(error)) = stop.run_until_cancelled(duty(term)).await {
            tracing::warn!(
                error = telemetry::chain(&error),
                "a duty of the scheduler failed"
            );
        }
    }
}
