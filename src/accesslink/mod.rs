//! Polar's HTTP API, and nothing of ours.
//!
//! Owns the one place that sends a request ([`Client::send`]), the one place where a status gets its
//! meaning ([`error`]), the addresses ([`call`], [`address`]) and the bodies ([`wire`]). Must never
//! follow a redirect, fetch a URL as the server gave it, or put a token or a body into an error.
//!
//! To add an endpoint: add its [`Operation`], a constructor of [`Call`] with typed ids, and the type
//! of its body in [`wire`].

pub mod address;
pub mod call;
mod circuit;
mod client;
pub mod error;
pub mod meter;
pub mod oauth;
pub mod wire;

pub use call::{Accept, Call, Operation};
pub use client::{Answer, Client, ClientSettings, Credential};
pub use error::Error;
pub use meter::{Closed, ClosedBy, Meter, Permit, RateLimit, Urgency};
