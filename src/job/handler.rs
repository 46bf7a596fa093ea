//! From a stream entry to a run: who is it for, may it run, and does somebody else run it already?

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{due::Pace, judge::JudgeRules, keeper::Keeper, publisher::Outlet, request::Desk};
use crate::{
    clock::Clock,
    config::Schedule,
    connection::Access,
    model::{ConnectionState, Details, Kind, Lane, RunOutcome, TaskId},
    queue::{Delivery, Handler, Message, Rejection, Verdict, publish},
    store::{
        Store, StoreError,
        connection::ConnectionRow,
        dead::{Dead, Entry},
        event::{Counts, Event},
        lease::{Claim, LEASE},
        request::NewRequest,
    },
    sync, telemetry,
};

/// How much longer than a lease an entry waits for it to end.
const LEASE_MARGIN: Duration = Duration::from_secs(1);

/// How long an entry waits whose connection changed while it was looked at.
const CHANGED_RETRY: Duration = Duration::from_millis(200);

/// The class of an entry that was delivered as often as allowed.
const DELIVERED_TOO_OFTEN: &str = "delivered_too_often";

/// What the operator decided about jobs.
#[derive(Debug, Clone)]
pub struct JobSettings {
    /// The kinds that are synced.
    pub kinds: Vec<Kind>,
    /// When kinds are due.
    pub schedule: Schedule,
    /// Failures in a row after which a kind is given up for now.
    pub attempts_max: i32,
    /// The longest life of one job.
    pub job_timeout: Duration,
    /// When a connection counts as revoked.
    pub judge: JudgeRules,
}

/// Serves the entries of the lanes.
pub struct Worker {
    /// Unique for every start.
    pub name: String,
    /// Postgres and AccessLink.
    pub access: Access,
    /// Where wake-ups are handed in.
    pub desk: Desk,
    /// Keeps leases alive.
    pub keeper: Keeper,
    /// Where events are handed over.
    pub outlet: Outlet,
    /// The time.
    pub clock: Clock,
    /// How far the scheduler stretches intervals.
    pub pace: Pace,
    /// What the operator decided about syncs.
    pub settings: sync::Settings,
    /// What the operator decided about jobs.
    pub jobs: JobSettings,
    /// Set when the worker stops.
    pub stop: CancellationToken,
}

/// Whether a connection's state lets a run begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    /// It may begin.
    Admitted,
    /// Not now: a suspect has yet to be confirmed.
    Held,
    /// Not at all.
    Refused,
}

fn admission(row: &ConnectionRow, now: Timestamp) -> Admission {
    let is_rechecked = row.recheck_at.is_some_and(|at| at <= now);
    match row.state {
        ConnectionState::Active => Admission::Admitted,
        ConnectionState::Suspect | ConnectionState::ConsentRequired if is_rechecked => {
            Admission::Admitted
        }
        ConnectionState::Suspect => Admission::Held,
        ConnectionState::ConsentRequired
        | ConnectionState::Revoked
        | ConnectionState::Expired
        | ConnectionState::Paused
        | ConnectionState::Erasing
        | ConnectionState::Erased => Admission::Refused,
    }
}

impl Handler for Arc<Worker> {
    async fn handle(&self, delivery: Delivery) -> Verdict {
        match self.serve(&delivery).await {
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::error!(
                    lane = delivery.lane.as_str(),
                    entry.id = delivery.entry_id,
                    error = telemetry::chain(&error),
                    "Postgres failed; the entry waits"
                );
                // Long enough for a lease to end that was taken before the failure.
                Verdict::Wait(LEASE + LEASE_MARGIN)
            }
        }
    }
}

impl Worker {
    pub(super) fn store(&self) -> &Store {
        &self.access.store
    }

