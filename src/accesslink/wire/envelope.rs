//! Bodies that are an object around one list.
//!
//! A list under a name that is not known here must not be taken for a list that is missing: what is
//! in it would be lost. So an object that holds something unknown, and no list under a known name, is
//! not understood; an empty one has nothing to tell.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use super::limit::{LIST_LIMIT, at_most};

/// What may stand beside a list and says nothing about it.
const BESIDES: [&str; 6] = [
    "id",
    "index",
    "interval",
    "polar_user",
    "transaction_id",
    "recording_rate",
];

/// A list with the date beside it.
pub(super) struct Envelope<T> {
    pub(super) date: Option<String>,
    pub(super) list: Vec<T>,
}

impl<T> Envelope<T> {
    /// Reads an object whose list has one of these names, or the list without an object around it.
    pub(super) fn open<'de, D>(body: D, names: &'static [&'static str]) -> Result<Self, D::Error>
    where
        D: Deserializer<'de>,
        T: Deserialize<'de>,
    {
        body.deserialize_any(Opening {
            names,
            entry: PhantomData,
        })
    }
}

struct Opening<T> {
    names: &'static [&'static str],
    entry: PhantomData<T>,
}

struct Limited<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Limited<T> {
    fn deserialize<D: Deserializer<'de>>(list: D) -> Result<Self, D::Error> {
        at_most::<_, _, LIST_LIMIT>(list).map(Self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Opening<T> {
    type Value = Envelope<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<Envelope<T>, A::Error> {
        let list = Limited::deserialize(SeqAccessDeserializer::new(entries))?;
        Ok(Envelope {
            date: None,
            list: list.0,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Envelope<T>, A::Error> {
        let (mut date, mut list, mut holds_more) = (None, None, false);
        while let Some(name) = fields.next_key::<String>()? {
            if self.names.contains(&name.as_str()) {
                list = Some(fields.next_value::<Limited<T>>()?.0);
            } else if name == "date" {
                date = fields.next_value()?;
            } else {
                fields.next_value::<IgnoredAny>()?;
                holds_more |= !BESIDES.contains(&name.as_str());
            }
        }
        match (list, self.names.first()) {
            (None, Some(name)) if holds_more => Err(A::Error::missing_field(name)),
            (list, _) => Ok(Envelope {
                date,
                list: list.unwrap_or_default(),
            }),
        }
    }
}
