//! Nights as days: what was slept, and what the night measured.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    super::{
        super::{
            Api,
            auth::{Caller, Reads},
            error::{Answered, Refusals},
            page::{Page, tagged_json},
            params::{Params, PathUser},
            users,
        },
        Source, efficiency, minutes, minutes_of,
        sleeps::{Stages, slept_s},
    },
    Days, DaysQuery,
};
use crate::store::read;

/// The routes of this summary.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A night.
#[derive(Debug, Serialize, ToSchema)]
struct SleepSummary {
    /// The record, as the change feed names it.
    id: Uuid,
    /// The date of waking up.
    #[schema(value_type = String, format = Date)]
    date: Date,
    source: Source,
    #[schema(value_type = String, format = DateTime)]
    start_time: jiff::Timestamp,
    #[schema(value_type = String, format = DateTime)]
    end_time: jiff::Timestamp,
    /// Light, deep, REM and unrecognized sleep together.
    duration_minutes: Option<i64>,
    /// From the begin to the end.
    time_in_bed_minutes: i64,
    efficiency_percent: Option<f64>,
    stages: Stages,
    /// Always null: Polar tells how long they were, not how many.
    interruptions_count: Option<i64>,
    /// Always null: Polar does not tell.
    nap_count: Option<i64>,
    /// Always null: Polar does not tell.
    nap_duration_minutes: Option<i64>,
    /// Of the nightly recharge, as are the following.
    avg_heart_rate_bpm: Option<i16>,
    /// Always null: Polar measures RMSSD.
    avg_hrv_sdnn_ms: Option<f64>,
    avg_hrv_rmssd_ms: Option<i32>,
    avg_respiratory_rate: Option<f64>,
    /// Always null: Polar does not tell.
    avg_spo2_percent: Option<f64>,
    /// Polar's sleep score, 1 to 100.
    score: Option<i16>,
    /// From 1; grows with every change of the night's sleep.
    revision: i32,
    /// When this revision was stored.
    #[schema(value_type = String, format = DateTime)]
    updated_at: jiff::Timestamp,
}

impl From<read::Sleep> for SleepSummary {
    fn from(night: read::Sleep) -> Self {
        let span = night.end_at.duration_since(night.start_at);
        let slept_s = slept_s(&night);
        Self {
            id: night.record_id,
            date: night.date,
            start_time: night.start_at,
            end_time: night.end_at,
            duration_minutes: slept_s.map(minutes_of),
            time_in_bed_minutes: minutes(span.as_secs_f64()),
            efficiency_percent: efficiency(slept_s, span.as_secs()),
            stages: Stages::of(&night),
            interruptions_count: None,
            nap_count: None,
            nap_duration_minutes: None,
            avg_heart_rate_bpm: night.heart_rate_avg_bpm,
            avg_hrv_sdnn_ms: None,
            avg_hrv_rmssd_ms: night.hrv_rmssd_ms,
            avg_respiratory_rate: night.breathing_rate_brpm,
            avg_spo2_percent: None,
            score: night.score,
            revision: night.revision,
            updated_at: night.updated_at,
            source: Source::of(None, night.device_id),
        }
    }
}

/// List nights by date
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/summaries/sleep", tag = "read", operation_id = "list_sleep_summaries",
    params(("user_id" = String, Path, description = "The platform's own id of the user."), DaysQuery),
    responses((status = 200, body = Page<SleepSummary>), (status = 304, description = "What the client has is up to date."), Refusals)
)]
async fn list(
    _: Caller<Reads>,
    State(api): State<Arc<Api>>,
    PathUser(user_id): PathUser,
    headers: HeaderMap,
    params: Params,
) -> Answered<Response> {
    let days = Days::read(&params, "sleep", &user_id, &api)?;
    users::user(&api, &user_id).await?;
    let rows = api
        .store
        .sleeps_by_date(&user_id, &days.listing.slice())
        .await?;
    let count = api
        .store
        .count_sleeps_by_date(&user_id, days.listing.from(), days.until);
    let total = days.total(count).await?;
    let page = days.page(
        rows,
        total,
        |row| (row.date, row.record_id),
        SleepSummary::from,
    );
    tagged_json(&headers, &page)
}
