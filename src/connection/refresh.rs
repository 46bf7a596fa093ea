//! The exchange of a refresh token, and the storing of what came of it.
//!
//! A server that rotates takes a refresh token once, and may take a second use of it for a theft. So an exchange is
//! claimed in Postgres first, and of all workers one sends it. When that one dies between the answer and the
//! storing of it, nobody has the new tokens: the claim ends by itself, and the old refresh token is tried again,
//! since a server that does not rotate, or never saw the first exchange, still takes it.

use std::time::Duration;

use uuid::Uuid;

use super::{
    seal::{OpenTokens, open, seal},
    session::{Access, SessionError},
};
use crate::{
    accesslink::oauth::{OAuthError, TokenSet},
    model::ConnectionId,
    secret::Token,
    store::{StoreError, connection::SealedTokens, token::RefreshClaim},
};

/// How often a new token set is tried to be stored: a server that rotates has no other.
const STORES_MAX: usize = 8;

/// The first pause before the next try to store it; full jitter, doubling.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long new tokens may take to be stored, beside the exchange itself, before somebody else may try.
const STORING_MAX: Duration = Duration::from_mins(2);

/// A refresh token that was refused is not tried again within this: all who waited for the one that tried would.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// A token was refused, and nobody knows (yet) whether there is another one. That says nothing about
/// the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// The authorization server did not say.
    #[error("the access token is refused, and it cannot be refreshed now")]
    Exchange(#[source] OAuthError),
    /// Somebody else asks the authorization server, and has not come back yet.
    #[error("the access token is refused, and another worker is still refreshing it")]
    Elsewhere,
}

/// What came of a wish to refresh.
pub(super) enum Refreshed {
    /// New tokens, stored as this generation.
    Tokens(OpenTokens, i64),
    /// Somebody else stored newer ones first.
    Overtaken,
    /// The grant is not valid (any more).
    Invalid,
    /// Somebody else is at it.
    Elsewhere,
}

/// Exchanges a refresh token, unless somebody else is at it. Once it is sent, what comes of it is stored
/// even if the caller is gone: a server that rotates has already forgotten the old one.
pub(super) async fn refresh(
    access: Access,
    connection: ConnectionId,
    generation: i64,
    refresh_token: Token,
) -> Result<Refreshed, SessionError> {
    let refresh = claim_and_exchange(access, connection, generation, refresh_token);
    match tokio::spawn(refresh).await {
        Ok(refreshed) => refreshed,
        // It panicked, or the runtime ends: nobody knows what came of it.
        Err(_) => Err(RefreshError::Exchange(OAuthError::NoAnswer).into()),
    }
}

async fn claim_and_exchange(
    access: Access,
    connection: ConnectionId,
    generation: i64,
    refresh_token: Token,
) -> Result<Refreshed, SessionError> {
    let (claim, longest) = (Uuid::new_v4(), access.oauth.request_timeout() + STORING_MAX);
    let claimed = access
        .store
        .claim_refresh(connection, generation, claim, longest)
        .await?;
    match claimed {
        RefreshClaim::Claimed => {}
        RefreshClaim::Elsewhere => return Ok(Refreshed::Elsewhere),
        RefreshClaim::Refused => return Ok(Refreshed::Invalid),
    }
    let (result, pause) = match access.oauth.refresh(&refresh_token).await {
        Ok(fresh) => {
            return store_fresh(&access, connection, generation, fresh, refresh_token).await;
        }
        Err(OAuthError::InvalidGrant) => (Ok(Refreshed::Invalid), REFUSED_PAUSE),
        Err(error @ (OAuthError::Refused(_) | OAuthError::NoAnswer)) => {
            (Err(RefreshError::Exchange(error).into()), Duration::ZERO)
        }
    };
    access
        .store
        .release_refresh(connection, claim, pause)
        .await?;
    result
}

/// Stores what an exchange gave. A claim that leads to tokens ends with their generation.
async fn store_fresh(
    access: &Access,
    connection: ConnectionId,
    generation: i64,
    mut fresh: TokenSet,
    refresh_token: Token,
) -> Result<Refreshed, SessionError> {
    // A server that does not rotate leaves the refresh token out of its answer.
    fresh.refresh_token = fresh.refresh_token.or(Some(refresh_token));
    let keyring = access.keyring.get();
    let sealed = seal(&keyring, connection, &fresh)?;
    let Some(generation) = keep(access, connection, generation, &sealed).await? else {
        return Ok(Refreshed::Overtaken);
    };
    let tokens = open(&keyring, connection, &sealed)?;
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
