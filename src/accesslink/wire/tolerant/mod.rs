//! The one place of tolerance: a deserializer that reads what Polar means.
//!
//! It knows what a field wants to be, so it can accept the other spellings of it. Everything that
//! AccessLink was ever seen or documented to vary is handled here, for every type at once:
//!
//! | wanted | accepted |
//! |---|---|
//! | a field | its name in kebab-, snake- or camel-case; of two spellings the last one that is not null |
//! | a number | a number, or text that is one |
//! | a whole number | also `546.0` and `"546"` |
//! | text | also a number or a boolean |
//! | true or false | also `"true"`, `"FALSE"`, `0`, `1`, `"0"`, `"1"` |
//! | an optional value | `null`, blank text, a missing field, and the words null, NaN and Infinity are none |
//! | a list | `null` and blank text are an empty one, a lone object a list of one |
//! | an object or a map | `null`, blank text and an empty list are an empty one |

mod access;
mod names;
mod scalar;

use serde::{Deserializer, de::Visitor, forward_to_deserialize_any};
use serde_json::{Map, Value};

use self::{
    access::{Entries, Fields, Names},
    scalar::{boolean, integer, real, text},
};
use super::Unreadable;

pub(super) use self::{
    names::{snake_case, snake_case_fields},
    scalar::is_nothing,
};

/// A JSON value about to become a field of a known type.
pub(super) struct Tolerant(pub(super) Value);

fn expected<T>(what: &str) -> Result<T, Unreadable> {
    Err(Unreadable::new("", what))
}

/// The fields of an object; what stands for nothing is an object without any.
fn fields(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Null => Some(Map::new()),
        Value::String(text) if is_nothing(&text) => Some(Map::new()),
        Value::Array(entries) if entries.is_empty() => Some(Map::new()),
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            match integer(&self.0) {
                Some(number) => visitor.visit_i64(number),
                None => expected("a whole number"),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Tolerant {
    type Error = Unreadable;

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match real(&self.0) {
            Some(number) => visitor.visit_f64(number),
            None => expected("a number"),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match boolean(&self.0) {
            Some(flag) => visitor.visit_bool(flag),
            None => expected("true or false"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match text(self.0) {
            Some(text) => visitor.visit_string(text),
            None => expected("text"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match &self.0 {
            Value::Null => visitor.visit_none(),
            Value::String(text) if is_nothing(text) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let entries = match self.0 {
            Value::Null => Vec::new(),
            Value::String(text) if is_nothing(&text) => Vec::new(),
            Value::Array(entries) => entries,
            object @ Value::Object(_) => vec![object],
            _ => return expected("a list"),
        };
        visitor.visit_seq(Entries::new(entries))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match fields(self.0) {
            Some(fields) => visitor.visit_map(Fields::new(fields, Names::Data)),
            None => expected("an object"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        match fields(self.0) {
            Some(fields) => visitor.visit_map(Fields::new(snake_case_fields(fields), Names::Known)),
            None => expected("an object"),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    /// A list, or an object with a list: everything else of a body has a type.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Array(entries) => visitor.visit_seq(Entries::new(entries)),
            value => Tolerant(value).deserialize_struct("", &[], visitor),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
    }
}
