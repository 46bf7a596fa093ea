//! How a connection ends because its user, or the platform, wants it to.
//!
//! Work on it stops first, so that nothing is asked of Polar in its name any more; then Polar is told, and then the
//! tokens are forgotten. What is not known to be done can be done again from its beginning.

use super::{
    refuse::refuse_open,
    session::{Access, Session, SessionError},
};
use crate::{
    accesslink::{Answer, Call, Urgency, error::Meaning},
    model::ConnectionState,
    store::{Store, StoreError, connection::ConnectionRow, event::Event},
};

/// The reason that a disconnected connection's row gives.
const REASON: &str = "disconnected";

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disconnected {
    /// Polar does not have the user registered with our client, and the tokens are forgotten.
    Done,
    /// The connection is being erased, which disconnects too.
    Erasing,
    /// The user connected again meanwhile: nothing was done.
    Again,
}

/// Ends a user's connection; its data stays. An error means that Polar has yet to be told: the connection is not
/// worked on any more, and calling again goes on.
pub async fn disconnect(
    access: &Access,
    row: &ConnectionRow,
) -> Result<Disconnected, SessionError> {
    let store = &access.store;
    let row = match stop(store, row).await? {
        Stopped::Now(row) => *row,
        Stopped::Not(why) => return Ok(why),
    };
    let (id, mut generation) = (row.connection_id, row.token_generation);
    if !row.tokens.access_token.is_empty() {
        generation = deregister(access, row).await?;
    }
    if store.forget_tokens(id, generation).await? {
        Ok(Disconnected::Done)
    } else {
        Ok(Disconnected::Again)
    }
}

/// Whether work on a connection has stopped.
enum Stopped {
    /// It has, on this connection with these tokens.
    Now(Box<ConnectionRow>),
    /// It was not for us to stop.
    Not(Disconnected),
}

/// Stops all work on a connection.
async fn stop(store: &Store, row: &ConnectionRow) -> Result<Stopped, StoreError> {
    let mut tx = store.begin("disconnect").await?;
    let before = match tx.lock_connection(row.connection_id).await? {
        None => return Ok(Stopped::Not(Disconnected::Again)),
        Some(ConnectionState::Erasing | ConnectionState::Erased) => {
            return Ok(Stopped::Not(Disconnected::Erasing));
        }
        Some(before) => before,
    };
    // What is read now stays so until this tx ends: whoever gives it other tokens waits for its lock.
    let fresh = store.connection_of_user(&row.user_id).await?;
    let Some(fresh) = fresh.filter(|fresh| fresh.connection_id == row.connection_id) else {
        return Ok(Stopped::Not(Disconnected::Again));
    };
    tx.fence(fresh.connection_id).await?;
    tx.put_state(fresh.connection_id, ConnectionState::Revoked, Some(REASON))
        .await?;
    refuse_open(&mut tx, &fresh).await?;
    if before != ConnectionState::Revoked
        && let Some(event) = Event::connection_state(ConnectionState::Revoked, &fresh.user_id)
    {
        tx.insert_event(&event).await?;
    }
    tx.commit().await?;
    Ok(Stopped::Now(Box::new(fresh)))
}

/// Has Polar forget the user; the generation of the tokens that are to be forgotten then. Source: AccessLink
/// documentation, "Delete user": it also revokes the token; so one that is not accepted, or of a user whom Polar does
/// not know, is done already. A user without a consent cannot be deregistered, and cannot be read either.
pub(super) async fn deregister(access: &Access, row: ConnectionRow) -> Result<i64, SessionError> {
    let call = Call::delete_user(row.polar_user_id);
    let session = Session::open(access.clone(), row, Urgency::Interactive)?;
    match session.send(&call).await {
        Ok(Answer::Body(_) | Answer::Done | Answer::Empty) => {}
        Err(SessionError::Call(error))
            if matches!(
                error.meaning,
                Meaning::Unauthorized | Meaning::Forbidden | Meaning::NotFound
            ) => {}
        Err(error) => return Err(error),
    }
    Ok(session.generation().await)
}
