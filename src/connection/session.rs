//! A session: calls to AccessLink that speak for one connection, with its tokens.

use std::time::Duration;

use tokio::sync::Mutex;

use super::{
    refresh::{RefreshError, Refreshed, refresh},
    seal::{OpenTokens, open},
};
use crate::{
    accesslink::{Answer, Call, Client, Credential, Error, Urgency, error::Meaning, oauth::OAuth},
    config::Live,
    secret::{KeyError, Keyring},
    store::{Store, StoreError, connection::ConnectionRow},
};

/// Between two looks whether somebody else's refresh has come to its end.
const REFRESH_LOOK_EVERY: Duration = Duration::from_millis(200);

/// So many looks, ten seconds, are longer than an exchange usually takes; what takes longer is left for a later run.
const REFRESH_LOOKS_MAX: usize = 50;

/// What it takes to speak for connections.
#[derive(Debug, Clone)]
pub struct Access {
    /// AccessLink.
    pub client: Client,
    /// Its authorization server.
    pub oauth: OAuth,
    /// The keys that seal tokens; they may change.
    pub keyring: Live<Keyring>,
    /// Where tokens are kept.
    pub store: Store,
}

/// Calls for one connection.
#[derive(Debug)]
pub struct Session {
    access: Access,
    connection: ConnectionRow,
    urgency: Urgency,
    held: Mutex<Held>,
}

#[derive(Debug, Clone)]
struct Held {
    tokens: OpenTokens,
    generation: i64,
}

/// A call in a session failed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// AccessLink did not give what was asked for.
    #[error(transparent)]
    Call(#[from] Error),
    /// A token was refused, and a new one could not be had.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// A new token set could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A token could not be sealed or opened.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Session {
    /// Opens the connection's tokens.
    pub fn open(
        access: Access,
        connection: ConnectionRow,
        urgency: Urgency,
    ) -> Result<Self, KeyError> {
        let tokens = open(
            &access.keyring.get(),
            connection.connection_id,
            &connection.tokens,
        )?;
        let held = Held {
            tokens,
            generation: connection.token_generation,
        };
        Ok(Self {
            access,
            connection,
            urgency,
            held: Mutex::new(held),
        })
    }

    /// The connection's token is accepted again: an earlier suspicion is over.
    pub fn clear_suspicion(&mut self) {
        self.connection.suspect_since = None;
    }

    /// The connection, as it was when the session was opened.
    pub fn connection(&self) -> &ConnectionRow {
        &self.connection
    }

    /// AccessLink.
    pub fn client(&self) -> &Client {
        &self.access.client
    }

    /// How urgent the session's calls are.
    pub fn urgency(&self) -> Urgency {
        self.urgency
    }

    /// The generation of the tokens in use: what an answer means is true of these only.
    pub async fn generation(&self) -> i64 {
        self.held.lock().await.generation
    }

    /// Sends a call. When the token is refused and there is a refresh token, refreshes once and sends
    /// the call again.
    pub async fn send(&self, call: &Call) -> Result<Answer, SessionError> {
        let used = self.held.lock().await.clone();
        match self.send_with(call, &used.tokens).await {
            Err(error) if error.meaning == Meaning::Unauthorized => {
                match self.renewed_after(used.generation).await? {
                    Some(renewed) => Ok(self.send_with(call, &renewed).await?),
                    None => Err(error.into()),
                }
            }
            answer => Ok(answer?),
        }
    }

    /// Sends a call with the tokens as they are, and never refreshes them.
    pub(super) async fn send_as_it_is(&self, call: &Call) -> Result<Answer, SessionError> {
        let used = self.held.lock().await.clone();
        Ok(self.send_with(call, &used.tokens).await?)
    }

    async fn send_with(&self, call: &Call, tokens: &OpenTokens) -> Result<Answer, Error> {
        let credential = Credential::User(&tokens.access);
        self.access
            .client
            .send(call, credential, self.urgency)
            .await
    }

    /// Other tokens than those of `generation`, which were refused: somebody else's, or refreshed
    /// ones. `None` when there are none to be had.
    async fn renewed_after(&self, generation: i64) -> Result<Option<OpenTokens>, SessionError> {
        // Held over the exchange on purpose: concurrent calls of this session wait for one refresh.
        let mut held = self.held.lock().await;
        if held.generation == generation {
            self.renew(&mut held).await?;
        }
        Ok((held.generation != generation).then(|| held.tokens.clone()))
    }

    /// Holds other tokens afterwards, if there are any to be had.
    async fn renew(&self, held: &mut Held) -> Result<(), SessionError> {
        for _ in 0..REFRESH_LOOKS_MAX {
            let Some(refresh_token) = held.tokens.refresh.clone() else {
                self.adopt_newer(held).await?;
                return Ok(());
            };
            if self.adopt_newer(held).await? {
                return Ok(());
            }
            let (access, id) = (self.access.clone(), self.connection.connection_id);
            match refresh(access, id, held.generation, refresh_token).await? {
                Refreshed::Tokens(tokens, generation) => {
                    *held = Held { tokens, generation };
                    return Ok(());
                }
                // Somebody else used the refresh token first, or may have: its tokens are stored.
                Refreshed::Overtaken | Refreshed::Invalid => {
                    self.adopt_newer(held).await?;
                    return Ok(());
                }
                Refreshed::Elsewhere => tokio::time::sleep(REFRESH_LOOK_EVERY).await,
            }
        }
        Err(RefreshError::Elsewhere.into())
    }

    /// Takes over tokens that were stored since; tells whether there were any.
    async fn adopt_newer(&self, held: &mut Held) -> Result<bool, SessionError> {
        let user = &self.connection.user_id;
        let stored = self.access.store.connection_of_user(user).await?;
        let newer = stored.filter(|row| {
            row.connection_id == self.connection.connection_id
                && row.token_generation != held.generation
        });
        if let Some(row) = &newer {
            let tokens = open(&self.access.keyring.get(), row.connection_id, &row.tokens)?;
            *held = Held {
                tokens,
                generation: row.token_generation,
            };
        }
        Ok(newer.is_some())
    }
}
