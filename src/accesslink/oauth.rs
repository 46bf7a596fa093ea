//! Polar's `OAuth2`: the authorization URL, the exchange of a code, and the refresh of a token.
//!
//! A code is sent once and never again: Polar deletes the tokens of a code that is used twice.
//! Source: AccessLink documentation, "Authentication".

use std::{future::Future, pin::Pin, time::Duration};

use jiff::Timestamp;
use oauth2::{
    AsyncHttpClient, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse, TokenResponse,
    TokenUrl,
    basic::{
        BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
        BasicTokenType,
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::client::{BuildError, http_client};
use crate::{clock::Clock, config::Live, secret::Token};

/// The scope of AccessLink.
const SCOPE: &str = "accesslink.read_all";

/// The largest answer of the token endpoint that is taken.
const TOKEN_BODY_MAX_BYTES: usize = 64 * 1024;

/// The longest code of a refusal that is repeated.
const CODE_MAX_CHARS: usize = 64;

/// What OAuth needs to know.
#[derive(Debug, Clone)]
pub struct OAuthSettings {
    /// Where a user's browser is sent.
    pub authorize_url: Url,
    /// Where codes and refresh tokens are exchanged.
    pub token_url: Url,
    /// The client's id.
    pub client_id: String,
    /// The client's secret, which may change.
    pub client_secret: Live<SecretString>,
    /// How long an exchange may take.
    pub request_timeout: Duration,
}

/// The tokens of one user.
#[derive(Debug, Clone)]
pub struct TokenSet {
    /// The bearer token.
    pub access_token: Token,
    /// For servers that have them; Polar's v3 has none.
    pub refresh_token: Option<Token>,
    /// When the token says that it ends.
    pub expires_at: Option<Timestamp>,
    /// The Polar user that it belongs to; a refresh may leave it out.
    pub polar_user_id: Option<i64>,
}

/// An exchange gave no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// The code or refresh token is not valid (any more).
    #[error("the grant is not valid (invalid_grant); the user has to authorize again")]
    InvalidGrant,
    /// The client's id or secret is wrong, or the request is not allowed.
    #[error(
        "the authorization server refused ({0}); check accesslink.client_id and accesslink.client_secret"
    )]
    Refused(String),
    /// No usable answer: for a code, nobody knows whether it was used.
    #[error("no usable answer from accesslink.token_url")]
    NoAnswer,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct PolarFields {
    x_user_id: Option<i64>,
}

impl ExtraTokenFields for PolarFields {}

type PolarTokenResponse = StandardTokenResponse<PolarFields, BasicTokenType>;
type PolarClient = oauth2::Client<
    BasicErrorResponse,
    PolarTokenResponse,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Polar's authorization server.
#[derive(Debug, Clone)]
pub struct OAuth {
    /// Without its secret, which may change.
    client: PolarClient,
    client_secret: Live<SecretString>,
    http: Http,
    request_timeout: Duration,
    clock: Clock,
}

impl OAuth {
    /// Makes the client.
    pub fn new(settings: OAuthSettings, clock: Clock) -> Result<Self, BuildError> {
        let client = oauth2::Client::new(ClientId::new(settings.client_id))
            .set_auth_uri(AuthUrl::from_url(settings.authorize_url))
            .set_token_uri(TokenUrl::from_url(settings.token_url));
        Ok(Self {
            client,
            client_secret: settings.client_secret,
            http: Http(http_client(settings.request_timeout)?),
            request_timeout: settings.request_timeout,
            clock,
        })
    }

    /// How long an exchange may take.
    pub const fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// The URL that a user's browser is sent to. `redirect_uri` must be repeated at the exchange.
    pub fn authorize_url(&self, redirect_uri: &Url, state: &str) -> Url {
        let state = state.to_owned();
        self.client
            .authorize_url(move || CsrfToken::new(state))
            .set_redirect_uri(std::borrow::Cow::Owned(RedirectUrl::from_url(
                redirect_uri.clone(),
            )))
            .add_scope(Scope::new(SCOPE.to_owned()))
            .url()
            .0
    }

    /// Exchanges a code, once.
    pub async fn exchange(&self, code: &str, redirect_uri: &Url) -> Result<TokenSet, OAuthError> {
        let answer = self
            .client_with_secret()
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_redirect_uri(std::borrow::Cow::Owned(RedirectUrl::from_url(
                redirect_uri.clone(),
            )))
            .request_async(&self.http)
            .await;
        self.token_set(answer)
    }

    /// Exchanges a refresh token.
    pub async fn refresh(&self, refresh_token: &Token) -> Result<TokenSet, OAuthError> {
        let refresh_token = RefreshToken::new(refresh_token.expose().to_owned());
        let answer = self
            .client_with_secret()
            .exchange_refresh_token(&refresh_token)
            .request_async(&self.http)
            .await;
        self.token_set(answer)
    }

    fn client_with_secret(&self) -> PolarClient {
        let secret = self.client_secret.get().expose_secret().to_owned();
        self.client
            .clone()
            .set_client_secret(ClientSecret::new(secret))
    }

    fn token_set(
        &self,
        answer: Result<PolarTokenResponse, RequestTokenError<HttpError, BasicErrorResponse>>,
    ) -> Result<TokenSet, OAuthError> {
        let tokens = answer.map_err(|error| match error {
            RequestTokenError::ServerResponse(refusal) => match refusal.error().as_ref() {
                "invalid_grant" => OAuthError::InvalidGrant,
                code => OAuthError::Refused(plain_code(code)),
            },
            RequestTokenError::Request(_)
            | RequestTokenError::Parse(..)
            | RequestTokenError::Other(_) => OAuthError::NoAnswer,
        })?;
        let lifetime = tokens.expires_in();
        Ok(TokenSet {
            access_token: tokens.access_token().secret().clone().into(),
            refresh_token: tokens
                .refresh_token()
                .map(|token| token.secret().clone().into()),
            expires_at: lifetime.and_then(|lifetime| self.clock.now().checked_add(lifetime).ok()),
            polar_user_id: tokens.extra_fields().x_user_id,
        })
    }
}

/// The code of a refusal, as far as OAuth allows one: it goes to logs, terminals and pages.
fn plain_code(code: &str) -> String {
    let allowed = |c: &char| matches!(c, ' '..='~') && !"\"\\".contains(*c);
    code.chars().filter(allowed).take(CODE_MAX_CHARS).collect()
}

/// The oauth2 crate's view of our HTTP client: same limits, no redirects.
#[derive(Debug, Clone)]
struct Http(reqwest::Client);

/// The token endpoint gave no usable answer.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("the request failed")]
    Transport(#[from] reqwest::Error),
    #[error("the answer cannot be used")]
    Answer(#[from] oauth2::http::Error),
    #[error("the answer is larger than {TOKEN_BODY_MAX_BYTES} bytes")]
    TooLarge,
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + Sync + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let mut response = self.0.execute(request.try_into()?).await?;
            let mut answer = oauth2::http::Response::builder().status(response.status());
            for (name, value) in response.headers() {
                answer = answer.header(name, value);
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                if body.len() + chunk.len() > TOKEN_BODY_MAX_BYTES {
                    return Err(HttpError::TooLarge);
                }
                body.extend_from_slice(&chunk);
            }
            Ok(answer.body(body)?)
        })
    }
}
