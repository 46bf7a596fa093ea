//! A private Postgres for tests: one server for all tests of a process, a database for each test.
//!
//! Trades durability for speed (`fsync` off): a store that insists on it has to be told.

use std::sync::atomic::{AtomicU32, Ordering};

use polar_sync::{
    ops::servers::{Durability, Postgres, TemporaryFolder},
    store::Store,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;

/// The database that every test's database is a copy of.
const TEMPLATE: &str = "polar_sync_template";

/// Never dropped: the server and its folder go with the process.
static SERVER: OnceCell<Server> = OnceCell::const_new();

/// A running server.
struct Server {
    postgres: Postgres,
    next_database: AtomicU32,
    _folder: TemporaryFolder,
}

/// A database of its own, with every migration.
pub(crate) struct TestDatabase {
    url: String,
}

impl TestDatabase {
    /// Copies the template; the first test of a process starts the server.
    pub(crate) async fn create() -> Self {
        let server = SERVER.get_or_init(Server::start).await;
        let number = server.next_database.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        server
            .execute(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
            .await;
        Self {
            url: server.url(&name),
        }
    }

    /// The database's URL, as configuration has it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Server {
    async fn start() -> Self {
        let (postgres, folder) = start().await;
        let server = Self {
            postgres,
            next_database: AtomicU32::new(1),
            _folder: folder,
        };
        server.execute(&format!("CREATE DATABASE {TEMPLATE}")).await;
        migrate(&server.url(TEMPLATE)).await;
        server
    }

    async fn execute(&self, statement: &str) {
        let mut admin = connect(&self.url("postgres")).await;
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&mut admin)
            .await
            .expect(statement);
    }

    fn url(&self, database: &str) -> String {
        self.postgres.url(database)
    }
}

/// Starts a server.
pub(crate) async fn start() -> (Postgres, TemporaryFolder) {
    let folder = TemporaryFolder::create().await.expect("a folder");
    let postgres = Postgres::start(folder.path(), Durability::Fast).await;
    let postgres = postgres.expect("PostgreSQL installed: apt-get install postgresql");
    (postgres, folder)
}

/// Applies every migration to a database.
pub(crate) async fn migrate(url: &str) {
    let store = Store::connect(url, 1).await.expect("a connection");
    store.migrate().await.expect("migrations that run");
    store.close().await;
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("a connection")
}
