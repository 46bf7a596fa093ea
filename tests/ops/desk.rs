//! An operator's desk: a database, a Redis, and the executable.

use std::{
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
};
use uuid::Uuid;

use super::support::postgres::TestDatabase;

/// No wait is longer, on the slowest machine.
const DEADLINE: Duration = Duration::from_mins(1);

/// A key as an operator would write it.
pub(crate) const KEY: &str = "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A database, a Redis, and the settings of processes.
pub(crate) struct Desk {
    database: TestDatabase,
    redis: Redis,
    settings: Vec<(String, String)>,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// Data, of a command that must have succeeded.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Checks how it failed: the code, and that the one line of the error holds this.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, holds: &str) {
        assert_eq!(self.code, code, "{self:?}");
        let error = self.stderr.lines().last().unwrap_or_default();
        assert!(
            error.starts_with("error: ") && error.contains(holds),
            "{self:?}"
        );
    }

    /// Checks that it succeeded, and that the output holds this.
    #[track_caller]
    pub(crate) fn told(&self, holds: &str) {
        assert_eq!(self.code, 0, "{self:?}");
        assert!(self.stdout.contains(holds), "{self:?}");
    }
}

impl Desk {
    /// A desk with nobody connected.
    pub(crate) async fn new() -> Self {
        let (database, redis) = (TestDatabase::create().await, Redis::start().await);
        let mut desk = Self {
            database,
            redis,
            settings: Vec::new(),
        };
        let (database, redis) = (desk.database.url().to_owned(), desk.redis.url());
        desk.set("DATABASE_URL", &database);
        desk.set("REDIS_URL", &redis);
        desk.set("POLAR_SYNC__SECURITY__KEYS", KEY);
        desk.set("POLAR_SYNC__TELEMETRY__LOG", "error");
        desk.set("USER", "night-shift");
        desk
    }

    /// A desk with `user_001` to `user_00N` connected.
    pub(crate) async fn with_users(users: u32) -> Self {
        let desk = Self::new().await;
        let line = |n| {
            let (user, account) = (format!("user_{n:03}"), 10_000_000 + n);
            format!(
                r#"{{"user_id":"{user}","polar_user_id":{account},"access_token":"canary{n}"}}"#
            )
        };
        let lines: Vec<_> = (1..=users).map(line).collect();
        desk.feed("users import -", &lines.join("\n"))
            .await
            .told("imported");
        desk
    }

    /// Sets a variable of commands that are run afterwards.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn redis(&self) -> &Redis {
        &self.redis
    }

    pub(crate) fn database_url(&self) -> &str {
        self.database.url()
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, line: &str) -> Said {
        self.feed(line, "").await
    }

    /// Runs a command that reads `input`.
    pub(crate) async fn feed(&self, line: &str, input: &str) -> Said {
        let mut child = self.spawn(line);
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // A command may end without reading all of it.
        let feeding = tokio::spawn(async move { stdin.write_all(input.as_bytes()).await });
        let said = ended(child).await;
        let _ = feeding.await;
        said
    }

    /// Begins a command.
    pub(crate) fn spawn(&self, line: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_polar-sync"))
            .args(line.split_whitespace())
            .env_clear()
            .envs(self.settings.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Executes statements.
    pub(crate) async fn execute(&self, sql: &str) {
        let mut db = PgConnection::connect(self.database.url()).await.unwrap();
        let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        statement.execute(&mut db).await.unwrap();
    }

    /// Reads one text.
    pub(crate) async fn text(&self, sql: &str) -> String {
        let mut db = PgConnection::connect(self.database.url()).await.unwrap();
        let query = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let text: Option<String> = query.fetch_one(&mut db).await.unwrap().get(0);
        text.unwrap_or_default()
    }

    /// Waits until a query gives this text.
    pub(crate) async fn until(&self, sql: &str, text: &str) {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        let waiting = async {
            while self.text(sql).await != text {
                looks.tick().await;
            }
        };
        tokio::time::timeout(DEADLINE, waiting).await.expect(sql);
    }
}

/// Waits for a command's end.
pub(crate) async fn ended(child: Child) -> Said {
    let ended = tokio::time::timeout(DEADLINE, child.wait_with_output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = ended.expect("the command's end").unwrap();
    Said {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// A redis-server of its own.
pub(crate) struct Redis {
    folder: PathBuf,
    child: Child,
}

impl Redis {
    async fn start() -> Self {
        let name = format!("polar-sync-ops-{}", Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let mut child = Command::new("redis-server")
            .current_dir(&folder)
            .args(["--port", "0", "--unixsocket", "r.sock", "--save", ""])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server is installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("eady to accept connections") {
                break;
            }
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { folder, child }
    }

    fn url(&self) -> String {
        format!("redis+unix://{}/r.sock", self.folder.display())
    }

    /// Sends one command as `redis-cli` would.
    pub(crate) async fn command<T: redis::FromRedisValue>(&self, line: &[&str]) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd(line[0]);
        command.arg(&line[1..]);
        command.query_async(&mut connection).await.unwrap()
    }

    /// How many entries a lane has.
    pub(crate) async fn entries(&self, lane: &str) -> usize {
        self.command(&["XLEN", &format!("polar-sync:jobs:{lane}")])
            .await
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
