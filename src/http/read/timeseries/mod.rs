//! Samples of a user, in pages or as a stream of lines.
//!
//! A page and a stream are made of the same rows: samples as they are, or one row a bucket of a resolution. Neither is
//! ever in memory as a whole.

mod body;
mod bucket;
mod query;
mod rows;
mod writer;

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    super::{
        Api,
        auth::{Caller, Reads},
        error::{Answered, ApiError, Refusals},
        page::{Page, is_known, not_modified, tag},
        params::{Params, PathUser},
        users,
    },
    Source, ZoneOffset, pieces,
};
use crate::{secret::sha256, store::read::series::Sample};
use body::{LinesBody, PageBody};
use query::Query;
pub(super) use writer::SampleWriter;

/// The content type of a stream of lines.
const LINES: &str = "application/x-ndjson";

/// The routes of samples.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A sample, or a bucket of samples.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimeSeriesSample<'a> {
    /// The instant of the sample; of a bucket, its begin.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// Local time minus UTC; null where Polar does not tell.
    #[schema(value_type = Option<String>, example = "+02:00")]
    zone_offset: Option<ZoneOffset>,
    /// What is measured.
    #[schema(example = "heart_rate")]
    r#type: &'static str,
    value: f64,
    /// The unit of the type.
    #[schema(example = "bpm")]
    unit: &'static str,
    /// Of a bucket: that of its first sample.
    #[schema(value_type = Source)]
    source: SampleSource<'a>,
    /// Always false: no series is of a day's totals.
    is_daily_total: bool,
}

/// A [`Source`] that is not copied for each sample.
#[derive(Debug, Serialize)]
struct SampleSource<'a> {
    provider: &'static str,
    source: &'static str,
    device: Option<&'a str>,
    device_type: Option<&'static str>,
    device_name: Option<&'a str>,
}

impl<'a> TimeSeriesSample<'a> {
    /// The JSON of a sample.
    pub(super) fn of(sample: &'a Sample) -> Self {
        let head = &sample.head;
        Self {
            timestamp: sample.at(),
            zone_offset: head.utc_offset_minutes.map(ZoneOffset),
            r#type: head.series.as_str(),
            value: sample.value,
            unit: head.series.unit(),
            source: SampleSource {
                provider: super::super::PROVIDER,
                source: super::super::PROVIDER,
                device: head.device.as_deref(),
                device_type: None,
                device_name: head.device_name.as_deref(),
            },
            is_daily_total: false,
        }
    }
}

/// Appends the JSON of a value.
pub(super) fn append(out: &mut Vec<u8>, value: &impl Serialize) -> Answered<()> {
    serde_json::to_writer(out, value).map_err(|error| ApiError::bug(&error))
}

/// Which samples are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters; the handler reads them")]
struct ListQuery {
    /// Those at this instant or later; without it, thirty days before `end_time` or before today.
    start_time: Option<String>,
    /// Those before this instant, or on this date or before.
    end_time: Option<String>,
    /// Only those of these types; may be given often, or as a list with commas.
    #[param(example = "heart_rate")]
    types: Option<Vec<String>>,
    /// `raw`, `1min`, `5min`, `15min` or `1hour`: one row a type and interval of UTC, with the average of what is
    /// there, or the sum of what counts.
    #[param(default = "raw")]
    resolution: Option<String>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: Option<i64>,
    /// Count all pages: that takes as long as reading them.
    #[param(default = false)]
    include_total: Option<bool>,
}

/// List samples
///
/// The oldest first. With `Accept: application/x-ndjson` the whole range comes as lines of JSON, one a sample, without
/// pages.
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/timeseries", tag = "read", operation_id = "list_timeseries",
    params(("user_id" = String, Path, description = "The platform's own id of the user."), ListQuery),
    responses(
        (status = 200, content(
            (Page<TimeSeriesSample> = "application/json"), (TimeSeriesSample = "application/x-ndjson")
        )),
        (status = 304, description = "What the client has is up to date."),
        Refusals
    )
)]
async fn list(
    _: Caller<Reads>,
    State(api): State<Arc<Api>>,
    PathUser(user_id): PathUser,
    headers: HeaderMap,
    params: Params,
) -> Answered<Response> {
    let query = Query::read(&params, &user_id, api.clock.now())?;
    let are_lines = wants_lines(&headers);
    if are_lines && query.is_page_asked {
        let problem = "a stream of lines has no pages; leave it out, or ask for application/json";
        return Err(ApiError::parameter("limit or cursor", problem));
    }
    users::user(&api, &user_id).await?;
    let mut response = if are_lines {
        let rows = query.rows(&api.store);
        pieces::answer(LinesBody::new(rows), LINES, None).await?
    } else {
        page(&api, &headers, query).await?
    };
    // The same address answers in two forms.
    response
        .headers_mut()
        .append(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

async fn page(api: &Api, headers: &HeaderMap, query: Query) -> Answered<Response> {
    let chunks = api
        .store
        .samples_tag(&query.user_id, &query.whole())
        .await?;
    let tag = chunks.map(|chunks| {
        let mut version = query.version();
        version.extend(chunks);
        tag(&sha256(&version))
    });
    if let Some(tag) = tag.as_ref().filter(|tag| is_known(headers, tag)) {
        return Ok(not_modified(tag.clone()));
    }
    let body = PageBody::begin(&api.store, query).await?;
    pieces::answer(body, "application/json", tag).await
}

/// Whether a client asks for lines: it names them and no JSON beside them.
fn wants_lines(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT);
    let mut types = accepted
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .map(|range| range.trim().to_ascii_lowercase());
    // The first one that we have wins.
    types
        .find(|range| [LINES, "application/json"].contains(&range.as_str()))
        .is_some_and(|range| range == LINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_to_who_asks_for_them() {
        let wants = |accept: &'static str| {
            wants_lines(&HeaderMap::from_iter([(
                header::ACCEPT,
                HeaderValue::from_static(accept),
            )]))
        };
        assert!(!wants_lines(&HeaderMap::new()));
        assert!(!wants("*/*"));
        assert!(!wants("application/json"));
        assert!(wants("application/x-ndjson"));
        assert!(wants("text/html, Application/X-NDJSON;q=0.9"));
        assert!(!wants("application/json, application/x-ndjson"));
    }
}
