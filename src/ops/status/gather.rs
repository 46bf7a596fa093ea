//! Collects what `status` shows. Without Redis, what comes from there is missing.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Interval, LaneStatus, Quota, RUNS_MIN, StateCount, Status, WindowStatus};
use crate::{
    config::{Config, RedisUrl},
    job::due::effective_interval,
    ops::reach,
    queue::{
        Enqueuer, Keys, Permits, Redis, Snapshot,
        permits::{Memory, QuotaConfig},
    },
    store::{Store, plan::PaceRow},
    telemetry,
};

/// Users with a body in quarantine that are named.
const QUARANTINED_USERS_MAX: i64 = 3;

/// What Redis knows.
struct Seen {
    lanes: Vec<LaneStatus>,
    quota: Option<Snapshot>,
}

pub(in crate::ops) async fn gather(
    config: &Config,
    store: &Store,
    redis: RedisUrl<'_>,
) -> anyhow::Result<Status> {
    let (seen, redis_error) = match look_at_redis(config, store, redis).await {
        Ok(seen) => (Some(seen), None),
        Err(error) => (None, Some(telemetry::chain(error.as_ref()))),
    };
    let (lanes, snapshot) = seen.map_or((None, None), |seen| (Some(seen.lanes), seen.quota));
    let quota = match snapshot {
        Some(snapshot) => Some(snapshot),
        None => checkpoint(store).await?,
    };
    let counts = store.connections_by_state().await?.into_iter();
    let mut connections: Vec<_> = counts
        .map(|(state, count)| StateCount { state, count })
        .collect();
    connections.sort_by_key(|count| count.state);
    let pace = store.pace().await?;
    Ok(Status {
        at: store.now().await?,
        redis_error,
        lanes,
        runs_within_min: RUNS_MIN,
        runs: store.runs_ended(RUNS_MIN).await?,
        connections,
        quota: quota.as_ref().map(Quota::of),
        stretch: pace.stretch,
        notifications_failing_s: pace
            .notifications_failing_for
            .map(|failing_for| failing_for.as_secs_f64()),
        webhook: store.webhook().await?,
        intervals: intervals(config, pace),
        leaders: store.leaders().await?,
        needs: store.needs().await?,
        quarantined_users: store.quarantined_users(QUARANTINED_USERS_MAX).await?,
    })
}

async fn look_at_redis(config: &Config, store: &Store, url: RedisUrl<'_>) -> anyhow::Result<Seen> {
    let redis = reach::redis(url).await?;
    let keys = Keys::new(config.redis.prefix.as_str());
    let quota = quota(redis.clone(), &keys, store).await;
    let depths = Enqueuer::new(redis, keys).depths().await?.into_iter();
    let lanes = depths.map(|(lane, depth)| LaneStatus {
        lane,
        entries: depth.entries,
        pending: depth.pending,
        oldest_s: depth.oldest.map(|oldest| oldest.as_secs_f64()),
    });
    Ok(Seen {
        lanes: lanes.collect(),
        quota,
    })
}

/// Asks as a process that holds no permit, which leaves nothing behind but what every process tells a Redis that lost
/// its memory.
async fn quota(redis: Redis, keys: &Keys, store: &Store) -> Option<Snapshot> {
    let name = format!("status-{}", Uuid::new_v4().simple());
    let permits = Permits::new(
        redis,
        keys,
        &name,
        QuotaConfig::default(),
        Arc::new(store.clone()),
    );
    permits.snapshot().await.ok()
}

/// What the scheduler last kept in Postgres; one of another version says nothing.
pub(in crate::ops) async fn checkpoint(store: &Store) -> anyhow::Result<Option<Snapshot>> {
    store.recall().await.map_err(anyhow::Error::from_boxed)
}

fn intervals(config: &Config, pace: PaceRow) -> Vec<Interval> {
    let kinds = config.sync.kinds.iter().copied();
    kinds
        .map(|kind| Interval {
            kind,
            configured: config.schedule.interval.of(kind),
            effective_s: effective_interval(pace, &config.schedule, kind).as_secs_f64(),
        })
        .collect()
}

impl Quota {
    fn of(snapshot: &Snapshot) -> Self {
        let at = instant(snapshot.taken_at_ms).unwrap_or_default();
        let window = |window, state: &crate::queue::permits::WindowState| WindowStatus {
            window,
            used: state.used,
            limit: state.limit,
            resets_at: instant(state.reset_at_ms),
        };
        Self {
            at,
            windows: [
                window("15 min", &snapshot.short),
                window("24 h", &snapshot.long),
            ],
            closed_until: instant(snapshot.closed_until_ms).filter(|until| *until > at),
        }
    }
}

/// An instant of Redis' clock; `None` for 0, which stands for none.
pub(in crate::ops) fn instant(at_ms: u64) -> Option<Timestamp> {
    let at_ms = i64::try_from(at_ms).ok().filter(|at_ms| *at_ms > 0)?;
    Timestamp::from_millisecond(at_ms).ok()
}
