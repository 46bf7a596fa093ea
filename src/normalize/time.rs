//! Polar's spellings of times, and the one law of offsets: UTC = local − offset.

use jiff::{
    SignedDuration, Span, SpanRelativeTo, Timestamp,
    civil::{Date, DateTime},
    tz::Offset,
};

use super::Unreadable;

/// Least offset of local time in use, in minutes: −12:00.
const OFFSET_MIN_MINUTES: i32 = -12 * 60;
/// Greatest offset of local time in use, in minutes: +14:00.
const OFFSET_MAX_MINUTES: i32 = 14 * 60;

/// Longest duration that can be meant: ten years of 366 days.
const DURATION_MAX: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);

/// 0001-01-01T00:00:00Z. Nobody who reads can ask for an earlier time.
const FIRST_SECOND: i64 = -62_135_596_800;

/// A day of 24 hours.
pub(super) const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A date and time of day as it is written, with the zone that follows it, if one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The written date and time.
    pub(super) local: DateTime,
    /// The written zone.
    pub(super) zone: Option<Offset>,
}

impl Stamp {
    /// Reads `2031-05-06T07:00:01.250+02:00` and its lesser forms: a blank for the `T`, seconds left
    /// out or of one digit (`10:40:0.000Z`), any fraction or none, `Z`, `±HH:MM`, `±HHMM`, `±HH` or
    /// no zone. `24:00` is the end of the day.
    pub(super) fn parse(text: &str, path: &str) -> Result<Self, Unreadable> {
        let parse = || {
            let (day, clock) = text.trim().split_once(['T', 't', ' '])?;
            let (clock, zone) = split_zone(clock)?;
            let local = parse_date(day)?
                .at(0, 0, 0, 0)
                .checked_add(parse_clock(clock)?)
                .ok()?;
            Some(Self { local, zone })
        };
        parse().ok_or_else(|| Unreadable::new(path, "a date with a time of day"))
    }

    /// The instant; without a zone it counts as UTC.
    pub(super) fn instant(&self, path: &str) -> Result<Timestamp, Unreadable> {
        to_utc(self.local, self.zone.unwrap_or(Offset::UTC), path)
    }
}

/// UTC = local − offset.
pub(super) fn to_utc(local: DateTime, offset: Offset, path: &str) -> Result<Timestamp, Unreadable> {
    let at = offset.to_timestamp(local).ok();
    at.filter(|at| at.as_second() >= FIRST_SECOND)
        .ok_or_else(|| Unreadable::new(path, "a time within the years 1 to 9999"))
}

/// An instant of UTC, whether it is marked as such or not.
pub(super) fn utc(text: &str, path: &str) -> Result<Timestamp, Unreadable> {
    Stamp::parse(text, path)?.instant(path)
}

/// A calendar date.
pub(super) fn calendar_date(text: &str, path: &str) -> Result<Date, Unreadable> {
    parse_date(text.trim()).ok_or_else(|| Unreadable::new(path, "a date"))
}

/// The date that a text of Polar's means, if it is one.
pub fn date_of(text: &str) -> Option<Date> {
    parse_date(text.trim())
}

/// A time of day, as the time since midnight; at most 24 hours.
pub(super) fn time_of_day(text: &str, path: &str) -> Result<SignedDuration, Unreadable> {
    parse_clock(text.trim()).ok_or_else(|| Unreadable::new(path, "a time of day"))
}

/// An offset of local time, within those in use.
pub(super) fn offset(minutes: i32) -> Option<Offset> {
    (OFFSET_MIN_MINUTES..=OFFSET_MAX_MINUTES)
        .contains(&minutes)
        .then(|| Offset::from_seconds(minutes * 60).ok())?
}

/// An offset as it is stored.
pub(super) fn offset_minutes(offset: Offset) -> Option<i16> {
    i16::try_from(offset.seconds() / 60).ok()
}

/// An ISO-8601 duration of weeks, days of 24 hours, hours, minutes and seconds.
pub(super) fn duration(text: &str, path: &str) -> Result<SignedDuration, Unreadable> {
    let parse = || {
        let text = text.trim();
        // The parser also knows a friendlier format, which Polar does not use.
        let span: Span = text.starts_with(['P', 'p']).then(|| text.parse().ok())??;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        (SignedDuration::ZERO..=DURATION_MAX)
            .contains(&duration)
            .then_some(duration)
    };
    parse().ok_or_else(|| Unreadable::new(path, "an ISO-8601 duration of at most ten years"))
}

