//! Bodies that hold many items: each is cut out as it was sent.
//!
//! An item is kept raw and judged by itself, so that one night that cannot be understood is one
//! night in quarantine and the others are stored.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::{LIST_LIMIT, Unreadable, complete};

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

fn field_items<'a>(body: &'a [u8], field: &str) -> Result<Vec<&'a str>, Unreadable> {
    let object = || Unreadable::new("", "an object");
    let text = complete::text(body).map_err(|_| object())?;
    let fields: HashMap<String, &RawValue> = serde_json::from_str(text).map_err(|_| object())?;
    match fields.get(field).map(|list| list.get()) {
        Some("null") => Ok(Vec::new()),
        Some(list) => list_items(list).map_err(|error| error.in_field(field)),
        None => Err(Unreadable::new(field, "a list, but it is missing")),
    }
}

fn list_items(text: &str) -> Result<Vec<&str>, Unreadable> {
    let items: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|_| Unreadable::new("", "a list"))?;
    if items.len() > LIST_LIMIT {
        let expected = format!("a list of at most {LIST_LIMIT} entries");
        return Err(Unreadable::new("", expected));
    }
    Ok(items.into_iter().map(RawValue::get).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_holds_no_items_says_where() {
        assert_eq!(sleep_nights(b"{}").unwrap_err().path, "nights");
        assert_eq!(sleep_nights(b"[]").unwrap_err().expected, "an object");
        assert_eq!(exercises(b"{}").unwrap_err().expected, "a list");
        let long = format!("[{}0]", "0,".repeat(LIST_LIMIT));
        assert!(exercises(long.as_bytes()).is_err());
    }
}
