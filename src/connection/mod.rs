//! A connection's life: how it begins, how its tokens are kept and refreshed, and how a refusal by
//! Polar is judged.
//!
//! Owns every decision about a connection's state. Must never enqueue, and never judge by one answer
//! what would stop a user's sync for good.
//!
//! To add a state: its variant in `model`, its place in [`standing`], and a row in the README.

mod authorize;
mod connect;
mod disconnect;
mod erase;
mod guard;
mod refresh;
mod refuse;
mod seal;
mod session;
mod standing;

pub use authorize::{AuthorizeError, Authorized, Grant, Registration, authorize};
pub use connect::{ConnectError, Connected, NewTokens, Replace, connect};
pub use disconnect::{Disconnected, disconnect};
pub use erase::{Begun, begin_erasure, deregister_erased};
pub use guard::{Evidence, HoldRules, Verdict, judge};
pub use refresh::RefreshError;
pub use refuse::refuse_open;
pub use seal::{check_opens, reseal};
pub use session::{Access, Session, SessionError};
pub use standing::{Standing, ask, ask_witness, register};
