//! The clock: the only place that asks the system for the time.
//!
//! Everything that decides by time takes a [`Clock`]; deadlines in SQL read `polar_sync.now()`. Both
//! can be shifted together, so that a test moves hours in no time.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::{SignedDuration, Timestamp};

/// The current time, shifted as the database's clock is.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    shift_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The present instant.
    pub fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the system's clock"
        )]
        let system = Timestamp::now();
        let shift = SignedDuration::from_millis(self.shift_ms.load(Ordering::Relaxed));
        system.checked_add(shift).unwrap_or(system)
    }

    /// Follows the database's clock, which runs `shift` ahead of the system's.
    pub fn set_shift(&self, shift: SignedDuration) {
        let shift_ms = i64::try_from(shift.as_millis()).unwrap_or_default();
        self.shift_ms.store(shift_ms, Ordering::Relaxed);
    }
}
