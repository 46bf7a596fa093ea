//! The virtual clock: real time since the start of the program, moved forward on demand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// The furthest that the clock may be moved in total: every watch is synchronized for all of that time.
pub(crate) const ADVANCE_MAX_S: i64 = 400 * 24 * 3600;

/// The time of the simulated world.
#[derive(Debug)]
pub(crate) struct Clock {
    start_at: Timestamp,
    started: Instant,
    shift_s: AtomicI64,
}

impl Clock {
    /// A clock that now shows `start_at`.
    pub(crate) fn starting_at(start_at: Timestamp) -> Self {
        Self {
            start_at,
            started: Instant::now(),
            shift_s: AtomicI64::new(0),
        }
    }

    /// What the clock showed when the program began.
    pub(crate) fn start_at(&self) -> Timestamp {
        self.start_at
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.started.elapsed()).unwrap_or_default();
        self.start_at + elapsed + SignedDuration::from_secs(self.shift_s.load(Ordering::Relaxed))
    }

    /// Real time since the start of the program, which no control call moves.
    pub(crate) fn real_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Moves the clock forward, at most [`ADVANCE_MAX_S`] in total; tells by how much it is moved now.
    pub(crate) fn advance(&self, by_s: u32) -> i64 {
        let moved = |shift_s: i64| Some((shift_s + i64::from(by_s)).min(ADVANCE_MAX_S));
        let moved_from = self
            .shift_s
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
        moved_from.map_or(0, |before| (before + i64::from(by_s)).min(ADVANCE_MAX_S))
    }

    /// By how much the clock is moved.
    pub(crate) fn shift_s(&self) -> i64 {
        self.shift_s.load(Ordering::Relaxed)
    }
}
