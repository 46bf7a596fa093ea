//! How long the lists of a body may be.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};

/// Entries of an ordinary list: items of a transaction, nights, exercises, zones. A transaction
/// holds at most 50, and 30 days of exercises are some hundreds.
pub const LIST_LIMIT: usize = 10_000;

/// Points of a route: more than two days at one a second.
pub const ROUTE_LIMIT: usize = 200_000;

/// Entries of a map of times of day: one every ten seconds of a day would still fit.
pub const CLOCK_MAP_LIMIT: usize = 10_000;

/// Entries of the pull notifications: three for each of 100,000 users, and room to grow.
pub const NOTIFICATION_LIMIT: usize = 500_000;

/// Values of a document, objects and lists among them: four for each notification, or six for each point of a
/// route, and half as many again. A value takes some 20 times as much memory as the two bytes that it can be.
pub(super) const VALUE_LIMIT: usize = 3_000_000;

/// What is left out of a body and named one by one; quarantine shows less.
pub(super) const LEFT_OUT_LIMIT: usize = 100;

/// A list of at most `LIMIT` entries, for `#[serde(deserialize_with)]`.
pub(super) fn at_most<'de, D, T, const LIMIT: usize>(list: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    list.deserialize_seq(AtMost::<T, LIMIT>(PhantomData))
}

struct AtMost<T, const LIMIT: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const LIMIT: usize> Visitor<'de> for AtMost<T, LIMIT> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {LIMIT} entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
        let length = entries.size_hint().unwrap_or(0);
        if length > LIMIT {
            return Err(A::Error::invalid_length(length, &self));
        }
        let mut list = Vec::with_capacity(length);
        while let Some(entry) = entries.next_element()? {
            if list.len() == LIMIT {
                return Err(A::Error::invalid_length(LIMIT + 1, &self));
            }
            list.push(entry);
        }
        Ok(list)
    }
}
