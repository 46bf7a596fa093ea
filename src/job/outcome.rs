//! What a failure means: one exhaustive match, so that a new failure has to be decided.

#![deny(clippy::wildcard_enum_match_arm)]

use jiff::Timestamp;

use crate::{
    accesslink::error::{Broken, Meaning},
    connection::RefreshError,
    model::DueCause,
    sync::Failure,
};

/// What follows from a failure of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling {
    /// A short stable word.
    pub class: &'static str,
    /// When the kind is due again.
    pub due: Due,
    /// Whether it counts as a failed attempt.
    pub is_attempt: bool,
    /// What becomes of the rest of the run.
    pub then: Then,
}

/// When a kind is due again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// After a wait that grows with the failures in a row.
    Retry,
    /// After a longer wait that grows with the failures in a row.
    Blocked,
    /// At an instant, for this cause.
    At(Timestamp, DueCause),
    /// When a window of the rate limit opens again; the client knows.
    WindowOpens,
    /// At once.
    Now,
}

/// What becomes of the rest of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The next kind has its turn.
    NextKind,
    /// The run ends, and what it did is written down.
    EndRun,
    /// Polar is asked how the user stands; then it is decided.
    Judge(Signal),
    /// The run ends, and nothing may be written: the ledger cannot be reached.
    LeaveOpen,
    /// The run ends, and nothing may be written: another run has the lease.
    Abandon,
}

/// What an answer says about a connection, to be confirmed before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The token is refused.
    Unauthorized,
    /// A consent is missing, or the user is not registered.
    Forbidden,
    /// The user is not known.
    Unknown,
}

impl Ruling {
    /// The ruling when asking how the user stands did not explain the failure: it counts, and is
    /// tried again ever later.
    #[must_use]
    pub const fn unexplained(self) -> Self {
        Self {
            is_attempt: true,
            then: Then::NextKind,
            ..self
        }
    }
}

/// Rules on a failure.
pub fn rule(failure: &Failure) -> Ruling {
    use Then::{Abandon, EndRun, LeaveOpen, NextKind};
    match failure {
        Failure::Call(error) => rule_call(&error.meaning),
        // What may pass by itself is tried again sooner than what is wrong with an item.
        Failure::Blocked { cause, .. } if cause.meaning.is_of_one_item() => {
            failed("blocked", Due::Blocked, NextKind)
        }
        Failure::Blocked { .. } => failed("blocked", Due::Retry, NextKind),
        Failure::Doubtful { until } => {
            waits("doubtful", Due::At(*until, DueCause::Doubt), NextKind)
        }
        Failure::TooOld { until } => waits("too_old", Due::At(*until, DueCause::Doubt), NextKind),
        Failure::Unsettled { until } => {
            waits("unsettled", Due::At(*until, DueCause::Doubt), NextKind)
        }
        Failure::NoProgress => failed("no_progress", Due::Retry, NextKind),
        Failure::Refresh(RefreshError::Exchange(_)) => failed("refresh", Due::Retry, EndRun),
        Failure::Refresh(RefreshError::Elsewhere) => waits("refresh", Due::Retry, EndRun),
        Failure::MoreWaits => waits("more_waits", Due::Now, NextKind),
        Failure::GaveWay => waits("gave_way", Due::Now, EndRun),
        Failure::Stopped => waits("stopped", Due::Now, EndRun),
        Failure::LeaseLost => waits("lease_lost", Due::Now, Abandon),
        Failure::Store(error) if error.is_transient() => waits("postgres", Due::Now, LeaveOpen),
        Failure::Store(_) => failed("postgres_refused", Due::Retry, NextKind),
        Failure::Raw(_) => failed("raw_body", Due::Retry, NextKind),
        // A fault of the configuration, of all users alike.
        Failure::Key(_) => waits("key", Due::Retry, EndRun),
    }
}

fn rule_call(meaning: &Meaning) -> Ruling {
    use Then::{EndRun, Judge, NextKind};
    let class = meaning.class();
    match meaning {
        Meaning::Unauthorized => waits(class, Due::Retry, Judge(Signal::Unauthorized)),
        Meaning::Forbidden => waits(class, Due::Retry, Judge(Signal::Forbidden)),
        Meaning::NotFound => waits(class, Due::Retry, Judge(Signal::Unknown)),
        Meaning::RateLimited => waits(class, Due::WindowOpens, EndRun),
        Meaning::WindowClosed(closed) => {
            waits(class, Due::At(closed.until, DueCause::Snooze), EndRun)
        }
        Meaning::CircuitOpen { until } => waits(class, Due::At(*until, DueCause::Snooze), EndRun),
        Meaning::TooLate => waits(class, Due::Retry, NextKind),
        Meaning::ServerFailed(_)
        | Meaning::TimedOut
        | Meaning::ConnectionFailed
        | Meaning::Conflict
        | Meaning::Redirected(_)
        | Meaning::Unexpected(_)
        | Meaning::Broken(
            Broken::CutOff | Broken::TooLarge | Broken::WrongType | Broken::Url(_) | Broken::Shape,
        ) => failed(class, Due::Retry, NextKind),
    }
}

const fn failed(class: &'static str, due: Due, then: Then) -> Ruling {
    Ruling {
        class,
        due,
        is_attempt: true,
        then,
    }
}

const fn waits(class: &'static str, due: Due, then: Then) -> Ruling {
    Ruling {
        class,
        due,
        is_attempt: false,
        then,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accesslink::{Closed, ClosedBy, Error, Operation};

    fn call(meaning: Meaning) -> Failure {
        Failure::Call(Error {
            operation: Operation::GetItem,
            meaning,
        })
    }

    #[test]
    fn waiting_is_not_failing() {
        let until = Timestamp::UNIX_EPOCH;
        for failure in [
            call(Meaning::RateLimited),
            call(Meaning::WindowClosed(Closed {
                until,
                why: ClosedBy::Quota,
            })),
            call(Meaning::CircuitOpen { until }),
            call(Meaning::TooLate),
            call(Meaning::Unauthorized),
            call(Meaning::Forbidden),
            Failure::Doubtful { until },
            Failure::TooOld { until },
            Failure::Unsettled { until },
            Failure::Refresh(RefreshError::Elsewhere),
            Failure::Stopped,
            Failure::GaveWay,
            Failure::LeaseLost,
        ] {
            assert!(!rule(&failure).is_attempt, "{failure}");
        }
    }

    #[test]
    fn a_failure_of_one_kind_leaves_the_next_one_its_turn() {
        for failure in [
            call(Meaning::ServerFailed(503)),
            call(Meaning::TimedOut),
            call(Meaning::ConnectionFailed),
            call(Meaning::Broken(Broken::Shape)),
            call(Meaning::Redirected(302)),
        ] {
            let ruling = rule(&failure);
            assert_eq!(
                (ruling.then, ruling.is_attempt),
                (Then::NextKind, true),
                "{failure}"
            );
        }
    }
}
