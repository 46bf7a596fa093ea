//! The exchange of a refresh token, and the storing of what came of it.

use std::time::Duration;

use super::{
    seal::{OpenTokens, open, seal},
    session::{Access, SessionError},
};
use crate::{
    accesslink::oauth::OAuthError,
    model::ConnectionId,
    secret::Token,
    store::{StoreError, connection::SealedTokens},
};

/// How often a new token set is tried to be stored: a server that rotates has no other.
const STORES_MAX: usize = 8;

/// The first pause before the next try to store it; full jitter, doubling.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A token was refused, and the authorization server did not say whether there is another one. That
/// says nothing about the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the access token is refused, and it cannot be refreshed now")]
pub struct RefreshError(#[source] pub OAuthError);

/// What came of an exchange.
pub(super) enum Refreshed {
    /// New tokens, stored as this generation.
    Tokens(OpenTokens, i64),
    /// Somebody else stored newer ones first.
    Overtaken,
    /// The grant is not valid (any more).
    Invalid,
}

/// Exchanges a refresh token. Once it is sent, what comes of it is stored even if the caller is gone:
/// a server that rotates has already forgotten the old one.
pub(super) async fn refresh(
    access: Access,
    connection: ConnectionId,
    generation: i64,
    refresh_token: Token,
) -> Result<Refreshed, SessionError> {
    let exchange = exchange(access, connection, generation, refresh_token);
    match tokio::spawn(exchange).await {
        Ok(refreshed) => refreshed,
        // It panicked, or the runtime ends: nobody knows what came of it.
        Err(_) => Err(RefreshError(OAuthError::NoAnswer).into()),
    }
}

async fn exchange(
    access: Access,
    connection: ConnectionId,
    generation: i64,
    refresh_token: Token,
) -> Result<Refreshed, SessionError> {
    let mut fresh = match access.oauth.refresh(&refresh_token).await {
        Ok(fresh) => fresh,
        Err(OAuthError::InvalidGrant) => return Ok(Refreshed::Invalid),
        Err(error @ (OAuthError::Refused(_) | OAuthError::NoAnswer)) => {
            return Err(RefreshError(error).into());
        }
    };
    // A server that does not rotate leaves the refresh token out of its answer.
    fresh.refresh_token = fresh.refresh_token.or(Some(refresh_token));
    let sealed = seal(&access.keyring, connection, &fresh)?;
    let Some(generation) = keep(&access, connection, generation, &sealed).await? else {
        return Ok(Refreshed::Overtaken);
    };
    let tokens = open(&access.keyring, connection, &sealed)?;
    Ok(Refreshed::Tokens(tokens, generation))
}

async fn keep(
    access: &Access,
    connection: ConnectionId,
    generation: i64,
    sealed: &SealedTokens,
) -> Result<Option<i64>, StoreError> {
    let pauses = backon::ExponentialBuilder::default()
        .with_min_delay(PAUSE_MIN)
        .with_max_delay(PAUSE_MAX)
        .with_jitter()
        .with_max_times(STORES_MAX - 1);
    let store = || access.store.replace_tokens(connection, generation, sealed);
    backon::Retryable::retry(store, pauses)
        .when(StoreError::is_transient)
        .await
}
