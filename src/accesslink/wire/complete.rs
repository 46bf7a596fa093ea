//! Whether a body arrived whole.

use serde::de::{Deserialize, IgnoredAny};

/// A body that did not arrive as a whole JSON document: it is not durable, and fetching it again
/// may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// There is nothing.
    #[error("the body is empty: fetch it again")]
    Empty,
    /// It ends in the middle.
    #[error("the body is cut off: fetch it again")]
    CutOff,
    /// It is not UTF-8.
    #[error("the body is not UTF-8: fetch it again")]
    NotUtf8,
    /// It is something else, for example a proxy's HTML page or a bare word.
    #[error("the body is not of the format that was asked for: fetch it again")]
    OtherFormat,
}

/// Checks that `body` is one whole JSON object or array, whatever it holds.
///
/// The check is of syntax alone: numbers out of range and deep nesting are complete, since fetching
/// them again would not change them. A bare word or number is refused, because AccessLink never
/// answers with one and a gateway may.
pub fn check_complete(body: &[u8]) -> Result<(), Incomplete> {
    let text = text(body)?;
    if !text.starts_with(['{', '[']) {
        return Err(Incomplete::OtherFormat);
    }
    let mut parser = serde_json::Deserializer::from_str(text);
    IgnoredAny::deserialize(&mut parser)
        .and_then(|_| parser.end())
        .map_err(|error| {
            if error.is_eof() || ends_within_a_number(&error, text) {
                Incomplete::CutOff
            } else {
                Incomplete::OtherFormat
            }
        })
}

/// A number that is cut off after its `-`, `.` or `e` is reported as invalid instead of unfinished.
fn ends_within_a_number(error: &serde_json::Error, text: &str) -> bool {
    let last_line = text.rsplit('\n').next().unwrap_or_default();
    let at_the_end = error.line() > text.matches('\n').count() && error.column() >= last_line.len();
    at_the_end && !text.ends_with(['}', ']'])
}

/// The body as text, without the blanks and the byte order mark around it.
pub(super) fn text(body: &[u8]) -> Result<&str, Incomplete> {
    let text = std::str::from_utf8(body).map_err(|error| match error.error_len() {
        None => Incomplete::CutOff,
        Some(_) => Incomplete::NotUtf8,
    })?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        Err(Incomplete::Empty)
    } else {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_documents_are_complete_whatever_they_hold() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for body in [
            "{}",
            " [ ] \n",
            "\u{feff}{\"a\":1}",
            r#"{"a":1,"a":2}"#,
            r#"{"a":1e999,"b":"\ud800"}"#,
            &deep,
        ] {
            assert_eq!(check_complete(body.as_bytes()), Ok(()), "{body:.20}");
        }
    }

    #[test]
    fn every_proper_prefix_of_a_document_is_cut_off() {
        let body = r#"{"exercises":["https://h/ö",1.5e3,true,null],"x":{"y":"\u00e9"}}"#.as_bytes();
        assert_eq!(check_complete(body), Ok(()));
        for end in 1..body.len() {
            assert_eq!(
                check_complete(&body[..end]),
                Err(Incomplete::CutOff),
                "{end}"
            );
        }
    }

    #[test]
    fn what_is_not_json_is_told_apart() {
        for (body, incomplete) in [
            (&b""[..], Incomplete::Empty),
            (b" \r\n", Incomplete::Empty),
            (b"<html><body>502</body></html>", Incomplete::OtherFormat),
            (b"{\"a\":1}<html>", Incomplete::OtherFormat),
            (b"{\"a\":1}{\"a\":1}", Incomplete::OtherFormat),
            (b"{'a':1}", Incomplete::OtherFormat),
            (b"{\"a\":1.}\n", Incomplete::OtherFormat),
            (b"null", Incomplete::OtherFormat),
            (b"12", Incomplete::OtherFormat),
            (b"\"Service unavailable\"", Incomplete::OtherFormat),
            (b"{\"a\":\"\xff\"}", Incomplete::NotUtf8),
            (b"\x1f\x8b\x08", Incomplete::NotUtf8),
        ] {
            assert_eq!(check_complete(body), Err(incomplete), "{body:?}");
        }
    }
}
