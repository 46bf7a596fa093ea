//! From the bytes of a body to its type.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Unreadable, complete, document, tolerant::Tolerant};

/// Decodes a body, or one item of a body, as a `T`.
///
/// # Errors
/// Says where the body differs from what is known of it, without quoting it.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unreadable> {
    decode_value(value(body)?)
}

/// Parses a body as JSON of a limited number of values; `serde_json`'s limit of 128 levels bounds its depth.
pub(super) fn value(body: &[u8]) -> Result<Value, Unreadable> {
    let unreadable = || Unreadable::new("", "JSON of at most 128 levels and three million values");
    let text = complete::text(body).map_err(|_| unreadable())?;
    document::parse(text).map_err(|_| unreadable())
}

/// Decodes a parsed document, or a part of one.
pub(super) fn decode_value<T: DeserializeOwned>(value: Value) -> Result<T, Unreadable> {
    T::deserialize(Tolerant(value))
}

/// The fields of a body that must be an object, with their names in snake-case.
pub(super) fn object(body: &[u8]) -> Result<serde_json::Map<String, Value>, Unreadable> {
    match value(body)? {
        Value::Object(fields) => Ok(super::tolerant::snake_case_fields(fields)),
        _ => Err(Unreadable::new("", "an object")),
    }
}
