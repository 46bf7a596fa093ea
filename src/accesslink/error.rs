//! What an answer of AccessLink means: every status gets its meaning here, once.

use jiff::Timestamp;

use super::{Operation, meter::Closed};

/// Why a URL that the server returned is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// Not of the form of an AccessLink URL.
    #[error("it has not the form of an AccessLink URL")]
    Form,
    /// Another host, scheme or port.
    #[error("it names another host")]
    Host,
    /// Another user, transaction or item.
    #[error("it names something that does not belong to this transaction")]
    Path,
}

/// Why a body cannot be taken as what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Broken {
    /// It ends before its end.
    #[error("it is cut off")]
    CutOff,
    /// It is larger than `accesslink.body_max`.
    #[error("it is larger than accesslink.body_max")]
    TooLarge,
    /// It is of another type than was asked for, for example an HTML page.
    #[error("it is not of the type that was asked for")]
    WrongType,
    /// A URL in it is not followed.
    #[error("a URL in it is not followed: {0}")]
    Url(Refused),
    /// It is complete, but has not the shape of this control answer.
    #[error("it has not the documented shape")]
    Shape,
}

/// A call did not give what it was made for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("AccessLink {operation}: {meaning}")]
pub struct Error {
    /// What was asked.
    pub operation: Operation,
    /// What came of it.
    pub meaning: Meaning,
}

/// What came of a call that gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Meaning {
    /// 401: the token is not valid (any more). Source: Polar's help desk; there is no other sign of
    /// a revocation.
    #[error("the token is not accepted (401)")]
    Unauthorized,
    /// 403: a consent is missing, or the user was never registered. Source: AccessLink documentation
    /// of 2023-06-28, and reports of unregistered users.
    #[error("access is forbidden (403)")]
    Forbidden,
    /// 404: there is no such thing, or its transaction is over.
    #[error("not found (404)")]
    NotFound,
    /// 409: the user is registered already, or the member id is taken.
    #[error("conflict (409)")]
    Conflict,
    /// 429: a window is spent for the whole client.
    #[error("the rate limit is reached (429)")]
    RateLimited,
    /// Not sent: a window is closed.
    #[error("not sent: {0}")]
    WindowClosed(Closed),
    /// Not sent: the host failed so often that it is given a rest.
    #[error("not sent: AccessLink failed repeatedly and is tried again at {until}")]
    CircuitOpen {
        /// When the next call is let through.
        until: Timestamp,
    },
    /// Not sent: it came too late for what it was meant for.
    #[error("not sent: it was too late when it could be")]
    TooLate,
    /// 5xx.
    #[error("the server failed ({0})")]
    ServerFailed(u16),
    /// No answer within `accesslink.request_timeout`.
    #[error("no complete answer within accesslink.request_timeout")]
    TimedOut,
    /// No connection, or it broke before an answer came.
    #[error("the connection failed")]
    ConnectionFailed,
    /// 3xx: never followed.
    #[error("a redirect ({0}) is not followed")]
    Redirected(u16),
    /// A status without a meaning here.
    #[error("unexpected status {0}")]
    Unexpected(u16),
    /// The answer came, but cannot be taken as what was asked for.
    #[error("the answer cannot be used: {0}")]
    Broken(Broken),
}

/// How an answered status is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// With the body that was asked for.
    Body,
    /// Done; a body, if there is one, says nothing that is needed.
    Done,
    /// Success without a body: nothing new, no data, done.
    Empty,
}

/// The one place where a status gets its meaning.
pub(super) fn read_status(operation: Operation, status: u16) -> Result<Status, Meaning> {
    match status {
        200 | 201 if operation.is_an_act() => Ok(Status::Done),
        200 | 201 => Ok(Status::Body),
        204 => Ok(Status::Empty),
        401 => Err(Meaning::Unauthorized),
        403 => Err(Meaning::Forbidden),
        404 => Err(Meaning::NotFound),
        409 => Err(Meaning::Conflict),
        429 => Err(Meaning::RateLimited),
        300..=399 => Err(Meaning::Redirected(status)),
        500..=599 => Err(Meaning::ServerFailed(status)),
        _ => Err(Meaning::Unexpected(status)),
    }
}

