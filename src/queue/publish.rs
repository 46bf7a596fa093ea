//! The streams that tell others: events, rejected messages, dead jobs. One field of JSON an entry,
//! capped, at least once: readers tell repeats by id.
//!
//! Must never: carry a value of a person's data; counts and classes only. The shapes are public: to
//! add a field, add it to the snapshots below and to the README.

use redis::{Pipeline, RedisError};
use serde::Serialize;
use serde_json::Value;

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
const EVENT_FIELD: &str = "event";
/// Events in one command; more are several.
const EVENTS_PER_PIPELINE: usize = 500;

/// Something that happened to a user, as told on `events`.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Tells repeats apart.
    pub id: String,
    /// For example `sync.completed` or `connection.revoked`.
    #[serde(rename = "type")]
    pub kind: String,
    /// RFC 3339.
    pub at: String,
    /// The platform's id of the user.
    pub user_id: String,
    /// The run, for `sync.*`.
    pub run_id: Option<String>,
    /// The requests that the run served.
    pub request_ids: Vec<String>,
    /// The run's outcome, for `sync.*`.
    pub outcome: Option<String>,
    /// Numbers of items, never their content.
    pub counts: Value,
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    v: u64,
    #[serde(flatten)]
    body: &'a T,
}

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

/// Why an event was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The counts cannot be written as JSON.
    #[error("event {id} cannot be written as JSON")]
    Encode {
        /// The event.
        id: String,
        /// The reason.
        source: serde_json::Error,
    },
    /// Redis did not take it; publish again, readers tell repeats by id.
    #[error("Redis did not take the events: publish them again")]
    Redis(#[from] RedisError),
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

    /// Publishes in order; an error may leave a part published.
    pub async fn events(&self, events: &[Event]) -> Result<(), PublishError> {
        for batch in events.chunks(EVENTS_PER_PIPELINE) {
            let mut pipeline = redis::pipe();
            for event in batch {
                let versioned = Versioned {
                    v: VERSION,
                    body: event,
                };
                let json =
                    serde_json::to_string(&versioned).map_err(|source| PublishError::Encode {
                        id: event.id.clone(),
                        source,
                    })?;
                add_capped(
                    &mut pipeline,
                    &self.events,
                    EVENT_FIELD,
                    &json,
                    self.max_len,
                );
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
    fn event_json_is_the_public_one() {
        let event = Event {
            id: "e1".into(),
            kind: "sync.completed".into(),
            at: "2026-01-02T03:04:05Z".into(),
            user_id: "user_001".into(),
            run_id: Some("r1".into()),
            request_ids: vec!["abc".into()],
            outcome: Some("ok".into()),
            counts: serde_json::json!({"new": 3}),
        };
        let json = serde_json::to_string(&Versioned {
            v: VERSION,
            body: &event,
        })
        .unwrap();
        insta::assert_snapshot!(json, @r#"{"v":1,"id":"e1","type":"sync.completed","at":"2026-01-02T03:04:05Z","user_id":"user_001","run_id":"r1","request_ids":["abc"],"outcome":"ok","counts":{"new":3}}"#);
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
