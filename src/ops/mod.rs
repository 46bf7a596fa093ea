//! Operator commands, a file each.
//!
//! Owns what a command prints and how it asks. Data goes to standard output, as text for people or as
//! JSON with `--json`; everything else is an error with its exit code. Must never sync inline: a
//! command that wants a sync enqueues one.
//!
//! To add a command: its arguments in `cli.rs`, a file here with one function that takes them, an arm in
//! `main.rs`.

pub mod config;
pub mod demo;
pub mod migrate;
mod output;
pub mod servers;

pub use output::Output;
