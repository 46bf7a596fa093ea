//! What Polar says about a failure.

use serde::Deserialize;
use serde_json::Value;

use super::decode::{decode_value, object};

/// Longest text kept of a field, in characters: it is meant for one line of a log.
const TEXT_LIMIT: usize = 200;

/// Polar's description of a failure, as far as there is one: no status promises it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ErrorBody {
    /// Code of the error, for example `invalid_grant`.
    pub error_type: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
    /// Polar's id of the failed call, for their support.
    pub corr_id: Option<String>,
}

impl ErrorBody {
    /// Reads the flat form, the form wrapped in `error`, and OAuth's `{"error":"code"}`. Anything
    /// else is an error body that says nothing.
    pub fn read(body: &[u8]) -> Self {
        let Ok(mut fields) = object(body) else {
            return Self::default();
        };
        let said = match fields.shift_remove("error") {
            Some(wrapped @ Value::Object(_)) => decode_value(wrapped).unwrap_or_default(),
            Some(Value::String(code)) => Self {
                error_type: Some(code),
                message: fields
                    .shift_remove("error_description")
                    .and_then(|text| decode_value(text).ok()),
                corr_id: None,
            },
            _ => decode_value(fields.into()).unwrap_or_default(),
        };
        Self {
            error_type: said.error_type.map(|text| one_line(&text)),
            message: said.message.map(|text| one_line(&text)),
            corr_id: said.corr_id.map(|text| one_line(&text)),
        }
    }
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(TEXT_LIMIT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_form_is_read() {
        let flat =
            br#"{"timestamp":"t","status":400,"errorType":"Ping","message":"m\nn","corrId":"c"}"#;
        let wrapped =
            br#"{"error":{"status":400,"error_type":"Ping","message":"m\nn","corr_id":"c"}}"#;
        for body in [&flat[..], wrapped] {
            let error = ErrorBody::read(body);
            assert_eq!(error.error_type.as_deref(), Some("Ping"));
            assert_eq!(error.message.as_deref(), Some("m n"));
            assert_eq!(error.corr_id.as_deref(), Some("c"));
        }
        let oauth = ErrorBody::read(br#"{"error":"invalid_grant"}"#);
        assert_eq!(oauth.error_type.as_deref(), Some("invalid_grant"));
    }

    #[test]
    fn anything_else_says_nothing_and_nothing_is_long() {
        for body in [
            &b""[..],
            b"<html>",
            b"[]",
            b"{\"error\":[1]}",
            b"{\"message\":{}}",
        ] {
            assert_eq!(ErrorBody::read(body), ErrorBody::default());
        }
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(10_000));
        let message = ErrorBody::read(long.as_bytes()).message.unwrap();
        assert_eq!(message.len(), TEXT_LIMIT);
    }
}
