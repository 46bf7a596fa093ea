//! Puts wake-ups on lanes and looks at what is there.

use std::time::Duration;

use redis::{RedisError, Value};

use super::client::Redis;
use super::keys::{GROUP, JOB_FIELD, Keys, LaneName};
use super::lane;
use super::message::Message;

/// Commands sent in one go.
const PER_PIPELINE: usize = 500;

/// Why nothing was enqueued.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// The message cannot be written as JSON.
    #[error("the message cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
    /// Redis did not take it. Nothing is lost: the request is in Postgres, enqueue it again.
    #[error("Redis did not take the job: check that it runs, the request stays due")]
    Redis(#[from] RedisError),
}

/// How full a lane is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Entries in the stream: waiting and running.
    pub entries: u64,
    /// Delivered and not settled.
    pub pending: u64,
    /// Not yet delivered.
    pub lag: u64,
    /// Age of the oldest entry.
    pub oldest: Option<Duration>,
}

/// The writing side of the lanes; clones share the connection.
#[derive(Clone)]
pub struct Enqueuer {
    pub(super) redis: Redis,
    pub(super) keys: Keys,
}

impl Enqueuer {
    /// An enqueuer for the lanes under `keys`.
    pub fn new(redis: Redis, keys: Keys) -> Self {
        Self { redis, keys }
    }

    /// Enqueues one message; returns the entry's id.
    pub async fn push(&self, lane: LaneName, message: &Message) -> Result<String, EnqueueError> {
        let json = message.to_json()?;
        let id = self
            .add(lane, &json)
            .query_async(&mut self.redis.connection())
            .await?;
        Ok(id)
    }

    /// Enqueues many, in order; returns their entry ids. After an error a part may be enqueued,
    /// which is harmless: running a job twice is.
    pub async fn push_many(
        &self,
        lane: LaneName,
        messages: &[Message],
    ) -> Result<Vec<String>, EnqueueError> {
        let mut ids = Vec::with_capacity(messages.len());
        for batch in messages.chunks(PER_PIPELINE) {
            let mut pipeline = redis::pipe();
            for message in batch {
                pipeline.add_command(self.add(lane, &message.to_json()?));
            }
            let added: Vec<String> = pipeline.query_async(&mut self.redis.connection()).await?;
            ids.extend(added);
        }
        Ok(ids)
    }

    /// A lane is never trimmed: that would delete jobs. Whoever enqueues watches [`Self::depth`].
    fn add(&self, lane: LaneName, json: &str) -> redis::Cmd {
        let mut command = redis::cmd("XADD");
        command
            .arg(self.keys.lane(lane))
            .arg("*")
            .arg(JOB_FIELD)
            .arg(json);
        command
    }

    /// How full each lane is.
    pub async fn depths(&self) -> Result<Vec<(LaneName, Depth)>, RedisError> {
        let mut depths = Vec::with_capacity(LaneName::ALL.len());
        for lane in LaneName::ALL.iter().copied() {
            depths.push((lane, self.depth(lane).await?));
        }
        Ok(depths)
    }

    /// How full a lane is.
    pub async fn depth(&self, lane: LaneName) -> Result<Depth, RedisError> {
        let stream = self.keys.lane(lane);
        let mut connection = self.redis.connection();
        let mut pipeline = redis::pipe();
        pipeline.cmd("TIME");
        pipeline.cmd("XLEN").arg(&stream);
        pipeline
            .cmd("XRANGE")
            .arg(&stream)
            .arg("-")
            .arg("+")
            .arg("COUNT")
            .arg(1);
        let ((seconds, micros), entries, oldest): ((u64, u64), u64, Value) =
            pipeline.query_async(&mut connection).await?;
        let mut summary = redis::cmd("XPENDING");
        summary.arg(&stream).arg(GROUP);
        let pending = match summary.query_async(&mut connection).await {
            Ok(Value::Array(summary)) => match summary.first() {
                Some(Value::Int(count)) => u64::try_from(*count).unwrap_or_default(),
                _ => 0,
            },
            Ok(_) => 0,
            // No worker has read this lane yet.
            Err(error) if error.code() == Some("NOGROUP") => 0,
            Err(error) => return Err(error),
        };
        let now_ms = seconds * 1000 + micros / 1000;
        Ok(Depth {
            entries,
            pending,
            lag: entries.saturating_sub(pending),
            oldest: oldest_ms(oldest)
                .map(|at_ms| Duration::from_millis(now_ms.saturating_sub(at_ms))),
        })
    }

    /// Which of these entries are still in the lane, in their order.
    pub async fn entries_exist(
        &self,
        lane: LaneName,
        entry_ids: &[String],
    ) -> Result<Vec<bool>, RedisError> {
        let stream = self.keys.lane(lane);
        let mut found = Vec::with_capacity(entry_ids.len());
        for batch in entry_ids.chunks(PER_PIPELINE) {
            let mut pipeline = redis::pipe();
            for id in batch {
                pipeline.cmd("XRANGE").arg(&stream).arg(id).arg(id);
            }
            let ranges: Vec<Value> = pipeline.query_async(&mut self.redis.connection()).await?;
            found.extend(ranges.into_iter().map(|range| oldest_ms(range).is_some()));
        }
        Ok(found)
    }

    /// The mark that was set since the last flush, if any. A missing mark means: check everything.
    pub async fn epoch(&self) -> Result<Option<String>, RedisError> {
        redis::cmd("GET")
            .arg(self.keys.epoch())
            .query_async(&mut self.redis.connection())
            .await
    }

    /// Sets the mark, unless somebody was faster; returns the mark that holds.
    pub async fn begin_epoch(&self, mark: &str) -> Result<String, RedisError> {
        let key = self.keys.epoch();
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        pipeline.cmd("SET").arg(&key).arg(mark).arg("NX").ignore();
        pipeline.cmd("GET").arg(&key);
        let (holds,): (String,) = pipeline.query_async(&mut self.redis.connection()).await?;
        Ok(holds)
    }
}

/// The time of the first entry in a reply of `XRANGE`.
fn oldest_ms(reply: Value) -> Option<u64> {
    lane::entries(reply)
        .first()
        .map(|entry| lane::id_ms(&entry.id))
}
