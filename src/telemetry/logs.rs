//! Log lines: JSON for machines, pretty for a terminal, always on standard error.

use std::io::{self, IsTerminal};

use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, FilterFn, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::{LogFormat, Telemetry};

/// Libraries that see bodies, tokens or statements, each with the most that it may say: below that it
/// may log them, so it is never written, whatever `telemetry.log` asks for. What sqlx says at info are
/// notices of Postgres about things that exist already.
const WIRE_TARGETS: [(&str, Level); 8] = [
    ("axum", Level::INFO),
    ("h2", Level::INFO),
    ("hyper", Level::INFO),
    ("hyper_util", Level::INFO),
    ("redis", Level::INFO),
    ("reqwest", Level::INFO),
    ("rustls", Level::INFO),
    ("sqlx", Level::WARN),
];

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter does not parse.
    #[error("telemetry.log is not a log filter")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// It was set up before.
    #[error("the log is set up already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Begins logging for this process.
pub fn init(telemetry: &Telemetry) -> Result<(), InitError> {
    let filter = EnvFilter::builder().parse(telemetry.log.as_str())?;
    let pretty = match telemetry.format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };
    let lines = if pretty {
        let lines = fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal());
        lines.boxed()
    } else {
        let lines = fmt::layer().with_writer(io::stderr).json();
        lines.flatten_event(true).with_span_list(false).boxed()
    };
    let lines = lines.with_filter(filter.and(without_the_wire()));
    tracing_subscriber::registry().with(lines).try_init()?;
    Ok(())
}

fn without_the_wire() -> FilterFn {
    filter_fn(|metadata| {
        let library = metadata.target().split("::").next().unwrap_or_default();
        let limit = WIRE_TARGETS.iter().find(|(target, _)| *target == library);
        limit.is_none_or(|(_, most)| metadata.level() <= most)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn libraries_that_see_bodies_are_quiet_even_at_trace() {
        let written = Lines::default();
        let writer = written.clone();
        let lines = fmt::layer().with_writer(move || writer.clone());
        let filter = EnvFilter::new("trace").and(without_the_wire());
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "hyper::proto", "wire canary");
            tracing::debug!(target: "sqlx", "wire canary");
            tracing::info!(target: "sqlx::postgres::notice", "notice canary");
            tracing::warn!(target: "sqlx::query", "slow");
            tracing::trace!(target: "polar_sync::sync", "ours");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("slow") && text.contains("ours"), "{text}");
    }
}
