//! Writes down how a run ended, in one Postgres transaction that also gives up its lease.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    due,
    handler::{Worker, count},
    outcome::{Due, Ruling, Then},
    served::{Settled, settle_request},
};
use crate::{
    accesslink::Urgency,
    model::{ConnectionState, DueCause, Kind, Lane, RunOutcome},
    queue::Verdict,
    store::{
        connection::{Changed, ConnectionRow, StateChange},
        dead::Dead,
        event::{Counts, Event, StoredEvent},
        lease::{Claimed, FenceError, KindRow, LEASE, Waiting},
        request::TakenRequest,
        run::{KindSettlement, RequestSettlement, Settlement},
    },
    sync::{Failure, Report},
    telemetry,
};

/// How much longer than a lease an entry waits whose run could not be written down.
const LEASE_MARGIN: Duration = Duration::from_secs(1);

/// The wait when the rate limit is reached and nobody knows until when.
const WINDOW_UNKNOWN: Duration = Duration::from_mins(1);

/// How a run ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// The kinds that had their turn.
    pub(super) finished: Vec<Finished>,
    /// The kinds that had not.
    pub(super) not_run: Vec<KindRow>,
    /// Why none had its turn, if that is so.
    pub(super) cut: Option<(String, Ruling)>,
    /// The connection's new state.
    pub(super) change: Option<StateChange>,
    /// The token generation that the change was learned with.
    pub(super) generation: i64,
}

/// A kind that had its turn.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) row: KindRow,
    pub(super) report: Report,
    pub(super) ruling: Option<Ruling>,
    /// Whether Polar allows it.
    pub(super) consent: bool,
}

impl Ended {
    fn rulings(&self) -> impl Iterator<Item = &Ruling> {
        let finished = self
            .finished
            .iter()
            .filter_map(|finished| finished.ruling.as_ref());
        finished.chain(self.cut.as_ref().map(|(_, ruling)| ruling))
    }

    fn counts(&self) -> Counts {
        self.finished
            .iter()
            .fold(Counts::default(), |mut all, finished| {
                all += finished.report.counts;
                all
            })
    }

    fn outcome(&self) -> RunOutcome {
        let succeeded = self
            .finished
            .iter()
            .any(|finished| finished.report.failure.is_none());
        let stopped = self.change.as_ref().map(|change| change.state);
        match stopped {
            Some(ConnectionState::Suspect) => return RunOutcome::Snoozed,
            Some(ConnectionState::Active) | None => {}
            Some(_) => return RunOutcome::Refused,
        }
        let attempted = self.rulings().any(|ruling| ruling.is_attempt);
        let waits = self.rulings().any(|ruling| !ruling.is_attempt) || !self.not_run.is_empty();
        match (succeeded, attempted, waits) {
            (_, false, false) => RunOutcome::Ok,
            (true, _, _) => RunOutcome::Partial,
            (false, true, _) => RunOutcome::Failed,
            (false, false, true) => RunOutcome::Snoozed,
        }
    }

    /// The most telling error: a failed attempt before what only waits.
    fn error(&self) -> Option<(&'static str, String)> {
        let finished = self.finished.iter().filter_map(|finished| {
            let failure = finished.report.failure.as_ref()?;
            Some((finished.ruling?, telemetry::chain(failure)))
        });
        let cut = self
            .cut
            .iter()
            .map(|(text, ruling)| (*ruling, text.clone()));
        let mut errors: Vec<_> = finished.chain(cut).collect();
        errors.sort_by_key(|(ruling, _)| !ruling.is_attempt);
        errors
            .into_iter()
            .next()
            .map(|(ruling, text)| (ruling.class, text))
    }
}

impl Worker {
    /// Writes down how a run ended, and says what becomes of its entry.
    pub(super) async fn settle(
        &self,
        row: &ConnectionRow,
        claimed: &Claimed,
        lane: Lane,
        ended: Ended,
        started: Timestamp,
    ) -> Verdict {
        let retry_later = Verdict::Wait(LEASE + LEASE_MARGIN);
        let ends = |then| ended.rulings().any(|ruling| ruling.then == then);
        if ends(Then::Abandon) {
            return Verdict::Ack;
        }
        if ends(Then::LeaveOpen) {
            self.log(row, claimed, lane, &ended, started);
            return retry_later;
        }
        let kinds = self.settle_kinds(row, &ended).await;
        match self.write(row, claimed, &ended, &kinds).await {
            Ok((events, waiting)) => {
                self.outlet.hand_over(events);
                self.log(row, claimed, lane, &ended, started);
                let is_stopped = ended
                    .finished
                    .iter()
                    .any(|finished| matches!(finished.report.failure, Some(Failure::Stopped)));
                if is_stopped {
                    return Verdict::HandBack;
                }
                if let Some(Waiting {
                    lane,
                    cause,
                    task_id,
                }) = waiting
                {
                    self.desk.wake(&row.user_id, lane, cause, task_id).await;
                }
                Verdict::Ack
            }
            Err(FenceError::Lost) => Verdict::Ack,
            Err(FenceError::Store(error)) => {
                tracing::error!(connection.id = %row.connection_id, error = telemetry::chain(&error),
                    "the end of a run could not be written down; it is run again");
                retry_later
            }
        }
    }

