//! One line of `users import`, read strictly. Pure, and never repeats a value in an error: it may be
//! a token.

use std::{collections::HashSet, fmt};

use jiff::Timestamp;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    accesslink::oauth::TokenSet,
    model::{InvalidUserId, UserId},
    secret::Token,
};

/// The longest line, in bytes.
pub(super) const LINE_MAX_BYTES: usize = 64 * 1024;

/// The longest token, in bytes. Polar's have 32.
const TOKEN_MAX_BYTES: usize = 4096;

/// A connection to be taken over.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) user_id: UserId,
    pub(super) polar_user_id: i64,
    pub(super) tokens: TokenSet,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    #[error("it is longer than {LINE_MAX_BYTES} bytes")]
    TooLong,
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is not JSON")]
    NotJson,
    #[error("it is not a JSON object")]
    NotObject,
    #[error(
        "it has a field that is not known; user_id, polar_user_id, access_token, refresh_token and expires_at are"
    )]
    UnknownField,
    #[error("{0} is there twice")]
    Twice(&'static str),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{field} is not {expected}")]
    WrongType {
        field: &'static str,
        expected: &'static str,
    },
    #[error("user_id is not allowed: {0}")]
    UserId(InvalidUserId),
    #[error("{0} has to have 1 to {TOKEN_MAX_BYTES} visible ASCII characters")]
    Token(&'static str),
}

/// Reads a line.
pub(super) fn parse(line: &[u8]) -> Result<Line, LineError> {
    let text = std::str::from_utf8(line).map_err(|_| LineError::NotUtf8)?;
    let mut fields = Fields::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Reader(&mut fields).deserialize(&mut json);
    // Our own words for what is wrong come first: serde's may repeat a value.
    if let Some(error) = fields.error {
        return Err(error);
    }
    match read.and_then(|()| json.end()) {
        Ok(()) => fields.into_line(),
        Err(error) if error.is_data() => Err(LineError::NotObject),
        Err(_) => Err(LineError::NotJson),
    }
}

/// The fields of a line, as they are met.
#[derive(Default)]
struct Fields {
    seen: HashSet<&'static str>,
    user_id: Option<UserId>,
    polar_user_id: Option<i64>,
    access_token: Option<Token>,
    refresh_token: Option<Token>,
    expires_at: Option<Timestamp>,
    error: Option<LineError>,
}

const USER_ID: &str = "user_id";
const POLAR_USER_ID: &str = "polar_user_id";
const ACCESS_TOKEN: &str = "access_token";
const REFRESH_TOKEN: &str = "refresh_token";
const EXPIRES_AT: &str = "expires_at";

impl Fields {
    fn take(&mut self, name: &str, value: &Value) -> Result<(), LineError> {
        let known = [
            USER_ID,
            POLAR_USER_ID,
            ACCESS_TOKEN,
            REFRESH_TOKEN,
            EXPIRES_AT,
        ];
        let field = known.into_iter().find(|known| *known == name);
        let field = field.ok_or(LineError::UnknownField)?;
        if !self.seen.insert(field) {
            return Err(LineError::Twice(field));
        }
        match field {
            USER_ID => {
                let id = value.text(field)?.to_string();
                self.user_id = Some(id.try_into().map_err(LineError::UserId)?);
            }
            POLAR_USER_ID => self.polar_user_id = Some(value.id(field)?),
            ACCESS_TOKEN => self.access_token = Some(value.token(field)?),
            // Many languages write an absent value as null.
            REFRESH_TOKEN if matches!(value, Value::Null) => {}
            REFRESH_TOKEN => self.refresh_token = Some(value.token(field)?),
            _ => self.expires_at = value.instant(field)?,
        }
        Ok(())
    }

    fn into_line(self) -> Result<Line, LineError> {
        let polar_user_id = self
            .polar_user_id
            .ok_or(LineError::Missing(POLAR_USER_ID))?;
        Ok(Line {
            user_id: self.user_id.ok_or(LineError::Missing(USER_ID))?,
            polar_user_id,
            tokens: TokenSet {
                access_token: self.access_token.ok_or(LineError::Missing(ACCESS_TOKEN))?,
                refresh_token: self.refresh_token,
                expires_at: self.expires_at,
                polar_user_id: Some(polar_user_id),
            },
        })
    }
}

/// A value of a line; what no field may be is not kept.
enum Value {
    Null,
    Integer(i64),
    Text(Zeroizing<String>),
    Other,
}

impl Value {
    fn text(&self, field: &'static str) -> Result<&str, LineError> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err(LineError::WrongType {
                field,
                expected: "a string",
            }),
        }
    }

    fn id(&self, field: &'static str) -> Result<i64, LineError> {
        match self {
            Self::Integer(id) if *id > 0 => Ok(*id),
            _ => Err(LineError::WrongType {
                field,
                expected: "a whole number above zero",
            }),
        }
    }

    /// A token goes into a header, so it is of what a header may hold.
    fn token(&self, field: &'static str) -> Result<Token, LineError> {
        let token = self.text(field)?;
        let is_sound = (1..=TOKEN_MAX_BYTES).contains(&token.len())
            && token.bytes().all(|byte| byte.is_ascii_graphic());
        if is_sound {
            Ok(Token::from(token.to_owned()))
        } else {
            Err(LineError::Token(field))
        }
    }

    fn instant(&self, field: &'static str) -> Result<Option<Timestamp>, LineError> {
        let instant = match self {
            Self::Null => return Ok(None),
            Self::Integer(seconds) => Timestamp::from_second(*seconds).ok(),
            Self::Text(text) => text.parse().ok(),
            Self::Other => None,
        };
        instant.map(Some).ok_or(LineError::WrongType {
            field,
            expected: "an instant in RFC 3339 or in Unix seconds",
        })
    }
}