/// Whole milliseconds between two instants, as stored offsets hold them: up to 24 days.
pub(super) fn milliseconds_between(from: Timestamp, to: Timestamp) -> Option<i32> {
    i32::try_from(to.duration_since(from).as_millis()).ok()
}

fn parse_date(text: &str) -> Option<Date> {
    let mut fields = text.split('-');
    let (year, month, day) = (fields.next()?, fields.next()?, fields.next()?);
    let complete = fields.next().is_none() && year.len() == 4;
    if !complete {
        return None;
    }
    let year = i16::try_from(digits(year)?).ok()?;
    let month = i8::try_from(digits(month)?).ok()?;
    let day = i8::try_from(digits(day)?).ok()?;
    Date::new(year, month, day).ok().filter(|_| year > 0)
}

/// The time of day and the zone behind it; the outer option is whether that is readable.
fn split_zone(text: &str) -> Option<(&str, Option<Offset>)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, Some(Offset::UTC)));
    }
    let Some(sign) = text.find(['+', '-', '\u{2212}']) else {
        return Some((text, None));
    };
    let (clock, zone) = text.split_at(sign);
    let mut zone = zone.chars();
    let direction = if zone.next()? == '+' { 1 } else { -1 };
    let zone = zone.as_str();
    let (hours, minutes) = match zone.split_once(':') {
        Some(fields) => fields,
        None if zone.len() == 4 => zone.split_at_checked(2)?,
        None => (zone, "0"),
    };
    let minutes = two_digits(hours)? * 60 + two_digits(minutes).filter(|minutes| *minutes < 60)?;
    Some((clock, Some(offset(direction * minutes)?)))
}

/// The time since midnight.
fn parse_clock(text: &str) -> Option<SignedDuration> {
    let mut fields = text.split(':');
    let hours = two_digits(fields.next()?)?;
    let minutes = two_digits(fields.next()?).filter(|minutes| *minutes < 60)?;
    let (seconds, fraction) = match fields.next() {
        Some(seconds) => seconds.split_once(['.', ',']).unwrap_or((seconds, "0")),
        None => ("0", "0"),
    };
    let seconds = two_digits(seconds).filter(|seconds| *seconds < 60)?;
    if fields.next().is_some() {
        return None;
    }
    let whole = i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
    let time = SignedDuration::new(whole, nanoseconds(fraction)?);
    (time <= DAY).then_some(time)
}

/// The nanoseconds of a fraction; digits beyond the ninth are cut.
fn nanoseconds(fraction: &str) -> Option<i32> {
    if fraction.is_empty() || !fraction.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let nine: String = fraction
        .chars()
        .chain(std::iter::repeat('0'))
        .take(9)
        .collect();
    nine.parse().ok()
}

fn two_digits(text: &str) -> Option<i32> {
    digits(text).filter(|_| text.len() <= 2)
}

