//! The life cycle of AccessLink's transactions, in every order of events that there can be.
//!
//! A model of Polar, of the ledger and of workers is explored exhaustively, breadth first, a call or a
//! Postgres transaction a step. What a worker decides, it asks production: `sync::lifecycle` and
//! `sync::decide`. Only the order of the stages, which is that of `sync::pull`, is written once more, in
//! `worker`. (The search is our own: what has to be shown is that every fair way ends well, circles
//! included, which checkers for general use do not look for.)
//!
//! What can happen, at any point and as often as the bounds allow:
//!
//! * time passes, in fifths of a transaction's life, between any two steps; transactions expire;
//! * a worker dies, or stands still until another has its lease; a call is lost, or its answer; the
//!   window of the rate limit closes; a list is answered with 404 although the transaction is there; a
//!   commit stays on the wire, and arrives at any time later; so does a create, in some configurations,
//!   and is overtaken by a later one;
//! * Polar has something new, or a new version of what it has already offered, or adds to an open
//!   transaction; a request comes that wants more parts;
//! * whatever nobody knows about Polar: all values of its switches.
//!
//! What must hold is [`Promise`](ledger::Promise): nothing is deleted that is not durable in every wanted
//! part; a run that says that all is done is right; and from every state that can be reached, every way
//! on without a further fault ends with everything durable and committed, so that nothing is stuck and
//! nothing goes round in circles.
//!
//! What is assumed, since no client could do anything about it: Polar adds nothing of its own accord to
//! a transaction between the last list and the commit; a create arrives within a tenth of a life of
//! being written down, or never; a part that is answered with 404 by a transaction that is listed
//! afterwards is not there.
//!
//! Bounds: up to two items, one of them in two versions, a summary and up to three parts; one fault, with
//! two in one configuration; two workers. `MODEL_BOUND=wide` explores the whole matrix with one item
//! more, and takes some minutes. `cargo test --test life_cycle -- --nocapture` prints how many states
//! there are, and how each broken variant is found out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and who asks for it sees what was explored"
)]

mod decisions;
mod explore;
mod ledger;
mod machine;
mod polar;
mod worker;

use polar_sync::model::{Detail, Details};
use rstest::rstest;

use decisions::{
    BelievesEmptyAnswers, CommitsBeforeRecording, CommitsLate, CommitsUnwritten, Decisions,
    DropsWhatIsCutOff, ListsOnce, Production, SealsUnasked, SealsUnsettled, TakesGoneForDone,
    TakesMissingForAbsent, WritesUnfenced,
};
use explore::explore;
use ledger::Promise;
use machine::{Bounds, Machine, Wire};
use polar::{A1, A2, B1, LatePut, PutAnswer, SecondCreate, Switches};

/// One item with its summary, one fault, and the Polar of the documentation.
const PLAIN: Bounds = Bounds {
    switches: Switches {
        second_create: SecondCreate::Nothing,
        gone_is_404: true,
        late_put: LatePut::Deletes,
        put_answer: PutAnswer::Done,
    },
    uploads: &[A1],
    include: Details::NONE,
    faults: 1,
    widens: false,
    grows: false,
    splits: false,
    wire: Wire::Endless,
    window: None,
};

/// As [`PLAIN`], where a second create is given the open transaction, with what came meanwhile.
const MORE_ITEMS: Bounds = Bounds {
    switches: Switches {
        second_create: SecondCreate::SameIdMoreItems,
        ..PLAIN.switches
    },
    ..PLAIN
};

/// As [`PLAIN`], where a commit that comes late deletes whatever is offered of its items by then. No
/// client can do anything about one that stays on the wire for ever, so none does.
const CRUEL: Bounds = Bounds {
    switches: Switches {
        late_put: LatePut::DeletesItems,
        ..PLAIN.switches
    },
    uploads: &[A1, A2],
    wire: Wire::Slow,
    ..PLAIN
};

/// As [`CRUEL`], where moreover a second create is given the open transaction, whose age has to be known.
const CRUEL_SAME_ID: Bounds = Bounds {
    switches: Switches {
        second_create: SecondCreate::SameId,
        ..CRUEL.switches
    },
    ..CRUEL
};

/// As [`MORE_ITEMS`], where a create may arrive after one that was sent later.
const OVERTAKEN: Bounds = Bounds {
    uploads: &[A1, B1],
    wire: Wire::CreatesToo,
    ..MORE_ITEMS
};

fn zones() -> Details {
    Details::from_iter([Detail::Zones])
}

fn is_wide() -> bool {
    std::env::var("MODEL_BOUND").is_ok_and(|bound| bound == "wide")
}

/// Explores production, where every promise has to hold; the number of states.
fn holds(bounds: Bounds) -> usize {
    let decisions = Production;
    let found = explore(&Machine { decisions, bounds });
    if let Some(broken) = found.broken {
        panic!("{bounds:?}\n{}", broken.trace);
    }
    let Bounds {
        switches, faults, ..
    } = bounds;
    println!("{:>8} states, {faults} faults, {switches:?}", found.states);
    found.states
}

/// Explores a variant, which has to break this promise, and prints the shortest way to that.
fn is_caught<D: Decisions>(decisions: D, bounds: Bounds, promise: Promise) {
    let found = explore(&Machine { decisions, bounds });
    let Some(broken) = found.broken else {
        panic!("not caught in {} states", found.states);
    };
    println!("{} states\n{}", found.states, broken.trace);
    assert_eq!(broken.violation.promise, promise);
}

