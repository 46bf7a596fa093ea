//! The name of every Redis key, derived from one prefix; nothing else spells a key.
//!
//! To add a key: a method here, its name in the test below, and in the README if outsiders may use it.
//!
//! With the prefix `{polar-sync}` all keys fall into one slot of a Redis Cluster, which the
//! transactions over two keys (acknowledge and reject) need there.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The consumer group of every lane.
pub const GROUP: &str = "workers";

/// The field of a lane entry that holds the job's JSON.
pub const JOB_FIELD: &str = "job";

/// A queue of one urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LaneName {
    /// A person waits.
    Interactive,
    /// Polar said that there is data.
    Event,
    /// Safety polls, retries, backfill.
    Periodic,
}

impl LaneName {
    /// All lanes, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Event, Self::Periodic];

    /// The name as in keys, labels and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Event => "event",
            Self::Periodic => "periodic",
        }
    }
}

impl Serialize for LaneName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for LaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no lane.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no lane: use interactive, event or periodic")]
pub struct UnknownLane(String);

impl FromStr for LaneName {
    type Err = UnknownLane;

    fn from_str(text: &str) -> Result<Self, UnknownLane> {
        Self::ALL
            .into_iter()
            .find(|lane| lane.as_str() == text)
            .ok_or_else(|| UnknownLane(text.to_owned()))
    }
}

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
        let lanes = LaneName::ALL.map(|lane| keys.lane(lane));
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

    #[test]
    fn lane_names_parse_back() {
        for lane in LaneName::ALL {
            assert_eq!(lane.as_str().parse(), Ok(lane));
        }
        assert!("urgent".parse::<LaneName>().is_err());
    }
}
