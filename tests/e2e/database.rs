//! The database of a world: one of many on a shared server, or one whose server can be restarted.

use polar_sync::ops::servers::{DATABASE, Durability, Postgres, TemporaryFolder};
use sqlx::{Connection as _, PgConnection};
use tokio::process::Command;

use super::support::postgres::{TestDatabase, migrate, start};

/// A login for each role of a process, and one for operators' commands: none owns anything.
const LOGINS: &str = "DO $$ BEGIN
    CREATE ROLE worker_login LOGIN IN ROLE polar_sync_worker;
    CREATE ROLE scheduler_login LOGIN IN ROLE polar_sync_scheduler;
    CREATE ROLE api_login LOGIN IN ROLE polar_sync_api;
    CREATE ROLE all_login LOGIN IN ROLE polar_sync_worker, polar_sync_scheduler, polar_sync_api;
    CREATE ROLE operator_login LOGIN IN ROLE polar_sync_operator;
EXCEPTION
    -- They belong to the server, which other tests of this process may use, too.
    WHEN duplicate_object OR unique_violation THEN NULL;
END $$";

pub(crate) struct Database {
    url: String,
    /// Its server, where that is its own.
    server: Option<Server>,
}

/// A server of a world's own; none runs while it is away.
type Server = (Option<Postgres>, TemporaryFolder);

impl Database {
    pub(crate) async fn shared() -> Self {
        Self::with_logins(TestDatabase::create().await.url().to_owned(), None).await
    }

    pub(crate) async fn own() -> Self {
        let (postgres, folder) = start().await;
        let url = postgres.url(DATABASE);
        migrate(&url).await;
        Self::with_logins(url, Some((Some(postgres), folder))).await
    }

    async fn with_logins(url: String, server: Option<Server>) -> Self {
        let mut owner = PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(LOGINS).execute(&mut owner).await.unwrap();
        Self { url, server }
    }

    /// For whoever owns everything.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// For a role of a process, or for `operator`.
    pub(crate) fn url_of(&self, role: &str) -> String {
        let user = format!("postgres://{role}_login@");
        self.url.replacen("postgres://postgres@", &user, 1)
    }

    /// Has its own server ask a user for a password, who comes in without one else.
    pub(crate) async fn ask_for_passwords(&self, user: &str) {
        let (_, folder) = self.server.as_ref().expect("others use a shared server");
        let rules = folder.path().join("postgres/data/pg_hba.conf");
        let others = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, format!("local all {user} scram-sha-256\n{others}")).unwrap();
        let mut owner = PgConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql("SELECT pg_reload_conf()")
            .execute(&mut owner)
            .await
            .unwrap();
    }

    /// What its own server has logged.
    pub(crate) fn log(&self) -> String {
        let (_, folder) = self.server.as_ref().expect("others use a shared server");
        std::fs::read_to_string(folder.path().join("postgres/log")).unwrap()
    }

    /// Stops the server under its clients at once, as a crash would, and starts it again: it recovers from its log.
    pub(crate) async fn restart(&mut self) {
        self.crash().await;
        self.recover().await;
    }

    /// Stops the server under its clients at once, as a crash would. It is away until it recovers.
    pub(crate) async fn crash(&mut self) {
        let (postgres, _) = self.server.as_mut().expect("others use a shared server");
        let mut postgres = postgres.take().expect("a server that runs");
        let pid = postgres.id().expect("a server that runs").to_string();
        let sent = Command::new("kill").args(["-QUIT", &pid]).status().await;
        assert!(sent.unwrap().success());
        postgres.ended().await.unwrap();
    }

    /// Starts the server again after a crash.
    pub(crate) async fn recover(&mut self) {
        let (postgres, folder) = self.server.as_mut().expect("others use a shared server");
        let started = Postgres::start(folder.path(), Durability::Fast).await;
        *postgres = Some(started.unwrap());
    }
}
