//! What operators look at: statements that only read, for `status`, `explain` and the lists.

mod connection;
mod dead;
mod fleet;
mod request;
mod transaction;
mod work;

pub use connection::{ConnectionSummary, KindSummary};
pub use dead::DeadSummary;
pub use fleet::{LeaderSummary, Needs, RunRate};
pub use request::{Followed, OpenRequest, RequestState, Served, Task};
pub use transaction::TransactionSummary;
pub use work::{RunSummary, SyncSummary};

/// An instant that may be missing, as Postgres gives it.
pub(super) fn instant(at: Option<jiff_sqlx::Timestamp>) -> Option<jiff::Timestamp> {
    at.map(jiff_sqlx::Timestamp::to_jiff)
}