    async fn serve(&self, delivery: &Delivery) -> Result<Verdict, StoreError> {
        let message = match Message::parse(delivery.job.as_deref()) {
            Ok(parsed) => parsed.message,
            Err(rejection) => return Ok(reject(delivery, rejection)),
        };
        let Some(row) = self.store().connection_of_user(&message.user_id).await? else {
            let erasure = self.store().erasure(&message.user_id).await?;
            let rejection = erasure.map_or(Rejection::NoConnection, |_| Rejection::Erased);
            return Ok(reject(delivery, rejection));
        };
        if delivery.exhausted {
            return self.bury(delivery, &row).await;
        }
        let request = self.request_of(delivery, message, &row).await?;
        let mut tx = self.store().begin("claim").await?;
        if let Some(request) = &request {
            tx.insert_request(row.connection_id, request).await?;
        }
        match admission(&row, self.clock.now()) {
            Admission::Held => {
                tx.commit().await?;
                Ok(Verdict::Ack)
            }
            Admission::Refused => {
                let request_ids = tx.refuse_requests(row.connection_id).await?;
                let events = if request_ids.is_empty() {
                    None
                } else {
                    let ids = request_ids.into_iter().flatten().collect();
                    let (outcome, counts) = (RunOutcome::Refused, Counts::default());
                    Event::sync_ended(&row.user_id, None, ids, outcome, counts)
                };
                let stored = match &events {
                    Some(event) => Some(tx.insert_event(event).await?),
                    None => None,
                };
                tx.commit().await?;
                self.outlet.hand_over(stored);
                Ok(Verdict::Ack)
            }
            Admission::Admitted => {
                let claim = tx.claim(&row, &self.name).await?;
                tx.commit().await?;
                match claim {
                    Claim::Claimed(claimed) => Ok(Box::pin(self.run(row, *claimed)).await),
                    Claim::NothingToDo => Ok(Verdict::Ack),
                    Claim::Busy { until } => Ok(self.while_busy(delivery, until)),
                    Claim::Changed => Ok(Verdict::Wait(CHANGED_RETRY)),
                }
            }
        }
    }

    /// A fresh entry is not needed any more: its request is durable, and whoever holds the lease
    /// finds it. One that was delivered before may be of the very run that holds the lease and is
    /// dead; it waits for the lease to end.
    fn while_busy(&self, delivery: &Delivery, until: Timestamp) -> Verdict {
        if delivery.deliveries <= 1 {
            return Verdict::Ack;
        }
        let left = until.duration_since(self.clock.now()).unsigned_abs();
        Verdict::Wait(left.min(LEASE) + LEASE_MARGIN)
    }

    /// The request that a message makes, unless it is the wake-up for one that is durable already.
    async fn request_of(
        &self,
        delivery: &Delivery,
        message: Message,
        row: &ConnectionRow,
    ) -> Result<Option<NewRequest>, StoreError> {
        if let Some(task_id) = message.task_id
            && self
                .store()
                .has_request(row.connection_id, TaskId(task_id))
                .await?
        {
            return Ok(None);
        }
        Ok(Some(NewRequest {
            task_id: TaskId::new(),
            request_id: message.request_id,
            include: message.include.map_or(Details::NONE, Details::from),
            kinds: message.kinds.unwrap_or_default(),
            lane: delivery.lane,
            cause: message.cause,
            reason: message.reason,
            traceparent: message.traceparent,
            entry: Some(format!("{}/{}", delivery.lane, delivery.entry_id)),
        }))
    }

    /// Gives an entry up that was delivered as often as allowed: its job may be what kills workers.
    async fn bury(&self, delivery: &Delivery, row: &ConnectionRow) -> Result<Verdict, StoreError> {
        let job = delivery.job.as_deref().map(String::from_utf8_lossy);
        let mut tx = self.store().begin("bury").await?;
        tx.insert_dead(&Dead {
            connection: row.connection_id,
            user_id: &row.user_id,
            kind: None,
            entry: Some(Entry {
                lane: delivery.lane,
                id: &delivery.entry_id,
                job: job.as_deref(),
            }),
            error_class: DELIVERED_TOO_OFTEN,
            error: "it was delivered as often as allowed, and no worker finished it",
            attempts: i32::try_from(delivery.deliveries).unwrap_or(i32::MAX),
        })
        .await?;
        let request_ids = tx.fail_requests(row.connection_id).await?;
        let ids = request_ids.into_iter().flatten().collect();
        let event = Event::sync_ended(
            &row.user_id,
            None,
            ids,
            RunOutcome::Failed,
            Counts::default(),
        );
        let stored = match &event {
            Some(event) => Some(tx.insert_event(event).await?),
            None => None,
        };
        tx.commit().await?;
        self.outlet.hand_over(stored);
        count(delivery.lane, "dead");
        tracing::error!(connection.id = %row.connection_id, entry.id = delivery.entry_id,
            "an entry is dead: look at it with `polar-sync dead list`");
        Ok(publish::dead_entry(delivery, DELIVERED_TOO_OFTEN).map_or(Verdict::Ack, Verdict::Dead))
    }
}

fn reject(delivery: &Delivery, rejection: Rejection) -> Verdict {
    tracing::warn!(lane = delivery.lane.as_str(), entry.id = delivery.entry_id, %rejection, "rejected");
    count(delivery.lane, "rejected");
    publish::rejected_entry(delivery, rejection).map_or(Verdict::Ack, Verdict::Reject)
}

/// Counts the end of a job.
pub(super) fn count(lane: Lane, outcome: &'static str) {
    metrics::counter!(telemetry::metrics::JOBS, "lane" => lane.as_str(), "outcome" => outcome)
        .increment(1);
}
