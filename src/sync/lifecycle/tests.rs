//! The state machine, transition by transition.

use super::*;

const RULES: Rules = Rules {
    life: Duration::from_mins(10),
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn open(transaction_id: i64, created: i64) -> Transactions {
    let mut transactions = Transactions::new(None, None);
    transactions.create_sent(RULES, at(created));
    transactions.created(RULES, at(created), transaction_id);
    transactions
}

/// Seals what was listed at an instant.
fn seal(transactions: &mut Transactions, now: i64, listed: i64) -> Result<(), NotYet> {
    transactions.committing(RULES, at(now), at(listed), Vec::new())
}

fn unsettled(until: i64) -> Result<(), NotYet> {
    let until = at(until);
    Err(NotYet::Unsettled { until })
}

/// As another run reads it.
fn next_run(transactions: &Transactions) -> Transactions {
    Transactions::new(
        transactions.current().cloned(),
        transactions.changes().doubt,
    )
}

fn phases(transactions: &mut Transactions) -> Vec<Phase> {
    let phases = transactions
        .closed
        .iter()
        .map(|remote| remote.phase)
        .collect();
    transactions.saved();
    phases
}

#[test]
fn creates_and_commits_are_sent_in_time_or_not_at_all() {
    let mut transactions = Transactions::new(None, None);
    assert_eq!(transactions.send_by(RULES), None);
    transactions.create_sent(RULES, at(100));
    assert_eq!(transactions.send_by(RULES), Some(at(130)));
    // The answer was lost: the next create has a time of its own.
    transactions.create_sent(RULES, at(200));
    assert_eq!(transactions.send_by(RULES), Some(at(230)));
    transactions.created(RULES, at(231), 7);
    assert_eq!(transactions.send_by(RULES), None);
    seal(&mut transactions, 300, 300).unwrap();
    assert_eq!(transactions.send_by(RULES), Some(at(580)));
    transactions.committed();
    assert_eq!(transactions.send_by(RULES), None);
}

#[test]
fn what_a_wrong_clock_dated_in_the_future_is_not_committed() {
    let mut transactions = open(7, 1_000);
    assert_eq!(
        seal(&mut transactions, 100, 100),
        Err(NotYet::TooOld { until: at(1_660) })
    );
    let until = at(1_660);
    assert_eq!(transactions.step(RULES, at(100)), Step::Wait { until });
    assert_eq!(transactions.step(RULES, at(1_660)), Step::Create);
    // Clocks that follow the same one agree within a second or two.
    assert_eq!(
        transactions.step(RULES, at(998)),
        Step::Fetch { transaction_id: 7 }
    );
    assert_eq!(seal(&mut transactions, 998, 998), Ok(()));
}

#[test]
fn the_plain_life_ends_in_nothing_new() {
    let mut transactions = open(7, 0);
    assert_eq!(
        transactions.step(RULES, at(1)),
        Step::Fetch { transaction_id: 7 }
    );
    let sealed = transactions.committing(RULES, at(1), at(1), vec!["1".into()]);
    assert_eq!(sealed, Ok(()));
    assert_eq!(
        transactions.step(RULES, at(2)),
        Step::Commit { transaction_id: 7 }
    );
    transactions.committed();
    transactions.create_sent(RULES, at(3));
    assert_eq!(transactions.created_nothing(at(3)), Nothing::New);
    assert_eq!(phases(&mut transactions), [Phase::Committed, Phase::Empty]);
}

#[test]
fn an_empty_answer_after_a_lost_create_is_not_believed() {
    let mut transactions = Transactions::new(None, None);
    transactions.create_sent(RULES, at(0));
    assert_eq!(transactions.step(RULES, at(5)), Step::Create);
    transactions.create_sent(RULES, at(5));
    let until = at(660);
    assert_eq!(
        transactions.created_nothing(at(5)),
        Nothing::Doubtful { until }
    );
    transactions.create_sent(RULES, until);
    assert_eq!(transactions.created_nothing(until), Nothing::New);
}

#[test]
fn an_empty_answer_after_an_unconfirmed_commit_is_not_believed() {
    let mut transactions = open(7, 0);
    seal(&mut transactions, 1, 1).unwrap();
    transactions.unconfirmed(RULES);
    transactions.create_sent(RULES, at(9));
    assert!(matches!(
        transactions.created_nothing(at(9)),
        Nothing::Doubtful { .. }
    ));
}

#[test]
fn no_commit_is_started_after_four_fifths_of_the_life() {
    let mut transactions = open(7, 0);
    seal(&mut transactions, 479, 479).unwrap();
    assert_eq!(
        transactions.step(RULES, at(479)),
        Step::Commit { transaction_id: 7 }
    );
    assert_eq!(
        transactions.step(RULES, at(480)),
        Step::Wait { until: at(660) }
    );
    assert_eq!(transactions.step(RULES, at(660)), Step::Create);
    transactions.create_sent(RULES, at(660));
    assert_eq!(phases(&mut transactions), [Phase::Unconfirmed]);
}

#[test]
fn a_transaction_too_old_to_be_committed_is_waited_for_and_created_anew() {
    let mut transactions = open(7, 0);
    assert_eq!(
        transactions.step(RULES, at(480)),
        Step::Wait { until: at(660) }
    );
    assert_eq!(transactions.step(RULES, at(660)), Step::Create);
    transactions.create_sent(RULES, at(660));
    transactions.created(RULES, at(660), 7);
    assert_eq!(
        transactions.step(RULES, at(661)),
        Step::Fetch { transaction_id: 7 }
    );
    assert_eq!(phases(&mut transactions), [Phase::Lapsed]);
}

#[test]
fn after_a_lost_create_what_is_opened_may_be_the_older_one() {
    let mut transactions = Transactions::new(None, None);
    transactions.create_sent(RULES, at(0));
    transactions.create_sent(RULES, at(300));
    transactions.created(RULES, at(300), 8);
    assert_eq!(transactions.current().unwrap().created_at, at(0));
    assert_eq!(
        transactions.step(RULES, at(480)),
        Step::Wait { until: at(960) }
    );
}

#[test]
fn a_transaction_that_is_gone_is_created_anew_at_once() {
    let mut transactions = open(7, 0);
    transactions.gone(RULES);
    assert_eq!(transactions.step(RULES, at(10)), Step::Create);
    transactions.create_sent(RULES, at(10));
    let until = at(660);
    assert_eq!(
        transactions.created_nothing(at(10)),
        Nothing::Doubtful { until }
    );
    assert_eq!(phases(&mut transactions), [Phase::Lapsed, Phase::Empty]);
}

#[test]
fn what_became_durable_too_late_is_not_sealed() {
    let mut transactions = open(7, 0);
    let sealed = seal(&mut transactions, 480, 480);
    assert_eq!(sealed, Err(NotYet::TooOld { until: at(660) }));
    assert_eq!(transactions.current().unwrap().phase, Phase::Open);
}

#[test]
fn a_refused_create_takes_no_doubt_from_a_lost_one() {
    let mut transactions = Transactions::new(None, None);
    transactions.create_sent(RULES, at(0));
    transactions.create_sent(RULES, at(300));
    transactions.create_refused();
    transactions.create_sent(RULES, at(400));
    transactions.created(RULES, at(400), 7);
    assert_eq!(transactions.current().unwrap().created_at, at(0));
}

#[test]
fn a_transaction_that_may_be_an_earlier_one_has_its_age() {
    let mut transactions = open(7, 0);
    transactions.gone(RULES);
    transactions.create_sent(RULES, at(100));
    transactions.created(RULES, at(100), 7);
    assert_eq!(transactions.current().unwrap().created_at, at(0));
    transactions.gone(RULES);
    transactions.create_sent(RULES, at(900));
    assert_eq!(transactions.current().unwrap().created_at, at(900));
}

#[test]
fn losses_that_an_operator_accepted_follow_to_the_next_transaction() {
    let mut blocked = open(7, 0);
    blocked.blocked(vec!["1".into()]);
    let accepted = blocked.current().cloned().map(|remote| Remote {
        accepted_loss: vec!["1".into()],
        ..remote
    });
    let mut transactions = Transactions::new(accepted, None);
    transactions.gone(RULES);
    transactions.create_sent(RULES, at(700));
    assert_eq!(transactions.current().unwrap().accepted_loss, ["1"]);
    assert_eq!(transactions.accepted_loss(), ["1"]);
}

#[test]
fn a_create_that_was_long_on_its_way_opened_what_lives_as_long_as_any() {
    let mut transactions = Transactions::new(None, None);
    transactions.create_sent(RULES, at(0));
    transactions.created(RULES, at(1_000), 7);
    assert_eq!(transactions.current().unwrap().created_at, at(0));
    assert_eq!(
        transactions.step(RULES, at(1_000)),
        Step::Wait { until: at(1_600) }
    );
}

#[test]
fn what_a_lost_create_may_have_opened_has_its_age_in_the_next_transaction_too() {
    let mut transactions = Transactions::new(None, None);
    transactions.create_sent(RULES, at(0));
    transactions.create_sent(RULES, at(300));
    transactions.created(RULES, at(300), 7);
    transactions.gone(RULES);
    transactions.create_sent(RULES, at(310));
    transactions.created(RULES, at(310), 7);
    assert_eq!(transactions.current().unwrap().created_at, at(0));
}

#[test]
fn the_next_run_knows_since_when_a_transaction_is_doubted() {
    let mut transactions = open(7, 0);
    transactions.gone(RULES);
    transactions.create_sent(RULES, at(100));
    transactions.created(RULES, at(100), 7);
    transactions.gone(RULES);
    let doubt = transactions.changes().doubt;
    assert_eq!(
        doubt,
        Some(Doubt {
            since: at(0),
            until: at(760)
        })
    );
    let mut transactions = next_run(&transactions);
    transactions.create_sent(RULES, at(700));
    transactions.created(RULES, at(700), 7);
    assert_eq!(
        transactions.step(RULES, at(700)),
        Step::Wait { until: at(1_360) }
    );
}

#[test]
fn a_doubt_that_was_over_before_makes_nothing_older() {
    let mut transactions = open(7, 0);
    transactions.gone(RULES);
    transactions.create_sent(RULES, at(660));
    transactions.created(RULES, at(660), 8);
    transactions.gone(RULES);
    transactions.create_sent(RULES, at(700));
    assert_eq!(transactions.current().unwrap().created_at, at(660));
}

#[test]
fn what_an_earlier_create_may_add_to_is_sealed_by_a_list_that_shows_it() {
    let mut transactions = Transactions::new(None, None);
    transactions.create_sent(RULES, at(0));
    let mut transactions = next_run(&transactions);
    transactions.create_sent(RULES, at(10));
    transactions.created(RULES, at(11), 7);
    assert_eq!(seal(&mut transactions, 20, 20), unsettled(70));
    assert_eq!(transactions.current().unwrap().phase, Phase::Open);
    let mut transactions = next_run(&transactions);
    assert_eq!(seal(&mut transactions, 75, 69), unsettled(75));
    assert_eq!(seal(&mut transactions, 75, 70), Ok(()));
}

#[test]
fn a_create_of_the_same_instant_may_add_to_it_as_well() {
    let mut transactions = Transactions::new(None, None);
    transactions.create_sent(RULES, at(0));
    transactions.create_sent(RULES, at(0));
    transactions.created(RULES, at(0), 7);
    assert_eq!(seal(&mut transactions, 1, 1), unsettled(60));
}

#[test]
fn a_lost_create_may_add_to_a_later_transaction_too() {
    let mut transactions = Transactions::new(None, None);
    transactions.create_sent(RULES, at(0));
    transactions.create_sent(RULES, at(10));
    transactions.created_nothing(at(10));
    let mut transactions = next_run(&transactions);
    transactions.create_sent(RULES, at(20));
    transactions.created(RULES, at(20), 7);
    assert_eq!(seal(&mut transactions, 30, 30), unsettled(80));
}

#[test]
fn no_create_is_waited_for_that_has_arrived_by_now() {
    let mut transactions = Transactions::new(None, None);
    transactions.create_sent(RULES, at(0));
    transactions.create_sent(RULES, at(10));
    transactions.created(RULES, at(200), 7);
    assert_eq!(seal(&mut transactions, 201, 200), Ok(()));
}

#[test]
fn what_is_settled_too_late_for_a_commit_is_waited_out() {
    let mut transactions = Transactions::new(None, None);
    transactions.create_sent(RULES, at(0));
    transactions.create_sent(RULES, at(420));
    transactions.created(RULES, at(420), 7);
    let until = at(1_080);
    assert_eq!(
        seal(&mut transactions, 430, 430),
        Err(NotYet::TooOld { until })
    );
    assert_eq!(transactions.step(RULES, at(480)), Step::Wait { until });
}
