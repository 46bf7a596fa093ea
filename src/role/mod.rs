//! What runs in a process: worker, scheduler, or both.
//!
//! Owns wiring, start and shutdown, and nothing else. A role waits for Postgres and Redis at its
//! start, and once running it never exits because one of them is away.
//!
//! To add a role: a file that builds what it runs from a [`Ground`], and an arm in `main`.

mod ground;
mod meter;
mod scheduler;
mod signal;
mod worker;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{
    config::{Brake, Config, Sources},
    telemetry::{health::HealthServer, metrics::Metrics},
};
pub use ground::{Ground, connect_postgres, connect_redis};
pub use signal::until_told_to_stop;

/// Runs jobs, until told to stop. The brake follows `sources` at every SIGHUP.
pub async fn worker(
    config: &Config,
    sources: Sources,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    config.for_worker()?;
    run(config, sources, stop, &[Part::Worker]).await
}

/// Decides who is due, until told to stop.
pub async fn scheduler(
    config: &Config,
    sources: Sources,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    config.for_scheduler()?;
    run(config, sources, stop, &[Part::Scheduler]).await
}

/// Both in one process.
pub async fn all(config: &Config, sources: Sources, stop: CancellationToken) -> anyhow::Result<()> {
    config.for_worker()?;
    run(config, sources, stop, &[Part::Worker, Part::Scheduler]).await
}

/// What a process can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Worker,
    Scheduler,
}

async fn run(
    config: &Config,
    sources: Sources,
    stop: CancellationToken,
    parts: &[Part],
) -> anyhow::Result<()> {
    let brake = Brake::new(&config.sync);
    signal::reload_when_told(sources, brake.clone())?;
    let metrics = Metrics::install()?;
    let health = HealthServer::bind(config.telemetry.metrics_listen.get(), metrics).await?;
    let ground = Arc::new(Ground::lay(config).await?);
    let background = TaskTracker::new();
    let ended = stop.child_token();
    let probe = Arc::clone(&ground);
    let serving = tokio::spawn(health.serve(move || probe.readiness(), ended.clone()));
    background.spawn(ground.permits.clone().keep(ended.clone()));
    let follow = Arc::clone(&ground);
    let following = ended.clone();
    background.spawn(async move { follow.follow_clock(&following).await });
    if parts.contains(&Part::Scheduler) {
        scheduler::start(config, &ground, &background, &ended);
    }
    tracing::info!(process = ground.name, "running");
    let worked = if parts.contains(&Part::Worker) {
        worker::run(config, &ground, brake, &stop).await
    } else {
        stop.cancelled().await;
        Ok(())
    };
    // The parts that others rely on end last.
    ended.cancel();
    background.close();
    background.wait().await;
    serving.await??;
    worked
}
