//! Maps from a time of day to a number.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use super::limit::CLOCK_MAP_LIMIT;

/// A map from `HH:MM` to a number, in the order of the body and with every entry of it: that order
/// tells which of two passes through a repeated hour is meant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClockMap(pub Vec<(String, Option<f64>)>);

impl<'de> Deserialize<'de> for ClockMap {
    fn deserialize<D: Deserializer<'de>>(map: D) -> Result<Self, D::Error> {
        map.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = ClockMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map of at most {CLOCK_MAP_LIMIT} times of day")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ClockMap, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            if entries.len() == CLOCK_MAP_LIMIT {
                return Err(A::Error::invalid_length(CLOCK_MAP_LIMIT + 1, &self));
            }
            entries.push(entry);
        }
        Ok(ClockMap(entries))
    }
}
