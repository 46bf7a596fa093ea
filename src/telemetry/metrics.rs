//! The one list of metrics: names, units, labels, help. Dashboards and alerts build on these names.
//!
//! A counter whose labels are all closed is born at zero, so that its first increment is an increase
//! to whoever watches. No label ever names a person or holds an id.

use std::{sync::OnceLock, time::Duration};

use metrics::{Label, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::model::{Kind, Lane, TransactionalKind};

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
/// Requests that a window of Polar's quota has seen.
pub const QUOTA_USED: &str = "polar_sync_quota_used";
/// Requests that a window of Polar's quota allows.
pub const QUOTA_LIMIT: &str = "polar_sync_quota_limit";
/// Connections, by state.
pub const CONNECTIONS: &str = "polar_sync_connections";
/// Whether this scheduler leads.
pub const SCHEDULER_LEADER: &str = "polar_sync_scheduler_leader";
/// Postgres transactions that were committed, by name.
pub const STORE_TX: &str = "polar_sync_store_tx_total";

/// The label of a short and of a long window of Polar's quota.
pub const WINDOWS: [&str; 2] = ["15m", "24h"];
/// How a job can end.
pub const JOB_OUTCOMES: [&str; 7] = [
    "ok", "partial", "snoozed", "failed", "refused", "rejected", "dead",
];
/// How a transaction of Polar's can end.
pub const TRANSACTION_OUTCOMES: [&str; 5] =
    ["committed", "unconfirmed", "lapsed", "blocked", "empty"];
/// What storing an item can change.
pub const CHANGES: [&str; 3] = ["new", "changed", "same"];

/// Seconds: a job takes from the time of one request to `worker.job_timeout`.
const DURATION_BUCKETS_S: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 180.0, 540.0,
];

/// Between two rounds that fold what was measured into buckets, so that a process that nobody
/// scrapes does not grow.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

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
    /// These words.
    Words(&'static [&'static str]),
    /// Words that other modules fix; bounded by what is said here.
    Open(&'static str),
}

impl Values {
    /// The values, when they are known here.
    fn closed(self) -> Option<Vec<&'static str>> {
        match self {
            Self::Lanes => Some(Lane::ALL.iter().map(|lane| lane.as_str()).collect()),
            Self::Kinds => Some(Kind::ALL.iter().map(|kind| kind.as_str()).collect()),
            Self::TransactionalKinds => Some(
                TransactionalKind::ALL
                    .iter()
                    .map(|kind| kind.as_str())
                    .collect(),
            ),
            Self::Words(words) => Some(words.to_vec()),
            Self::Open(_) => None,
        }
    }
}

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
    pub labels: &'static [(&'static str, Values)],
    /// What it says, in a sentence.
    pub help: &'static str,
}

/// Every metric.
pub const ALL: &[Metric] = &[
    Metric {
        name: JOBS,
        shape: Shape::Counter,
        unit: Unit::Count,
        labels: &[
            ("lane", Values::Lanes),
            ("outcome", Values::Words(&JOB_OUTCOMES)),
        ],
        help: "Jobs that ended, by lane and outcome",
    },
    Metric {
        name: JOB_DURATION,
        shape: Shape::Histogram,
        unit: Unit::Seconds,
        labels: &[("lane", Values::Lanes)],
        help: "How long jobs ran, by lane",
    },
    Metric {
        name: LANE_LAG,
        shape: Shape::Gauge,
        unit: Unit::Seconds,
        labels: &[("lane", Values::Lanes)],
        help: "Age of the oldest entry that waits on a lane",
    },
    Metric {
        name: LANE_BACKLOG,
        shape: Shape::Gauge,
        unit: Unit::Count,
        labels: &[("lane", Values::Lanes)],
        help: "Entries on a lane, running ones included",
    },
    Metric {
        name: REQUESTS,
        shape: Shape::Counter,
        unit: Unit::Count,
        labels: &[
            (
                "operation",
                Values::Open("the operations of the client, some dozen"),
            ),
            (
                "code",
                Values::Open("a status code, or a word for an answer that never came"),
            ),
        ],
        help: "Requests to Polar, by operation and status code",
    },
    Metric {
        name: REQUEST_DURATION,
        shape: Shape::Histogram,
        unit: Unit::Seconds,
        labels: &[(
            "operation",
            Values::Open("the operations of the client, some dozen"),
        )],
        help: "How long Polar took to answer, by operation",
    },
    Metric {
        name: TRANSACTIONS,
        shape: Shape::Counter,
        unit: Unit::Count,
        labels: &[
            ("kind", Values::TransactionalKinds),
            ("outcome", Values::Words(&TRANSACTION_OUTCOMES)),
        ],
        help: "AccessLink transactions that ended, by kind and outcome",
    },
    Metric {
        name: ITEMS,
        shape: Shape::Counter,
        unit: Unit::Count,
        labels: &[("kind", Values::Kinds), ("change", Values::Words(&CHANGES))],
        help: "Items that were stored, by kind and what that changed",
    },
    Metric {
        name: QUOTA_USED,
        shape: Shape::Gauge,
        unit: Unit::Count,
        labels: &[("window", Values::Words(&WINDOWS))],
        help: "Requests that a window of Polar's quota has seen",
    },
    Metric {
        name: QUOTA_LIMIT,
        shape: Shape::Gauge,
        unit: Unit::Count,
        labels: &[("window", Values::Words(&WINDOWS))],
        help: "Requests that a window of Polar's quota allows",
    },
    Metric {
        name: CONNECTIONS,
        shape: Shape::Gauge,
        unit: Unit::Count,
        labels: &[("state", Values::Open("the states of a connection, eight"))],
        help: "Connections, by state",
    },
    Metric {
        name: SCHEDULER_LEADER,
        shape: Shape::Gauge,
        unit: Unit::Count,
        labels: &[],
        help: "1 when this scheduler leads, else 0",
    },
    Metric {
        name: STORE_TX,
        shape: Shape::Counter,
        unit: Unit::Count,
        labels: &[(
            "name",
            Values::Open("the names of Postgres transactions in the code"),
        )],
        help: "Postgres transactions that were committed, by name",
    },
];

