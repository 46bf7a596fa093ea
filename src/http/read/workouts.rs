//! Workouts: the list, and what is told of each.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    super::{
        Api,
        auth::{Caller, Reads},
        cursor::Question,
        error::{Answered, Refusals},
        page::{Metadata, Page, tagged_json},
        params::{Params, PathUser},
        users,
    },
    Source, ZoneOffset,
    listing::{Limits, Listing, Order},
    range::Range,
    rounded, whole, words,
};
use crate::store::read;

/// Rows of a page of events.
pub(super) const LIMITS: Limits = Limits {
    allowed: 1..=1_000,
    default: 50,
};

/// Metres of a kilometre.
const METRES_PER_KM: f64 = 1_000.0;

/// The routes of lists of workouts.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A training session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Workout {
    id: Uuid,
    /// The common workout type.
    #[schema(example = "running")]
    r#type: String,
    /// Polar's sport in plain words.
    #[schema(example = "Trail running")]
    name: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    start_time: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    end_time: Timestamp,
    /// Local time minus UTC; null where Polar does not tell.
    #[schema(value_type = Option<String>, example = "+02:00")]
    zone_offset: Option<ZoneOffset>,
    duration_seconds: i64,
    source: Source,
    calories_kcal: Option<i32>,
    distance_meters: Option<f64>,
    avg_heart_rate_bpm: Option<i16>,
    max_heart_rate_bpm: Option<i16>,
    /// Of the whole duration; null without a distance.
    avg_pace_sec_per_km: Option<f64>,
    /// Always null: Polar does not tell. The series `elevation` has the altitude.
    elevation_gain_meters: Option<f64>,
    /// `stored`, `absent` (Polar has none for now), `not_requested` or `gone` (Polar no longer has it).
    samples_state: String,
    /// As `samples_state`.
    zones_state: String,
    /// As `samples_state`.
    route_state: String,
    training_load: Option<f64>,
    running_index: Option<i32>,
    /// From 1; grows with every change of the workout or its parts.
    revision: i32,
    /// When this revision was stored.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<read::Workout> for Workout {
    fn from(workout: read::Workout) -> Self {
        Self {
            id: workout.record_id,
            r#type: workout.workout_type,
            name: workout.polar_sport.as_deref().and_then(words::sport_name),
            start_time: workout.start_at,
            end_time: workout.end_at,
            zone_offset: workout.utc_offset_minutes.map(ZoneOffset),
            duration_seconds: whole(workout.duration_s),
            source: Source::of(workout.device, workout.device_id),
            calories_kcal: workout.calories_kcal,
            distance_meters: workout.distance_m,
            avg_heart_rate_bpm: workout.heart_rate_avg_bpm,
            max_heart_rate_bpm: workout.heart_rate_max_bpm,
            avg_pace_sec_per_km: pace(workout.duration_s, workout.distance_m),
            elevation_gain_meters: None,
            samples_state: workout.samples_state,
            zones_state: workout.zones_state,
            route_state: workout.route_state,
            training_load: workout.training_load,
            running_index: workout.running_index,
            revision: workout.revision,
            updated_at: workout.updated_at,
        }
    }
}

/// Seconds a kilometre.
fn pace(duration_s: f64, distance_m: Option<f64>) -> Option<f64> {
    let distance_m = distance_m.filter(|distance_m| *distance_m > 0.0)?;
    let pace = rounded(duration_s / distance_m * METRES_PER_KM);
    pace.is_finite().then_some(pace)
}

/// Which events are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters; the handler reads them")]
struct ListQuery {
    /// Those that start at this instant or later; without it, thirty days before `end_date` or before today.
    start_date: Option<String>,
    /// Those that start before this instant, or on this date or before.
    end_date: Option<String>,
    /// Only those of this workout type.
    #[param(example = "running")]
    record_type: Option<String>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<i64>,
    /// Count all pages.
    #[param(default = false)]
    include_total: Option<bool>,
}

/// List workouts
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/events/workouts", tag = "read", operation_id = "list_workouts",
    params(("user_id" = String, Path, description = "The platform's own id of the user."), ListQuery),
    responses((status = 200, body = Page<Workout>), (status = 304, description = "What the client has is up to date."), Refusals)
)]
async fn list(
    _: Caller<Reads>,
    State(api): State<Arc<Api>>,
    PathUser(user_id): PathUser,
    headers: HeaderMap,
    params: Params,
) -> Answered<Response> {
    let range = Range::read(&params, "start_date", "end_date", api.clock.now())?;
    let workout_type = params.one("record_type")?;
    let workout_type = workout_type
        .map(|word| words::workout_type("record_type", word))
        .transpose()?;
    let is_counted = params.flag("include_total", false)?;
    let given = (params.one("start_date")?, params.one("end_date")?);
    let question = Question::of("workouts", &(user_id.as_str(), given, workout_type));
    let bounds = (range.from, range.end());
    let listing = Listing::read(&params, question, Order::NewestFirst, bounds, LIMITS)?;
    users::user(&api, &user_id).await?;
    let rows = api
        .store
        .workouts(&user_id, &listing.slice(), workout_type)
        .await?;
    let (rows, mut pagination) = listing.page(rows, |row| (row.start_at, row.record_id));
    if is_counted {
        let total = api
            .store
            .count_workouts(&user_id, listing.from(), range.end(), workout_type);
        pagination.total_count = Some(total.await?);
    }
    let data: Vec<_> = rows.into_iter().map(Workout::from).collect();
    let metadata = Metadata {
        resolution: None,
        sample_count: data.len(),
        start_time: Some(listing.from()),
        end_time: range.until,
    };
    let page = Page {
        data,
        pagination,
        metadata,
    };
    tagged_json(&headers, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_is_seconds_a_kilometre() {
        assert_eq!(pace(2_400.0, Some(8_000.0)), Some(300.0));
        assert_eq!(pace(2_645.252, Some(5_995.0)), Some(441.24));
        assert_eq!(pace(60.0, Some(0.0)), None);
        assert_eq!(pace(60.0, None), None);
        assert_eq!(pace(60.0, Some(f64::MIN_POSITIVE)), None);
    }
}
