//! The circuit breaker: a host that fails again and again is given a rest.

use std::{sync::Mutex, time::Duration};

use jiff::Timestamp;

/// Failures in a row that open the circuit.
const FAILURES_MAX: u32 = 24;

/// The first rest; it doubles with every probe that fails.
const REST_MIN: Duration = Duration::from_secs(2);

/// The longest rest.
const REST_MAX: Duration = Duration::from_mins(1);

/// The state of one host, as this process sees it.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    rest_until: Option<Timestamp>,
    rest: Duration,
}

impl Circuit {
    /// Asks to send; when resting, the instant until when. After a rest one caller is let through.
    pub(super) fn admit(&self, now: Timestamp) -> Result<(), Timestamp> {
        let mut state = self.lock();
        match state.rest_until {
            // A rest that is longer than any was begun before the clock was set back.
            Some(until) if now < until && until <= now + REST_MAX => Err(until),
            Some(_) => {
                // The one that probes: others wait for its result, or for the next rest to end.
                state.rest = (state.rest * 2).clamp(REST_MIN, REST_MAX);
                state.rest_until = Some(now + state.rest);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Learns that the host answered.
    pub(super) fn succeeded(&self) {
        *self.lock() = State::default();
    }

    /// Learns that the host failed.
    pub(super) fn failed(&self, now: Timestamp) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES_MAX && state.rest_until.is_none() {
            state.rest = REST_MIN;
            state.rest_until = Some(now + REST_MIN);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while holding the lock leaves plain numbers behind, which stay usable.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let (circuit, start) = (Circuit::default(), Timestamp::UNIX_EPOCH);
        for _ in 1..FAILURES_MAX {
            circuit.failed(start);
        }
        assert_eq!(circuit.admit(start), Ok(()));
        circuit.failed(start);
        assert_eq!(circuit.admit(start), Err(start + REST_MIN));
        let later = start + REST_MIN;
        assert_eq!(circuit.admit(later), Ok(()));
        assert!(circuit.admit(later).is_err(), "one probe at a time");
        circuit.succeeded();
        assert_eq!(circuit.admit(later), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_prolongs_no_rest() {
        let (circuit, start) = (Circuit::default(), Timestamp::UNIX_EPOCH);
        for _ in 0..FAILURES_MAX {
            circuit.failed(start);
        }
        assert!(circuit.admit(start).is_err());
        assert_eq!(circuit.admit(start - Duration::from_hours(1)), Ok(()));
    }
}
