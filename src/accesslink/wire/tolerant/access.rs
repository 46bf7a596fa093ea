//! Lists and objects, entry by entry: where an error gets its place.

use serde::de::{DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess};
use serde_json::{Map, Value, map};

use super::Tolerant;
use crate::accesslink::wire::{Unreadable, document::name_as_sent};

/// The entries of a list, which know their position.
pub(super) struct Entries {
    entries: std::vec::IntoIter<Value>,
    position: usize,
}

impl Entries {
    pub(super) fn new(entries: Vec<Value>) -> Self {
        Self {
            entries: entries.into_iter(),
            position: 0,
        }
    }
}

impl<'de> SeqAccess<'de> for Entries {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unreadable> {
        let Some(entry) = self.entries.next() else {
            return Ok(None);
        };
        let position = self.position;
        self.position += 1;
        seed.deserialize(Tolerant(entry))
            .map(Some)
            .map_err(|error| error.at_position(position))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// What the names of an object are.
#[derive(Clone, Copy)]
pub(super) enum Names {
    /// Names of fields: they say where an error is.
    Known,
    /// Data, for example times of day: an error gives the position instead.
    Data,
}

/// The fields of an object, in their order.
pub(super) struct Fields {
    rest: map::IntoIter,
    names: Names,
    position: usize,
    current: Option<(String, Value)>,
}

impl Fields {
    pub(super) fn new(fields: Map<String, Value>, names: Names) -> Self {
        Self {
            rest: fields.into_iter(),
            names,
            position: 0,
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unreadable> {
        let Some((name, value)) = self.rest.next() else {
            return Ok(None);
        };
        let key = seed.deserialize(name_as_sent(&name).into_deserializer())?;
        self.current = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, Unreadable> {
        let Some((name, value)) = self.current.take() else {
            return Err(Unreadable::custom("a value is read after its name"));
        };
        let position = self.position;
        self.position += 1;
        seed.deserialize(Tolerant(value))
            .map_err(|error| match self.names {
                Names::Known => error.in_field(&name),
                Names::Data => error.at_position(position),
            })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}
