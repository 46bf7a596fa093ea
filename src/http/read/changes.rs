//! The change feed: what to read again, and where to go on.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::super::{
    Api,
    auth::{Caller, Reads},
    error::{Answered, Refusals},
    page::tagged_json,
    params::Params,
};
use crate::store::read::ChangeRow;

/// The most changes of an answer.
const LIMIT_MAX: i64 = 10_000;
const LIMIT_DEFAULT: i64 = 1_000;

/// The routes of the change feed.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A change of a record.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the contract")]
struct Change {
    /// Its number: no change ever appears with a number at or below one that was seen.
    seq: i64,
    user_id: String,
    /// The id of the workout, night, day or other record.
    record_id: Uuid,
    /// `exercise`, `activity`, `physical_information`, `sleep` or `nightly_recharge`; `user` when everything of
    /// the user was deleted.
    kind: String,
    /// `added`, `updated` or `deleted`.
    change: String,
    /// The revision that the change made.
    revision: i32,
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl From<ChangeRow> for Change {
    fn from(row: ChangeRow) -> Self {
        Self {
            seq: row.seq,
            user_id: row.user_id,
            record_id: row.record_id,
            kind: row.kind,
            change: row.change,
            revision: row.revision,
            at: row.at,
        }
    }
}

/// Some changes, in their order.
#[derive(Debug, Serialize, ToSchema)]
struct Changes {
    data: Vec<Change>,
    /// Give it as `after` to go on, now or later.
    next_after: i64,
    /// Whether there are more already.
    has_more: bool,
}

/// Which changes are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters; the handler reads them")]
struct ListQuery {
    /// Those with a number above this one: the `next_after` of the last answer.
    #[param(minimum = 0, default = 0)]
    after: Option<i64>,
    /// At most so many.
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: Option<i64>,
}

/// Follow changes
///
/// Of all users, in the order of their numbers, without gaps: who goes on with `next_after` misses none.
#[utoipa::path(
    get, path = "/api/v1/changes", tag = "read", operation_id = "list_changes", params(ListQuery),
    responses((status = 200, body = Changes), (status = 304, description = "What the client has is up to date."), Refusals)
)]
async fn list(
    _: Caller<Reads>,
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    params: Params,
) -> Answered<Response> {
    let after = params.number("after", 0..=i64::MAX, 0)?;
    let limit = params.number("limit", 1..=LIMIT_MAX, LIMIT_DEFAULT)?;
    let mut rows = api.store.changes_after(after, limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let changes = Changes {
        next_after: rows.last().map_or(after, |row| row.seq),
        data: rows.into_iter().map(Change::from).collect(),
        has_more,
    };
    tagged_json(&headers, &changes)
}
