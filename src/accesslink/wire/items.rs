//! Bodies that hold many items: each is cut out as it was sent.
//!
//! An item is kept raw and judged by itself, so that one night that cannot be understood is one
//! night in quarantine and the others are stored.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{LIST_LIMIT, Unreadable, complete, limit::at_most};

/// What names an item and its version, read even where the rest of the item is not understood, so that
/// quarantine can say what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ItemName {
    /// Id of an exercise, a day of activity or a record of physical information.
    pub id: Option<String>,
    /// Date of a night or of a day of activity.
    pub date: Option<String>,
    /// Version of an exercise.
    pub upload_time: Option<String>,
    /// Version of a day of activity or of a record of physical information.
    pub created: Option<String>,
}

/// The nights of `GET /v3/users/sleep`.
pub fn sleep_nights(body: &[u8]) -> Result<Vec<&str>, Unreadable> {
    field_items(body, "nights")
}

/// The nights of `GET /v3/users/nightly-recharge`.
pub fn nightly_recharges(body: &[u8]) -> Result<Vec<&str>, Unreadable> {
    field_items(body, "recharges")
}

/// The sessions of `GET /v3/exercises`.
pub fn exercises(body: &[u8]) -> Result<Vec<&str>, Unreadable> {
    let text = complete::text(body).map_err(|_| Unreadable::new("", "a list"))?;
    list_items(text)
}

/// The items of a list in a field, or of a list without an object around it. An object without
/// anything, and nothing in the place of the list, are an empty list.
fn field_items<'a>(body: &'a [u8], field: &str) -> Result<Vec<&'a str>, Unreadable> {
    let neither = || Unreadable::new("", "an object or a list");
    let text = complete::text(body).map_err(|_| neither())?;
    if text.starts_with('[') {
        return list_items(text);
    }
    let mut parser = serde_json::Deserializer::from_str(text);
    let found = parser.deserialize_map(Finding(field));
    let found = found.and_then(|found| parser.end().map(|()| found));
    let found = found.map_err(|_| neither())?;
    match found.list.map(RawValue::get) {
        Some(r#""""# | "null") => Ok(Vec::new()),
        Some(lone) if lone.starts_with('{') => Ok(lone_item(lone)),
        Some(list) => list_items(list).map_err(|error| error.in_field(field)),
        None if found.is_empty => Ok(Vec::new()),
        None => Err(Unreadable::new(field, "a list, but it is missing")),
    }
}

/// Looks for a field, and keeps nothing of the others.
struct Finding<'a>(&'a str);

/// What was found of an object.
struct Found<'de> {
    /// The field; of several with its name the last one.
    list: Option<&'de RawValue>,
    /// Whether the object has no field at all.
    is_empty: bool,
}

impl<'de> Visitor<'de> for Finding<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Found<'de>, A::Error> {
        let mut found = Found {
            list: None,
            is_empty: true,
        };
        while let Some(name) = fields.next_key::<String>()? {
            found.is_empty = false;
            if name == self.0 {
                found.list = Some(fields.next_value()?);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A lone object stands for a list of one, and one without anything for an empty list.
fn lone_item(object: &str) -> Vec<&str> {
    let is_empty = object.trim_matches(['{', '}']).trim().is_empty();
    if is_empty { Vec::new() } else { vec![object] }
}

fn list_items(text: &str) -> Result<Vec<&str>, Unreadable> {
    let expected = format!("a list of at most {LIST_LIMIT} entries");
    let mut parser = serde_json::Deserializer::from_str(text);
    let items = at_most::<_, &RawValue, LIST_LIMIT>(&mut parser);
    let items = items.and_then(|items| parser.end().map(|()| items));
    let items = items.map_err(|_| Unreadable::new("", expected))?;
    Ok(items.into_iter().map(RawValue::get).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accesslink::wire::decode;

    #[test]
    fn items_are_cut_out_byte_for_byte() {
        let body = br#" {"nights": [ {"b":1e999,  "a": "\u00e9"}, 7 ] } "#;
        assert_eq!(
            sleep_nights(body).unwrap(),
            [r#"{"b":1e999,  "a": "\u00e9"}"#, "7"]
        );
        assert_eq!(exercises(b"[]").unwrap(), Vec::<&str>::new());
        assert_eq!(
            nightly_recharges(br#"{"recharges":null}"#).unwrap(),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn an_item_has_a_name_even_where_it_is_not_understood() {
        let night = br#"{"date":"2031-05-06","sleep_start_time":{},"hypnogram":7}"#;
        let name: ItemName = decode(night).unwrap();
        assert_eq!(name.date.as_deref(), Some("2031-05-06"));
        let exercise = br#"{"id":412,"upload-time":"2031-05-06T05:11:42Z","duration":[]}"#;
        let name: ItemName = decode(exercise).unwrap();
        assert_eq!(name.id.as_deref(), Some("412"));
        assert_eq!(name.upload_time.as_deref(), Some("2031-05-06T05:11:42Z"));
    }

    #[test]
    fn every_form_of_a_list_is_understood() {
        for body in [
            "[]",
            "{}",
            r#"{"nights":[]}"#,
            r#"{"nights":{ }}"#,
            r#"{"nights":""}"#,
        ] {
            assert_eq!(
                sleep_nights(body.as_bytes()).unwrap(),
                Vec::<&str>::new(),
                "{body}"
            );
        }
        for body in [
            r#"[{"a": 1}]"#,
            r#"{"nights":[{"a": 1}]}"#,
            r#"{"nights":{"a": 1}}"#,
        ] {
            assert_eq!(
                sleep_nights(body.as_bytes()).unwrap(),
                [r#"{"a": 1}"#],
                "{body}"
            );
        }
    }

    #[test]
    fn what_holds_no_items_says_where() {
        assert_eq!(
            sleep_nights(br#"{"sleeps":[]}"#).unwrap_err().path,
            "nights"
        );
        assert_eq!(sleep_nights(br#"{"nights":7}"#).unwrap_err().path, "nights");
        let expected = exercises(b"{}").unwrap_err().expected;
        assert!(expected.starts_with("a list"), "{expected}");
        let long = format!("[{}0]", "0,".repeat(LIST_LIMIT));
        assert!(exercises(long.as_bytes()).is_err());
    }
}
