//! When a kind is due again. Pure.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    config::Schedule,
    model::{ConnectionId, Kind},
    store::plan::PaceRow,
};

/// The first wait after a failure; it doubles with every further one.
const RETRY_MIN: Duration = Duration::from_secs(15);

/// The longest wait after a failure.
const RETRY_MAX: Duration = Duration::from_hours(1);

/// The first wait for a blocked transaction.
const BLOCKED_MIN: Duration = Duration::from_mins(10);

/// The longest wait for a blocked transaction.
const BLOCKED_MAX: Duration = Duration::from_hours(6);

/// Doublings after which a wait stops growing, whatever its bounds.
const DOUBLINGS_MAX: u32 = 20;

/// Notifications that fail for less than this are not worth polling more often.
pub const NOTIFICATIONS_GRACE: Duration = Duration::from_mins(2);

/// How often kinds are polled, as the scheduler last decided; shared by everything in a process.
#[derive(Debug, Clone)]
pub struct Pace(Arc<Mutex<PaceRow>>);

impl Default for Pace {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(PaceRow {
            stretch: 1.0,
            notifications_failing_for: None,
            notifications_read_before: None,
            webhook_works: false,
        })))
    }
}

impl Pace {
    /// Follows the scheduler's decision.
    pub fn set(&self, row: PaceRow) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = row;
    }

    /// The effective interval of a kind.
    pub fn interval(&self, schedule: &Schedule, kind: Kind) -> Duration {
        effective_interval(
            *self.0.lock().unwrap_or_else(PoisonError::into_inner),
            schedule,
            kind,
        )
    }
}

/// The interval of a kind at a pace. While Polar's webhook works, the kinds that have an event of their own are polled
/// less often. While it does not and notifications fail too, the kinds that they would tell of are polled more often.
pub fn effective_interval(pace: PaceRow, schedule: &Schedule, kind: Kind) -> Duration {
    let usual = schedule.interval.of(kind).get();
    let fails = pace
        .notifications_failing_for
        .is_some_and(|failing_for| failing_for >= NOTIFICATIONS_GRACE);
    let interval = if pace.webhook_works && kind.has_event() {
        usual.max(schedule.interval_with_webhook.get())
    } else if fails && kind.transactional().is_some() {
        usual.min(schedule.interval_without_notifications.get())
    } else {
        usual
    };
    interval.mul_f64(pace.stretch.max(1.0))
}

/// The longest interval of a kind at any pace of this stretch.
pub fn longest_interval(pace: PaceRow, schedule: &Schedule, kind: Kind) -> Duration {
    let calm = PaceRow {
        webhook_works: true,
        ..pace
    };
    effective_interval(calm, schedule, kind)
}

/// The wait after `failures` failures in a row, with `jitter` between 0 and 1: between half of the
/// doubled wait and all of it.
pub fn retry(failures: u32, jitter: f64) -> Duration {
    doubled(RETRY_MIN, RETRY_MAX, failures, jitter)
}

/// The wait of a blocked transaction after `failures` tries in a row: never below its minimum.
pub fn blocked(failures: u32, jitter: f64) -> Duration {
    doubled(BLOCKED_MIN * 2, BLOCKED_MAX, failures, jitter)
}

fn doubled(min: Duration, max: Duration, failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
    let whole = min.saturating_mul(1 << doublings).min(max);
    whole.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

/// The next slot of a connection's safety poll: every connection has its own phase within the
/// interval, so that a million of them are spread evenly. At least half an interval away, since a
/// slot that follows at once would find nothing.
pub fn next_slot(connection: ConnectionId, interval: Duration, now: Timestamp) -> Timestamp {
    let interval_ms = i64::try_from(interval.as_millis())
        .unwrap_or(i64::MAX)
        .max(1);
    let phase_ms = (phase(connection) % interval_ms.unsigned_abs()).cast_signed();
    let earliest_ms = now.as_millisecond().saturating_add(interval_ms / 2);
    let into_interval_ms = (earliest_ms.saturating_sub(phase_ms)).rem_euclid(interval_ms);
    let slot_ms = earliest_ms.saturating_add(interval_ms - into_interval_ms);
    Timestamp::from_millisecond(slot_ms).unwrap_or(now)
}

/// A number that is spread evenly over connections: the random half of the id, mixed.
fn phase(connection: ConnectionId) -> u64 {
    let (_, low) = connection.0.as_u64_pair();
    low.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_grow_and_stay_within_their_bounds(failures in 1_u32..100, jitter in 0.0..=1.0) {
            let wait = retry(failures, jitter);
            prop_assert!(wait >= RETRY_MIN / 2 && wait <= RETRY_MAX);
            prop_assert!(retry(failures + 1, jitter) >= wait);
            let wait = blocked(failures, jitter);
            prop_assert!(wait >= BLOCKED_MIN && wait <= BLOCKED_MAX);
        }

        #[test]
        fn slots_are_ahead_and_one_interval_apart(
            id in any::<u128>(),
            now_s in 0_i64..4_000_000_000,
            interval_s in 2_u64..1_000_000,
        ) {
            let connection = ConnectionId(uuid::Uuid::from_u128(id));
            let interval = Duration::from_secs(interval_s);
            let now = Timestamp::from_second(now_s).unwrap();
            let slot = next_slot(connection, interval, now);
            prop_assert!(slot > now + interval / 2);
            prop_assert!(slot <= now + interval + interval / 2);
            prop_assert_eq!(next_slot(connection, interval, slot - interval / 2), slot + interval);
        }
    }

    #[test]
    fn what_notifications_would_tell_of_is_polled_more_often_while_they_fail() {
        let schedule = &crate::config::Sources::default()
            .load()
            .unwrap()
            .config
            .schedule;
        let interval = |failing_s: u64, kind| {
            let pace = PaceRow {
                stretch: 2.0,
                notifications_failing_for: Some(Duration::from_secs(failing_s)),
                notifications_read_before: None,
                webhook_works: false,
            };
            effective_interval(pace, schedule, kind)
        };
        assert_eq!(interval(60, Kind::Exercise), Duration::from_hours(12));
        assert_eq!(interval(120, Kind::Exercise), Duration::from_hours(2));
        assert_eq!(interval(120, Kind::Sleep), Duration::from_hours(8));
    }

    #[test]
    fn what_events_tell_of_is_polled_less_often_and_never_more() {
        let mut schedule = crate::config::Sources::default()
            .load()
            .unwrap()
            .config
            .schedule;
        let pace = PaceRow {
            stretch: 1.0,
            notifications_failing_for: None,
            notifications_read_before: None,
            webhook_works: true,
        };
        for kind in Kind::ALL.iter().copied() {
            let hours = if kind.has_event() { 24 } else { 4 };
            let interval = effective_interval(pace, &schedule, kind);
            assert_eq!(interval, Duration::from_hours(hours), "{kind}");
        }
        schedule.interval.sleep = "3d".parse().unwrap();
        assert_eq!(
            effective_interval(pace, &schedule, Kind::Sleep),
            Duration::from_hours(72)
        );
    }

    #[test]
    fn phases_are_spread_evenly() {
        let (interval, now) = (Duration::from_hours(6), Timestamp::UNIX_EPOCH);
        let mut hours = [0_u32; 6];
        for _ in 0..6_000 {
            let slot = next_slot(ConnectionId::new(), interval, now);
            let hour = slot.as_second() / 3600 % 6;
            hours[usize::try_from(hour).unwrap()] += 1;
        }
        assert!(
            hours.iter().all(|count| (800..1_200).contains(count)),
            "{hours:?}"
        );
    }
}
