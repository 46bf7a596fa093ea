//! The simulated world: people, their watches, and what Polar's servers keep of them.
//!
//! Owns all content and its life: what is recorded, when it is uploaded, in which transaction it is offered, when
//! it is deleted. Never knows HTTP, faults or tokens. Everything follows from the seed and from the instants that
//! callers pass in; nothing here reads a clock.
//!
//! To add a kind of data: a file with its content and bodies, a place in [`account::Account`], its uploads in
//! `uploads.rs`, what is told of it in `news.rs`, and its counts in the ledger.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "simulated measurements are far below the limits of the number types"
)]

pub(crate) mod account;
pub(crate) mod activity;
pub(crate) mod body;
pub(crate) mod exercise;
mod files;
pub(crate) mod item;
pub(crate) mod news;
pub(crate) mod night;
pub(crate) mod parts;
pub(crate) mod person;
mod plan;
mod recording;
mod rng;
pub(crate) mod session;
pub(crate) mod sport;
mod text;
pub(crate) mod transactions;
pub(crate) mod uploads;
mod watch;
pub(crate) mod zone;

pub(crate) use plan::Profile;
pub(crate) use rng::Rng;
pub(crate) use text::{instant_ms, instant_s};
