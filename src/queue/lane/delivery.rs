//! What a handler gets and what it answers.

use std::time::Duration;

use bytes::Bytes;

use crate::queue::keys::LaneName;

/// One entry, offered to a handler.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The entry's id in its stream.
    pub entry_id: String,
    /// Where it was.
    pub lane: LaneName,
    /// The bytes of the field `job`; `None` when the entry has no such field.
    pub job: Option<Bytes>,
    /// How often it was delivered, this time included.
    pub deliveries: u32,
    /// When it was enqueued, by Redis' clock.
    pub enqueued_at_ms: u64,
    /// It was delivered as often as allowed: write it off, do not run it.
    pub exhausted: bool,
}

impl Delivery {
    /// The count that makes the next delivery have this one's number again.
    pub(super) fn count_before(&self) -> u32 {
        if self.exhausted {
            self.deliveries
        } else {
            self.deliveries.saturating_sub(1)
        }
    }
}

/// What becomes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done, or nothing to do: it leaves the stream.
    Ack,
    /// Not understood or not allowed: it leaves the stream, this JSON goes to the rejected ones.
    Reject(String),
    /// Given up: it leaves the stream, this JSON goes to the dead ones. The caller has written its
    /// row before.
    Dead(String),
    /// Not now: it stays ours without a slot and is offered again after so long, as the same
    /// delivery.
    Wait(Duration),
    /// The process is stopping: any process may take it at once, as the same delivery.
    HandBack,
}

impl Verdict {
    /// For labels.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Reject(_) => "reject",
            Self::Dead(_) => "dead",
            Self::Wait(_) => "wait",
            Self::HandBack => "hand_back",
        }
    }
}

/// The time in a stream id `MILLISECONDS-SEQUENCE`; 0 for what is none.
pub(in crate::queue) fn id_ms(entry_id: &str) -> u64 {
    entry_id
        .split('-')
        .next()
        .and_then(|ms| ms.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_holds_the_time() {
        assert_eq!(id_ms("1700000000123-4"), 1_700_000_000_123);
        assert_eq!(id_ms("x"), 0);
    }
}
