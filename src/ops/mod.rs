//! Operator commands, a file each.
//!
//! Owns what a command prints and how it asks. Data goes to standard output, as text for people or as
//! JSON with `--json`; everything else is an error with its exit code. Must never sync inline: a
//! command that wants a sync enqueues one.
//!
//! To add a command: its arguments in `cli/mod.rs`, a file here with one function that takes them, an arm in
//! `main.rs`.

pub mod api_keys;
pub mod audit;
pub mod config;
mod consent;
pub mod dead;
pub mod demo;
pub mod doctor;
pub mod enqueue;
pub mod explain;
pub mod keys;
pub mod migrate;
mod output;
mod progress;
mod reach;
pub mod servers;
pub mod status;
mod table;
pub mod transactions;
pub mod users;
pub mod webhook;
mod when;
mod words;

pub use output::Output;
