//! What can be wrong with a configuration, in words for whoever has to put it right.

use std::{io, path::PathBuf};

/// The configuration cannot be used. The message names the key and where its value came from, and
/// never contains a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named cannot be read.
    #[error("{what} {path:?} cannot be read")]
    Unreadable {
        /// What the file is: `configuration file` or the variable that names it.
        what: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not TOML.
    #[error("configuration file {path:?}, line {line}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser expected. Never the line's text: it may hold a secret.
        message: String,
    },
    /// A key that does not exist.
    #[error("unknown key {key} ({origin})")]
    UnknownKey {
        /// What was written: a key or the name of a variable.
        key: String,
        /// Where it was written.
        origin: String,
        /// What was probably meant.
        hint: String,
    },
    /// A value that does not fit its key.
    #[error("{key}: {problem} ({origin})")]
    Value {
        /// The key.
        key: String,
        /// What is wrong, and what to write.
        problem: String,
        /// Where the value came from.
        origin: String,
    },
    /// Two values that do not fit each other.
    #[error("{key}: {problem}")]
    Conflict {
        /// The key to change.
        key: &'static str,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// A `--set` that is not `KEY=VALUE`.
    #[error("--set {given:?} is not KEY=VALUE")]
    Assignment {
        /// What was given.
        given: String,
    },
    /// A role lacks what it cannot start without.
    #[error("{what} cannot start without {}", keys.join(", "))]
    Missing {
        /// The role or command.
        what: &'static str,
        /// The keys that are not set.
        keys: Vec<&'static str>,
    },
}

impl ConfigError {
    /// What to do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check the path and its permissions".to_owned(),
            Self::Syntax { .. } => {
                "correct the line; config/default.toml shows every key".to_owned()
            }
            Self::UnknownKey { hint, .. } => hint.clone(),
            Self::Value { .. } | Self::Conflict { .. } => {
                "correct it and try `polar-sync config check`".to_owned()
            }
            Self::Assignment { .. } => "write for example --set telemetry.log=debug".to_owned(),
            Self::Missing { keys, .. } => {
                let variables: Vec<_> = keys.iter().map(|key| super::keys::variable(key)).collect();
                format!(
                    "set {} in the environment, or the keys in the file of --config",
                    variables.join(", ")
                )
            }
        }
    }
}
