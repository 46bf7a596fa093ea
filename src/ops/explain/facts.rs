//! What is known of a connection.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    config::{Config, Switch},
    model::{ConnectionId, ConnectionState, Kind, UserId},
    ops::{
        status::{checkpoint, instant},
        words,
    },
    queue::Snapshot,
    store::{
        Store,
        connection::ConnectionRow,
        overview::{
            DeadSummary, KindSummary, OpenRequest, RunSummary, SyncSummary, TransactionSummary,
        },
        raw::{self, Quarantined},
    },
};

/// The last runs that are told.
const RUNS_MAX: i64 = 5;

/// Transactions and dead rows that are told, of each.
const LISTED_MAX: i64 = 20;

/// What is known of a connection; its tokens are left out.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Facts {
    pub(super) now: Timestamp,
    pub(super) user_id: UserId,
    pub(super) polar_user_id: i64,
    pub(super) connection_id: ConnectionId,
    pub(super) connected_at: Timestamp,
    pub(super) registered_at: Option<Timestamp>,
    pub(super) state: ConnectionState,
    pub(super) state_reason: Option<String>,
    pub(super) state_since: Timestamp,
    pub(super) recheck_at: Option<Timestamp>,
    /// Whether the mass guard keeps it from being revoked.
    pub(super) is_held: bool,
    pub(super) token: TokenFacts,
    pub(super) sync: SyncSummary,
    pub(super) runs: Vec<RunSummary>,
    pub(super) kinds: Vec<KindSummary>,
    /// Those that are not over.
    pub(super) transactions: Vec<TransactionSummary>,
    pub(super) requests: Vec<OpenRequest>,
    pub(super) quarantine: Vec<QuarantinedItem>,
    pub(super) dead: Vec<DeadSummary>,
    /// Until when no call is sent to Polar, for want of quota.
    pub(super) quota_closed_until: Option<Timestamp>,
    /// Whether `sync.commit` lets transactions be committed.
    pub(super) commits: bool,
}

/// What is known of the tokens.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TokenFacts {
    pub(super) key_id: String,
    pub(super) generation: i64,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) has_refresh_token: bool,
}

/// A body that could not be understood.
#[derive(Debug, Clone, Serialize)]
pub(super) struct QuarantinedItem {
    pub(super) kind: Kind,
    pub(super) item: String,
    pub(super) part: String,
    pub(super) reason: String,
    pub(super) since: Timestamp,
}

impl From<Quarantined> for QuarantinedItem {
    fn from(body: Quarantined) -> Self {
        Self {
            kind: body.kind,
            item: body.key.item,
            part: body.key.part,
            reason: body.reason,
            since: body.quarantined_at,
        }
    }
}

/// Reads what is known of a connection.
pub(super) async fn gather(
    store: &Store,
    config: &Config,
    row: ConnectionRow,
) -> anyhow::Result<Facts> {
    let id = row.connection_id;
    let now = store.now().await?;
    let mut transactions = store.transactions(Some(id), false, LISTED_MAX).await?;
    transactions.retain(|transaction| !transaction.phase.is_closed());
    let quarantine = raw::quarantine_list(store, Some(id)).await?.into_iter();
    let quota = checkpoint(store).await?;
    Ok(Facts {
        now,
        is_held: words::is_held(&row),
        sync: store.sync_of(id).await?,
        runs: store.runs_of(id, RUNS_MAX).await?,
        kinds: store.kinds_of(id).await?,
        transactions,
        requests: store.open_requests_of(id).await?,
        quarantine: quarantine.map(QuarantinedItem::from).collect(),
        dead: store.dead(Some(id), LISTED_MAX).await?,
        quota_closed_until: quota.and_then(|quota| closed_until(&quota, now)),
        commits: config.sync.commit == Switch::On,
        user_id: row.user_id,
        polar_user_id: row.polar_user_id,
        connection_id: id,
        connected_at: row.connected_at,
        registered_at: row.registered_at,
        state: row.state,
        state_reason: row.state_reason,
        state_since: row.state_since,
        recheck_at: row.recheck_at,
        token: TokenFacts {
            key_id: row.tokens.key_id,
            generation: row.token_generation,
            expires_at: row.tokens.expires_at,
            has_refresh_token: row.tokens.refresh_token.is_some(),
        },
    })
}

/// Until when no call is sent: after a 429, or because a window is spent.
pub(super) fn closed_until(quota: &Snapshot, now: Timestamp) -> Option<Timestamp> {
    let spent = [quota.short, quota.long]
        .into_iter()
        .filter(|window| window.used >= window.limit)
        .map(|window| window.reset_at_ms);
    let closed = spent.chain([quota.closed_until_ms]).filter_map(instant);
    closed.filter(|until| *until > now).max()
}
