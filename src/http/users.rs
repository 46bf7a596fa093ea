//! The platform's users, connected or not.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    Api,
    auth::{Caller, Connects, Reads},
    cursor::Question,
    error::{Answered, ApiError, Problem, Refusals},
    page::{Metadata, Page, Place, paginate, tagged_json},
    params::{JsonBody, Params, PathUser},
};
use crate::{
    model::{ConnectionState, UserId},
    store::user::{self, Profile},
};

/// The most users of a page.
const LIMIT_MAX: i64 = 1_000;
const LIMIT_DEFAULT: i64 = 50;

/// The longest name.
const NAME_MAX_CHARS: usize = 100;

/// The longest address. Source: RFC 5321, section 4.5.3.1.
const EMAIL_MAX_CHARS: usize = 254;

/// The routes of users.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show))
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct User {
    /// The id that every other call takes: the platform's own, or one that was made for it.
    id: String,
    /// When this server first heard of the user.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    /// The same as `id`.
    external_user_id: String,
    /// When a sync last succeeded.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_synced_at: Option<Timestamp>,
    /// `polar`, once a sync has succeeded.
    last_synced_provider: Option<&'static str>,
    /// Whether the user is connected, and Polar lets us read.
    has_active_connection: bool,
}

impl From<user::User> for User {
    fn from(user: user::User) -> Self {
        Self {
            created_at: user.created_at,
            first_name: user.profile.first_name,
            last_name: user.profile.last_name,
            email: user.profile.email,
            external_user_id: user.user_id.to_string(),
            id: user.user_id.into(),
            last_synced_at: user.last_success_at,
            last_synced_provider: user.last_success_at.map(|_| super::PROVIDER),
            has_active_connection: user.connection == Some(ConnectionState::Active),
        }
    }
}

/// What a platform tells of a new user.
#[derive(Debug, Deserialize, ToSchema)]
struct NewUser {
    /// The platform's own id, which becomes the `id`: 1 to 128 characters of `A-Za-z0-9._:@=+|~-`. One is made
    /// where none is given.
    #[schema(pattern = "^[A-Za-z0-9._:@=+|~-]{0,128}$")]
    external_user_id: Option<String>,
    #[schema(max_length = 254, pattern = "^$|@")]
    email: Option<String>,
    #[schema(max_length = 100)]
    first_name: Option<String>,
    #[schema(max_length = 100)]
    last_name: Option<String>,
}

impl NewUser {
    fn read(self) -> Answered<(UserId, Profile)> {
        let user_id = match self.external_user_id.filter(|id| !id.is_empty()) {
            Some(id) => id,
            None => Uuid::new_v4().to_string(),
        };
        let user_id = UserId::try_from(user_id)
            .map_err(|error| ApiError::parameter("external_user_id", error))?;
        let profile = Profile {
            email: text("email", self.email, EMAIL_MAX_CHARS)?,
            first_name: text("first_name", self.first_name, NAME_MAX_CHARS)?,
            last_name: text("last_name", self.last_name, NAME_MAX_CHARS)?,
        };
        if profile
            .email
            .as_ref()
            .is_some_and(|email| !email.contains('@'))
        {
            return Err(ApiError::parameter("email", "it is not an address"));
        }
        Ok((user_id, profile))
    }
}

fn text(name: &str, text: Option<String>, max_chars: usize) -> Answered<Option<String>> {
    let text = text.filter(|text| !text.is_empty());
    let fits = |text: &String| text.chars().count() <= max_chars && !text.contains('\0');
    if text.as_ref().is_none_or(fits) {
        return Ok(text);
    }
    let problem = format!("it has more than {max_chars} characters, or contains NUL");
    Err(ApiError::parameter(name, problem))
}

/// Which users are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters; the handler reads them")]
struct ListQuery {
    /// Only those with this address.
    email: Option<String>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<i64>,
    /// Count all pages.
    #[param(default = false)]
    include_total: Option<bool>,
}

/// List users
///
/// In the order of their ids.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "read", operation_id = "list_users", params(ListQuery),
    responses((status = 200, body = Page<User>), (status = 304, description = "What the client has is up to date."), Refusals)
)]
async fn list(
    _: Caller<Reads>,
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    params: Params,
) -> Answered<Response> {
    let email = params.one("email")?;
    let limit = params.number("limit", 1..=LIMIT_MAX, LIMIT_DEFAULT)?;
    let question = Question::of("users", &email);
    let place = Place::<UserId>::read(&params, &question)?;
    let rows = match &place {
        Some(Place::Before(user)) => {
            api.store
                .users_before(user.as_str(), email, limit + 1)
                .await?
        }
        Some(Place::After(user)) => {
            api.store
                .users_after(Some(user.as_str()), email, limit + 1)
                .await?
        }
        None => api.store.users_after(None, email, limit + 1).await?,
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (rows, mut pagination) = paginate(rows, limit, place.as_ref(), &question, |user| {
        user.user_id.clone()
    });
    if params.flag("include_total", false)? {
        pagination.total_count = Some(api.store.count_users(email).await?);
    }
    let data: Vec<User> = rows.into_iter().map(User::from).collect();
    let metadata = Metadata {
        sample_count: data.len(),
        ..Metadata::default()
    };
    tagged_json(
        &headers,
        &Page {
            data,
            pagination,
            metadata,
        },
    )
}

/// Tell of a user
///
/// A user may also be connected without being told of first.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "connect", operation_id = "create_user", request_body = NewUser,
    responses(
        (status = 201, body = User),
        (status = 409, body = Problem, description = "There is a user with this id."),
        (status = 408, body = Problem, description = "The body does not come in time."),
        (status = 413, body = Problem, description = "The body is too large."),
        (status = 415, body = Problem, description = "The body is not JSON."),
        (status = 422, body = Problem, description = "The body is JSON of another form."),
        Refusals
    )
)]
async fn create(
    _: Caller<Connects>,
    State(api): State<Arc<Api>>,
    JsonBody(new): JsonBody<NewUser>,
) -> Answered<Response> {
    let (user_id, profile) = new.read()?;
    match api.store.insert_user(&user_id, &profile).await {
        Err(error) if error.is_conflict() => {
            let detail = format!("there is a user {user_id} already");
            return Err(ApiError::conflict("user_exists", detail));
        }
        result => result?,
    }
    let user = user(&api, &user_id).await?;
    Ok((StatusCode::CREATED, Json(User::from(user))).into_response())
}

/// Show a user
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}", tag = "read", operation_id = "show_user",
    params(("user_id" = String, Path, description = "The platform's own id of the user.")),
    responses((status = 200, body = User), (status = 304, description = "What the client has is up to date."), Refusals)
)]
async fn show(
    _: Caller<Reads>,
    State(api): State<Arc<Api>>,
    PathUser(user_id): PathUser,
    headers: HeaderMap,
) -> Answered<Response> {
    let user = user(&api, &user_id).await?;
    tagged_json(&headers, &User::from(user))
}

/// The user with this id, or a 404.
pub(super) async fn user(api: &Api, user_id: &UserId) -> Answered<user::User> {
    let user = api.store.user(user_id).await?;
    user.ok_or_else(|| ApiError::unknown_user(user_id))
}
