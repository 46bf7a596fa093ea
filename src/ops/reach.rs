//! The services that a command works with: reached at once or not at all, since a person waits.

use std::time::Duration;

use crate::{
    config::{Config, QueueNeeds, RedisUrl, ServiceUrl},
    exit::{Code, Failure},
    job::request::Desk,
    model::UserId,
    queue::{ClientLimits, Enqueuer, Keys, Redis, RedisFault},
    store::{Store, connection::ConnectionRow},
};

/// Connections to Postgres that a command needs which does one thing after another.
pub(super) const CONNECTIONS: u32 = 2;

/// A service that does not take a connection within this time is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Postgres, for a command that needs nothing else. `what` is the command, for the error.
pub(super) async fn postgres(config: &Config, what: &'static str) -> anyhow::Result<Store> {
    connect_postgres(config.for_database(what)?, CONNECTIONS).await
}

/// Postgres with this version's schema.
pub(super) async fn connect_postgres(url: &ServiceUrl, connections: u32) -> anyhow::Result<Store> {
    let store = Store::connect(url.expose(), connections).await?;
    store.check_schema().await?;
    Ok(store)
}

/// Redis, fit to hold jobs.
pub(super) async fn redis(at: RedisUrl<'_>) -> Result<Redis, RedisFault> {
    let limits = ClientLimits {
        response_timeout: CONNECT_TIMEOUT,
        connection_timeout: CONNECT_TIMEOUT,
        reconnect_attempts: 0,
        ..ClientLimits::default()
    };
    let redis = Redis::connect_to(at, limits).await?;
    redis.check().await?;
    Ok(redis)
}

/// Postgres, and the desk where requests are handed in.
pub(super) struct Queue {
    pub(super) store: Store,
    pub(super) desk: Desk,
}

/// Postgres and Redis, for a command that enqueues.
pub(super) async fn queue(config: &Config, what: &'static str) -> anyhow::Result<Queue> {
    connect_queue(config, config.for_queue(what)?, CONNECTIONS).await
}

/// Postgres and Redis, with so many connections to Postgres.
pub(super) async fn connect_queue(
    config: &Config,
    needs: QueueNeeds<'_>,
    connections: u32,
) -> anyhow::Result<Queue> {
    let store = connect_postgres(needs.database_url, connections).await?;
    let redis = redis(needs.redis_url).await?;
    let enqueuer = Enqueuer::new(redis, Keys::new(config.redis.prefix.as_str()));
    let desk = Desk::new(store.clone(), enqueuer);
    Ok(Queue { store, desk })
}

/// The live connection of a user.
pub(super) async fn connection(store: &Store, user: &UserId) -> anyhow::Result<ConnectionRow> {
    let row = store.connection_of_user(user).await?;
    row.ok_or_else(|| no_connection(user).into())
}

/// There is no such user.
pub(super) fn no_connection(user: &UserId) -> Failure {
    Failure::new(
        Code::NotFound,
        format!("user {user} has no connection"),
        "`polar-sync users list` shows who has one",
    )
}
