//! How AccessLink writes instants, local times and durations.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::switches::{DurationStyle, Seconds};

/// An instant with milliseconds: `2023-05-16T18:10:02.000Z`.
pub(crate) fn instant_ms(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// An instant without a fraction: `2026-02-01T11:48:20Z`.
pub(crate) fn instant_s(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The wall time at a fixed distance from UTC.
pub(crate) fn wall_time(at: Timestamp, offset_min: i32) -> DateTime {
    Offset::from_seconds(offset_min * 60)
        .unwrap_or(Offset::UTC)
        .to_datetime(at)
}

/// A wall time without its zone: `2023-05-15T17:05:38`, where asked for without seconds that are zero.
pub(crate) fn local(time: DateTime, seconds: Seconds) -> String {
    if seconds == Seconds::OmittedWhenZero && time.second() == 0 {
        time.strftime("%Y-%m-%dT%H:%M").to_string()
    } else {
        time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
    }
}

/// A wall time with milliseconds and its offset: `2025-09-30T23:33:22.675+01:00`.
pub(crate) fn local_with_offset(at: Timestamp, offset_min: i32) -> String {
    let time = wall_time(at, offset_min).strftime("%Y-%m-%dT%H:%M:%S%.3f");
    let sign = if offset_min < 0 { '-' } else { '+' };
    format!(
        "{time}{sign}{:02}:{:02}",
        offset_min.abs() / 60,
        offset_min.abs() % 60
    )
}

/// `HH:MM`, the key of the maps of a night.
pub(crate) fn minute(at: Timestamp, offset_min: i32) -> String {
    wall_time(at, offset_min).strftime("%H:%M").to_string()
}

/// A duration in the family's own style, unless a switch asks for one style everywhere.
pub(crate) fn duration_ms(duration_ms: i64, own: DurationStyle, switch: DurationStyle) -> String {
    let style = if switch == DurationStyle::AsObserved {
        own
    } else {
        switch
    };
    if style == DurationStyle::Seconds {
        return format!("PT{}.{:03}S", duration_ms / 1000, duration_ms % 1000);
    }
    let mut text = String::from("PT");
    let (hours, minutes) = (duration_ms / 3_600_000, duration_ms / 60_000 % 60);
    let rest_ms = duration_ms % 60_000;
    if hours > 0 {
        _ = write!(text, "{hours}H");
    }
    if minutes > 0 {
        _ = write!(text, "{minutes}M");
    }
    match (rest_ms / 1000, rest_ms % 1000) {
        (0, 0) if text.len() > 2 => {}
        (seconds, 0) => _ = write!(text, "{seconds}S"),
        (seconds, ms) => _ = write!(text, "{seconds}.{ms:03}S"),
    }
    text
}

/// Whole seconds in the normalised style, as zones have them: `PT1H29M13S`.
pub(crate) fn zone_s(in_zone_s: i64) -> String {
    duration_ms(
        in_zone_s * 1000,
        DurationStyle::Normalised,
        DurationStyle::AsObserved,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_both_styles() {
        let write = |ms, style| duration_ms(ms, style, DurationStyle::AsObserved);
        assert_eq!(write(2_645_252, DurationStyle::Normalised), "PT44M5.252S");
        assert_eq!(write(9_840_000, DurationStyle::Normalised), "PT2H44M");
        assert_eq!(write(6_917_941, DurationStyle::Seconds), "PT6917.941S");
        assert_eq!(zone_s(0), "PT0S");
        assert_eq!(zone_s(5353), "PT1H29M13S");
    }

    #[test]
    fn offsets_of_half_hours_keep_their_sign() {
        let at: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        assert_eq!(local_with_offset(at, -570), "2026-03-01T00:30:00.000-09:30");
        assert_eq!(local_with_offset(at, 840), "2026-03-02T00:00:00.000+14:00");
    }
}
