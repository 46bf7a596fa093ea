//! What no honest client does, counted by name with a few examples.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::lock::lock;

/// Examples kept of each violation.
const EXAMPLES_MAX: usize = 5;

/// Everything that a client did and should not have done.
#[derive(Debug, Default)]
pub(crate) struct Violations(Mutex<BTreeMap<&'static str, Violation>>);

#[derive(Debug, Default)]
struct Violation {
    count: u64,
    examples: Vec<String>,
}

/// A transaction was committed although a part of it had never been served.
pub(crate) const COMMITTED_UNSERVED: &str = "committed_unserved";
/// Calls went on after the user had revoked the client.
pub(crate) const CALLED_AFTER_REVOCATION: &str = "called_after_revocation";
/// Calls went on while a window was closed.
pub(crate) const CALLED_WHILE_CLOSED: &str = "called_while_closed";
/// A path that does not exist was asked for, for example one that a redirect or a foreign URL pointed to.
pub(crate) const UNKNOWN_PATH: &str = "unknown_path";
/// A token was used on the path of another user.
pub(crate) const FOREIGN_USER: &str = "foreign_user";
/// An authorization code was presented a second time.
pub(crate) const CODE_REUSED: &str = "code_reused";

impl Violations {
    /// Counts one; the example holds ids and paths only, never a token.
    pub(crate) fn add(&self, name: &'static str, example: String) {
        tracing::warn!(violation = name, %example, "a client did what it must not do");
        let mut violations = lock(&self.0);
        let violation = violations.entry(name).or_default();
        violation.count += 1;
        if violation.examples.len() < EXAMPLES_MAX {
            violation.examples.push(example);
        }
    }

    /// All of them, for the ledger.
    pub(crate) fn to_json(&self) -> Value {
        let violations = lock(&self.0);
        let one = |(name, violation): (&&str, &Violation)| json!({"name": name, "count": violation.count, "examples": violation.examples});
        violations.iter().map(one).collect()
    }
}
