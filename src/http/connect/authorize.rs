//! The URL that a user's browser is sent to.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::rand;
use axum::{Json, extract::State};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use url::Url;
use utoipa::{IntoParams, ToSchema};

use super::{AUTHORIZE_PATH, CALLBACK_PATH, PARAMETER_MAX_BYTES};
use crate::{
    http::{
        Api,
        auth::{Caller, Connects},
        error::{Answered, ApiError, Problem, Refusals},
        params::Params,
    },
    model::{ConnectionState, UserId},
    secret::{KeyError, sha256},
    store::oauth_state::Traveller,
};

/// How long a user may take at the consent page.
const STATE_LIFE: Duration = Duration::from_mins(15);

/// Random bytes of a state.
const STATE_BYTES: usize = 32;

/// Where to send a user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Authorization {
    /// Polar's consent page: send the user's browser there, within 15 minutes.
    authorization_url: String,
    /// What ties the user's return to this call; it holds once.
    state: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters; the handler reads them")]
struct AuthorizeQuery {
    /// The platform's own id of the user.
    user_id: String,
    /// Where the browser is sent at the end, with `user_id`, `provider=polar`, and `status=connected` or `error`; it
    /// must be allowed by `api.redirect_allow`. Without it the browser stays on a page of this server.
    redirect_uri: Option<String>,
}

/// Begin to connect a user
///
/// Also connects a user again who has revoked access.
#[utoipa::path(
    get, path = AUTHORIZE_PATH, tag = "connect", operation_id = "authorize",
    params(AuthorizeQuery),
    responses(
        (status = 200, body = Authorization),
        (status = 409, body = Problem, description = "The user is being erased."),
        Refusals
    )
)]
pub(super) async fn authorize(
    _: Caller<Connects>,
    State(api): State<Arc<Api>>,
    params: Params,
) -> Answered<Json<Authorization>> {
    let user_id: UserId = params.required("user_id")?;
    let redirect_uri = params
        .one("redirect_uri")?
        .map(|target| allowed(&api, target))
        .transpose()?;
    let connection = api.store.connection_of_user(&user_id).await?;
    if connection.is_some_and(|row| row.state == ConnectionState::Erasing) {
        let detail = format!("user {user_id} is being erased; connect again when that is done");
        return Err(ApiError::conflict("erasing", detail));
    }
    let state = new_state().map_err(|error| ApiError::bug(&error))?;
    let traveller = Traveller {
        user_id,
        redirect_uri: redirect_uri.map(String::from),
    };
    let hash = sha256(state.as_bytes());
    api.store
        .insert_oauth_state(&hash, &traveller, STATE_LIFE)
        .await?;
    let page = api
        .access
        .oauth
        .authorize_url(&api.public_url(CALLBACK_PATH), &state);
    Ok(Json(Authorization {
        authorization_url: page.into(),
        state,
    }))
}

/// A redirect target as it will be used, if it is allowed: never in the form in which it was given.
fn allowed(api: &Api, target: &str) -> Answered<Url> {
    let refused = || {
        ApiError::parameter(
            "redirect_uri",
            "it is not allowed; add it to api.redirect_allow, or use one of those that are there",
        )
    };
    let is_short = target.len() <= PARAMETER_MAX_BYTES;
    let url = Url::parse(target)
        .ok()
        .filter(|_| is_short)
        .ok_or_else(refused)?;
    let allowed = api
        .settings
        .redirect_allow
        .iter()
        .any(|pattern| pattern.allows(&url));
    allowed.then_some(url).ok_or_else(refused)
}

fn new_state() -> Result<String, KeyError> {
    let mut bytes = [0; STATE_BYTES];
    rand::fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
