//! How syncs that were asked for go, and went.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, State as AxumState},
    http::{HeaderMap, request::Parts},
    response::Response,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    Api,
    auth::{Caller, Reads},
    cursor::Question,
    error::{Answered, ApiError, Refusals},
    page::{Metadata, Page, Place, paginate, tagged_json},
    params::{Params, PathUser, from_path, is_of_ours},
    users,
};
use crate::{
    model::{RunOutcome, TaskId},
    store::{
        event,
        overview::{RequestState, Served, Task},
    },
};

/// The most syncs of a page.
const LIMIT_MAX: i64 = 1_000;
const LIMIT_DEFAULT: i64 = 50;

/// The routes of runs.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
}

/// Where a sync stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It waits for a worker, or for Polar's quota.
    Open,
    /// A worker is at it.
    Running,
    /// It is done.
    Done,
    /// It failed; what is missing is tried again by itself.
    Failed,
    /// The user's connection does not allow it.
    Refused,
}

impl From<RequestState> for State {
    fn from(state: RequestState) -> Self {
        match state {
            RequestState::Open => Self::Open,
            RequestState::Running => Self::Running,
            RequestState::Done => Self::Done,
            RequestState::Failed => Self::Failed,
            RequestState::Refused => Self::Refused,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// Everything is in step.
    Ok,
    /// Some kinds are in step; the others are tried again.
    Partial,
    /// It had to wait, and goes on by itself.
    Snoozed,
    /// Nothing could be had; it is tried again.
    Failed,
    /// The user's connection did not allow it.
    Refused,
}

impl From<RunOutcome> for Outcome {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Ok => Self::Ok,
            RunOutcome::Partial => Self::Partial,
            RunOutcome::Snoozed => Self::Snoozed,
            RunOutcome::Failed => Self::Failed,
            RunOutcome::Refused => Self::Refused,
        }
    }
}

/// What a run found.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Counts {
    /// Items that were not stored before.
    new: i32,
    /// Items that differ from what was stored.
    changed: i32,
    /// Items that were stored already.
    same: i32,
}

impl From<event::Counts> for Counts {
    fn from(counts: event::Counts) -> Self {
        Self {
            new: counts.new,
            changed: counts.changed,
            same: counts.same,
        }
    }
}

/// A run: it serves everything that was asked for a user by then.
#[expect(
    clippy::struct_field_names,
    reason = "the names are those of the contract"
)]
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Run {
    run_id: Uuid,
    outcome: Outcome,
    /// The class of the error that decided the outcome.
    error_class: Option<String>,
    /// That error.
    error: Option<String>,
    counts: Counts,
}

impl From<Served> for Run {
    fn from(run: Served) -> Self {
        Self {
            run_id: run.run_id.0,
            outcome: run.outcome.into(),
            error_class: run.error_class,
            error: run.error,
            counts: run.counts.into(),
        }
    }
}

/// A sync that somebody or something asked for.
#[derive(Debug, Serialize, ToSchema)]
struct SyncTask {
    task_id: Uuid,
    /// The id that the asker gave, for example in `x-request-id`.
    request_id: Option<String>,
    state: State,
    /// What made it: `http`, `message`, `cli`, `schedule`, `notification`, `webhook`, `retry`, `backfill` or `connect`.
    cause: &'static str,
    /// The kinds of data that it is for; empty for all.
    kinds: Vec<&'static str>,
    /// What it must see stored: `samples`, `zones`, `route`.
    include: Vec<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// When it goes on, if it has to wait.
    #[schema(value_type = Option<String>, format = DateTime)]
    runs_at: Option<Timestamp>,
    /// The run that served it last, if that has ended.
    run: Option<Run>,
}

impl From<Task> for SyncTask {
    fn from(task: Task) -> Self {
        Self {
            task_id: task.task_id.0,
            request_id: task.request_id,
            state: task.followed.state.into(),
            cause: task.cause.as_str(),
            kinds: task.kinds.iter().map(|kind| kind.as_str()).collect(),
            include: task.include.iter().map(|detail| detail.as_str()).collect(),
            created_at: task.created_at,
            finished_at: task.finished_at,
            runs_at: task.followed.not_before,
            run: task.followed.run.map(Run::from),
        }
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters; the handler reads them")]
struct ListQuery {
    /// Where the last page ended.
    cursor: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<i64>,
}

/// List the syncs of a user
///
/// The latest first.
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/sync/runs", tag = "sync", operation_id = "list_runs",
    params(("user_id" = String, Path, description = "The platform's own id of the user."), ListQuery),
    responses((status = 200, body = Page<SyncTask>), (status = 304, description = "What the client has is up to date."), Refusals)
)]
async fn list(
    _: Caller<Reads>,
    AxumState(api): AxumState<Arc<Api>>,
    PathUser(user_id): PathUser,
    headers: HeaderMap,
    params: Params,
) -> Answered<Response> {
    users::user(&api, &user_id).await?;
    let limit = params.number("limit", 1..=LIMIT_MAX, LIMIT_DEFAULT)?;
    let question = Question::of("runs", &user_id);
    let place = Place::<(Timestamp, Uuid)>::read(&params, &question)?;
    let (after, before) = Place::bounds(place.as_ref());
    if after.or(before).is_some_and(|(at, _)| !is_of_ours(*at)) {
        return Err(ApiError::parameter(
            "cursor",
            "it names a time that does not exist",
        ));
    }
    let key = |key: &(Timestamp, Uuid)| (key.0, TaskId(key.1));
    let rows = match before.map(key) {
        Some(before) => {
            api.store
                .tasks_newer_than(&user_id, before, limit + 1)
                .await?
        }
        None => {
            api.store
                .tasks_older_than(&user_id, after.map(key), limit + 1)
                .await?
        }
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let key = |task: &Task| (task.created_at, task.task_id.0);
    let (rows, pagination) = paginate(rows, limit, place.as_ref(), &question, key);
    let data: Vec<_> = rows.into_iter().map(SyncTask::from).collect();
    let metadata = Metadata {
        sample_count: data.len(),
        ..Metadata::default()
    };
    let page = Page {
        data,
        pagination,
        metadata,
    };
    tagged_json(&headers, &page)
}

/// The sync of a path.
struct PathTask(TaskId);

impl FromRequestParts<Arc<Api>> for PathTask {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let id: Uuid = from_path(parts, api, "task_id").await?;
        Ok(Self(TaskId(id)))
    }
}

/// Show a sync
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/sync/runs/{task_id}", tag = "sync", operation_id = "show_run",
    params(
        ("user_id" = String, Path, description = "The platform's own id of the user."),
        ("task_id" = Uuid, Path, description = "As the trigger answered it."),
    ),
    responses((status = 200, body = SyncTask), (status = 304, description = "What the client has is up to date."), Refusals)
)]
async fn show(
    _: Caller<Reads>,
    AxumState(api): AxumState<Arc<Api>>,
    PathUser(user_id): PathUser,
    PathTask(task_id): PathTask,
    headers: HeaderMap,
) -> Answered<Response> {
    users::user(&api, &user_id).await?;
    let task = api.store.task(&user_id, task_id).await?;
    let task = task.ok_or_else(|| {
        let detail = format!("user {user_id} has no sync {task_id}; it may be older than 90 days");
        ApiError::not_found("unknown_task", detail)
    })?;
    tagged_json(&headers, &SyncTask::from(task))
}
