//! Where a user's browser comes back from the consent page.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use tracing::Instrument;
use url::Url;
use utoipa::IntoParams;

use super::{CALLBACK_PATH, PARAMETER_MAX_BYTES, html::Told};
use crate::{
    accesslink::oauth::OAuthError,
    connection::{AuthorizeError, Authorized, ConnectError, Grant, Registration, authorize},
    http::{
        Api, PROVIDER,
        error::{ApiError, Problem},
        params::Params,
    },
    job::request::plain,
    model::{Cause, Lane, UserId},
    secret::sha256,
    store::oauth_state::Traveller,
    telemetry,
};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters; the handler reads them")]
struct CallbackQuery {
    /// What ties the return to a call of `authorize`.
    state: String,
    /// Polar's code.
    code: Option<String>,
    /// Why Polar gives no code.
    error: Option<String>,
}

/// Come back from Polar
///
/// Polar sends a user's browser here; no API key, since the state proves that the user was sent out by us. The
/// browser is sent on to the `redirect_uri` of `authorize`, or is shown a page.
#[utoipa::path(
    get, path = CALLBACK_PATH, tag = "polar", operation_id = "callback", params(CallbackQuery), security(()),
    responses(
        (status = 200, description = "The user is connected.", body = String, content_type = "text/html"),
        (status = 303, description = "On to the platform."),
        (status = 400, description = "The state is unknown, too old or used.", content((String = "text/html"))),
        (status = 403, description = "The user did not agree, or Polar did not.", body = String, content_type = "text/html"),
        (status = 409, description = "The user cannot have this Polar account.", body = String, content_type = "text/html"),
        (status = 502, description = "Polar gave no tokens.", body = String, content_type = "text/html"),
        (status = 503, description = "Something that is needed does not answer.", content((String = "text/html"), (Problem = "application/json")))
    )
)]
pub(super) async fn callback(
    State(api): State<Arc<Api>>,
    params: Result<Params, ApiError>,
) -> Response {
    match come_back(&api, params).await {
        Ok(Some((traveller, end))) => end.tell(&traveller),
        Ok(None) => LINK_INVALID.into_response(),
        Err(error) => Told {
            status: error.status(),
            title: "This did not work",
            text: error.detail(),
        }
        .into_response(),
    }
}

/// The page for whoever comes with a state that leads nowhere. It does not tell which of the reasons it is.
const LINK_INVALID: Told<'static> = Told {
    status: StatusCode::BAD_REQUEST,
    title: "This link does not work",
    text: "It was used already, or is too old. If you have connected just now, all is well and you may close this \
           page; otherwise go back to where you came from and begin again.",
};

/// How it ended for a user.
enum End {
    Connected(Registration),
    Refused(Refusal),
}

/// Why a user is not connected: the status and text of our page, and the word for the platform.
struct Refusal {
    status: StatusCode,
    word: &'static str,
    text: &'static str,
}

async fn come_back(
    api: &Arc<Api>,
    params: Result<Params, ApiError>,
) -> Result<Option<(Traveller, End)>, ApiError> {
    let params = params?;
    let short = |name| {
        let value = params.one(name)?;
        Ok::<_, ApiError>(value.filter(|value| value.len() <= PARAMETER_MAX_BYTES))
    };
    let (state, code, error) = (short("state")?, short("code")?, short("error")?);
    // A return that brings neither is not Polar's, and takes no state with it.
    let Some(state) = state.filter(|_| code.is_some() || error.is_some()) else {
        return Ok(None);
    };
    let code = code.filter(|_| error.is_none());
    let code_hash = code.map(|code| sha256(code.as_bytes()));
    let code_hash = code_hash.as_ref().map(<[u8; 32]>::as_slice);
    let taken = api
        .store
        .take_oauth_state(&sha256(state.as_bytes()), code_hash)
        .await?;
    let Some(traveller) = taken else {
        return Ok(None);
    };
    let end = match code {
        Some(code) => exchange(api, traveller.user_id.clone(), code.to_owned()).await,
        None => End::Refused(denied(error.unwrap_or_default())),
    };
    Ok(Some((traveller, end)))
}

/// Connects the user. It goes on when the browser does not wait for it: what has begun must come to its end.
async fn exchange(api: &Arc<Api>, user_id: UserId, code: String) -> End {
    let (to_end, state) = (Arc::clone(api), Arc::clone(api));
    let connecting = async move {
        let redirect_uri = to_end.public_url(CALLBACK_PATH);
        let grant = Grant {
            user_id: &user_id,
            code: &code,
            redirect_uri: &redirect_uri,
        };
        let first_sync = plain(Lane::Interactive, Cause::Connect, Vec::new());
        let authorized =
            authorize(&to_end.access, grant, to_end.settings.replace, &first_sync).await?;
        let (lane, cause, task) = (first_sync.lane, first_sync.cause, first_sync.task_id);
        to_end.desk.wake(&user_id, lane, cause, task).await;
        Ok::<Authorized, AuthorizeError>(authorized)
    }
    .in_current_span();
    match state.unfinished.spawn(Box::pin(connecting)).await {
        Ok(Ok(authorized)) => End::Connected(authorized.registration),
        Ok(Err(error)) => End::Refused(refusal(error)),
        Err(broken) => End::Refused(ours(&ApiError::bug(&broken))),
    }
}

