//! The worker: serves the lanes.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::ground::{Ground, STREAM_LENGTH_MAX};
use crate::{
    config::{Brake, Config},
    connection::{Access, HoldRules},
    job::{Worker, handler::JobSettings, judge::JudgeRules, keeper::Keeper, publisher::outlet},
    model::Lane,
    queue::{Lane as QueueLane, Process, RunLimits, Timing, run_lanes},
    sync,
};

/// Serves the lanes until `stop`, then drains.
pub(super) async fn run(
    config: &Config,
    ground: &Arc<Ground>,
    access: Access,
    brake: Brake,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let keeper = Keeper::default();
    let (outlet, publishing) = outlet();
    // Keeper and publisher outlive the lanes: draining runs need them.
    let (helpers, helping) = (TaskTracker::new(), CancellationToken::new());
    let (store, publisher) = (ground.store.clone(), ground.publisher());
    let (kept, token) = (keeper.clone(), helping.clone());
    helpers.spawn(async move { kept.run(&store, &token).await });
    let (store, token) = (ground.store.clone(), helping.clone());
    helpers.spawn(async move { publishing.run(&publisher, &store, &token).await });
    let worker = Worker {
        name: ground.name.clone(),
        access,
        desk: ground.desk(),
        keeper,
        outlet,
        clock: ground.clock.clone(),
        pace: ground.pace.clone(),
        settings: sync_settings(config, brake),
        jobs: job_settings(config),
        stop: stop.clone(),
    };
    let limits = RunLimits {
        job_timeout: config.worker.job_timeout.get(),
        drain: config.worker.drain.get(),
    };
    let drained = run_lanes(
        lanes(config, ground),
        Arc::new(Arc::new(worker)),
        limits,
        stop.clone(),
    )
    .await;
    helping.cancel();
    helpers.close();
    helpers.wait().await;
    let report = drained?;
    tracing::info!(
        jobs.running = report.running,
        jobs.handed_back = report.handed_back,
        jobs.stuck = report.stuck,
        "the lanes are drained"
    );
    Ok(())
}

fn lanes(config: &Config, ground: &Ground) -> Vec<QueueLane> {
    let process = Process::new(&ground.name, Timing::default(), STREAM_LENGTH_MAX);
    Lane::ALL
        .iter()
        .map(|lane| {
            let slots = config.worker.concurrency.of(*lane).get();
            let slots = usize::try_from(slots).unwrap_or(usize::MAX);
            QueueLane::new(ground.redis.clone(), &ground.keys, *lane, slots, &process)
        })
        .collect()
}

fn sync_settings(config: &Config, brake: Brake) -> sync::Settings {
    sync::Settings {
        include: config.sync.include,
        brake,
        transaction_life: config.accesslink.transaction_life.get(),
        fetch_concurrency: usize::try_from(config.sync.fetch_concurrency.get()).unwrap_or(1),
        open_reserve: config.quota.open_reserve,
    }
}

fn job_settings(config: &Config) -> JobSettings {
    JobSettings {
        kinds: config.sync.kinds.iter().copied().collect(),
        schedule: config.schedule.clone(),
        attempts_max: i32::try_from(config.sync.attempts_max.get()).unwrap_or(i32::MAX),
        job_timeout: config.worker.job_timeout.get(),
        judge: JudgeRules {
            confirm_after: config.revocation.confirm_after.get(),
            hold: HoldRules {
                share: config.revocation.hold_share.get(),
                min: config.revocation.hold_min.get(),
            },
            consent_recheck: config.revocation.consent_recheck.get(),
        },
    }
}
