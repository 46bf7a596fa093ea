//! What becomes of a request when a run ends that took it: it is served, given up, or stays open for the
//! kinds that were not. Pure.

use jiff::Timestamp;

use super::outcome::{Due, Ruling};
use crate::{
    model::{Cause, ConnectionState, DueCause},
    store::{
        connection::StateChange,
        request::TakenRequest,
        run::{KindSettlement, RequestSettlement},
    },
};

/// What is written down of a kind.
pub(super) struct Settled {
    pub(super) settlement: KindSettlement,
    /// The ruling that made it so; none after success.
    pub(super) ruling: Option<Ruling>,
    /// Whether the ruling is on a try of its own, and not on the kind that ended the run before it.
    pub(super) was_tried: bool,
    /// The attempts after which it is given up for now.
    pub(super) dead_after: Option<i32>,
}

impl Settled {
    pub(super) fn with_error(mut self, error: &str) -> Self {
        self.settlement.error = Some(error.to_owned());
        self
    }

    const fn is_served(&self) -> bool {
        self.ruling.is_none()
    }

    fn has_failed(&self) -> bool {
        self.ruling.is_some_and(|ruling| ruling.is_attempt)
    }

    /// Whether another try may serve it: it is neither given up nor forbidden.
    fn is_outstanding(&self) -> bool {
        let is_forbidden = self.settlement.due_cause == DueCause::Consent;
        !self.is_served() && self.dead_after.is_none() && !is_forbidden
    }

    /// Whether it only waits: nothing was tried that could have failed.
    fn waits(&self) -> bool {
        self.is_outstanding() && !self.has_failed()
    }

    /// Whether it was tried and failed, and is tried again. Every such try brings it nearer to being given up.
    fn is_tried_again(&self) -> bool {
        self.is_outstanding() && self.has_failed() && self.was_tried
    }

    /// When the next try may be; `None`: at once.
    fn not_before(&self) -> Option<Timestamp> {
        let is_now = self.ruling.is_some_and(|ruling| ruling.due == Due::Now);
        (!is_now).then_some(self.settlement.next_due_at)
    }
}

