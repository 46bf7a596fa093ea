//! Bytes to message, strictly. Pure and total: any bytes give a message or a rejection.

use std::{fmt, str::FromStr};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use uuid::Uuid;

use super::{MAX_BYTES, Message, REASON_MAX, REQUEST_ID_MAX, Rejection, VERSION};
use crate::model::{Cause, UserId};

/// Bytes of a version 00 `traceparent`.
const TRACEPARENT_LEN: usize = 55;

/// A message and what was in it that is not in the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What was asked.
    pub message: Message,
    /// Fields that were not understood; their number says that a sender is newer or mistaken.
    pub ignored_fields: usize,
}

pub(super) fn parse(job: Option<&[u8]>) -> Result<Parsed, Rejection> {
    let job = job.ok_or(Rejection::MissingJob)?;
    if job.len() > MAX_BYTES {
        return Err(Rejection::TooLong);
    }
    let mut fields = Fields::read(job)?;
    if fields.take("v").and_then(|v| v.as_u64()) != Some(VERSION) {
        return Err(Rejection::Version);
    }
    let message = Message {
        user_id: user_id(fields.take("user_id"))?,
        include: words(fields.take("include"), Rejection::Include)?,
        kinds: words(fields.take("kinds"), Rejection::Kinds)?,
        request_id: text(
            fields.take("request_id"),
            REQUEST_ID_MAX,
            Rejection::RequestId,
        )?,
        reason: text(fields.take("reason"), REASON_MAX, Rejection::Reason)?,
        cause: cause(fields.take("cause"))?,
        traceparent: traceparent(fields.take("traceparent"))?,
        task_id: fields.take_task_id(),
    };
    Ok(Parsed {
        message,
        ignored_fields: fields.rest(),
    })
}

fn user_id(value: Option<Value>) -> Result<UserId, Rejection> {
    match value {
        Some(Value::String(text)) => text.try_into().map_err(|_| Rejection::UserId),
        _ => Err(Rejection::UserId),
    }
}

fn words<T: PartialEq + FromStr>(
    value: Option<Value>,
    rejection: Rejection,
) -> Result<Option<Vec<T>>, Rejection> {
    let Some(value) = value else { return Ok(None) };
    let mut known = Vec::new();
    for item in value.as_array().ok_or(rejection)? {
        let word = item
            .as_str()
            .and_then(|word| word.parse().ok())
            .ok_or(rejection)?;
        if !known.contains(&word) {
            known.push(word);
        }
    }
    Ok(Some(known))
}

/// NUL is refused because Postgres cannot keep it in a text.
fn text(
    value: Option<Value>,
    max_chars: usize,
    rejection: Rejection,
) -> Result<Option<String>, Rejection> {
    match value {
        None => Ok(None),
        Some(Value::String(text))
            if (1..=max_chars).contains(&text.chars().count()) && !text.contains('\0') =>
        {
            Ok(Some(text))
        }
        Some(_) => Err(rejection),
    }
}

fn cause(value: Option<Value>) -> Result<Cause, Rejection> {
    match value {
        None => Ok(Cause::Message),
        Some(value) => value
            .as_str()
            .and_then(|word| word.parse().ok())
            .ok_or(Rejection::Cause),
    }
}

/// The W3C asks to ignore a context that is not understood; no sync is worth losing over it.
fn traceparent(value: Option<Value>) -> Result<Option<String>, Rejection> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| {
            text.len() == TRACEPARENT_LEN
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        })),
        Some(_) => Err(Rejection::Traceparent),
    }
}

/// The fields of an object in their order, `null` ones left out: many languages write an absent
/// value so.
struct Fields {
    entries: Vec<(String, Value)>,
}

