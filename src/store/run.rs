//! Runs: rows of `polar_sync.sync_run`, and how their end is written down.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{StoreError, Tx, lease::Lease, request::texts};
use crate::model::{DueCause, Kind, RunOutcome, TaskId};

/// How a run ended, to be written down in the transaction that gives up its lease.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The outcome.
    pub outcome: RunOutcome,
    /// The class of the most telling error.
    pub error_class: Option<&'static str>,
    /// The most telling error.
    pub error: Option<String>,
    /// New items.
    pub items_new: i32,
    /// Changed items.
    pub items_changed: i32,
    /// Items that were stored already.
    pub items_same: i32,
    /// What becomes of each kind.
    pub kinds: Vec<KindSettlement>,
    /// What becomes of each request that the run has taken.
    pub requests: Vec<(TaskId, RequestSettlement)>,
}

/// What becomes of a request of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestSettlement {
    /// It is served.
    Done,
    /// It could not be served now; its kinds are due again by themselves.
    Failed,
    /// The connection's state forbids it.
    Refused,
    /// It stays open: another run is to serve it, not before this instant.
    Reopen {
        /// `None`: at once.
        not_before: Option<Timestamp>,
        /// The kinds that it asks for from now on; empty for those that it did.
        kinds: Vec<Kind>,
    },
}

impl RequestSettlement {
    /// Its state, when it is due, and the kinds that it asks for from now on, where they are others.
    fn columns(&self) -> (&'static str, Option<Timestamp>, Option<String>) {
        match self {
            Self::Done => ("done", None, None),
            Self::Failed => ("failed", None, None),
            Self::Refused => ("refused", None, None),
            Self::Reopen { not_before, kinds } => {
                let narrowed = (!kinds.is_empty()).then(|| texts(kinds).join(","));
                ("open", *not_before, narrowed)
            }
        }
    }
}

/// What becomes of a kind after a run.
#[derive(Debug, Clone)]
pub struct KindSettlement {
    /// The kind.
    pub kind: Kind,
    /// When it is due next.
    pub next_due_at: Timestamp,
    /// Why then.
    pub due_cause: DueCause,
    /// Failures in a row.
    pub attempts: i32,
    /// Whether it went well.
    pub succeeded: bool,
    /// Whether something new or changed was found.
    pub found: bool,
    /// Whether Polar allows it.
    pub consent: bool,
    /// The class of its error.
    pub error_class: Option<&'static str>,
    /// Its error.
    pub error: Option<String>,
}

impl Tx {
    /// Writes down how a run ended. The caller holds the fence, and calls [`Tx::release`] afterwards.
    pub async fn settle(
        &mut self,
        lease: &Lease,
        settlement: &Settlement,
    ) -> Result<(), StoreError> {
        self.settle_run(lease, settlement).await?;
        self.settle_kinds(lease, &settlement.kinds).await
    }

    async fn settle_run(
        &mut self,
        lease: &Lease,
        settlement: &Settlement,
    ) -> Result<(), StoreError> {
        let requests = &settlement.requests;
        let ids: Vec<_> = requests.iter().map(|(task_id, _)| task_id.0).collect();
        let (mut states, mut not_before, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
        for (state, due, narrowed) in requests.iter().map(|(_, request)| request.columns()) {
            states.push(state.to_owned());
            not_before.push(due.map(ToSqlx::to_sqlx));
            kinds.push(narrowed);
        }
        sqlx::query!(
            "WITH requests AS (
                 UPDATE polar_sync.sync_request r
                 SET state = s.state, not_before = s.not_before,
                     kinds = coalesce(string_to_array(s.kinds, ','), r.kinds),
                     finished_at = CASE WHEN s.state <> 'open' THEN polar_sync.now() END
                 FROM unnest($9::uuid[], $10::text[], $11::timestamptz[], $12::text[])
                     AS s (task_id, state, not_before, kinds)
                 WHERE r.connection_id = $1 AND r.task_id = s.task_id AND r.run_id = $2
                   AND r.state = 'running'
             )
             UPDATE polar_sync.sync_run
             SET finished_at = polar_sync.now(), outcome = $3, error_class = $4, error = $5,
                 items_new = $6, items_changed = $7, items_same = $8
             WHERE connection_id = $1 AND run_id = $2",
            lease.connection_id.0,
            lease.run_id.0,
            settlement.outcome.as_str(),
            settlement.error_class,
            settlement.error,
            settlement.items_new,
            settlement.items_changed,
            settlement.items_same,
            &ids,
            &states,
            &not_before as _,
            &kinds as _
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("settle a run"))?;
        Ok(())
    }

    async fn settle_kinds(
        &mut self,
        lease: &Lease,
        kinds: &[KindSettlement],
    ) -> Result<(), StoreError> {
        if kinds.is_empty() {
            return Ok(());
        }
        let due: Vec<_> = kinds
            .iter()
            .map(|kind| kind.next_due_at.to_sqlx())
            .collect();
        sqlx::query!(
            "UPDATE polar_sync.kind_state k
             SET next_due_at = s.next_due_at, due_cause = s.due_cause, attempts = s.attempts,
                 consent = s.consent, error_class = s.error_class, error = s.error, last_run_at = t,
                 last_success_at = CASE WHEN s.succeeded THEN t ELSE k.last_success_at END,
                 last_found_at = CASE WHEN s.found THEN t ELSE k.last_found_at END
             FROM polar_sync.now() t, unnest($2::text[], $3::timestamptz[], $4::text[], $5::int[], $6::bool[],
                 $7::bool[], $8::bool[], $9::text[], $10::text[])
                 AS s (kind, next_due_at, due_cause, attempts, succeeded, found, consent, error_class, error)
             WHERE k.connection_id = $1 AND k.kind = s.kind",
            lease.connection_id.0,
            &texts(kinds.iter().map(|kind| kind.kind)),
            &due as _,
            &texts(kinds.iter().map(|kind| kind.due_cause)),
            &kinds.iter().map(|kind| kind.attempts).collect::<Vec<_>>(),
            &kinds.iter().map(|kind| kind.succeeded).collect::<Vec<_>>(),
            &kinds.iter().map(|kind| kind.found).collect::<Vec<_>>(),
            &kinds.iter().map(|kind| kind.consent).collect::<Vec<_>>(),
            &kinds.iter().map(|kind| kind.error_class.map(str::to_owned)).collect::<Vec<_>>() as _,
            &kinds.iter().map(|kind| kind.error.clone()).collect::<Vec<_>>() as _
        )
        .execute(self.db())
        .await
        .map_err(StoreError::while_doing("settle the kinds of a run"))?;
        Ok(())
    }
}
