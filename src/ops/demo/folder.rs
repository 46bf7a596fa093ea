//! The demo's folder: a temporary one, or one that is kept with everything that must be the same again.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    config::EncryptionKey,
    exit::{Code, Failure, WithExit},
    ops::servers::{ServerError, TemporaryFolder, check_folder},
};

/// What a kept folder says about its world.
const WORLD: &str = "world.toml";

/// The file that a running demo has locked.
const LOCK: &str = "lock";

/// A new world begins so long ago, and on a quarter of an hour: an hour then does not end, in any time zone, while its
/// users connect, so that another run of the same world finds the same days.
const BEGINS_BEFORE: SignedDuration = SignedDuration::from_mins(10);
const BEGINS_ON_S: i64 = 15 * 60;

/// An older world cannot be told again: Polar keeps nights for 28 days only.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(24 * 20);

/// What must be the same in every run of a folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// What the simulator's clock shows at its start: all content follows from that.
    pub(super) began_at: Timestamp,
    /// How many users there are.
    pub(super) users: u32,
    /// The key that seals their tokens, as `security.keys` has it.
    pub(super) key: String,
}

/// The folder.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) kept: Kept,
    /// Whether its world has yet to be seen.
    pub(super) is_new: bool,
    temporary: Option<TemporaryFolder>,
    /// Held, not read.
    _lock: Option<File>,
}

impl Folder {
    /// Makes a temporary folder, or opens the one that is kept.
    pub(super) async fn open(
        dir: Option<&Path>,
        users: u32,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let Some(dir) = dir else {
            let temporary = told(TemporaryFolder::create().await, Code::Refused)?;
            return Ok(Self {
                path: temporary.path().to_owned(),
                kept: Kept::new(users, now)?,
                is_new: true,
                temporary: Some(temporary),
                _lock: None,
            });
        };
        let made = make(dir)
            .and_then(|()| dir.canonicalize())
            .with_context(|| format!("open {}", dir.display()))
            .exit(Code::Refused, "choose an empty folder that can be written")?;
        told(check_folder(&made), Code::Refused)?;
        let lock = lock(&made)?;
        let (kept, is_new) = match fs::read_to_string(made.join(WORLD)) {
            Ok(text) => (Kept::read(&text, &made)?.with(users, now, &made)?, false),
            Err(_) => (Kept::new(users, now)?, true),
        };
        write_secret(&made.join(WORLD), &toml::to_string(&kept)?)?;
        Ok(Self {
            path: made,
            kept,
            is_new,
            temporary: None,
            _lock: Some(lock),
        })
    }

    /// Whether the simulated Polar may go on to this instant before its users are synced. Where an hour ends on the way,
    /// so may a day: of a world that nobody has seen yet, Polar then no longer shows the oldest night.
    pub(super) fn may_go_on_to(&self, now: Timestamp) -> bool {
        let hour = |at: Timestamp| at.as_second().div_euclid(60 * 60);
        !self.is_new || hour(self.kept.began_at) == hour(now)
    }

    /// Removes it, if it is not kept.
    pub(super) async fn close(self) -> io::Result<()> {
        match self.temporary {
            Some(temporary) => temporary.remove().await,
            None => Ok(()),
        }
    }
}

impl Kept {
    fn new(users: u32, now: Timestamp) -> anyhow::Result<Self> {
        let mut key = [0; EncryptionKey::LENGTH];
        rand::fill(&mut key)?;
        Ok(Self {
            began_at: beginning(now)?,
            users,
            key: format!("demo:{}", BASE64_STANDARD.encode(key)),
        })
    }

    fn read(text: &str, dir: &Path) -> Result<Self, Failure> {
        let what = format!("{} is not a demo's", dir.join(WORLD).display());
        toml::from_str(text)
            .map_err(|error| anyhow::Error::new(error).context(what))
            .exit(Code::Refused, "choose another folder")
    }

