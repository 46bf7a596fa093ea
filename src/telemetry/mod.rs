//! What an operator sees: log lines, metrics, health.
//!
//! Owns the one list of metrics, the form of log lines, the text of an error with its causes, and the
//! small server of `/livez`, `/readyz` and `/metrics`. Must never carry a token, a health value or the
//! id of a person: log lines and labels name connections, runs and kinds.
//!
//! To add a metric: a constant and a row in [`metrics`]; `tests/contracts.rs` finds names that are used
//! without one.

mod chain;
pub mod health;
mod logs;
pub mod metrics;

pub use chain::chain;
pub use logs::{InitError, init};
