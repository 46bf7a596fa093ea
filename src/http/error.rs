//! What a caller is told when a call cannot be answered: one shape for all of it.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::{
    model::{Scope, UserId},
    store::StoreError,
    telemetry,
};

/// How long a caller should wait after a failure that passes by itself.
const SHORT_WHILE: Duration = Duration::from_secs(1);

/// Why a call was not answered as it was meant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Cause and next step, for people.
    detail: String,
    /// A stable word, for programs.
    code: &'static str,
    /// Where to ask for a new authorization of the user, where that is the next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorize_url: Option<String>,
}

/// A refusal or a failure, with its status.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    problem: Problem,
    retry_after: Option<Duration>,
}

/// The result of a handler.
pub(super) type Answered<T> = Result<T, ApiError>;

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            problem: Problem {
                detail: detail.into(),
                code,
                authorize_url: None,
            },
            retry_after: None,
        }
    }

    /// 400: a parameter is not what it should be.
    pub(super) fn parameter(name: &str, problem: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_parameter",
            format!("{name}: {problem}"),
        )
    }

    /// 401: no key, or one that is not in force.
    pub(super) fn no_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            format!(
                "the call needs an API key that is in force in the header {}; make one with \
                 `polar-sync api-keys create`",
                super::auth::KEY_HEADER
            ),
        )
    }

    /// 403: the key does not allow this.
    pub(super) fn lacks_scope(scope: Scope) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "scope_missing",
            format!(
                "the API key lacks the scope {scope}; make one that has it with `polar-sync api-keys create`"
            ),
        )
    }

    /// 404: nobody has this id.
    pub(super) fn unknown_user(user_id: &UserId) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_user",
            format!("there is no user {user_id}; connect the user first, or check the id"),
        )
    }

    /// 404: there is no such thing.
    pub(super) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 409: it contradicts what is.
    pub(super) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 503: later.
    pub(super) fn later(code: &'static str, detail: impl Into<String>, after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(after)
    }

    /// 500: a bug. What happened is in the log, and not in the answer.
    pub(super) fn bug(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = telemetry::chain(error), "a call failed by a bug");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "a bug of polar-sync; its log says more under this answer's x-request-id",
        )
    }

    /// Tells when to call again.
    #[must_use]
    pub(super) const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Tells where to ask for a new authorization.
    #[must_use]
    pub(super) fn authorize_at(mut self, url: String) -> Self {
        self.problem.authorize_url = Some(url);
        self
    }

    /// The stable word.
    pub(super) const fn code(&self) -> &'static str {
        self.problem.code
    }

    /// Cause and next step.
    pub(super) fn detail(&self) -> &str {
        &self.problem.detail
    }

    /// The status.
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(
                error = telemetry::chain(&error),
                "Postgres did not answer a call"
            );
            Self::later(
                "postgres_unavailable",
                "Postgres does not answer just now; call again",
                SHORT_WHILE,
            )
        } else {
            Self::bug(&error)
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.problem)).into_response();
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs_f64().ceil().max(1.0);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("ApiKey");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// What every call with a key may be answered beside its own answers.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes answers; ApiError makes them")]
pub(super) enum Refusals {
    /// A parameter, a header or the body is not what it should be.
    #[response(status = 400)]
    BadRequest(#[to_schema] Problem),
    /// No API key, or one that is not in force.
    #[response(status = 401)]
    Unauthorized(#[to_schema] Problem),
    /// The API key lacks a scope.
    #[response(status = 403)]
    Forbidden(#[to_schema] Problem),
    /// There is no such user or thing.
    #[response(status = 404)]
    NotFound(#[to_schema] Problem),
    /// The API key is used more often than `api.rate_limit` allows.
    #[response(status = 429)]
    TooManyRequests(#[to_schema] Problem),
    /// Too many calls at once, or something that is needed does not answer: call again later.
    #[response(status = 503)]
    Unavailable(#[to_schema] Problem),
}

/// The answer when a handler panicked. The panic itself is in the log.
pub(super) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    #[derive(Debug, thiserror::Error)]
    #[error("a handler panicked")]
    struct Panicked;
    ApiError::bug(&Panicked).into_response()
}
