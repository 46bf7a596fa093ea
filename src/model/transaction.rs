//! The address of an AccessLink transaction: ids only.

use super::TransactionalKind;

/// Whose transaction it is, of which kind, and its id at Polar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionAddress {
    /// Whose data.
    pub polar_user_id: i64,
    /// Which kind.
    pub kind: TransactionalKind,
    /// Polar's id of the transaction.
    pub transaction_id: i64,
}