impl Meaning {
    /// Whether the same call, sent again in a moment, may well succeed.
    pub const fn is_worth_repeating(&self) -> bool {
        match self {
            Self::ServerFailed(_)
            | Self::TimedOut
            | Self::ConnectionFailed
            | Self::Broken(Broken::CutOff | Broken::WrongType) => true,
            Self::Unauthorized
            | Self::Forbidden
            | Self::NotFound
            | Self::Conflict
            | Self::RateLimited
            | Self::WindowClosed(_)
            | Self::CircuitOpen { .. }
            | Self::TooLate
            | Self::Redirected(_)
            | Self::Unexpected(_)
            | Self::Broken(Broken::TooLarge | Broken::Url(_) | Broken::Shape) => false,
        }
    }

    /// Whether what was asked for is itself at fault, rather than the host, the client or the user.
    pub const fn is_of_one_item(&self) -> bool {
        match self {
            Self::NotFound | Self::Redirected(_) | Self::Broken(_) => true,
            Self::Unauthorized
            | Self::Forbidden
            | Self::Conflict
            | Self::RateLimited
            | Self::WindowClosed(_)
            | Self::CircuitOpen { .. }
            | Self::TooLate
            | Self::ServerFailed(_)
            | Self::TimedOut
            | Self::ConnectionFailed
            | Self::Unexpected(_) => false,
        }
    }

    /// Whether the host itself seems to be in trouble.
    pub(super) const fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::ServerFailed(_) | Self::TimedOut | Self::ConnectionFailed
        )
    }

    /// A short stable word for ledgers and metrics.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate_limited",
            Self::WindowClosed(_) => "window_closed",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::TooLate => "too_late",
            Self::ServerFailed(_) => "server_failed",
            Self::TimedOut => "timed_out",
            Self::ConnectionFailed => "connection_failed",
            Self::Redirected(_) => "redirected",
            Self::Unexpected(_) => "unexpected_status",
            Self::Broken(Broken::CutOff) => "cut_off",
            Self::Broken(Broken::TooLarge) => "too_large",
            Self::Broken(Broken::WrongType) => "wrong_type",
            Self::Broken(Broken::Url(_)) => "url_refused",
            Self::Broken(Broken::Shape) => "wrong_shape",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_that_we_rely_on_has_its_meaning() {
        use Operation::{CommitTransaction, CreateTransaction, GetItem, RegisterUser};
        for (operation, status, meaning) in [
            (RegisterUser, 200, Ok(Status::Body)),
            (CreateTransaction, 201, Ok(Status::Body)),
            (CreateTransaction, 204, Ok(Status::Empty)),
            (CommitTransaction, 200, Ok(Status::Done)),
            (CommitTransaction, 204, Ok(Status::Empty)),
            (GetItem, 200, Ok(Status::Body)),
            (GetItem, 302, Err(Meaning::Redirected(302))),
            (GetItem, 401, Err(Meaning::Unauthorized)),
            (GetItem, 403, Err(Meaning::Forbidden)),
            (GetItem, 404, Err(Meaning::NotFound)),
            (GetItem, 409, Err(Meaning::Conflict)),
            (GetItem, 418, Err(Meaning::Unexpected(418))),
            (GetItem, 429, Err(Meaning::RateLimited)),
            (GetItem, 500, Err(Meaning::ServerFailed(500))),
            (GetItem, 503, Err(Meaning::ServerFailed(503))),
        ] {
            assert_eq!(
                read_status(operation, status),
                meaning,
                "{operation} {status}"
            );
        }
    }
}
