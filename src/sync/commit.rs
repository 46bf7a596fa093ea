//! The last stage: tells Polar to delete what is durable here.

use super::{
    Failure, Run,
    lifecycle::{Step, Transactions},
    record::Receipt,
};
use crate::{
    accesslink::{Answer, Call, error::Meaning},
    telemetry::metrics::TRANSACTIONS,
};

/// Commits a transaction; tells whether Polar confirmed it. The receipt says that everything in it
/// is durable, and that the ledger row is `committing`, so whatever comes of the call loses nothing.
/// It is not sent late in the transaction's life, however long the worker stood still before.
pub(super) async fn commit(
    run: &Run<'_>,
    receipt: Receipt,
    transactions: &mut Transactions,
) -> Result<bool, Failure> {
    let address = receipt.redeem();
    let now = run.clock.now();
    match transactions.step(run.rules(), now) {
        Step::Commit { .. } => {}
        Step::Wait { until } => return Err(Failure::TooOld { until }),
        Step::Create | Step::Fetch { .. } => return Err(Failure::TooOld { until: now }),
    }
    let is_confirmed = match run.send(&Call::commit_transaction(&address)).await {
        Ok(Answer::Done) => true,
        Ok(Answer::Empty | Answer::Body(_)) => false,
        Err(Failure::Call(error)) if error.meaning == Meaning::NotFound => false,
        // It stays `committing`: anybody may send the commit again.
        Err(failure) => return Err(failure),
    };
    let outcome = if is_confirmed {
        transactions.committed();
        "committed"
    } else {
        transactions.unconfirmed(run.rules());
        "unconfirmed"
    };
    metrics::counter!(TRANSACTIONS, "kind" => address.kind.as_str(), "outcome" => outcome)
        .increment(1);
    Ok(is_confirmed)
}
