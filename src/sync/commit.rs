//! The last stage: tells Polar to delete what is durable here.

use super::{Failure, Run, lifecycle::Transactions, record::Receipt};
use crate::{
    accesslink::{Answer, Call, error::Meaning},
    telemetry::metrics::TRANSACTIONS,
};

/// Commits a transaction. The receipt says that everything in it is durable, and that the ledger row
/// is `committing`, so whatever comes of the call loses nothing.
pub(super) async fn commit(
    run: &Run<'_>,
    receipt: Receipt,
    transactions: &mut Transactions,
) -> Result<(), Failure> {
    let address = receipt.redeem();
    let outcome = match run.send(&Call::commit_transaction(&address)).await {
        Ok(Answer::Done) => {
            transactions.committed();
            "committed"
        }
        Ok(Answer::Empty | Answer::Body(_)) => {
            transactions.unconfirmed(run.rules());
            "unconfirmed"
        }
        Err(Failure::Call(error)) if error.meaning == Meaning::NotFound => {
            transactions.unconfirmed(run.rules());
            "unconfirmed"
        }
        // It stays `committing`: anybody may send the commit again.
        Err(failure) => return Err(failure),
    };
    metrics::counter!(TRANSACTIONS, "kind" => address.kind.as_str(), "outcome" => outcome)
        .increment(1);
    Ok(())
}