/// Reads an object into [`Fields`]. An error of ours is left there, and ends the reading.
struct Reader<'a>(&'a mut Fields);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(mut name) = map.next_key::<String>()? {
            let value = map.next_value_seed(ValueReader)?;
            let taken = self.0.take(&name, &value);
            name.zeroize();
            if let Err(error) = taken {
                let text = error.to_string();
                self.0.error = Some(error);
                return Err(A::Error::custom(text));
            }
        }
        Ok(())
    }
}

struct ValueReader;

impl<'de> DeserializeSeed<'de> for ValueReader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Other, Value::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const GOOD: &str = r#"{"user_id":"u","polar_user_id":7,"access_token":"canary""#;

    #[test]
    fn a_line_is_read_with_all_its_fields() {
        let line =
            format!(r#"{GOOD},"refresh_token":"r","expires_at":"2026-03-20T12:00:00+01:00"}}"#);
        let line = parse(line.as_bytes()).unwrap();
        assert_eq!((line.user_id.as_str(), line.polar_user_id), ("u", 7));
        assert_eq!(line.tokens.access_token.expose(), "canary");
        assert_eq!(line.tokens.refresh_token.unwrap().expose(), "r");
        assert_eq!(line.tokens.expires_at, "2026-03-20T11:00:00Z".parse().ok());
    }

    #[test]
    fn an_expiry_may_be_in_seconds_and_absent_values_null() {
        let line = format!(r#" {GOOD},"refresh_token":null,"expires_at":1774000000}} "#);
        let line = parse(line.as_bytes()).unwrap();
        assert!(line.tokens.refresh_token.is_none());
        assert_eq!(line.tokens.expires_at.unwrap().as_second(), 1_774_000_000);
        let line = parse(format!(r#"{GOOD},"expires_at":null}}"#).as_bytes()).unwrap();
        assert_eq!(line.tokens.expires_at, None);
    }

    #[rstest]
    #[case("canary", "it is not JSON")]
    #[case(r#""canary""#, "it is not a JSON object")]
    #[case(r#"["canary"]"#, "it is not a JSON object")]
    #[case(
        r#"{"user_id":"u","polar_user_id":7,"access_token":"canary""#,
        "it is not JSON"
    )]
    #[case(
        r#"{"user_id":"u","polar_user_id":7,"access_token":"canary"} x"#,
        "it is not JSON"
    )]
    #[case(r#"{"user_id":"u","polar_user_id":7}"#, "access_token is missing")]
    #[case(r#"{"polar_user_id":7,"access_token":"canary"}"#, "user_id is missing")]
    #[case(
        r#"{"user_id":"u","access_token":"canary"}"#,
        "polar_user_id is missing"
    )]
    #[case(r#"{"user_id":"u","user_id":"canary"}"#, "user_id is there twice")]
    #[case(
        r#"{"user_id":"u","acces_token":"canary"}"#,
        "it has a field that is not known"
    )]
    #[case(
        r#"{"user_id":"canary/","polar_user_id":7}"#,
        "user_id is not allowed: a user id has"
    )]
    #[case(r#"{"user_id":7}"#, "user_id is not a string")]
    #[case(
        r#"{"polar_user_id":"7"}"#,
        "polar_user_id is not a whole number above zero"
    )]
    #[case(
        r#"{"polar_user_id":0}"#,
        "polar_user_id is not a whole number above zero"
    )]
    #[case(
        r#"{"polar_user_id":7.5}"#,
        "polar_user_id is not a whole number above zero"
    )]
    #[case(
        r#"{"polar_user_id":18446744073709551615}"#,
        "polar_user_id is not a whole number"
    )]
    #[case(r#"{"access_token":{"canary":1}}"#, "access_token is not a string")]
    #[case(r#"{"access_token":null}"#, "access_token is not a string")]
    #[case(r#"{"access_token":""}"#, "access_token has to have 1 to 4096")]
    #[case(
        r#"{"access_token":"canary canary"}"#,
        "access_token has to have 1 to 4096"
    )]
    #[case(r#"{"refresh_token":["canary"]}"#, "refresh_token is not a string")]
    #[case(r#"{"expires_at":"canary"}"#, "expires_at is not an instant")]
    #[case(r#"{"expires_at":true}"#, "expires_at is not an instant")]
    fn what_is_wrong_is_told_without_a_value(#[case] line: &str, #[case] expected: &str) {
        let error = parse(line.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }

    #[test]
    fn tokens_have_a_limit() {
        for (length, is_good) in [(TOKEN_MAX_BYTES, true), (TOKEN_MAX_BYTES + 1, false)] {
            let token = "t".repeat(length);
            let line = format!(r#"{{"user_id":"u","polar_user_id":7,"access_token":"{token}"}}"#);
            assert_eq!(parse(line.as_bytes()).is_ok(), is_good, "{length}");
        }
        assert_eq!(
            parse(b"{\"user_id\":\"\xff\"}").unwrap_err(),
            LineError::NotUtf8
        );
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&line);
        }

        /// A line that is damaged is refused without a value of it, or read as a connection that may be.
        #[test]
        fn a_damaged_line_tells_nothing(
            at in any::<prop::sample::Index>(), by in any::<u8>(), cut in any::<prop::sample::Index>(),
        ) {
            let mut line = format!(r#"{GOOD},"refresh_token":"canary-2","expires_at":1774000000}}"#).into_bytes();
            let length = line.len();
            line[at.index(length)] = by;
            for line in [&line[..], &line[..cut.index(length)]] {
                match parse(line) {
                    Ok(line) => prop_assert!(line.user_id.as_str().parse::<UserId>().is_ok()),
                    Err(error) => prop_assert!(!error.to_string().contains("canary"), "{}", error),
                }
            }
        }
    }
}
