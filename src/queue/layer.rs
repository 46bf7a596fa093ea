//! The tower layer between apalis and a lane: turns how a job ended into what becomes of its entry.

use std::future::Future;
use std::task::{Context, Poll};

use apalis_core::error::{AbortError, BoxDynError};
use apalis_core::task::Task;
use futures::future::BoxFuture;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::lane::{Claim, Offer, Verdict};

/// Settles every job, however it ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct SettleLayer;

impl<S> Layer<S> for SettleLayer {
    type Service = SettleService<S>;

    fn layer(&self, inner: S) -> SettleService<S> {
        SettleService { inner }
    }
}

/// See [`SettleLayer`].
#[derive(Clone, Debug)]
pub(super) struct SettleService<S> {
    inner: S,
}

/// Settling never fails: what Redis does not take is tried again.
pub(super) type SettleFuture = BoxFuture<'static, Result<(), BoxDynError>>;

impl<S> Service<Task<Offer>> for SettleService<S>
where
    S: Service<Task<Offer>, Response = Verdict>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = SettleFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut task: Task<Offer>) -> SettleFuture {
        let claim = task.args.claim.take();
        let job = self.inner.call(task);
        Box::pin(async move {
            if let Some(claim) = claim {
                run_and_settle(claim, async { job.await.map_err(Into::into) }).await;
            }
            Ok(())
        })
    }
}

async fn run_and_settle(claim: Claim, job: impl Future<Output = Result<Verdict, BoxDynError>>) {
    let started = Instant::now();
    let ended = tokio::select! {
        ended = job => ended,
        () = claim.killed() => Ok(Verdict::HandBack),
    };
    let ran = started.elapsed();
    match ended {
        Ok(verdict) => claim.settle(verdict, ran).await,
        Err(error) => {
            // A panic comes as an abort; its message is left to the panic hook, which knows where.
            let cause = if error.is::<AbortError>() {
                "panicked"
            } else {
                "took too long"
            };
            let delivery = claim.delivery();
            tracing::error!(
                lane = %delivery.lane,
                entry.id = %delivery.entry_id,
                deliveries = delivery.deliveries,
                ran_ms = ran.as_millis(),
                cause,
                "a job failed beyond its handler, it will be delivered again"
            );
            claim.abandon(ran);
        }
    }
}
