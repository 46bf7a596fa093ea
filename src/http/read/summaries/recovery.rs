//! Recovery: nightly recharges.

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
        Source, efficiency, sum,
    },
    Days, DaysQuery,
};
use crate::store::read;

/// The routes of this summary.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The least and the most of Polar's status, and what a step of it is worth of a hundred.
const STATUS_MIN: i16 = 1;
const STATUS_MAX: i16 = 6;
const STATUS_STEP: i16 = 100 / (STATUS_MAX - STATUS_MIN);

/// A night's recovery.
#[derive(Debug, Serialize, ToSchema)]
struct RecoverySummary {
    /// The record, as the change feed names it.
    id: Uuid,
    /// The date of waking up.
    #[schema(value_type = String, format = Date)]
    date: Date,
    source: Source,
    sleep_duration_seconds: Option<i64>,
    sleep_efficiency_percent: Option<f64>,
    /// Always null: Polar does not tell it of a night. The summary `body` has the user's own.
    resting_heart_rate_bpm: Option<i16>,
    /// Always null: Polar measures RMSSD.
    avg_hrv_sdnn_ms: Option<f64>,
    avg_hrv_rmssd_ms: Option<i32>,
    /// Always null: Polar does not tell.
    avg_spo2_percent: Option<f64>,
    /// Polar's `status` on a scale from 0 (1, very poor) to 100 (6, very good).
    recovery_score: Option<i16>,
    /// Polar's ANS charge, -10.0 to +10.0: about 0 is usual.
    ans_charge: Option<f64>,
    /// Polar's status of the nightly recharge, 1 (very poor) to 6 (very good).
    status: Option<i16>,
    /// From 1; grows with every change of the nightly recharge.
    revision: i32,
    /// When this revision was stored.
    #[schema(value_type = String, format = DateTime)]
    updated_at: jiff::Timestamp,
}

impl From<read::Recovery> for RecoverySummary {
    fn from(night: read::Recovery) -> Self {
        let slept_s = sum(night.stages_s);
        let span_s = night
            .slept
            .map(|(from, to)| to.duration_since(from).as_secs());
        Self {
            id: night.record_id,
            date: night.date,
            source: Source::of(None, night.device_id),
            sleep_duration_seconds: slept_s,
            sleep_efficiency_percent: span_s.and_then(|span_s| efficiency(slept_s, span_s)),
            resting_heart_rate_bpm: None,
            avg_hrv_sdnn_ms: None,
            avg_hrv_rmssd_ms: night.hrv_rmssd_ms,
            avg_spo2_percent: None,
            recovery_score: night.status.and_then(score),
            ans_charge: night.ans_charge,
            status: night.status,
            revision: night.revision,
            updated_at: night.updated_at,
        }
    }
}

/// A status as percent; none where it is not one of Polar's.
fn score(status: i16) -> Option<i16> {
    (STATUS_MIN..=STATUS_MAX)
        .contains(&status)
        .then(|| (status - STATUS_MIN) * STATUS_STEP)
}

/// List nights of recovery
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/summaries/recovery", tag = "read", operation_id = "list_recovery_summaries",
    params(("user_id" = String, Path, description = "The platform's own id of the user."), DaysQuery),
    responses((status = 200, body = Page<RecoverySummary>), (status = 304, description = "What the client has is up to date."), Refusals)
)]
async fn list(
    _: Caller<Reads>,
    State(api): State<Arc<Api>>,
    PathUser(user_id): PathUser,
    headers: HeaderMap,
    params: Params,
) -> Answered<Response> {
    let days = Days::read(&params, "recovery", &user_id, &api)?;
    users::user(&api, &user_id).await?;
    let rows = api
        .store
        .recoveries(&user_id, &days.listing.slice())
        .await?;
    let count = api
        .store
        .count_recoveries(&user_id, days.listing.from(), days.until);
    let total = days.total(count).await?;
    let page = days.page(
        rows,
        total,
        |row| (row.date, row.record_id),
        RecoverySummary::from,
    );
    tagged_json(&headers, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_a_score_of_a_hundred() {
        let scores = [0, 1, 2, 6, 7].map(score);
        assert_eq!(scores, [None, Some(0), Some(20), Some(100), None]);
    }
}
