//! From the sources to the configuration in force.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, str::FromStr};

use serde::Serialize;

use super::{
    Config, ConfigError, DEFAULT_TOML,
    keys::{self, Keys},
    layer::Layer,
};

const DEFAULT_ORIGIN: &str = "default";

/// What is noted where nobody says who runs a command.
const UNKNOWN_OPERATOR: &str = "unknown";

/// A longer name is cut.
const OPERATOR_MAX_CHARS: usize = 64;

/// A `KEY=VALUE` of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key, for example `telemetry.log`.
    pub key: String,
    /// The value as text.
    pub value: String,
}

impl FromStr for Setting {
    type Err = ConfigError;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let (key, value) = given
            .split_once('=')
            .ok_or_else(|| ConfigError::Assignment {
                given: given.to_owned(),
            })?;
        Ok(Self {
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
        })
    }
}

/// Where the configuration comes from. Kept by a running role, to read it again.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file of `--config`.
    pub file: Option<PathBuf>,
    /// The environment, ours or not.
    pub environment: Vec<(OsString, OsString)>,
    /// The settings of the command line.
    pub settings: Vec<Setting>,
}

/// The configuration in force, and where each of its values came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    origins: BTreeMap<String, String>,
}

/// One line of `config show`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// The key.
    pub key: String,
    /// Its value; secrets are masked.
    pub value: serde_json::Value,
    /// Where the value came from.
    pub origin: String,
}

impl Shown {
    /// The value for people.
    pub fn value_text(&self) -> String {
        keys::shown(&self.value)
    }
}

impl Loaded {
    /// Every key with its value and where that came from, in the order of the keys.
    pub fn shown(&self) -> Vec<Shown> {
        let origin = |key: &str| {
            let origin = self.origins.get(key).map(String::as_str);
            origin.unwrap_or(DEFAULT_ORIGIN).to_owned()
        };
        let keys = keys::flatten(&self.config).into_iter();
        keys.map(|(key, value)| Shown {
            origin: origin(&key),
            key,
            value,
        })
        .collect()
    }
}

impl Sources {
    /// The sources of this process: the only place that reads the environment.
    pub fn of_process(file: Option<PathBuf>, settings: Vec<Setting>) -> Self {
        Self {
            file,
            environment: std::env::vars_os().collect(),
            settings,
        }
    }

    /// Who runs this process, for the log of what operators did: the person behind `sudo` first.
    pub fn operator(&self) -> String {
        let set = |name: &str| {
            let (_, value) = self.environment.iter().find(|(known, _)| known == name)?;
            value.to_str().filter(|value| !value.is_empty())
        };
        let names = ["SUDO_USER", "USER", "LOGNAME"];
        let operator = names.into_iter().find_map(set).unwrap_or(UNKNOWN_OPERATOR);
        operator.chars().take(OPERATOR_MAX_CHARS).collect()
    }

    /// Reads every source and checks the result.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let defaults =
            Layer::from_toml(DEFAULT_TOML, "config/default.toml".as_ref(), DEFAULT_ORIGIN)?;
        let known = Keys::of(&merge(std::slice::from_ref(&defaults))?.config);
        let mut layers = vec![defaults, Layer::from_aliases(&self.environment)?];
        if let Some(path) = &self.file {
            layers.push(Layer::from_file(path, &known)?);
        }
        layers.push(Layer::from_environment(&self.environment, &known)?);
        layers.push(Layer::from_settings(&self.settings, &known)?);
        let loaded = merge(&layers)?;
        loaded.config.check()?;
        Ok(loaded)
    }
}

impl std::fmt::Debug for Sources {
    /// Without the environment, which holds everybody's secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sources = f.debug_struct("Sources");
        sources
            .field("file", &self.file)
            .field("settings", &self.settings);
        sources.finish_non_exhaustive()
    }
}

/// Lays the layers on each other, the strongest last.
fn merge(layers: &[Layer]) -> Result<Loaded, ConfigError> {
    let mut origins = BTreeMap::new();
    let mut builder = config::Config::builder();
    for layer in layers {
        for (key, value) in &layer.values {
            origins.insert(
                key.clone(),
                value.origin().unwrap_or(DEFAULT_ORIGIN).to_owned(),
            );
        }
        builder = builder.add_source(layer.clone());
    }
    let built = builder.build().and_then(config::Config::try_deserialize);
    match built {
        Ok(config) => Ok(Loaded { config, origins }),
        Err(error) => Err(explain(error, &origins)),
    }
}

/// Puts an error of the `config` crate into our words: the key, the problem, the origin.
fn explain(error: config::ConfigError, origins: &BTreeMap<String, String>) -> ConfigError {
    use config::ConfigError as Cause;
    let (path, problem) = match error {
        Cause::Type {
            unexpected,
            expected,
            key,
            ..
        } => (
            key.unwrap_or_default(),
            format!("{unexpected} is not {expected}"),
        ),
        Cause::At { error, key, .. } => (key.unwrap_or_default(), error.to_string()),
        Cause::NotFound(key) => (key, "it is missing".to_owned()),
        other => (String::new(), other.to_string()),
    };
    // An element of a list is told with its list's key, as that is what people set.
    let key = path.split('[').next().unwrap_or_default().to_owned();
    let origin = origins
        .get(&key)
        .map_or(DEFAULT_ORIGIN, String::as_str)
        .to_owned();
    ConfigError::Value {
        key,
        problem,
        origin,
    }
}
