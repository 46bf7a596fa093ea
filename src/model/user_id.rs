//! The platform's own name for a user.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The platform's own id of a user: 1-128 characters of `A-Za-z0-9._:@=+|~-`, and neither `.` nor
/// `..`, so that it can stand in a path, a log line and a shell command unchanged.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct UserId(String);

/// A string that cannot be a user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user id has 1 to {max} characters of A-Z a-z 0-9 . _ : @ = + | ~ - and is neither \".\" nor \"..\"", max = UserId::MAX_LENGTH)]
pub struct InvalidUserId;

impl UserId {
    /// The longest user id, in bytes.
    pub const MAX_LENGTH: usize = 128;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_valid(id: &str) -> bool {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._:@=+|~-".contains(&c);
        (1..=Self::MAX_LENGTH).contains(&id.len())
            && id.bytes().all(allowed)
            && id != "."
            && id != ".."
    }
}

impl TryFrom<String> for UserId {
    type Error = InvalidUserId;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        if Self::is_valid(&id) {
            Ok(Self(id))
        } else {
            Err(InvalidUserId)
        }
    }
}

impl FromStr for UserId {
    type Err = InvalidUserId;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::try_from(id.to_owned())
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_alphabet_is_accepted_and_nothing_else() {
        for good in ["user_001", "a", "A-Z.09:@=+|~-", "...", &"x".repeat(128)] {
            assert!(good.parse::<UserId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a b",
            "a/b",
            "ü",
            "a\0",
            "a\n",
            "a%2f",
            &"x".repeat(129),
        ] {
            assert!(bad.parse::<UserId>().is_err(), "{bad:?}");
        }
    }
}
