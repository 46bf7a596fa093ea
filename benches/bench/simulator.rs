//! The AccessLink simulator. It ends when its standard input closes.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin, Command},
};

/// The first account's id.
pub(crate) const FIRST_ACCOUNT: i64 = 10_000_001;

/// A factor on Polar's rate limits that no measurement reaches.
const QUOTA_SCALE: &str = "1000";

pub(crate) struct Simulator {
    pub(crate) api: String,
    control: String,
    http: reqwest::Client,
    _stdin: ChildStdin,
    _child: Child,
}

impl Simulator {
    /// Starts one with so many accounts of a profile.
    pub(crate) async fn start(profile: &str, accounts: usize) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_accesslink-sim"))
            .args(["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .args(["--exit-on-stdin-close", "--quota-scale", QUOTA_SCALE])
            .args(["--profile", profile, "--users", &accounts.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("its addresses");
        let at: Value = serde_json::from_str(&line).unwrap();
        let url = |key: &str| format!("http://{}", at[key].as_str().unwrap());
        Self {
            api: url("listen"),
            control: url("control"),
            http: reqwest::Client::builder().build().unwrap(),
            _stdin: child.stdin.take().unwrap(),
            _child: child,
        }
    }

    /// Registers an account, which uploads what it has; its access token.
    pub(crate) async fn token(&self, account: i64) -> String {
        let url = format!("{}/users/{account}/token", self.control);
        let body = json!({"registered": true});
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        let tokens: Value = answer.error_for_status().unwrap().json().await.unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    /// What it answered so far, and the processor time that this took.
    pub(crate) async fn stats(&self) -> Stats {
        let url = format!("{}/stats", self.control);
        let answer = self.http.get(url).send().await.unwrap();
        let stats: Value = answer.json().await.unwrap();
        let operations = stats["requests"].as_object().unwrap().iter();
        let answers = operations.flat_map(|(operation, statuses)| {
            let statuses = statuses.as_object().unwrap().iter();
            statuses.map(move |(status, count)| {
                (format!("{operation} {status}"), count.as_u64().unwrap())
            })
        });
        Stats {
            answers: answers.collect(),
            cpu_s: stats["cpu_s"].as_f64().unwrap(),
        }
    }
}

pub(crate) struct Stats {
    /// How often, by operation and status.
    pub(crate) answers: std::collections::BTreeMap<String, u64>,
    pub(crate) cpu_s: f64,
}
