//! The name of every Redis key, derived from one prefix; nothing else spells a key.
//!
//! To add a key: a method here, its name in the test below, and in the README if outsiders may use it.
//!
//! With the prefix `{polar-sync}` all keys fall into one slot of a Redis Cluster, which the
//! transactions over two keys (acknowledge and reject) need there.

use std::sync::Arc;

/// The consumer group of every lane.
pub const GROUP: &str = "workers";

/// The field of a lane entry that holds the job's JSON.
pub const JOB_FIELD: &str = "job";

/// The name of a lane; the lane itself is [`super::Lane`].
pub use crate::model::Lane as LaneName;

/// Makes key names from the configured prefix.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: Arc<str>,
}

impl Keys {
    /// Keys under `prefix` (`redis.prefix`).
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: Arc::from(prefix),
        }
    }

    /// The stream of a lane.
    pub fn lane(&self, lane: LaneName) -> String {
        format!("{}:jobs:{lane}", self.prefix)
    }

    /// The stream of outcomes and state changes.
    pub fn events(&self) -> String {
        format!("{}:events", self.prefix)
    }

    /// The stream of messages that were not understood or not allowed.
    pub fn rejected(&self) -> String {
        format!("{}:rejected", self.prefix)
    }

    /// The stream of jobs that were given up.
    pub fn dead(&self) -> String {
        format!("{}:dead", self.prefix)
    }

    /// Exists as long as Redis was not flushed.
    pub fn epoch(&self) -> String {
        format!("{}:epoch", self.prefix)
    }

    /// The hash of both AccessLink windows.
    pub fn quota(&self) -> String {
        format!("{}:quota", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_public_ones() {
        let keys = Keys::new("polar-sync");
        let lanes: Vec<_> = LaneName::ALL.iter().map(|lane| keys.lane(*lane)).collect();
        assert_eq!(
            lanes,
            [
                "polar-sync:jobs:interactive",
                "polar-sync:jobs:event",
                "polar-sync:jobs:periodic"
            ]
        );
        assert_eq!(keys.events(), "polar-sync:events");
        assert_eq!(keys.rejected(), "polar-sync:rejected");
        assert_eq!(keys.dead(), "polar-sync:dead");
        assert_eq!(keys.epoch(), "polar-sync:epoch");
        assert_eq!(Keys::new("{p}").quota(), "{p}:quota");
    }
}
