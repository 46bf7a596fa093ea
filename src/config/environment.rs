//! The layers that the environment gives: our own variables, and those shared with other programs.

use std::{ffi::OsString, path::Path};

use zeroize::Zeroizing;

use super::{
    ConfigError,
    keys::{self, Keys, VARIABLE_PREFIX},
    layer::{Layer, read, unknown, wrong},
};

/// Variables that other programs read too.
const ALIASES: [(&str, &str); 2] = [("DATABASE_URL", "database.url"), ("REDIS_URL", "redis.url")];

/// What ends the name of a variable that names the file of a secret.
const FILE_SUFFIX: &str = "_file";

/// Names and values as the system gives them.
pub(super) type Environment = [(OsString, OsString)];

impl Layer {
    /// The layer of the variables that other programs read too. An empty one is none.
    pub(super) fn from_aliases(environment: &Environment) -> Result<Self, ConfigError> {
        let mut layer = Self::default();
        for (name, value) in environment.iter().filter(|(_, value)| !value.is_empty()) {
            if let Some((alias, key)) = ALIASES.iter().find(|(alias, _)| name == alias) {
                let origin = origin(alias);
                let text = utf8(key, value, &origin)?;
                layer.add(key, text.to_owned().into(), &origin);
            }
        }
        Ok(layer)
    }

    /// The layer of our own variables.
    pub(super) fn from_environment(
        environment: &Environment,
        known: &Keys,
    ) -> Result<Self, ConfigError> {
        let mut layer = Self::default();
        for (name, value) in environment {
            let ours = name
                .to_str()
                .filter(|name| name.starts_with(VARIABLE_PREFIX));
            if let Some(name) = ours {
                layer.add_variable(name, value, known)?;
            }
        }
        Ok(layer)
    }

    fn add_variable(
        &mut self,
        name: &str,
        value: &OsString,
        known: &Keys,
    ) -> Result<(), ConfigError> {
        let written = name[VARIABLE_PREFIX.len()..]
            .to_ascii_lowercase()
            .replace("__", ".");
        let of_secret = written
            .strip_suffix(FILE_SUFFIX)
            .filter(|key| keys::is_secret(key));
        let key = of_secret.unwrap_or(&written);
        if !known.contains(key) {
            return Err(unknown(
                name,
                "environment",
                known.hint(key, keys::variable),
            ));
        }
        if self.values.iter().any(|(set, _)| set == key) {
            let variable = keys::variable(key);
            let problem = format!("{variable} and {variable}_FILE are both set; unset one of them");
            return Err(wrong(key, problem, "environment"));
        }
        if of_secret.is_some() {
            let text = Zeroizing::new(read(name, Path::new(value))?);
            self.add_text(key, text.trim(), &format!("file of {name}"), known)
        } else {
            let origin = origin(name);
            self.add_text(key, utf8(key, value, &origin)?, &origin, known)
        }
    }
}

fn origin(variable: &str) -> String {
    format!("environment variable {variable}")
}

fn utf8<'a>(key: &str, value: &'a OsString, origin: &str) -> Result<&'a str, ConfigError> {
    let problem = || "the value is not UTF-8".to_owned();
    value.to_str().ok_or_else(|| wrong(key, problem(), origin))
}
