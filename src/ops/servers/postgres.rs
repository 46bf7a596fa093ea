//! A PostgreSQL of one's own.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{io::AsyncWriteExt, process::Command};

use super::{
    Leashed, NO_SUCH_PROGRAM, STOP_PATIENCE, ServerError, last_words,
    leash::{self, StopBy},
    owner::Owner,
    until_it_answers,
};

/// The server's program.
const NAME: &str = "postgres";

/// Where Debian and Ubuntu keep the server's programs, by version; elsewhere they are on the PATH.
const HOME: &str = "/usr/lib/postgresql";

/// The database that is there from the start.
pub const DATABASE: &str = "polar_sync";

/// The line of `postmaster.pid` that tells how far the server is.
const STATUS_LINE: usize = 7;

/// Whether the server keeps what it commits when the machine loses power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It does, as a worker insists on.
    Durable,
    /// It trades that for speed: workers have to be told (`database.allow_unsafe`).
    Fast,
}

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    process: Leashed,
}

impl Postgres {
    /// Starts one that has its files and its socket in `folder/postgres`, with what is there from an
    /// earlier time.
    pub async fn start(folder: &Path, durability: Durability) -> Result<Self, ServerError> {
        Self::start_with(folder, durability, &[]).await
    }

    /// Starts one with settings of the caller's, each `name=value`; they are stronger than ours.
    pub async fn start_with(
        folder: &Path,
        durability: Durability,
        settings: &[String],
    ) -> Result<Self, ServerError> {
        super::check_folder(folder)?;
        let owner = Owner::needed()?;
        let folder = folder.join(NAME);
        make_folder(&folder, owner).map_err(ServerError::while_doing(format!(
            "make the folder {}",
            folder.display()
        )))?;
        let programs = Programs {
            folder: newest(Path::new(HOME)),
            owner,
        };
        if !folder.join("data").exists() {
            programs.make_data(&folder).await?;
        }
        let process = programs.serve(&folder, durability, settings).await?;
        Ok(Self { folder, process })
    }

    /// The URL of one of its databases, as configuration and psql have it.
    pub fn url(&self, database: &str) -> String {
        // The port is part of the socket's name; without it psql would follow PGPORT.
        format!(
            "postgres://{NAME}@localhost:5432/{database}?host={}",
            self.folder.display()
        )
    }

    /// The id of its process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits for its end, which nobody asked for.
    pub async fn ended(&mut self) -> io::Result<std::process::ExitStatus> {
        self.process.ended().await
    }

    /// Stops it, without waiting for its clients.
    pub async fn stop(self) -> io::Result<()> {
        self.process.stop(STOP_PATIENCE).await.map(drop)
    }
}

fn make_folder(folder: &Path, owner: Option<Owner>) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    owner.map_or(Ok(()), |owner| owner.give(folder))
}

/// The programs of one version, and who runs them.
struct Programs {
    folder: PathBuf,
    owner: Option<Owner>,
}

impl Programs {
    /// Makes the files of a new server: whole, or not at all.
    async fn make_data(&self, folder: &Path) -> Result<(), ServerError> {
        let unfinished = folder.join("data.new");
        let failed = || ServerError::while_doing("make PostgreSQL's files");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(failed())?;
        }
        let data = unfinished.as_os_str();
        let mut initdb = Command::new(self.folder.join("initdb"));
        initdb
            .args(["--username", NAME, "--auth", "trust", "--encoding", "UTF8"])
            .args(["--locale", "C", "--no-sync", "--pgdata"])
            .arg(data);
        self.run(initdb, "").await?;
        let mut single = Command::new(self.folder.join(NAME));
        single.args(["--single", "-D"]).arg(data).arg(NAME);
        self.run(single, &format!("CREATE DATABASE {DATABASE}"))
            .await?;
        fs::rename(&unfinished, folder.join("data")).map_err(failed())
    }

    async fn serve(
        &self,
        folder: &Path,
        durability: Durability,
        settings: &[String],
    ) -> Result<Leashed, ServerError> {
        let log = folder.join("log");
        let failed = || ServerError::while_doing("write PostgreSQL's log");
        let written = fs::File::create(&log).map_err(failed())?;
        let errors = written.try_clone().map_err(failed())?;
        let mut command = leash::command(self.folder.join(NAME), StopBy::Int);
        command
            .arg("-D")
            .arg(folder.join("data"))
            .arg("-k")
            .arg(folder)
            .args(["-c", "listen_addresses=", "-c", "max_connections=300"])
            .args(["-c", "jit=off", "-c", "unix_socket_permissions=0700"])
            .current_dir("/")
            .stdout(written)
            .stderr(errors);
        if durability == Durability::Fast {
            command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        for setting in settings {
            command.args(["-c", setting]);
        }
        if let Some(owner) = self.owner {
            owner.run(&mut command);
        }
        let process = Leashed::spawn(&mut command);
        let mut process = process.map_err(ServerError::while_doing("start PostgreSQL"))?;
        let (id, status) = (process.id(), folder.join("data/postmaster.pid"));
        until_it_answers(NAME, &mut process, &log, async || is_ready(&status, id)).await?;
        Ok(process)
    }

    /// Runs one program to its end.
    async fn run(&self, mut command: Command, input: &str) -> Result<(), ServerError> {
        command
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(owner) = self.owner {
            owner.run(&mut command);
        }
        let mut child = match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(super::missing(NAME));
            }
            child => child.map_err(ServerError::while_doing("run PostgreSQL's programs"))?,
        };
        let ended = async {
            if let Some(mut stdin) = child.stdin.take() {
                stdin.write_all(input.as_bytes()).await?;
            }
            child.wait_with_output().await
        };
        let ended = ended.await;
        let output = ended.map_err(ServerError::while_doing("run PostgreSQL's programs"))?;
        match output.status.code() {
            Some(0) => Ok(()),
            Some(NO_SUCH_PROGRAM) => Err(super::missing(NAME)),
            _ => Err(ServerError::Ended {
                server: "PostgreSQL",
                said: last_words(&String::from_utf8_lossy(&output.stderr)),
            }),
        }
    }
}

/// Whether the server says that it is ready: the file may also be that of an earlier one.
fn is_ready(status: &Path, id: Option<u32>) -> bool {
    let text = fs::read_to_string(status).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    let is_its_own = lines.next().is_some_and(|pid| pid.parse().ok() == id);
    is_its_own && lines.nth(STATUS_LINE - 1) == Some("ready")
}

/// The folder of the newest version's programs; empty where they are to be looked for on the PATH.
fn newest(home: &Path) -> PathBuf {
    let versions = home.read_dir().into_iter().flatten().flatten();
    let version =
        |path: &PathBuf| -> Option<u32> { path.parent()?.file_name()?.to_str()?.parse().ok() };
    versions
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .max_by_key(version)
        .unwrap_or_default()
}
