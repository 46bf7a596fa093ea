//! One layer of settings: where it comes from, and what it says.

use std::{fs, io, path::Path};

use config::{Map, Source, Value, ValueKind};

use super::{
    ConfigError, Setting,
    keys::{self, Keys},
};

/// The largest file that is read: a configuration or a secret, no more.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Where a setting of the command line came from.
const SETTING_ORIGIN: &str = "--set";

/// One layer: keys with their values, each value knowing where it came from.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    pub(super) values: Vec<(String, Value)>,
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.values.iter().cloned().collect())
    }
}

impl Layer {
    /// The layer of a TOML document.
    pub(super) fn from_toml(text: &str, path: &Path, origin: &str) -> Result<Self, ConfigError> {
        let table: toml::Table = text.parse().map_err(|error| syntax(text, path, &error))?;
        let mut layer = Self::default();
        layer.add_table("", table, origin);
        Ok(layer)
    }

    /// The layer of the file that `--config` names.
    pub(super) fn from_file(path: &Path, known: &Keys) -> Result<Self, ConfigError> {
        let text = read("configuration file", path)?;
        let mut layer = Self::from_toml(&text, path, &path.display().to_string())?;
        layer.check(known)?;
        Ok(layer)
    }

    /// The layer of the command line.
    pub(super) fn from_settings(settings: &[Setting], known: &Keys) -> Result<Self, ConfigError> {
        let mut layer = Self::default();
        for Setting { key, value } in settings {
            if !known.contains(key) {
                return Err(unknown(key, SETTING_ORIGIN, known.hint(key, str::to_owned)));
            }
            if keys::is_secret(key) {
                let problem = format!(
                    "a secret is not taken from arguments, which other users can read; set {} or {}_FILE",
                    keys::variable(key),
                    keys::variable(key)
                );
                return Err(wrong(key, problem, SETTING_ORIGIN));
            }
            layer.add_text(key, value, SETTING_ORIGIN, known)?;
        }
        Ok(layer)
    }

    /// Adds a value that came as text: a list is separated by commas or lines.
    pub(super) fn add_text(
        &mut self,
        key: &str,
        text: &str,
        origin: &str,
        known: &Keys,
    ) -> Result<(), ConfigError> {
        let value = if known.is_list(key) {
            list(text)
        } else if text.is_empty() {
            let problem = "the value is empty; unset it or write one".to_owned();
            return Err(wrong(key, problem, origin));
        } else {
            text.to_owned().into()
        };
        self.add(key, value, origin);
        Ok(())
    }

    fn add_table(&mut self, path: &str, table: toml::Table, origin: &str) {
        for (name, value) in table {
            let key = if path.is_empty() {
                name
            } else {
                format!("{path}.{name}")
            };
            match value {
                // An empty table stays, so that a misspelt one is noticed as well.
                toml::Value::Table(inner) if !inner.is_empty() => {
                    self.add_table(&key, inner, origin);
                }
                value => self.add(&key, kind(value), origin),
            }
        }
    }

    pub(super) fn add(&mut self, key: &str, value: ValueKind, origin: &str) {
        self.values
            .push((key.to_owned(), Value::new(Some(&origin.to_owned()), value)));
    }

    /// Refuses unknown keys, and takes a list that was written as text for the list it means.
    fn check(&mut self, known: &Keys) -> Result<(), ConfigError> {
        for (key, value) in &mut self.values {
            let origin = value.origin().unwrap_or_default().to_owned();
            let is_table = matches!(value.kind, ValueKind::Table(_));
            let exists = known.contains(key) || (is_table && known.contains_below(key));
            if !exists {
                return Err(unknown(key, &origin, known.hint(key, str::to_owned)));
            }
            if !known.is_list(key) {
                continue;
            }
            match &value.kind {
                ValueKind::Array(_) => {}
                ValueKind::String(text) => value.kind = list(text),
                _ => {
                    let problem = "it is not a list; write [\"one\", \"two\"]".to_owned();
                    return Err(wrong(key, problem, &origin));
                }
            }
        }
        Ok(())
    }
}

fn list(text: &str) -> ValueKind {
    let items = text
        .split([',', '\n'])
        .map(str::trim)
        .filter(|item| !item.is_empty());
    ValueKind::Array(items.map(Value::from).collect())
}

fn kind(value: toml::Value) -> ValueKind {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Array(values) => ValueKind::Array(
            values
                .into_iter()
                .map(|value| Value::new(None, kind(value)))
                .collect(),
        ),
        toml::Value::Table(table) => ValueKind::Table(
            table
                .into_iter()
                .map(|(name, value)| (name, Value::new(None, kind(value))))
                .collect(),
        ),
    }
}

/// Reads a file whose size is within reason.
pub(super) fn read(what: &str, path: &Path) -> Result<String, ConfigError> {
    let read = || {
        let mut text = String::new();
        let mut file = io::Read::take(fs::File::open(path)?, FILE_MAX_BYTES + 1);
        io::Read::read_to_string(&mut file, &mut text)?;
        if text.len() as u64 > FILE_MAX_BYTES {
            return Err(io::Error::other(format!(
                "it is larger than {FILE_MAX_BYTES} bytes"
            )));
        }
        Ok(text)
    };
    read().map_err(|source| ConfigError::Unreadable {
        what: what.to_owned(),
        path: path.to_owned(),
        source,
    })
}

fn syntax(text: &str, path: &Path, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let line = text
        .bytes()
        .take(start)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1;
    ConfigError::Syntax {
        path: path.to_owned(),
        line,
        message: error.message().to_owned(),
    }
}

pub(super) fn unknown(key: &str, origin: &str, hint: String) -> ConfigError {
    ConfigError::UnknownKey {
        key: key.to_owned(),
        origin: origin.to_owned(),
        hint,
    }
}

pub(super) fn wrong(key: &str, problem: String, origin: &str) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        problem,
        origin: origin.to_owned(),
    }
}
