//! How a command ends: the exit code, and one line that says the cause and the next step.
//!
//! Owns the public list of exit codes, and the one place where an error gets its code. Must never
//! decide by an error's text.
//!
//! To give an error a code: return it with [`WithExit::exit`] where the command knows what it means, or add
//! its type to the table in [`Report::of`] when it means the same everywhere.

use std::{error::Error, fmt, process::ExitCode};

use serde::Serialize;

use crate::{
    config::ConfigError,
    http::ServeError,
    queue::RedisFault,
    secret::KeyError,
    store::{ConnectError, SchemaError, StoreError, keys::KeysError},
    telemetry::{chain, health::HealthError},
};

/// The exit codes. They are public: scripts and service managers rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// A bug of ours.
    Bug = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration is wrong or lacks something.
    Configuration = 10,
    /// Postgres cannot be reached.
    PostgresUnreachable = 11,
    /// The schema is older or newer than this version.
    Schema = 12,
    /// Redis cannot be reached.
    RedisUnreachable = 13,
    /// Redis is too old, or may evict what it holds.
    RedisUnsuitable = 14,
    /// A key is missing, or not the one that sealed what is stored.
    Keys = 15,
    /// There is no such user, entry or transaction.
    NotFound = 16,
    /// Refused: it would destroy something, or a part of the input was not accepted.
    Refused = 17,
    /// Postgres may lose what it committed.
    PostgresUnsuitable = 18,
    /// Somebody else listens on the address.
    AddressInUse = 19,
    /// A check found something to look at.
    Warns = 20,
    /// A check failed, or Polar gave no answer that a command can go on with.
    Fails = 21,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 15] = [
        Self::Ok,
        Self::Bug,
        Self::Usage,
        Self::Configuration,
        Self::PostgresUnreachable,
        Self::Schema,
        Self::RedisUnreachable,
        Self::RedisUnsuitable,
        Self::Keys,
        Self::NotFound,
        Self::Refused,
        Self::PostgresUnsuitable,
        Self::AddressInUse,
        Self::Warns,
        Self::Fails,
    ];

    /// The number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.number())
    }
}

/// An error of which a command knows the exit code and the next step.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    next_step: String,
    cause: anyhow::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

impl Failure {
    /// A failure without an error below it.
    pub fn new(code: Code, cause: impl Into<String>, next_step: impl Into<String>) -> Self {
        let cause = anyhow::Error::msg(cause.into());
        Self {
            code,
            next_step: next_step.into(),
            cause,
        }
    }
}

impl Failure {
    /// The failure of an error whose meaning is known.
    pub fn of(error: impl Into<anyhow::Error>, code: Code, next_step: impl Into<String>) -> Self {
        Self {
            code,
            next_step: next_step.into(),
            cause: error.into(),
        }
    }
}

/// Gives an error its exit code and next step.
pub trait WithExit<T> {
    /// Ends the command with `code` when this is an error; `next_step` tells what to do then.
    fn exit(self, code: Code, next_step: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> WithExit<T> for Result<T, E> {
    fn exit(self, code: Code, next_step: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|cause| Failure::of(cause, code, next_step))
    }
}

/// What is told of an error: in one line, or as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The cause, with the causes below it.
    pub error: String,
    /// What to do next; empty where the error says it itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next_step: String,
    /// The exit code.
    #[serde(rename = "exit_code", serialize_with = "as_number")]
    pub code: Code,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn as_number<S: serde::Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(code.number())
}

impl Report {
    /// The report of an error, whatever it is wrapped in.
    pub fn of(error: &anyhow::Error) -> Self {
        let (code, next_step) = error.chain().find_map(known).unwrap_or_else(|| {
            (
                Code::Bug,
                "this is a bug: report it with the log lines before it".to_owned(),
            )
        });
        Self {
            error: chain(error.as_ref()),
            next_step,
            code,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.error)?;
        if self.next_step.is_empty() {
            return Ok(());
        }
        write!(f, "; {}", self.next_step)
    }
}

/// The code and next step of an error that means the same wherever it comes from.
fn known(error: &(dyn Error + 'static)) -> Option<(Code, String)> {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return Some((failure.code, failure.next_step.clone()));
    }
    if let Some(error) = error.downcast_ref::<ConfigError>() {
        return Some((Code::Configuration, error.next_step()));
    }
    let (code, next_step) = if let Some(error) = error.downcast_ref::<ConnectError>() {
        of_connect(error)
    } else if let Some(error) = error.downcast_ref::<SchemaError>() {
        of_schema(error)?
    } else if let Some(error) = error.downcast_ref::<StoreError>() {
        of_store(error)?
    } else if let Some(error) = error.downcast_ref::<HealthError>() {
        of_health(error)?
    } else if let Some(error) = error.downcast_ref::<ServeError>() {
        of_serve(error)?
    } else if let Some(fault) = error.downcast_ref::<RedisFault>() {
        of_redis(fault)
    } else if let Some(error) = error.downcast_ref::<KeysError>() {
        match error {
            KeysError::Key(_) => OF_KEY,
            KeysError::Store(error) => of_store(error)?,
        }
    } else if error.is::<KeyError>() {
        OF_KEY
    } else {
        return None;
    };
    Some((code, next_step.to_owned()))
}

