//! Why a message is not accepted: a code for programs, a sentence for people.

use super::{MAX_BYTES, REASON_MAX, REQUEST_ID_MAX, VERSION};
use crate::model::{Cause, Detail, Kind, UserId};

/// Why a message goes to the stream of rejected ones. Sentences name the field and what it takes,
/// and never repeat the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The entry has no `job` field.
    #[error("the entry has no field `job`: add the JSON under that name")]
    MissingJob,
    /// Over the limit.
    #[error("the message is longer than {MAX_BYTES} bytes: send ids and no data")]
    TooLong,
    /// Not JSON, or not UTF-8.
    #[error("the message is not JSON")]
    NotJson,
    /// JSON of another shape.
    #[error("the message is not a JSON object")]
    NotObject,
    /// A key that stands twice is one that two readers understand differently.
    #[error("the message has a key twice")]
    DuplicateKey,
    /// Another version, or none.
    #[error("`v` must be the integer {VERSION}")]
    Version,
    /// Missing, too long, or with other characters.
    #[error(
        "`user_id` must be 1-{max} characters of A-Za-z0-9._:@=+|~- and not `.` or `..`",
        max = UserId::MAX_LENGTH
    )]
    UserId,
    /// A word that is not in the list, or no list.
    #[error("`include` must be a list of {}", list(Detail::ALL.iter().map(|word| word.as_str())))]
    Include,
    /// A word that is not in the list, or no list, or an empty one.
    #[error("`kinds` must be a list, not empty, of {}", list(Kind::ALL.iter().map(|word| word.as_str())))]
    Kinds,
    /// Too long, empty, or no text.
    #[error("`request_id` must be text of 1-{REQUEST_ID_MAX} characters without NUL")]
    RequestId,
    /// Too long, empty, or no text.
    #[error("`reason` must be text of 1-{REASON_MAX} characters without NUL")]
    Reason,
    /// A word that is not in the list.
    #[error("`cause` must be one of {}", list(Cause::ALL.iter().map(|word| word.as_str())))]
    Cause,
    /// Not text.
    #[error("`traceparent` must be text")]
    Traceparent,
    /// Decided by the handler: nobody of this id ever connected.
    #[error("no connection has this `user_id`: connect the user first")]
    NoConnection,
    /// Decided by the handler: the user's data was erased.
    #[error("the user of this `user_id` was erased")]
    Erased,
}

impl Rejection {
    /// Stable: programs may compare it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingJob => "missing_job",
            Self::TooLong => "too_long",
            Self::NotJson => "not_json",
            Self::NotObject => "not_object",
            Self::DuplicateKey => "duplicate_key",
            Self::Version => "version",
            Self::UserId => "user_id",
            Self::Include => "include",
            Self::Kinds => "kinds",
            Self::RequestId => "request_id",
            Self::Reason => "reason",
            Self::Cause => "cause",
            Self::Traceparent => "traceparent",
            Self::NoConnection => "no_connection",
            Self::Erased => "erased",
        }
    }
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
