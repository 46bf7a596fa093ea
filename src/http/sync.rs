//! Syncs that somebody asks for, and how they go.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    Api,
    auth::{Caller, Syncs},
    connections::connection,
    error::{Answered, ApiError, Problem, Refusals},
    guard::RequestId,
    params::{Params, PathUser},
    runs::{Counts, Run, State as RunState},
};
use crate::{
    job::request::{Asked, plain},
    model::{Cause, ConnectionId, ConnectionState, Detail, Details, Lane, TaskId},
    queue::{Urgency, permits::ClosedBy},
    store::{
        connection::ConnectionRow,
        overview::{Followed, RequestState},
        request::NewRequest,
    },
};

/// The header of a caller who may send the same call again.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The longest key of such a caller.
const IDEMPOTENCY_KEY_MAX_CHARS: usize = 255;

/// Between two looks at a sync that somebody waits for: at first, and at most.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(50);
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);

/// How long a caller waits to be told when a sync will run.
const QUOTA_TIMEOUT: Duration = Duration::from_secs(1);

/// The routes of triggers.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(trigger))
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters; the handler reads them")]
struct TriggerQuery {
    /// See that the samples of workouts are stored.
    #[param(default = false)]
    samples: Option<bool>,
    /// See that the heart-rate zones of workouts are stored.
    #[param(default = false)]
    zones: Option<bool>,
    /// See that the routes of workouts are stored.
    #[param(default = false)]
    route: Option<bool>,
    /// `false` waits for the end of the sync, at most `api.sync_wait`.
    #[param(default = true)]
    r#async: Option<bool>,
}

/// A sync that was asked for.
#[derive(Debug, Serialize, ToSchema)]
struct Triggered {
    /// Whether it is asked for, or, with `async=false`, whether it succeeded.
    success: bool,
    r#async: bool,
    /// The id under which `sync/runs` tells of it.
    task_id: Uuid,
    /// What happens, in words.
    message: String,
    /// Where it stands.
    state: RunState,
    /// When it will run, if it has to wait for Polar's quota.
    #[schema(value_type = Option<String>, format = DateTime)]
    runs_at: Option<Timestamp>,
    /// With `async=false`: the run, once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Run>,
    /// With `async=false`: what the run found.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
}

/// Sync a user now
///
/// The sync is urgent: somebody waits for it. `samples`, `zones` and `route` say what the caller must see stored; what is
/// stored beyond that is `sync.include`. A header `Idempotency-Key` makes a repeated call the same sync.
#[utoipa::path(
    post, path = "/api/v1/providers/polar/users/{user_id}/sync", tag = "sync", operation_id = "sync",
    params(
        ("user_id" = String, Path, description = "The platform's own id of the user."),
        TriggerQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; the same key is the same sync.")
    ),
    responses(
        (status = 200, body = Triggered, description = "It is asked for; with `async=false`: it has ended."),
        (status = 202, body = Triggered, description = "With `async=false`: it goes on, and nobody waits any more."),
        (status = 409, body = Problem, description = "The user's connection does not allow a sync: `authorize_url` tells where to \
                                                     begin to connect the user again."),
        (status = 422, body = Problem, description = "The Idempotency-Key was used for another sync."),
        Refusals
    )
)]
async fn trigger(
    caller: Caller<Syncs>,
    State(api): State<Arc<Api>>,
    PathUser(user_id): PathUser,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    params: Params,
) -> Answered<Response> {
    let wish = Wish::read(&caller, &headers, &params)?;
    let row = connection(&api, &user_id).await?;
    let task_id = match asked_before(&api, &row, &wish).await? {
        Some(task_id) => task_id,
        None => ask(&api, &row, &wish, request_id).await?,
    };
    let runs_at = runs_at(&api).await;
    // Where too many wait already, this one is told at once that the sync goes on.
    let place = if wish.waits {
        api.waiters.try_acquire().ok()
    } else {
        None
    };
    let patience = place
        .as_ref()
        .map_or(Duration::ZERO, |_| api.settings.sync_wait);
    let followed = follow(&api, row.connection_id, task_id, patience).await?;
    let status = if wish.waits && !is_over(&followed) {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    let triggered = Triggered::new(task_id, followed, runs_at, wish.waits);
    Ok((status, Json(triggered)).into_response())
}

/// What a caller wants.
struct Wish {
    include: Details,
    waits: bool,
    idempotency_key: Option<String>,
}

impl Wish {
    fn read(caller: &Caller<Syncs>, headers: &HeaderMap, params: &Params) -> Answered<Self> {
        let mut include = Details::NONE;
        for detail in Detail::ALL.iter().copied() {
            if params.flag(detail.as_str(), false)? {
                include = include.union([detail].into_iter().collect());
            }
        }
        Ok(Self {
            include,
            waits: !params.flag("async", true)?,
            // A key of one platform is none of another's.
            idempotency_key: idempotency_key(headers)?
                .map(|key| format!("{} {key}", caller.key_id.simple())),
        })
    }
}

fn idempotency_key(headers: &HeaderMap) -> Answered<Option<String>> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (first, second) = (given.next(), given.next());
    let Some(key) = first else { return Ok(None) };
    let text = key
        .to_str()
        .ok()
        .filter(|key| second.is_none() && (1..=IDEMPOTENCY_KEY_MAX_CHARS).contains(&key.len()));
    let text = text.ok_or_else(|| {
        let problem =
            format!("it is not one text of 1 to {IDEMPOTENCY_KEY_MAX_CHARS} ASCII characters");
        ApiError::parameter("Idempotency-Key", problem)
    })?;
    Ok(Some(text.to_owned()))
}

