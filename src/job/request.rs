//! The only way to ask for a sync: the request is durable in Postgres first, then a stream entry
//! wakes a worker. An entry that Redis loses is added again by the scheduler.

use std::time::Duration;

use crate::{
    model::{Cause, ConnectionId, Details, Kind, Lane, TaskId, UserId},
    queue::{Enqueuer, Message},
    store::{Store, StoreError, request::NewRequest},
    telemetry,
};

/// Whoever hands a request in, which is durable by then, does not wait longer for Redis.
const WAKE_TIMEOUT: Duration = Duration::from_secs(1);

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

    /// Hands a request in that its asker may send again, because the answer was lost: the same key is the same
    /// request.
    pub async fn ask_once(
        &self,
        connection: ConnectionId,
        user_id: &UserId,
        request: &NewRequest,
        idempotency_key: &str,
    ) -> Result<Asked, StoreError> {
        let mut tx = self.store.begin("request").await?;
        tx.insert_request(connection, request).await?;
        match tx
            .tie_request(connection, request.task_id, idempotency_key)
            .await
        {
            Ok(()) => tx.commit().await?,
            Err(error) if error.is_conflict() => {
                drop(tx);
                let earlier = self.store.request_tied_to(connection, idempotency_key);
                let (task_id, include) = earlier.await?.ok_or(error)?;
                return Ok(Asked::Before { task_id, include });
            }
            Err(error) => return Err(error),
        }
        self.wake(user_id, request.lane, request.cause, request.task_id)
            .await;
        Ok(Asked::Now)
    }

    /// Wakes a worker for requests that are durable already. When Redis does not take the entry,
    /// the scheduler adds it later.
    pub async fn wake(&self, user_id: &UserId, lane: Lane, cause: Cause, task_id: TaskId) {
        let message = wake_up(user_id.clone(), cause, task_id);
        let pushed = tokio::time::timeout(WAKE_TIMEOUT, self.enqueuer.push(lane, &message)).await;
        let error = match pushed {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => telemetry::chain(&error),
            Err(elapsed) => elapsed.to_string(),
        };
        let lane = lane.as_str();
        tracing::warn!(
            lane,
            error,
            "Redis did not take a wake-up; the scheduler adds it again"
        );
    }
}

/// What came of handing in a request that may have been sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It is in now.
    Now,
    /// It was in already.
    Before {
        /// The id that it has.
        task_id: TaskId,
        /// What it wants to see stored.
        include: Details,
    },
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
