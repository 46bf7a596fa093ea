//! How a connection begins: with a token set, from OAuth or from another system.

use super::seal::seal;
use crate::{
    accesslink::oauth::TokenSet,
    config::ReplaceConnection,
    model::{ConnectionId, ConnectionState, UserId},
    secret::{KeyError, Keyring},
    store::{
        Store, StoreError,
        connection::{ConnectionRow, NewConnection},
        event::Event,
        request::NewRequest,
    },
};

/// How often somebody else may be faster before it is given up.
const OVERTAKEN_MAX: u32 = 3;

/// What happens when a connected user comes with another Polar account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// It is refused.
    Reject,
    /// The new account takes the old one's place.
    New,
}

impl From<ReplaceConnection> for Replace {
    fn from(setting: ReplaceConnection) -> Self {
        match setting {
            ReplaceConnection::Reject => Self::Reject,
            ReplaceConnection::New => Self::New,
        }
    }
}

/// A token set and whose it is.
#[derive(Debug)]
pub struct NewTokens<'a> {
    /// The platform's id of the user.
    pub user_id: &'a UserId,
    /// Polar's id of the account.
    pub polar_user_id: i64,
    /// The tokens.
    pub tokens: &'a TokenSet,
    /// Whether the account is registered with our client. An imported one may not be: the first run
    /// sees to it.
    pub registered: bool,
    /// The connection id to be used when there is none, already given to Polar as member id.
    pub connection_id: ConnectionId,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connected {
    /// A new connection.
    New(ConnectionId),
    /// An existing one has new tokens and is active.
    Again(ConnectionId),
}

impl Connected {
    /// The connection.
    pub const fn id(self) -> ConnectionId {
        match self {
            Self::New(id) | Self::Again(id) => id,
        }
    }
}

/// The user cannot be connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The Polar account belongs to another user.
    #[error(
        "Polar account {polar_user_id} is connected to another user; connect this user with another account"
    )]
    AccountTaken {
        /// Polar's id.
        polar_user_id: i64,
    },
    /// The user has another Polar account.
    #[error(
        "user {user_id} is connected to another Polar account; set connections.replace = \"new\" to let a new \
         account take its place"
    )]
    OtherAccount {
        /// The platform's id.
        user_id: UserId,
    },
    /// The user, or what the user connected before, is being erased.
    #[error("user {user_id} is being erased; connect again when that is done")]
    Erasing {
        /// The platform's id.
        user_id: UserId,
    },
    /// The tokens could not be sealed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Postgres failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The connection that the user has, if this Polar account may be the user's.
pub(super) async fn claim(
    store: &Store,
    user_id: &UserId,
    polar_user_id: i64,
    replace: Replace,
) -> Result<Option<ConnectionRow>, ConnectError> {
    let account = store.connection_of_polar_user(polar_user_id).await?;
    if account.is_some_and(|row| row.user_id != *user_id) {
        return Err(ConnectError::AccountTaken { polar_user_id });
    }
    let existing = store.connection_of_user(user_id).await?;
    if existing
        .as_ref()
        .is_some_and(|row| row.state == ConnectionState::Erasing)
    {
        return Err(ConnectError::Erasing {
            user_id: user_id.clone(),
        });
    }
    let is_other = existing
        .as_ref()
        .is_some_and(|row| row.polar_user_id != polar_user_id);
    if is_other && replace == Replace::Reject {
        return Err(ConnectError::OtherAccount {
            user_id: user_id.clone(),
        });
    }
    Ok(existing)
}

/// Stores a token set for a user, and writes down the request of the first sync.
pub async fn connect(
    store: &Store,
    keyring: &Keyring,
    new: &NewTokens<'_>,
    replace: Replace,
    first_sync: &NewRequest,
) -> Result<Connected, ConnectError> {
    let mut overtaken = 0;
    loop {
        match store_tokens(store, keyring, new, replace, first_sync).await {
            // Somebody else connected or ended the same user or account just now: what they made decides.
            Err(ConnectError::Store(error)) if error.is_conflict() && overtaken < OVERTAKEN_MAX => {
            }
            Ok(None) if overtaken < OVERTAKEN_MAX => {}
            Ok(None) => {
                return Err(ConnectError::Erasing {
                    user_id: new.user_id.clone(),
                });
            }
            Ok(Some(connected)) => return Ok(connected),
            Err(error) => return Err(error),
        }
        overtaken += 1;
    }
}

/// `None` when the connection ended in the middle of it.
async fn store_tokens(
    store: &Store,
    keyring: &Keyring,
    new: &NewTokens<'_>,
    replace: Replace,
    first_sync: &NewRequest,
) -> Result<Option<Connected>, ConnectError> {
    let existing = claim(store, new.user_id, new.polar_user_id, replace).await?;
    let same = existing
        .as_ref()
        .filter(|row| row.polar_user_id == new.polar_user_id);
    let connected = match same {
        Some(row) => Connected::Again(row.connection_id),
        None => Connected::New(new.connection_id),
    };
    let sealed = seal(keyring, connected.id(), new.tokens)?;
    let mut tx = store.begin("connect").await?;
    match connected {
        Connected::Again(id) => {
            if !tx.reconnect(id, new.registered, &sealed).await? {
                return Ok(None);
            }
        }
        Connected::New(connection_id) => {
            if let Some(ConnectionRow {
                connection_id: old, ..
            }) = &existing
            {
                tx.end_connection(*old).await?;
            }
            let row = NewConnection {
                connection_id,
                user_id: new.user_id,
                polar_user_id: new.polar_user_id,
                registered: new.registered,
                tokens: &sealed,
            };
            tx.insert_connection(&row).await?;
        }
    }
    tx.insert_request(connected.id(), first_sync).await?;
    tx.insert_event(&Event::connection_active(new.user_id))
        .await?;
    tx.commit().await?;
    Ok(Some(connected))
}
