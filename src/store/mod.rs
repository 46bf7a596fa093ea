//! Every SQL statement, and the only way to a Postgres transaction.
//!
//! Owns the pool, migrations, and one file of functions for each noun of the ledger. Functions that
//! write take a [`Tx`], so a write outside a transaction does not compile. Must never import
//! `accesslink`, and must never wait for anything but Postgres while a [`Tx`] is open.
//!
//! To add a statement: put it into the file of its noun, checked with `sqlx::query!`, and run
//! `make sqlx` to refresh the offline data.

pub mod api_key;
pub mod changes;
pub mod connection;
pub mod dead;
pub mod erasure;
mod error;
pub mod event;
pub mod export;
pub mod keys;
pub mod lacking;
pub mod leader;
pub mod lease;
mod migrate;
pub mod oauth_state;
pub mod operator;
pub mod overview;
pub mod plan;
mod pool;
pub mod raw;
pub mod raw_latest;
pub mod read;
pub mod records;
pub mod remote;
pub mod request;
pub mod restore;
pub mod run;
pub mod server;
pub mod token;
pub mod totals;
mod tx;
pub mod user;
pub mod webhook;

pub use error::StoreError;
pub use migrate::SchemaError;
pub use pool::{ConnectError, Store};
pub use tx::Tx;
