//! How the quota is shared.

use std::time::Duration;

use super::REFUSAL_KEPT;

/// How the quota is shared.
#[derive(Clone, Debug)]
pub struct QuotaConfig {
    /// The part of each window that only interactive work may use, 0 to 1.
    pub interactive_reserve: f64,
    /// Limits before any answer was seen: what Polar gives a client with one user.
    pub assumed_short: u32,
    /// See `assumed_short`.
    pub assumed_long: u32,
    /// Permits in a block, at most.
    pub block_max: u32,
    /// Permits of a block that are not used within this time go back. It bounds how late a process
    /// learns that another was refused.
    pub block_life: Duration,
    /// Counts and headers go to Redis this often, at most.
    pub flush: Duration,
    /// Permits of a process that was not heard of for so long count as spent. Longer than any
    /// request takes.
    pub lease: Duration,
    /// What one answer of Redis, or of what remembers the quota without it, may take.
    pub answer_wait: Duration,
    /// How long a 429 without any header closes the window; it doubles up to `closed_max`.
    pub closed_min: Duration,
    /// See `closed_min`.
    pub closed_max: Duration,
}

impl QuotaConfig {
    /// After Redis lost its memory nothing is granted for so long: whoever holds permits has told of them again, even
    /// if an exchange was under way and failed.
    pub(super) fn settle(&self) -> Duration {
        self.answer_wait * 2 + REFUSAL_KEPT
    }
}

impl Default for QuotaConfig {
    fn default() -> Self {
        Self {
            interactive_reserve: 0.1,
            assumed_short: 520,
            assumed_long: 5100,
            block_max: 32,
            block_life: Duration::from_secs(1),
            flush: Duration::from_millis(200),
            lease: Duration::from_mins(2),
            answer_wait: Duration::from_secs(2),
            closed_min: Duration::from_mins(1),
            closed_max: Duration::from_mins(15),
        }
    }
}
