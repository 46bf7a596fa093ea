//! The demo's own processes: the simulator, and the roles of polar-sync.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use url::Url;

use super::{
    folder::Kept,
    settings::{CLIENT_ID, CLIENT_SECRET},
};
use crate::{
    exit::{Code, Failure, WithExit},
    ops::servers::{
        Leashed, last_words,
        leash::{self, StopBy},
    },
};

/// The simulator's executable, beside that of polar-sync.
const SIMULATOR: &str = "accesslink-sim";

/// How the variables begin that would be stronger than the demo's configuration file.
const VARIABLES: &str = "POLAR_SYNC__";

/// How long a process may take to stop before it is killed: a worker drains for 30 s at most.
const STOP_PATIENCE: Duration = Duration::from_secs(40);

/// A process with its log.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    log: PathBuf,
    leashed: Leashed,
}

impl Process {
    /// Waits for its end, which nobody asked for.
    pub(super) async fn lost(&mut self) -> anyhow::Result<Failure> {
        let status = self.leashed.ended().await?;
        let said = last_words(&fs::read_to_string(&self.log).unwrap_or_default());
        let cause = format!("{} ended ({status}): {said}", self.name);
        Ok(Failure::new(
            Code::Fails,
            cause,
            "start the demo again, with --dir DIR to keep its logs",
        ))
    }

    pub(super) async fn stop(self) -> std::io::Result<()> {
        self.leashed.stop(STOP_PATIENCE).await.map(drop)
    }
}

/// The simulated Polar's process.
#[derive(Debug)]
pub(super) struct Simulator {
    pub(super) process: Process,
    /// Its API.
    pub(super) api: Url,
    /// Its control port.
    pub(super) control: Url,
}

/// Where both executables are.
#[derive(Debug, Clone)]
pub(super) struct Executables {
    pub(super) polar_sync: PathBuf,
    simulator: PathBuf,
}

impl Executables {
    /// This process' executable, and the simulator beside it.
    pub(super) fn find() -> anyhow::Result<Self> {
        let polar_sync = std::env::current_exe().context("find the executable polar-sync")?;
        let simulator = polar_sync.with_file_name(SIMULATOR);
        if !simulator.exists() {
            let cause = format!("there is no {}", simulator.display());
            let next_step = "build both executables: cargo build --release --bins";
            return Err(Failure::new(Code::NotFound, cause, next_step).into());
        }
        Ok(Self {
            polar_sync,
            simulator,
        })
    }

    /// Starts the simulator, and waits until it tells its addresses.
    pub(super) async fn start_simulator(
        &self,
        folder: &Path,
        kept: &Kept,
        quota_scale: u32,
    ) -> anyhow::Result<Simulator> {
        let log = folder.join("accesslink-sim.log");
        let mut command = leash::command(&self.simulator, StopBy::Term);
        command
            .args(["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .args(["--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET])
            .args(["--users", &kept.users.to_string()])
            .args(["--start", &kept.began_at.to_string()])
            .args(["--quota-scale", &quota_scale.to_string()])
            .stdout(Stdio::piped())
            .stderr(File::create(&log).context("write the simulator's log")?);
        let mut leashed = Leashed::spawn(&mut command).context("start the simulator")?;
        let mut line = String::new();
        if let Some(stdout) = leashed.child().stdout.take() {
            BufReader::new(stdout).read_line(&mut line).await?;
        }
        let mut process = Process {
            name: SIMULATOR.to_owned(),
            log,
            leashed,
        };
        if line.is_empty() {
            return Err(process.lost().await?.into());
        }
        let at: Addresses =
            serde_json::from_str(&line).context("read the simulator's addresses")?;
        Ok(Simulator {
            process,
            api: Url::parse(&format!("http://{}/", at.listen))?,
            control: Url::parse(&format!("http://{}/", at.control))?,
        })
    }

    /// Starts a role of polar-sync, named `name` in its log and in errors.
    pub(super) fn spawn_role(
        &self,
        role: &str,
        name: &str,
        folder: &Path,
        config: &Path,
        environment: &[(OsString, OsString)],
    ) -> anyhow::Result<Process> {
        let log = folder.join(format!("{name}.log"));
        let written = File::create(&log).exit(Code::Refused, "choose a folder with room")?;
        let mut command = leash::command(&self.polar_sync, StopBy::Term);
        command
            .arg(role)
            .arg("--config")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(written);
        for name in stronger(environment) {
            command.env_remove(name);
        }
        let leashed = Leashed::spawn(&mut command).with_context(|| format!("start {name}"))?;
        Ok(Process {
            name: name.to_owned(),
            log,
            leashed,
        })
    }
}

/// The one line that the simulator says.
#[derive(Deserialize)]
struct Addresses {
    listen: String,
    control: String,
}

/// The variables that a configuration file would not win against.
fn stronger(environment: &[(OsString, OsString)]) -> impl Iterator<Item = &OsString> {
    let names = environment.iter().map(|(name, _)| name);
    names.filter(|name| name.as_encoded_bytes().starts_with(VARIABLES.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_do_not_follow_the_environment_to_somebody_s_real_servers() {
        let environment = [
            "PATH",
            "POLAR_SYNC__DATABASE__URL",
            "DATABASE_URL",
            "POLAR_SYNC__A",
        ];
        let environment = environment.map(|name| (name.into(), "x".into()));
        let names: Vec<_> = stronger(&environment).collect();
        assert_eq!(names, ["POLAR_SYNC__DATABASE__URL", "POLAR_SYNC__A"]);
    }
}