/// Digits and nothing else: no sign, no blank.
fn digits(text: &str) -> Option<i32> {
    text.bytes()
        .all(|c| c.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2031-05-06T07:08:09", "2031-05-06T07:08:09Z", None)]
    #[case(
        "2031-05-06T07:08:09.1234567891Z",
        "2031-05-06T07:08:09.123456789Z",
        Some(0)
    )]
    #[case("2031-05-06T07:08", "2031-05-06T07:08:00Z", None)]
    #[case("2031-05-06 7:8:9,5", "2031-05-06T07:08:09.5Z", None)]
    #[case("2008-10-13T10:40:0.000Z", "2008-10-13T10:40:00Z", Some(0))]
    #[case("2031-05-06T07:08:09.675+02:00", "2031-05-06T05:08:09.675Z", Some(120))]
    #[case("2031-05-06T07:08:09-0930", "2031-05-06T16:38:09Z", Some(-570))]
    #[case("2031-05-06T07:08:09+14", "2031-05-05T17:08:09Z", Some(840))]
    #[case("2031-12-31T24:00", "2032-01-01T00:00:00Z", None)]
    #[case("0001-01-01T00:00Z", "0001-01-01T00:00:00Z", Some(0))]
    fn stamps_are_read(#[case] text: &str, #[case] instant: &str, #[case] zone: Option<i16>) {
        let stamp = Stamp::parse(text, "p").unwrap();
        assert_eq!(stamp.instant("p").unwrap(), instant.parse().unwrap());
        assert_eq!(stamp.zone.and_then(offset_minutes), zone);
    }

    #[rstest]
    #[case("")]
    #[case("2031-05-06")]
    #[case("T07:08")]
    #[case("2031-02-29T00:00")]
    #[case("2031-13-01T00:00")]
    #[case("-031-05-06T07:08")]
    #[case("+2031-05-06T07:08")]
    #[case("12031-05-06T07:08")]
    #[case("31-05-06T07:08")]
    #[case("2031-05-06T24:00:01")]
    #[case("2031-05-06T25:00")]
    #[case("2031-05-06T07:60")]
    #[case("2031-05-06T07:08:60")]
    #[case("2031-05-06T07")]
    #[case("2031-05-06T07:08:09.")]
    #[case("2031-05-06T07:08:09.5e3")]
    #[case("2031-05-06T07:08:09:10")]
    #[case("2031-05-06T07:08+14:01")]
    #[case("2031-05-06T07:08-12:01")]
    #[case("2031-05-06T07:08+1:60")]
    #[case("2031-05-06T07:08+é9")]
    #[case("2031-05-06T07:08 UTC")]
    #[case("2031-05-06T-7:08")]
    #[case("9999-12-31T24:00")]
    #[case("0000-12-31T23:59")]
    fn what_is_no_stamp_is_refused(#[case] text: &str) {
        let error = Stamp::parse(text, "start_time").unwrap_err();
        assert_eq!(
            error.to_string(),
            "start_time: expected a date with a time of day"
        );
    }

    #[test]
    fn the_ends_of_time_are_errors_and_no_panic() {
        let last = Stamp::parse("9999-12-31T23:59:59", "p").unwrap();
        assert!(last.instant("p").is_err());
        for minutes in [OFFSET_MIN_MINUTES, OFFSET_MAX_MINUTES] {
            let offset = offset(minutes).unwrap();
            assert!(to_utc(date(1, 1, 2).at(0, 0, 0, 0), offset, "p").is_ok());
            assert!(to_utc(date(0, 12, 31).at(0, 0, 0, 0), offset, "p").is_err());
            assert!(to_utc(last.local, offset, "p").is_err());
        }
    }

    #[rstest]
    #[case("PT6917.941S", 6_917_941)]
    #[case("PT2H44M", 9_840_000)]
    #[case("PT44M5.252S", 2_645_252)]
    #[case("PT8H", 28_800_000)]
    #[case("PT26H", 93_600_000)]
    #[case("P1DT2H", 93_600_000)]
    #[case("P1W", 604_800_000)]
    #[case(" pt0s ", 0)]
    #[case("PT1H29M13S", 5_353_000)]
    #[case("PT1.5H", 5_400_000)]
    fn durations_are_read(#[case] text: &str, #[case] milliseconds: i128) {
        assert_eq!(duration(text, "p").unwrap().as_millis(), milliseconds);
    }

    #[rstest]
    #[case("")]
    #[case("P")]
    #[case("PT")]
    #[case("-PT5S")]
    #[case("PT-5S")]
    #[case("P1Y")]
    #[case("P1M")]
    #[case("PT87841H")]
    #[case("PT99999999999999999999S")]
    #[case("P9999999D")]
    #[case("2 hours")]
    #[case("5")]
    #[case("PT1H garbage")]
    fn what_is_no_duration_is_refused(#[case] text: &str) {
        assert!(duration(text, "p").is_err(), "{text}");
    }

    #[test]
    fn ten_years_are_the_limit() {
        assert!(duration("P3660D", "p").is_ok());
        assert!(duration("P3660DT1S", "p").is_err());
    }

    #[rstest]
    #[case("12:37:33.000", 45_453)]
    #[case("00:00", 0)]
    #[case("7:05", 25_500)]
    #[case("24:00", 86_400)]
    fn times_of_day_are_read(#[case] text: &str, #[case] seconds: i64) {
        assert_eq!(time_of_day(text, "p").unwrap().as_secs(), seconds);
    }

    #[test]
    fn what_is_no_time_of_day_is_refused() {
        for text in [
            "", "string", "24:01", "12", "12:", ":12", "12:3x", "-1:00", "012:00",
        ] {
            assert!(time_of_day(text, "p").is_err(), "{text}");
        }
    }
}
