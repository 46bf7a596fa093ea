//! The pool of connections to Postgres.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{StoreError, Tx};

/// How long a caller waits for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that nobody used for so long is tried before it is used: the server may have been restarted meanwhile.
/// One in use tells by itself, and the round trip is saved.
const TRIED_AFTER: Duration = Duration::from_secs(1);

/// What is committed is durable, whatever the server's default is. No statement takes longer, and no
/// transaction stands still longer: a process that froze in the middle of one gives its locks back, so
/// that another can take over.
const SESSION: &str = "SET synchronous_commit = on; SET statement_timeout = '60s';
    SET idle_in_transaction_session_timeout = '10s'";

/// The database of polar-sync.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one of Postgres.
    #[error("database.url is not a Postgres URL")]
    Url(#[source] sqlx::Error),
    /// The URL leads to another database than the one in use.
    #[error("database.url is that of another database, which takes a restart")]
    OtherDatabase,
    /// No connection within the time-out.
    #[error("Postgres cannot be reached")]
    Unreachable(#[source] sqlx::Error),
}

impl Store {
    /// Connects, and tries the connection once.
    pub async fn connect(url: &str, connections_max: u32) -> Result<Self, ConnectError> {
        Self::connect_with(options(url)?, connections_max).await
    }

    /// Connects with one connection, for statements that take long by their nature: they are not
    /// logged as slow.
    pub async fn connect_patiently(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(options(url)?.disable_statement_logging(), 1).await
    }

    async fn connect_with(
        options: PgConnectOptions,
        connections_max: u32,
    ) -> Result<Self, ConnectError> {
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, usage| {
                Box::pin(async move {
                    if usage.idle_for > TRIED_AFTER {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql(SESSION).execute(connection).await?;
                    Ok(())
                })
            })
            .connect_with(options)
            .await
            .map_err(ConnectError::Unreachable)?;
        Ok(Self { pool })
    }

    /// Has connections that are made from now on log in as this URL says, of the same database; those that are open
    /// stay so. One is made first, to see that it can be.
    pub async fn log_in_with(&self, url: &str) -> Result<(), ConnectError> {
        let (old, new) = (self.pool.connect_options(), options(url)?);
        let place = |options: &PgConnectOptions| {
            let socket = options.get_socket().cloned();
            let database = options.get_database().map(str::to_owned);
            (
                options.get_host().to_owned(),
                options.get_port(),
                socket,
                database,
            )
        };
        if place(&old) != place(&new) {
            return Err(ConnectError::OtherDatabase);
        }
        let tried = tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&new)).await;
        let tried = tried.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        let tried = tried.map_err(ConnectError::Unreachable)?;
        self.pool.set_connect_options(new);
        // It was made to see whether it can be, and that is seen.
        drop(tried);
        Ok(())
    }

    /// Closes every connection of the pool.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Begins a Postgres transaction; `name` is its label in metrics.
    pub async fn begin(&self, name: &'static str) -> Result<Tx, StoreError> {
        // Set once more, in case a pooler before the server drops what a session sets: what is committed here is
        // durable before Polar deletes it.
        let inner = self
            .pool
            .begin_with("BEGIN; SET LOCAL synchronous_commit = on")
            .await
            .map_err(StoreError::while_doing("begin"))?;
        Ok(Tx::new(name, inner))
    }

    /// Begins a Postgres transaction that only reads, sees one instant, and may take its time: who reads it
    /// may be slow.
    pub(super) async fn begin_snapshot(&self, name: &'static str) -> Result<Tx, StoreError> {
        let inner = self
            .pool
            .begin_with(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
                 SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
            )
            .await
            .map_err(StoreError::while_doing("begin"))?;
        Ok(Tx::new(name, inner))
    }

    /// The pool, for statements of this module that need no transaction.
    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }
}

fn options(url: &str) -> Result<PgConnectOptions, ConnectError> {
    let options = PgConnectOptions::from_str(url).map_err(ConnectError::Url)?;
    Ok(options.application_name("polar-sync"))
}
