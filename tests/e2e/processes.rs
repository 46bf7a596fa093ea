//! Processes that end with the test: the simulator, and polar-sync itself.

use std::{
    borrow::Cow,
    net::{SocketAddr, TcpListener},
    process::Stdio,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
};

use url::Url;

use super::world::within;

/// The AccessLink simulator. It ends when its standard input closes.
pub(crate) struct Sim {
    pub(crate) api: String,
    control: String,
    http: reqwest::Client,
    _stdin: ChildStdin,
    _child: Child,
}

impl Sim {
    /// Starts it, with more quota than anybody spends unless the arguments say otherwise.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let ample = ["--quota-scale", "100"];
        let is_ample = !arguments.contains(&ample[0]);
        let mut child = Command::new(env!("CARGO_BIN_EXE_accesslink-sim"))
            .args(["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .arg("--exit-on-stdin-close")
            .args(arguments)
            .args(ample.iter().filter(|_| is_ample))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = lines(&mut child);
        let line = lines
            .next_line()
            .await
            .unwrap()
            .expect("the simulator's addresses");
        let at: Value = serde_json::from_str(&line).unwrap();
        let url = |key: &str| format!("http://{}", at[key].as_str().unwrap());
        let (api, control, stdin) = (url("listen"), url("control"), child.stdin.take().unwrap());
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            api,
            control,
            http,
            _stdin: stdin,
            _child: child,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.control);
        let answer = self.http.get(&url).send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        assert!(status.is_success(), "{url}: {status} {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.send(reqwest::Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Value {
        self.send(reqwest::Method::PUT, path, body).await
    }

    /// Where a browser is sent that submits the form of the consent page.
    pub(crate) async fn redirect(&self, page: Url, decision: &[(&str, &str)]) -> Url {
        let (carried, mut action) = (page.query_pairs(), page.clone());
        let decision = decision
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()));
        let fields: Vec<(Cow<'_, str>, Cow<'_, str>)> = carried.chain(decision).collect();
        action.set_query(None);
        let answer = self.http.post(action).form(&fields).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        let target = answer.headers()["location"].to_str().unwrap();
        target.parse().unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) {
        self.send(reqwest::Method::DELETE, path, Value::Null).await;
    }

    async fn send(&self, method: reqwest::Method, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.control);
        let answer = self
            .http
            .request(method, &url)
            .json(&body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{url}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Answered requests of an operation so far, whatever their status.
    pub(crate) async fn requests(&self, operation: &str) -> u64 {
        let stats = self.get("/stats").await;
        let by_status = stats["requests"][operation]
            .as_object()
            .cloned()
            .unwrap_or_default();
        by_status.values().filter_map(Value::as_u64).sum()
    }
}

/// A role of polar-sync in a process of its own.
pub(crate) struct Role {
    pub(crate) child: Child,
    log: Option<JoinHandle<String>>,
}

impl Role {
    /// Spawns a role, which its options may follow.
    pub(crate) fn spawn(line: &str, environment: &[(String, String)], log: Stdio) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_polar-sync"))
            .args(line.split_whitespace())
            .envs(environment.iter().cloned())
            .env("POLAR_SYNC__TELEMETRY__METRICS_LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // Read at once: a full pipe would stop the process.
        let log = child.stderr.take().map(|mut log| {
            tokio::spawn(async move {
                let mut text = String::new();
                log.read_to_string(&mut text).await.unwrap();
                text
            })
        });
        Self { child, log }
    }

    /// Sends a signal, for example `-STOP`.
    pub(crate) async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill")
            .args([signal, &pid])
            .status()
            .await
            .unwrap();
        assert!(sent.success());
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and everything that was logged.
    pub(crate) async fn stop_and_read(mut self) -> String {
        let log = self.kept_log();
        self.stop().await;
        log.await.unwrap()
    }

    fn kept_log(&mut self) -> JoinHandle<String> {
        let log = self.log.take();
        log.expect("a process that was spawned with its log kept")
    }

    /// The exit code of a process that ends by itself, and everything that it logged.
    pub(crate) async fn ended(mut self) -> (Option<i32>, String) {
        let log = self.kept_log();
        let ended = within("the end of a process", self.child.wait()).await;
        (ended.unwrap().code(), log.await.unwrap())
    }

    /// SIGTERM, and the exit code.
    pub(crate) async fn stop(mut self) -> Option<i32> {
        self.signal("-TERM").await;
        within("the end of a process", self.child.wait())
            .await
            .unwrap()
            .code()
    }
}

/// A role whose log is kept, and whose metrics can be read.
pub(crate) struct Measured {
    pub(crate) role: Role,
    address: SocketAddr,
}

impl Measured {
    pub(crate) fn spawn(role: &str, environment: &[(String, String)]) -> Self {
        let address = free_address();
        let line = format!("{role} --set telemetry.metrics_listen={address}");
        let role = Role::spawn(&line, environment, Stdio::piped());
        Self { role, address }
    }

    /// Its metrics, as a scrape gets them.
    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.address);
        let answer = reqwest::get(&url).await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        answer.text().await.unwrap()
    }

    /// The sum of a metric over all its labels; 0 while none was recorded.
    pub(crate) async fn total(&self, metric: &str) -> f64 {
        let metrics = self.metrics().await;
        let values = metrics.lines().filter_map(|line| {
            let rest = line.strip_prefix(metric)?;
            let value = rest
                .starts_with(['{', ' '])
                .then(|| rest.rsplit(' ').next());
            value.flatten()
        });
        values.map(|value| value.parse::<f64>().unwrap()).sum()
    }
}

/// An address that is free now. Somebody else might take it in between: then the role ends, and the test says so.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// What a command said before it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Begins a command of polar-sync.
pub(crate) fn begin(line: &str, environment: &[(String, String)]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_polar-sync"))
        .args(line.split_whitespace())
        .envs(environment.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Runs a command of polar-sync to its end, with `input` as its standard input.
pub(crate) async fn command(line: &str, environment: &[(String, String)], input: &str) -> Said {
    let mut child = begin(line, environment);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let ended = within("the end of a command", child.wait_with_output()).await;
    let output = ended.unwrap();
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn lines(child: &mut Child) -> Lines<BufReader<ChildStdout>> {
    BufReader::new(child.stdout.take().unwrap()).lines()
}
