//! What could not be understood.

use std::fmt;

use serde::de;

/// A complete body, or a piece of one, that does not fit what is known of it.
///
/// Names the place and the expectation, never the value that stood there. It is the error type of
/// the decoder itself, so that no message of another crate, which would quote the value, can get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Where: field names and list positions, for example `samples[2].data`; empty for the body
    /// itself.
    pub path: String,
    /// What should have stood there, for example `a whole number`.
    pub expected: String,
}

impl Unreadable {
    /// Something that is not what was expected at `path`.
    pub fn new(path: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            expected: expected.into(),
        }
    }

    /// The same, seen from the object whose field `name` holds it.
    #[must_use]
    pub fn in_field(self, name: &str) -> Self {
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            inner if inner.starts_with('[') => format!("{name}{inner}"),
            inner => format!("{name}.{inner}"),
        };
        Self { path, ..self }
    }

    /// The same, seen from the list or map whose entry at `position` holds it.
    #[must_use]
    pub fn at_position(self, position: usize) -> Self {
        self.in_field(&format!("[{position}]"))
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "the body"
        } else {
            &self.path
        };
        write!(f, "{path}: expected {}", self.expected)
    }
}

impl std::error::Error for Unreadable {}

/// Only expectations are taken over from serde: whatever it says of the found value is dropped.
impl de::Error for Unreadable {
    fn custom<T: fmt::Display>(_may_quote_the_value: T) -> Self {
        Self::new("", "a value of the documented form")
    }

    fn invalid_type(_found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new("", expected.to_string())
    }

    fn invalid_value(_found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new("", expected.to_string())
    }

    fn invalid_length(_found: usize, expected: &dyn de::Expected) -> Self {
        Self::new("", expected.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(field, "a value, but it is missing")
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(field, "one value, but it is given twice")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_built_from_the_inside_out() {
        let error = Unreadable::new("", "a number")
            .at_position(2)
            .in_field("data")
            .at_position(0)
            .in_field("samples");
        assert_eq!(error.path, "samples[0].data[2]");
        assert_eq!(error.to_string(), "samples[0].data[2]: expected a number");
    }

    #[test]
    fn what_serde_says_of_a_value_is_dropped() {
        let custom = <Unreadable as de::Error>::custom("heart rate 187");
        let typed = <Unreadable as de::Error>::invalid_type(
            de::Unexpected::Str("heart rate 187"),
            &"a number",
        );
        for error in [custom, typed] {
            assert!(!format!("{error} {error:?}").contains("187"));
        }
    }
}
