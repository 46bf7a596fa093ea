//! The body: the latest that is known of it.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    super::{
        super::{
            Api,
            auth::{Caller, Reads},
            error::{Answered, Refusals},
            page::tagged_json,
            params::PathUser,
            users,
        },
        Source, rounded,
    },
    midnight,
};
use crate::store::read;

/// The days that are averaged, today included.
const PERIOD_DAYS: i8 = 7;

/// Centimetres of a metre.
const CM_PER_M: f64 = 100.0;

/// The routes of this summary.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// What changes slowly.
#[derive(Debug, Serialize, ToSchema)]
struct SlowChanging {
    weight_kg: Option<f64>,
    height_cm: Option<f64>,
    /// Always null: Polar does not tell.
    body_fat_percent: Option<f64>,
    /// Always null: Polar does not tell.
    muscle_mass_kg: Option<f64>,
    bmi: Option<f64>,
    /// Always null: Polar does not tell.
    age: Option<i64>,
}

/// What is averaged over some days.
#[derive(Debug, Serialize, ToSchema)]
struct Averaged {
    period_days: i8,
    /// The user's own, as it holds at the end of the period.
    resting_heart_rate_bpm: Option<i16>,
    /// Always null: Polar measures RMSSD.
    avg_hrv_sdnn_ms: Option<f64>,
    /// The mean of the nights' means.
    avg_hrv_rmssd_ms: Option<f64>,
    #[schema(value_type = String, format = DateTime)]
    period_start: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    period_end: Timestamp,
}

/// What only holds while it is fresh: always nulls but for what Polar tells.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Latest {
    body_temperature_celsius: Option<f64>,
    skin_temperature_celsius: Option<f64>,
    temperature_measured_at: Option<String>,
    blood_pressure: Option<String>,
    blood_pressure_measured_at: Option<String>,
    max_heart_rate_bpm: Option<i16>,
    /// Millilitres a kilogram a minute.
    vo2_max: Option<i16>,
    /// Since when the user's physical information holds.
    #[schema(value_type = Option<String>, format = DateTime)]
    recorded_at: Option<Timestamp>,
}

/// A user's body.
#[derive(Debug, Serialize, ToSchema)]
struct BodySummary {
    source: Source,
    slow_changing: SlowChanging,
    averaged: Averaged,
    latest: Latest,
}

/// The days that are averaged: the first and the last date, and their instants.
struct Period {
    dates: (Date, Date),
    start: Timestamp,
    end: Timestamp,
}

impl Period {
    /// The days until `now`, whole ones in UTC.
    fn until(now: Timestamp) -> Self {
        let today = now.to_zoned(TimeZone::UTC).date();
        let first = today.saturating_sub((PERIOD_DAYS - 1).days());
        Self {
            dates: (first, today),
            start: midnight(first).unwrap_or(now),
            end: midnight(today.tomorrow().unwrap_or(today)).unwrap_or(now),
        }
    }
}

/// Show the state of the body
///
/// Nulls where nothing is known.
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/summaries/body", tag = "read", operation_id = "show_body_summary",
    params(("user_id" = String, Path, description = "The platform's own id of the user.")),
    responses((status = 200, body = BodySummary), (status = 304, description = "What the client has is up to date."), Refusals)
)]
async fn show(
    _: Caller<Reads>,
    State(api): State<Arc<Api>>,
    PathUser(user_id): PathUser,
    headers: HeaderMap,
) -> Answered<Response> {
    users::user(&api, &user_id).await?;
    let period = Period::until(api.clock.now());
    let body = api.store.body(&user_id).await?;
    let (first, last) = period.dates;
    let variability = api.store.nightly_variability(&user_id, first, last).await?;
    tagged_json(&headers, &summary(body.as_ref(), variability, &period))
}

fn summary(
    body: Option<&read::Body>,
    variability: read::NightlyVariability,
    period: &Period,
) -> BodySummary {
    let of = |get: fn(&read::Body) -> Option<f64>| body.and_then(get);
    let (weight_kg, height_cm) = (of(|body| body.weight_kg), of(|body| body.height_cm));
    BodySummary {
        source: Source::of(None, None),
        slow_changing: SlowChanging {
            weight_kg,
            height_cm,
            body_fat_percent: None,
            muscle_mass_kg: None,
            bmi: weight_kg.zip(height_cm).and_then(|(kg, cm)| bmi(kg, cm)),
            age: None,
        },
        averaged: Averaged {
            period_days: PERIOD_DAYS,
            resting_heart_rate_bpm: body.and_then(|body| body.resting_heart_rate_bpm),
            avg_hrv_sdnn_ms: None,
            avg_hrv_rmssd_ms: variability.rmssd_ms.map(rounded),
            period_start: period.start,
            period_end: period.end,
        },
        latest: Latest {
            max_heart_rate_bpm: body.and_then(|body| body.max_heart_rate_bpm),
            vo2_max: body.and_then(|body| body.vo2_max),
            recorded_at: body.map(|body| body.recorded_at),
            ..Latest::default()
        },
    }
}

/// Kilograms a square metre.
fn bmi(weight_kg: f64, height_cm: f64) -> Option<f64> {
    let metres = height_cm / CM_PER_M;
    let bmi = rounded(weight_kg / (metres * metres));
    (height_cm > 0.0 && bmi.is_finite()).then_some(bmi)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_without_height_has_no_index() {
        assert_eq!(bmi(76.5, 183.0), Some(22.84));
        assert_eq!(bmi(76.5, 0.0), None);
    }

    #[test]
    fn the_period_ends_with_today() {
        let period = Period::until("2026-03-07T12:00:00Z".parse().unwrap());
        assert_eq!(period.start.to_string(), "2026-03-01T00:00:00Z");
        assert_eq!(period.end.to_string(), "2026-03-08T00:00:00Z");
    }
}
