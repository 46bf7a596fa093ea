//! A private Postgres for tests: one server for all tests of a process, a database for each test.
//!
//! The server's files live in a temporary folder and it listens on a socket in there only. A shell
//! watches over it: when the pipe from this process closes, however the process ended, the shell
//! stops the server and removes the folder.
//!
//! Trades durability for speed (`fsync` off): a store that insists on it has to be told.

use std::{
    fs::metadata,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use polar_sync::store::Store;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;

/// Where Debian and Ubuntu keep the server's programs, by version.
const POSTGRES_HOME: &str = "/usr/lib/postgresql";

/// The database that every test's database is a copy of.
const TEMPLATE: &str = "polar_sync_template";

/// Starts a server, says where, and stops it when the standard input ends.
const SUPERVISOR: &str = r#"
set -eu
bin=$1
dir=$(mktemp -d /tmp/polar-sync-test.XXXXXX)
trap '"$bin/pg_ctl" stop -D "$dir/data" -m immediate >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir"
"$bin/initdb" -D data -U postgres -A trust -E UTF8 --locale=C --no-sync >log 2>&1 || { cat log >&2; exit 1; }
"$bin/pg_ctl" start -w -D data -l log -o "-k '$dir' -c listen_addresses= -c fsync=off \
    -c full_page_writes=off -c max_connections=300 -c shared_buffers=64MB -c jit=off" >/dev/null || { cat log >&2; exit 1; }
echo "$dir"
read -r _ || true
"#;

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// A running server. Its end is the end of the pipe to the supervisor.
struct Server {
    socket_dir: String,
    next_database: AtomicU32,
    _supervisor: Child,
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
        let mut supervisor = supervisor()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh, and runuser when root");
        let mut socket_dir = String::new();
        let stdout = supervisor.stdout.take().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut socket_dir)
            .expect("the server's folder");
        let server = Self {
            socket_dir: socket_dir.trim().to_owned(),
            next_database: AtomicU32::new(1),
            _supervisor: supervisor,
        };
        assert!(
            !server.socket_dir.is_empty(),
            "Postgres did not start; see above"
        );
        server.execute(&format!("CREATE DATABASE {TEMPLATE}")).await;
        server.migrate_template().await;
        server
    }

    async fn migrate_template(&self) {
        let template = Store::connect(&self.url(TEMPLATE), 1).await;
        let template = template.expect("a connection");
        template.migrate().await.expect("migrations that run");
        template.close().await;
    }

    async fn execute(&self, statement: &str) {
        let mut admin = connect(&self.url("postgres")).await;
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&mut admin)
            .await
            .expect(statement);
    }

    fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@localhost/{database}?host={}",
            self.socket_dir
        )
    }
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("a connection")
}

/// The supervisor, as a user that Postgres agrees to run as: it refuses root.
fn supervisor() -> Command {
    let shell = ["sh", "-c", SUPERVISOR, "sh"];
    let is_root = metadata("/proc/self").is_ok_and(|this| this.uid() == 0);
    let mut command = if is_root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).args(shell);
        command
    } else {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]);
        command
    };
    command.arg(newest_bin()).current_dir("/");
    command
}

/// The programs of the newest version that is installed.
fn newest_bin() -> PathBuf {
    let version = |path: &PathBuf| -> u32 {
        let name = path.parent().and_then(Path::file_name);
        name.and_then(|name| name.to_str()?.parse().ok())
            .unwrap_or(0)
    };
    Path::new(POSTGRES_HOME)
        .read_dir()
        .expect("PostgreSQL installed: apt-get install postgresql")
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .max_by_key(version)
        .expect("PostgreSQL's server programs")
}
