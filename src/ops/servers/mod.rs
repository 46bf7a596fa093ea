//! Private servers: a PostgreSQL and a Redis of one's own, for the demo, tests and benchmarks.
//!
//! Owns how the programs are found and started, and that nothing is left behind: whatever is started
//! here ends when the process that started it ends, however that happens ([`leash`]), and temporary
//! folders go with it ([`folder`]). The servers listen on sockets in their folders only, so that they need no
//! free port and nobody else reaches them. Must never touch a server that was there before.
//!
//! To add a server: a file with a type that starts it below a folder, waits until it answers, and
//! stops it; its program is run by [`leash::command`].

mod folder;
pub mod leash;
mod owner;
mod postgres;
mod redis;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

pub use folder::TemporaryFolder;
pub use leash::Leashed;
pub use postgres::{DATABASE, Durability, Postgres};
pub use redis::{Keeps, Redis};

/// Between two looks whether a server answers.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a server may take to start: recovery after a crash included.
const START_PATIENCE: Duration = Duration::from_mins(1);

/// How long a server may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// The longest path of a folder with servers: a socket's path has room for 107 bytes.
const FOLDER_PATH_MAX_BYTES: usize = 80;

/// What a shell answers when there is no such program.
const NO_SUCH_PROGRAM: i32 = 127;

/// A private server cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Its program is not installed.
    #[error("{program} is not installed")]
    Missing {
        /// The program that was looked for.
        program: &'static str,
        /// The package of Debian and Ubuntu that brings it.
        package: &'static str,
    },
    /// PostgreSQL refuses to run as root, and its package's user does not exist.
    #[error("PostgreSQL does not run as root, and there is no user postgres to run it as")]
    NoOwner,
    /// The folder cannot hold sockets, or its name would have to be quoted in a URL.
    #[error(
        "{0} cannot hold the servers' sockets: its path may have {FOLDER_PATH_MAX_BYTES} bytes of letters, \
         digits and / . _ - +"
    )]
    Folder(PathBuf),
    /// It ended instead of starting.
    #[error("{server} did not start: {said}")]
    Ended {
        /// Which one.
        server: &'static str,
        /// Its own last words.
        said: String,
    },
    /// It does not answer.
    #[error("{0} did not answer within {START_PATIENCE:?} of its start")]
    Silent(&'static str),
    /// The system refused.
    #[error("cannot {doing}")]
    System {
        /// What was to be done.
        doing: String,
        /// Why not.
        source: io::Error,
    },
}

impl ServerError {
    /// What to do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::Missing { package, .. } => {
                format!("run `make services`, or apt-get install {package}")
            }
            Self::NoOwner => "run `make services`, or start as another user than root".to_owned(),
            Self::Folder(_) => "choose another folder, for example below /tmp".to_owned(),
            Self::Ended { said, .. } if said.contains("ermission denied") => {
                "started by root, PostgreSQL runs as the user postgres, who must be able to reach \
                 the folder: choose one below /tmp"
                    .to_owned()
            }
            Self::Ended { .. } | Self::Silent(_) | Self::System { .. } => {
                "look whether another one runs in the same folder, and whether the disk is full"
                    .to_owned()
            }
        }
    }

    fn while_doing(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        |source| Self::System { doing, source }
    }
}

/// Checks that servers can have their sockets in `folder`, and that its path can stand in a URL and
/// in a shell as it is.
pub fn check_folder(folder: &Path) -> Result<(), ServerError> {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"/._-+".contains(&c);
    let bytes = folder.as_os_str().as_encoded_bytes();
    if bytes.len() <= FOLDER_PATH_MAX_BYTES && bytes.iter().copied().all(is_plain) {
        Ok(())
    } else {
        Err(ServerError::Folder(folder.to_owned()))
    }
}

/// Waits until a server that was just started `answers`.
async fn until_it_answers(
    server: &'static str,
    process: &mut Leashed,
    log: &Path,
    answers: impl AsyncFn() -> bool,
) -> Result<(), ServerError> {
    let answered = async {
        while !answers().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = answered => Ok(()),
        ended = process.ended() => {
            let status = ended.map_err(ServerError::while_doing(format!("wait for {server}")))?;
            Err(match status.code() {
                Some(NO_SUCH_PROGRAM) => missing(server),
                _ => ServerError::Ended { server, said: last_words(&read_log(log)) },
            })
        }
        () = tokio::time::sleep(START_PATIENCE) => Err(ServerError::Silent(server)),
    }
}

fn missing(server: &'static str) -> ServerError {
    let package = match server {
        redis::NAME => "redis-server",
        _ => "postgresql",
    };
    ServerError::Missing {
        program: server,
        package,
    }
}

fn read_log(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The line of a log that says why a program ended: the last fatal one, else the last one.
pub fn last_words(log: &str) -> String {
    let mut lines = log.lines().rev().filter(|line| !line.trim().is_empty());
    let is_fatal = |line: &&str| line.contains("FATAL") || line.contains("error:");
    let fatal = lines.clone().find(is_fatal).or_else(|| lines.next());
    fatal.unwrap_or("it said nothing").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_fits_into_a_socket_s_path_and_a_url() {
        assert!(check_folder(Path::new("/tmp/polar-sync.AbC123")).is_ok());
        for folder in ["/tmp/my demo", "/tmp/a'b", "/tmp/a&b", "/tmp/ü"] {
            assert!(check_folder(Path::new(folder)).is_err(), "{folder}");
        }
        let long = format!("/tmp/{}", "a".repeat(FOLDER_PATH_MAX_BYTES));
        assert!(check_folder(Path::new(&long)).is_err());
    }

    #[test]
    fn the_last_words_are_those_that_say_why() {
        let log = "LOG:  starting\nFATAL:  lock file exists\nHINT:  Is another one running?\n\n";
        assert_eq!(last_words(log), "FATAL:  lock file exists");
        assert_eq!(last_words("one\ntwo\n"), "two");
        assert_eq!(last_words(""), "it said nothing");
    }
}
