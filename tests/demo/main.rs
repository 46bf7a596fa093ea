//! `polar-sync demo` as a process: what it prints, and that it leaves nothing behind.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that called it"
)]

mod quickstart;

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout, Command},
};
use uuid::Uuid;

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The end of what is stopped; a worker drains for 30 s at most.
const END_PATIENCE: Duration = Duration::from_mins(1);

/// A folder of this test alone, which PostgreSQL's user can pass through.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let name = format!("polar-sync-demo.{}", Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o711).create(&path).unwrap();
        Self(path)
    }

    fn start(&self, line: &str) -> Child {
        self.start_at(line, "127.0.0.1:0")
    }

    /// Starts the demo, with its interface at this address.
    fn start_at(&self, line: &str, listen: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_polar-sync"))
            .args(["demo", "--json", "--listen", listen])
            .args(line.split_whitespace())
            .env("TMPDIR", &self.0)
            // Somebody's real servers, as a shell may have them.
            .env(
                "POLAR_SYNC__DATABASE__URL",
                "postgres:///real?host=/nowhere",
            )
            .env("POLAR_SYNC__ACCESSLINK__API_URL", "http://127.0.0.1:1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Runs the demo to its end.
    async fn run(&self, line: &str) -> Value {
        let output = self.start(line).wait_with_output().await.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Processes that have to do with this place.
    fn processes(&self) -> Vec<String> {
        let own = std::process::id().to_string();
        let lines = Path::new("/proc").read_dir().unwrap().flatten();
        lines
            .filter(|entry| *entry.file_name() != *own)
            .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
            .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
            .filter(|line| line.contains(&*self.0.to_string_lossy()))
            .collect()
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = self.0.read_dir().unwrap().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// Waits until no process is left, and no file but these.
    async fn is_left_with(&self, kept: &[PathBuf]) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let gone = async {
            while !self.processes().is_empty() || self.files() != kept {
                looks.tick().await;
            }
        };
        let gone = tokio::time::timeout(END_PATIENCE, gone).await;
        let (processes, files) = (self.processes(), self.files());
        assert!(gone.is_ok(), "left behind: {processes:?} {files:?}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Reads the summary of a demo that goes on.
async fn summary(stdout: ChildStdout) -> Value {
    let (mut lines, mut text) = (BufReader::new(stdout).lines(), String::new());
    while let Some(line) = lines.next_line().await.unwrap() {
        text.push_str(&line);
        // The document is indented: only its end is a brace of its own.
        if line == "}" {
            break;
        }
    }
    serde_json::from_str(&text).unwrap()
}

fn assert_in_step(summary: &Value, users: u64) {
    assert_eq!(summary["users"], users);
    assert_eq!(summary["ledger"]["equal"], true, "{summary}");
    for count in summary["ledger"]["counts"].as_array().unwrap() {
        assert_eq!(count["offered"], count["stored"], "{count}");
    }
    for name in ["workouts", "nights", "samples", "rows"] {
        assert!(summary[name].as_u64().unwrap() > 0, "{name}: {summary}");
    }
    let requests = &summary["requests"];
    assert!(requests["in_24_hours"]["used"].as_u64().unwrap() > users);
}

#[tokio::test]
async fn it_stores_what_was_offered_and_leaves_nothing_behind() {
    let place = Place::new();
    let summary = place.run("--exit --users 2").await;
    assert_in_step(&summary, 2);
    assert!(summary["runs"].as_u64().unwrap() >= 2, "{summary}");
    assert_eq!(summary["rows"], summary["rows_new"]);
    assert_eq!(place.processes(), Vec::<String>::new());
    assert_eq!(place.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_kept_folder_goes_on_after_a_kill() {
    let place = Place::new();
    let dir = place.0.join("kept");
    let line = format!("--users 1 --dir {}", dir.display());
    let mut demo = place.start(&line);
    let first = summary(demo.stdout.take().unwrap()).await;
    assert_in_step(&first, 1);
    assert!(!place.processes().is_empty());
    demo.kill().await.unwrap();
    let kept = [dir];
    place.is_left_with(&kept).await;

    let second = place.run(&format!("{line} --exit")).await;
    assert_in_step(&second, 1);
    assert_eq!(second["rows"], first["rows"]);
    assert_eq!(place.processes(), Vec::<String>::new());
    assert_eq!(place.files(), kept);
}

#[tokio::test]
async fn told_to_stop_it_ends_in_order_wherever_it_is() {
    let place = Place::new();
    let mut demo = place.start("--users 1");
    let mut stderr = BufReader::new(demo.stderr.take().unwrap()).lines();
    while let Some(line) = stderr.next_line().await.unwrap() {
        if line.contains("connecting users") {
            break;
        }
    }
    let pid = demo.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status().await;
    assert!(sent.unwrap().success());
    let mut rest = String::new();
    stderr.into_inner().read_to_string(&mut rest).await.unwrap();
    assert_eq!(demo.wait().await.unwrap().code(), Some(0), "{rest}");
    assert_eq!(place.processes(), Vec::<String>::new());
    assert_eq!(place.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_folder_with_something_else_in_it_is_left_alone() {
    let place = Place::new();
    let dir = place.0.join("home");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("letter"), "dear").unwrap();
    let line = format!("--exit --dir {}", dir.display());
    let output = place.start(&line).wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(17));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("there is something else in it"), "{stderr}");
    assert_eq!(dir.read_dir().unwrap().count(), 1);
}
