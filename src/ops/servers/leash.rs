//! Processes on a leash: each ends when the process that started it ends, killed or not.
//!
//! A leash is a pipe. A shell begins to watch its end of it in the background, and then becomes the program
//! itself, so that the process id and the exit status are the program's. When the other end
//! closes, the watcher sends the signal that makes the program stop in order; a line on the pipe
//! tells it that there is nobody left to stop.

use std::{
    ffi::OsStr,
    io::{self, PipeWriter, Write},
    process::ExitStatus,
    time::Duration,
};

use tokio::process::{Child, Command};

/// Without the watcher holding on to anything of the program's: its standard output must end with it.
const SCRIPT: &str = r#"
exec 3<&0 </dev/null
{ read -r _ || kill -s "$1" $$; } <&3 3<&- >/dev/null 2>&1 &
exec 3<&-
shift
exec "$@"
"#;

/// The signal that makes a program stop in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopBy {
    /// SIGTERM.
    Term,
    /// SIGINT, by which PostgreSQL does not wait for its clients.
    Int,
}

/// A command that runs `program` on a leash, once [`Leashed::spawn`] starts it. Arguments and
/// environment are added as to any other command.
pub fn command(program: impl AsRef<OsStr>, stop_by: StopBy) -> Command {
    let signal = match stop_by {
        StopBy::Term => "TERM",
        StopBy::Int => "INT",
    };
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh", signal]).arg(program);
    command
}

/// A process on a leash. Dropping it stops it, without waiting for its end.
#[derive(Debug)]
pub struct Leashed {
    child: Child,
    leash: Option<PipeWriter>,
}

impl Leashed {
    /// Starts what [`command`] made, out of reach of the terminal's Ctrl-C: who holds the leash
    /// decides about the order in which processes stop.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let (end, leash) = io::pipe()?;
        let child = command.stdin(end).process_group(0).spawn()?;
        // The command would keep the other end of the pipe open.
        command.stdin(std::process::Stdio::null());
        Ok(Self {
            child,
            leash: Some(leash),
        })
    }

    /// The process, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        if let Some(mut leash) = self.leash.take() {
            // Its id may be another process' soon. Without a watcher there is nobody to tell.
            let _ = leash.write_all(b"\n");
        }
        Ok(status)
    }

    /// Stops it in order; kills it when it has not ended after `patience`.
    pub async fn stop(mut self, patience: Duration) -> io::Result<ExitStatus> {
        drop(self.leash.take());
        if let Ok(status) = tokio::time::timeout(patience, self.child.wait()).await {
            return status;
        }
        self.child.kill().await?;
        self.child.wait().await
    }

    /// `kill -9`, if it runs.
    pub async fn kill(&mut self) -> io::Result<()> {
        if self.id().is_some() {
            self.child.start_kill()?;
            self.ended().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Says its process id, and what stopped it.
    const TOY: &str = "trap 'echo stopped; exit 7' TERM; echo $$; while :; do sleep 0.02; done";

    async fn toy() -> (Leashed, BufReader<tokio::process::ChildStdout>) {
        let mut command = command("sh", StopBy::Term);
        command.args(["-c", TOY]).stdout(Stdio::piped());
        let mut toy = Leashed::spawn(&mut command).unwrap();
        let mut stdout = BufReader::new(toy.child().stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).await.unwrap();
        assert_eq!(line.trim(), toy.id().unwrap().to_string());
        (toy, stdout)
    }

    #[tokio::test]
    async fn a_process_is_stopped_in_order_and_its_status_is_its_own() {
        let (toy, mut stdout) = toy().await;
        assert_eq!(toy.stop(PATIENCE).await.unwrap().code(), Some(7));
        let mut said = String::new();
        stdout.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "stopped\n");
    }

    #[tokio::test]
    async fn a_leash_that_is_let_go_of_stops_the_process() {
        let (toy, mut stdout) = toy().await;
        drop(toy);
        let mut said = String::new();
        stdout.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "stopped\n");
    }

    #[tokio::test]
    async fn the_end_of_a_process_is_told_and_its_output_ends() {
        let (mut toy, mut stdout) = toy().await;
        toy.kill().await.unwrap();
        let mut said = String::new();
        stdout.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "");
    }
}
