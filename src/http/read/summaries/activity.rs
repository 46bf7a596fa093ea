//! Days of activity.

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
        Source, minutes,
    },
    Days, DaysQuery,
};
use crate::store::read;

/// The routes of this summary.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Minutes of activity by how hard it was.
#[derive(Debug, Serialize, ToSchema)]
struct IntensityMinutes {
    light: Option<i64>,
    moderate: Option<i64>,
    vigorous: Option<i64>,
}

/// The heart rate of a day: always nulls, Polar does not tell.
#[derive(Debug, Default, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the contract")]
struct HeartRateStats {
    avg_bpm: Option<i16>,
    max_bpm: Option<i16>,
    min_bpm: Option<i16>,
}

/// A day's activity.
#[derive(Debug, Serialize, ToSchema)]
struct ActivitySummary {
    /// The record, as the change feed names it.
    id: Uuid,
    /// The device's local day.
    #[schema(value_type = String, format = Date)]
    date: Date,
    source: Source,
    /// Steps and step equivalents.
    steps: Option<i32>,
    /// Always null: Polar does not tell.
    distance_meters: Option<f64>,
    /// Always null: Polar does not tell.
    floors_climbed: Option<i64>,
    /// Always null: Polar does not tell.
    elevation_meters: Option<f64>,
    active_calories_kcal: Option<i32>,
    /// With basal metabolic rate.
    total_calories_kcal: Option<i32>,
    active_minutes: Option<i64>,
    sedentary_minutes: Option<i64>,
    intensity_minutes: IntensityMinutes,
    heart_rate: HeartRateStats,
    /// From 1; grows with every change of the day.
    revision: i32,
    /// When this revision was stored.
    #[schema(value_type = String, format = DateTime)]
    updated_at: jiff::Timestamp,
}

impl From<read::Activity> for ActivitySummary {
    fn from(day: read::Activity) -> Self {
        Self {
            id: day.record_id,
            date: day.date,
            source: Source::of(None, None),
            steps: day.steps,
            distance_meters: None,
            floors_climbed: None,
            elevation_meters: None,
            active_calories_kcal: day.active_calories_kcal,
            total_calories_kcal: day.calories_kcal,
            active_minutes: day.active_s.map(minutes),
            sedentary_minutes: day.sedentary_s.map(minutes),
            intensity_minutes: IntensityMinutes {
                light: day.light_s.map(minutes),
                moderate: day.moderate_s.map(minutes),
                vigorous: day.vigorous_s.map(minutes),
            },
            heart_rate: HeartRateStats::default(),
            revision: day.revision,
            updated_at: day.updated_at,
        }
    }
}

/// List days of activity
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/summaries/activity", tag = "read", operation_id = "list_activity_summaries",
    params(("user_id" = String, Path, description = "The platform's own id of the user."), DaysQuery),
    responses((status = 200, body = Page<ActivitySummary>), (status = 304, description = "What the client has is up to date."), Refusals)
)]
async fn list(
    _: Caller<Reads>,
    State(api): State<Arc<Api>>,
    PathUser(user_id): PathUser,
    headers: HeaderMap,
    params: Params,
) -> Answered<Response> {
    let days = Days::read(&params, "activity", &user_id, &api)?;
    users::user(&api, &user_id).await?;
    let rows = api
        .store
        .activities(&user_id, &days.listing.slice())
        .await?;
    let count = api
        .store
        .count_activities(&user_id, days.listing.from(), days.until);
    let total = days.total(count).await?;
    let page = days.page(
        rows,
        total,
        |row| (row.date, row.record_id),
        ActivitySummary::from,
    );
    tagged_json(&headers, &page)
}
