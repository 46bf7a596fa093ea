//! TLS to Postgres and Redis: who is trusted, who is not, and that nothing goes over an open line instead.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod authority;
mod postgres;
mod redis;

use std::{net::TcpListener, process::Stdio};

use tokio::process::Command;

/// What a command said before it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

/// Runs a command with these settings alone.
pub(crate) async fn polar_sync(line: &str, settings: &[(&str, &str)]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_polar-sync"))
        .args(line.split_whitespace())
        .env_clear()
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    Said {
        code: output.status.code(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A port that is free now. Somebody else might take it in between: then the server ends, and the test says so.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