    async fn write(
        &self,
        row: &ConnectionRow,
        claimed: &Claimed,
        ended: &Ended,
        kinds: &[Settled],
    ) -> Result<(Vec<StoredEvent>, Option<Waiting>), FenceError> {
        let (lease, outcome) = (&claimed.lease, ended.outcome());
        let mut events = Vec::new();
        let mut tx = self.store().begin_fenced("settle", lease).await?;
        for report in ended.finished.iter().map(|finished| &finished.report) {
            if let Some((kind, transactions)) = &report.transactions
                && transactions.is_dirty()
            {
                tx.save_transactions(lease, *kind, transactions.changes())
                    .await?;
            }
        }
        let changed = match &ended.change {
            Some(change) => {
                let id = row.connection_id;
                let changed = tx.change_state(id, ended.generation, change).await?;
                if changed == Changed::Other
                    && let Some(event) = Event::connection_state(change.state, &row.user_id)
                {
                    events.push(tx.insert_event(&event).await?);
                }
                changed
            }
            None => Changed::Same,
        };
        let settlement = settlement(claimed, ended, kinds, changed);
        tx.settle(lease, &settlement).await?;
        for kind in kinds {
            if let Some(attempts) = kind.dead_after {
                tx.insert_dead(&dead(row, &kind.settlement, attempts))
                    .await?;
            }
        }
        let mut ids = claimed.request_ids();
        if outcome == RunOutcome::Refused && changed != Changed::Overtaken {
            let refused = tx.refuse_requests(row.connection_id).await?;
            ids.extend(refused.into_iter().flatten());
        }
        let (run_id, counts) = (Some(lease.run_id), ended.counts());
        let event = Event::sync_ended(&row.user_id, run_id, ids, outcome, counts);
        if let Some(event) = &event {
            events.push(tx.insert_event(event).await?);
        }
        let succeeded = matches!(outcome, RunOutcome::Ok | RunOutcome::Partial);
        let waiting = tx.release(lease, succeeded).await?;
        tx.commit().await?;
        Ok((events, waiting))
    }

    async fn settle_kinds(&self, row: &ConnectionRow, ended: &Ended) -> Vec<Settled> {
        let mut settled = Vec::with_capacity(ended.finished.len() + ended.not_run.len());
        for finished in &ended.finished {
            settled.push(self.settle_finished(row, finished).await);
        }
        for kind in &ended.not_run {
            if let Some((error, ruling)) = &ended.cut {
                // Nothing was asked of any kind: all of them failed with the run.
                let failed = self.settle_failed(row, kind, *ruling).await;
                settled.push(failed.with_error(error));
            } else if let Some(ruling) = ended.rulings().last() {
                settled.push(self.postpone(kind, *ruling).await);
            }
        }
        settled
    }

    async fn settle_finished(&self, row: &ConnectionRow, finished: &Finished) -> Settled {
        let found = finished.report.counts.written() > 0;
        let Some(ruling) = finished.ruling else {
            return Settled {
                settlement: KindSettlement {
                    next_due_at: self.next_slot(row, finished.row.kind),
                    attempts: 0,
                    succeeded: true,
                    found,
                    consent: true,
                    ..unchanged(&finished.row)
                },
                ruling: None,
                was_tried: true,
                dead_after: None,
            };
        };
        let mut settled = self.settle_failed(row, &finished.row, ruling).await;
        settled.settlement.found = found;
        settled.settlement.consent = finished.consent;
        if !finished.consent {
            settled.settlement.next_due_at = self.clock.now() + self.jobs.judge.consent_recheck;
            settled.settlement.due_cause = DueCause::Consent;
        }
        let failure = finished.report.failure.as_ref();
        match failure.map(|failure| telemetry::chain(failure)) {
            Some(error) => settled.with_error(&error),
            None => settled,
        }
    }

    /// A kind that failed: tried again later, or given up for now.
    async fn settle_failed(&self, row: &ConnectionRow, kind: &KindRow, ruling: Ruling) -> Settled {
        let attempts = kind.attempts + i32::from(ruling.is_attempt);
        let is_dead = ruling.is_attempt && attempts >= self.jobs.attempts_max;
        let (next_due_at, due_cause) = if is_dead {
            (self.next_slot(row, kind.kind), DueCause::Schedule)
        } else {
            self.due(&ruling, attempts).await
        };
        Settled {
            settlement: KindSettlement {
                next_due_at,
                due_cause,
                attempts: if is_dead { 0 } else { attempts },
                error_class: Some(ruling.class),
                ..unchanged(kind)
            },
            ruling: Some(ruling),
            was_tried: true,
            dead_after: is_dead.then_some(attempts),
        }
    }

