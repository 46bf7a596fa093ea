//! The table of metrics: the names that dashboards and alerts build on.

use metrics::Unit;

use crate::model::{ConnectionState, Kind, Lane, TransactionalKind};

/// Jobs that ended, by lane and outcome.
pub const JOBS: &str = "polar_sync_jobs_total";
/// How long jobs ran, by lane.
pub const JOB_DURATION: &str = "polar_sync_job_duration_seconds";
/// Age of the oldest entry that waits on a lane.
pub const LANE_LAG: &str = "polar_sync_lane_lag_seconds";
/// Entries on a lane.
pub const LANE_BACKLOG: &str = "polar_sync_lane_backlog";
/// Requests to Polar, by operation and status code.
pub const REQUESTS: &str = "polar_sync_accesslink_requests_total";
/// How long Polar took to answer, by operation.
pub const REQUEST_DURATION: &str = "polar_sync_accesslink_request_duration_seconds";
/// Transactions of Polar's that ended, by kind and outcome.
pub const TRANSACTIONS: &str = "polar_sync_accesslink_transactions_total";
/// Items that were stored, by kind and change.
pub const ITEMS: &str = "polar_sync_items_total";
/// Workouts that may be the same as several stored ones, and so stay apart.
pub const WORKOUTS_AMBIGUOUS: &str = "polar_sync_workouts_ambiguous_total";
/// Connections, by state.
pub const CONNECTIONS: &str = "polar_sync_connections";
/// Whether this scheduler leads.
pub const SCHEDULER_LEADER: &str = "polar_sync_scheduler_leader";
/// Postgres transactions that were committed, by name.
pub const STORE_TX: &str = "polar_sync_store_tx_total";
/// Deliveries that were taken from a lane, by lane and source.
pub const QUEUE_FETCHED: &str = "polar_sync_queue_fetched_total";
/// Deliveries that ended, by lane and verdict.
pub const QUEUE_SETTLED: &str = "polar_sync_queue_settled_total";
/// From XADD to the first delivery, by lane.
pub const QUEUE_START_DELAY: &str = "polar_sync_queue_start_delay_seconds";
/// Time in the handler, by lane.
pub const QUEUE_RUN_TIME: &str = "polar_sync_queue_run_seconds";
/// Entries that this process holds, by lane.
pub const QUEUE_HELD: &str = "polar_sync_queue_held";
/// Calls of Redis that failed and are tried again, by lane and part.
pub const QUEUE_REDIS_ERRORS: &str = "polar_sync_queue_redis_errors_total";
/// Unknown fields of job messages.
pub const QUEUE_IGNORED_FIELDS: &str = "polar_sync_queue_ignored_fields_total";
/// Answers to requests for a permit, by urgency and answer.
pub const QUEUE_PERMITS: &str = "polar_sync_queue_permits_total";
/// Requests that a window of Polar's quota has seen.
pub const QUEUE_QUOTA_USED: &str = "polar_sync_queue_quota_used";
/// Requests that a window of Polar's quota allows.
pub const QUEUE_QUOTA_LIMIT: &str = "polar_sync_queue_quota_limit";
/// Entries that were written to the capped streams, by stream.
pub const QUEUE_PUBLISHED: &str = "polar_sync_queue_published_total";
/// Calls of the HTTP interface, by route and status.
pub const HTTP_REQUESTS: &str = "polar_sync_http_requests_total";
/// How long calls of the HTTP interface took to their first byte, by route.
pub const HTTP_REQUEST_DURATION: &str = "polar_sync_http_request_duration_seconds";
/// Calls that were sent away because too many came at once.
pub const HTTP_SHED: &str = "polar_sync_http_shed_total";
/// Events of Polar's webhook, by event and result.
pub const WEBHOOK_EVENTS: &str = "polar_sync_webhook_events_total";
/// Whether Polar's webhook has fallen silent.
pub const WEBHOOK_SILENT: &str = "polar_sync_webhook_silent";

