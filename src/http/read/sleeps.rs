//! Nights: the list with its stages.

use std::{collections::HashMap, sync::Arc};

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
    Source, ZoneOffset, efficiency,
    listing::{Listing, Order},
    minutes,
    range::Range,
    sum,
    workouts::LIMITS,
};
use crate::store::read;

/// The routes of nights.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Minutes of the stages of a night.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the contract")]
pub(super) struct Stages {
    awake_minutes: Option<i64>,
    light_minutes: Option<i64>,
    deep_minutes: Option<i64>,
    rem_minutes: Option<i64>,
}

impl Stages {
    /// The stages of a night.
    pub(super) fn of(night: &read::Sleep) -> Self {
        Self {
            awake_minutes: night.interruption_s.map(minutes),
            light_minutes: night.light_s.map(minutes),
            deep_minutes: night.deep_s.map(minutes),
            rem_minutes: night.rem_s.map(minutes),
        }
    }
}

/// Seconds of sleep in a night.
pub(super) fn slept_s(night: &read::Sleep) -> Option<i64> {
    sum([
        night.light_s,
        night.deep_s,
        night.rem_s,
        night.unrecognized_s,
    ])
}

/// An interval of one stage.
#[derive(Debug, Serialize, ToSchema)]
struct StageInterval {
    /// `awake`, `light`, `deep`, `rem` or `unknown`.
    stage: &'static str,
    #[schema(value_type = String, format = DateTime)]
    start_time: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    end_time: Timestamp,
}

/// A night.
#[derive(Debug, Serialize, ToSchema)]
struct SleepSession {
    id: Uuid,
    /// The date of waking up.
    #[schema(value_type = String, format = Date)]
    date: jiff::civil::Date,
    #[schema(value_type = String, format = DateTime)]
    start_time: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    end_time: Timestamp,
    /// Local time minus UTC; null where Polar does not tell.
    #[schema(value_type = Option<String>, example = "+02:00")]
    zone_offset: Option<ZoneOffset>,
    source: Source,
    /// From the begin to the end.
    duration_seconds: i64,
    /// Light, deep, REM and unrecognized sleep together.
    sleep_duration_seconds: Option<i64>,
    /// How much of the duration was slept.
    efficiency_percent: Option<f64>,
    stages: Stages,
    sleep_stage_intervals: Vec<StageInterval>,
    /// Always false: Polar tells of nights only.
    is_nap: bool,
    /// Polar's sleep score, 1 to 100.
    score: Option<i16>,
    /// Polar's continuity, 1.0 to 5.0.
    continuity: Option<f64>,
    cycles: Option<i16>,
    /// Polar's sleep charge, 1 to 5.
    sleep_charge: Option<i16>,
    /// From 1; grows with every change of the night, its stages or its series.
    revision: i32,
    /// When this revision was stored.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl SleepSession {
    fn of(night: read::Sleep, intervals: Vec<StageInterval>) -> Self {
        let span_s = night.end_at.duration_since(night.start_at).as_secs();
        let slept_s = slept_s(&night);
        Self {
            id: night.record_id,
            date: night.date,
            start_time: night.start_at,
            end_time: night.end_at,
            zone_offset: night.utc_offset_minutes.map(ZoneOffset),
            duration_seconds: span_s,
            sleep_duration_seconds: slept_s,
            efficiency_percent: efficiency(slept_s, span_s),
            stages: Stages::of(&night),
            source: Source::of(None, night.device_id),
            sleep_stage_intervals: intervals,
            is_nap: false,
            score: night.score,
            continuity: night.continuity,
            cycles: night.cycles,
            sleep_charge: night.sleep_charge,
            revision: night.revision,
            updated_at: night.updated_at,
        }
    }
}

/// Which nights are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters; the handler reads them")]
struct ListQuery {
    /// Those that begin at this instant or later; without it, thirty days before `end_date` or before today.
    start_date: Option<String>,
    /// Those that begin before this instant, or on this date or before.
    end_date: Option<String>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<i64>,
    /// Count all pages.
    #[param(default = false)]
    include_total: Option<bool>,
}

/// List nights
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/events/sleep", tag = "read", operation_id = "list_sleep",
    params(("user_id" = String, Path, description = "The platform's own id of the user."), ListQuery),
    responses((status = 200, body = Page<SleepSession>), (status = 304, description = "What the client has is up to date."), Refusals)
)]
async fn list(
    _: Caller<Reads>,
    State(api): State<Arc<Api>>,
    PathUser(user_id): PathUser,
    headers: HeaderMap,
    params: Params,
) -> Answered<Response> {
    let range = Range::read(&params, "start_date", "end_date", api.clock.now())?;
    let is_counted = params.flag("include_total", false)?;
    let given = (params.one("start_date")?, params.one("end_date")?);
    let question = Question::of("sleep", &(user_id.as_str(), given));
    let bounds = (range.from, range.end());
    let listing = Listing::read(&params, question, Order::NewestFirst, bounds, LIMITS)?;
    users::user(&api, &user_id).await?;
    let rows = api.store.sleeps(&user_id, &listing.slice()).await?;
    let (nights, mut pagination) = listing.page(rows, |row| (row.start_at, row.record_id));
    if is_counted {
        let total = api
            .store
            .count_sleeps(&user_id, listing.from(), range.end());
        pagination.total_count = Some(total.await?);
    }
    let mut intervals: HashMap<Uuid, Vec<StageInterval>> = HashMap::new();
    for stage in api.store.stages_of(&nights).await? {
        let night = intervals.entry(stage.record_id).or_default();
        night.push(StageInterval {
            stage: stage.stage.as_str(),
            start_time: stage.start_at,
            end_time: stage.end_at,
        });
    }
    let data: Vec<_> = nights
        .into_iter()
        .map(|night| {
            let intervals = intervals.remove(&night.record_id).unwrap_or_default();
            SleepSession::of(night, intervals)
        })
        .collect();
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
