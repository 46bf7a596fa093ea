//! The sweep of raw bodies: what is older than the retention, and needed by nobody.

use jiff::SignedDuration;
use uuid::Uuid;

use super::super::{Store, StoreError, Tx};

/// The most items that a transaction of the sweep removes.
const SWEEP_BATCH_MAX: i64 = 1_000;

/// The most connections that a transaction of the sweep keeps from working.
const SWEEP_CONNECTIONS_MAX: i64 = 50;

/// The most transactions of one sweep; the next sweep goes on.
const SWEEP_BATCHES_MAX: usize = 200;

/// What a sweep removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Answers.
    pub items: u64,
    /// Bodies that no answer points to any more.
    pub bodies: u64,
}

/// Removes answers older than `retention`, and the bodies that only they pointed to. Keeps what is
/// in quarantine, and what belongs to an AccessLink transaction that is not over. Connections at
/// work are left for the next sweep.
pub async fn sweep(store: &Store, retention: SignedDuration) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    for _ in 0..SWEEP_BATCHES_MAX {
        let batch = sweep_batch(store, retention).await?;
        if batch.items == 0 {
            break;
        }
        swept.items += batch.items;
        swept.bodies += batch.bodies;
    }
    Ok(swept)
}

async fn sweep_batch(store: &Store, retention: SignedDuration) -> Result<Swept, StoreError> {
    let mut tx = store.begin("sweep_raw").await?;
    let connections = lock_connections(&mut tx, retention).await?;
    let items = sqlx::query!(
        "WITH old AS (
            SELECT connection_id, kind, item, version, part
            FROM polar_sync.raw_item_disposable
            WHERE fetched_at < polar_sync.now() - make_interval(secs => $1)
                AND connection_id = ANY ($2)
            ORDER BY fetched_at LIMIT $3
        )
        DELETE FROM polar_sync.raw_item i USING old
        WHERE i.connection_id = old.connection_id AND i.kind = old.kind AND i.item = old.item
            AND i.version = old.version AND i.part = old.part",
        retention.as_secs_f64(),
        &connections,
        SWEEP_BATCH_MAX,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("sweep raw items"))?
    .rows_affected();
    let bodies = sqlx::query!(
        "DELETE FROM polar_sync.raw_body b
        WHERE b.connection_id = ANY ($1)
            AND NOT EXISTS (SELECT FROM polar_sync.raw_item i
                WHERE i.connection_id = b.connection_id AND i.sha256 = b.sha256)
            AND NOT EXISTS (SELECT FROM polar_sync.quarantine q
                WHERE q.connection_id = b.connection_id AND q.sha256 = b.sha256)",
        &connections,
    )
    .execute(tx.db())
    .await
    .map_err(StoreError::while_doing("sweep raw bodies"))?
    .rows_affected();
    tx.commit().await?;
    Ok(Swept { items, bodies })
}

/// Locks the ledger rows of connections that have something to sweep and are not at work.
async fn lock_connections(tx: &mut Tx, retention: SignedDuration) -> Result<Vec<Uuid>, StoreError> {
    sqlx::query_scalar!(
        "SELECT connection_id FROM polar_sync.sync_state
        WHERE connection_id IN (
            SELECT connection_id FROM polar_sync.raw_item_disposable
            WHERE fetched_at < polar_sync.now() - make_interval(secs => $1)
            ORDER BY fetched_at LIMIT $2)
        LIMIT $3
        FOR UPDATE SKIP LOCKED",
        retention.as_secs_f64(),
        SWEEP_BATCH_MAX,
        SWEEP_CONNECTIONS_MAX,
    )
    .fetch_all(tx.db())
    .await
    .map_err(StoreError::while_doing("lock connections to sweep"))
}
