//! The last stage: tells Polar to delete what is durable here.

use super::{
    Failure, Run,
    decide::{after_commit, may_commit},
    lifecycle::Transactions,
    record::Receipt,
};
use crate::{accesslink::Call, telemetry::metrics::TRANSACTIONS};

/// Commits a transaction; tells whether Polar confirmed it. The receipt says that everything in it
/// is durable, and that the ledger row is `committing`, so whatever comes of the call loses nothing.
/// It is not sent late in the transaction's life, however long the worker stood still before.
pub(super) async fn commit(
    run: &Run<'_>,
    receipt: Receipt,
    transactions: &mut Transactions,
) -> Result<bool, Failure> {
    let address = receipt.redeem();
    may_commit(transactions, run.rules(), run.clock.now())?;
    let call = Call::commit_transaction(&address).sent_by(transactions.send_by(run.rules()));
    let answer = run.send(&call).await;
    let is_confirmed = after_commit(transactions, run.rules(), answer)?;
    let outcome = if is_confirmed {
        "committed"
    } else {
        "unconfirmed"
    };
    metrics::counter!(TRANSACTIONS, "kind" => address.kind.as_str(), "outcome" => outcome)
        .increment(1);
    Ok(is_confirmed)
}
