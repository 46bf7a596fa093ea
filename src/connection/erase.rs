//! How a user's erasure begins: work stops, and Polar is told. What is stored is deleted afterwards.

use super::{
    disconnect::deregister,
    refuse::refuse_open,
    session::{Access, SessionError},
};
use crate::{
    model::{ConnectionState, UserId},
    store::{Store, StoreError, connection::ConnectionRow, erasure::Erasure},
};

/// The reason that the row of a connection gives which is being erased.
const REASON: &str = "erasure";

/// An erasure that has begun.
#[derive(Debug)]
pub struct Begun {
    /// The erasure.
    pub erasure: Erasure,
    /// The live connection, while Polar may still have the user registered with our client.
    pub registered: Option<ConnectionRow>,
}

/// Stops all work on a user's connections for good, the ended ones included: a run under way can write nothing more,
/// and what waits is refused. Calling it again goes on with the same erasure.
pub async fn begin_erasure(store: &Store, user: &UserId) -> Result<Begun, StoreError> {
    let mut tx = store.begin("users_erase").await?;
    let connections = tx.lock_connections_of(user).await?;
    // What is read now stays so until this tx ends: whoever gives it other tokens waits for the lock.
    let live = store.connection_of_user(user).await?;
    let live = live.filter(|row| connections.contains(&row.connection_id));
    for connection in &connections {
        tx.put_state(*connection, ConnectionState::Erasing, Some(REASON))
            .await?;
        tx.fence(*connection).await?;
    }
    if let Some(row) = &live {
        refuse_open(&mut tx, row).await?;
    }
    let erasure = tx.begin_erasure(user, &connections).await?;
    tx.commit().await?;
    let registered =
        live.filter(|row| erasure.deregistered_at.is_none() && !row.tokens.access_token.is_empty());
    Ok(Begun {
        erasure,
        registered,
    })
}

/// Has Polar forget a user who is being erased.
pub async fn deregister_erased(
    access: &Access,
    erasure: &Erasure,
    row: ConnectionRow,
) -> Result<(), SessionError> {
    deregister(access, row).await?;
    access.store.note_deregistered(erasure.erasure_id).await?;
    Ok(())
}
