//! The keys that exist, taken from the sections themselves.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Config, secret::MASK};

/// Keys whose values are secrets: they are never shown, are not taken from arguments, and may come
/// from the file that `..._FILE` names.
pub const SECRET_KEYS: [&str; 5] = [
    "accesslink.client_secret",
    "api.bootstrap_key",
    "database.url",
    "redis.url",
    "security.keys",
];

/// The prefix of every variable of ours.
pub(super) const VARIABLE_PREFIX: &str = "POLAR_SYNC__";

/// How alike two keys must be to be suggested for one another.
const SIMILARITY_MIN: f64 = 0.85;

/// Whether the value of `key` is secret.
pub(super) fn is_secret(key: &str) -> bool {
    SECRET_KEYS.contains(&key)
}

/// The variable that sets `key`.
pub(super) fn variable(key: &str) -> String {
    format!(
        "{VARIABLE_PREFIX}{}",
        key.to_ascii_uppercase().replace('.', "__")
    )
}

/// Every key with its value as JSON; secrets are masked, unset keys are null.
pub(super) fn flatten(config: &Config) -> BTreeMap<String, Value> {
    let mut keys = BTreeMap::new();
    // Serializing plain structs to JSON cannot fail; an empty map would make every key unknown.
    if let Ok(tree) = serde_json::to_value(config) {
        descend("", tree, &mut keys);
    }
    keys
}

fn descend(path: &str, value: Value, keys: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name
                } else {
                    format!("{path}.{name}")
                };
                descend(&path, value, keys);
            }
        }
        value => {
            keys.insert(path.to_owned(), value);
        }
    }
}

/// The vocabulary of keys, by which layers are read.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    /// Whether the key takes a list.
    lists: BTreeMap<String, bool>,
}

impl Keys {
    pub(super) fn of(config: &Config) -> Self {
        let keys = flatten(config).into_iter();
        Self {
            lists: keys.map(|(key, value)| (key, value.is_array())).collect(),
        }
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.lists.contains_key(key)
    }

    /// Whether `table` holds keys.
    pub(super) fn contains_below(&self, table: &str) -> bool {
        let inner = format!("{table}.");
        self.lists.keys().any(|key| key.starts_with(&inner))
    }

    pub(super) fn is_list(&self, key: &str) -> bool {
        self.lists.get(key).copied().unwrap_or_default()
    }

    /// What to do about `unknown`: the key that was probably meant, or the keys of its section.
    pub(super) fn hint(&self, unknown: &str, written: impl Fn(&str) -> String) -> String {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let likeness = |key: &str| {
            let same_name = if last(key) == last(unknown) {
                SIMILARITY_MIN
            } else {
                0.0
            };
            strsim::jaro_winkler(key, unknown).max(same_name)
        };
        let inner = format!("{unknown}.");
        let inside: Vec<_> = self
            .lists
            .keys()
            .filter(|key| key.starts_with(&inner))
            .collect();
        if !inside.is_empty() {
            let written: Vec<_> = inside.into_iter().map(|key| written(key)).collect();
            return format!("it holds several keys; set {}", written.join(", "));
        }
        let nearest = self
            .lists
            .keys()
            .map(|key| (likeness(key), key))
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .filter(|(likeness, _)| *likeness >= SIMILARITY_MIN);
        match nearest {
            Some((_, key)) => format!("did you mean {}?", written(key)),
            None => "`polar-sync config show` lists every key".to_owned(),
        }
    }
}

/// The value of a key for people: TOML, where there is one.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(not set)".to_owned(),
        Value::String(text) if text == MASK => MASK.to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Keys {
        Keys {
            lists: names
                .iter()
                .map(|name| ((*name).to_owned(), false))
                .collect(),
        }
    }

    #[test]
    fn a_slip_is_answered_with_the_key_that_was_meant() {
        let keys = keys(&[
            "worker.concurrency.interactive",
            "worker.drain",
            "sync.commit",
        ]);
        let hint = |unknown: &str| keys.hint(unknown, str::to_owned);
        assert_eq!(
            hint("worker.concurency.interactive"),
            "did you mean worker.concurrency.interactive?"
        );
        assert_eq!(hint("drain"), "did you mean worker.drain?");
        assert_eq!(
            hint("worker.concurrency"),
            "it holds several keys; set worker.concurrency.interactive"
        );
        assert!(hint("zzz.qqq").contains("config show"));
    }
}
