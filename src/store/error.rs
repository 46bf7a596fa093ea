//! Errors of the store.

/// A statement failed. The message names what was being done; the cause is the source.
#[derive(Debug, thiserror::Error)]
#[error("Postgres: cannot {doing}")]
pub struct StoreError {
    doing: &'static str,
    #[source]
    source: sqlx::Error,
}

impl StoreError {
    /// The error of an operation, to be given to `map_err`.
    pub(super) const fn while_doing(doing: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self { doing, source }
    }

    /// A stored value that is not of its vocabulary.
    pub(super) fn decoding(
        what: &'static str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            doing: "decode a stored value",
            source: sqlx::Error::ColumnDecode {
                index: what.to_owned(),
                source: Box::new(error),
            },
        }
    }

    /// Whether somebody else wrote the same thing first.
    pub fn is_conflict(&self) -> bool {
        matches!(&self.source, sqlx::Error::Database(error) if error.is_unique_violation())
    }

    /// Whether the login lacks a right that the process needs.
    pub fn is_denied(&self) -> bool {
        const INSUFFICIENT_PRIVILEGE: &str = "42501";
        let database = self.source.as_database_error();
        database
            .and_then(sqlx::error::DatabaseError::code)
            .as_deref()
            == Some(INSUFFICIENT_PRIVILEGE)
    }

    /// Whether the same call may succeed later: the server is away, restarting, full or shed the
    /// transaction; everything else is a bug or a schema that does not fit.
    pub fn is_transient(&self) -> bool {
        match &self.source {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => {
                // Classes: 08 connection, 25 a transaction that the server ended, 28 a login that is refused,
                // 40 rollback, 53 resources, 57 operator intervention.
                error.code().is_some_and(|code| {
                    ["08", "25", "28", "40", "53", "57"]
                        .iter()
                        .any(|class| code.starts_with(class))
                })
            }
            _ => false,
        }
    }
}
