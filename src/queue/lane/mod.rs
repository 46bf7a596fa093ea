//! A lane: one Redis stream, read by any number of processes, with at-least-once delivery.
//!
//! Knows no apalis and no job. An entry goes through these states:
//!
//! ```text
//! XADD ─► queued ─ read ─► held ─ Ack / Reject / Dead ─► gone (XACK, XDEL)
//!                           │ ▲
//!                    Wait ──┤ └─ parked (still ours, no slot)
//!                           ├─ HandBack, shutdown ─► returned ─ any rescue ─► held
//!                           └─ panic, time-out, dead process ─► idle ─ rescue ─► held, one delivery more
//! ```
//!
//! - Free slots are counted once, by a semaphore: what cannot start at once is not read.
//! - A held entry is kept alive by a heartbeat; one that nobody keeps alive is claimed by another.
//! - From [`ALONE_FROM`] deliveries an entry runs alone, because it may be what kills workers;
//!   after [`DELIVERIES_MAX`] it is offered as `exhausted` and the handler writes it off.
//!
//! Must never: drop an entry without a verdict, or read one while stopping.
//!
//! To add a verdict: a variant in `delivery`, its effect in `settle`, its word in the metrics.

mod claim;
mod delivery;
mod group;
mod heartbeat;
mod held;
mod parked;
mod reader;
mod rescue;
mod settle;
mod shared;
mod timing;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast, mpsc};

pub use delivery::{Delivery, Verdict};
pub use shared::Signal;
pub use timing::Timing;

pub(super) use claim::Claim;
pub(super) use delivery::id_ms;
pub(super) use wire::entries;

use super::client::Redis;
use super::guard;
use super::keys::{Keys, LaneName};
use shared::Shared;

/// From this delivery on an entry runs with no other such entry beside it in the process.
pub const ALONE_FROM: u32 = 3;
/// After so many deliveries an entry is not run again.
pub const DELIVERIES_MAX: u32 = 5;
/// Entries that may wait without a slot, a lane and process; more go back to the stream.
pub const PARKED_MAX: usize = 1024;
/// The longest `Verdict::Wait`; an earlier offer is harmless.
pub const WAIT_MAX: Duration = Duration::from_mins(5);

/// The shortest, so that a handler that cannot run anything does not spin.
pub const WAIT_MIN: Duration = Duration::from_millis(10);

/// Signals that an observer may lag behind before it loses some.
const SIGNALS_KEPT: usize = 1024;

/// This process among the consumers of all lanes.
#[derive(Clone, Debug)]
pub struct Process {
    /// Unique for every start: a name that is used again would inherit a dead process' entries.
    pub consumer: Arc<str>,
    /// Cadence of all lanes.
    pub timing: Timing,
    /// Entries kept in the streams of rejected and dead messages, about.
    pub capped_len: u32,
    alone: Arc<Semaphore>,
}

impl Process {
    /// `consumer` must be unique for every start of a process, for example host-pid-random.
    pub fn new(consumer: &str, timing: Timing, capped_len: u32) -> Self {
        Self {
            consumer: Arc::from(consumer),
            timing,
            capped_len,
            alone: Arc::new(Semaphore::new(1)),
        }
    }
}

/// One lane as this process serves it; clones are the same lane.
#[derive(Clone)]
pub struct Lane {
    shared: Arc<Shared>,
}

/// An entry on its way to the handler.
pub(super) struct Offer {
    /// What the handler sees.
    pub(super) delivery: Delivery,
    /// What settles it; taken by whoever waits for the handler.
    pub(super) claim: Option<Claim>,
}

impl Lane {
    /// Prepares a lane with `concurrency` slots; [`super::run_lanes`] starts it.
    pub fn new(
        redis: Redis,
        keys: &Keys,
        name: LaneName,
        concurrency: usize,
        process: &Process,
    ) -> Self {
        let concurrency = concurrency.max(1);
        let (offers, inbox) = mpsc::channel(concurrency);
        let shared = Shared {
            redis,
            name,
            stream: keys.lane(name),
            rejected: keys.rejected(),
            dead: keys.dead(),
            capped_len: process.capped_len,
            consumer: process.consumer.clone(),
            timing: process.timing.clone(),
            slots: Arc::new(Semaphore::new(concurrency)),
            alone: process.alone.clone(),
            held: held::Held::new(name),
            parked: parked::Parked::default(),
            pulse: tokio::sync::Mutex::new(()),
            wake: tokio::sync::Notify::new(),
            stop: tokio_util::sync::CancellationToken::new(),
            kill: tokio_util::sync::CancellationToken::new(),
            offers,
            inbox: std::sync::Mutex::new(inbox),
            signals: broadcast::channel(SIGNALS_KEPT).0,
            returned: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The lane's name.
    pub fn name(&self) -> LaneName {
        self.shared.name
    }

    /// What happens in this lane from now on. For tests and curious operators; nobody listening
    /// costs nothing.
    pub fn signals(&self) -> broadcast::Receiver<Signal> {
        self.shared.signals.subscribe()
    }

    /// Polls for the next offer; for the apalis backend.
    pub(super) fn poll_offer(&self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Offer> {
        match guard(&self.shared.inbox).poll_recv(cx) {
            std::task::Poll::Ready(Some(offer)) => std::task::Poll::Ready(offer),
            // The sender lives as long as the lane, so the channel is never closed.
            std::task::Poll::Ready(None) | std::task::Poll::Pending => std::task::Poll::Pending,
        }
    }

    /// Reads the stream until [`Self::stop`].
    pub(super) async fn read(self) {
        reader::run(self.shared).await;
    }

    /// Keeps held entries alive until dropped.
    pub(super) async fn beat(self) {
        heartbeat::run(&self.shared).await;
    }

    /// Reads no more; what is held goes on.
    pub(super) fn stop(&self) {
        self.shared.stop.cancel();
    }

    /// Ends running jobs where they stand; their entries go back to the stream.
    pub(super) fn kill(&self) {
        self.shared.stop.cancel();
        self.shared.kill.cancel();
    }

    /// Hands back everything that is still held and leaves the group. Returns how many entries
    /// went back since the stop; those that Redis does not take now are rescued after the idle
    /// limit.
    pub(super) async fn release(&self) -> usize {
        while let Ok(offer) = guard(&self.shared.inbox).try_recv() {
            drop(offer);
        }
        group::release(&self.shared).await;
        self.shared.returned.load(Ordering::SeqCst)
    }
}
