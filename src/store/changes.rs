//! The change feed: logical changes, numbered in commit order.
//!
//! A writer appends unnumbered rows to the outbox in the transaction of the change. The one leader
//! named `sequencer` numbers what has been committed. Numbers are given under a lock of the leader's
//! row and become visible together with that lock's release, so no row ever appears with a `seq` at
//! or below one already visible.

use crate::model::{ConnectionId, Kind, RecordId, UserId};

use super::{Store, StoreError, Tx};

/// The most changes numbered in one transaction.
pub const SEQUENCE_BATCH_MAX: i64 = 5_000;

/// What happened to a record, in the feed's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It has a new revision.
    Updated,
    /// It was removed.
    Deleted,
}

impl ChangeKind {
    /// The word in `api_v1.changes`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

/// Appends a change to the outbox.
pub async fn append(
    tx: &mut Tx,
    connection: ConnectionId,
    user: &UserId,
    kind: Kind,
    record: RecordId,
    change: ChangeKind,
    revision: i32,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO polar_sync.outbox
            (connection_id, user_id, record_id, kind, change, revision, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, polar_sync.now())",
        connection.0,
        user.as_str(),
        record.0,
        kind.as_str(),
        change.as_str(),
        revision,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("append to the outbox"))?;
    Ok(())
}

/// Numbers up to [`SEQUENCE_BATCH_MAX`] committed changes, for the holder of the sequencer's lease
/// with this token. `None`: the lease is somebody else's by now, and nothing was done.
pub async fn sequence(store: &Store, leader_token: i64) -> Result<Option<usize>, StoreError> {
    let mut tx = store.begin("sequence").await?;
    let last_seq = sqlx::query_scalar!(
        "SELECT seq FROM polar_sync.leader WHERE name = 'sequencer' AND token = $1 FOR UPDATE",
        leader_token,
    )
    .fetch_optional(tx.db())
    .await
    .map_err(StoreError::while_doing("lock the sequencer's row"))?;
    let Some(last_seq) = last_seq else {
        return Ok(None);
    };
    let numbered = number(&mut tx, last_seq).await?;
    if numbered > 0 {
        tx.commit().await?;
    }
    Ok(Some(numbered))
}

/// Moves the oldest rows of the outbox to the feed. A statement of its own, so that it sees what
/// the holder of the lock before us committed.
async fn number(tx: &mut Tx, last_seq: i64) -> Result<usize, StoreError> {
    let numbered = sqlx::query_scalar!(
        r#"WITH taken AS (
            DELETE FROM polar_sync.outbox
            WHERE outbox_id = ANY (ARRAY(
                SELECT outbox_id FROM polar_sync.outbox ORDER BY outbox_id LIMIT $2))
            RETURNING *
        ), numbered AS (
            INSERT INTO polar_sync.change
                (seq, connection_id, user_id, record_id, kind, change, revision, changed_at)
            SELECT $1 + row_number() OVER (ORDER BY outbox_id),
                connection_id, user_id, record_id, kind, change, revision, changed_at
            FROM taken
            RETURNING seq
        ), counted AS (
            UPDATE polar_sync.leader SET seq = $1 + (SELECT count(*) FROM taken)
            WHERE name = 'sequencer' AND EXISTS (SELECT FROM taken)
        )
        SELECT count(*) AS "count!" FROM numbered"#,
        last_seq,
        SEQUENCE_BATCH_MAX,
    )
    .fetch_one(tx.db())
    .await
    .map_err(StoreError::while_doing("number the outbox"))?;
    Ok(usize::try_from(numbered).unwrap_or_default())
}
