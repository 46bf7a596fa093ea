//! A lane as an apalis backend: the thinnest possible, since an error of a backend ends its worker
//! for good. It cannot fail; healing, heartbeat and shutdown live in the lane.

use std::convert::Infallible;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::{RandomId, TaskId};
use apalis_core::worker::context::WorkerContext;
use tower::layer::util::Identity;

use super::lane::{Lane, Offer};

/// Yields what the lane offers. A worker that is restarted gets a new one over the same lane.
pub(super) struct LaneBackend {
    lane: Lane,
}

impl LaneBackend {
    /// The backend of a lane.
    pub(super) fn new(lane: Lane) -> Self {
        Self { lane }
    }
}

impl Backend for LaneBackend {
    type Task = Task<Offer>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.lane.poll_offer(cx).map(|offer| {
            let id = TaskId::from_string(offer.delivery.entry_id.clone());
            // apalis counts the attempt when it first polls the job.
            let before = offer.delivery.deliveries.saturating_sub(1);
            let attempt = usize::try_from(before).unwrap_or(usize::MAX);
            Some(Ok(TaskBuilder::new(offer)
                .task_id(id)
                .attempt(attempt)
                .build()))
        })
    }

    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for LaneBackend {
    type Args = Offer;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
