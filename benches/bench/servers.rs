//! Private servers, as durable as in production: Postgres with `fsync`, in a folder on a disk, and
//! Redis with the persistence of `deploy`.
//!
//! A shell watches over them: when the pipe from this process closes, however the process ended, it
//! stops both and removes the folder.

use std::{
    fs::metadata,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use polar_sync::store::Store;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Where Debian and Ubuntu keep the server's programs, by version.
const POSTGRES_HOME: &str = "/usr/lib/postgresql";

/// Starts both servers, says where and as which processes, and stops them when the standard input
/// ends. A folder below `/var/tmp` outlives a restart of the machine, so it is on a disk; where it
/// is not, there is nothing to measure.
const SUPERVISOR: &str = r#"
set -eu
bin=$1
dir=$(mktemp -d /var/tmp/polar-sync-bench.XXXXXX)
redis=
trap 'kill $redis 2>/dev/null || true; "$bin/pg_ctl" stop -D "$dir/data" -m immediate >/dev/null 2>&1 || true
    rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
case $(stat -f -c %T "$dir") in tmpfs | ramfs) echo "error: /var/tmp is not on a disk" >&2; exit 1 ;; esac
cd "$dir"
"$bin/initdb" -D data -U postgres -A trust -E UTF8 --locale=C >log 2>&1 || { cat log >&2; exit 1; }
"$bin/pg_ctl" start -w -D data -l log -o "-k '$dir' -c listen_addresses= -c fsync=on -c synchronous_commit=on \
    -c max_connections=200 -c shared_buffers=256MB -c max_wal_size=4GB -c jit=off" >/dev/null || { cat log >&2; exit 1; }
redis-server --port 0 --unixsocket redis.sock --dir "$dir" --save '' --appendonly yes \
    --maxmemory-policy noeviction >redis.log 2>&1 &
redis=$!
tries=0
until [ -S redis.sock ]; do
    tries=$((tries + 1))
    [ $tries -le 100 ] || { cat redis.log >&2; exit 1; }
    sleep 0.1
done
echo "$dir"
echo "$(head -n 1 data/postmaster.pid)"
echo "$redis"
read -r _ || true
"#;

/// Both servers. Their end is the end of the pipe to the supervisor.
pub(crate) struct Servers {
    folder: PathBuf,
    postgres_pid: u32,
    redis_pid: u32,
    _supervisor: Child,
}

impl Servers {
    pub(crate) fn start() -> Self {
        let mut supervisor = supervisor()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh, and runuser when root");
        let lines = BufReader::new(supervisor.stdout.take().expect("a pipe")).lines();
        let said: Vec<_> = lines.take(3).map_while(Result::ok).collect();
        let [folder, postgres_pid, redis_pid] = said.as_slice() else {
            panic!("the servers did not start; see above");
        };
        Self {
            folder: folder.into(),
            postgres_pid: postgres_pid.parse().expect("a process id"),
            redis_pid: redis_pid.parse().expect("a process id"),
            _supervisor: supervisor,
        }
    }

    /// A folder on the servers' disk, gone with them.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn postgres_pid(&self) -> u32 {
        self.postgres_pid
    }

    pub(crate) fn redis_pid(&self) -> u32 {
        self.redis_pid
    }

    pub(crate) fn redis_url(&self) -> String {
        format!("redis+unix://{}/redis.sock", self.folder.display())
    }

    /// The URL of a new database with every migration.
    pub(crate) async fn create_database(&self, name: &str) -> String {
        let create = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(&mut self.admin().await)
            .await
            .expect("a new database");
        let url = self.database_url(name);
        let store = Store::connect(&url, 1).await.expect("a connection");
        store.migrate().await.expect("migrations that run");
        store.close().await;
        url
    }

    /// A connection that is in nobody's way: to a database of its own.
    pub(crate) async fn admin(&self) -> PgConnection {
        let url = self.database_url("postgres");
        PgConnection::connect(&url).await.expect("a connection")
    }

    fn database_url(&self, database: &str) -> String {
        let folder = self.folder.display();
        format!("postgres://postgres@localhost/{database}?host={folder}")
    }
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
