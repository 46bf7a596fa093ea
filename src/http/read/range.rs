//! The range of a list: from when until when.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use super::super::{
    error::{Answered, ApiError},
    params::Params,
};

/// How far a range reaches back where nothing says from when.
const DEFAULT_DAYS: i64 = 30;

/// Seconds of a day.
const DAY_S: i64 = 24 * 60 * 60;

/// The first second of the year 1: parameters reach no further back.
const EARLIEST_S: i64 = -62_135_596_800;

/// A range of instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// The first instant.
    pub(super) from: Timestamp,
    /// The first instant that no longer belongs to it; none where it is open.
    pub(super) until: Option<Timestamp>,
}

impl Range {
    /// Reads a range. Without a beginning it begins thirty days before its end or before today, and without an end
    /// it is open.
    pub(super) fn read(
        params: &Params,
        from_name: &str,
        until_name: &str,
        now: Timestamp,
    ) -> Answered<Self> {
        let until = params.until(until_name)?;
        let from = params.from(from_name)?.unwrap_or_else(|| match until {
            Some(until) => days_before(until),
            // The whole day, so that the same question asked again has the same answer.
            None => days_before(day_of(now)),
        });
        if until.is_some_and(|until| until <= from) {
            let problem = format!(
                "it is not after {from}, where the range begins; is it exchanged with that?"
            );
            return Err(ApiError::parameter(until_name, problem));
        }
        Ok(Self { from, until })
    }

    /// The first instant that no longer belongs to it.
    pub(super) fn end(&self) -> Timestamp {
        self.until.unwrap_or(Timestamp::MAX)
    }

    /// The first date, and the first one that no longer belongs to it.
    pub(super) fn dates(&self) -> (Date, Date) {
        let from = date(self.from);
        let until = self.until.map_or(Date::MAX, |until| {
            // A date belongs to it when any instant of it does.
            let last = until - SignedDuration::from_nanos(1);
            date(last.max(self.from)).tomorrow().unwrap_or(Date::MAX)
        });
        (from, until)
    }
}

fn date(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn day_of(at: Timestamp) -> Timestamp {
    second(at.as_second().div_euclid(DAY_S) * DAY_S)
}

fn days_before(at: Timestamp) -> Timestamp {
    second((at.as_second() - DEFAULT_DAYS * DAY_S).max(EARLIEST_S))
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Answered<Range> {
        let now = "2026-03-31T12:34:56Z".parse().unwrap();
        Range::read(&Params::of(query).unwrap(), "start", "end", now)
    }

    fn range(query: &str) -> (String, Option<String>) {
        let range = read(query).unwrap();
        (
            range.from.to_string(),
            range.until.map(|until| until.to_string()),
        )
    }

    #[test]
    fn what_is_not_given_is_the_last_thirty_days() {
        let (first, last) = ("2026-03-01T00:00:00Z".to_owned(), "2026-03-31T00:00:00Z");
        assert_eq!(range(""), (first.clone(), None));
        assert_eq!(range("start=2026-03-01"), (first.clone(), None));
        assert_eq!(range("end=2026-03-30"), (first, Some(last.to_owned())));
        assert_eq!(range("end=0001-01-02").0, "0001-01-01T00:00:00Z");
    }

    #[test]
    fn a_reversed_range_is_refused() {
        assert!(read("start=2026-03-02&end=2026-03-01").is_err());
        assert!(read("start=2026-03-02&end=2026-03-01T00:00:00Z").is_err());
        assert!(read("start=2026-03-02&end=2026-03-02").is_ok());
    }

    #[test]
    fn a_date_belongs_to_a_range_that_touches_it() {
        let dates = |query| {
            let (from, until) = read(query).unwrap().dates();
            format!("{from}..{until}")
        };
        assert_eq!(
            dates("start=2026-03-01&end=2026-03-02"),
            "2026-03-01..2026-03-03"
        );
        assert_eq!(
            dates("start=2026-03-01T05:00:00Z&end=2026-03-02T00:00:01Z"),
            "2026-03-01..2026-03-03"
        );
        assert_eq!(dates("start=2026-03-01"), "2026-03-01..9999-12-31");
    }
}
