//! One run: brings every wanted kind of a connection in step, and settles what came of it.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    handler::{JobSettings, Worker},
    judge::{Judge, Judgement, unanswered},
    outcome::{Ruling, Signal, Then, rule},
    settle::{Ended, Finished},
};
use crate::{
    accesslink::Urgency,
    connection::Session,
    model::{Cause, ConnectionState, Details, Kind, Lane},
    queue::Verdict,
    store::{
        connection::{ConnectionRow, StateChange},
        lease::{Claimed, KindRow},
        request::TakenRequest,
    },
    sync::{Failure, Report, Run, go_on, sync},
    telemetry,
};

/// A run that takes this share of `worker.job_timeout` ends at its next safe point, and another one
/// goes on: one that is cut off by the time-out would leave nothing written down.
const DEADLINE_SHARE: f64 = 0.75;

impl Worker {
    /// Runs what was claimed, to the end that is written down.
    pub(super) async fn run(&self, row: ConnectionRow, claimed: Claimed) -> Verdict {
        let started = self.clock.now();
        let kept = self.keeper.keep(claimed.lease);
        let lane = most_urgent(&claimed.requests);
        let stop = self.stop.child_token();
        let ended = {
            let deadline = started + self.jobs.job_timeout.mul_f64(DEADLINE_SHARE);
            let work = self.work(&row, &claimed, lane, &stop, deadline);
            tokio::pin!(work);
            tokio::select! {
                ended = &mut work => ended,
                // Told to stop, the run ends at its next safe point; there it finds that it may not
                // write any more.
                () = kept.lost.cancelled() => {
                    tracing::warn!(connection.id = %row.connection_id, "the lease is lost to another run");
                    stop.cancel();
                    work.await
                }
            }
        };
        self.settle(&row, &claimed, lane, ended, started).await
    }

    async fn work(
        &self,
        row: &ConnectionRow,
        claimed: &Claimed,
        lane: Lane,
        stop: &CancellationToken,
        deadline: Timestamp,
    ) -> Ended {
        let urgency = match lane {
            Lane::Interactive => Urgency::Interactive,
            Lane::Event | Lane::Periodic => Urgency::Normal,
        };
        let wanted = wanted_kinds(&self.jobs, claimed, self.clock.now());
        let mut session = match Session::open(self.access.clone(), row.clone(), urgency) {
            Ok(session) => session,
            Err(error) => return Ended::default().cut_short(wanted, &error.into()),
        };
        warn_of_expiry(row, self.clock.now());
        let mut ended = Ended {
            generation: row.token_generation,
            ..Ended::default()
        };
        if let Err(failure) = self.check_standing(&session, &mut ended).await {
            ended.change = unanswered(row, self.clock.now());
            return ended.cut_short(wanted, &failure);
        }
        if ended.stops() {
            ended.not_run = wanted;
            return ended;
        }
        session.clear_suspicion();
        let mut run = Run {
            store: self.store(),
            session: &session,
            settings: &self.settings,
            clock: &self.clock,
            lease: claimed.lease,
            lane,
            asked: claimed
                .requests
                .iter()
                .fold(Details::NONE, |all, one| all.union(one.include)),
            restores: false,
            stop: stop.clone(),
            deadline,
            calls: Arc::new(Semaphore::new(self.settings.fetch_concurrency)),
        };
        let mut kinds = wanted.into_iter();
        for kind in kinds.by_ref() {
            run.restores = is_restored(&claimed.requests, kind.kind);
            if !self.sync_kind(&run, kind, &mut ended).await {
                break;
            }
        }
        ended.not_run = kinds.collect();
        ended.generation = session.generation().await;
        ended
    }

    /// Before anything else: a suspect is confirmed or cleared, and an imported user registered.
    async fn check_standing(&self, session: &Session, ended: &mut Ended) -> Result<(), Failure> {
        let row = session.connection();
        let judgement = match row.state {
            ConnectionState::Suspect => self.judge().judge(session, Signal::Unauthorized).await?,
            ConnectionState::ConsentRequired => {
                self.judge().judge(session, Signal::Forbidden).await?
            }
            _ if row.registered_at.is_none() => self.judge().ensure_registered(session).await?,
            _ => return Ok(()),
        };
        ended.generation = session.generation().await;
        match judgement {
            Judgement::Good | Judgement::KindForbidden => {
                self.store().set_registered(row.connection_id).await?;
                ended.change = (row.state != ConnectionState::Active).then_some(StateChange {
                    state: ConnectionState::Active,
                    reason: None,
                    recheck_at: None,
                });
            }
            Judgement::Change(change) => ended.change = Some(change),
        }
        Ok(())
    }

