//! The database of a world: one of many on a shared server, or one whose server can be restarted.

use polar_sync::ops::servers::{DATABASE, Durability, Postgres, TemporaryFolder};

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

    /// Stops the server under its clients, and starts it again.
    pub(crate) async fn restart(&mut self) {
        let (postgres, folder) = self.server.take().expect("others use a shared server");
        postgres.stop().await.unwrap();
        let postgres = Postgres::start(folder.path(), Durability::Fast).await;
        self.server = Some((postgres.unwrap(), folder));
    }
}
