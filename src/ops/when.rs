//! Instants and spans as people read them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;

/// The present instant, by which others are told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present(pub(super) Timestamp);

impl Present {
    /// An instant in UTC with its distance from now: `2026-03-20 12:00:00 UTC (in 5 min)`.
    pub(super) fn at(self, instant: Timestamp) -> String {
        format!("{} ({})", utc(instant), self.distance(instant))
    }

    /// An instant that may be missing.
    pub(super) fn at_or(self, instant: Option<Timestamp>, missing: &str) -> String {
        instant.map_or_else(|| missing.to_owned(), |instant| self.at(instant))
    }

    /// The distance from now: `in 5 min`, `5 min ago`, `now`.
    pub(super) fn distance(self, instant: Timestamp) -> String {
        let distance = instant.duration_since(self.0);
        let text = span(distance.unsigned_abs());
        if distance.as_secs() == 0 {
            "now".to_owned()
        } else if distance.is_positive() {
            format!("in {text}")
        } else {
            format!("{text} ago")
        }
    }

    /// How long something has lasted that began at `instant`.
    pub(super) fn since(self, instant: Timestamp) -> String {
        let lasted = self.0.duration_since(instant);
        span(lasted.max(SignedDuration::ZERO).unsigned_abs())
    }

    /// Whether `instant` is over.
    pub(super) fn is_past(self, instant: Timestamp) -> bool {
        instant <= self.0
    }
}

/// An instant in UTC, to the second.
pub(super) fn utc(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A span in its two largest units: `2 d 3 h`, `5 min`, `40 s`.
pub(super) fn span(span: Duration) -> String {
    let s = span.as_secs();
    let two = |large: u64, large_name: &str, small: u64, small_name: &str| match s % large / small {
        0 => format!("{} {large_name}", s / large),
        rest => format!("{} {large_name} {rest} {small_name}", s / large),
    };
    match s {
        0 => format!("{} ms", span.as_millis()),
        1..MINUTE_S => format!("{s} s"),
        MINUTE_S..HOUR_S => two(MINUTE_S, "min", 1, "s"),
        HOUR_S..DAY_S => two(HOUR_S, "h", MINUTE_S, "min"),
        DAY_S.. => two(DAY_S, "d", HOUR_S, "h"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "now")]
    #[case(40, "in 40 s")]
    #[case(-40, "40 s ago")]
    #[case(300, "in 5 min")]
    #[case(-301, "5 min 1 s ago")]
    #[case(7_260, "in 2 h 1 min")]
    #[case(-3 * 86_400, "3 d ago")]
    #[case(90_000, "in 1 d 1 h")]
    fn distances_are_told_in_two_units(#[case] seconds: i64, #[case] expected: &str) {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let instant = now + SignedDuration::from_secs(seconds);
        assert_eq!(Present(now).distance(instant), expected);
    }

    #[test]
    fn an_instant_is_told_both_ways() {
        let now: Timestamp = "2026-03-20T12:00:00Z".parse().unwrap();
        let text = Present(now).at("2026-03-20T12:05:00Z".parse().unwrap());
        assert_eq!(text, "2026-03-20 12:05:00 UTC (in 5 min)");
    }
}
