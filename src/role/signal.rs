//! Signals: what ends a process in order, and what makes it read its configuration again.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Brake, Sources},
    telemetry,
};

/// A token that is cancelled by SIGTERM or SIGINT.
pub fn until_told_to_stop() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
        told.cancel();
    });
    Ok(stop)
}

/// Reads the configuration again at every SIGHUP, and sets the brake as it says. One that cannot be
/// read changes nothing.
pub(super) fn reload_when_told(sources: Sources, brake: Brake) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match sources.load() {
                Ok(loaded) => {
                    brake.set(&loaded.config.sync);
                    tracing::info!("the configuration is read again: sync.commit is set anew");
                }
                Err(error) => {
                    let error = telemetry::chain(&error);
                    tracing::error!(
                        error,
                        "the configuration cannot be read again; nothing changes"
                    );
                }
            }
        }
    });
    Ok(())
}
