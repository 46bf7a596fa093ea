//! The entries that this process answers for: what the heartbeat touches, what a shutdown returns.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::queue::keys::LaneName;
use crate::queue::{guard, metrics};

/// Entry id to the delivery count to give it when it goes back.
pub(super) struct Held {
    lane: LaneName,
    entries: Mutex<HashMap<String, u32>>,
}

impl Held {
    pub(super) fn new(lane: LaneName) -> Self {
        Self {
            lane,
            entries: Mutex::default(),
        }
    }

    pub(super) fn add(&self, entry_id: &str, count_before: u32) {
        let mut entries = guard(&self.entries);
        entries.insert(entry_id.to_owned(), count_before);
        metrics::held(self.lane, entries.len());
    }

    pub(super) fn remove(&self, entry_id: &str) {
        let mut entries = guard(&self.entries);
        entries.remove(entry_id);
        metrics::held(self.lane, entries.len());
    }

    pub(super) fn contains(&self, entry_id: &str) -> bool {
        guard(&self.entries).contains_key(entry_id)
    }

    pub(super) fn ids(&self) -> Vec<String> {
        guard(&self.entries).keys().cloned().collect()
    }

    /// Empties the set.
    pub(super) fn take_all(&self) -> Vec<(String, u32)> {
        let entries = std::mem::take(&mut *guard(&self.entries));
        metrics::held(self.lane, 0);
        entries.into_iter().collect()
    }
}
