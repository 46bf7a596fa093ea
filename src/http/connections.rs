//! How a user is tied to Polar, and how the tie is cut.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
};
use jiff::Timestamp;
use serde::Serialize;
use tracing::Instrument;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    Api, PROVIDER,
    auth::{Caller, Connects, Reads},
    error::{Answered, ApiError, Problem, Refusals},
    params::{PathUser, from_path},
    users,
};
use crate::{
    connection::{Disconnected, SessionError, disconnect},
    model::{ConnectionState, UserId},
    store::connection::ConnectionRow,
    telemetry,
};

/// What our client asks Polar for.
const SCOPE: &str = "accesslink.read_all";

/// When a caller should try again whom Polar did not answer.
const POLAR_RETRY_AFTER: Duration = Duration::from_secs(30);

/// The routes of connections.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(cut))
}

/// How a connection stands, in the words that servers of several providers share.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// It is kept in step.
    Active,
    /// The user has to authorize again.
    Revoked,
    /// Its token ended: the user has to authorize again.
    Expired,
}

impl From<ConnectionState> for Status {
    fn from(state: ConnectionState) -> Self {
        match state {
            ConnectionState::Active | ConnectionState::Suspect | ConnectionState::Paused => {
                Self::Active
            }
            ConnectionState::Expired => Self::Expired,
            ConnectionState::Revoked
            | ConnectionState::ConsentRequired
            | ConnectionState::Erasing
            | ConnectionState::Erased => Self::Revoked,
        }
    }
}

/// A user's tie to Polar.
#[derive(Debug, Serialize, ToSchema)]
struct Connection {
    id: Uuid,
    user_id: String,
    /// `polar`.
    provider: &'static str,
    /// Polar's id of the user.
    provider_user_id: String,
    provider_username: Option<String>,
    scope: &'static str,
    status: Status,
    /// In more detail: `active`, `suspect`, `revoked`, `consent_required`, `expired`, `paused` or `erasing`.
    state: &'static str,
    /// Why it is in this state.
    state_reason: Option<String>,
    /// When a sync last succeeded.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_synced_at: Option<Timestamp>,
    /// When the first of its kinds is due next.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_sync_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Since when it is in this state.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// List the connections of a user
///
/// One at most: a user is tied to one Polar account.
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/connections", tag = "read", operation_id = "list_connections",
    params(("user_id" = String, Path, description = "The platform's own id of the user.")),
    responses((status = 200, body = Vec<Connection>), Refusals)
)]
async fn list(
    _: Caller<Reads>,
    State(api): State<Arc<Api>>,
    PathUser(user_id): PathUser,
) -> Answered<Json<Vec<Connection>>> {
    users::user(&api, &user_id).await?;
    let Some(row) = api.store.connection_of_user(&user_id).await? else {
        return Ok(Json(Vec::new()));
    };
    let sync = api.store.sync_of(row.connection_id).await?;
    let kinds = api.store.kinds_of(row.connection_id).await?;
    Ok(Json(vec![Connection {
        id: row.connection_id.0,
        user_id: user_id.into(),
        provider: PROVIDER,
        provider_user_id: row.polar_user_id.to_string(),
        provider_username: None,
        scope: SCOPE,
        status: row.state.into(),
        state: row.state.as_str(),
        state_reason: row.state_reason,
        last_synced_at: sync.last_success_at,
        next_sync_at: kinds.iter().filter_map(|kind| kind.next_due_at).min(),
        created_at: row.connected_at,
        updated_at: row.state_since,
    }]))
}

/// The provider of a path: Polar, or there is no such connection.
struct PathProvider;

impl FromRequestParts<Arc<Api>> for PathProvider {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let provider: String = from_path(parts, api, "provider").await?;
        if provider == PROVIDER {
            return Ok(Self);
        }
        let detail = "the only provider of this server is polar";
        Err(ApiError::not_found("unknown_provider", detail))
    }
}

/// Disconnect a user
///
/// Syncs stop, Polar forgets that the user was registered, and the tokens are forgotten; what is stored stays. A 503
/// means that Polar has yet to be told: call again.
#[utoipa::path(
    delete, path = "/api/v1/users/{user_id}/connections/{provider}", tag = "connect",
    operation_id = "disconnect",
    params(
        ("user_id" = String, Path, description = "The platform's own id of the user."),
        ("provider" = String, Path, description = "`polar`."),
    ),
    responses(
        (status = 204, description = "The user is not connected any more."),
        (status = 409, body = Problem, description = "The user is being erased, or connected again meanwhile."),
        Refusals
    )
)]
async fn cut(
    _: Caller<Connects>,
    State(api): State<Arc<Api>>,
    PathUser(user_id): PathUser,
    PathProvider: PathProvider,
) -> Answered<StatusCode> {
    let row = connection(&api, &user_id).await?;
    let access = api.access.clone();
    let cutting = async move { disconnect(&access, &row).await }.in_current_span();
    // It goes on when the caller does not wait for it.
    let cut = api.unfinished.spawn(Box::pin(cutting)).await;
    match cut.map_err(|broken| ApiError::bug(&broken))? {
        Ok(Disconnected::Done) => Ok(StatusCode::NO_CONTENT),
        Ok(Disconnected::Again) => {
            let detail = format!(
                "user {user_id} connected again meanwhile; call again to disconnect that too"
            );
            Err(ApiError::conflict("connected_again", detail))
        }
        Ok(Disconnected::Erasing) => {
            let detail = format!("user {user_id} is being erased, which disconnects too");
            Err(ApiError::conflict("erasing", detail))
        }
        Err(SessionError::Store(error)) => Err(error.into()),
        Err(SessionError::Key(error)) => Err(ApiError::bug(&error)),
        Err(error @ (SessionError::Call(_) | SessionError::Refresh(_))) => {
            tracing::warn!(
                error = telemetry::chain(&error),
                "Polar is not told of a disconnection"
            );
            let detail = "syncs of the user have stopped, but Polar could not be told; call again";
            Err(ApiError::later(
                "polar_unavailable",
                detail,
                POLAR_RETRY_AFTER,
            ))
        }
    }
}

/// The user's connection, or why there is none.
pub(super) async fn connection(api: &Api, user_id: &UserId) -> Answered<ConnectionRow> {
    if let Some(row) = api.store.connection_of_user(user_id).await? {
        return Ok(row);
    }
    users::user(api, user_id).await?;
    let detail = format!("user {user_id} is not connected to Polar; connect the user first");
    let authorize = api.authorize_url(user_id);
    Err(ApiError::not_found("not_connected", detail).authorize_at(authorize))
}
