//! The third stage: makes what was fetched durable, and gives the receipt for it.

use super::{
    Failure, Run,
    decide::{Next, Sealed, after_batch, seal},
    fetch::{Batch, Listed},
    item::FetchedItem,
    lifecycle::Transactions,
    rows::{Origins, Record, Rows, bodies, rows},
};
use crate::{
    model::{Kind, TransactionAddress},
    store::{
        Tx,
        event::Counts,
        raw::{self, RawPart},
        records::{Change, upsert_daily_activity, upsert_physical_information, upsert_workout},
        remote::{Phase, Remote},
    },
    telemetry::metrics::{ITEMS, TRANSACTIONS},
};

/// The receipt for a transaction of which everything is durable, and whose ledger row is
/// `committing`. Nothing but this module makes one, and a commit takes one.
#[derive(Debug)]
pub(super) struct Receipt {
    address: TransactionAddress,
}

impl Receipt {
    /// The receipt that a ledger row stands for; `None` unless it is `committing`.
    pub(super) fn of_ledger(remote: &Remote, address: TransactionAddress) -> Option<Self> {
        let is_sealed = remote.phase == Phase::Committing
            && remote.transaction_id == Some(address.transaction_id);
        is_sealed.then_some(Self { address })
    }

    /// Uses the receipt up.
    pub(super) fn redeem(self) -> TransactionAddress {
        self.address
    }
}

/// How a transaction ended that was fetched.
#[derive(Debug)]
pub(super) enum Durable {
    /// Everything is durable: it may be committed.
    Sealed(Receipt),
    /// Everything is durable, and `sync.commit` keeps it from being committed.
    NotToBeCommitted,
    /// Polar no longer knows it.
    Gone,
}

/// Makes a batch durable. `None`: there is more to fetch.
pub(super) async fn record(
    run: &Run<'_>,
    batch: Batch,
    listed: &mut Listed,
    transactions: &mut Transactions,
    counts: &mut Counts,
) -> Result<Option<Durable>, Failure> {
    let kind = listed.address.kind;
    let rows = to_rows(run, &batch.items, listed)?;
    let cut_off = to_bodies(run, &batch.cut_off, listed)?;
    let mut tx = run.begin("record").await?;
    let stored = store_rows(&mut tx, run, kind.into(), &rows, listed).await?;
    raw::put(&mut tx, run.lease.connection_id, kind.into(), &cut_off).await?;
    for item in &batch.items {
        listed.checklist.note(item);
    }
    // Changed in a copy: only what is committed may be believed.
    let mut after = transactions.clone();
    let next = match after_batch(
        &mut after,
        run.rules(),
        &listed.checklist,
        batch.trouble,
        batch.is_last,
    ) {
        Ok(Next::Fetch) => Ok(None),
        Ok(Next::Gone) => Ok(Some(Durable::Gone)),
        Ok(Next::Seal) => seal_transaction(run, &mut tx, listed, &mut after)
            .await?
            .map(Some),
        Err(failure) => Err(failure),
    };
    if matches!(next, Err(Failure::Blocked { .. })) {
        metrics::counter!(TRANSACTIONS, "kind" => kind.as_str(), "outcome" => "blocked")
            .increment(1);
    }
    tx.save_transactions(&run.lease, kind, after.changes())
        .await?;
    tx.commit().await?;
    after.saved();
    *transactions = after;
    *counts += stored;
    next
}

fn origins(run: &Run<'_>, listed: &Listed) -> Origins {
    Origins {
        connection: run.lease.connection_id,
        kind: listed.address.kind,
        fetched_at: run.clock.now(),
    }
}

fn to_bodies(
    run: &Run<'_>,
    items: &[FetchedItem],
    listed: &Listed,
) -> Result<Vec<RawPart>, Failure> {
    let origins = origins(run, listed);
    let mut all = Vec::new();
    for item in items {
        all.extend(bodies(origins, item)?);
    }
    Ok(all)
}

fn to_rows(run: &Run<'_>, items: &[FetchedItem], listed: &Listed) -> Result<Vec<Rows>, Failure> {
    let origins = origins(run, listed);
    let rows = items.iter().map(|item| rows(origins, item, run.wanted()));
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes the rows of a batch: raw bodies first, then what they mean.
async fn store_rows(
    tx: &mut Tx,
    run: &Run<'_>,
    kind: Kind,
    rows: &[Rows],
    listed: &Listed,
) -> Result<Counts, Failure> {
    let connection = run.lease.connection_id;
    let parts: Vec<_> = rows
        .iter()
        .flat_map(|rows| rows.raw.iter().cloned())
        .collect();
    raw::put(tx, connection, kind, &parts).await?;
    let mut counts = Counts::default();
    for row in rows {
        if let Some(record) = &row.record {
            count(kind, store_record(tx, run, record).await?, &mut counts);
        }
        for body in &row.quarantine {
            raw::quarantine_put(tx, body).await?;
        }
        // Only what was here before can have been in quarantine.
        for part in row.raw.iter().filter(|part| listed.was_stored(part)) {
            let key = part.key();
            if row.quarantine.iter().all(|body| body.key != key) {
                raw::quarantine_resolve(tx, connection, kind, &key).await?;
            }
        }
    }
    Ok(counts)
}

/// Stores one record.
pub(super) async fn store_record(
    tx: &mut Tx,
    run: &Run<'_>,
    record: &Record,
) -> Result<Change, Failure> {
    let (connection, user) = (run.lease.connection_id, run.user_id());
    let upserted = match record {
        Record::Workout(workout) => upsert_workout(tx, connection, user, workout).await?,
        Record::Activity(activity) => upsert_daily_activity(tx, connection, user, activity).await?,
        Record::PhysicalInformation(information) => {
            upsert_physical_information(tx, connection, user, information).await?
        }
    };
    Ok(upserted.change)
}

/// Counts what an upsert did.
pub(super) fn count(kind: Kind, change: Change, counts: &mut Counts) {
    let change = match change {
        Change::New => {
            counts.new += 1;
            "new"
        }
        Change::Changed => {
            counts.changed += 1;
            "changed"
        }
        Change::Same | Change::Stale => {
            counts.same += 1;
            "same"
        }
    };
    metrics::counter!(ITEMS, "kind" => kind.as_str(), "change" => change).increment(1);
}

/// Seals a transaction of which everything is durable, unless something keeps it from that.
async fn seal_transaction(
    run: &Run<'_>,
    tx: &mut Tx,
    listed: &Listed,
    transactions: &mut Transactions,
) -> Result<Result<Durable, Failure>, Failure> {
    // Read in the very transaction that sets `committing`: what somebody wants to see stored must not
    // be deleted at Polar.
    let asked = tx.details_of_open_requests(run.lease.connection_id).await?;
    let sealed = seal(
        transactions,
        run.rules(),
        run.clock.now(),
        &listed.checklist,
        listed.read_at,
        run.wanted().covers(asked),
        run.settings.brake.commits(listed.address.kind),
    );
    Ok(sealed.map(|sealed| match sealed {
        Sealed::Committing => Durable::Sealed(Receipt {
            address: listed.address,
        }),
        Sealed::NotToBeCommitted => Durable::NotToBeCommitted,
    }))
}
