//! The first stage: opens a transaction, or finds out where an earlier one stands.

use super::{
    Failure, Run,
    decide::after_create,
    lifecycle::{Step, Transactions},
    record::Receipt,
};
use crate::{
    accesslink::{
        Call, Error, Operation, address,
        error::{Broken, Meaning},
        wire,
    },
    model::{TransactionAddress, TransactionalKind},
};

/// What there is to go on with.
pub(super) enum Opened {
    /// Polar has nothing new.
    NothingNew,
    /// An open transaction.
    Transaction(TransactionAddress),
    /// A transaction that is durable already, by an earlier run.
    Sealed(Receipt),
}

/// Opens a transaction, or goes on with an earlier one.
pub(super) async fn open(
    run: &Run<'_>,
    kind: TransactionalKind,
    transactions: &mut Transactions,
) -> Result<Opened, Failure> {
    let address = |transaction_id| TransactionAddress {
        polar_user_id: run.session.connection().polar_user_id,
        kind,
        transaction_id,
    };
    match transactions.step(run.rules(), run.clock.now()) {
        Step::Create => create(run, kind, transactions, address).await,
        Step::Fetch { transaction_id } => Ok(Opened::Transaction(address(transaction_id))),
        // The brake holds for what is sealed, too: Polar keeps it, and so do we.
        Step::Commit { .. } if !run.settings.brake.commits(kind) => Ok(Opened::NothingNew),
        Step::Commit { transaction_id } => {
            let sealed = transactions.current();
            let receipt = sealed.and_then(|row| Receipt::of_ledger(row, address(transaction_id)));
            Ok(receipt.map_or(Opened::NothingNew, Opened::Sealed))
        }
        Step::Wait { until } => Err(Failure::TooOld { until }),
    }
}

async fn create(
    run: &Run<'_>,
    kind: TransactionalKind,
    transactions: &mut Transactions,
    address: impl Fn(i64) -> TransactionAddress,
) -> Result<Opened, Failure> {
    let error = |meaning| Error {
        operation: Operation::CreateTransaction,
        meaning,
    };
    let client = run.session.client();
    client
        .room_for(run.settings.open_reserve, run.session.urgency())
        .await
        .map_err(|closed| error(Meaning::WindowClosed(closed)))?;
    // Written down before it is sent: should its answer be lost, the next one is doubted.
    transactions.create_sent(run.rules(), run.clock.now());
    run.save("open", kind, transactions).await?;
    let call = Call::create_transaction(run.session.connection().polar_user_id, kind)
        .sent_by(transactions.send_by(run.rules()));
    let answer = run.send(&call).await;
    let Some(body) = after_create(transactions, answer, run.clock.now())? else {
        return Ok(Opened::NothingNew);
    };
    let created: wire::CreatedTransaction =
        wire::decode(&body).map_err(|_| error(Meaning::Broken(Broken::Shape)))?;
    let address = address(created.transaction_id);
    address::check_transaction(&created.resource_uri, client.origin(), &address)
        .map_err(|refused| error(Meaning::Broken(Broken::Url(refused))))?;
    transactions.created(run.rules(), run.clock.now(), created.transaction_id);
    run.save("opened", kind, transactions).await?;
    Ok(Opened::Transaction(address))
}
