//! AccessLink transactions as the ledger knows them: rows of `polar_sync.remote_transaction`.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{StoreError, Tx, lease::Lease, request::texts};
use crate::model::TransactionalKind;

crate::model::vocabulary! {
    /// The phase of an AccessLink transaction in our ledger; `sync/lifecycle` has the rules.
    Phase, "phase" {
        /// Its create is sent, or about to be; the answer is not known.
        Opening = "opening",
        /// Polar gave it an id.
        Open = "open",
        /// Everything is durable, and `sync.commit` keeps it from being committed.
        Durable = "durable",
        /// Everything is durable, and its commit is or may be under way: frozen.
        Committing = "committing",
        /// An item could not be fetched whole: it is not committed.
        Blocked = "blocked",
        /// Its life ended, or Polar no longer knows it, before it was committed.
        Lapsed = "lapsed",
        /// Polar confirmed the commit.
        Committed = "committed",
        /// Everything is durable; whether Polar committed it is not known.
        Unconfirmed = "unconfirmed",
        /// There was nothing new.
        Empty = "empty",
    }
}

impl Phase {
    /// Whether the transaction is over for us.
    pub const fn is_closed(self) -> bool {
        match self {
            Self::Opening | Self::Open | Self::Durable | Self::Committing | Self::Blocked => false,
            Self::Lapsed | Self::Committed | Self::Unconfirmed | Self::Empty => true,
        }
    }
}

/// One AccessLink transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Remote {
    /// Our id.
    pub remote_id: Uuid,
    /// Where it stands.
    pub phase: Phase,
    /// Polar's id, once it is known.
    pub transaction_id: Option<i64>,
    /// When the first create that can have opened it was sent: its life cannot have begun earlier.
    pub created_at: Timestamp,
    /// When the last create was sent: its life cannot have begun later.
    pub last_create_at: Timestamp,
    /// The items that it was frozen or blocked with.
    pub items: Vec<String>,
    /// Items that an operator gave up.
    pub accepted_loss: Vec<String>,
}

/// When an earlier transaction may be open at Polar whose end is not known: it may hide data, and be
/// given out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Doubt {
    /// Its life cannot have begun earlier.
    pub since: Timestamp,
    /// By then it is over for certain.
    pub until: Timestamp,
}

/// What has to be written down of the transactions of one kind.
#[derive(Debug, Clone)]
pub struct Changes<'a> {
    /// The transactions, those that ended before the current one.
    pub remotes: Vec<&'a Remote>,
    /// What is doubted, or was.
    pub doubt: Option<Doubt>,
}

impl Tx {
    /// Writes down how the transactions of a kind stand.
    pub async fn save_transactions(
        &mut self,
        lease: &Lease,
        kind: TransactionalKind,
        changes: Changes<'_>,
    ) -> Result<(), StoreError> {
        for remote in changes.remotes {
            self.save_remote(lease, kind, remote).await?;
        }
        if let Some(doubt) = changes.doubt {
            self.save_doubt(lease, kind, doubt).await?;
        }
        Ok(())
    }

    /// One that turned out empty leaves no row.
    async fn save_remote(
        &mut self,
        lease: &Lease,
        kind: TransactionalKind,
        remote: &Remote,
    ) -> Result<(), StoreError> {
        if remote.phase == Phase::Empty {
            return self.delete_remote(lease, remote.remote_id).await;
        }
        sqlx::query!(
            "INSERT INTO polar_sync.remote_transaction
                 (connection_id, remote_id, kind, phase, polar_transaction_id, created_at, last_create_at,
                  items, accepted_loss, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, polar_sync.now())
             ON CONFLICT (connection_id, remote_id) DO UPDATE
             SET phase = excluded.phase, polar_transaction_id = excluded.polar_transaction_id,
                 created_at = excluded.created_at, last_create_at = excluded.last_create_at, items = excluded.items,
                 updated_at = excluded.updated_at",
            lease.connection_id.0,
            remote.remote_id,
            kind.as_str(),
            remote.phase.as_str(),
            remote.transaction_id,
            remote.created_at.to_sqlx() as _,
            remote.last_create_at.to_sqlx() as _,
            &texts(&remote.items),
            &texts(&remote.accepted_loss)
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("write an AccessLink transaction down"))?;
        Ok(())
    }

    async fn delete_remote(&mut self, lease: &Lease, remote_id: Uuid) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM polar_sync.remote_transaction WHERE connection_id = $1 AND remote_id = $2",
            lease.connection_id.0,
            remote_id
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing(
            "remove an empty AccessLink transaction",
        ))?;
        Ok(())
    }

    /// A run knows what was doubted before it from the same row, which nobody but the holder of the
    /// lease writes: so what it says now replaces that.
    async fn save_doubt(
        &mut self,
        lease: &Lease,
        kind: TransactionalKind,
        doubt: Doubt,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE polar_sync.kind_state SET doubted_since = $3, distrust_empty_until = $4
             WHERE connection_id = $1 AND kind = $2
               AND (doubted_since, distrust_empty_until) IS DISTINCT FROM ($3, $4)",
            lease.connection_id.0,
            kind.as_str(),
            doubt.since.to_sqlx() as _,
            doubt.until.to_sqlx() as _
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("note doubt about an empty answer"))?;
        Ok(())
    }
}