    /// Brings one kind in step. Tells whether the next one has its turn.
    async fn sync_kind(&self, run: &Run<'_>, row: KindRow, ended: &mut Ended) -> bool {
        let mut report = sync(run, &row).await;
        let mut judged = self.judge_report(run, &report).await;
        if matches!(judged, Judged::Good) {
            // The answer was a whim, or registering helped: once more.
            report = go_on(run, report).await;
            judged = self.judge_report(run, &report).await;
        }
        let ruling = report.failure.as_ref().map(rule);
        let (ruling, consent) = match judged {
            Judged::Ruled => (ruling, true),
            Judged::Good => (ruling.map(Ruling::unexplained), true),
            Judged::KindForbidden => (ruling, false),
            Judged::Unanswered(of_question) => (Some(of_question), true),
            Judged::Change(change) => {
                ended.change = Some(change);
                (ruling, true)
            }
        };
        let goes_on = ended
            .change
            .as_ref()
            .is_none_or(|change| change.state == ConnectionState::Active)
            && (!consent || ruling.is_none_or(|ruling| ruling.then == Then::NextKind));
        ended.finished.push(Finished {
            row,
            report,
            ruling,
            consent,
        });
        goes_on
    }

    /// Where a failure says something about the connection, asks what is true of it.
    async fn judge_report(&self, run: &Run<'_>, report: &Report) -> Judged {
        let then = report.failure.as_ref().map(|failure| rule(failure).then);
        let Some(Then::Judge(signal)) = then else {
            return Judged::Ruled;
        };
        match self.judge().judge(run.session, signal).await {
            Ok(Judgement::Good) => Judged::Good,
            Ok(Judgement::KindForbidden) => Judged::KindForbidden,
            Ok(Judgement::Change(change)) => Judged::Change(change),
            Err(error) => Judged::Unanswered(match rule(&error.into()) {
                // Asked and not told: the question is asked again with the next try of the kind.
                ruling if matches!(ruling.then, Then::Judge(_)) => ruling.unexplained(),
                ruling => ruling,
            }),
        }
    }

    fn judge(&self) -> Judge<'_> {
        Judge {
            access: &self.access,
            clock: &self.clock,
            rules: self.jobs.judge,
        }
    }
}

/// What became of a report.
enum Judged {
    /// The ruling on its failure stands.
    Ruled,
    /// The user stands well.
    Good,
    /// The user stands well, but Polar does not allow this kind.
    KindForbidden,
    /// Nobody could tell; the ruling on why.
    Unanswered(Ruling),
    /// The connection has another state now.
    Change(StateChange),
}

/// Whether a token says that it has ended is no more than a hint: Polar's answer decides.
fn warn_of_expiry(row: &ConnectionRow, now: Timestamp) {
    if row.tokens.refresh_token.is_none()
        && let Some(at) = row.tokens.expires_at.filter(|at| *at <= now)
    {
        tracing::warn!(connection.id = %row.connection_id, token.expires_at = %at,
            "the token says that it has ended; it is used until Polar refuses it");
    }
}

fn most_urgent(requests: &[TakenRequest]) -> Lane {
    requests
        .iter()
        .map(|request| request.lane)
        .min()
        .unwrap_or(Lane::Periodic)
}

/// Whether somebody asks for what is lost of a kind.
fn is_restored(requests: &[TakenRequest], kind: Kind) -> bool {
    let mut backfills = requests
        .iter()
        .filter(|request| request.cause == Cause::Backfill);
    backfills.any(|request| request.asks_for(kind))
}

/// The kinds that the requests ask for, and those that are due anyway.
fn wanted_kinds(jobs: &JobSettings, claimed: &Claimed, now: Timestamp) -> Vec<KindRow> {
    let is_asked = |kind: Kind| {
        let mut requests = claimed.requests.iter();
        requests.any(|request| request.asks_for(kind))
    };
    let mut rows: Vec<_> = claimed
        .kinds
        .iter()
        .filter(|row| jobs.kinds.contains(&row.kind))
        .filter(|row| is_asked(row.kind) || row.next_due_at.is_some_and(|due| due <= now))
        .cloned()
        .collect();
    rows.sort_by_key(|row| row.kind);
    rows
}

impl Ended {
    /// A run that ended before its first kind.
    fn cut_short(mut self, wanted: Vec<KindRow>, failure: &Failure) -> Self {
        let mut ruling = rule(failure);
        // Who waits to be judged is looked at again every minute: some minutes are not to use the kinds up.
        ruling.is_attempt &= self.change.is_none();
        self.cut = Some((telemetry::chain(failure), ruling));
        self.not_run = wanted;
        self
    }

    /// Whether the connection's state forbids to go on.
    fn stops(&self) -> bool {
        self.change
            .as_ref()
            .is_some_and(|change| change.state != ConnectionState::Active)
    }
}