#[rstest]
fn whatever_polar_does_nothing_is_lost_and_everything_ends_in_step(
    #[values(
        SecondCreate::Nothing,
        SecondCreate::SameId,
        SecondCreate::SameIdMoreItems,
        SecondCreate::NewId
    )]
    second_create: SecondCreate,
) {
    let mut states = 0;
    for gone_is_404 in [true, false] {
        for late_put in [LatePut::NoOp, LatePut::Deletes] {
            for put_answer in [
                PutAnswer::Done,
                PutAnswer::NoContent,
                PutAnswer::NotFound,
                PutAnswer::Lost,
            ] {
                states += holds(Bounds {
                    switches: Switches {
                        second_create,
                        gone_is_404,
                        late_put,
                        put_answer,
                    },
                    uploads: if is_wide() { &[A1, B1] } else { &[A1] },
                    ..PLAIN
                });
            }
        }
    }
    println!("{states:>8} states with {second_create:?}");
}

#[rstest]
#[case::two_items(Bounds { uploads: &[A1, B1], ..MORE_ITEMS })]
#[case::a_part(Bounds { include: zones(), ..PLAIN })]
#[case::a_part_that_is_wanted_later(Bounds { widens: true, ..PLAIN })]
#[case::a_transaction_that_grows(Bounds { uploads: &[A1, B1], grows: true, splits: true, ..PLAIN })]
#[case::two_faults(Bounds { faults: 2, ..MORE_ITEMS })]
#[case::a_new_version(Bounds { uploads: &[A1, A2], ..MORE_ITEMS })]
#[case::a_cruel_polar(CRUEL)]
#[case::a_cruel_polar_that_gives_the_same_id(CRUEL_SAME_ID)]
fn nothing_is_lost_and_everything_ends_in_step(#[case] bounds: Bounds) {
    holds(bounds);
}

/// An item has a summary and three parts. A create, a list, the summary, the list once more and the
/// commit are five calls, and parts that are kept need none: so no window with five of them stands
/// still for ever.
#[rstest]
fn every_window_of_the_rate_limit_brings_it_on(#[values(5, 6, 7, 8, 9, 10)] calls: u8) {
    holds(Bounds {
        include: Details::ALL,
        faults: 0,
        window: Some(calls),
        ..PLAIN
    });
}

#[test]
fn caught_what_commits_before_it_records() {
    is_caught(
        CommitsBeforeRecording,
        PLAIN,
        Promise::DeletedOnlyWhenDurable,
    );
}

#[test]
fn caught_what_commits_before_it_writes_committing() {
    let bounds = Bounds {
        widens: true,
        ..PLAIN
    };
    is_caught(CommitsUnwritten, bounds, Promise::DeletedOnlyWhenDurable);
}

#[test]
fn caught_what_takes_a_404_for_an_absence() {
    let bounds = Bounds {
        include: zones(),
        ..PLAIN
    };
    is_caught(
        TakesMissingForAbsent,
        bounds,
        Promise::DeletedOnlyWhenDurable,
    );
}

#[test]
fn caught_what_believes_an_empty_answer_after_a_lost_create() {
    is_caught(BelievesEmptyAnswers, PLAIN, Promise::NothingNewIsTrue);
}

#[test]
fn caught_what_takes_a_404_on_the_list_for_the_end() {
    is_caught(TakesGoneForDone, PLAIN, Promise::NothingNewIsTrue);
}

#[test]
fn caught_what_commits_late() {
    is_caught(CommitsLate, CRUEL, Promise::DeletedOnlyWhenDurable);
}

#[test]
fn caught_what_does_not_list_once_more() {
    let bounds = Bounds {
        uploads: &[A1, B1],
        grows: true,
        ..PLAIN
    };
    is_caught(ListsOnce, bounds, Promise::DeletedOnlyWhenDurable);
}

#[test]
fn caught_what_writes_without_the_lease() {
    let bounds = Bounds {
        widens: true,
        ..PLAIN
    };
    is_caught(WritesUnfenced, bounds, Promise::DeletedOnlyWhenDurable);
}

#[test]
fn caught_what_seals_without_a_look_at_requests() {
    let bounds = Bounds {
        widens: true,
        ..PLAIN
    };
    is_caught(SealsUnasked, bounds, Promise::DeletedOnlyWhenDurable);
}

#[test]
fn caught_what_drops_what_is_cut_off() {
    let bounds = Bounds {
        include: Details::ALL,
        faults: 0,
        window: Some(5),
        ..PLAIN
    };
    is_caught(DropsWhatIsCutOff, bounds, Promise::EndsInStep);
}

#[test]
fn caught_what_seals_before_every_create_has_arrived() {
    is_caught(SealsUnsettled, OVERTAKEN, Promise::DeletedOnlyWhenDurable);
}

/// A transaction that is given out again is as old as the first that was doubted, whatever ended, and
/// whoever remembers it.
#[test]
fn a_transaction_that_is_denied_twice_is_never_taken_for_younger() {
    holds(Bounds {
        faults: 2,
        ..CRUEL_SAME_ID
    });
}

/// A create that is overtaken by a later one, and that adds to the open transaction when it does
/// arrive, or disbands it, does so before the last list.
#[rstest]
fn a_create_that_is_overtaken_adds_nothing_that_is_not_listed(
    #[values(
        SecondCreate::Nothing,
        SecondCreate::SameId,
        SecondCreate::SameIdMoreItems,
        SecondCreate::NewId
    )]
    second_create: SecondCreate,
) {
    holds(Bounds {
        switches: Switches {
            second_create,
            ..OVERTAKEN.switches
        },
        faults: if is_wide() { 2 } else { 1 },
        ..OVERTAKEN
    });
}