/// What Polar says instead of a code. Source: RFC 6749, section 4.1.2.1.
fn denied(error: &str) -> Refusal {
    let (word, text) = match error {
        "access_denied" => (
            "access_denied",
            "You did not agree to share your data. Nothing was changed.",
        ),
        "server_error" | "temporarily_unavailable" => (
            "polar_unavailable",
            "Polar could not ask you just now. Please begin again in a few minutes.",
        ),
        _ => (
            "client_refused",
            "Polar does not accept this service. Its operator has to look at accesslink.client_id.",
        ),
    };
    Refusal {
        status: StatusCode::FORBIDDEN,
        word,
        text,
    }
}

/// A failure of ours: the platform is told its code, and the user to begin again.
fn ours(error: &ApiError) -> Refusal {
    Refusal {
        status: error.status(),
        word: error.code(),
        text: "Something went wrong here. Please begin again in a few minutes.",
    }
}

/// What a failure means for the user.
fn refusal(error: AuthorizeError) -> Refusal {
    tracing::warn!(
        error = telemetry::chain(&error),
        "a user could not be connected"
    );
    let refusal = |status, word, text| Refusal { status, word, text };
    match error {
        AuthorizeError::Exchange(OAuthError::InvalidGrant) => refusal(
            StatusCode::BAD_REQUEST,
            "invalid_grant",
            "Polar did not accept the answer that you brought. Please begin again.",
        ),
        AuthorizeError::Exchange(OAuthError::Refused(_)) => refusal(
            StatusCode::BAD_GATEWAY,
            "client_refused",
            "Polar does not accept this service. Its operator has to look at accesslink.client_id and \
             accesslink.client_secret.",
        ),
        AuthorizeError::Exchange(OAuthError::NoAnswer)
        | AuthorizeError::Nobody
        | AuthorizeError::TokenRefused => refusal(
            StatusCode::BAD_GATEWAY,
            "polar_unavailable",
            "Polar gave no usable answer. Please begin again in a few minutes.",
        ),
        AuthorizeError::MemberIdTaken(_) => refusal(
            StatusCode::CONFLICT,
            "registration_conflict",
            "Polar has another user registered in your place. Please ask the operator of this service.",
        ),
        AuthorizeError::Connect(ConnectError::AccountTaken { .. }) => refusal(
            StatusCode::CONFLICT,
            "account_taken",
            "This Polar account is connected to another user. Please connect with another Polar account.",
        ),
        AuthorizeError::Connect(ConnectError::OtherAccount { .. }) => refusal(
            StatusCode::CONFLICT,
            "other_account",
            "You are connected with another Polar account. Please choose that one at Polar, or disconnect it first.",
        ),
        AuthorizeError::Connect(ConnectError::Erasing { .. }) => refusal(
            StatusCode::CONFLICT,
            "erasing",
            "Your data is being erased. Please connect again when that is done.",
        ),
        AuthorizeError::Connect(ConnectError::Key(error)) => ours(&ApiError::bug(&error)),
        AuthorizeError::Connect(ConnectError::Store(error)) => ours(&error.into()),
    }
}

impl End {
    /// Sends the browser on, or shows a page.
    fn tell(self, traveller: &Traveller) -> Response {
        let outcome = match &self {
            Self::Connected(_) => ("status", "connected"),
            Self::Refused(refusal) => ("error", refusal.word),
        };
        let target = traveller
            .redirect_uri
            .as_deref()
            .and_then(|target| Url::parse(target).ok());
        if let Some(mut target) = target {
            target
                .query_pairs_mut()
                .append_pair("user_id", traveller.user_id.as_str())
                .append_pair("provider", PROVIDER)
                .append_pair(outcome.0, outcome.1);
            return Redirect::to(target.as_str()).into_response();
        }
        match &self {
            Self::Connected(registration) => Told {
                status: StatusCode::OK,
                title: "You are connected",
                text: welcome(*registration),
            },
            Self::Refused(refusal) => Told {
                status: refusal.status,
                title: "You are not connected",
                text: refusal.text,
            },
        }
        .into_response()
    }
}

const fn welcome(registration: Registration) -> &'static str {
    match registration {
        Registration::Done | Registration::Unanswered => {
            "Your Polar account is connected, and your data is on its way. You may close this page."
        }
        Registration::ConsentMissing => {
            "Your Polar account is connected, but Polar waits for a consent of yours: please accept the pending \
             consents in Polar Flow. Your data follows by itself."
        }
    }
}