/// How a job can end.
pub const JOB_OUTCOMES: [&str; 7] = [
    "ok", "partial", "snoozed", "failed", "refused", "rejected", "dead",
];
/// How a transaction of Polar's can end.
pub const TRANSACTION_OUTCOMES: [&str; 3] = ["committed", "unconfirmed", "blocked"];
/// What can come of a webhook's event.
pub const WEBHOOK_RESULTS: [&str; 7] = [
    "asked",
    "repeated",
    "unknown_user",
    "not_synced",
    "ping",
    "forged",
    "unreadable",
];
/// What storing an item can change.
pub const CHANGES: [&str; 3] = ["new", "changed", "same"];

/// What a metric measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts durations in buckets.
    Histogram,
}

/// The values that a label can have.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// The lanes.
    Lanes,
    /// The kinds of data.
    Kinds,
    /// The kinds that Polar offers by transaction.
    TransactionalKinds,
    /// The states of a connection.
    States,
    /// These words.
    Words(&'static [&'static str]),
    /// Words that other modules fix; bounded by what is said here.
    Open(&'static str),
}

impl Values {
    /// The values, when they are known here.
    pub fn closed(self) -> Option<Vec<&'static str>> {
        match self {
            Self::Lanes => Some(Lane::ALL.iter().map(|lane| lane.as_str()).collect()),
            Self::Kinds => Some(Kind::ALL.iter().map(|kind| kind.as_str()).collect()),
            Self::TransactionalKinds => Some(
                TransactionalKind::ALL
                    .iter()
                    .map(|kind| kind.as_str())
                    .collect(),
            ),
            Self::States => Some(
                ConnectionState::ALL
                    .iter()
                    .map(|state| state.as_str())
                    .collect(),
            ),
            Self::Words(words) => Some(words.to_vec()),
            Self::Open(_) => None,
        }
    }
}

/// The labels of a metric with their values.
pub type Labels = &'static [(&'static str, Values)];

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it measures.
    pub shape: Shape,
    /// In which unit.
    pub unit: Unit,
    /// Its labels with their values.
    pub labels: Labels,
    /// What it says, in a sentence.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric {
        name,
        shape: Shape::Counter,
        unit: Unit::Count,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric {
        name,
        shape: Shape::Gauge,
        unit: Unit::Count,
        labels,
        help,
    }
}

const fn age(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric {
        name,
        shape: Shape::Gauge,
        unit: Unit::Seconds,
        labels,
        help,
    }
}

const fn durations(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric {
        name,
        shape: Shape::Histogram,
        unit: Unit::Seconds,
        labels,
        help,
    }
}

const BY_LANE: Labels = &[("lane", Values::Lanes)];
const BY_WINDOW: Labels = &[("window", Values::Open("short and long"))];
const ROUTE: (&str, Values) = ("route", Values::Open("the templates of the paths"));
const OPERATION: (&str, Values) = ("operation", Values::Open("the client's calls, some dozen"));

