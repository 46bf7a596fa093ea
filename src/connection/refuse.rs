//! What waits for a connection that is no longer worked on is refused at once, and whoever asked is told.

use crate::{
    model::RunOutcome,
    store::{
        StoreError, Tx,
        connection::ConnectionRow,
        event::{Counts, Event},
    },
};

/// Refuses every request that waits; a run under way ends by itself.
pub async fn refuse_open(tx: &mut Tx, row: &ConnectionRow) -> Result<(), StoreError> {
    let refused = tx.refuse_requests(row.connection_id).await?;
    if refused.is_empty() {
        return Ok(());
    }
    let ids = refused.into_iter().flatten().collect();
    let (outcome, counts) = (RunOutcome::Refused, Counts::default());
    if let Some(event) = Event::sync_ended(&row.user_id, None, ids, outcome, counts) {
        tx.insert_event(&event).await?;
    }
    Ok(())
}
