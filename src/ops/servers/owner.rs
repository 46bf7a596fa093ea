//! Who PostgreSQL runs as: it refuses root, and its package brings a user of its own for that.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use tokio::process::Command;

use super::ServerError;

/// The user that PostgreSQL's packages make.
const USER: &str = "postgres";

/// The ids of the user that PostgreSQL runs as when this process is root's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    /// Another user than this process', where that one is root.
    pub(super) fn needed() -> Result<Option<Self>, ServerError> {
        let is_root = fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0);
        if !is_root {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        find(&users, USER).map(Some).ok_or(ServerError::NoOwner)
    }

    /// Gives a file or folder to this user.
    pub(super) fn give(self, path: &Path) -> io::Result<()> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
    }

    /// Makes a command run as this user.
    pub(super) fn run(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

fn find(users: &str, name: &str) -> Option<Owner> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(name);
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        is_it.then_some(Owner { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_name() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\n# local\npostgres:x:105:107:PostgreSQL:/:/bin/sh\n";
        let owner = Owner { uid: 105, gid: 107 };
        assert_eq!(find(users, "postgres"), Some(owner));
        assert_eq!(find(users, "redis"), None);
    }
}