/// A connection that cannot be synced is told of at once: its request would be refused in any case.
fn refuse_unless_syncable(api: &Api, row: &ConnectionRow) -> Answered<()> {
    let user = &row.user_id;
    let (code, detail) = match row.state {
        ConnectionState::Active | ConnectionState::Suspect => return Ok(()),
        ConnectionState::Revoked => (
            "revoked",
            format!(
                "user {user} has revoked access or was disconnected; have the user authorize again"
            ),
        ),
        ConnectionState::Expired => (
            "expired",
            format!("the authorization of user {user} has expired; have the user authorize again"),
        ),
        ConnectionState::ConsentRequired => (
            "consent_required",
            format!(
                "user {user} has yet to give a consent in Polar Flow; have the user do so, or authorize again"
            ),
        ),
        ConnectionState::Paused => {
            let detail = format!("user {user} is paused; `polar-sync users resume {user}` ends it");
            return Err(ApiError::conflict("paused", detail));
        }
        ConnectionState::Erasing | ConnectionState::Erased => {
            let detail = format!("user {user} is being erased; nothing can be synced");
            return Err(ApiError::conflict("erasing", detail));
        }
    };
    Err(ApiError::conflict(code, detail).authorize_at(api.authorize_url(user)))
}

/// The same sync, if it was asked for before. It is told of whatever became of the connection since.
async fn asked_before(api: &Api, row: &ConnectionRow, wish: &Wish) -> Answered<Option<TaskId>> {
    let Some(key) = &wish.idempotency_key else {
        return Ok(None);
    };
    match api.store.request_tied_to(row.connection_id, key).await? {
        Some((task_id, include)) => same(task_id, include, wish).map(Some),
        None => Ok(None),
    }
}

/// Hands the request in; its id, or that of the same one that came at the same time.
async fn ask(api: &Api, row: &ConnectionRow, wish: &Wish, request_id: String) -> Answered<TaskId> {
    refuse_unless_syncable(api, row)?;
    let (id, user_id) = (row.connection_id, &row.user_id);
    let request = NewRequest {
        include: wish.include,
        request_id: Some(request_id),
        ..plain(Lane::Interactive, Cause::Http, Vec::new())
    };
    let Some(key) = &wish.idempotency_key else {
        api.desk.ask(id, user_id, &request).await?;
        return Ok(request.task_id);
    };
    match api.desk.ask_once(id, user_id, &request, key).await? {
        Asked::Now => Ok(request.task_id),
        Asked::Before { task_id, include } => same(task_id, include, wish),
    }
}

/// The task of an idempotency key, if it is for what is wished.
fn same(task_id: TaskId, include: Details, wish: &Wish) -> Answered<TaskId> {
    if include == wish.include {
        return Ok(task_id);
    }
    Err(ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "the Idempotency-Key was used for a sync with other parameters; use a new one",
    ))
}

/// When a sync can begin, if Polar's quota does not let it begin now.
async fn runs_at(api: &Api) -> Option<Timestamp> {
    let needed = api.settings.open_reserve;
    let asked = api.permits.has_room_for(needed, Urgency::Interactive);
    // Without Redis nobody knows, and the caller need not wait for that.
    let room = tokio::time::timeout(QUOTA_TIMEOUT, asked).await.ok()?;
    let closed = room.err().filter(|closed| closed.why == ClosedBy::Quota)?;
    api.clock.now().checked_add(closed.retry_after).ok()
}

/// How a sync goes: at its end, or when nobody waits any longer.
async fn follow(
    api: &Api,
    connection: ConnectionId,
    task_id: TaskId,
    patience: Duration,
) -> Answered<Followed> {
    let deadline = Instant::now() + patience;
    let mut pause = LOOK_EVERY_MIN;
    loop {
        let followed = api.store.follow_request(connection, task_id).await?;
        let followed = followed.ok_or_else(|| {
            ApiError::not_found(
                "unknown_task",
                format!("there is no sync {task_id} any more"),
            )
        })?;
        if is_over(&followed) || Instant::now() >= deadline {
            return Ok(followed);
        }
        tokio::time::sleep_until((Instant::now() + pause).min(deadline)).await;
        pause = (pause * 2).min(LOOK_EVERY_MAX);
    }
}

const fn is_over(followed: &Followed) -> bool {
    !matches!(followed.state, RequestState::Open | RequestState::Running)
}

impl Triggered {
    fn new(task_id: TaskId, followed: Followed, runs_at: Option<Timestamp>, waited: bool) -> Self {
        let is_over = is_over(&followed);
        let message = match (followed.state, followed.not_before, runs_at) {
            (RequestState::Open, Some(at), _) => {
                format!("The sync is queued, and waits until {at}.")
            }
            (RequestState::Open, None, Some(at)) => {
                format!("The sync is queued, and runs at {at}: Polar's quota is spent until then.")
            }
            (RequestState::Open, None, None) => "The sync is queued.".to_owned(),
            (RequestState::Running, ..) => "The sync is under way.".to_owned(),
            (RequestState::Done, ..) => "The sync is done.".to_owned(),
            (RequestState::Failed, ..) => {
                "The sync failed; what is missing is tried again by itself.".to_owned()
            }
            (RequestState::Refused, ..) => {
                "The sync was refused: the user's connection does not allow it.".to_owned()
            }
        };
        let runs_at = followed.not_before.or(runs_at).filter(|_| !is_over);
        let run = followed.run.filter(|_| waited);
        Self {
            success: !waited || followed.state == RequestState::Done,
            r#async: !waited,
            task_id: task_id.0,
            message,
            state: followed.state.into(),
            runs_at,
            counts: run.as_ref().map(|run| Counts::from(run.counts)),
            run: run.map(Run::from),
        }
    }
}
