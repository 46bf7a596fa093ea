//! What operators' commands write, each with its row in `polar_sync.operator_log`.

mod dead;
mod loss;
mod standing;

use uuid::Uuid;

use super::{StoreError, Tx};
use crate::model::ConnectionId;

pub use dead::Buried;
pub use loss::BlockedTransaction;

/// What an operator did, to be kept.
#[derive(Debug, Clone)]
pub struct Deed<'a> {
    /// Who.
    pub operator: &'a str,
    /// The command, without its arguments.
    pub command: &'a str,
    /// To which connection.
    pub connection: Option<ConnectionId>,
    /// What exactly.
    pub detail: &'a str,
}

impl Tx {
    /// Writes down what an operator did.
    pub async fn log_deed(&mut self, deed: &Deed<'_>) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO polar_sync.operator_log (entry_id, operator, command, connection_id, detail, logged_at)
             VALUES ($1, $2, $3, $4, $5, polar_sync.now())",
            Uuid::now_v7(),
            deed.operator,
            deed.command,
            deed.connection.map(|connection| connection.0),
            deed.detail
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("write down what an operator did"))?;
        Ok(())
    }
}
