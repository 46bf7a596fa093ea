//! The calls that read: events, samples, summaries and the change feed.
//!
//! Owns the JSON of records and how lists of them are cut into pages. Answers of a known size are made in memory and
//! have a tag of their bytes; samples and routes go out in pieces, and a slow reader holds no connection to Postgres.
//!
//! To add a list: a file with its row's JSON and a handler that asks a [`listing::Listing`] for its slice.

mod changes;
mod listing;
mod pieces;
mod range;
mod sleeps;
mod summaries;
mod timeseries;
mod words;
mod workout;
mod workouts;

use std::{fmt, sync::Arc, time::Duration};

use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::{Api, error::ApiError};
use crate::store::read::series::ReadError;
pub(super) use words::{known_series, workout_types};

/// How long to wait after a sync replaced what was being read.
const CHANGED_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Seconds of a minute.
const SECONDS_PER_MINUTE: f64 = 60.0;

/// The routes of reading.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(workouts::routes())
        .merge(workout::routes())
        .merge(sleeps::routes())
        .merge(timeseries::routes())
        .merge(summaries::routes())
        .merge(changes::routes())
}

/// Where data comes from.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the contract")]
pub(super) struct Source {
    /// Always `polar`.
    provider: &'static str,
    /// Always `polar`.
    source: &'static str,
    /// The device: its product name, else its id.
    device: Option<String>,
    /// Always null: Polar does not tell.
    device_type: Option<&'static str>,
    /// The product name of the device.
    device_name: Option<String>,
}

impl Source {
    /// The source of data of a device with this name and id.
    fn of(device: Option<String>, device_id: Option<String>) -> Self {
        Self {
            provider: super::PROVIDER,
            source: super::PROVIDER,
            device: device.clone().or(device_id),
            device_type: None,
            device_name: device,
        }
    }
}

/// Local time minus UTC, as `+02:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ZoneOffset(i16);

impl fmt::Display for ZoneOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl Serialize for ZoneOffset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Store(error) => error.into(),
            ReadError::Changed => Self::later(
                "changed_meanwhile",
                "a sync replaced the data while it was read; call again",
                CHANGED_RETRY_AFTER,
            ),
        }
    }
}

/// Whole minutes of seconds.
fn minutes(seconds: impl Into<f64>) -> i64 {
    whole(seconds.into() / SECONDS_PER_MINUTE)
}

/// Whole minutes of a sum of seconds.
fn minutes_of(seconds: i64) -> i64 {
    (seconds + 30).div_euclid(60)
}

/// The nearest whole number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates far beyond what anybody measures"
)]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

/// To two decimals: more of a derived number means nothing.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The sum of what is known, if anything is.
fn sum(parts: impl IntoIterator<Item = Option<i32>>) -> Option<i64> {
    let mut known = parts.into_iter().flatten().map(i64::from).peekable();
    known.peek()?;
    Some(known.sum())
}

/// How much of a time was slept, in percent.
fn efficiency(slept_s: Option<i64>, span_s: i64) -> Option<f64> {
    let slept_s = slept_s.filter(|_| span_s > 0)?;
    #[expect(clippy::cast_precision_loss, reason = "seconds of a night are few")]
    let percent = slept_s as f64 / span_s as f64 * 100.0;
    Some(rounded(percent.min(100.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_offset_has_a_sign_hours_and_minutes() {
        for (minutes, text) in [
            (0, "+00:00"),
            (120, "+02:00"),
            (-210, "-03:30"),
            (-30, "-00:30"),
            (845, "+14:05"),
        ] {
            assert_eq!(ZoneOffset(minutes).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_known_is_not_summed() {
        assert_eq!(sum([None, None]), None);
        assert_eq!(sum([Some(1), None, Some(2)]), Some(3));
        assert_eq!(minutes(90), 2);
        assert_eq!(efficiency(Some(50), 100), Some(50.0));
        assert_eq!(efficiency(Some(150), 100), Some(100.0));
        assert_eq!(efficiency(Some(50), 0), None);
        assert_eq!(efficiency(None, 100), None);
    }
}
