//! Records what this process measures, and renders it for Prometheus.

use std::{sync::OnceLock, time::Duration};

use metrics::Label;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::table::{ALL, Shape, Values};

/// Seconds: every histogram counts durations, from that of a request to `worker.job_timeout`.
const BUCKETS_S: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 180.0, 540.0,
];

/// Between two rounds that fold what was measured into buckets, so that a process that nobody
/// scrapes does not grow.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

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
    pub async fn keep(&self) {
        let mut tick = tokio::time::interval(UPKEEP_EVERY);
        loop {
            tick.tick().await;
            self.0.run_upkeep();
        }
    }
}

fn recorder() -> metrics_exporter_prometheus::PrometheusRecorder {
    // Only an empty list of buckets is refused, and this one is not.
    match PrometheusBuilder::new().set_buckets(&BUCKETS_S) {
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
    use super::{super::table::JOB_DURATION, *};

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
}
