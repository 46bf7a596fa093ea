//! A Redis of one's own.

use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{
    Leashed, STOP_PATIENCE, ServerError,
    leash::{self, StopBy},
    until_it_answers,
};

/// The server's program.
pub(super) const NAME: &str = "redis-server";

/// The socket, in the server's folder.
const SOCKET: &str = "redis.sock";

/// What a killed server has when it is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing.
    Nothing,
    /// All but the last second, as with `appendonly yes` in production.
    AlmostEverything,
    /// All that it answered to.
    Everything,
}

/// A running server.
#[derive(Debug)]
pub struct Redis {
    folder: PathBuf,
    keeps: Keeps,
    options: Vec<String>,
    process: Leashed,
}

impl Redis {
    /// Starts one that has its files and its socket in `folder/redis`.
    pub async fn start(folder: &Path, keeps: Keeps) -> Result<Self, ServerError> {
        Self::start_with(folder, keeps, Vec::new()).await
    }

    /// Starts one with options of the caller's on its command line.
    pub async fn start_with(
        folder: &Path,
        keeps: Keeps,
        options: Vec<String>,
    ) -> Result<Self, ServerError> {
        let folder = folder.join("redis");
        let doing = format!("make the folder {}", folder.display());
        std::fs::create_dir_all(&folder).map_err(ServerError::while_doing(doing))?;
        let process = spawn(&folder, keeps, &options).await?;
        Ok(Self {
            folder,
            keeps,
            options,
            process,
        })
    }

    /// Its URL, as configuration has it.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.join(SOCKET).display())
    }

    /// The id of its process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits for its end, which nobody asked for.
    pub async fn ended(&mut self) -> io::Result<std::process::ExitStatus> {
        self.process.ended().await
    }

    /// `kill -9`.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.process.kill().await
    }

    /// `kill -9`, and a new start.
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        let killed = self.kill().await;
        killed.map_err(ServerError::while_doing("kill Redis"))?;
        self.process = spawn(&self.folder, self.keeps, &self.options).await?;
        Ok(())
    }

    /// Stops it.
    pub async fn stop(self) -> io::Result<()> {
        self.process.stop(STOP_PATIENCE).await.map(drop)
    }
}

async fn spawn(folder: &Path, keeps: Keeps, options: &[String]) -> Result<Leashed, ServerError> {
    let log = folder.join("log");
    let failed = || ServerError::while_doing("write the log of Redis");
    let written = std::fs::File::create(&log).map_err(failed())?;
    let errors = written.try_clone().map_err(failed())?;
    let (appends, flushes) = match keeps {
        Keeps::Nothing => ("no", "no"),
        Keeps::AlmostEverything => ("yes", "everysec"),
        Keeps::Everything => ("yes", "always"),
    };
    let mut command = leash::command(NAME, StopBy::Term);
    command
        .current_dir(folder)
        .args([
            "--port",
            "0",
            "--unixsocket",
            SOCKET,
            "--unixsocketperm",
            "700",
        ])
        .args([
            "--save",
            "",
            "--appendonly",
            appends,
            "--appendfsync",
            flushes,
        ])
        .args(options)
        .stdout(written)
        .stderr(errors);
    let process = Leashed::spawn(&mut command);
    let mut process = process.map_err(ServerError::while_doing("start Redis"))?;
    let socket = folder.join(SOCKET);
    until_it_answers(NAME, &mut process, &log, async || is_ready(&socket).await).await?;
    Ok(process)
}

/// Whether the server answers, its data loaded.
async fn is_ready(socket: &Path) -> bool {
    let answer = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        io::Result::Ok(answer)
    };
    answer.await.is_ok_and(|answer| &answer == b"+PONG")
}