    /// A kind that had no turn is due when that which ended the run is.
    async fn postpone(&self, kind: &KindRow, ruling: Ruling) -> Settled {
        let (next_due_at, due_cause) = self.due(&ruling, kind.attempts.max(1)).await;
        Settled {
            settlement: KindSettlement {
                next_due_at,
                due_cause,
                error_class: Some(ruling.class),
                ..unchanged(kind)
            },
            ruling: Some(ruling),
            was_tried: false,
            dead_after: None,
        }
    }

    fn next_slot(&self, row: &ConnectionRow, kind: Kind) -> Timestamp {
        let interval = self.pace.interval(&self.jobs.schedule, kind);
        due::next_slot(row.connection_id, interval, self.clock.now())
    }

    /// When a kind is due again after a failure.
    async fn due(&self, ruling: &Ruling, attempts: i32) -> (Timestamp, DueCause) {
        let now = self.clock.now();
        let failures = u32::try_from(attempts).unwrap_or(1);
        match ruling.due {
            Due::Retry => (now + due::retry(failures, rand::random()), DueCause::Retry),
            Due::Blocked => (
                now + due::blocked(failures, rand::random()),
                DueCause::Blocked,
            ),
            Due::At(at, cause) => (at, cause),
            Due::WindowOpens => {
                let room = self.access.client.room_for(1, Urgency::Normal).await;
                let until = room
                    .err()
                    .map_or(now + WINDOW_UNKNOWN, |closed| closed.until);
                (until, DueCause::Snooze)
            }
            Due::Now => (now, DueCause::Retry),
        }
    }

    /// The one line of a run.
    fn log(
        &self,
        row: &ConnectionRow,
        claimed: &Claimed,
        lane: Lane,
        ended: &Ended,
        started: Timestamp,
    ) {
        let (outcome, counts, error) = (ended.outcome(), ended.counts(), ended.error());
        let took = self.clock.now().duration_since(started);
        count(lane, outcome.as_str());
        metrics::histogram!(telemetry::metrics::JOB_DURATION, "lane" => lane.as_str())
            .record(took.as_secs_f64());
        let cause = claimed.requests.iter().min_by_key(|request| request.lane);
        tracing::info!(
            connection.id = %row.connection_id,
            run.id = %claimed.lease.run_id,
            run.lane = lane.as_str(),
            run.cause = cause.map(|request| request.cause.as_str()),
            run.request_ids = claimed.request_ids().join(","),
            run.traceparent = cause.and_then(|request| request.traceparent.as_deref()),
            run.outcome = outcome.as_str(),
            run.kinds = ended.finished.len(),
            items.new = counts.new,
            items.changed = counts.changed,
            items.same = counts.same,
            duration_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
            error.class = error.as_ref().map(|(class, _)| *class),
            error = error.as_ref().map(|(_, text)| text.as_str()),
            connection.state = ended.change.as_ref().map(|change| change.state.as_str()),
            "run"
        );
    }
}

/// What is written down of a run.
fn settlement(claimed: &Claimed, ended: &Ended, kinds: &[Settled], changed: Changed) -> Settlement {
    let (counts, error) = (ended.counts(), ended.error());
    let settle = |request: &TakenRequest| match changed {
        // What was learned is not true of the new tokens: another run uses them.
        Changed::Overtaken => RequestSettlement::Reopen {
            not_before: None,
            kinds: Vec::new(),
        },
        Changed::Other | Changed::Same => settle_request(request, ended.change.as_ref(), kinds),
    };
    Settlement {
        outcome: ended.outcome(),
        error_class: error.as_ref().map(|(class, _)| *class),
        error: error.map(|(_, text)| text),
        items_new: counts.new,
        items_changed: counts.changed,
        items_same: counts.same,
        kinds: kinds.iter().map(|kind| kind.settlement.clone()).collect(),
        requests: claimed
            .requests
            .iter()
            .map(|request| (request.task_id, settle(request)))
            .collect(),
    }
}

/// A kind as it was, to be settled with what is different.
fn unchanged(row: &KindRow) -> KindSettlement {
    KindSettlement {
        kind: row.kind,
        next_due_at: row.next_due_at.unwrap_or(Timestamp::UNIX_EPOCH),
        due_cause: DueCause::Schedule,
        attempts: row.attempts,
        succeeded: false,
        found: false,
        consent: row.consent,
        error_class: None,
        error: None,
    }
}

fn dead<'a>(row: &'a ConnectionRow, kind: &'a KindSettlement, attempts: i32) -> Dead<'a> {
    Dead {
        connection: row.connection_id,
        user_id: &row.user_id,
        kind: Some(kind.kind),
        entry: None,
        error_class: kind.error_class.unwrap_or("unknown"),
        error: kind.error.as_deref().unwrap_or_default(),
        attempts,
    }
}
