//! Private servers, as durable as in production: Postgres with `fsync`, and Redis with the persistence of
//! `deploy`. They end with this process, however it ends.
//!
//! Their folder is a temporary one (`TMPDIR`), which has to be on a disk: where it is not, there is
//! nothing to measure.

use std::path::Path;

use polar_sync::{
    ops::servers::{Durability, Keeps, Postgres, Redis, TemporaryFolder},
    store::Store,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Both servers.
pub(crate) struct Servers {
    // Dropped first: the folder waits for nobody.
    postgres: Postgres,
    redis: Redis,
    folder: TemporaryFolder,
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let folder = TemporaryFolder::create().await.expect("a folder");
        let postgres = Postgres::start(folder.path(), Durability::Durable).await;
        let redis = Redis::start(folder.path(), Keeps::AlmostEverything).await;
        Self {
            postgres: postgres.expect("PostgreSQL installed: make services"),
            redis: redis.expect("Redis installed: make services"),
            folder,
        }
    }

    /// A folder on the servers' disk, gone with them.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn postgres_pid(&self) -> u32 {
        self.postgres.id().expect("a running server")
    }

    pub(crate) fn redis_pid(&self) -> u32 {
        self.redis.id().expect("a running server")
    }

    pub(crate) fn redis_url(&self) -> String {
        self.redis.url()
    }

    /// The URL of a new database with every migration.
    pub(crate) async fn create_database(&self, name: &str) -> String {
        let create = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(&mut self.admin().await)
            .await
            .expect("a new database");
        let url = self.postgres.url(name);
        let store = Store::connect(&url, 1).await.expect("a connection");
        store.migrate().await.expect("migrations that run");
        store.close().await;
        url
    }

    /// A connection that is in nobody's way: to a database of its own.
    pub(crate) async fn admin(&self) -> PgConnection {
        let url = self.postgres.url("postgres");
        PgConnection::connect(&url).await.expect("a connection")
    }
}
