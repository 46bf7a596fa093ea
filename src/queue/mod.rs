//! Redis and apalis: the lanes that wake workers, the streams that tell others, and the quota that
//! all workers share.
//!
//! Owns every key under `redis.prefix` and every mention of the two crates. A lane entry is only a
//! wake-up: the truth is in Postgres, so `FLUSHALL` at any moment delays work and loses none.
//!
//! ```text
//! Enqueuer ──XADD──► stream of a lane ──► reader ──► Offer ──► apalis ──► Handler ──► Verdict
//!                          ▲                ▲ slots                                      │
//!                          │                └──── parked (Wait) ◄─────────────────────── ┤
//!                          └──── pending: heartbeat, rescue, hand-back ◄──────────────── settle
//! ```
//!
//! Must never: know what a job does, open Postgres, log a job's body, or acknowledge an entry whose
//! verdict is not `Ack`, `Reject` or `Dead`.
//!
//! To add a lane: a variant of [`keys::LaneName`]. To add a field of the job message:
//! `message::parse`, its snapshot, and the public contract in the README.

mod backend;
pub mod client;
pub mod enqueue;
pub mod erase;
pub mod keys;
pub mod lane;
mod layer;
pub mod message;
pub mod metrics;
pub mod permits;
pub mod publish;
pub mod shell;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use client::{ClientLimits, Redis, RedisFacts, RedisFault};
pub use enqueue::{Depth, Enqueuer};
pub use keys::{Keys, LaneName};
pub use lane::{Delivery, Lane, Process, Signal, Timing, Verdict};
pub use message::{Message, Rejection};
pub use permits::{Closed, Permit, Permits, RateLimit, Snapshot, Urgency};
pub use publish::Publisher;
pub use shell::{DrainReport, Handler, RunLimits, run_lanes};

/// Locks for a few instructions; the data behind these locks is whole after every statement, so a
/// panic of another holder is no reason to stop.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
