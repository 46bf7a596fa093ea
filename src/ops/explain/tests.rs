//! The wording of the important states, with a fixed clock.

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    facts::{Facts, QuarantinedItem, TokenFacts, closed_until},
    next::next,
    text::write,
};
use crate::{
    model::{
        Cause, ConnectionId, ConnectionState, DueCause, Kind, Lane, RunId, RunOutcome, TaskId,
        TransactionalKind,
    },
    queue::{Snapshot, permits::WindowState},
    store::{
        overview::{
            DeadSummary, KindSummary, OpenRequest, RunSummary, SyncSummary, TransactionSummary,
        },
        remote::Phase,
    },
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn kind(kind: Kind) -> KindSummary {
    KindSummary {
        kind,
        next_due_at: Some(at("2026-03-20T18:00:00Z")),
        due_cause: DueCause::Schedule,
        attempts: 0,
        last_run_at: Some(at("2026-03-20T11:55:00Z")),
        last_success_at: Some(at("2026-03-20T11:55:00Z")),
        last_found_at: Some(at("2026-03-19T20:00:00Z")),
        error_class: None,
        error: None,
        consent: true,
    }
}

fn run(number: u128, outcome: RunOutcome, error: Option<(&str, &str)>) -> RunSummary {
    RunSummary {
        run_id: RunId(Uuid::from_u128(number)),
        lane: Lane::Periodic,
        cause: Cause::Schedule,
        request_ids: Vec::new(),
        started_at: at("2026-03-20T11:54:57Z"),
        finished_at: Some(at("2026-03-20T11:55:00Z")),
        outcome: Some(outcome),
        error_class: error.map(|(class, _)| class.to_owned()),
        error: error.map(|(_, text)| text.to_owned()),
        items_new: 2,
        items_changed: 0,
        items_same: 10,
    }
}

/// An active connection of which everything is in step.
fn in_step() -> Facts {
    Facts {
        now: at("2026-03-20T12:00:00Z"),
        user_id: "user_001".parse().unwrap(),
        polar_user_id: 10_000_001,
        connection_id: ConnectionId(Uuid::from_u128(1)),
        connected_at: at("2026-03-01T12:00:00Z"),
        registered_at: Some(at("2026-03-01T12:00:00Z")),
        state: ConnectionState::Active,
        state_reason: None,
        state_since: at("2026-03-01T12:00:00Z"),
        recheck_at: None,
        is_held: false,
        token: TokenFacts {
            key_id: "k1".to_owned(),
            generation: 1,
            expires_at: Some(at("2027-03-01T12:00:00Z")),
            has_refresh_token: false,
        },
        sync: SyncSummary {
            lease_owner: None,
            lease_until: None,
            queued_lane: None,
            queued_at: None,
            last_success_at: Some(at("2026-03-20T11:55:00Z")),
        },
        runs: vec![run(1, RunOutcome::Ok, None)],
        kinds: vec![kind(Kind::Exercise), kind(Kind::Sleep)],
        transactions: Vec::new(),
        requests: Vec::new(),
        quarantine: Vec::new(),
        dead: Vec::new(),
        quota_closed_until: None,
        commits: true,
    }
}

fn in_state(state: ConnectionState, reason: &str) -> Facts {
    let mut facts = in_step();
    facts.state = state;
    facts.state_reason = Some(reason.to_owned());
    facts.state_since = at("2026-03-20T11:50:00Z");
    facts
}

fn text(facts: &Facts) -> String {
    let mut out = Vec::new();
    write(facts, &next(facts), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn active_and_in_step() {
    insta::assert_snapshot!(text(&in_step()));
}

#[test]
fn failing_with_retries() {
    let mut facts = in_step();
    let error = "AccessLink get item: the server failed (503)";
    facts.runs = vec![run(2, RunOutcome::Failed, Some(("server_failed", error)))];
    facts.kinds[0] = KindSummary {
        attempts: 3,
        due_cause: DueCause::Retry,
        next_due_at: Some(at("2026-03-20T12:01:30Z")),
        error_class: Some("server_failed".to_owned()),
        error: Some(error.to_owned()),
        last_success_at: Some(at("2026-03-20T06:00:00Z")),
        ..kind(Kind::Exercise)
    };
    facts.dead = vec![DeadSummary {
        id: Uuid::from_u128(9),
        user_id: Some("user_001".to_owned()),
        kind: Some(Kind::Sleep),
        lane: None,
        entry: None,
        error_class: "server_failed".to_owned(),
        error: error.to_owned(),
        attempts: 8,
        died_at: at("2026-03-19T12:00:00Z"),
    }];
    insta::assert_snapshot!(text(&facts));
}

#[test]
fn a_run_under_way() {
    let mut facts = in_step();
    facts.sync.lease_owner = Some("host-17-abc".to_owned());
    facts.sync.lease_until = Some(at("2026-03-20T12:00:08Z"));
    facts.runs[0].finished_at = None;
    facts.runs[0].outcome = None;
    facts.runs[0].request_ids = vec!["abc".to_owned()];
    facts.token.expires_at = Some(at("2026-03-30T12:00:00Z"));
    insta::assert_snapshot!(text(&facts));
}

#[test]
fn suspect() {
    let mut facts = in_state(ConnectionState::Suspect, "unauthorized");
    facts.recheck_at = Some(at("2026-03-20T12:05:00Z"));
    facts.kinds[0].next_due_at = None;
    insta::assert_snapshot!(text(&facts));
}

#[test]
fn held() {
    let mut facts = in_state(ConnectionState::Suspect, "held");
    facts.is_held = true;
    facts.recheck_at = Some(at("2026-03-20T13:00:00Z"));
    insta::assert_snapshot!(text(&facts));
}

#[test]
fn revoked() {
    let mut facts = in_state(ConnectionState::Revoked, "token_refused");
    facts.runs = vec![run(
        2,
        RunOutcome::Refused,
        Some(("unauthorized", "the token is not accepted (401)")),
    )];
    facts.token.expires_at = Some(at("2026-03-19T12:00:00Z"));
    facts
        .kinds
        .iter_mut()
        .for_each(|kind| kind.next_due_at = None);
    insta::assert_snapshot!(text(&facts));
}

#[test]
fn paused() {
    insta::assert_snapshot!(text(&in_state(ConnectionState::Paused, "operator")));
}

#[test]
fn consent_required() {
    let mut facts = in_state(ConnectionState::ConsentRequired, "consent_missing");
    facts.recheck_at = Some(at("2026-03-21T11:50:00Z"));
    insta::assert_snapshot!(text(&facts));
}

fn blocked_facts() -> Facts {
    let mut facts = in_step();
    let error = "2 of the transaction's items cannot be fetched whole (AccessLink get part: it is cut off), so it is \
                 not committed";
    facts.kinds[0] = KindSummary {
        attempts: 2,
        due_cause: DueCause::Blocked,
        next_due_at: Some(at("2026-03-20T12:20:00Z")),
        error_class: Some("blocked".to_owned()),
        error: Some(error.to_owned()),
        ..kind(Kind::Exercise)
    };
    facts.transactions = vec![TransactionSummary {
        id: Uuid::from_u128(5),
        user_id: "user_001".to_owned(),
        kind: TransactionalKind::Exercise,
        phase: Phase::Blocked,
        polar_transaction_id: Some(77),
        created_at: at("2026-03-20T11:40:00Z"),
        updated_at: at("2026-03-20T11:55:00Z"),
        items: vec!["1001".to_owned(), "1002".to_owned()],
        accepted_loss: Vec::new(),
    }];
    facts
}

#[test]
fn a_blocked_transaction() {
    insta::assert_snapshot!(text(&blocked_facts()));
}

#[test]
fn a_blocked_transaction_whose_loss_is_accepted() {
    let mut facts = blocked_facts();
    facts.transactions[0].accepted_loss = vec!["1001".to_owned(), "1002".to_owned()];
    insta::assert_snapshot!(text(&facts));
}

#[test]
fn snoozed_by_the_quota() {
    let mut facts = in_step();
    let until = at("2026-03-20T12:11:00Z");
    facts.quota_closed_until = Some(until);
    facts.kinds[0] = KindSummary {
        due_cause: DueCause::Snooze,
        next_due_at: Some(until),
        error_class: Some("window_closed".to_owned()),
        error: Some(
            "AccessLink create transaction: not sent: the rate limit's window is closed".to_owned(),
        ),
        ..kind(Kind::Exercise)
    };
    facts.requests = vec![OpenRequest {
        task_id: TaskId(Uuid::from_u128(3)),
        request_id: Some("abc".to_owned()),
        lane: Lane::Interactive,
        cause: Cause::Http,
        kinds: vec![Kind::Exercise],
        include: Vec::new(),
        running: false,
        created_at: at("2026-03-20T11:59:00Z"),
        not_before: Some(until),
    }];
    insta::assert_snapshot!(text(&facts));
}

#[test]
fn quarantine_and_a_missing_consent() {
    let mut facts = in_step();
    facts.kinds[1] = KindSummary {
        consent: false,
        due_cause: DueCause::Consent,
        next_due_at: Some(at("2026-03-21T12:00:00Z")),
        error_class: Some("forbidden".to_owned()),
        ..kind(Kind::Sleep)
    };
    facts.quarantine = vec![QuarantinedItem {
        kind: Kind::Exercise,
        item: "1001".to_owned(),
        part: "summary".to_owned(),
        reason: "start-time is not a time".to_owned(),
        since: at("2026-03-20T10:00:00Z"),
    }];
    insta::assert_snapshot!(text(&facts));
}

#[test]
fn the_quota_is_closed_by_a_spent_window_or_a_429() {
    let now = at("2026-03-20T12:00:00Z");
    let ms = |text: &str| u64::try_from(at(text).as_millisecond()).unwrap();
    let window = |used, reset: &str| WindowState {
        limit: 100,
        used,
        reset_at_ms: ms(reset),
    };
    let mut quota = Snapshot {
        short: window(99, "2026-03-20T12:10:00Z"),
        long: window(50, "2026-03-21T00:00:00Z"),
        closed_until_ms: 0,
        taken_at_ms: ms("2026-03-20T11:59:55Z"),
        born: 1,
        seq: 1,
    };
    assert_eq!(closed_until(&quota, now), None);
    quota.short.used = 100;
    assert_eq!(closed_until(&quota, now), Some(at("2026-03-20T12:10:00Z")));
    quota.closed_until_ms = ms("2026-03-20T12:12:00Z");
    assert_eq!(closed_until(&quota, now), Some(at("2026-03-20T12:12:00Z")));
    assert_eq!(closed_until(&quota, at("2026-03-20T12:12:00Z")), None);
}
