//! How a user connects through OAuth: what Polar's redirect brought becomes a connection.
//!
//! The code is exchanged once and never again, whatever happens: Polar deletes the tokens of a code that is used
//! twice. So nothing that can be done without Polar may fail after the exchange, and a registration that got no
//! answer does not throw the tokens away: the first run sees to it.

use super::{
    connect::{ConnectError, Connected, NewTokens, Replace, claim, connect},
    session::{Access, SessionError},
    standing::{Speaker, Standing, register_as},
};
use crate::{
    accesslink::{Answer, Call, Credential, Urgency, oauth::OAuthError},
    model::{ConnectionId, UserId},
    secret::Token,
    store::request::NewRequest,
    telemetry,
};
use url::Url;

/// What a redirect from the consent page brought. Whoever makes one has checked its state.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    /// The platform's id of the user who was sent to the page.
    pub user_id: &'a UserId,
    /// The code.
    pub code: &'a str,
    /// The redirect target that the authorization URL named.
    pub redirect_uri: &'a Url,
}

/// Whether Polar has the user registered with our client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// It has.
    Done,
    /// Not before the user gives a mandatory consent; runs look at it again.
    ConsentMissing,
    /// It did not answer; the first run registers the user.
    Unanswered,
}

/// A user who connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authorized {
    /// The connection.
    pub connected: Connected,
    /// Whether its data can be read yet.
    pub registration: Registration,
}

/// The user is not connected, and has to go to the consent page again.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// The code gave no tokens.
    #[error("the code gave no tokens")]
    Exchange(#[from] OAuthError),
    /// The answer with the tokens does not say whose they are.
    #[error("Polar's answer with the tokens lacks x_user_id")]
    Nobody,
    /// The token that was just given is refused.
    #[error("Polar does not accept the token that it just gave")]
    TokenRefused,
    /// Polar knows another user by our member id.
    #[error("Polar has another user registered under the member id {0}")]
    MemberIdTaken(ConnectionId),
    /// The user cannot have this Polar account, or could not be stored.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// Makes a connection of a grant: exchanges the code, registers the user, and stores the tokens with the
/// request of the first sync. Whoever calls wakes a worker for that.
///
/// Let it run to its end once it has begun, even when nobody waits for it any more.
pub async fn authorize(
    access: &Access,
    grant: Grant<'_>,
    replace: Replace,
    first_sync: &NewRequest,
) -> Result<Authorized, AuthorizeError> {
    let Grant {
        user_id,
        code,
        redirect_uri,
    } = grant;
    let tokens = access.oauth.exchange(code, redirect_uri).await?;
    let polar_user_id = tokens.polar_user_id.ok_or(AuthorizeError::Nobody)?;
    let existing = claim(&access.store, user_id, polar_user_id, replace).await?;
    let connection_id = existing
        .filter(|row| row.polar_user_id == polar_user_id)
        .map_or_else(ConnectionId::new, |row| row.connection_id);
    let newcomer = Newcomer {
        access,
        token: &tokens.access_token,
    };
    let registration = register(&newcomer, connection_id, polar_user_id).await?;
    let new = NewTokens {
        user_id,
        polar_user_id,
        tokens: &tokens,
        registered: registration == Registration::Done,
        connection_id,
    };
    let connected = connect(
        &access.store,
        &access.keyring.get(),
        &new,
        replace,
        first_sync,
    )
    .await?;
    Ok(Authorized {
        connected,
        registration,
    })
}

async fn register(
    newcomer: &Newcomer<'_>,
    connection_id: ConnectionId,
    polar_user_id: i64,
) -> Result<Registration, AuthorizeError> {
    match register_as(newcomer, connection_id, polar_user_id).await {
        Ok(Standing::Good) => Ok(Registration::Done),
        Ok(Standing::Forbidden) => Ok(Registration::ConsentMissing),
        Ok(Standing::Unauthorized) => Err(AuthorizeError::TokenRefused),
        Ok(Standing::Unknown) => Err(AuthorizeError::MemberIdTaken(connection_id)),
        Err(error) => {
            tracing::warn!(
                connection.id = %connection_id,
                error = telemetry::chain(&error),
                "a user could not be registered; the first run does it"
            );
            Ok(Registration::Unanswered)
        }
    }
}

/// Somebody whose tokens are not stored yet.
struct Newcomer<'a> {
    access: &'a Access,
    token: &'a Token,
}

impl Speaker for Newcomer<'_> {
    async fn send(&self, call: &Call) -> Result<Answer, SessionError> {
        let credential = Credential::User(self.token);
        let client = &self.access.client;
        Ok(client.send(call, credential, Urgency::Interactive).await?)
    }
}