/// What becomes of a request of a run that ended with these kinds and this state of the connection.
pub(super) fn settle_request(
    request: &TakenRequest,
    change: Option<&StateChange>,
    kinds: &[Settled],
) -> RequestSettlement {
    match change.map(|change| (change.state, change.recheck_at)) {
        Some((ConnectionState::Suspect, not_before)) => {
            return RequestSettlement::Reopen {
                not_before,
                kinds: Vec::new(),
            };
        }
        Some((ConnectionState::Active, _)) | None => {}
        Some(_) => return RequestSettlement::Refused,
    }
    let is_asked = |kind: &&Settled| request.asks_for(kind.settlement.kind);
    let asked: Vec<_> = kinds.iter().filter(is_asked).collect();
    // Only a run that serves it brings back what is lost: it stays open until each of its kinds is served or
    // given up. Others are due again by themselves once they have failed.
    let is_backfill = request.cause == Cause::Backfill;
    let keeps_open = |kind: &&&Settled| kind.waits() || is_backfill && kind.is_tried_again();
    let due = asked.iter().filter(keeps_open);
    if let Some(not_before) = due.map(|kind| kind.not_before()).min() {
        let outstanding = asked.iter().filter(|kind| kind.is_outstanding());
        return RequestSettlement::Reopen {
            not_before,
            kinds: if is_backfill {
                outstanding.map(|kind| kind.settlement.kind).collect()
            } else {
                Vec::new()
            },
        };
    }
    let has_failed = asked.iter().any(|kind| kind.has_failed());
    if has_failed && !asked.iter().any(|kind| kind.is_served()) {
        RequestSettlement::Failed
    } else {
        RequestSettlement::Done
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::{
        accesslink::{Error, Operation, error::Meaning, oauth::OAuthError},
        connection::RefreshError,
        job::outcome::rule,
        model::{Details, Kind, Lane, TaskId},
        sync::Failure,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + second.seconds()
    }

    fn served(kind: Kind) -> Settled {
        Settled {
            settlement: KindSettlement {
                kind,
                next_due_at: at(9_000),
                due_cause: DueCause::Schedule,
                attempts: 0,
                succeeded: true,
                found: false,
                consent: true,
                error_class: None,
                error: None,
            },
            ruling: None,
            was_tried: true,
            dead_after: None,
        }
    }

    /// A kind that was tried, and is due again at a second.
    fn failed(kind: Kind, failure: &Failure, second: i64) -> Settled {
        let mut settled = served(kind);
        let ruling = rule(failure);
        settled.settlement.next_due_at = at(second);
        settled.settlement.due_cause = match ruling.due {
            Due::At(_, cause) => cause,
            Due::WindowOpens => DueCause::Snooze,
            Due::Blocked => DueCause::Blocked,
            Due::Retry | Due::Now => DueCause::Retry,
        };
        settled.settlement.attempts = i32::from(ruling.is_attempt);
        settled.settlement.succeeded = false;
        settled.ruling = Some(ruling);
        settled
    }

    fn dead(kind: Kind) -> Settled {
        let mut settled = failed(kind, &call(Meaning::TimedOut), 9_000);
        settled.settlement.attempts = 0;
        settled.settlement.due_cause = DueCause::Schedule;
        settled.dead_after = Some(10);
        settled
    }

    /// A kind that had no turn, because another one ended the run.
    fn postponed(kind: Kind, failure: &Failure, second: i64) -> Settled {
        let mut settled = failed(kind, failure, second);
        settled.settlement.attempts = 0;
        settled.was_tried = false;
        settled
    }

    fn call(meaning: Meaning) -> Failure {
        Failure::Call(Error {
            operation: Operation::GetItem,
            meaning,
        })
    }

    fn exchange() -> Failure {
        Failure::Refresh(RefreshError::Exchange(OAuthError::NoAnswer))
    }

    fn settle(cause: Cause, asked: &[Kind], kinds: &[Settled]) -> RequestSettlement {
        let request = TakenRequest {
            task_id: TaskId::new(),
            request_id: None,
            include: Details::NONE,
            kinds: asked.to_vec(),
            lane: Lane::Periodic,
            cause,
            traceparent: None,
        };
        settle_request(&request, None, kinds)
    }

    fn reopened(second: impl Into<Option<i64>>, kinds: &[Kind]) -> RequestSettlement {
        RequestSettlement::Reopen {
            not_before: second.into().map(at),
            kinds: kinds.to_vec(),
        }
    }

    #[test]
    fn what_is_to_be_brought_back_stays_asked_for_until_it_is_served_or_given_up() {
        let timed_out = call(Meaning::TimedOut);
        let kinds = [
            served(Kind::Sleep),
            failed(Kind::Exercise, &timed_out, 30),
            failed(Kind::Activity, &timed_out, 20),
            dead(Kind::NightlyRecharge),
        ];
        for asked in [&[][..], Kind::ALL] {
            let expected = reopened(20, &[Kind::Exercise, Kind::Activity]);
            assert_eq!(settle(Cause::Backfill, asked, &kinds), expected);
        }
        // Whatever else was tried, it is not asked for.
        let settled = settle(Cause::Backfill, &[Kind::Sleep], &kinds);
        assert_eq!(settled, RequestSettlement::Done);
        let settled = settle(Cause::Backfill, &[Kind::NightlyRecharge], &kinds);
        assert_eq!(settled, RequestSettlement::Failed);
        let asked = [Kind::Sleep, Kind::NightlyRecharge];
        let settled = settle(Cause::Backfill, &asked, &kinds);
        assert_eq!(settled, RequestSettlement::Done);
        // Of other requests, what failed is due again by itself.
        let settled = settle(Cause::Http, &[Kind::Exercise], &kinds);
        assert_eq!(settled, RequestSettlement::Failed);
        assert_eq!(settle(Cause::Http, &[], &kinds), RequestSettlement::Done);
    }

    #[test]
    fn what_had_no_turn_keeps_no_request_open_once_the_cause_is_given_up() {
        let exchange = exchange();
        let postponed = || postponed(Kind::Sleep, &exchange, 5);
        let kinds = [failed(Kind::Exercise, &exchange, 60), postponed()];
        let expected = reopened(60, &[Kind::Exercise, Kind::Sleep]);
        assert_eq!(settle(Cause::Backfill, &[], &kinds), expected);
        let settled = settle(Cause::Backfill, &[Kind::Sleep], &kinds);
        assert_eq!(settled, RequestSettlement::Failed);
        let kinds = [dead(Kind::Exercise), postponed()];
        let settled = settle(Cause::Backfill, &[], &kinds);
        assert_eq!(settled, RequestSettlement::Failed);
    }

    #[test]
    fn what_only_waited_is_not_served() {
        for failure in [
            call(Meaning::TooLate),
            Failure::Refresh(RefreshError::Elsewhere),
            call(Meaning::RateLimited),
            Failure::Doubtful { until: at(40) },
        ] {
            let kinds = [served(Kind::Sleep), failed(Kind::Exercise, &failure, 40)];
            let settled = settle(Cause::Http, &[], &kinds);
            assert_eq!(settled, reopened(40, &[]), "{failure}");
            let settled = settle(Cause::Backfill, &[], &kinds);
            assert_eq!(settled, reopened(40, &[Kind::Exercise]), "{failure}");
            let settled = settle(Cause::Http, &[Kind::Sleep], &kinds);
            assert_eq!(settled, RequestSettlement::Done, "{failure}");
            let kinds = [postponed(Kind::Exercise, &failure, 40)];
            assert_eq!(settle(Cause::Http, &[], &kinds), reopened(40, &[]));
        }
        let kinds = [
            failed(Kind::Exercise, &Failure::MoreWaits, 50),
            failed(Kind::Sleep, &call(Meaning::TooLate), 40),
        ];
        assert_eq!(settle(Cause::Http, &[], &kinds), reopened(None, &[]));
    }

    #[test]
    fn nobody_waits_for_a_consent() {
        let mut forbidden = failed(Kind::Exercise, &call(Meaning::Forbidden), 9_000);
        forbidden.settlement.due_cause = DueCause::Consent;
        for cause in [Cause::Http, Cause::Backfill] {
            let settled = settle(cause, &[], std::slice::from_ref(&forbidden));
            assert_eq!(settled, RequestSettlement::Done);
        }
    }
}
