//! What the stages decide, as pure functions: what an answer means for a transaction, and what a
//! recorded batch leads to. The stages ask and carry out; `tests/life_cycle` asks the same functions
//! about every order of events that there can be.

use bytes::Bytes;
use jiff::Timestamp;

use super::{
    Failure,
    lifecycle::{NotYet, Nothing, Rules, Step, Transactions},
};
pub use super::{
    checklist::{Checklist, Trouble},
    item::{Fetched, FetchedItem, SUMMARY},
};
use crate::{
    accesslink::{Answer, Error, call::ItemPart, error::Meaning},
    store::raw::Held,
};

/// Rounds in a row that may bring nothing before the kind is left for later: a server that opens
/// transactions and knows nothing of them would else be asked without end.
const FRUITLESS_MAX: usize = 2;

/// After the answer to a create: the body that names the transaction, or `None` when there is
/// nothing new.
pub fn after_create(
    transactions: &mut Transactions,
    answer: Result<Answer, Failure>,
    now: Timestamp,
) -> Result<Option<Bytes>, Failure> {
    match answer {
        Ok(Answer::Body(body)) => Ok(Some(body)),
        Ok(Answer::Empty | Answer::Done) => match transactions.created_nothing(now) {
            Nothing::New => Ok(None),
            Nothing::Doubtful { until } => Err(Failure::Doubtful { until }),
        },
        Err(failure) => {
            if had_no_effect(&failure) {
                transactions.create_refused();
            }
            Err(failure)
        }
    }
}

/// Whether a create that failed so can have opened nothing.
fn had_no_effect(failure: &Failure) -> bool {
    match failure {
        Failure::Stopped | Failure::MoreWaits | Failure::Refresh(_) => true,
        Failure::Call(error) => match error.meaning {
            Meaning::Unauthorized
            | Meaning::Forbidden
            | Meaning::NotFound
            | Meaning::Conflict
            | Meaning::RateLimited
            | Meaning::WindowClosed(_)
            | Meaning::CircuitOpen { .. }
            | Meaning::TooLate => true,
            Meaning::ServerFailed(_)
            | Meaning::TimedOut
            | Meaning::ConnectionFailed
            | Meaning::Redirected(_)
            | Meaning::Unexpected(_)
            | Meaning::Broken(_) => false,
        },
        _ => false,
    }
}

/// After the answer to a list: its body, or `None` when Polar no longer knows the transaction.
pub fn after_list(answer: Result<Answer, Failure>) -> Result<Option<Bytes>, Failure> {
    match answer {
        Ok(Answer::Body(body)) => Ok(Some(body)),
        Ok(Answer::Empty | Answer::Done) => Ok(None),
        Err(Failure::Call(error)) if error.meaning == Meaning::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// What came of asking for a part of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// It was answered.
    Fetched(Fetched),
    /// It cannot be had now, which leaves the other items their turn, whatever the cause.
    Broken(Error),
}

/// After the answer to a part of an item. What is refused to all of a user or client is of no item:
/// it ends the batch.
pub fn after_part(answer: Result<Answer, Failure>) -> Result<Part, Failure> {
    match answer {
        Ok(Answer::Body(body)) => Ok(Part::Fetched(Fetched::Body(body))),
        Ok(Answer::Empty | Answer::Done) => Ok(Part::Fetched(Fetched::Absent)),
        Err(Failure::Call(error)) => match error.meaning {
            Meaning::NotFound => Ok(Part::Fetched(Fetched::Missing)),
            Meaning::Broken(_)
            | Meaning::Redirected(_)
            | Meaning::Forbidden
            | Meaning::Conflict
            | Meaning::Unexpected(_)
            | Meaning::ServerFailed(_)
            | Meaning::TimedOut
            | Meaning::ConnectionFailed => Ok(Part::Broken(error)),
            Meaning::Unauthorized
            | Meaning::RateLimited
            | Meaning::WindowClosed(_)
            | Meaning::CircuitOpen { .. }
            | Meaning::TooLate => Err(Failure::Call(error)),
        },
        Err(failure) => Err(failure),
    }
}

/// Whether what an earlier transaction left of a part stands for it. Only a body is as good as
/// fetched: where there was none, there may be one by now. A list of series is none of these: its URLs
/// are those of the transaction that it was read in.
pub fn is_kept(held: Option<Held>, part: &ItemPart) -> bool {
    held == Some(Held::Body) && *part != ItemPart::Samples
}

/// What a recorded batch leads to.
#[derive(Debug)]
pub enum Next {
    /// Another batch.
    Fetch,
    /// Nothing more: Polar no longer knows the transaction.
    Gone,
    /// Sealing the transaction: all of it is durable.
    Seal,
}

/// After a batch was recorded.
pub fn after_batch(
    transactions: &mut Transactions,
    rules: Rules,
    checklist: &Checklist,
    trouble: Option<Trouble>,
    is_last: bool,
) -> Result<Next, Failure> {
    match trouble {
        Some(Trouble::Gone) => {
            transactions.gone(rules);
            return Ok(Next::Gone);
        }
        Some(Trouble::Failed(failure)) => return Err(failure),
        None if !is_last => return Ok(Next::Fetch),
        None => {}
    }
    let Some((items, cause)) = checklist.not_durable(transactions.accepted_loss()) else {
        return Ok(Next::Seal);
    };
    // Where no item came whole, the fault is hardly with the items.
    if checklist.has_none_durable() && !cause.meaning.is_of_one_item() {
        return Err(Failure::Call(cause));
    }
    transactions.blocked(items.clone());
    Err(Failure::Blocked { items, cause })
}

/// How a transaction stands of which everything is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// It may be committed.
    Committing,
    /// `sync.commit` keeps it from being committed.
    NotToBeCommitted,
}