/// The metrics of this process.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// Metrics could not be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another recorder of metrics is installed already")]
pub struct RecorderTaken;

impl Metrics {
    /// Begins to record what this process measures. A second call gives the same metrics.
    pub fn install() -> Result<Self, RecorderTaken> {
        static INSTALLED: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
        let handle = INSTALLED.get_or_init(|| {
            let recorder = recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok()?;
            declare();
            Some(handle)
        });
        handle.clone().map(Self).ok_or(RecorderTaken)
    }

    /// Everything measured so far, as Prometheus reads it.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Keeps memory bounded while nobody scrapes. Runs until it is dropped.
    pub(super) async fn keep(&self) {
        let mut tick = tokio::time::interval(UPKEEP_EVERY);
        loop {
            tick.tick().await;
            self.0.run_upkeep();
        }
    }
}

fn recorder() -> metrics_exporter_prometheus::PrometheusRecorder {
    let builder = PrometheusBuilder::new();
    let durations = Matcher::Suffix("_duration_seconds".to_owned());
    // Only an empty list of buckets is refused, and this one is not.
    match builder.set_buckets_for_metric(durations, &DURATION_BUCKETS_S) {
        Ok(builder) => builder.build_recorder(),
        Err(_) => PrometheusBuilder::new().build_recorder(),
    }
}

/// Describes every metric, and lets counters with closed labels begin at zero.
fn declare() {
    for metric in ALL {
        match metric.shape {
            Shape::Counter => {
                metrics::describe_counter!(metric.name, metric.unit, metric.help);
                for labels in label_sets(metric.labels) {
                    metrics::counter!(metric.name, labels).increment(0);
                }
            }
            Shape::Gauge => metrics::describe_gauge!(metric.name, metric.unit, metric.help),
            Shape::Histogram => metrics::describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
}

/// Every combination of label values; none when a label is open.
fn label_sets(labels: &[(&'static str, Values)]) -> Vec<Vec<Label>> {
    labels
        .iter()
        .fold(vec![Vec::new()], |sets, (name, values)| {
            let values = values.closed().unwrap_or_default();
            let with = |set: &Vec<Label>| {
                let label = |value| Label::from_static_parts(name, value);
                let extended = values
                    .iter()
                    .map(|value| [set.clone(), vec![label(value)]].concat());
                extended.collect::<Vec<_>>()
            };
            sets.iter().flat_map(with).collect()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_with_closed_labels_are_born_at_zero() {
        let text = Metrics::install().unwrap().render();
        assert!(
            text.contains(r#"polar_sync_items_total{kind="sleep",change="changed"} 0"#),
            "{text}"
        );
        assert!(
            text.contains(r#"polar_sync_jobs_total{lane="event",outcome="dead"} 0"#),
            "{text}"
        );
        assert!(
            !text.contains("polar_sync_accesslink_requests_total{"),
            "{text}"
        );
    }

    #[test]
    fn durations_are_kept_in_buckets() {
        let metrics = Metrics::install().unwrap();
        metrics::histogram!(JOB_DURATION, "lane" => "event").record(0.02);
        let text = metrics.render();
        assert!(
            text.contains(r#"polar_sync_job_duration_seconds_bucket{lane="event",le="0.025"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"polar_sync_job_duration_seconds_bucket{lane="event",le="0.01"} 0"#),
            "{text}"
        );
    }

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