impl Fields {
    fn read(job: &[u8]) -> Result<Self, Rejection> {
        let object = match serde_json::from_slice::<Object>(job) {
            Ok(object) => object,
            Err(error) if error.is_data() => return Err(Rejection::NotObject),
            Err(_) => return Err(Rejection::NotJson),
        };
        let mut entries: Vec<(String, Value)> = Vec::with_capacity(object.entries.len());
        for (key, value) in object.entries {
            if entries.iter().any(|(known, _)| *known == key) {
                return Err(Rejection::DuplicateKey);
            }
            entries.push((key, value));
        }
        entries.retain(|(_, value)| !value.is_null());
        Ok(Self { entries })
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        let at = self.entries.iter().position(|(known, _)| known == key)?;
        Some(self.entries.swap_remove(at).1)
    }

    /// Only our own wake-ups name a task; what is no id is a field like any other unknown one.
    fn take_task_id(&mut self) -> Option<Uuid> {
        let named = self.entries.iter().find(|(known, _)| known == "task_id")?;
        let task_id = Uuid::try_parse(named.1.as_str()?).ok()?;
        self.take("task_id").map(|_| task_id)
    }

    fn rest(self) -> usize {
        self.entries.len()
    }
}

/// An object with every key that was written: `serde_json`'s own map silently keeps the last of
/// two equal ones.
struct Object {
    entries: Vec<(String, Value)>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        // At most MAX_BYTES / 5 entries: `"":0,` is the shortest.
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Object { entries })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::model::Detail;

    fn message_for(user_id: &str) -> Message {
        Message::for_user(user_id.parse().unwrap())
    }

    fn rejection(json: &str) -> Rejection {
        parse(Some(json.as_bytes())).unwrap_err()
    }

    #[rstest]
    #[case::text("hello", Rejection::NotJson)]
    #[case::empty("", Rejection::NotJson)]
    #[case::cut_off(r#"{"v":1,"user_id":"a""#, Rejection::NotJson)]
    #[case::trailing(r#"{"v":1,"user_id":"a"} x"#, Rejection::NotJson)]
    #[case::list("[1]", Rejection::NotObject)]
    #[case::number("1", Rejection::NotObject)]
    #[case::null("null", Rejection::NotObject)]
    #[case::twice(r#"{"v":1,"user_id":"a","user_id":"b"}"#, Rejection::DuplicateKey)]
    #[case::twice_escaped(r#"{"v":1,"user_id":"a","user\u005fid":"b"}"#, Rejection::DuplicateKey)]
    #[case::twice_unknown(r#"{"v":1,"user_id":"a","x":1,"x":null}"#, Rejection::DuplicateKey)]
    #[case::no_version(r#"{"user_id":"a"}"#, Rejection::Version)]
    #[case::version_2(r#"{"v":2,"user_id":"a"}"#, Rejection::Version)]
    #[case::version_text(r#"{"v":"1","user_id":"a"}"#, Rejection::Version)]
    #[case::version_float(r#"{"v":1.0,"user_id":"a"}"#, Rejection::Version)]
    #[case::no_user(r#"{"v":1}"#, Rejection::UserId)]
    #[case::number_user(r#"{"v":1,"user_id":7}"#, Rejection::UserId)]
    #[case::empty_user(r#"{"v":1,"user_id":""}"#, Rejection::UserId)]
    #[case::dot(r#"{"v":1,"user_id":"."}"#, Rejection::UserId)]
    #[case::dots(r#"{"v":1,"user_id":".."}"#, Rejection::UserId)]
    #[case::slash(r#"{"v":1,"user_id":"a/b"}"#, Rejection::UserId)]
    #[case::umlaut(r#"{"v":1,"user_id":"ä"}"#, Rejection::UserId)]
    #[case::include_word(r#"{"v":1,"user_id":"a","include":["gps"]}"#, Rejection::Include)]
    #[case::include_text(r#"{"v":1,"user_id":"a","include":"zones"}"#, Rejection::Include)]
    #[case::kinds_word(r#"{"v":1,"user_id":"a","kinds":["Sleep"]}"#, Rejection::Kinds)]
    #[case::request_empty(r#"{"v":1,"user_id":"a","request_id":""}"#, Rejection::RequestId)]
    #[case::request_nul(
        r#"{"v":1,"user_id":"a","request_id":"a\u0000"}"#,
        Rejection::RequestId
    )]
    #[case::reason_empty(r#"{"v":1,"user_id":"a","reason":""}"#, Rejection::Reason)]
    #[case::reason_nul(r#"{"v":1,"user_id":"a","reason":"\u0000"}"#, Rejection::Reason)]
    #[case::cause_word(r#"{"v":1,"user_id":"a","cause":"magic"}"#, Rejection::Cause)]
    #[case::trace_number(r#"{"v":1,"user_id":"a","traceparent":1}"#, Rejection::Traceparent)]
    fn bad_messages_say_what_is_wrong(#[case] json: &str, #[case] expected: Rejection) {
        assert_eq!(rejection(json), expected);
    }

    #[test]
    fn an_entry_without_job_is_rejected() {
        assert_eq!(parse(None).unwrap_err(), Rejection::MissingJob);
        assert_eq!(parse(Some(b"\xff\xfe")).unwrap_err(), Rejection::NotJson);
    }

    #[rstest]
    #[case("user_id", UserId::MAX_LENGTH, Rejection::UserId)]
    #[case("request_id", REQUEST_ID_MAX, Rejection::RequestId)]
    #[case("reason", REASON_MAX, Rejection::Reason)]
    fn text_lengths_hold_on_both_sides(
        #[case] field: &str,
        #[case] max: usize,
        #[case] expected: Rejection,
    ) {
        let json = |length: usize| {
            let mut object = serde_json::json!({"v": 1, "user_id": "a"});
            object[field] = "x".repeat(length).into();
            object.to_string()
        };
        assert!(parse(Some(json(max).as_bytes())).is_ok());
        assert_eq!(rejection(&json(max + 1)), expected);
    }

    #[test]
    fn the_size_limit_holds_on_both_sides() {
        let json = |bytes: usize| format!("{:<bytes$}", r#"{"v":1,"user_id":"a"}"#);
        assert!(parse(Some(json(MAX_BYTES).as_bytes())).is_ok());
        assert_eq!(rejection(&json(MAX_BYTES + 1)), Rejection::TooLong);
    }

    #[test]
    fn unknown_fields_are_counted_and_nulls_are_absent() {
        let json = r#"{"x":{"deep":[1]},"v":1,"user_id":"a","reason":null,"kinds":null,"y":2}"#;
        let parsed = parse(Some(json.as_bytes())).unwrap();
        assert_eq!(parsed.ignored_fields, 2);
        assert_eq!(parsed.message, message_for("a"));
    }

    #[test]
    fn a_strange_trace_context_is_ignored() {
        let json = r#"{"v":1,"user_id":"a","traceparent":"nonsense"}"#;
        assert_eq!(
            parse(Some(json.as_bytes())).unwrap().message.traceparent,
            None
        );
    }

    #[test]
    fn repeated_words_count_once() {
        let json = r#"{"v":1,"user_id":"a","include":["zones","zones"]}"#;
        let message = parse(Some(json.as_bytes())).unwrap().message;
        assert_eq!(message.include, Some(vec![Detail::Zones]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
            let _ = parse(Some(&bytes));
        }

        #[test]
        fn any_user_id_gets_the_same_answer_as_the_rule(text in "[a-zA-Z0-9._:@=+|~/ ä-]{0,130}") {
            let json = serde_json::json!({"v": 1, "user_id": text}).to_string();
            prop_assert_eq!(parse(Some(json.as_bytes())).is_ok(), text.parse::<UserId>().is_ok());
        }

        #[test]
        fn what_we_write_reads_back(
            user_id in "[a-zA-Z0-9_:@=+|~-]{1,128}",
            request_id in proptest::option::of("[^\0]{1,128}"),
            reason in proptest::option::of("[^\0]{1,200}"),
            task in proptest::option::of(any::<u128>()),
        ) {
            let mut message = message_for(&user_id);
            message.request_id = request_id;
            message.reason = reason;
            message.task_id = task.map(Uuid::from_u128);
            let json = message.to_json().unwrap();
            prop_assert_eq!(parse(Some(json.as_bytes())).unwrap().message, message);
        }
    }
}
