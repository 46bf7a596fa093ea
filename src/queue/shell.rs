//! Runs a handler over lanes, with apalis as the shell: a worker a lane, the layers, the drain.
//!
//! The order of the layers, outermost first, is what makes it right:
//! 1. `parallelize`: every job is a task of its own; otherwise apalis runs all lanes in one.
//! 2. `SettleLayer`: turns how the job ended into a verdict. Inside the task, so that a worker
//!    that dies does not take the verdict with it.
//! 3. `timeout`: inside `parallelize`, so that it really cancels. A job without one would be kept
//!    alive by the heartbeat for ever.
//! 4. tracing (a span a job), 5. `catch_panic`.
//!
//! Must never: acknowledge anything itself, or add apalis' own `concurrency`, `retry` or `pause`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use apalis::layers::WorkerBuilderExt;
use apalis::layers::tracing::TraceLayer;
use apalis_core::error::BoxDynError;
use apalis_core::monitor::Monitor;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::ext::parallelize::ParallelizeExt;
use futures::future::join_all;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::backend::LaneBackend;
use super::lane::{Delivery, Lane, Offer, Verdict};
use super::layer::{SettleFuture, SettleLayer};

/// What jobs that were told to end may take to do so, beyond the drain.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// Does the work of a delivery.
pub trait Handler: Send + Sync + 'static {
    /// Runs one delivery. The future may be dropped at any await point (time-out, end of the
    /// drain); a panic is caught and the entry is delivered again.
    fn handle(&self, delivery: Delivery) -> impl Future<Output = Verdict> + Send;
}

/// The limits of a run.
#[derive(Clone, Debug)]
pub struct RunLimits {
    /// A job that takes longer is cut and delivered again.
    pub job_timeout: Duration,
    /// After the shutdown began, running jobs have so long to end.
    pub drain: Duration,
}

/// How the drain went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Jobs that were running when the shutdown began.
    pub running: usize,
    /// Entries that went back to their lanes, to be taken by others at once.
    pub handed_back: usize,
    /// Jobs that did not end even when told to; others claim their entries after the idle limit.
    pub stuck: usize,
}

/// A task of a lane ended by itself, which is a bug; everything was shut down in order.
#[derive(Debug, thiserror::Error)]
#[error(
    "a lane stopped by itself, which is a bug: restart the process and report the log lines before this"
)]
pub struct LaneDied(pub DrainReport);

/// Serves the lanes until `shutdown`, then stops reading, lets running jobs end within the drain,
/// and hands back the rest.
pub async fn run_lanes<H: Handler>(
    lanes: Vec<Lane>,
    handler: Arc<H>,
    limits: RunLimits,
    shutdown: CancellationToken,
) -> Result<DrainReport, LaneDied> {
    // A child: the death of a lane ends this run and is not the caller's shutdown.
    let stop = shutdown.child_token();
    let jobs = TaskTracker::new();
    let mut readers: JoinSet<()> = lanes.iter().map(|lane| lane.clone().read()).collect();
    let mut heartbeats: JoinSet<()> = lanes.iter().map(|lane| lane.clone().beat()).collect();

    let monitor = monitor(&lanes, &handler, &jobs, &limits);
    let ended = stop.clone();
    let run = monitor.run_with_signal(async move {
        ended.cancelled().await;
        Ok(())
    });
    let mut running = 0;
    let mut died = false;
    let watch = async {
        died = tokio::select! {
            () = stop.cancelled() => false,
            Some(_) = readers.join_next() => true,
            Some(_) = heartbeats.join_next() => true,
        };
        stop.cancel();
        running = jobs.len();
        lanes.iter().for_each(Lane::stop);
        tokio::time::sleep(limits.drain).await;
        lanes.iter().for_each(Lane::kill);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = run => if let Err(error) = ended {
            tracing::error!(error = &error as &dyn std::error::Error, "a worker ended with an error");
        },
        () = watch => {}
    }
    let report = DrainReport {
        running,
        ..wind_down(&lanes, &jobs, readers, heartbeats).await
    };
    if died {
        Err(LaneDied(report))
    } else {
        Ok(report)
    }
}

/// A worker a lane. Worker names are fixed, because they become labels.
fn monitor<H: Handler>(
    lanes: &[Lane],
    handler: &Arc<H>,
    jobs: &TaskTracker,
    limits: &RunLimits,
) -> Monitor {
    let job_timeout = limits.job_timeout;
    let monitor = Monitor::new()
        .should_restart(|_, _| true)
        .shutdown_timeout(limits.drain + KILL_GRACE);
    lanes.iter().cloned().fold(monitor, |monitor, lane| {
        let (handler, jobs) = (handler.clone(), jobs.clone());
        monitor.register(move |_| {
            let (handler, jobs) = (handler.clone(), jobs.clone());
            WorkerBuilder::new(lane.name().as_str())
                .backend(LaneBackend::new(lane.clone()))
                .parallelize(move |job: SettleFuture| jobs.spawn(job))
                .layer(SettleLayer)
                .timeout(job_timeout)
                // The failure is logged once, where it is settled.
                .layer(TraceLayer::new().on_failure(()))
                .catch_panic()
                .build(move |offer: Offer| {
                    let handler = handler.clone();
                    async move { Ok::<_, BoxDynError>(handler.handle(offer.delivery).await) }
                })
        })
    })
}

/// After the workers: whatever still runs ends, whatever is still held goes back.
async fn wind_down(
    lanes: &[Lane],
    jobs: &TaskTracker,
    mut readers: JoinSet<()>,
    heartbeats: JoinSet<()>,
) -> DrainReport {
    jobs.close();
    let readers_ended = async { while readers.join_next().await.is_some() {} };
    lanes.iter().for_each(Lane::stop);
    let all_ended = async { tokio::join!(jobs.wait(), readers_ended) };
    if tokio::time::timeout(KILL_GRACE, all_ended).await.is_err() {
        lanes.iter().for_each(Lane::kill);
        let _ = tokio::time::timeout(KILL_GRACE, jobs.wait()).await;
    }
    drop(heartbeats);
    let handed_back = join_all(lanes.iter().map(Lane::release)).await;
    DrainReport {
        running: 0,
        handed_back: handed_back.into_iter().sum(),
        stuck: jobs.len(),
    }
}
