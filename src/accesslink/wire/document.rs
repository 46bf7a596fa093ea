//! Documents in which a name that an object gives twice keeps both of its values.
//!
//! A night's map names the hour that is repeated in autumn twice: with one value a name, the first pass
//! through it would be lost.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::limit::VALUE_LIMIT;

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

/// Parses a document. What JSON can say and no value can hold costs nothing but itself: a number beyond every
/// `f64` stands there as the text that it was sent as, and half a surrogate pair as U+FFFD.
pub(super) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    parse_in_range(text).or_else(|error| match brought_into_range(text) {
        Some(text) => parse_in_range(&text),
        None => Err(error),
    })
}

fn parse_in_range(text: &str) -> Result<Value, serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let left = Cell::new(VALUE_LIMIT);
    let value = Node { left: &left }.deserialize(&mut parser)?;
    parser.end()?;
    Ok(value)
}

/// The document with values that can be held; `None` when nothing had to be changed.
fn brought_into_range(document: &str) -> Option<String> {
    let mut changed = String::with_capacity(document.len() + 2);
    let mut rest = document;
    while let Some(start) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        let (before, token) = rest.split_at(start);
        changed.push_str(before);
        if token.starts_with('"') {
            let (text, after) = token.split_at(text_end(token));
            push_text(&mut changed, text);
            rest = after;
            continue;
        }
        let beyond = |c: char| !(c.is_ascii_digit() || "+-.eE".contains(c));
        let (number, after) = token.split_at(token.find(beyond).unwrap_or(token.len()));
        if number.parse().is_ok_and(f64::is_infinite) {
            changed.extend(["\"", number, "\""]);
        } else {
            changed.push_str(number);
        }
        rest = after;
    }
    changed.push_str(rest);
    (changed != document).then_some(changed)
}

/// Adds a text with U+FFFD for every half of a surrogate pair.
fn push_text(changed: &mut String, text: &str) {
    let mut rest = text;
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        changed.push_str(before);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                changed.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            _ => 2,
        };
        let (kept, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        changed.push_str(kept);
        rest = after;
    }
    changed.push_str(rest);
}

/// The 16 bits that an escape stands for, if it is one of these.
fn unit(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// Where a text ends that begins with its quote.
fn text_end(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.bytes().enumerate().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A value of a document.
#[derive(Clone, Copy)]
struct Node<'a> {
    /// How many values may still come.
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, node: D) -> Result<Value, D::Error> {
        let too_many = || D::Error::custom("more values than a document may have");
        self.left
            .set(self.left.get().checked_sub(1).ok_or_else(too_many)?);
        node.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
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
        while let Some(entry) = entries.next_element_seed(self)? {
            list.push(entry);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
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
    fn a_number_beyond_all_numbers_is_kept_as_text() {
        let text =
            r#"{"a":1e999,"b":[-1.5E+400, 1e308,-0],"c":"\"1e999\\","1e999":9e-999,"d":1e999}"#;
        let expected =
            r#"{"a":"1e999","b":["-1.5E+400",1e308,-0.0],"c":"\"1e999\\","1e999":0.0,"d":"1e999"}"#;
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(parse(text).unwrap(), expected);
        let huge = "9".repeat(400);
        assert_eq!(parse(&huge).unwrap(), Value::String(huge));
    }

    #[test]
    fn half_a_pair_is_a_character_that_is_not_known() {
        let text =
            r#"{"a":"x\ud83dy","\ude00":"\\ud83d","b":"\ud83d\ude00\ud83d","c":"\ud83d\n\ude00"}"#;
        let expected =
            r#"{"a":"x\ufffdy","\ufffd":"\\ud83d","b":"\ud83d\ude00\ufffd","c":"\ufffd\n\ufffd"}"#;
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(parse(text).unwrap(), expected);
        for text in [r#""\ud83"#, r#""\ud83d"#, r#"["\ud83d\"#, r#""\é\ud83d""#] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_document_has_a_limit() {
        let zeros = |n: usize| format!("[{}0]", "0,".repeat(n - 1));
        assert!(parse(&zeros(VALUE_LIMIT - 1)).is_ok());
        assert!(parse(&zeros(VALUE_LIMIT)).is_err());
    }

    #[test]
    fn every_other_document_is_what_it_was() {
        let text = r#"{"a":[1,-1,1.5,18446744073709551615,"\u00e9",{}],"b":{"c":false}}"#;
        let plain: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse(text).unwrap(), plain);
        for text in [
            "{} {}",
            "1e999]",
            "[1,]",
            "[-]",
            r#"["a]"#,
            r#"{"a":1e999,}"#,
            &"[".repeat(200),
        ] {
            assert!(parse(text).is_err(), "{text:.10}");
        }
    }
}
