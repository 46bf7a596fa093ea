//! The clock: the only place that asks the system for the time.
//!
//! Everything that decides by time takes a [`Clock`]; deadlines in SQL read `polar_sync.now()`, and every
//! process' clock follows that one: a machine whose clock is wrong must not take a transaction for younger than it
//! is. Both can be shifted together, so that a test moves hours in no time.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::{SignedDuration, Timestamp};

/// Clocks that differ by less agree: what is measured over a network is no better, and time must not jump for nothing.
const AGREES: SignedDuration = SignedDuration::from_secs(1);

/// The current time, as the database's clock has it.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// How far it runs ahead of the system's clock, all in all.
    ahead_ms: Arc<AtomicI64>,
    /// The part of it that corrects a system's clock that is wrong.
    correction_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The present instant.
    pub fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the system's clock"
        )]
        let system = Timestamp::now();
        let ahead = SignedDuration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        system.checked_add(ahead).unwrap_or(system)
    }

    /// Follows the database's clock, which was `asked` at this instant of ours and said `database`, and which runs
    /// `shift` ahead of its system's. Tells how far our system's clock is behind the database's (negative: ahead), if
    /// that had to be corrected just now.
    pub fn follow(
        &self,
        asked: Timestamp,
        database: Timestamp,
        shift: SignedDuration,
    ) -> Option<SignedDuration> {
        let took = self.now().duration_since(asked);
        let ahead = SignedDuration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        let known = SignedDuration::from_millis(self.correction_ms.load(Ordering::Relaxed));
        let measured = ahead + database.duration_since(asked) - took / 2 - shift;
        // The clock was read some time in between; when ours was set meanwhile, nobody knows when.
        let doubt = AGREES + took / 2;
        let correction = if took.is_negative() || (measured - known).abs() <= doubt {
            known
        } else {
            measured
        };
        let correction = if correction.abs() <= AGREES {
            SignedDuration::ZERO
        } else {
            correction
        };
        self.correction_ms
            .store(milliseconds(correction), Ordering::Relaxed);
        self.set_shift(shift);
        (correction != known && correction != SignedDuration::ZERO).then_some(correction)
    }

    /// Runs `shift` ahead of the system's clock, once that is corrected.
    pub fn set_shift(&self, shift: SignedDuration) {
        let correction_ms = self.correction_ms.load(Ordering::Relaxed);
        self.ahead_ms
            .store(milliseconds(shift) + correction_ms, Ordering::Relaxed);
    }
}

fn milliseconds(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    /// Follows a database whose clock says something else by `off`.
    fn follow(clock: &Clock, off: SignedDuration, shift: SignedDuration) -> Option<SignedDuration> {
        let asked = clock.now();
        clock.follow(asked, asked + off, shift)
    }

    /// How far it runs ahead of the system's.
    fn ahead(clock: &Clock) -> SignedDuration {
        SignedDuration::from_millis(clock.ahead_ms.load(Ordering::Relaxed))
    }

    /// Whether two durations are the same, but for the moments that a test takes.
    fn is_about(one: SignedDuration, other: SignedDuration) -> bool {
        (one - other).abs() < AGREES
    }

    #[test]
    fn clocks_that_agree_are_left_alone() {
        let clock = Clock::default();
        let moment = SignedDuration::from_millis(400);
        for off in [SignedDuration::ZERO, moment, -moment] {
            assert_eq!(follow(&clock, off, SignedDuration::ZERO), None);
            assert_eq!(ahead(&clock), SignedDuration::ZERO);
        }
    }

    #[test]
    fn a_wrong_clock_is_corrected_once_and_then_kept() {
        for wrong in [HOUR, -HOUR] {
            let clock = Clock::default();
            let corrected = follow(&clock, wrong, SignedDuration::ZERO);
            assert!(is_about(corrected.unwrap(), wrong), "{corrected:?}");
            let kept = ahead(&clock);
            assert!(is_about(kept, wrong));
            let moment = SignedDuration::from_millis(5);
            assert_eq!(follow(&clock, moment, SignedDuration::ZERO), None);
            assert_eq!(ahead(&clock), kept);
            // The system's clock is set: what was corrected is taken back.
            assert_eq!(follow(&clock, -wrong, SignedDuration::ZERO), None);
            assert_eq!(ahead(&clock), SignedDuration::ZERO);
        }
    }

    #[test]
    fn a_shift_of_the_database_is_no_fault_of_a_clock() {
        let clock = Clock::default();
        assert_eq!(follow(&clock, HOUR, HOUR), None);
        assert_eq!(ahead(&clock), HOUR);
        assert_eq!(follow(&clock, SignedDuration::ZERO, HOUR), None);
        let corrected = follow(&clock, HOUR, HOUR).unwrap();
        assert!(is_about(corrected, HOUR));
        assert!(is_about(ahead(&clock), HOUR * 2));
    }

    #[test]
    fn an_answer_that_took_its_time_corrects_nothing_that_it_cannot_tell() {
        let clock = Clock::default();
        for known in [SignedDuration::ZERO, HOUR] {
            follow(&clock, known, SignedDuration::ZERO);
            let before = ahead(&clock);
            let now = clock.now();
            for took in [SignedDuration::from_mins(1), -HOUR] {
                let said = clock.follow(now - took, now, SignedDuration::ZERO);
                assert_eq!((said, ahead(&clock)), (None, before));
            }
        }
    }
}
