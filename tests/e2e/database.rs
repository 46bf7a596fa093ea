//! The database of a world: one of many on a shared server, or one whose server can be restarted.

use polar_sync::ops::servers::{DATABASE, Durability, Postgres, TemporaryFolder};
use tokio::process::Command;

use super::support::postgres::{TestDatabase, migrate, start};

pub(crate) struct Database {
    url: String,
    /// Its server, where that is its own.
    server: Option<(Postgres, TemporaryFolder)>,
}

impl Database {
    pub(crate) async fn shared() -> Self {
        Self {
            url: TestDatabase::create().await.url().to_owned(),
            server: None,
        }
    }

    pub(crate) async fn own() -> Self {
        let (postgres, folder) = start().await;
        let url = postgres.url(DATABASE);
        migrate(&url).await;
        Self {
            url,
            server: Some((postgres, folder)),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server under its clients at once, as a crash would, and starts it again: it recovers from its log.
    pub(crate) async fn restart(&mut self) {
        let (mut postgres, folder) = self.server.take().expect("others use a shared server");
        let pid = postgres.id().expect("a server that runs").to_string();
        let sent = Command::new("kill").args(["-QUIT", &pid]).status().await;
        assert!(sent.unwrap().success());
        postgres.ended().await.unwrap();
        let postgres = Postgres::start(folder.path(), Durability::Fast).await;
        self.server = Some((postgres.unwrap(), folder));
    }
}
