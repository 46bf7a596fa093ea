//! Documents in which a name that an object gives twice keeps both of its values.
//!
//! A night's map names the hour that is repeated in autumn twice: with one value a name, the first pass
//! through it would be lost.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Begins what tells a repeated name from the one before it. No name of Polar's has it.
const REPEATED: char = '\0';

/// The name as it was sent.
pub(super) fn name_as_sent(name: &str) -> &str {
    name.split(REPEATED).next().unwrap_or_default()
}

/// Whether a name had to be told from one before it.
pub(super) fn is_repeated(name: &str) -> bool {
    name.contains(REPEATED)
}

/// Parses a document.
pub(super) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = Node.deserialize(&mut parser)?;
    parser.end()?;
    Ok(value)
}

struct Node;

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, node: D) -> Result<Value, D::Error> {
        node.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element_seed(Self)? {
            list.push(entry);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Self)?;
            let name = if fields.contains_key(&name) {
                format!("{name}{REPEATED}{}", fields.len())
            } else {
                name
            };
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_name_keeps_both_values_in_order() {
        let value = parse(r#"{"a":1,"b":[{"c":-2.5,"c":null}],"a":"x","a":true}"#).unwrap();
        let fields = value.as_object().unwrap();
        let read: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name_as_sent(name), value.to_string()))
            .collect();
        assert_eq!(read[0], ("a", "1".to_owned()));
        assert_eq!(read[2], ("a", "\"x\"".to_owned()));
        assert_eq!(read[3], ("a", "true".to_owned()));
        assert_eq!(fields["b"][0].as_object().unwrap().len(), 2);
    }

    #[test]
    fn every_other_document_is_what_it_was() {
        let text = r#"{"a":[1,-1,1.5,18446744073709551615,"\u00e9",{}],"b":{"c":false}}"#;
        let plain: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse(text).unwrap(), plain);
        for text in ["{} {}", "1e999", "[1,]", &"[".repeat(200)] {
            assert!(parse(text).is_err(), "{text:.10}");
        }
    }
}
