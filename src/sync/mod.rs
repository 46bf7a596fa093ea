//! THE PIPELINE: open → fetch → record → commit, a stage a file, a type a stage.
//!
//! Owns the order of things that keeps data from being lost. AccessLink's commit deletes at Polar
//! what it commits, so it takes a [`record::Receipt`], which only `record` can make: from a Postgres
//! transaction that holds every listed item with every wanted part, or from a ledger row that says
//! so. Must never enqueue, and must never send a call while a Postgres transaction is open.
//!
//! To add a kind that AccessLink offers by transaction: its parts in `item`, its record in
//! `normalize`. To add one with an endpoint of its own: a function in `poll`.

mod checklist;
mod commit;
mod complete;
pub mod decide;
mod failure;
mod fetch;
mod item;
pub mod lifecycle;
mod open;
mod poll;
mod record;
mod restore;
mod rows;
mod run;

pub use failure::Failure;
pub use run::{Run, Settings};

use crate::{
    model::{Kind, TransactionAddress, TransactionalKind},
    store::{event::Counts, lease::KindRow},
};
use commit::commit;
use decide::Rounds;
use fetch::{fetch, list};
use lifecycle::Transactions;
use open::{Opened, open};
use record::{Durable, record};

/// Transactions of one kind in one run; AccessLink puts at most 50 items into each.
const ROUNDS_MAX: usize = 40;

/// What a run did for one kind.
#[derive(Debug)]
pub struct Report {
    /// The kind.
    pub kind: Kind,
    /// Items stored.
    pub counts: Counts,
    /// Why it is not in step, if it is not.
    pub failure: Option<Failure>,
    /// How its transactions stand, if it has some; what ended may have yet to be written down.
    pub transactions: Option<(TransactionalKind, Transactions)>,
}

/// Brings one kind in step.
pub async fn sync(run: &Run<'_>, row: &KindRow) -> Report {
    let known = |kind| {
        let transactions = Transactions::new(row.remote.clone(), row.doubt);
        (kind, transactions)
    };
    let nothing_done = Report {
        kind: row.kind,
        counts: Counts::default(),
        failure: None,
        transactions: row.kind.transactional().map(known),
    };
    go_on(run, nothing_done).await
}

/// Goes on with a kind where an earlier try of the same run stopped.
pub async fn go_on(run: &Run<'_>, mut report: Report) -> Report {
    let counts = &mut report.counts;
    let result = match &mut report.transactions {
        None => poll::poll(run, report.kind, counts).await,
        Some((kind, transactions)) => transact(run, *kind, transactions, counts).await,
    };
    Report {
        failure: result.err(),
        ..report
    }
}

/// Brings a kind in step that AccessLink offers by transaction.
async fn transact(
    run: &Run<'_>,
    kind: TransactionalKind,
    transactions: &mut Transactions,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let mut first = None;
    if run.restores {
        // What fails of old records keeps nothing new back.
        failure::put_off(restore::restore(run, kind, counts).await, &mut first)?;
    }
    let pulled = pull(run, kind, transactions, counts).await;
    match kind {
        TransactionalKind::Exercise => {
            complete::complete(run, pulled, first.is_none(), counts).await
        }
        TransactionalKind::Activity | TransactionalKind::PhysicalInformation => pulled,
    }?;
    first.map_or(Ok(()), Err)
}

/// Runs AccessLink's transactions of one kind until there is nothing new.
async fn pull(
    run: &Run<'_>,
    kind: TransactionalKind,
    transactions: &mut Transactions,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let mut rounds = Rounds::after(counts.written());
    for round in 0..ROUNDS_MAX {
        run.give_way(round).await?;
        let durable = match open(run, kind, transactions).await? {
            Opened::NothingNew => return Ok(()),
            Opened::Sealed(receipt) => Durable::Sealed(receipt),
            Opened::Transaction(address) => {
                make_durable(run, address, transactions, counts).await?
            }
        };
        let is_confirmed = match durable {
            Durable::Sealed(receipt) => commit(run, receipt, transactions).await?,
            // Created anew in the next round; what was recorded of it is not fetched again.
            Durable::Gone => false,
            Durable::NotToBeCommitted => return Ok(()),
        };
        rounds.ended(is_confirmed, counts.written())?;
    }
    Err(Failure::MoreWaits)
}

/// Fetches and records a transaction, batch by batch, so that memory stays bounded.
async fn make_durable(
    run: &Run<'_>,
    address: TransactionAddress,
    transactions: &mut Transactions,
    counts: &mut Counts,
) -> Result<Durable, Failure> {
    let Some(mut listed) = list(run, address, transactions).await? else {
        return Ok(Durable::Gone);
    };
    loop {
        let batch = fetch(run, &mut listed).await;
        if let Some(durable) = record(run, batch, &mut listed, transactions, counts).await? {
            return Ok(durable);
        }
    }
}
