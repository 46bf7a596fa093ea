//! The only way to ask for a sync: the request is durable in Postgres first, then a stream entry
//! wakes a worker. An entry that Redis loses is added again by the scheduler.

use crate::{
    model::{Cause, ConnectionId, Details, Kind, Lane, TaskId, UserId},
    queue::{Enqueuer, Message},
    store::{Store, StoreError, request::NewRequest},
    telemetry,
};

/// Where requests are handed in.
#[derive(Clone)]
pub struct Desk {
    store: Store,
    enqueuer: Enqueuer,
}

impl Desk {
    /// A desk on this store and queue.
    pub fn new(store: Store, enqueuer: Enqueuer) -> Self {
        Self { store, enqueuer }
    }

    /// Hands a request in.
    pub async fn ask(
        &self,
        connection: ConnectionId,
        user_id: &UserId,
        request: &NewRequest,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin("request").await?;
        tx.insert_request(connection, request).await?;
        tx.commit().await?;
        self.wake(user_id, request.lane, request.cause, request.task_id)
            .await;
        Ok(())
    }

    /// Wakes a worker for requests that are durable already. When Redis does not take the entry,
    /// the scheduler adds it later.
    pub async fn wake(&self, user_id: &UserId, lane: Lane, cause: Cause, task_id: TaskId) {
        let message = wake_up(user_id.clone(), cause, task_id);
        if let Err(error) = self.enqueuer.push(lane, &message).await {
            tracing::warn!(
                lane = lane.as_str(),
                error = telemetry::chain(&error),
                "Redis did not take a wake-up; the scheduler adds it again"
            );
        }
    }
}

/// The message that wakes a worker for a request that is durable already.
pub fn wake_up(user_id: UserId, cause: Cause, task_id: TaskId) -> Message {
    Message {
        cause,
        task_id: Some(task_id.0),
        ..Message::for_user(user_id)
    }
}

/// A request of our own making, without wishes.
pub fn plain(lane: Lane, cause: Cause, kinds: Vec<Kind>) -> NewRequest {
    NewRequest {
        task_id: TaskId::new(),
        request_id: None,
        include: Details::NONE,
        kinds,
        lane,
        cause,
        reason: None,
        traceparent: None,
        entry: None,
    }
}
