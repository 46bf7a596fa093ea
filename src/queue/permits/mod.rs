//! The quota core: both AccessLink windows (15 minutes and 24 hours), shared by all processes.
//!
//! A request needs a [`Permit`]. A process takes permits in blocks, so that most requests cost no
//! round trip; what is used in a window is always the server's own count plus every permit that is
//! held anywhere, so that no crash, race or lost reply makes a request uncounted.
//!
//! ```text
//! acquire ─► pool ─ empty? ─► exchange.lua ─► block of permits, or Closed
//!    │                            ▲
//!    ▼                            │ at most every `flush`: counts, the server's headers
//! Permit ── answered / unspent / dropped ──► local
//!        └─ refused (429) ──────────────────► refuse.lua: the fleet stops
//! ```
//!
//! The server's headers win over our counting. Times in Redis are Redis' own clock; workers' clocks
//! never meet. Without Redis nothing is permitted. Redis may lose its memory at any moment, or come back
//! as it was some time ago: whoever meets that tells it what [`Memory`] and the process itself remember.
//! Then nothing is granted until those who hold permits have told of them again, and at first a single
//! one, since what is remembered may be seconds old: its answer tells how the windows stand.
//!
//! Must never: let a request go uncounted, or know what requests are for.

mod config;
mod local;
mod permit;
mod quota;
mod script;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use config::QuotaConfig;
pub use permit::Permit;
pub use quota::Permits;

/// A refusal is asked about again after so long at the latest: others may have given permits back.
const REFUSAL_KEPT: Duration = Duration::from_secs(1);

/// Who waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A person: may use the reserve.
    Interactive,
    /// Everything else.
    Normal,
}

impl Urgency {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Normal => "normal",
        }
    }
}

/// The rate-limit headers of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests used in the 15-minute window.
    pub usage_short: u32,
    /// Requests used in the 24-hour window.
    pub usage_long: u32,
    /// Limit of the 15-minute window.
    pub limit_short: u32,
    /// Limit of the 24-hour window.
    pub limit_long: u32,
    /// Seconds until the 15-minute window ends.
    pub reset_short_s: u32,
    /// Seconds until the 24-hour window ends.
    pub reset_long_s: u32,
}

/// No request now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no request to Polar for {} s: {why}", retry_after.as_secs())]
pub struct Closed {
    /// Ask again after this time.
    pub retry_after: Duration,
    /// Why.
    pub why: ClosedBy,
}

/// Why no request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// A window is spent for this urgency, or Polar answered 429.
    Quota,
    /// Redis does not answer, and no request goes uncounted.
    Redis,
    /// Redis lost its memory, and what was used before is not known yet.
    Memory,
}

impl fmt::Display for ClosedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quota => "the quota is spent",
            Self::Redis => "Redis, which counts the requests, does not answer",
            Self::Memory => {
                "Redis lost its count of the requests, and what was used before is not known yet"
            }
        })
    }
}

/// One window, as seen at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowState {
    /// Requests allowed.
    pub limit: u32,
    /// Requests used, permits that are held included.
    pub used: u32,
    /// When it ends, by Redis' clock; 0 before it began.
    pub reset_at_ms: u64,
}

/// Both windows: for `status`, metrics, and the checkpoint in Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The 15-minute window.
    pub short: WindowState,
    /// The 24-hour window.
    pub long: WindowState,
    /// After a 429: nobody asks before. In the past, or 0, otherwise.
    pub closed_until_ms: u64,
    /// When this was so, by Redis' clock.
    pub taken_at_ms: u64,
    /// Which memory of Redis this is from, by its beginning.
    #[serde(default)]
    pub born: u64,
    /// Grows with every change of that memory.
    #[serde(default)]
    pub seq: u64,
}

/// What is remembered of the quota where a wipe of Redis does not reach.
pub trait Memory: Send + Sync {
    /// The last [`Snapshot`] that was kept; `None` if there is none, or none that this version can read.
    fn recall(&self) -> BoxFuture<'_, Result<Option<Snapshot>, Box<dyn Error + Send + Sync>>>;
}
