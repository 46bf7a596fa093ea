//! Why a kind could not be brought in step. What follows from it is decided in `job/outcome.rs`.

use jiff::Timestamp;

use crate::{
    accesslink,
    connection::{RefreshError, SessionError},
    secret::KeyError,
    store::{StoreError, lease::FenceError, raw::RawError},
};

/// Why a kind could not be brought in step.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// AccessLink did not give what was asked for.
    #[error(transparent)]
    Call(accesslink::Error),
    /// Items of a transaction could not be fetched whole: what could is stored, and the transaction
    /// is not committed.
    #[error("{} of the transaction's items cannot be fetched whole ({}), so it is not committed", .items.len(), .cause)]
    Blocked {
        /// The items.
        items: Vec<String>,
        /// What came of the first of them.
        cause: accesslink::Error,
    },
    /// Polar says that there is nothing new, but an earlier transaction of ours may hide something.
    #[error("an earlier transaction may still be open at Polar and hide data until {until}")]
    Doubtful {
        /// When to ask again.
        until: Timestamp,
    },
    /// A transaction is too old to be gone on with, and not over yet.
    #[error("the transaction is too old to be committed; a new one can be created at {until}")]
    TooOld {
        /// When it is over.
        until: Timestamp,
    },
    /// What was listed of a transaction may not be all of it: a create of which nothing was heard may
    /// still arrive, and add to it.
    #[error(
        "an earlier create may still arrive and add to the transaction, which is listed again at {until}"
    )]
    Unsettled {
        /// When it has arrived, or never will.
        until: Timestamp,
    },
    /// Polar opens transactions that end before anything comes of them.
    #[error(
        "AccessLink opens transactions and then knows nothing of them; it is asked again later"
    )]
    NoProgress,
    /// A token was refused, and a new one could not be had.
    #[error(transparent)]
    Refresh(RefreshError),
    /// There was more to do than one run may.
    #[error("more waits than one run fetches; another run goes on")]
    MoreWaits,
    /// Something more urgent waits for this connection.
    #[error("something more urgent waits for this connection")]
    GaveWay,
    /// The worker is stopping.
    #[error("the worker is stopping")]
    Stopped,
    /// Another run took over.
    #[error("another run took over")]
    LeaseLost,
    /// Postgres failed.
    #[error(transparent)]
    Store(StoreError),
    /// A raw body could not be kept or read back.
    #[error(transparent)]
    Raw(RawError),
    /// A token could not be sealed or opened.
    #[error(transparent)]
    Key(KeyError),
}

impl Failure {
    /// Whether it is of one record alone: it cannot be fetched whole or read, or Postgres refuses it.
    pub(super) fn is_of_one_record(&self) -> bool {
        match self {
            Self::Call(error) => error.meaning.is_of_one_item(),
            Self::Store(error) => !error.is_transient(),
            Self::Raw(_) => true,
            _ => false,
        }
    }
}

/// Keeps the first failure that is of one record alone, so that the others have their turn.
pub(super) fn put_off(
    done: Result<(), Failure>,
    first: &mut Option<Failure>,
) -> Result<(), Failure> {
    match done {
        Err(failure) if failure.is_of_one_record() => {
            first.get_or_insert(failure);
            Ok(())
        }
        other => other,
    }
}

impl From<accesslink::Error> for Failure {
    fn from(error: accesslink::Error) -> Self {
        Self::Call(error)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Call(error) => Self::Call(error),
            SessionError::Refresh(error) => Self::Refresh(error),
            SessionError::Store(error) => Self::Store(error),
            SessionError::Key(error) => Self::Key(error),
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<RawError> for Failure {
    fn from(error: RawError) -> Self {
        match error {
            RawError::Store(error) => Self::Store(error),
            error => Self::Raw(error),
        }
    }
}

impl From<FenceError> for Failure {
    fn from(error: FenceError) -> Self {
        match error {
            FenceError::Lost => Self::LeaseLost,
            FenceError::Store(error) => Self::Store(error),
        }
    }
}
