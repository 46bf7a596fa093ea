//! A temporary folder that goes with the process that made it, killed or not.

use std::{
    io::{self, PipeWriter},
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::ServerError;

/// Makes the folder, says where, and removes it when the standard input ends: after PostgreSQL, which
/// would not stop in order without its files. Others may pass through, to folders of their own.
const JANITOR: &str = r#"
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/polar-sync.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap '' HUP INT TERM
chmod 711 "$dir"
echo "$dir"
exec >/dev/null 2>&1
read -r _ || true
looks=0
while [ -e "$dir/postgres/data/postmaster.pid" ] && [ "$looks" -lt 300 ]; do
    sleep 0.1
    looks=$((looks + 1))
done
"#;

/// A temporary folder. Dropping it removes it soon after, once nothing runs in it.
#[derive(Debug)]
pub struct TemporaryFolder {
    path: PathBuf,
    janitor: Child,
    leash: Option<PipeWriter>,
}

impl TemporaryFolder {
    /// Makes one.
    pub async fn create() -> Result<Self, ServerError> {
        let failed = || ServerError::while_doing("make a temporary folder");
        let (end, leash) = io::pipe().map_err(failed())?;
        let mut janitor = Command::new("sh")
            .args(["-c", JANITOR])
            .stdin(end)
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed())?;
        let mut line = String::new();
        if let Some(stdout) = janitor.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            stdout.read_line(&mut line).await.map_err(failed())?;
        }
        let path = PathBuf::from(line.trim_end());
        if path.as_os_str().is_empty() {
            return Err(failed()(io::ErrorKind::NotFound.into()));
        }
        Ok(Self {
            path,
            janitor,
            leash: Some(leash),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it.
    pub async fn remove(mut self) -> io::Result<()> {
        drop(self.leash.take());
        self.janitor.wait().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_goes_with_what_is_in_it() {
        let folder = TemporaryFolder::create().await.unwrap();
        let path = folder.path().to_owned();
        std::fs::write(path.join("file"), "x").unwrap();
        folder.remove().await.unwrap();
        assert!(!path.exists());
    }
}