/// Seals a transaction of which everything is durable that was in it at `listed_at`, the instant
/// before its last list was sent. `is_covered`: nobody wants to see anything stored that was not
/// fetched, as of the Postgres transaction that writes this down; what is wanted must not be deleted
/// at Polar.
pub fn seal(
    transactions: &mut Transactions,
    rules: Rules,
    now: Timestamp,
    checklist: &Checklist,
    listed_at: Timestamp,
    is_covered: bool,
    may_be_committed: bool,
) -> Result<Sealed, Failure> {
    if !is_covered {
        return Err(Failure::GaveWay);
    }
    let items = checklist.items().map(|item| item.to_string()).collect();
    if !may_be_committed {
        transactions.durable(items);
        return Ok(Sealed::NotToBeCommitted);
    }
    transactions
        .committing(rules, now, listed_at, items)
        .map(|()| Sealed::Committing)
        .map_err(|not_yet| match not_yet {
            NotYet::TooOld { until } => Failure::TooOld { until },
            NotYet::Unsettled { until } => Failure::Unsettled { until },
        })
}

/// Whether the commit may be sent now: never late in the transaction's life, however long the worker
/// stood still before.
pub fn may_commit(
    transactions: &Transactions,
    rules: Rules,
    now: Timestamp,
) -> Result<(), Failure> {
    match transactions.step(rules, now) {
        Step::Commit { .. } => Ok(()),
        Step::Wait { until } => Err(Failure::TooOld { until }),
        Step::Create | Step::Fetch { .. } => Err(Failure::TooOld { until: now }),
    }
}

/// After the answer to a commit: whether Polar confirmed it. Where it failed, the transaction stays
/// `committing`: anybody may send the commit again.
pub fn after_commit(
    transactions: &mut Transactions,
    rules: Rules,
    answer: Result<Answer, Failure>,
) -> Result<bool, Failure> {
    let is_confirmed = match answer {
        Ok(Answer::Done) => true,
        Ok(Answer::Empty | Answer::Body(_)) => false,
        Err(Failure::Call(error)) if error.meaning == Meaning::NotFound => false,
        Err(failure) => return Err(failure),
    };
    if is_confirmed {
        transactions.committed();
    } else {
        transactions.unconfirmed(rules);
    }
    Ok(is_confirmed)
}

/// What the rounds of a run brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rounds {
    fruitless: usize,
    written: i32,
}

impl Rounds {
    /// Before the first round; `written` records were stored before.
    pub const fn after(written: i32) -> Self {
        Self {
            fruitless: 0,
            written,
        }
    }

    /// A round ended, and `written` records are stored by now. Fails after several that brought
    /// nothing.
    pub const fn ended(&mut self, is_confirmed: bool, written: i32) -> Result<(), Failure> {
        if is_confirmed || written > self.written {
            *self = Self::after(written);
        } else {
            self.fruitless += 1;
        }
        if self.fruitless >= FRUITLESS_MAX {
            return Err(Failure::NoProgress);
        }
        Ok(())
    }
}
