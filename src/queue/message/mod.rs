//! The job message: the public contract that any language can write with one `XADD`.
//!
//! A message is a wake-up: it says whom to look at and never carries data of a person. `parse`
//! is strict where a mistake would change what is done, and ignores what it does not know.
//!
//! To add a field: here, in `parse`, in the snapshot below, and in the README's table.

mod parse;
mod rejection;

use serde::Serialize;
use uuid::Uuid;

use super::metrics;
use crate::model::{Cause, Detail, Kind, UserId};

pub use parse::Parsed;
pub use rejection::Rejection;

/// The version of the contract.
pub const VERSION: u64 = 1;
/// A longer message is rejected unread.
pub const MAX_BYTES: usize = 4096;
/// Characters of a request id.
pub const REQUEST_ID_MAX: usize = 128;
/// Characters of a reason.
pub const REASON_MAX: usize = 200;

/// Somebody's wish that a user be synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The platform's own id of the user.
    pub user_id: UserId,
    /// Parts that must be stored; `None` leaves it to the configuration.
    pub include: Option<Vec<Detail>>,
    /// Kinds to sync; `None` is all.
    pub kinds: Option<Vec<Kind>>,
    /// Echoed in runs, events and logs.
    pub request_id: Option<String>,
    /// Free text.
    pub reason: Option<String>,
    /// What made the wish.
    pub cause: Cause,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The row of this wish, when it is in Postgres already: only our own wake-ups have it.
    pub task_id: Option<Uuid>,
}

impl Message {
    /// The smallest message: sync everything of this user.
    pub fn for_user(user_id: UserId) -> Self {
        Self {
            user_id,
            include: None,
            kinds: None,
            request_id: None,
            reason: None,
            cause: Cause::Message,
            traceparent: None,
            task_id: None,
        }
    }

    /// Reads the `job` field of a lane entry; `None` stands for an entry without one.
    pub fn parse(job: Option<&[u8]>) -> Result<Parsed, Rejection> {
        let parsed = parse::parse(job)?;
        metrics::ignored_fields(parsed.ignored_fields);
        Ok(parsed)
    }

    /// The JSON of the `job` field.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Wire {
            v: VERSION,
            user_id: &self.user_id,
            include: self.include.as_deref(),
            kinds: self.kinds.as_deref(),
            request_id: self.request_id.as_deref(),
            reason: self.reason.as_deref(),
            cause: Some(self.cause).filter(|cause| *cause != Cause::Message),
            traceparent: self.traceparent.as_deref(),
            task_id: self.task_id,
        })
    }
}

/// The message as it is written: what is not set is not there.
#[derive(Serialize)]
struct Wire<'a> {
    v: u64,
    user_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    include: Option<&'a [Detail]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kinds: Option<&'a [Kind]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<Uuid>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_message() {
        let json = Message::for_user("user_001".parse().unwrap())
            .to_json()
            .unwrap();
        insta::assert_snapshot!(json, @r#"{"v":1,"user_id":"user_001"}"#);
    }

    #[test]
    fn full_message_reads_back() {
        let message = Message {
            user_id: "user_001".parse().unwrap(),
            include: Some(vec![Detail::Samples, Detail::Zones, Detail::Route]),
            kinds: Some(vec![Kind::Exercise, Kind::NightlyRecharge]),
            request_id: Some("abc".into()),
            reason: Some("asked in the app".into()),
            cause: Cause::Http,
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            task_id: Some(Uuid::from_u128(7)),
        };
        let json = message.to_json().unwrap();
        insta::assert_snapshot!(json, @r#"{"v":1,"user_id":"user_001","include":["samples","zones","route"],"kinds":["exercise","nightly_recharge"],"request_id":"abc","reason":"asked in the app","cause":"http","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","task_id":"00000000-0000-0000-0000-000000000007"}"#);
        let parsed = Message::parse(Some(json.as_bytes())).unwrap();
        assert_eq!(parsed.message, message);
        assert_eq!(parsed.ignored_fields, 0);
    }

    #[test]
    fn our_longest_message_is_within_the_limit() {
        let message = Message {
            user_id: "x".repeat(UserId::MAX_LENGTH).parse().unwrap(),
            include: Some(vec![Detail::Samples, Detail::Zones, Detail::Route]),
            kinds: Some(Kind::ALL.to_vec()),
            // The JSON of a control character is the longest, six bytes.
            request_id: Some("\u{1}".repeat(REQUEST_ID_MAX)),
            reason: Some("\u{1}".repeat(REASON_MAX)),
            cause: Cause::Notification,
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            task_id: Some(Uuid::max()),
        };
        let json = message.to_json().unwrap();
        assert!(json.len() <= MAX_BYTES, "{}", json.len());
        assert_eq!(
            Message::parse(Some(json.as_bytes())).unwrap().message,
            message
        );
    }
}
