//! What Postgres says of itself.

use std::time::Duration;

use jiff::Timestamp;

use super::{Store, StoreError};

/// How the server stands to what is expected of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its version, for example `15.10`.
    pub version: String,
    /// Whether it restores pages that a crash tore.
    pub full_page_writes: bool,
    /// Connections that it takes, of everybody together.
    pub connections_max: u32,
    /// The user that we are to it.
    pub user: String,
    /// Whether that user may do everything.
    pub is_superuser: bool,
    /// Whether our connection comes over a network without TLS.
    pub is_readable_on_the_way: bool,
    /// Its clock.
    pub clock: Timestamp,
    /// How far tests moved the time for all processes.
    pub shift: Duration,
}

impl Store {
    /// Asks the server about itself.
    pub async fn server_facts(&self) -> Result<ServerFacts, StoreError> {
        sqlx::query!(
            r#"SELECT current_setting('server_version') AS "version!",
                      current_setting('full_page_writes') = 'on' AS "full_page_writes!",
                      current_setting('max_connections')::integer AS "connections_max!",
                      current_user::text AS "user!",
                      current_setting('is_superuser') = 'on' AS "is_superuser!",
                      coalesce(NOT inet_server_addr() <<= ANY ('{127.0.0.0/8,::1/128}'::inet[]), false)
                          AND NOT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
                          AS "is_readable_on_the_way!",
                      clock_timestamp() AS "clock!: jiff_sqlx::Timestamp",
                      (SELECT abs(extract(epoch FROM shift))::float8 FROM polar_sync.clock) AS "shift_s!""#
        )
        .map(|row| ServerFacts {
            version: row.version,
            full_page_writes: row.full_page_writes,
            connections_max: row.connections_max.unsigned_abs(),
            user: row.user,
            is_superuser: row.is_superuser,
            is_readable_on_the_way: row.is_readable_on_the_way,
            clock: row.clock.to_jiff(),
            shift: Duration::try_from_secs_f64(row.shift_s).unwrap_or_default(),
        })
        .fetch_one(self.pool())
        .await
        .map_err(StoreError::while_doing("ask Postgres about itself"))
    }
}
