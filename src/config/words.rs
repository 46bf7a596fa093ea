//! Values that are words: switches, formats, addresses, prefixes, and lists of our vocabulary.

use std::{fmt, net::SocketAddr, str::FromStr};

use serde::{Deserialize, Deserializer};
use tracing_subscriber::EnvFilter;

use crate::model::vocabulary;

/// What is wrong with a value, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub(super) String);

/// Reads a type from its text form and writes it back the same way.
macro_rules! as_text {
    ($name:ty) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}
pub(super) use as_text;

/// Reads words of a closed vocabulary, so that an unknown one is told with those that exist. Works
/// for one word, an optional one and a list.
pub(super) mod word {
    use super::{Deserialize, Deserializer, FromStr, fmt};

    fn parse<T: FromStr<Err: fmt::Display>, E: serde::de::Error>(word: &str) -> Result<T, E> {
        word.parse().map_err(E::custom)
    }

    pub(in crate::config) fn one<'de, D, T>(deserializer: D) -> Result<T, D::Error>
    where
        D: Deserializer<'de>,
        T: FromStr<Err: fmt::Display>,
    {
        parse(&String::deserialize(deserializer)?)
    }

    pub(in crate::config) fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        D: Deserializer<'de>,
        T: FromStr<Err: fmt::Display>,
    {
        let word = Option::<String>::deserialize(deserializer)?;
        word.map(|word| parse(&word)).transpose()
    }

    pub(in crate::config) fn list<'de, D, T, C>(deserializer: D) -> Result<C, D::Error>
    where
        D: Deserializer<'de>,
        T: FromStr<Err: fmt::Display>,
        C: FromIterator<T>,
    {
        let words = Vec::<String>::deserialize(deserializer)?;
        words.iter().map(|word| parse(word)).collect()
    }
}

vocabulary! {
    /// Whether something is done.
    Switch, "switch" {
        /// Done.
        On = "on",
        /// Not done.
        Off = "off",
    }
}

vocabulary! {
    /// What happens when a user connects another Polar account.
    ReplaceConnection, "way to replace a connection" {
        /// The new account is refused.
        Reject = "reject",
        /// The new account takes over, and the old connection ends.
        New = "new",
    }
}

vocabulary! {
    /// The form of log lines.
    LogFormat, "log format" {
        /// For people on a terminal, JSON elsewhere.
        Auto = "auto",
        /// One JSON object a line.
        Json = "json",
        /// For people.
        Pretty = "pretty",
    }
}

/// An address to listen on. Port 0 lets the system choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(SocketAddr);

impl Listen {
    /// The address.
    pub const fn get(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for Listen {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| {
            InvalidValue(format!(
                "{text:?} is not an address to listen on; write IP:PORT, for example 127.0.0.1:9464 or [::]:9464"
            ))
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
as_text!(Listen);

/// The first part of every key in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    const MAX_LENGTH: usize = 64;

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyPrefix {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._:{}-".contains(&c);
        if (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidValue(format!(
            "{text:?} is not a key prefix; write 1 to {} characters of A-Z a-z 0-9 . _ : {{ }} -",
            Self::MAX_LENGTH
        )))
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
as_text!(KeyPrefix);

/// Which log lines are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogFilter {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = !text.trim().is_empty() && EnvFilter::builder().parse(text).is_ok();
        if valid {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidValue(format!(
            "{text:?} is not a log filter; write a level (error, warn, info, debug, trace) or a list such as info,polar_sync::sync=debug"
        )))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
as_text!(LogFilter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_prefix_fits_one_slot_of_a_cluster_and_no_blank() {
        assert!("{polar-sync}".parse::<KeyPrefix>().is_ok());
        for text in ["", "a b", "ü", &"x".repeat(KeyPrefix::MAX_LENGTH + 1)] {
            assert!(text.parse::<KeyPrefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_log_filter_is_a_level_or_directives() {
        for text in ["info", "info,polar_sync::sync=debug"] {
            assert!(text.parse::<LogFilter>().is_ok(), "{text}");
        }
        for text in ["", "polar_sync=loud", "a=b=c"] {
            assert!(text.parse::<LogFilter>().is_err(), "{text}");
        }
    }
}
