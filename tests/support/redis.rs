//! A Redis of a test's own.

use polar_sync::ops::servers::{Keeps, Redis, TemporaryFolder};

/// A redis-server, gone with the test.
pub(crate) struct TestRedis {
    // Dropped first: the folder waits for nobody.
    pub(crate) server: Redis,
    _folder: TemporaryFolder,
}

impl TestRedis {
    pub(crate) async fn start(keeps: Keeps) -> Self {
        let folder = TemporaryFolder::create().await.unwrap();
        let server = Redis::start(folder.path(), keeps).await.unwrap();
        Self {
            server,
            _folder: folder,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// `kill -9`, and a new start.
    pub(crate) async fn restart(&mut self) {
        self.server.restart().await.unwrap();
    }

    /// Sends one command as `redis-cli` would.
    pub(crate) async fn command<T: redis::FromRedisValue>(&self, line: &[&str]) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd(line[0]);
        command.arg(&line[1..]);
        command.query_async(&mut connection).await.unwrap()
    }
}
