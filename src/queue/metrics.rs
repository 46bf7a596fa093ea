//! Every metric of the queue: name, unit, labels. Labels are lanes and closed sets of words only,
//! never an id of anybody.
//!
//! To add one: a name here and in [`NAMES`], a description, and a function that records it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::keys::LaneName;

const FETCHED: &str = "polar_sync_queue_fetched_total";
const SETTLED: &str = "polar_sync_queue_settled_total";
const START_DELAY: &str = "polar_sync_queue_start_delay_seconds";
const RUN_TIME: &str = "polar_sync_queue_run_seconds";
const HELD: &str = "polar_sync_queue_held";
const REDIS_ERRORS: &str = "polar_sync_queue_redis_errors_total";
const IGNORED_FIELDS: &str = "polar_sync_queue_ignored_fields_total";
const PERMITS: &str = "polar_sync_queue_permits_total";
const QUOTA_USED: &str = "polar_sync_queue_quota_used";
const QUOTA_LIMIT: &str = "polar_sync_queue_quota_limit";
const PUBLISHED: &str = "polar_sync_queue_published_total";

/// All of them: dashboards and alerts may mention no other.
pub const NAMES: &[&str] = &[
    FETCHED,
    SETTLED,
    START_DELAY,
    RUN_TIME,
    HELD,
    REDIS_ERRORS,
    IGNORED_FIELDS,
    PERMITS,
    QUOTA_USED,
    QUOTA_LIMIT,
    PUBLISHED,
];

/// How deliveries end.
const ENDS: [&str; 7] = [
    "ack",
    "reject",
    "dead",
    "wait",
    "hand_back",
    "abandoned",
    "unsettled",
];

/// Registers the descriptions and brings the counters to life at zero, so that a first event is a
/// rise. Call once, after the recorder is installed.
pub fn describe() {
    for lane in LaneName::ALL.iter().copied() {
        for source in ["new", "rescued", "parked"] {
            fetched(lane, source, 0);
        }
        for verdict in ENDS {
            counter!(SETTLED, "lane" => lane.as_str(), "verdict" => verdict).increment(0);
        }
    }
    describe_counter!(
        FETCHED,
        "Deliveries taken, by lane and source (new, rescued, parked)"
    );
    describe_counter!(SETTLED, "Deliveries ended, by lane and verdict");
    describe_histogram!(
        START_DELAY,
        Unit::Seconds,
        "XADD to first delivery, by lane"
    );
    describe_histogram!(RUN_TIME, Unit::Seconds, "Time in the handler, by lane");
    describe_gauge!(
        HELD,
        "Entries this process holds, parked ones included, by lane"
    );
    describe_counter!(
        REDIS_ERRORS,
        "Failed Redis calls that are tried again, by lane and part"
    );
    describe_counter!(IGNORED_FIELDS, "Unknown fields in job messages");
    describe_counter!(PERMITS, "Answers to permit requests, by urgency and answer");
    describe_gauge!(
        QUOTA_USED,
        "Requests used, held permits included, by window (short, long)"
    );
    describe_gauge!(QUOTA_LIMIT, "Requests allowed, by window");
    describe_counter!(
        PUBLISHED,
        "Entries written to the capped streams, by stream"
    );
}

pub(super) fn fetched(lane: LaneName, source: &'static str, count: usize) {
    counter!(FETCHED, "lane" => lane.as_str(), "source" => source).increment(count as u64);
}

pub(super) fn settled(lane: LaneName, verdict: &'static str, ran: Duration) {
    counter!(SETTLED, "lane" => lane.as_str(), "verdict" => verdict).increment(1);
    histogram!(RUN_TIME, "lane" => lane.as_str()).record(ran);
}

/// `enqueued_at_ms` is Redis' clock and this is ours: what the difference makes negative counts as 0.
pub(super) fn started(lane: LaneName, enqueued_at_ms: u64) {
    #[expect(
        clippy::disallowed_methods,
        reason = "compared with Redis' clock, which no test moves"
    )]
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let delay = now.saturating_sub(Duration::from_millis(enqueued_at_ms));
    histogram!(START_DELAY, "lane" => lane.as_str()).record(delay);
}

pub(super) fn held(lane: LaneName, count: usize) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "held entries are far below 2^52"
    )]
    gauge!(HELD, "lane" => lane.as_str()).set(count as f64);
}

pub(super) fn redis_error(lane: LaneName, part: &'static str) {
    counter!(REDIS_ERRORS, "lane" => lane.as_str(), "part" => part).increment(1);
}

pub(super) fn ignored_fields(count: usize) {
    counter!(IGNORED_FIELDS).increment(count as u64);
}

pub(super) fn permit(urgency: &'static str, answer: &'static str) {
    counter!(PERMITS, "urgency" => urgency, "answer" => answer).increment(1);
}

pub(super) fn quota(window: &'static str, used: u32, limit: u32) {
    gauge!(QUOTA_USED, "window" => window).set(f64::from(used));
    gauge!(QUOTA_LIMIT, "window" => window).set(f64::from(limit));
}

pub(super) fn published(stream: &'static str, count: usize) {
    counter!(PUBLISHED, "stream" => stream).increment(count as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_the_queue_and_unique() {
        let unique: std::collections::BTreeSet<_> = NAMES.iter().collect();
        assert_eq!(unique.len(), NAMES.len());
        assert!(
            NAMES
                .iter()
                .all(|name| name.starts_with("polar_sync_queue_"))
        );
    }

    #[test]
    fn every_verdict_has_its_word_among_the_ends() {
        use crate::queue::Verdict;
        let verdicts = [
            Verdict::Ack,
            Verdict::Reject(String::new()),
            Verdict::Dead(String::new()),
            Verdict::Wait(Duration::ZERO),
            Verdict::HandBack,
        ];
        assert!(
            verdicts
                .iter()
                .all(|verdict| ENDS.contains(&verdict.as_str()))
        );
    }
}
