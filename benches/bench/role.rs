//! A role of polar-sync in a process of its own, as it is shipped.

use std::{
    collections::BTreeMap,
    fs::File,
    net::TcpListener,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin, Command},
};

/// Runs a program, says its process id, and ends it when the standard input ends, which it does
/// however the process at the other end ends.
const SUPERVISOR: &str = r#"
trap 'kill "$child" 2>/dev/null; wait "$child"' EXIT
trap 'exit 1' HUP INT TERM
"$@" </dev/null >/dev/null &
child=$!
echo "$child"
read -r _ || true
"#;

/// How long a role may take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Between two looks at whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) struct Role {
    pub(crate) pid: u32,
    address: String,
    http: reqwest::Client,
    stdin: ChildStdin,
    supervisor: Child,
    log: PathBuf,
}

impl Role {
    /// Starts a role and waits until it is ready. Its log goes to a file.
    pub(crate) async fn start(role: &str, settings: &[(String, String)], log: PathBuf) -> Self {
        let address = free_address();
        let mut supervisor = Command::new("sh")
            .args([
                "-c",
                SUPERVISOR,
                "sh",
                env!("CARGO_BIN_EXE_polar-sync"),
                role,
            ])
            .envs(settings.iter().cloned())
            .env("POLAR_SYNC__TELEMETRY__METRICS_LISTEN", &address)
            .env("POLAR_SYNC__API__LISTEN", &address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
        let pid = lines.next_line().await.unwrap().expect("a process id");
        let role = Self {
            pid: pid.parse().unwrap(),
            address,
            http: reqwest::Client::builder().build().unwrap(),
            stdin: supervisor.stdin.take().unwrap(),
            supervisor,
            log,
        };
        role.until_ready().await;
        role
    }

    async fn until_ready(&self) {
        let deadline = Instant::now() + READY_WITHIN;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        while self.get("readyz").await.is_none() {
            let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
            assert!(Instant::now() < deadline, "it is not ready; {}", log());
            looks.tick().await;
        }
    }

    /// Committed Postgres transactions so far, by name.
    pub(crate) async fn transactions(&self) -> BTreeMap<String, f64> {
        let metrics = self.get("metrics").await.expect("metrics");
        let lines = metrics.lines();
        let of_tx = lines.filter_map(|line| line.strip_prefix("polar_sync_store_tx_total{name=\""));
        let counts = of_tx.filter_map(|rest| rest.split_once("\"} "));
        counts
            .map(|(name, count)| (name.to_owned(), count.parse().unwrap()))
            .collect()
    }

    /// Where it answers.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn get(&self, path: &str) -> Option<String> {
        let url = format!("{}/{path}", self.base());
        let answer = self.http.get(url).send().await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        drop(self.stdin);
        self.supervisor.wait().await.unwrap();
    }
}

/// An address that nobody listens on.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().unwrap().to_string()
}
