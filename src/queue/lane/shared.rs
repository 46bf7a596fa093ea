//! What the tasks of one lane share.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use redis::aio::ConnectionManager;
use tokio::sync::{Notify, Semaphore, broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::held::Held;
use super::parked::Parked;
use super::{Offer, Timing};
use crate::queue::client::Redis;
use crate::queue::keys::LaneName;

/// Something that happened in a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// An entry was taken and goes to the handler.
    Fetched {
        /// Its id.
        entry_id: String,
        /// How often, this time included.
        deliveries: u32,
    },
    /// A delivery ended: a verdict took effect, or `abandoned` for a panic or time-out.
    Settled {
        /// Its id.
        entry_id: String,
        /// `ack`, `reject`, `dead`, `wait`, `hand_back`, `abandoned`, or `unsettled` when the
        /// process had to end before Redis answered.
        verdict: &'static str,
    },
    /// The stream is being read (again).
    Connected,
}

pub(super) struct Shared {
    pub(super) redis: Redis,
    pub(super) name: LaneName,
    pub(super) stream: String,
    pub(super) rejected: String,
    pub(super) dead: String,
    pub(super) capped_len: u32,
    pub(super) consumer: Arc<str>,
    pub(super) timing: Timing,
    /// The only count of free slots.
    pub(super) slots: Arc<Semaphore>,
    /// One permit for the whole process.
    pub(super) alone: Arc<Semaphore>,
    pub(super) held: Held,
    pub(super) parked: Parked,
    /// Held while a heartbeat is under way: an entry that goes back meanwhile would be claimed
    /// again by the late command.
    pub(super) pulse: tokio::sync::Mutex<()>,
    /// Interrupts a blocked read: something is to be done before it would return.
    pub(super) wake: Notify,
    /// No more reading.
    pub(super) stop: CancellationToken,
    /// No more running.
    pub(super) kill: CancellationToken,
    /// As long as the slots: a send never waits.
    pub(super) offers: mpsc::Sender<Offer>,
    pub(super) inbox: Mutex<mpsc::Receiver<Offer>>,
    pub(super) signals: broadcast::Sender<Signal>,
    /// Entries handed back since the stop.
    pub(super) returned: AtomicUsize,
}

impl Shared {
    pub(super) fn connection(&self) -> ConnectionManager {
        self.redis.connection()
    }

    /// Tells whoever listens. Usually nobody does: then the signal is not even made.
    pub(super) fn signal(&self, signal: impl FnOnce() -> Signal) {
        if self.signals.receiver_count() > 0 {
            // The last listener may have left since.
            let _ = self.signals.send(signal());
        }
    }
}
