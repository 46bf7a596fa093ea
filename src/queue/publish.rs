//! The streams that tell others: events, rejected messages, dead jobs. One field of JSON an entry,
//! capped, at least once: readers tell repeats by id.
//!
//! Must never: carry a value of a person's data; counts and classes only. The shapes are public: to
//! add a field, add it to the snapshots below and to the README.

use redis::{Pipeline, RedisError};
use serde::Serialize;

use super::client::Redis;
use super::keys::{Keys, LaneName};
use super::lane::Delivery;
use super::message::{MAX_BYTES, Rejection};
use super::metrics;

/// The version of the JSON in these streams.
const VERSION: u64 = 1;
/// The field of the rejected and dead streams.
pub(super) const ENTRY_FIELD: &str = "entry";
/// The field of the event stream.
pub(super) const EVENT_FIELD: &str = "event";
/// Events in one command; more are several.
const EVENTS_PER_PIPELINE: usize = 500;

/// An entry of `rejected` or `dead`.
#[derive(Serialize)]
struct Note<'a> {
    v: u64,
    lane: LaneName,
    entry_id: &'a str,
    job: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_class: Option<&'a str>,
    deliveries: u32,
}

/// The JSON for `Verdict::Reject`.
pub fn rejected_entry(
    delivery: &Delivery,
    rejection: Rejection,
) -> Result<String, serde_json::Error> {
    note(delivery, Some(rejection.code()), None)
}

/// The JSON for `Verdict::Dead`; `error_class` is a word of the caller's closed set.
pub fn dead_entry(delivery: &Delivery, error_class: &str) -> Result<String, serde_json::Error> {
    note(delivery, None, Some(error_class))
}

fn note(
    delivery: &Delivery,
    reason: Option<&str>,
    error_class: Option<&str>,
) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Note {
        v: VERSION,
        lane: delivery.lane,
        entry_id: &delivery.entry_id,
        job: delivery.job.as_deref().map(shown),
        reason,
        error_class,
        deliveries: delivery.deliveries,
    })
}

/// The job as text, cut where no accepted message would reach.
fn shown(job: &[u8]) -> String {
    String::from_utf8_lossy(&job[..job.len().min(MAX_BYTES)]).into_owned()
}

/// Adds `XADD stream MAXLEN ~ max_len * field json`.
pub(super) fn add_capped(
    pipeline: &mut Pipeline,
    stream: &str,
    field: &str,
    json: &str,
    max_len: u32,
) {
    pipeline
        .cmd("XADD")
        .arg(stream)
        .arg("MAXLEN")
        .arg("~")
        .arg(max_len)
        .arg("*")
        .arg(field)
        .arg(json)
        .ignore();
}

/// Writes to the event stream.
#[derive(Clone)]
pub struct Publisher {
    redis: Redis,
    events: String,
    max_len: u32,
}

impl Publisher {
    /// `max_len` entries are kept, about.
    pub fn new(redis: Redis, keys: &Keys, max_len: u32) -> Self {
        Self {
            redis,
            events: keys.events(),
            max_len,
        }
    }

    /// Publishes JSON bodies in order; an error may leave a part published.
    pub async fn events(&self, bodies: &[String]) -> Result<(), RedisError> {
        for batch in bodies.chunks(EVENTS_PER_PIPELINE) {
            let mut pipeline = redis::pipe();
            for body in batch {
                add_capped(&mut pipeline, &self.events, EVENT_FIELD, body, self.max_len);
            }
            pipeline.exec_async(&mut self.redis.connection()).await?;
            metrics::published("events", batch.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn delivery(job: Option<Bytes>) -> Delivery {
        Delivery {
            entry_id: "7-1".into(),
            lane: LaneName::Event,
            job,
            deliveries: 2,
            enqueued_at_ms: 7,
            exhausted: false,
        }
    }

    #[test]
    fn rejected_and_dead_json_are_the_public_ones() {
        let poison = delivery(Some(Bytes::from_static(b"he\xffllo")));
        insta::assert_snapshot!(rejected_entry(&poison, Rejection::NotJson).unwrap(), @r#"{"v":1,"lane":"event","entry_id":"7-1","job":"he�llo","reason":"not_json","deliveries":2}"#);
        insta::assert_snapshot!(dead_entry(&delivery(None), "delivered_too_often").unwrap(), @r#"{"v":1,"lane":"event","entry_id":"7-1","job":null,"error_class":"delivered_too_often","deliveries":2}"#);
    }

    #[test]
    fn a_huge_job_is_cut() {
        let json = rejected_entry(
            &delivery(Some(vec![b'x'; 1 << 20].into())),
            Rejection::TooLong,
        );
        assert!(json.unwrap().len() < MAX_BYTES + 200);
    }
}
