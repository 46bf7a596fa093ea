//! Transactions: what a create answers, and what a transaction holds.

use serde::Deserialize;

use super::{
    LIST_LIMIT, Unreadable,
    decode::{decode_value, object},
};
use crate::model::TransactionalKind;

/// The answer to a create.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CreatedTransaction {
    /// The transaction's id.
    pub transaction_id: i64,
    /// Its address, as the server wrote it: to be checked and rebuilt before use.
    pub resource_uri: String,
}

/// The addresses that a transaction lists, as the server wrote them.
///
/// A list that is missing or `null` is an error and never an empty transaction: a commit is built on
/// this list, and a commit deletes.
pub fn transaction_items(kind: TransactionalKind, body: &[u8]) -> Result<Vec<String>, Unreadable> {
    let field = match kind {
        TransactionalKind::Exercise => "exercises",
        TransactionalKind::Activity => "activity_log",
        TransactionalKind::PhysicalInformation => "physical_informations",
    };
    match object(body)?.shift_remove(field) {
        Some(serde_json::Value::Array(items)) if items.len() <= LIST_LIMIT => {
            decode_value(items.into()).map_err(|error| error.in_field(field))
        }
        _ => Err(Unreadable::new(
            field,
            format!("a list of at most {LIST_LIMIT} addresses"),
        )),
    }
}