type Known = (Code, &'static str);

/// Where the error's own text holds the next step.
const SAID_ALREADY: &str = "";

const OF_KEY: Known = (
    Code::Keys,
    "give security.keys every key that sealed something, under its old id",
);

/// What each fault asks for is in its text.
const fn of_redis(fault: &RedisFault) -> Known {
    match fault {
        RedisFault::Address(_) | RedisFault::CaFile { .. } => (Code::Configuration, SAID_ALREADY),
        RedisFault::Unreachable(_) => (Code::RedisUnreachable, SAID_ALREADY),
        RedisFault::TooOld { .. } | RedisFault::Evicts { .. } => {
            (Code::RedisUnsuitable, SAID_ALREADY)
        }
    }
}

const fn of_connect(error: &ConnectError) -> Known {
    match error {
        ConnectError::Url(_) => (Code::Configuration, "correct database.url"),
        ConnectError::OtherDatabase => (Code::Configuration, SAID_ALREADY),
        ConnectError::Unreachable(_) => (
            Code::PostgresUnreachable,
            "start Postgres or correct database.url",
        ),
    }
}

/// `None` for a bug.
fn of_schema(error: &SchemaError) -> Option<Known> {
    match error {
        SchemaError::TooOld { .. } | SchemaError::TooNew { .. } => {
            Some((Code::Schema, SAID_ALREADY))
        }
        SchemaError::Failed(_) => Some((
            Code::Schema,
            "look at what Postgres says; a role that owns the database may migrate it",
        )),
        SchemaError::FsyncOff => Some((Code::PostgresUnsuitable, SAID_ALREADY)),
        SchemaError::Store(error) => of_store(error),
    }
}

fn of_store(error: &StoreError) -> Option<Known> {
    let away = (
        Code::PostgresUnreachable,
        "check that Postgres runs, and try again",
    );
    let denied = (
        Code::Configuration,
        "give database.url a login that has the database role of this process or command (deploy/README.md, Database \
         roles)",
    );
    if error.is_denied() {
        return Some(denied);
    }
    error.is_transient().then_some(away)
}

const fn of_health(error: &HealthError) -> Option<Known> {
    match error {
        HealthError::AddressInUse { .. } | HealthError::Listen { .. } => Some((
            Code::AddressInUse,
            "set telemetry.metrics_listen to a free address",
        )),
        HealthError::Serve(_) => None,
    }
}

const fn of_serve(error: &ServeError) -> Option<Known> {
    match error {
        ServeError::AddressInUse { .. } | ServeError::Listen { .. } => {
            Some((Code::AddressInUse, "set api.listen to a free address"))
        }
        ServeError::Serve(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_contract() {
        let numbers = Code::ALL.map(Code::number);
        assert_eq!(
            numbers,
            [0, 1, 2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]
        );
    }

    #[test]
    fn a_known_error_keeps_its_code_under_any_context() {
        let error = anyhow::Error::new(KeyError::NoKey)
            .context("import users")
            .context("users");
        let report = Report::of(&error);
        assert_eq!(report.code, Code::Keys);
        assert!(
            report
                .error
                .starts_with("users: import users: security.keys is empty"),
            "{report}"
        );
    }

    #[test]
    fn a_command_that_knows_better_decides() {
        let error: Result<(), _> = Err(KeyError::Cipher)
            .context("open")
            .exit(Code::NotFound, "look elsewhere");
        let report = Report::of(&error.unwrap_err().into());
        assert_eq!(report.code, Code::NotFound);
        assert_eq!(
            report.to_string(),
            "error: open: the cipher failed; look elsewhere"
        );
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(
            json,
            r#"{"error":"open: the cipher failed","next_step":"look elsewhere","exit_code":16}"#
        );
    }

    #[test]
    fn what_a_server_lacks_has_its_code_and_one_next_step() {
        let codes = [
            (
                SchemaError::TooOld {
                    found: 1,
                    needed: 2,
                },
                Code::Schema,
            ),
            (
                SchemaError::TooNew {
                    found: 3,
                    needed: 2,
                },
                Code::Schema,
            ),
            (SchemaError::FsyncOff, Code::PostgresUnsuitable),
        ];
        for (error, code) in codes {
            let text = error.to_string();
            let report = Report::of(&error.into());
            assert_eq!(
                (report.code, report.to_string()),
                (code, format!("error: {text}"))
            );
        }
    }

    #[test]
    fn keys_and_redis_have_their_codes_wherever_they_fail() {
        let away = || redis::RedisError::from(std::io::Error::other("refused"));
        let policy = "allkeys-lru".to_owned();
        let errors: [(anyhow::Error, Code); 6] = [
            (KeysError::Key(KeyError::NoKey).into(), Code::Keys),
            (RedisFault::Address(away()).into(), Code::Configuration),
            (
                RedisFault::CaFile {
                    path: "ca.pem".into(),
                    source: std::io::ErrorKind::NotFound.into(),
                }
                .into(),
                Code::Configuration,
            ),
            (
                RedisFault::Unreachable(away()).into(),
                Code::RedisUnreachable,
            ),
            (
                RedisFault::TooOld {
                    version: "6.0".to_owned(),
                }
                .into(),
                Code::RedisUnsuitable,
            ),
            (RedisFault::Evicts { policy }.into(), Code::RedisUnsuitable),
        ];
        for (error, code) in errors {
            assert_eq!(Report::of(&error.context("enqueue")).code, code);
        }
    }

    #[test]
    fn what_nobody_foresaw_is_a_bug() {
        let report = Report::of(&anyhow::anyhow!("odd"));
        assert_eq!(report.code, Code::Bug);
    }
}