/// Every metric.
pub const ALL: &[Metric] = &[
    counter(
        JOBS,
        &[
            ("lane", Values::Lanes),
            ("outcome", Values::Words(&JOB_OUTCOMES)),
        ],
        "Jobs that ended, by lane and outcome",
    ),
    durations(JOB_DURATION, BY_LANE, "How long jobs ran, by lane"),
    age(
        LANE_LAG,
        BY_LANE,
        "Age of the oldest entry that waits on a lane",
    ),
    gauge(
        LANE_BACKLOG,
        BY_LANE,
        "Entries on a lane, running ones included",
    ),
    counter(
        REQUESTS,
        &[
            OPERATION,
            (
                "code",
                Values::Open("status codes, and words for answers that never came"),
            ),
        ],
        "Requests to Polar, by operation and status code",
    ),
    durations(
        REQUEST_DURATION,
        &[OPERATION],
        "How long Polar took to answer, by operation",
    ),
    counter(
        TRANSACTIONS,
        &[
            ("kind", Values::TransactionalKinds),
            ("outcome", Values::Words(&TRANSACTION_OUTCOMES)),
        ],
        "AccessLink transactions that ended, by kind and outcome",
    ),
    counter(
        ITEMS,
        &[("kind", Values::Kinds), ("change", Values::Words(&CHANGES))],
        "Items that were stored, by kind and what that changed",
    ),
    counter(
        WORKOUTS_AMBIGUOUS,
        &[],
        "Workouts that may be the same as several stored ones, and so stay apart",
    ),
    gauge(
        CONNECTIONS,
        &[("state", Values::States)],
        "Connections, by state",
    ),
    gauge(SCHEDULER_LEADER, &[], "1 when this scheduler leads, else 0"),
    counter(
        STORE_TX,
        &[(
            "name",
            Values::Open("the names that the code gives to its Postgres transactions"),
        )],
        "Postgres transactions that were committed, by name",
    ),
    counter(
        QUEUE_FETCHED,
        &[
            ("lane", Values::Lanes),
            ("source", Values::Open("new, rescued, parked")),
        ],
        "Deliveries that were taken from a lane, by lane and source",
    ),
    counter(
        QUEUE_SETTLED,
        &[
            ("lane", Values::Lanes),
            ("verdict", Values::Open("the verdicts of a handler")),
        ],
        "Deliveries that ended, by lane and verdict",
    ),
    durations(
        QUEUE_START_DELAY,
        BY_LANE,
        "From XADD to the first delivery, by lane",
    ),
    durations(QUEUE_RUN_TIME, BY_LANE, "Time in the handler, by lane"),
    gauge(
        QUEUE_HELD,
        BY_LANE,
        "Entries that this process holds, by lane",
    ),
    counter(
        QUEUE_REDIS_ERRORS,
        &[
            ("lane", Values::Lanes),
            ("part", Values::Open("the parts of a lane")),
        ],
        "Calls of Redis that failed and are tried again, by lane and part",
    ),
    counter(QUEUE_IGNORED_FIELDS, &[], "Unknown fields of job messages"),
    counter(
        QUEUE_PERMITS,
        &[
            ("urgency", Values::Open("the urgencies of a call")),
            ("answer", Values::Open("granted, or why not")),
        ],
        "Answers to requests for a permit to call Polar, by urgency and answer",
    ),
    gauge(
        QUEUE_QUOTA_USED,
        BY_WINDOW,
        "Requests that a window of Polar's quota has seen",
    ),
    gauge(
        QUEUE_QUOTA_LIMIT,
        BY_WINDOW,
        "Requests that a window of Polar's quota allows",
    ),
    counter(
        QUEUE_PUBLISHED,
        &[("stream", Values::Open("events, rejected, dead"))],
        "Entries that were written to the capped streams, by stream",
    ),
    counter(
        HTTP_REQUESTS,
        &[ROUTE, ("status", Values::Open("status codes"))],
        "Calls of the HTTP interface, by route and status",
    ),
    durations(
        HTTP_REQUEST_DURATION,
        &[ROUTE],
        "How long calls of the HTTP interface took to their first byte, by route",
    ),
    counter(
        HTTP_SHED,
        &[],
        "Calls of the HTTP interface that were sent away because too many came at once",
    ),
    counter(
        WEBHOOK_EVENTS,
        &[
            (
                "event",
                Values::Open("the names of Polar's events, and other"),
            ),
            ("result", Values::Words(&WEBHOOK_RESULTS)),
        ],
        "Events of Polar's webhook, by event and what came of them",
    ),
    gauge(
        WEBHOOK_SILENT,
        &[],
        "1 while Polar's webhook is silent although there is data, else 0",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_say_their_unit() {
        for (index, metric) in ALL.iter().enumerate() {
            assert!(metric.name.starts_with("polar_sync_"), "{}", metric.name);
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.shape == Shape::Counter,
                "{}",
                metric.name
            );
            assert_eq!(
                metric.name.ends_with("_seconds"),
                metric.unit == Unit::Seconds,
                "{}",
                metric.name
            );
            assert!(
                ALL[..index].iter().all(|other| other.name != metric.name),
                "{}",
                metric.name
            );
        }
    }
}
