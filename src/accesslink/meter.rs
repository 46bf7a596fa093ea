//! The rate limit: what AccessLink's headers say, and who grants permission to send.

use std::{fmt, time::Duration};

use futures::future::BoxFuture;
use jiff::Timestamp;
use reqwest::header::HeaderMap;

/// How urgent a call is: interactive work keeps a reserve of both windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A person waits.
    Interactive,
    /// Everything else.
    Normal,
}

/// Nothing may be sent before `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{why} (until {until})")]
pub struct Closed {
    /// When the next call may be sent.
    pub until: Timestamp,
    /// Why.
    pub why: ClosedBy,
}

/// Why nothing may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClosedBy {
    /// A window is spent, or Polar answered 429.
    Quota,
    /// Redis does not answer, and no request goes uncounted.
    Redis,
    /// Redis lost its count, and what was used before is not known yet.
    Memory,
}

impl fmt::Display for ClosedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quota => "the rate limit's window is closed",
            Self::Redis => "Redis, which counts the requests, does not answer",
            Self::Memory => {
                "Redis lost its count of the requests, and what was used before is not known yet"
            }
        })
    }
}

/// Grants permission to send. Shared by all workers of the client, since Polar counts requests by
/// client.
pub trait Meter: Send + Sync + fmt::Debug {
    /// Takes one permit.
    fn acquire(&self, urgency: Urgency) -> BoxFuture<'_, Result<Box<dyn Permit>, Closed>>;

    /// Whether `calls` more may be sent now.
    fn room_for(&self, calls: u32, urgency: Urgency) -> BoxFuture<'_, Result<(), Closed>>;
}

/// The permission to send one call, which learns from its answer.
pub trait Permit: Send {
    /// The call was answered, or failed on its way; `limit` is what its headers said.
    fn answered(self: Box<Self>, limit: Option<RateLimit>);

    /// The call was refused with 429.
    fn refused(
        self: Box<Self>,
        retry_after: Option<Duration>,
        limit: Option<RateLimit>,
    ) -> BoxFuture<'static, ()>;
}

/// Both of Polar's windows, as the headers of an answer tell them: 15 minutes and 24 hours.
///
/// Source: AccessLink documentation, "Rate limiting": `RateLimit-Usage`, `RateLimit-Limit` and
/// `RateLimit-Reset`, each two integers, the short window first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The 15-minute window.
    pub short: Window,
    /// The 24-hour window.
    pub long: Window,
}

/// One window of the rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Requests counted so far.
    pub used: u64,
    /// Requests allowed.
    pub limit: u64,
    /// Seconds until the window ends.
    pub reset_s: u64,
}

impl RateLimit {
    /// Reads the headers; `None` when one is missing or not as documented.
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let (used_short, used_long) = pair(headers, "ratelimit-usage")?;
        let (limit_short, limit_long) = pair(headers, "ratelimit-limit")?;
        let (reset_short, reset_long) = pair(headers, "ratelimit-reset")?;
        Some(Self {
            short: Window {
                used: used_short,
                limit: limit_short,
                reset_s: reset_short,
            },
            long: Window {
                used: used_long,
                limit: limit_long,
                reset_s: reset_long,
            },
        })
    }
}

fn pair(headers: &HeaderMap, name: &str) -> Option<(u64, u64)> {
    let (short, long) = headers.get(name)?.to_str().ok()?.split_once(',')?;
    Some((short.trim().parse().ok()?, long.trim().parse().ok()?))
}

/// `Retry-After` in seconds; not documented by Polar, honoured where it comes.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers
        .get("retry-after")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds.min(24 * 3600)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_with_and_without_blanks() {
        let mut headers = HeaderMap::new();
        headers.insert("RateLimit-Usage", "3, 10".parse().unwrap());
        headers.insert("RateLimit-Limit", "500,5000".parse().unwrap());
        assert_eq!(RateLimit::from_headers(&headers), None);
        headers.insert("RateLimit-Reset", " 620 , 86000".parse().unwrap());
        let limit = RateLimit::from_headers(&headers).unwrap();
        assert_eq!(
            limit.short,
            Window {
                used: 3,
                limit: 500,
                reset_s: 620
            }
        );
        assert_eq!(
            limit.long,
            Window {
                used: 10,
                limit: 5000,
                reset_s: 86000
            }
        );
    }
}
