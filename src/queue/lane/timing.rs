//! The cadence of a lane. Production uses the defaults; tests shrink them.

use std::time::Duration;

/// All waits of a lane.
#[derive(Clone, Debug)]
pub struct Timing {
    /// A read that finds nothing comes back after so long.
    pub block: Duration,
    /// Held entries are touched so often.
    pub heartbeat: Duration,
    /// An entry that was not touched for so long belongs to nobody. At least three heartbeats.
    pub idle_limit: Duration,
    /// Idle entries are looked for so often, give or take a fifth, so that processes spread.
    pub rescue: Duration,
    /// The first look after a start.
    pub first_rescue: Duration,
    /// Consumers that hold nothing and were silent for so long are removed.
    pub prune_idle: Duration,
    /// The pause after a failed Redis call; it doubles up to `retry_max`.
    pub retry_min: Duration,
    /// The longest pause between attempts.
    pub retry_max: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            block: Duration::from_secs(2),
            heartbeat: Duration::from_secs(5),
            idle_limit: Duration::from_secs(15),
            rescue: Duration::from_secs(5),
            first_rescue: Duration::from_secs(1),
            prune_idle: Duration::from_mins(1),
            retry_min: Duration::from_millis(100),
            retry_max: Duration::from_secs(2),
        }
    }
}

impl Timing {
    /// The pause before attempt `attempt` (from 0) after a failure.
    pub(super) fn retry_pause(&self, attempt: u32) -> Duration {
        // 2^16 times any pause is beyond any `retry_max`.
        self.retry_min
            .saturating_mul(1 << attempt.min(16))
            .min(self.retry_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_survives_two_lost_heartbeats() {
        let timing = Timing::default();
        assert!(timing.idle_limit >= timing.heartbeat * 3);
    }

    #[test]
    fn a_dead_process_entry_is_taken_within_20_s() {
        let timing = Timing::default();
        assert!(timing.idle_limit + timing.rescue <= Duration::from_secs(20));
    }

    #[test]
    fn retry_pauses_double_up_to_the_limit() {
        let timing = Timing::default();
        let pauses: Vec<_> = (0..6)
            .map(|attempt| timing.retry_pause(attempt).as_millis())
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000]);
        assert_eq!(timing.retry_pause(u32::MAX), timing.retry_max);
    }
}