    /// The same world with at least so many users: those of earlier runs stay.
    fn with(self, users: u32, now: Timestamp, dir: &Path) -> Result<Self, Failure> {
        if now.duration_since(self.began_at) > AGE_MAX {
            let cause = format!("the demo in {} is too old to go on", dir.display());
            let next_step = "remove the folder, or choose another one";
            return Err(Failure::new(Code::Refused, cause, next_step));
        }
        Ok(Self {
            users: self.users.max(users),
            ..self
        })
    }
}

/// Gives what failed about servers its exit code, and its own next step.
pub(super) fn told<T>(result: Result<T, ServerError>, code: Code) -> Result<T, Failure> {
    result.or_else(|error| {
        let next_step = error.next_step();
        Err(error).exit(code, next_step)
    })
}

fn beginning(now: Timestamp) -> Result<Timestamp, jiff::Error> {
    let now_s = now.as_second();
    Timestamp::from_second(now_s - now_s.rem_euclid(BEGINS_ON_S))?.checked_sub(BEGINS_BEFORE)
}

/// Makes the folder, through which PostgreSQL's user must be able to pass. One with something else in it
/// is left alone.
fn make(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o711).create(dir)?;
    let is_ours = dir.join(WORLD).exists() || dir.join(LOCK).exists();
    if !is_ours && dir.read_dir()?.next().is_some() {
        let problem = "there is something else in it";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, Failure> {
    let file = File::create(dir.join(LOCK));
    let file = file.exit(Code::Refused, "choose a folder that can be written")?;
    if file.try_lock().is_ok() {
        return Ok(file);
    }
    let cause = format!("another demo runs in {}", dir.display());
    Err(Failure::new(
        Code::Refused,
        cause,
        "stop it, or choose another folder",
    ))
}

/// Writes a file that nobody else can read.
pub(super) fn write_secret(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {}", path.display()))
        .exit(Code::Refused, "choose a folder that can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hour_ends_while_users_connect() {
        for (now, began_at) in [
            ("2026-03-01T12:00:00Z", "2026-03-01T11:50:00Z"),
            ("2026-03-01T12:14:59Z", "2026-03-01T11:50:00Z"),
            ("2026-03-01T12:15:00Z", "2026-03-01T12:05:00Z"),
        ] {
            assert_eq!(
                beginning(now.parse().unwrap()).unwrap().to_string(),
                began_at
            );
        }
    }

    #[test]
    fn a_new_world_stays_in_its_hour_until_it_is_synced() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let folder = |is_new| Folder {
            path: PathBuf::new(),
            kept: Kept::new(1, at("2026-03-01T22:20:00Z")).unwrap(),
            is_new,
            temporary: None,
            _lock: None,
        };
        assert!(folder(true).may_go_on_to(at("2026-03-01T22:59:59Z")));
        assert!(!folder(true).may_go_on_to(at("2026-03-01T23:00:00Z")));
        assert!(folder(false).may_go_on_to(at("2026-03-02T12:00:00Z")));
    }

    #[test]
    fn a_kept_world_only_grows_and_does_not_go_on_for_ever() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let dir = Path::new("/tmp/demo");
        let kept = Kept::new(25, now).unwrap();
        let again = Kept::read(&toml::to_string(&kept).unwrap(), dir).unwrap();
        let grown = again.clone().with(30, now, dir).unwrap();
        assert_eq!(
            (grown.users, &grown.key, grown.began_at),
            (30, &kept.key, kept.began_at)
        );
        assert_eq!(again.clone().with(2, now, dir).unwrap().users, 25);
        let later = now + SignedDuration::from_hours(24 * 21);
        assert!(again.with(25, later, dir).is_err());
    }

    #[test]
    fn a_new_key_is_one_that_configuration_takes() {
        let kept = Kept::new(1, Timestamp::UNIX_EPOCH).unwrap();
        assert!(kept.key.parse::<EncryptionKey>().is_ok());
    }
}
