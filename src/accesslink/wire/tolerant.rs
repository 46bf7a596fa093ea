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
//! | true or false | also `"true"`, `"FALSE"`, `0`, `1` |
//! | an optional value | `null`, blank text and a missing field are none |
//! | a list | `null` is an empty one, a lone object a list of one |

use std::borrow::Cow;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};
use serde_json::{Map, Number, Value, map};

use super::Unreadable;

/// A JSON value about to become a field of a known type.
pub(super) struct Tolerant(pub(super) Value);

fn expected<T>(what: &str) -> Result<T, Unreadable> {
    Err(Unreadable::new("", what))
}

/// Largest whole number up to which every whole `f64` is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[expect(
    clippy::cast_possible_truncation,
    reason = "only whole numbers within the exact range are cast"
)]
fn exact_integer(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| exact_integer(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse()
                .ok()
                .or_else(|| exact_integer(text.parse().ok()?))
        }
        _ => None,
    }
}

fn real(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        _ => None,
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number_text(&number)),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// `12.0` is `12` where a number stands for a code or an id.
fn number_text(number: &Number) -> String {
    match number.as_f64().and_then(exact_integer) {
        Some(integer) if number.is_f64() => integer.to_string(),
        _ => number.to_string(),
    }
}

/// The fields of an object under their names in snake-case. Of several spellings of one name the
/// last one with a value holds.
pub(super) fn snake_case_fields(fields: Map<String, Value>) -> Map<String, Value> {
    let mut renamed = Map::with_capacity(fields.len());
    for (name, value) in fields {
        let name = snake_case(&name).into_owned();
        if !value.is_null() || !renamed.contains_key(&name) {
            renamed.insert(name, value);
        }
    }
    renamed
}

fn snake_case(name: &str) -> Cow<'_, str> {
    if !name.contains(|c: char| c == '-' || c.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        match c {
            '-' => snake.push('_'),
            c if c.is_ascii_uppercase() => {
                if !snake.is_empty() && !snake.ends_with('_') {
                    snake.push('_');
                }
                snake.push(c.to_ascii_lowercase());
            }
            c => snake.push(c),
        }
    }
    Cow::Owned(snake)
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
            Value::String(text) if text.trim().is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let entries = match self.0 {
            Value::Null => Vec::new(),
            Value::Array(entries) => entries,
            object @ Value::Object(_) => vec![object],
            _ => return expected("a list"),
        };
        visitor.visit_seq(Entries {
            entries: entries.into_iter(),
            position: 0,
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Null => visitor.visit_map(Fields::new(Map::new(), Names::Data)),
            Value::Object(fields) => visitor.visit_map(Fields::new(fields, Names::Data)),
            _ => expected("an object"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Object(fields) => {
                visitor.visit_map(Fields::new(snake_case_fields(fields), Names::Known))
            }
            _ => expected("an object"),
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

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Unreadable> {
        Err(Unreadable::custom("every field of a body has a type"))
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
    }
}

/// The entries of a list, which know their position.
struct Entries {
    entries: std::vec::IntoIter<Value>,
    position: usize,
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
enum Names {
    /// Names of fields: they say where an error is.
    Known,
    /// Data, for example times of day: an error gives the position instead.
    Data,
}

/// The fields of an object, in their order.
struct Fields {
    rest: map::IntoIter,
    names: Names,
    position: usize,
    current: Option<(String, Value)>,
}

impl Fields {
    fn new(fields: Map<String, Value>, names: Names) -> Self {
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
        let key = seed.deserialize(name.as_str().into_deserializer())?;
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
