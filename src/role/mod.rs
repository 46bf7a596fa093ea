//! What runs in a process: worker, scheduler, api, or all of them.
//!
//! Owns wiring, start and shutdown, and nothing else. A role waits for Postgres and Redis at its
//! start, and once running it never exits because one of them is away.
//!
//! To add a role: a file that builds what it runs from a [`Ground`], and an arm in `main`.

mod api;
mod ground;
mod meter;
mod reload;
mod scheduler;
mod signal;
mod worker;

use std::{collections::BTreeSet, sync::Arc};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{
    config::{Brake, Config, Live, Secret, Sources},
    connection::Access,
    http::HttpServer,
    telemetry::{health::HealthServer, metrics::Metrics},
};
pub use ground::Ground;
use reload::Reload;
pub use signal::until_told_to_stop;

/// Runs jobs, until told to stop. As every role does, it follows `sources` while it runs: [`reload`] says how far.
pub async fn worker(
    config: &Config,
    sources: Sources,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    config.for_polar("worker")?;
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

/// Answers calls, until told to stop.
pub async fn api(config: &Config, sources: Sources, stop: CancellationToken) -> anyhow::Result<()> {
    config.for_polar("api")?;
    run(config, sources, stop, &[Part::Api]).await
}

/// All of them in one process.
pub async fn all(config: &Config, sources: Sources, stop: CancellationToken) -> anyhow::Result<()> {
    config.for_polar("all")?;
    let parts = [Part::Worker, Part::Scheduler, Part::Api];
    run(config, sources, stop, &parts).await
}

/// What a process can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Worker,
    Scheduler,
    Api,
}

/// The addresses of a process, taken at its start.
struct Doors {
    /// Health and metrics alone; an interface has them too.
    health: Option<HealthServer>,
    http: Option<HttpServer>,
}

impl Doors {
    async fn open(config: &Config, parts: &[Part], metrics: &Metrics) -> anyhow::Result<Self> {
        let health = if parts == [Part::Api] {
            None
        } else {
            let listen = config.telemetry.metrics_listen.get();
            Some(HealthServer::bind(listen, metrics.clone()).await?)
        };
        let http = if parts.contains(&Part::Api) {
            Some(HttpServer::bind(config.api.listen.get())?)
        } else {
            None
        };
        Ok(Self { health, http })
    }
}

async fn run(
    config: &Config,
    sources: Sources,
    stop: CancellationToken,
    parts: &[Part],
) -> anyhow::Result<()> {
    let brake = Brake::new(&config.sync);
    let hangups = signal::hangups()?;
    let metrics = Metrics::install()?;
    let doors = Doors::open(config, parts, &metrics).await?;
    let laying = async {
        let ground = Ground::lay(config, config.startup.wait.get()).await?;
        let access = match parts {
            [Part::Scheduler] => None,
            _ => Some(ground.access(config).await?),
        };
        anyhow::Ok((Arc::new(ground), access))
    };
    let Some(laid) = stop.run_until_cancelled(laying).await else {
        return Ok(());
    };
    let (ground, access) = laid?;
    let bootstrap_key = Live::new(config.api.bootstrap_key.clone());
    let (background, ended) = (TaskTracker::new(), stop.child_token());
    let reload = Reload {
        sources,
        config: config.clone(),
        brake: brake.clone(),
        ground: Arc::clone(&ground),
        keyring: access.as_ref().map(|access| access.keyring.clone()),
        bootstrap_key: bootstrap_key.clone(),
        reported: BTreeSet::new(),
    };
    background.spawn(reload.run(hangups, ended.clone()));
    let (kept, keeping) = (metrics.clone(), ended.clone());
    background.spawn(async move { keeping.run_until_cancelled(kept.keep()).await });
    background.spawn(ground.permits.clone().keep(ended.clone()));
    let (follow, following) = (Arc::clone(&ground), ended.clone());
    background.spawn(async move { follow.follow_clock(&following).await });
    let health = async {
        let Some(health) = doors.health else {
            return Ok(());
        };
        let probe = Arc::clone(&ground);
        health.serve(move || probe.readiness(), ended.clone()).await
    };
    if parts.contains(&Part::Scheduler) {
        scheduler::start(config, &ground, &background, &ended);
    }
    tracing::info!(process = ground.name, "running");
    let is_worker = parts.contains(&Part::Worker);
    let lanes = access.clone().filter(|_| is_worker).map(|it| (it, brake));
    let calls = doors.http.zip(access);
    let calls = calls.map(|(server, access)| (server, access, bootstrap_key));
    let working = async {
        let worked = Box::pin(work(config, &ground, lanes, calls, &metrics, &stop)).await;
        // The parts that others rely on end last.
        ended.cancel();
        background.close();
        background.wait().await;
        worked
    };
    let (served, worked) = futures::join!(health, working);
    served?;
    worked
}

/// Does what a process is for. When one part breaks, the others are told to stop.
async fn work(
    config: &Config,
    ground: &Arc<Ground>,
    lanes: Option<(Access, Brake)>,
    calls: Option<(HttpServer, Access, Live<Option<Secret>>)>,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let lanes = async {
        if let Some((access, brake)) = lanes {
            return worker::run(config, ground, access, brake, stop).await;
        }
        stop.cancelled().await;
        Ok(())
    };
    let calls = async {
        let Some((server, access, bootstrap_key)) = calls else {
            return Ok(());
        };
        let foundation = ground.foundation(access, bootstrap_key);
        api::run(
            config,
            ground,
            foundation,
            server,
            metrics.clone(),
            stop.clone(),
        )
        .await
    };
    let broken = |result: anyhow::Result<()>| {
        if result.is_err() {
            stop.cancel();
        }
        result
    };
    let (worked, answered) =
        futures::join!(async { broken(lanes.await) }, async { broken(calls.await) });
    worked.and(answered)
}
