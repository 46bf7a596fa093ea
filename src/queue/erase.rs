//! Takes everything out of Redis that names one user.
//!
//! Entries of lanes are wake-ups, and the other streams are news: nothing is lost with them. Must never take an entry
//! for the user's that only looks like it.

use redis::{RedisError, streams::StreamRangeReply};
use serde_json::Value;

use super::{
    Enqueuer,
    keys::{GROUP, JOB_FIELD, LaneName},
    publish::{ENTRY_FIELD, EVENT_FIELD},
};
use crate::model::UserId;

/// Entries that are looked at in one command.
const BATCH: usize = 500;

/// Which news of the user are taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// All of them.
    All,
    /// All but the news that the user's data was erased, which others have yet to read.
    AllButErased,
}

impl Enqueuer {
    /// Takes out everything that names the user; how many entries that were.
    pub async fn erase(&self, user: &UserId, news: News) -> Result<usize, RedisError> {
        let mut erased = 0;
        for lane in LaneName::ALL.iter().copied() {
            let is_of_user = |job: &[u8]| names(job, user);
            let stream = self.keys.lane(lane);
            erased += self.erase_from(&stream, JOB_FIELD, &is_of_user).await?;
        }
        for stream in [self.keys.rejected(), self.keys.dead()] {
            let is_of_user = |entry: &[u8]| {
                let entry: Value = serde_json::from_slice(entry).unwrap_or_default();
                mentions(entry["job"].as_str().unwrap_or_default(), user)
            };
            erased += self.erase_from(&stream, ENTRY_FIELD, &is_of_user).await?;
        }
        let is_of_user =
            |event: &[u8]| names(event, user) && (news == News::All || !is_erased(event));
        let events = self.keys.events();
        erased += self.erase_from(&events, EVENT_FIELD, &is_of_user).await?;
        Ok(erased)
    }

    /// Takes out of a stream what `is_of_user` finds in its field.
    async fn erase_from(
        &self,
        stream: &str,
        field: &str,
        is_of_user: &(dyn Fn(&[u8]) -> bool + Sync),
    ) -> Result<usize, RedisError> {
        let (mut erased, mut from) = (0, "-".to_owned());
        loop {
            let mut range = redis::cmd("XRANGE");
            range
                .arg(stream)
                .arg(&from)
                .arg("+")
                .arg("COUNT")
                .arg(BATCH);
            let read: StreamRangeReply = range.query_async(&mut self.redis.connection()).await?;
            let Some(last) = read.ids.last() else {
                return Ok(erased);
            };
            from = format!("({}", last.id);
            let ids: Vec<_> = read
                .ids
                .iter()
                .filter(|entry| {
                    let body: Option<Vec<u8>> = entry.get(field);
                    body.is_some_and(|body| is_of_user(&body))
                })
                .map(|entry| entry.id.as_str())
                .collect();
            if ids.is_empty() {
                continue;
            }
            let mut pipeline = redis::pipe();
            pipeline.atomic();
            // Only lanes have a group; where there is none, nothing is acknowledged.
            pipeline
                .cmd("XACK")
                .arg(stream)
                .arg(GROUP)
                .arg(&ids)
                .ignore();
            pipeline.cmd("XDEL").arg(stream).arg(&ids);
            let (deleted,): (usize,) = pipeline.query_async(&mut self.redis.connection()).await?;
            erased += deleted;
        }
    }
}

/// Whether a message is about the user. One that is not JSON, or has no user, is nobody's; but where it holds the id
/// as a text of JSON it is taken for the user's.
fn names(message: &[u8], user: &UserId) -> bool {
    if let Ok(message) = serde_json::from_slice::<Value>(message) {
        return message["user_id"] == user.as_str();
    }
    let quoted = format!("\"{user}\"");
    message
        .windows(quoted.len())
        .any(|window| window == quoted.as_bytes())
}

/// Whether the id stands anywhere in a message that was refused, whatever is wrong with that: it may be given twice, or
/// stand outside of every text.
fn mentions(message: &str, user: &UserId) -> bool {
    let is_of_an_id = |c: char| c.is_alphanumeric() || "_-".contains(c);
    message.match_indices(user.as_str()).any(|(start, id)| {
        !message[..start].ends_with(is_of_an_id)
            && !message[start + id.len()..].starts_with(is_of_an_id)
    })
}

fn is_erased(event: &[u8]) -> bool {
    let event: Value = serde_json::from_slice(event).unwrap_or_default();
    event["type"] == "connection.erased"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_was_refused_mentions_whole_ids() {
        let user: UserId = "user_1".parse().unwrap();
        for (message, is_mentioned) in [
            (r#"{"v":1,"user_id":"user_1","user_id":"user_2"}"#, true),
            ("garbage user_1 {", true),
            ("user_1", true),
            ("user_10 a_user_1 user_1-b", false),
            ("", false),
        ] {
            assert_eq!(mentions(message, &user), is_mentioned, "{message}");
        }
    }

    #[test]
    fn a_message_names_its_own_user_alone() {
        let user: UserId = "user_1".parse().unwrap();
        for (message, is_named) in [
            (r#"{"v":1,"user_id":"user_1"}"#, true),
            (r#"{"v":1,"user_id":"user_10"}"#, false),
            (r#"{"v":1,"user_id":"user_2","reason":"user_1"}"#, false),
            (r#"{"v":1,"user_id":"user_1""#, true),
            (r#"{"v":1,"user_id":"user_10""#, false),
            ("user_1", false),
            ("", false),
            ("[]", false),
        ] {
            assert_eq!(names(message.as_bytes(), &user), is_named, "{message}");
        }
    }
}
